package ftptest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const stamp = "20060102150405"

// builtin returns the handler of a command, nil for an unknown one.
func builtin(verb string) Handler {
	return map[string]Handler{
		"USER": (*Session).cmdUser, "PASS": (*Session).cmdPass, "FEAT": (*Session).cmdFeat,
		"AUTH": (*Session).cmdAuth, "PBSZ": ok(200), "PROT": (*Session).cmdProt,
		"TYPE": (*Session).cmdType, "OPTS": ok(200), "NOOP": ok(200), "MODE": ok(200), "STRU": ok(200),
		"PWD": (*Session).cmdPwd, "CWD": (*Session).cmdCwd, "CDUP": func(c *Session, _ string) { c.cmdCwd("..") },
		"EPSV": (*Session).cmdEpsv, "PASV": (*Session).cmdPasv, "EPRT": (*Session).cmdEprt, "PORT": (*Session).cmdPort,
		"REST": (*Session).cmdRest, "RETR": (*Session).cmdRetr, "STOR": (*Session).cmdStor,
		"APPE": (*Session).cmdAppe, "STOU": (*Session).cmdStou,
		"LIST": list(lsLine), "NLST": list(nlstLine), "MLSD": list(mlsdLine), "MLST": (*Session).cmdMlst,
		"SIZE": (*Session).cmdSize, "MDTM": (*Session).cmdMdtm, "MFMT": (*Session).cmdMfmt,
		"DELE": (*Session).cmdDele, "RMD": (*Session).cmdDele, "MKD": (*Session).cmdMkd,
		"RNFR": (*Session).cmdRnfr, "RNTO": (*Session).cmdRnto, "HASH": (*Session).cmdHash,
		"XMD5": (*Session).cmdXmd5, "XCRC": (*Session).cmdXcrc, "QUIT": (*Session).cmdQuit,
	}[verb]
}

func ok(code int) Handler {
	return func(c *Session, _ string) { c.Send(code, "fine") }
}

func (c *Session) cmdUser(name string) {
	if c.Server.User == "" || name == c.Server.User {
		c.Send(331, "password, please")
		return
	}
	c.Send(530, "no such user")
}

func (c *Session) cmdPass(word string) {
	if c.Server.User != "" && word != c.Server.Password {
		c.Send(530, "login incorrect")
		return
	}
	c.user = true
	c.Server.mu.Lock()
	c.Server.logins++
	c.Server.mu.Unlock()
	c.Send(230, "welcome")
}

func (c *Session) cmdFeat(string) {
	features := c.Server.Features
	if features == nil {
		features = []string{"EPRT", "EPSV", "MDTM", "MFMT", "MLST type*;size*;modify*;", "REST STREAM", "SIZE", "UTF8", "HASH SHA-256;MD5", "XMD5", "XCRC"}
	}
	c.Raw("211-Features:\r\n")
	for _, f := range features {
		c.Raw(" " + f + "\r\n")
	}
	c.Send(211, "End")
}

func (c *Session) cmdAuth(string) {
	if c.Server.TLS == nil {
		c.Send(502, "no TLS")
		return
	}
	c.Send(234, "go on")
	if !c.secure() {
		c.Close()
	}
}

func (c *Session) cmdProt(level string) {
	c.protect = level == "P"
	c.Send(200, "protection "+level)
}

func (c *Session) cmdType(t string) {
	c.typ = t
	c.Send(200, "type "+t)
}

func (c *Session) cmdPwd(string) {
	c.Send(257, `"`+strings.ReplaceAll(c.dir, `"`, `""`)+`" is it`)
}

func (c *Session) cmdCwd(dir string) {
	if dir = c.abs(dir); !c.Server.IsDir(dir) {
		c.Send(550, "no such directory")
		return
	}
	c.dir = dir
	c.Send(250, "there")
}

func (c *Session) cmdRest(n string) {
	c.rest, _ = strconv.ParseInt(n, 10, 64)
	c.Send(350, "from there")
}

func (c *Session) cmdSize(name string) {
	data, found := c.Server.File(c.abs(name))
	if !found {
		c.Send(550, "no such file")
		return
	}
	c.Send(213, strconv.Itoa(len(data)))
}

func (c *Session) cmdMdtm(arg string) {
	if at, name, found := strings.Cut(arg, " "); found {
		if t, err := time.Parse(stamp, at); err == nil {
			c.setTime(name, t)
			return
		}
	}
	if _, found := c.Server.File(c.abs(arg)); !found {
		c.Send(550, "no such file")
		return
	}
	c.Send(213, c.Server.Time(c.abs(arg)).UTC().Format(stamp))
}

