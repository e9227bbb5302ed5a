package ftpx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"
)

// Bounds of one listing, in bytes and in lines.
const (
	maxListing      = 64 << 20
	maxListingLines = 500_000
)

// List returns the entries of a directory, or of the one file that dir names;
// empty means the current directory. MLSD is used where the server has it.
func (c *Client) List(ctx context.Context, dir string) (Listing, error) {
	if err := c.begin(ctx); err != nil {
		return Listing{}, err
	}
	l, err := c.list(dir)
	if refusedCommand(err) && c.mlsd() {
		c.noMLSD = true
		l, err = c.list(dir)
	}
	if err != nil {
		return l, err
	}
	if len(l.Entries)+len(l.Unknown) == 0 && dir != "" && !c.mlsd() {
		// LIST of something that is not there may be an empty success.
		err = c.inDirectory(dir, func() error { return nil })
	}
	return l, err
}

func (c *Client) mlsd() bool { return c.Has("MLST") && !c.noMLSD }

// refusedCommand reports whether the server does not know the command.
func refusedCommand(err error) bool {
	var reply *ReplyError
	return errors.As(err, &reply) && reply.Code >= 500 && reply.Code <= 504
}

func (c *Client) list(dir string) (Listing, error) {
	if strings.ContainsAny(dir, "\r\n\x00") {
		return Listing{}, fmt.Errorf("%w: line break or NUL in %q", ErrUnsafeName, dir)
	}
	if c.mlsd() || !strings.ContainsAny(dir, " *?[]{}~\\") && !strings.HasPrefix(dir, "-") {
		return c.listHere(dir)
	}
	// LIST takes patterns and options of ls.
	var l Listing
	err := c.inDirectory(dir, func() (err error) {
		l, err = c.listHere("")
		return err
	})
	return l, err
}

// inDirectory runs f with dir as the current directory.
func (c *Client) inDirectory(dir string, f func() error) error {
	home, err := c.pwd()
	if err != nil {
		return err
	}
	if err := c.outcome(c.lib.ChangeDir(dir)); err != nil {
		return err
	}
	err = f()
	if c.dead != nil {
		return err
	}
	return errors.Join(err, c.outcome(c.lib.ChangeDir(home)))
}

func (c *Client) listHere(dir string) (Listing, error) {
	p := &ListParser{MLSD: c.mlsd(), Location: c.cfg.Location}
	c.sink = func(line string) error { p.Line(line); return nil }
	_, err := c.lib.List(dir)
	if err != nil && c.shouldFallBack(c.outcome(err)) {
		c.fallBack(c.outcome(err))
		c.opErr = nil
		_, err = c.lib.List(dir)
	}
	return p.End(), c.outcome(err)
}

// Names returns what NLST answers: names, or paths, one per line.
func (c *Client) Names(ctx context.Context, dir string) ([]string, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	names := []string{}
	c.sink = func(line string) error { names = append(names, line); return nil }
	_, err := c.lib.NameList(dir)
	return names, c.outcome(err)
}

// drainListing gives the lines of a listing to the sink.
func (c *Client) drainListing(d *dataConn) error {
	s := &Stream{c: c, d: d, ctx: c.ctx, opt: OpenOptions{Size: -1}}
	defer context.AfterFunc(c.ctx, func() { _ = d.raw.SetDeadline(time.Unix(1, 0)) })()
	r := bufio.NewReaderSize(readerFunc(s.readWire), maxLine)
	for size, lines := 0, 0; ; lines++ {
		line, err := r.ReadSlice('\n')
		if size += len(line); size > maxListing || lines > maxListingLines || errors.Is(err, bufio.ErrBufferFull) {
			c.aborting = true
			return fmt.Errorf("%w: listing of more than %d lines, or a line of more than %d bytes", ErrProtocol, maxListingLines, maxLine)
		}
		if text := strings.TrimSuffix(string(line), "\n"); len(line) > 0 {
			if err := c.sink(strings.TrimSuffix(text, "\r")); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.aborting = true
			return err
		}
	}
	if d.cutShort() {
		return fmt.Errorf("data connection: %w: TLS ended without close_notify", ErrTruncated)
	}
	return nil
}

// Stat returns what the server tells about path: by MLST, else by SIZE, MDTM
// and trying to enter it as a directory.
func (c *Client) Stat(ctx context.Context, path string) (Entry, error) {
	if err := c.begin(ctx); err != nil {
		return Entry{}, err
	}
	if c.mlsd() {
		e, err := c.statFacts(path)
		if !refusedCommand(err) {
			return e, err
		}
	}
	return c.statGuess(path)
}

// statTarget is Stat, but of what a link leads to. MLST tells of the link, and
// ProFTPD does not even say that it is one.
func (c *Client) statTarget(ctx context.Context, path string) (Entry, error) {
	if err := c.begin(ctx); err != nil {
		return Entry{}, err
	}
	return c.statGuess(path)
}

func (c *Client) statFacts(path string) (Entry, error) {
	command := strings.TrimSuffix("MLST "+path, " ")
	reply, err := c.exchange(c.ctx, command)
	if err != nil {
		return Entry{}, err
	}
	if err := reply.err(command); err != nil {
		return Entry{}, err
	}
	for _, line := range reply.Lines[1:] {
		if e, _ := parseFacts(line); e != nil {
			return *e, nil
		}
	}
	return Entry{}, fmt.Errorf("%w: no facts in the reply to %s", ErrProtocol, command)
}

