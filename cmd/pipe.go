package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// pipeFlags are the flags of commands that join a connection to stdin and
// stdout: when what ends, which limits hold, and what happens to the bytes on
// their way.
type pipeFlags struct {
	noStdin       bool
	sendOnly      bool
	recvOnly      bool
	halfClose     string
	afterStdinEOF time.Duration
	afterPeerEOF  string
	strictEOF     bool

	idle, read, write time.Duration
	maxBytes          int64

	output        string
	eol           string
	crlf          bool
	chunkedIn     bool
	chunkedOut    bool
	afterChunkEOF string
	hexdump       string
	record        string
	rate          int64
	expect        string
}

// writesFile reports that the conversation goes to a file that brio opens.
func (p *pipeFlags) writesFile() bool { return p.output != "" || p.hexdump != "" || p.record != "" }

// add defines the flags of p in their groups.
func (p *pipeFlags) add(c *cobra.Command) {
	flagGroup(c, "End of data", func(f *pflag.FlagSet) {
		f.BoolVarP(&p.noStdin, "no-stdin", "n", false, "do not read stdin, and do not half-close")
		f.BoolVar(&p.sendOnly, "send-only", false, "send stdin, discard what comes back, and end when all is acknowledged and the peer ends or is silent")
		f.BoolVar(&p.recvOnly, "recv-only", false, "only receive (the same as --no-stdin)")
		enumVar(f, &p.halfClose, "half-close", "auto", []string{"auto", "always", "never"}, "tell the peer when stdin ends: `WHEN` (auto: unless stdin is /dev/null or closed)")
		durationVar(f, &p.afterStdinEOF, "after-stdin-eof", 0, "end with success `DURATION` after stdin has ended")
		enumVar(f, &p.afterPeerEOF, "after-peer-eof", "auto", []string{"auto", "drain", "exit"}, "when the peer has ended: `ACTION` (auto: drain stdin, unless it is a terminal)")
		f.BoolVar(&p.strictEOF, "strict-eof", false, "fail when the peer ends before stdin does")
	})
	flagGroup(c, "Limits", func(f *pflag.FlagSet) {
		durationVar(f, &p.idle, "idle-timeout", 0, "give up when nothing has moved for `DURATION`")
		durationVar(f, &p.read, "read-timeout", 0, "give up when the peer has sent nothing for `DURATION`")
		durationVar(f, &p.write, "write-timeout", 0, "give up when the peer has taken nothing for `DURATION`")
		sizeVar(f, &p.maxBytes, "max-bytes", 0, "end after `SIZE` received bytes")
		sizeVar(f, &p.rate, "rate", 0, "move at most `SIZE` bytes a second in each direction")
		f.StringVar(&p.expect, "expect", "", "end with success once `REGEX` has been received, with status 11 if it never is")
	})
	flagGroup(c, "Data", func(f *pflag.FlagSet) {
		f.StringVarP(&p.output, "output", "o", "", "write what is received to `FILE` (-: stdout)")
		enumVar(f, &p.eol, "eol", "lf", []string{"lf", "crlf"}, "end the lines sent with `EOL`")
		f.BoolVarP(&p.crlf, "crlf", "C", false, "the same as --eol crlf")
		f.BoolVar(&p.chunkedIn, "chunked-in", false, "take the HTTP/1.1 chunked coding off what is received")
		f.BoolVar(&p.chunkedOut, "chunked-out", false, "send stdin in the HTTP/1.1 chunked coding")
		enumVar(f, &p.afterChunkEOF, "after-chunk-eof", "close", []string{"close", "keep"}, "after the last chunk: `ACTION` (keep: receive what follows as it is)")
		f.StringVar(&p.hexdump, "hexdump", "", "write a hexadecimal dump of both directions to `FILE` (-: stderr)")
		f.StringVar(&p.record, "record", "", "write a copy of what is received to `FILE`")
	})
	exclusive(c, "send-only", "recv-only")
	exclusive(c, "eol", "crlf")
}

