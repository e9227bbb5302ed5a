package ftpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// PartSuffix ends the name of a file that is not complete yet.
const PartSuffix = ".part"

// overlap is how much of a partial file is fetched again and compared before
// the rest is added to it.
const overlap = 64 << 10

// GetOptions say how to fetch a file into a directory. The zero value fetches it
// anew in binary mode.
type GetOptions struct {
	Mode Mode
	EOL  LineEnd

	// Resume goes on with the partial file of an earlier attempt, after its last
	// bytes agreed with the server's.
	Resume bool
	// KeepTime gives the local file the time of the remote one.
	KeepTime bool
	// Newer fetches only what is newer than the local file, or of another size.
	Newer bool
	// Entry is what a listing said about the file; it saves questions. Nil means
	// to ask, and so does the entry of a link.
	Entry *Entry

	// Checksums that the content must have. ServerSum also compares with what
	// the server computes, when it offers that.
	Checksums []Checksum
	ServerSum bool

	// Segments lets several sessions fetch parts of the file at the same time,
	// when that pays. The zero value is one session.
	Segments Segments

	// Rate limits the bytes per second. Zero means no limit.
	Rate int64
	// Progress is told how much of the file is there and its size, negative when
	// not known.
	Progress func(done, size int64)
}

// A GetResult says what was fetched.
type GetResult struct {
	Size    int64     // bytes of the local file
	Moved   int64     // bytes that went over the wire
	Resumed int64     // bytes kept from an earlier attempt
	Skipped bool      // the local file was good already
	Time    time.Time // of the remote file, zero when not asked for
	Sum     Checksum  // of the server, when ServerSum found one
	Partial string    // the file that holds what came before a failure
}

// Get fetches the remote file into dir under the name local. The bytes go to
// local.part, which gets its name when everything agrees: the final reply, the
// size, the checksums. After a failure the part stays, if it holds anything, for
// Resume. A failure of the local file is a [LocalError].
func (c *Client) Get(ctx context.Context, remote string, dir *os.Root, local string, opt GetOptions) (GetResult, error) {
	if opt.Entry != nil && opt.Entry.Kind == KindLink {
		opt.Entry = nil // size and time are those of the link
	}
	g := &getter{c: c, ctx: ctx, remote: remote, dir: dir, local: local, part: local + PartSuffix, opt: opt}
	err := g.run()
	if err != nil && g.hasPart() {
		g.result.Partial = g.part
	}
	return g.result, err
}

type getter struct {
	c            *Client
	ctx          context.Context
	remote       string
	dir          *os.Root
	local, part  string
	opt          GetOptions
	result       GetResult
	file         *os.File
	stream       *Stream
	expectedSize int64
	expectedTime time.Time
}

func (g *getter) run() error {
	g.expectedSize = -1
	if g.opt.Entry != nil {
		g.expectedSize, g.expectedTime = g.opt.Entry.Size, g.opt.Entry.Time
	}
	if g.opt.Newer {
		same, err := g.upToDate()
		if err != nil || same {
			g.result.Skipped = same
			return err
		}
	}
	if err := g.openBoth(); err != nil || g.result.Skipped {
		return err
	}
	err := g.copy()
	if err == nil {
		err = g.verify()
	}
	if cerr := g.file.Close(); err == nil {
		err = localError("close", cerr)
	}
	if err != nil {
		return err
	}
	return g.publish()
}

// upToDate reports whether the local file is as new and as long as the remote.
func (g *getter) upToDate() (bool, error) {
	info, err := g.dir.Lstat(g.local)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, localError("stat", err)
	}
	if g.expectedSize < 0 || g.expectedTime.IsZero() {
		e, err := g.c.statTarget(g.ctx, g.remote)
		if err != nil {
			return false, err
		}
		g.expectedSize, g.expectedTime = e.Size, e.Time
	}
	sameSize := g.expectedSize < 0 || g.opt.Mode == Text || info.Size() == g.expectedSize
	if sameSize && g.opt.Entry != nil && !g.opt.Entry.Exact {
		// A LIST tells minutes, or days, in a zone of its own.
		if t, err := g.c.ModTime(g.ctx, g.remote); err == nil {
			g.expectedTime = t
		}
	}
	if !sameSize || g.expectedTime.IsZero() || g.expectedTime.After(info.ModTime()) {
		return false, nil
	}
	g.result.Size = info.Size()
	return true, nil
}

