package ftpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// Direction says which way the bytes of a stream go.
type Direction int

const (
	// Input reads a remote file.
	Input Direction = iota
	// Output writes a remote file.
	Output
)

// Mode says what the bytes of a transfer mean.
type Mode int

const (
	// Binary moves bytes as they are (TYPE I).
	Binary Mode = iota
	// Text moves lines, CR LF on the wire (TYPE A). Sizes and offsets have no
	// meaning then.
	Text
)

// OpenOptions say how to open a remote file. The zero value reads it from the
// start in binary mode.
type OpenOptions struct {
	Direction Direction
	Mode      Mode
	// EOL is the local line end of Text. Zero means LF.
	EOL LineEnd

	// Offset is where to start, in bytes. Not with Text.
	Offset int64
	// Append adds to the end of the file (APPE). Unique lets the server choose a
	// new name (STOU), see [Stream.RemoteName]. Both for Output only.
	Append, Unique bool

	// Size is what the whole file should have, from a listing. Zero means to
	// ask the server, negative not to compare.
	Size int64

	// AskTime asks for the time of the last change as well, see [Stream.Time].
	AskTime bool

	// Rate limits the bytes per second. Zero means no limit.
	Rate int64
	// Progress is told the bytes moved so far, from the goroutine that moves
	// them, a few times a second at most. Nil means nobody.
	Progress func(moved int64)
}

// A Stream is a remote file, open for reading or for writing. Close it: only
// Close knows whether the file is whole.
type Stream struct {
	c    *Client
	d    *dataConn
	ctx  context.Context
	opt  OpenOptions
	file string
	owns bool // Close ends the session too

	response  *ftp.Response // Input
	loan      *loan         // Output
	stopWatch func() bool
	text      io.Reader
	toWire    *textEncoder
	moved     int64     // bytes on the wire
	want      int64     // size of the whole file, negative when not known
	time      *question // nil when not asked
	meter     meter
	ioErr     error
	closed    bool
	closeErr  error
}

// Open connects to the server of cfg and opens file; Close ends the session too.
// ctx bounds all of it, to the end of Close. Errors are those of [Dial] and
// [Client.Open].
func Open(ctx context.Context, file string, opt OpenOptions, cfg Config) (s *Stream, err error) {
	session := Session{Config: cfg}
	err = session.Do(ctx, func(c *Client, _ int) (err error) {
		s, err = c.Open(ctx, file, opt)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, session.Close())
	}
	s.owns = true
	return s, nil
}

// Open opens file on the server. ctx bounds the stream to the end of its Close.
// A file that is not there is a [ReplyError] that matches [fs.ErrNotExist].
func (c *Client) Open(ctx context.Context, file string, opt OpenOptions) (*Stream, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	if err := opt.check(file); err != nil {
		return nil, err
	}
	s := &Stream{c: c, ctx: ctx, opt: opt, file: file, want: -1}
	if opt.AskTime {
		s.time = c.askAhead("MDTM " + file)
	}
	if err := c.chooseType(opt.Mode); err != nil {
		return nil, err
	}
	if err := s.learnSize(); err != nil {
		return nil, err
	}
	err := s.start()
	if err != nil && c.shouldFallBack(err) {
		c.fallBack(err)
		err = s.start()
	}
	if err != nil {
		return nil, err
	}
	s.begin()
	return s, nil
}

func (o OpenOptions) check(file string) error {
	switch {
	case strings.ContainsAny(file, "\r\n\x00"):
		return fmt.Errorf("%w: line break or NUL in %q", ErrUnsafeName, file)
	case o.Offset < 0:
		return fmt.Errorf("offset %d is negative", o.Offset)
	case o.Mode == Text && o.Offset > 0:
		return errors.New("text mode has no offsets")
	}
	return nil
}

// chooseType sets TYPE for the next transfer.
func (c *Client) chooseType(m Mode) error {
	t := ftp.TransferTypeBinary
	if m == Text {
		t = ftp.TransferTypeASCII
	}
	return c.outcome(c.lib.Type(t))
}

// learnSize asks for the size before a read from an offset; otherwise the 150
// reply, or a question at the end, costs less.
func (s *Stream) learnSize() error {
	o := s.opt
	if o.Direction == Output || o.Mode == Text || o.Size < 0 {
		return nil
	}
	if o.Size > 0 {
		s.want = o.Size
		return nil
	}
	if o.Offset == 0 {
		return nil
	}
	size, err := s.c.size(s.file)
	if err == nil {
		s.want = size
	}
	return s.c.dead
}