// refusePipeFlags refuses the flags about stdin, stdout and the bytes between
// them that what is chosen by mode does not heed: nothing is to be ignored in
// silence. Settings are for all modes, and may be idle in one.
func refusePipeFlags(e *env, mode string, heeded []string) error {
	all := &cobra.Command{}
	new(pipeFlags).add(all)
	new(oobFlags).add(all)
	var err error
	all.Flags().VisitAll(func(f *pflag.Flag) {
		if e.onCommandLine(f.Name) && !slices.Contains(heeded, f.Name) {
			err = usagef("--%s has no effect with %s", f.Name, mode)
		}
	})
	return err
}

// A conversation is stdin, stdout and the filters of one run, ready to be joined
// with connections one after the other.
type conversation struct {
	e      *env
	flags  *pipeFlags
	events *events
	oob    *oobFlags // nil where there is no such thing
	linger bool      // --linger says how the connection is to be closed
	keep   bool      // stdout stays open for further connections

	in     io.ReadCloser // nil when there is none
	class  socket.InputClass
	out    io.WriteCloser
	toFile bool
	dump   *socket.HexDump
	record io.Writer // nil without --record
	re     *regexp.Regexp
	files  []io.Closer
}

// open opens stdin, stdout and the files that the flags name. The caller closes
// the conversation.
func (p *pipeFlags) open(e *env, ev *events) (*conversation, error) {
	v := &conversation{e: e, flags: p, events: ev}
	err := v.openInput()
	if err == nil {
		err = v.openOutput()
	}
	if err == nil {
		err = v.openFilters()
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *conversation) openInput() error {
	v.class = socket.NoInput
	if v.flags.noStdin || v.flags.recvOnly {
		return nil
	}
	if v.class = socket.ClassifyInput(v.e.stdin); v.class == socket.NoInput {
		return nil
	}
	in, err := socket.OpenInput(v.e.stdin)
	if err != nil {
		return &failure{err: plainCause(err), target: "stdin", status: statusLocalIO}
	}
	v.in = in
	v.files = append(v.files, in)
	return nil
}

func (v *conversation) openOutput() (err error) {
	switch v.toFile = v.flags.output != "" && v.flags.output != "-"; {
	case v.flags.sendOnly:
		return nil
	case v.toFile:
		v.out, err = v.e.openOutput(v.flags.output)
	case v.e.stdout == nil:
		return nil
	default:
		v.out, err = socket.OpenOutput(v.e.stdout)
	}
	if errors.Is(err, syscall.EPIPE) {
		return errStdoutGone
	}
	var told *outputError
	switch {
	case errors.As(err, &told):
		return err
	case err != nil:
		return &outputError{v.outputName(), plainCause(err)}
	}
	v.files = append(v.files, v.out)
	return nil
}

func (v *conversation) openFilters() (err error) {
	p := v.flags
	if p.expect != "" {
		if v.re, err = regexp.Compile(p.expect); err != nil {
			return usagef("--expect: %w", err)
		}
	}
	if p.hexdump == "-" {
		v.dump = socket.NewHexDump(v.e.err)
	} else if p.hexdump != "" {
		w, err := v.create(p.hexdump)
		if err != nil {
			return err
		}
		v.dump = socket.NewHexDump(w)
	}
	if p.record != "" {
		v.record, err = v.create(p.record)
	}
	return err
}

func (v *conversation) create(name string) (io.Writer, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, &outputError{name, plainCause(err)}
	}
	v.files = append(v.files, f)
	return &sideOutput{f, name}, nil
}

// A sideOutput is a file beside stdout: its failure must not look like one of
// stdout.
type sideOutput struct {
	io.Writer
	name string
}

func (o *sideOutput) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil {
		err = &outputError{o.name, plainCause(err)}
	}
	return n, err
}

// close closes what open opened.
func (v *conversation) close() error {
	var first error
	for _, f := range v.files {
		if err := closeFile(f); err != nil && first == nil && !errors.Is(err, os.ErrClosed) {
			first = &outputError{"output", plainCause(err)}
		}
	}
	v.files = nil
	return first
}