// openBoth opens the remote file and the part, at the same place.
func (g *getter) openBoth() error {
	if g.opt.Resume && g.opt.Mode == Binary {
		done, err := g.resume()
		if err != nil || done {
			return err
		}
	}
	if err := g.openStream(0); err != nil {
		return err
	}
	if err := g.createPart(); err != nil {
		return errors.Join(err, ignoreAborted(g.stream.Abort()))
	}
	return nil
}

// ignoreAborted drops what [Stream.Abort] always reports.
func ignoreAborted(err error) error {
	if errors.Is(err, ErrAborted) {
		return nil
	}
	return err
}

func (g *getter) openStream(offset int64) (err error) {
	g.stream, err = g.c.Open(g.ctx, g.remote, OpenOptions{
		Mode: g.opt.Mode, EOL: g.opt.EOL, Offset: offset, Size: max(g.sizeHint(), 0), Rate: g.opt.Rate, Progress: g.progress(offset),
		AskTime: g.opt.KeepTime && !g.knowsTime(),
	})
	return err
}

// sizeHint returns the size from a listing. A listing may be older than the
// file, but then the difference is worth an error as well.
func (g *getter) sizeHint() int64 {
	if g.opt.Mode == Text {
		return 0
	}
	return g.expectedSize
}

func (g *getter) progress(offset int64) func(int64) {
	if g.opt.Progress == nil {
		return nil
	}
	return func(moved int64) { g.opt.Progress(offset+moved, g.stream.Size()) }
}

