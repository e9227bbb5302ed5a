// Package ftptest is an FTP server in memory for tests. It behaves well unless
// a test takes a command over with [Server.On]; then it does whatever the test
// wants, however wrong.
package ftptest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A File is one file or directory of a server.
type File struct {
	Data []byte
	Time time.Time
	Dir  bool
}

// A Handler takes one command over. It must send the replies.
type Handler func(s *Session, arg string)

// A Server is one FTP server. Set its fields before Start.
type Server struct {
	// User and Password to log in with; an empty User lets everybody in.
	User, Password string
	// Greeting replaces the 220 line. The text is sent as it is.
	Greeting string
	// Features are the lines of FEAT; nil means all that the server has.
	Features []string
	// TLS offers AUTH TLS; with Implicit each connection starts with TLS.
	TLS      *tls.Config
	Implicit bool
	// RequireReuse refuses data connections that do not resume a session.
	RequireReuse bool
	// Network and Addr to listen on; empty means tcp, 127.0.0.1:0.
	Addr string

	mu       sync.Mutex
	files    map[string]*File
	handlers map[string]Handler
	log      []string
	logins   int
	conns    map[net.Conn]bool
	l        net.Listener
	wg       sync.WaitGroup
}

// Start starts s and stops it when the test ends. It returns s.
func (s *Server) Start(t testing.TB) *Server {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Listen starts s outside of a test. Stop it.
func (s *Server) Listen() error {
	addr := s.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.l, s.conns = l, map[net.Conn]bool{}
	s.mu.Lock()
	if s.files == nil {
		s.files = map[string]*File{}
	}
	s.files["/"] = &File{Dir: true}
	s.mu.Unlock()
	s.wg.Go(s.accept)
	return nil
}

// Stop ends all connections and waits for the goroutines.
func (s *Server) Stop() {
	_ = s.l.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Port returns the port that s listens on.
func (s *Server) Port() int { return s.l.Addr().(*net.TCPAddr).Port }

// HostPort returns the address that s listens on.
func (s *Server) HostPort() string { return s.l.Addr().String() }

// On lets h answer verb from now on; a nil h gives it back to the server. The
// verb "CONNECT" stands for a new connection, before the greeting.
func (s *Server) On(verb string, h Handler) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers == nil {
		s.handlers = map[string]Handler{}
	}
	s.handlers[verb] = h
	return s
}

// Reply lets s answer verb with fixed text; each line needs its CR LF.
func (s *Server) Reply(verb, text string) *Server {
	return s.On(verb, func(c *Session, _ string) { c.Raw(text) })
}

// Put stores a file, and the directories above it.
func (s *Server) Put(name string, data []byte) *Server {
	return s.PutAt(name, data, time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC))
}

// PutAt is Put with a time of change.
func (s *Server) PutAt(name string, data []byte, at time.Time) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string]*File{}
	}
	name = path.Clean("/" + name)
	s.files[name] = &File{Data: data, Time: at}
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		s.files[dir] = &File{Dir: true, Time: at}
	}
	return s
}

// File returns the content of a file, and whether it is there.
func (s *Server) File(name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[path.Clean("/"+name)]
	if f == nil || f.Dir {
		return nil, false
	}
	return slices.Clone(f.Data), true
}

// Time returns the time of a file.
func (s *Server) Time(name string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[path.Clean("/"+name)]; f != nil {
		return f.Time
	}
	return time.Time{}
}

// IsDir reports whether name is a directory.
func (s *Server) IsDir(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[path.Clean("/"+name)]
	return f != nil && f.Dir
}

// Log returns the commands received so far, of all connections.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Logins returns how many sessions logged in.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

func (s *Server) accept() {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.track(conn, true)
		s.wg.Go(func() {
			defer s.track(conn, false)
			defer conn.Close()
			s.serve(conn)
		})
	}
}

func (s *Server) track(c net.Conn, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.conns[c] = true
	} else {
		delete(s.conns, c)
	}
}

func (s *Server) serve(conn net.Conn) {
	c := &Session{Server: s, Conn: conn, dir: "/", user: s.User == ""}
	defer c.closeData()
	if s.Implicit && !c.secure() {
		return
	}
	c.r = bufio.NewReader(c.Conn)
	if h := s.handler("CONNECT"); h != nil {
		h(c, "")
	} else {
		greeting := s.Greeting
		if greeting == "" {
			greeting = "220 ready\r\n"
		}
		c.Raw(greeting)
	}
	for !c.closed {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		c.command(strings.TrimRight(line, "\r\n"))
	}
}

func (s *Server) handler(verb string) Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handlers[verb]
}

func (c *Session) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	c.Server.mu.Lock()
	c.Server.log = append(c.Server.log, line)
	c.Server.mu.Unlock()
	if h := c.Server.handler(verb); h != nil {
		h(c, arg)
		return
	}
	c.Default(verb, arg)
}

// Default answers verb as the server does by itself.
func (c *Session) Default(verb, arg string) {
	if h := builtin(verb); h != nil {
		h(c, arg)
		return
	}
	c.Send(502, "not here: "+verb)
}

// A Session is one control connection, as a [Handler] sees it.
type Session struct {
	Server *Server
	Conn   net.Conn // control connection, TLS when asked for
	r      *bufio.Reader
	closed bool

	dir, rename string
	user        bool
	typ         string
	rest        int64
	protect     bool
	passive     net.Listener
	active      string
	tlsControl  bool
}

// Send sends one reply line.
func (c *Session) Send(code int, text string) { c.Raw(fmt.Sprintf("%03d %s\r\n", code, text)) }

// Raw sends text as it is.
func (c *Session) Raw(text string) { _, _ = c.Conn.Write([]byte(text)) }

// Close ends the control connection.
func (c *Session) Close() {
	c.closed = true
	_ = c.Conn.Close()
}

// Hang does nothing until the client or the test ends the connection.
func (c *Session) Hang() {
	c.closed = true
	_, _ = c.r.WriteTo(discard{})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Reset ends conn with RST.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (c *Session) secure() bool {
	conn := tls.Server(c.Conn, c.Server.TLS)
	if conn.Handshake() != nil {
		return false
	}
	c.Conn, c.r, c.tlsControl = conn, bufio.NewReader(conn), true
	return true
}

func (c *Session) abs(name string) string {
	if name == "" {
		return c.dir
	}
	if !strings.HasPrefix(name, "/") {
		name = c.dir + "/" + name
	}
	return path.Clean(name)
}