// errMatched ends a conversation whose --expect has been met.
var errMatched = errors.New("the expected text has come")

// A talkResult is what a conversation over one connection came to.
type talkResult struct {
	socket.PipeResult
	trailer []socket.TrailerField
}

// run joins conn, whose peer is called target in messages, until both directions
// have ended. id names the connection in events.
func (v *conversation) run(parent context.Context, conn net.Conn, target string, id int64) (talkResult, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var (
		res   talkResult
		found *socket.Expect
		prog  = v.startProgress(target)
	)
	defer prog.finish()
	cfg := v.config(id)
	v.count(&cfg, prog)
	if v.re != nil {
		found = socket.NewExpect(v.re, func([]byte) { cancel(errMatched) })
	}
	cfg.Encode, cfg.Decode, cfg.Filter = v.encoder(ctx, conn), v.decoder(id, &res), v.filter(ctx, found)
	cfg.Events.OOB, cfg.OOBApart = v.onOOB(id), v.oob != nil && v.oob.apart
	if v.oob.given() && !v.oobLater() {
		if err := v.oob.send(conn); err != nil {
			return res, at(target, err)
		}
	}
	restore := v.resetIfKilled(conn)
	cfg.Events.InputEnd = restore
	r, err := socket.Pipe(ctx, conn, cfg)
	restore()
	res.PipeResult = r
	switch {
	case found != nil && found.Found() && (err == nil || errors.Is(err, errMatched)):
		return res, nil
	case err == nil && found != nil:
		return res, &failure{err: fmt.Errorf("the peer ended without %q", v.flags.expect), target: target, status: statusExpectation, kind: "expectation-not-met"}
	}
	return res, v.explain(err, target)
}

// resetIfKilled makes the death of brio in the middle of stdin a reset of the TCP
// connection: its peer must not take what it has for all there is. The function
// returned lets a close be one in order again.
func (v *conversation) resetIfKilled(conn net.Conn) (restore func()) {
	c, ok := conn.(*net.TCPConn)
	if !ok || v.class != socket.DataInput || v.linger {
		return func() {}
	}
	_ = c.SetLinger(0)                    // it is for an end that nobody can answer for
	return func() { _ = c.SetLinger(-1) } // fails only where the connection has gone
}

// config is the configuration of the pipe as far as flags say it.
func (v *conversation) config(id int64) socket.PipeConfig {
	p := v.flags
	cfg := socket.PipeConfig{
		Class: v.class, SendOnly: p.sendOnly,
		AfterInputEnd: p.afterStdinEOF, StrictEnd: p.strictEOF,
		Idle: p.idle, Read: p.read, Write: p.write, MaxReceive: p.maxBytes,
	}
	if v.in != nil {
		cfg.Input = v.in
	}
	if v.out != nil {
		cfg.Output = v.out
	}
	switch {
	case p.halfClose == "always":
		cfg.HalfClose = socket.HalfCloseAlways
	case p.halfClose == "never", p.chunkedOut:
		cfg.HalfClose = socket.HalfCloseNever // the last chunk says it
	}
	switch p.afterPeerEOF {
	case "drain":
		cfg.AfterPeerEnd = socket.PeerEndDrain
	case "exit":
		cfg.AfterPeerEnd = socket.PeerEndExit
	}
	cfg.Events.HalfClose = func() {
		v.events.send("half_close", connEvent{ID: id, Direction: "output"})
	}
	cfg.Events.PeerEnd = func(inputEnded bool) {
		v.events.send("peer_eof", connEvent{ID: id, StdinEOF: &inputEnded})
		if !inputEnded {
			v.endOutput()
		}
	}
	return cfg
}

// endOutput lets the reader of stdout see the end although sending goes on.
func (v *conversation) endOutput() {
	if v.keep || v.out == nil || v.toFile {
		return
	}
	_ = v.out.Close() // a pipe: nothing is written by closing
	_ = socket.CloseInherited(v.e.stdout)
}