func (c *Session) cmdMfmt(arg string) {
	at, name, _ := strings.Cut(arg, " ")
	t, err := time.Parse(stamp, at)
	if err != nil {
		c.Send(501, "bad time")
		return
	}
	c.setTime(name, t)
}

func (c *Session) setTime(name string, t time.Time) {
	s := c.Server
	s.mu.Lock()
	f := s.files[c.abs(name)]
	if f != nil {
		f.Time = t
	}
	s.mu.Unlock()
	if f == nil {
		c.Send(550, "no such file")
		return
	}
	c.Send(213, "set")
}

func (c *Session) cmdDele(name string) {
	s, p := c.Server, c.abs(name)
	s.mu.Lock()
	f := s.files[p]
	full := false
	for other := range s.files {
		full = full || f != nil && f.Dir && path.Dir(other) == p
	}
	if f != nil && !full {
		delete(s.files, p)
	}
	s.mu.Unlock()
	if f == nil || full {
		c.Send(550, "not there, or not empty")
		return
	}
	c.Send(250, "gone")
}

func (c *Session) cmdMkd(name string) {
	s, p := c.Server, c.abs(name)
	s.mu.Lock()
	parent, there := s.files[path.Dir(p)], s.files[p]
	if parent != nil && there == nil {
		s.files[p] = &File{Dir: true, Time: time.Now()}
	}
	s.mu.Unlock()
	if parent == nil || there != nil {
		c.Send(550, "cannot make it")
		return
	}
	c.Send(257, `"`+p+`" made`)
}

func (c *Session) cmdRnfr(name string) {
	c.rename = c.abs(name)
	if _, found := c.Server.File(c.rename); !found && !c.Server.IsDir(c.rename) {
		c.Send(550, "no such file")
		return
	}
	c.Send(350, "to where")
}

func (c *Session) cmdRnto(name string) {
	s := c.Server
	s.mu.Lock()
	s.files[c.abs(name)] = s.files[c.rename]
	delete(s.files, c.rename)
	s.mu.Unlock()
	c.Send(250, "renamed")
}

func (c *Session) cmdHash(name string) {
	data, _ := c.Server.File(c.abs(name))
	c.Send(213, fmt.Sprintf("SHA-256 0-%d %x %s", len(data), sha256.Sum256(data), name))
}

func (c *Session) cmdXmd5(name string) {
	data, _ := c.Server.File(c.abs(name))
	c.Send(250, fmt.Sprintf("%X", md5.Sum(data)))
}

func (c *Session) cmdXcrc(name string) {
	data, _ := c.Server.File(c.abs(name))
	c.Send(250, fmt.Sprintf("%08X", crc32.ChecksumIEEE(data)))
}

func (c *Session) cmdQuit(string) {
	c.Send(221, "bye")
	c.Close()
}

func (c *Session) cmdMlst(name string) {
	p := c.abs(name)
	c.Server.mu.Lock()
	f := c.Server.files[p]
	c.Server.mu.Unlock()
	if f == nil {
		c.Send(550, "no such file")
		return
	}
	c.Raw("250-facts\r\n " + mlsdLine(p, f) + "\r\n250 end\r\n")
}

// Line formats one entry of a listing.
func lsLine(p string, f *File) string {
	mode := "-rw-r--r--"
	if f.Dir {
		mode = "drwxr-xr-x"
	}
	return fmt.Sprintf("%s 1 own grp %d %s %s", mode, len(f.Data), f.Time.UTC().Format("Jan _2  2006"), path.Base(p))
}

func nlstLine(p string, _ *File) string { return path.Base(p) }

func mlsdLine(p string, f *File) string {
	kind := "file"
	if f.Dir {
		kind = "dir"
	}
	return fmt.Sprintf("type=%s;size=%d;modify=%s; %s", kind, len(f.Data), f.Time.UTC().Format(stamp), path.Base(p))
}

func list(line func(string, *File) string) Handler {
	return func(c *Session, arg string) {
		text, found := c.Server.listing(c.abs(arg), line)
		if !found {
			c.Send(550, "no such directory")
			return
		}
		c.Transfer(func(conn net.Conn) error {
			_, err := io.WriteString(conn, text)
			return err
		})
	}
}