// shouldFallBack reports whether the server could not make its side of the data
// connection, and the other side may be tried.
func (c *Client) shouldFallBack(err error) bool {
	var reply *ReplyError
	return errors.As(err, &reply) && reply.Code == 425 && c.dead == nil && c.mayFallBack()
}

func (s *Stream) start() error {
	s.c.opErr = nil
	if s.opt.Direction == Input {
		return s.startInput()
	}
	return s.startOutput()
}

func (s *Stream) startInput() error {
	response, err := s.c.lib.RetrFrom(s.file, uint64(s.opt.Offset))
	if err != nil {
		return s.c.outcome(err)
	}
	s.response, s.d = response, s.c.data
	if n, ok := announcedSize(s.c.began.Text()); ok && s.want < 0 && s.sized() && s.opt.Offset == 0 {
		s.want = n
	}
	return nil
}

// sized reports whether the size matters.
func (s *Stream) sized() bool {
	return s.opt.Direction == Input && s.opt.Mode == Binary && s.opt.Size >= 0
}

// A loan is the data connection of an upload, on its way from the library,
// which runs in a goroutine, to a Stream and back.
type loan struct {
	ready    chan struct{} // closed when the Stream may write
	returned chan struct{} // closed when the Stream has written all
	result   chan error    // what the library says at the end
}

func (l *loan) lend() error {
	close(l.ready)
	<-l.returned
	return nil
}