// encoder returns what stands between stdin and the connection, or nil.
func (v *conversation) encoder(ctx context.Context, conn net.Conn) func(io.Writer) io.Writer {
	p := v.flags
	crlf := p.crlf || p.eol == "crlf"
	if !crlf && p.rate == 0 && v.dump == nil && !p.chunkedOut && !v.oobLater() {
		return nil
	}
	return func(w io.Writer) io.Writer {
		end := func() error { return nil }
		if v.dump != nil {
			w = v.dump.Tap(w, ">")
		}
		if p.rate > 0 {
			w = socket.Rate(ctx, w, p.rate)
		}
		if p.chunkedOut {
			c := socket.NewChunkWriter(w, socket.ChunkConfig{})
			w, end = c, func() error { return c.End(nil) }
		}
		if crlf {
			w = socket.CRLF(w)
		}
		if v.oobLater() {
			o := &oobWriter{Writer: w, left: v.oob.after, send: func() error { return v.oob.send(conn) }}
			w, end = o, o.finish
		}
		return &endingWriter{w, end}
	}
}

// An endingWriter says a last word when it is closed.
type endingWriter struct {
	io.Writer
	end func() error
}

func (w *endingWriter) Close() error { return w.end() }

// decoder returns what stands behind the connection, or nil.
func (v *conversation) decoder(id int64, res *talkResult) func(io.Reader) io.Reader {
	if !v.flags.chunkedIn {
		return nil
	}
	return func(conn io.Reader) io.Reader {
		b := bufio.NewReaderSize(conn, 64<<10)
		return &unchunker{r: socket.NewChunkReader(b, socket.ChunkLimits{}), rest: b, keep: v.flags.afterChunkEOF == "keep",
			ended: func(trailer []socket.TrailerField) {
				res.trailer = trailer
				v.events.send("chunk_eof", chunkEvent{ID: id, Trailer: trailer})
			}}
	}
}

// An unchunker reads a chunked stream and, if it is told to keep on, what
// follows it.
type unchunker struct {
	r     io.Reader
	rest  io.Reader
	keep  bool
	ended func([]socket.TrailerField)
}

func (u *unchunker) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	var end *socket.ChunkEOF
	if !errors.As(err, &end) {
		return n, err
	}
	u.ended(end.Trailer)
	if u.keep {
		u.r = u.rest
		return n, nil
	}
	return n, io.EOF
}

// filter returns what stands between the connection and the output, or nil.
func (v *conversation) filter(ctx context.Context, found *socket.Expect) func(io.Writer) io.Writer {
	if v.flags.rate == 0 && v.dump == nil && v.record == nil && found == nil {
		return nil
	}
	return func(w io.Writer) io.Writer {
		if found != nil {
			w = found.Tap(w)
		}
		if v.record != nil {
			w = socket.Tee(w, v.record)
		}
		if v.dump != nil {
			w = v.dump.Tap(w, "<")
		}
		if v.flags.rate > 0 {
			w = socket.Rate(ctx, w, v.flags.rate)
		}
		return w
	}
}

// tap returns what stands in one direction of a relay, or nil.
func (v *conversation) tap(ctx context.Context, mark string) func(io.Writer) io.Writer {
	if v.dump == nil && v.flags.rate == 0 {
		return nil
	}
	return func(w io.Writer) io.Writer {
		if v.dump != nil {
			w = v.dump.Tap(w, mark)
		}
		if v.flags.rate > 0 {
			w = socket.Rate(ctx, w, v.flags.rate)
		}
		return w
	}
}

// startProgress shows progress unless that would disturb a terminal in use.
func (v *conversation) startProgress(target string) *progress {
	if v.e.progress == "auto" && (v.class == socket.TerminalInput || v.e.outIsTerminal() || v.events.on()) {
		return &progress{}
	}
	return v.e.startProgress(target, "")
}