// createPart makes an empty part. Whatever has its name is removed first: it
// could be a link to somewhere else.
func (g *getter) createPart() error {
	if err := g.dir.Remove(g.part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return localError("remove", err)
	}
	f, err := g.dir.OpenFile(g.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	g.file = f
	return localError("create", err)
}

// resume opens the part of an earlier attempt and the remote file behind it. It
// reports false when there is nothing to go on with.
func (g *getter) resume() (bool, error) {
	size, err := g.findPart()
	if err != nil || size == 0 || g.result.Skipped {
		return g.result.Skipped, err
	}
	f, err := g.dir.OpenFile(g.part, os.O_RDWR, 0)
	if err != nil {
		return false, localError("open", err)
	}
	ok, err := g.joinPart(f, size)
	if err != nil || !ok {
		return false, errors.Join(err, localError("close", f.Close()))
	}
	g.file, g.result.Resumed = f, size
	return true, nil
}

// findPart returns the size of the part, 0 for none. A complete local file is
// good when its size agrees; a shorter one, left by another program, becomes
// the part.
func (g *getter) findPart() (int64, error) {
	if info, err := g.dir.Lstat(g.part); err == nil {
		if !info.Mode().IsRegular() {
			return 0, nil
		}
		return g.solidPart(info.Size())
	}
	info, err := g.dir.Lstat(g.local)
	if err != nil || !info.Mode().IsRegular() {
		return 0, nil // nothing there
	}
	size, err := g.remoteSize()
	if err != nil || size < 0 {
		return 0, err
	}
	switch {
	case info.Size() == size:
		g.result.Skipped, g.result.Size = true, size
		return 0, nil
	case info.Size() > size:
		return 0, nil
	}
	return info.Size(), localError("rename", g.dir.Rename(g.local, g.part))
}

func (g *getter) remoteSize() (int64, error) {
	if g.expectedSize >= 0 {
		return g.expectedSize, nil
	}
	size, err := g.c.Size(g.ctx, g.remote)
	if refusedCommand(err) {
		return -1, nil
	}
	g.expectedSize = size
	return size, err
}

// joinPart opens the remote file a little before the end of the part, compares
// that little, and leaves stream and file at the end of the part. It reports
// false when they differ or the server cannot start there.
func (g *getter) joinPart(f *os.File, size int64) (bool, error) {
	if total, err := g.remoteSize(); err != nil || total >= 0 && total < size {
		return false, err
	}
	from := max(0, size-overlap)
	want := make([]byte, size-from)
	if _, err := f.ReadAt(want, from); err != nil {
		return false, localError("read", err)
	}
	if err := g.openStream(from); err != nil {
		if refusedCommand(err) || g.c.last.Code == 554 { // RFC 3659 section 5: REST refused
			return false, nil
		}
		return false, err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(g.stream, got); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return false, errors.Join(err, ignoreAborted(g.stream.Abort()))
	}
	if !bytes.Equal(got, want) {
		return false, g.abandon()
	}
	_, err := f.Seek(size, io.SeekStart)
	if err != nil {
		return false, errors.Join(localError("seek", err), g.abandon())
	}
	return true, nil
}

// abandon gives the stream up and makes sure of a live session.
func (g *getter) abandon() error {
	_ = g.stream.Abort() // it reports ErrAborted, or what Err says
	if g.c.Err() != nil {
		return fmt.Errorf("%w: session lost by stopping a transfer: %w", ErrTruncated, g.c.Err())
	}
	return nil
}

// copy moves the bytes and asks the server for its verdict.
func (g *getter) copy() error {
	if g.splittable() {
		return g.copySegments()
	}
	n, err := g.stream.WriteTo(g.file)
	cerr := g.stream.Close()
	g.result.Moved = g.stream.Moved()
	g.result.Size = g.result.Resumed + n
	if cerr != nil { // knows what err says, and what the server said
		err = cerr
	}
	if err != nil && g.result.Size == 0 {
		_ = g.dir.Remove(g.part) // an empty part helps nobody
	}
	return err
}

// verify compares checksums while the part has not got its name yet.
func (g *getter) verify() error {
	sums := g.opt.Checksums
	if g.opt.ServerSum && g.opt.Mode == Binary {
		sum, err := g.c.Checksum(g.ctx, g.remote)
		switch {
		case err == nil:
			g.result.Sum = sum
			sums = append(sums[:len(sums):len(sums)], sum)
		case !errors.Is(err, ErrNotSupported):
			return err
		}
	}
	for _, sum := range sums {
		if _, err := g.file.Seek(0, io.SeekStart); err != nil {
			return localError("seek", err)
		}
		if err := sum.Verify(g.file); err != nil {
			return err
		}
	}
	return nil
}

// publish gives the part its time and its name.
func (g *getter) publish() error {
	if g.opt.KeepTime {
		if err := g.setTime(); err != nil {
			return err
		}
	}
	return localError("rename", g.dir.Rename(g.part, g.local))
}

func (g *getter) setTime() error {
	t := g.expectedTime
	if !g.knowsTime() {
		asked := g.stream.Time()
		if asked.IsZero() && g.stream.time == nil {
			asked, _ = g.c.ModTime(g.ctx, g.remote) // zero without MDTM
		}
		if !asked.IsZero() {
			t = asked
		}
	}
	if t.IsZero() {
		return nil // a server without MDTM: the file is still whole
	}
	g.result.Time = t
	return localError("set time", g.dir.Chtimes(g.part, t, t))
}

// knowsTime reports whether the time is known to the second.
func (g *getter) knowsTime() bool {
	return !g.expectedTime.IsZero() && (g.opt.Entry == nil || g.opt.Entry.Exact || !g.expectedTime.Equal(g.opt.Entry.Time))
}

func (g *getter) hasPart() bool {
	info, err := g.dir.Lstat(g.part)
	return err == nil && info.Size() > 0
}