func (s *Stream) startOutput() error {
	l := &loan{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	s.loan, s.c.loan, s.c.unique = l, l, s.opt.Unique
	go func() {
		none := struct{ io.Reader }{strings.NewReader("")} // hides WriteTo
		if s.opt.Append {
			l.result <- s.c.lib.Append(s.file, none)
			return
		}
		l.result <- s.c.lib.StorFrom(s.file, none, uint64(s.opt.Offset))
	}()
	select {
	case <-l.ready:
		s.d = s.c.data
		return nil
	case err := <-l.result:
		return s.c.outcome(err)
	}
}

// begin makes the stream the one of its session.
func (s *Stream) begin() {
	s.c.stream = s
	s.meter = newMeter(s.opt.Rate, s.opt.Progress)
	d := s.d
	s.stopWatch = context.AfterFunc(s.ctx, func() { _ = d.raw.SetDeadline(time.Unix(1, 0)) })
	if s.opt.Mode == Text {
		s.text = newTextDecoder(readerFunc(s.readWire), s.opt.EOL)
		s.toWire = &textEncoder{}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Size returns the size of the remote file, negative when the server has not
// told it (yet).
func (s *Stream) Size() int64 { return s.want }

// Time returns when the file had changed last before it was opened, zero when
// that was not asked for or the server does not tell.
func (s *Stream) Time() time.Time {
	if s.time == nil || !s.time.reply.completed() {
		return time.Time{}
	}
	t, err := parseTimeVal(s.time.reply.Message())
	if err != nil {
		return time.Time{}
	}
	return t
}

// NetConn returns the data connection below TLS. Reading or writing it directly
// goes past the count of bytes that Close relies on.
func (s *Stream) NetConn() net.Conn { return s.d.raw }

// Moved returns how many bytes went over the wire.
func (s *Stream) Moved() int64 { return s.moved }

// RemoteName returns the name that the server chose for a Unique upload, empty
// when it has not told.
func (s *Stream) RemoteName() string {
	if !s.opt.Unique {
		return s.file
	}
	text := s.c.began.Message()
	if _, name, found := strings.Cut(text, "FILE: "); found { // RFC 1123 section 4.1.2.9
		return strings.TrimSpace(name)
	}
	return ""
}

// Read reads the file. At the end it returns [io.EOF]; whether that was the
// end of the file is for Close to say.
func (s *Stream) Read(p []byte) (int, error) {
	if s.opt.Direction != Input || s.closed {
		return 0, net.ErrClosed
	}
	if s.text != nil {
		return s.text.Read(p)
	}
	return s.readWire(p)
}

// readWire reads bytes as they come.
func (s *Stream) readWire(p []byte) (int, error) {
	if s.meter.rate > 0 {
		p = p[:min(len(p), s.meter.step())]
	}
	if err := s.prepareIO(); err != nil {
		return 0, err
	}
	return s.received(s.d.conn().Read(p))
}

// received takes what a read returned.
func (s *Stream) received(n int, err error) (int, error) {
	s.count(n)
	if errors.Is(err, io.EOF) {
		s.d.sawEOF = true
		return n, io.EOF
	}
	return n, s.fail(err)
}

// prepareIO shakes hands when that is due and sets the deadline.
func (s *Stream) prepareIO() error {
	if s.ioErr != nil {
		return s.ioErr
	}
	if err := s.d.handshake(s.ctx); err != nil {
		return s.fail(err)
	}
	if err := s.d.raw.SetDeadline(s.d.deadline()); err != nil {
		return s.fail(err)
	}
	if s.ctx.Err() != nil { // cancelled before the deadline was set
		return s.fail(contextError(s.ctx))
	}
	return nil
}

// count notes that n bytes went over the wire, and waits as the rate demands.
func (s *Stream) count(n int) {
	s.moved += int64(n)
	s.meter.moved(s.ctx, s.moved)
}

// fail keeps the first failure of the data connection and names its kind.
func (s *Stream) fail(err error) error {
	var local *LocalError
	var timeout *TimeoutError
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		err = contextError(s.ctx)
	case errors.As(err, &local), errors.As(err, &timeout), errors.Is(err, ErrTLS):
	case isTimeout(err):
		err = &TimeoutError{Op: "data"}
	default:
		err = fmt.Errorf("data connection: %w: %w", ErrTruncated, err)
	}
	if s.ioErr == nil {
		s.ioErr = err
	}
	return err
}

// Write writes to the file.
func (s *Stream) Write(p []byte) (int, error) {
	if s.opt.Direction != Output || s.closed {
		return 0, net.ErrClosed
	}
	if s.toWire == nil {
		return s.writeWire(p)
	}
	if _, err := s.writeWire(s.toWire.encode(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// writeWire writes bytes as they are, in steps that each have the idle time.
func (s *Stream) writeWire(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		if err := s.prepareIO(); err != nil {
			return total, err
		}
		n, err := s.d.write(p[:min(len(p), s.meter.step())])
		s.count(n)
		total += n
		if err != nil {
			return total, s.fail(err)
		}
		p = p[n:]
	}
	return total, nil
}

func (d *dataConn) write(p []byte) (int, error) {
	if d.secure == nil {
		return d.raw.Write(p)
	}
	return d.wire.gather(func() (int, error) { return d.secure.Write(p) })
}

// Abort gives the transfer up. An upload is reset, so that the server does not
// take what it has for the whole file.
func (s *Stream) Abort() error {
	if s.closed {
		return s.closeErr
	}
	s.c.aborting = true
	if tcp, ok := s.d.raw.(*net.TCPConn); ok && s.opt.Direction == Output {
		_ = tcp.SetLinger(0) // then Close sends RST
	}
	return s.Close()
}

// Close ends the transfer and returns its outcome: the failure of the data
// connection, the server's final reply when it is not 2xx, a [SizeError] when
// fewer or more bytes came than the file has, [ErrTruncated] when TLS ended
// without close_notify and the size is not known, [ErrAborted] when a reader
// stopped before the end.
func (s *Stream) Close() error {
	if s.closed {
		return s.closeErr
	}
	s.closed = true
	s.closeErr = s.finish()
	if s.owns {
		s.closeErr = errors.Join(s.closeErr, s.c.Close())
	}
	return s.closeErr
}

func (s *Stream) finish() error {
	c := s.c
	if s.opt.Direction == Input && !s.d.sawEOF || s.ioErr != nil {
		c.aborting = true
	}
	err := s.endTransfer()
	s.stopWatch()
	c.ctl.onFailure(nil)
	c.stream = nil
	s.meter.end(s.moved)
	switch {
	case s.ioErr != nil:
		return s.explain(s.ioErr)
	case c.aborting:
		return ErrAborted
	case err != nil:
		return c.outcome(err)
	}
	return s.compare()
}

// endTransfer closes the data connection and waits for the final reply.
func (s *Stream) endTransfer() error {
	if s.opt.Direction == Input {
		return s.response.Close()
	}
	close(s.loan.returned)
	return <-s.loan.result
}

// explain prefers what the server said about a broken transfer.
func (s *Stream) explain(err error) error {
	var local *LocalError
	if s.ctx.Err() != nil || errors.As(err, &local) || !s.c.last.failed() || s.opt.Direction == Input && s.c.last.Code == 426 {
		return err
	}
	return s.c.last.err(s.c.lastCommand)
}

// compare checks that all of the file came.
func (s *Stream) compare() error {
	if s.opt.Direction == Output {
		return nil
	}
	if s.want < 0 && s.sized() {
		if size, err := s.c.size(s.file); err == nil {
			s.want = size
		}
	}
	got := s.opt.Offset + s.moved
	if s.want >= 0 && s.sized() {
		if got != s.want {
			return &SizeError{Got: got, Want: s.want}
		}
		return nil
	}
	if s.d.cutShort() {
		return fmt.Errorf("data connection: %w: TLS ended without close_notify", ErrTruncated)
	}
	return nil
}