// count lets prog follow the direction that matters: sending, unless there is
// nothing to send.
func (v *conversation) count(cfg *socket.PipeConfig, prog *progress) {
	cfg.Sent, cfg.Received = new(atomic.Int64), new(atomic.Int64)
	if v.class != socket.DataInput {
		cfg.Received = &prog.done
		return
	}
	cfg.Sent = &prog.done
	if st, err := v.e.stdin.Stat(); err == nil && st.Mode().IsRegular() {
		prog.total.Store(st.Size())
	}
}

// explain says which end of the conversation failed.
func (v *conversation) explain(err error, target string) error {
	var (
		pe   *socket.PumpError
		side *outputError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &side):
		return side
	case !errors.As(err, &pe):
		return at(target, err)
	case !pe.Local:
		return v.remoteFailure(pe, target)
	case pe.Side == socket.WriteSide && isBrokenPipe(pe.Err) && !v.toFile:
		return errStdoutGone
	case pe.Side == socket.WriteSide:
		return &outputError{v.outputName(), unplaced(pe)}
	}
	return &failure{err: unplaced(pe), target: "stdin", op: "read", status: statusLocalIO}
}

func (v *conversation) outputName() string {
	if v.toFile {
		return v.flags.output
	}
	return "stdout"
}

// unplaced is pe without the word for where it happened: the message says it.
func unplaced(pe *socket.PumpError) error {
	return &socket.PumpError{Side: pe.Side, Err: pe.Err}
}

// remoteFailure is the failure of the connection.
func (v *conversation) remoteFailure(pe *socket.PumpError, target string) error {
	f := &failure{err: pe, target: target, op: pe.Side.String(), status: pumpStatus(pe)}
	var chunk *socket.ChunkError
	switch {
	case errors.Is(pe.Err, socket.ErrPeerEnded):
		f.status, f.kind = statusBroken, "peer-ended"
	case errors.As(pe.Err, &chunk) && chunk.Err == nil:
		f.status, f.kind = statusProtocol, "chunk-error"
	case errors.Is(pe.Err, socket.ErrIdleTimeout):
		f.status, f.err, f.kind = statusTimeout, fmt.Errorf("idle time-out: nothing has moved for %v", v.flags.idle), "idle-timeout"
	case errors.Is(pe.Err, socket.ErrReadTimeout):
		f.status, f.err, f.kind = statusTimeout, fmt.Errorf("read time-out: the peer has sent nothing for %v", v.flags.read), "read-timeout"
	case errors.Is(pe.Err, socket.ErrWriteTimeout):
		f.status, f.err, f.kind = statusTimeout, fmt.Errorf("write time-out: the peer has taken nothing for %v", v.flags.write), "write-timeout"
	}
	return f
}

// pumpStatus is statusOf for the failure of a connection. Most are of the system,
// and a server may see thousands of them in a second: load balancers look whether
// it is there by connecting and resetting.
func pumpStatus(pe *socket.PumpError) status {
	if sys, ok := pe.Err.(*os.SyscallError); ok {
		return statusOfID(socket.ErrorID(sys))
	}
	return statusOf(pe)
}

// A connEvent is what happened to one connection.
type connEvent struct {
	ID        int64  `json:"id"`
	Direction string `json:"dir,omitempty"`
	StdinEOF  *bool  `json:"stdin_eof,omitempty"`
}

// A chunkEvent is the end of a chunked stream.
type chunkEvent struct {
	ID      int64                 `json:"id"`
	Trailer []socket.TrailerField `json:"trailer"`
}

// A closedEvent tells what a connection came to.
type closedEvent struct {
	ID       int64        `json:"id"`
	Sent     int64        `json:"sent"`
	Received int64        `json:"received"`
	Millis   float64      `json:"elapsed_ms"`
	Error    *errorObject `json:"error,omitempty"`
}

// closed reports the end of connection id, which began at start.
func (v *events) closed(id int64, start time.Time, r socket.PipeResult, err error) {
	if !v.on() {
		return
	}
	ev := closedEvent{ID: id, Sent: r.Sent, Received: r.Received, Millis: float64(time.Since(start).Microseconds()) / 1000}
	if err != nil {
		ev.Error = errorObjectOf(err, statusOf(err))
	}
	v.send("closed", ev)
}