func (c *Client) statGuess(path string) (Entry, error) {
	e := Entry{Name: path, Kind: KindFile, Size: -1}
	if err := c.chooseType(Binary); err != nil { // SIZE depends on TYPE
		return e, err
	}
	size, err := c.size(path)
	if err == nil {
		e.Size = size
		e.Time, err = c.modTime(path)
		e.Exact = err == nil
		return e, c.dead
	}
	if c.dead != nil {
		return e, err
	}
	if dirErr := c.inDirectory(path, func() error { return nil }); dirErr != nil {
		return e, err
	}
	e.Kind = KindDir
	return e, nil
}

// Size asks for the size of a file (SIZE, RFC 3659), in bytes as in binary mode.
func (c *Client) Size(ctx context.Context, path string) (int64, error) {
	if err := c.begin(ctx); err != nil {
		return 0, err
	}
	if err := c.chooseType(Binary); err != nil {
		return 0, err
	}
	return c.size(path)
}

func (c *Client) size(path string) (int64, error) {
	c.opErr = nil
	n, err := c.lib.FileSize(path)
	return n, c.outcome(err)
}

// ModTime asks for the time of the last change (MDTM, RFC 3659).
func (c *Client) ModTime(ctx context.Context, path string) (time.Time, error) {
	if err := c.begin(ctx); err != nil {
		return time.Time{}, err
	}
	return c.modTime(path)
}

func (c *Client) modTime(path string) (time.Time, error) {
	reply, err := c.exchange(c.ctx, "MDTM "+path)
	if err != nil {
		return time.Time{}, err
	}
	if err := reply.err("MDTM " + path); err != nil {
		return time.Time{}, err
	}
	return parseTimeVal(reply.Message())
}

// SetModTime sets the time of the last change, by whichever of MFMT, the
// writing MDTM of vsftpd and SITE UTIME the server knows. It wraps
// [ErrNotSupported] when it knows none.
func (c *Client) SetModTime(ctx context.Context, path string, t time.Time) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	stamp := t.UTC().Format("20060102150405")
	commands := []string{"MFMT " + stamp + " " + path, "MDTM " + stamp + " " + path,
		"SITE UTIME " + path + " " + stamp + " " + stamp + " " + stamp + " UTC"}
	if c.features != nil && !c.Has("MFMT") {
		commands = commands[1:]
	}
	for _, command := range commands {
		reply, err := c.exchange(ctx, command)
		if err != nil || reply.completed() {
			return err
		}
	}
	return fmt.Errorf("set time of %s: %w", path, ErrNotSupported)
}

// Pwd returns the current directory.
func (c *Client) Pwd(ctx context.Context) (string, error) {
	if err := c.begin(ctx); err != nil {
		return "", err
	}
	return c.pwd()
}

func (c *Client) pwd() (string, error) {
	reply, err := c.exchange(c.ctx, "PWD")
	if err != nil {
		return "", err
	}
	if err := reply.err("PWD"); err != nil {
		return "", err
	}
	return parseQuotedPath(reply.Message())
}

// Chdir changes the current directory.
func (c *Client) Chdir(ctx context.Context, dir string) error {
	return c.simple(ctx, func() error { return c.lib.ChangeDir(dir) })
}

// Rename renames a file; what it does to an existing target is up to the server.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	return c.simple(ctx, func() error { return c.lib.Rename(from, to) })
}

// Delete removes a file.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.simple(ctx, func() error { return c.lib.Delete(path) })
}

// RemoveDir removes an empty directory.
func (c *Client) RemoveDir(ctx context.Context, dir string) error {
	return c.simple(ctx, func() error { return c.lib.RemoveDir(dir) })
}

// MakeDir makes a directory. A directory that is there already is an error that
// matches [fs.ErrExist] where the server says so (521), else a [ReplyError].
func (c *Client) MakeDir(ctx context.Context, dir string) error {
	err := c.simple(ctx, func() error { return c.lib.MakeDir(dir) })
	var reply *ReplyError
	if errors.As(err, &reply) && reply.Code == 521 {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return err
}

// MakeDirs makes dir and the directories above it that are missing.
func (c *Client) MakeDirs(ctx context.Context, dir string) error {
	if dir == "" || dir == "/" || dir == "." {
		return nil
	}
	err := c.MakeDir(ctx, dir)
	if err == nil || c.dead != nil {
		return err
	}
	if c.isDir(ctx, dir) {
		return nil
	}
	parent := strings.TrimRight(dir, "/")
	slash := strings.LastIndexByte(parent, '/')
	if slash <= 0 {
		return err
	}
	if perr := c.MakeDirs(ctx, parent[:slash]); perr != nil {
		return perr
	}
	return c.MakeDir(ctx, dir)
}

// isDir reports whether dir can be entered.
func (c *Client) isDir(ctx context.Context, dir string) bool {
	return c.simple(ctx, func() error {
		return c.inDirectory(dir, func() error { return nil })
	}) == nil
}

// simple runs one call of the library.
func (c *Client) simple(ctx context.Context, call func() error) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	err := call()
	if errors.Is(err, ftp.ErrInvalidCommand) {
		return fmt.Errorf("%w: line break in a name", ErrUnsafeName)
	}
	return c.outcome(err)
}