func (s *Server) listing(p string, line func(string, *File) string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[p]
	if f == nil {
		return "", false
	}
	var names []string
	for name := range s.files {
		if f.Dir && path.Dir(name) == p && name != "/" || !f.Dir && name == p {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b bytes.Buffer
	for _, name := range names {
		b.WriteString(line(name, s.files[name]) + "\r\n")
	}
	return b.String(), true
}

func (c *Session) cmdRetr(name string) {
	data, found := c.Server.File(c.abs(name))
	if !found {
		c.Send(550, "no such file")
		return
	}
	offset := min(c.rest, int64(len(data)))
	c.rest = 0
	data = data[offset:]
	if c.typ == "A" {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	c.Transfer(func(conn net.Conn) error {
		_, err := conn.Write(data)
		return err
	})
}

func (c *Session) cmdStor(name string) { c.store(c.abs(name), c.rest, "go ahead") }

func (c *Session) cmdAppe(name string) {
	old, _ := c.Server.File(c.abs(name))
	c.store(c.abs(name), int64(len(old)), "go ahead")
}

func (c *Session) cmdStou(string) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("unique.%d", n)
		if _, found := c.Server.File(c.abs(name)); !found {
			c.store(c.abs(name), 0, "FILE: "+name)
			return
		}
	}
}

func (c *Session) store(p string, offset int64, text string) {
	c.rest = 0
	old, _ := c.Server.File(p)
	data := slices.Clone(old[:min(offset, int64(len(old)))])
	c.TransferText(text, func(conn net.Conn) error {
		got, err := io.ReadAll(conn)
		if c.typ == "A" {
			got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))
		}
		c.Server.PutAt(p, append(data, got...), time.Now().Truncate(time.Second))
		return err
	})
}

// Transfer sends 150, opens the data connection, runs f and sends 226 or 426.
func (c *Session) Transfer(f func(net.Conn) error) { c.TransferText("here it comes", f) }

// TransferText is Transfer with the text of the 150.
func (c *Session) TransferText(text string, f func(net.Conn) error) {
	c.Send(150, text)
	conn, err := c.Data()
	if err == nil {
		err = f(conn)
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		c.Send(426, "broken off: "+err.Error())
		return
	}
	c.Send(226, "done")
}

// Data opens the data connection that the client asked for, with TLS when it is
// protected. The caller closes it.
func (c *Session) Data() (net.Conn, error) {
	conn, err := c.BareData()
	if err != nil || !c.protect {
		return conn, err
	}
	secure := tls.Server(conn, c.Server.TLS)
	if err := secure.Handshake(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if c.Server.RequireReuse && !secure.ConnectionState().DidResume {
		return nil, errors.Join(errors.New("session not reused"), secure.Close())
	}
	return secure, nil
}

// BareData is Data without TLS.
func (c *Session) BareData() (net.Conn, error) {
	if c.active != "" {
		addr := c.active
		c.active = ""
		return net.DialTimeout("tcp", addr, 5*time.Second)
	}
	if c.passive == nil {
		return nil, errors.New("no PORT or PASV")
	}
	defer c.closeData()
	return c.passive.Accept()
}

func (c *Session) closeData() {
	if c.passive != nil {
		_ = c.passive.Close()
		c.passive = nil
	}
}

// Active reports whether the client has asked for active data connections.
func (c *Session) Active() bool { return c.active != "" }

// Pending reports whether the client has sent more than the command under way.
func (c *Session) Pending() bool { return c.r.Buffered() > 0 }

// Listen opens the port for a passive data connection.
func (c *Session) Listen() (port int, err error) {
	c.closeData()
	c.active = ""
	host, _, _ := net.SplitHostPort(c.Conn.LocalAddr().String())
	if c.passive, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return 0, err
	}
	_ = c.passive.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	return c.passive.Addr().(*net.TCPAddr).Port, nil
}

func (c *Session) cmdEpsv(string) {
	port, err := c.Listen()
	if err != nil {
		c.Send(425, err.Error())
		return
	}
	c.Send(229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", port))
}

func (c *Session) cmdPasv(string) {
	port, err := c.Listen()
	if err != nil {
		c.Send(425, err.Error())
		return
	}
	c.Send(227, fmt.Sprintf("Entering Passive Mode (127,0,0,1,%d,%d)", port>>8, port&255))
}

func (c *Session) cmdEprt(arg string) {
	f := strings.Split(strings.Trim(arg, "|"), "|")
	if len(f) != 3 {
		c.Send(501, "bad EPRT")
		return
	}
	c.closeData()
	c.active = net.JoinHostPort(f[1], f[2])
	c.Send(200, "noted")
}

func (c *Session) cmdPort(arg string) {
	f := strings.Split(arg, ",")
	if len(f) != 6 {
		c.Send(501, "bad PORT")
		return
	}
	hi, _ := strconv.Atoi(f[4])
	lo, _ := strconv.Atoi(f[5])
	c.closeData()
	c.active = net.JoinHostPort(strings.Join(f[:4], "."), strconv.Itoa(hi<<8|lo))
	c.Send(200, "noted")
}
