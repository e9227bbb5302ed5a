package ftpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// PutOptions say how to store a file. The zero value stores it anew in binary
// mode and replaces what is there.
type PutOptions struct {
	Mode Mode

	// Append adds to the remote file. Unique lets the server choose a new name.
	Append, Unique bool
	// Atomic stores under a name ending in .part and renames when complete.
	Atomic bool
	// Resume goes on behind what the server has already, after the last bytes
	// of it agreed. The source must be an *os.File.
	Resume bool
	// MakeDirs makes the directories above the file when they are missing.
	MakeDirs bool
	// Time, when not zero, is given to the remote file.
	Time time.Time
	// NoVerify does not ask for the size afterwards.
	NoVerify bool
	// ServerSum compares the content with what the server computes, when it
	// offers that and the source is an *os.File.
	ServerSum bool

	// Rate limits the bytes per second. Zero means no limit.
	Rate int64
	// Progress is told how much of the file is there.
	Progress func(done int64)
}

// A PutResult says what was stored.
type PutResult struct {
	Name    string   // of the remote file; empty when the server did not tell
	Size    int64    // bytes that the remote file should have, negative after Append
	Moved   int64    // bytes that went over the wire
	Resumed int64    // bytes that were there already
	Skipped bool     // all of it was there already
	TimeSet bool     // the server took Time
	Sum     Checksum // of the server, when ServerSum found one
}

// Put stores what r gives as the remote file. A failure of r is a [LocalError]
// and the upload is reset, so that the server does not take it for complete.
func (c *Client) Put(ctx context.Context, r io.Reader, remote string, opt PutOptions) (PutResult, error) {
	p := &putter{c: c, ctx: ctx, r: r, name: remote, target: remote, opt: opt}
	if opt.Atomic && !opt.Append && !opt.Unique {
		p.target = remote + PartSuffix
	}
	err := p.run()
	return p.result, err
}

type putter struct {
	c            *Client
	ctx          context.Context
	r            io.Reader
	name, target string
	opt          PutOptions
	result       PutResult
}

func (p *putter) run() error {
	p.result.Name = p.name
	if p.opt.Resume {
		if err := p.resume(); err != nil {
			return err
		}
	}
	if !p.result.Skipped {
		if err := p.store(); err != nil {
			return err
		}
		if err := p.verify(); err != nil {
			return err
		}
	}
	if p.target != p.name {
		if err := p.replace(); err != nil {
			return err
		}
	}
	return p.setTime()
}

// resume finds out how much the server has, and moves the source behind it.
func (p *putter) resume() error {
	f, ok := p.r.(*os.File)
	if !ok || p.opt.Mode == Text {
		return errors.New("resume needs a file and binary mode")
	}
	there, err := p.c.Size(p.ctx, p.target)
	if err != nil || there == 0 {
		return p.c.Err() // nothing there
	}
	info, err := f.Stat()
	if err != nil {
		return localError("stat", err)
	}
	if there > info.Size() {
		return nil // another file: start anew
	}
	same, err := p.compareTail(f, there)
	if err != nil || !same {
		return err
	}
	p.result.Resumed, p.result.Skipped = there, there == info.Size()
	p.result.Size = there
	_, err = f.Seek(there, io.SeekStart)
	return localError("seek", err)
}

// compareTail compares the last bytes that the server has with those of f.
func (p *putter) compareTail(f *os.File, there int64) (bool, error) {
	from := max(0, there-overlap)
	want := make([]byte, there-from)
	if _, err := f.ReadAt(want, from); err != nil {
		return false, localError("read", err)
	}
	s, err := p.c.Open(p.ctx, p.target, OpenOptions{Offset: from, Size: there})
	if err != nil {
		return false, p.c.Err() // a server that only takes: start anew
	}
	got, err := io.ReadAll(io.LimitReader(s, int64(len(want))+1))
	if err := errors.Join(err, s.Close()); err != nil {
		return false, err
	}
	return bytes.Equal(got, want), nil
}

// store uploads. Missing directories are made when the first attempt fails.
func (p *putter) store() error {
	s, err := p.open()
	var reply *ReplyError
	if p.opt.MakeDirs && errors.As(err, &reply) && reply.Code >= 550 && p.c.Err() == nil {
		if i := strings.LastIndexByte(p.target, '/'); i > 0 {
			if err := p.c.MakeDirs(p.ctx, p.target[:i]); err != nil {
				return err
			}
			s, err = p.open()
		}
	}
	if err != nil {
		return err
	}
	n, err := s.ReadFrom(p.r)
	p.result.Moved = s.Moved()
	p.result.Size = p.result.Resumed + n
	if err != nil {
		if aerr := s.Abort(); aerr != nil && !errors.Is(aerr, ErrAborted) {
			err = aerr
		}
		return err
	}
	err = s.Close()
	if p.opt.Unique {
		p.result.Name, p.target, p.name = s.RemoteName(), s.RemoteName(), s.RemoteName()
	}
	return err
}

// open continues with APPE: unlike REST and STOR every server has it.
func (p *putter) open() (*Stream, error) {
	return p.c.Open(p.ctx, p.target, OpenOptions{
		Direction: Output, Mode: p.opt.Mode, Unique: p.opt.Unique,
		Append: p.opt.Append || p.result.Resumed > 0, Rate: p.opt.Rate, Progress: p.progress(),
	})
}

func (p *putter) progress() func(int64) {
	if p.opt.Progress == nil {
		return nil
	}
	return func(moved int64) { p.opt.Progress(p.result.Resumed + moved) }
}

// verify compares the size, and the checksum when asked to.
func (p *putter) verify() error {
	if p.opt.NoVerify || p.opt.Mode == Text || p.target == "" {
		return nil
	}
	if p.opt.Append {
		p.result.Size = -1
		return nil // what was there before is not known
	}
	size, err := p.c.Size(p.ctx, p.target)
	if err != nil {
		return p.c.Err() // a server without SIZE, or one that hides uploads
	}
	if size != p.result.Size {
		return &SizeError{Got: size, Want: p.result.Size}
	}
	return p.compareSum()
}

func (p *putter) compareSum() error {
	f, ok := p.r.(*os.File)
	if !ok || !p.opt.ServerSum {
		return nil
	}
	sum, err := p.c.Checksum(p.ctx, p.target)
	if errors.Is(err, ErrNotSupported) {
		return nil
	}
	if err != nil {
		return err
	}
	p.result.Sum = sum
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return localError("seek", err)
	}
	return sum.Verify(f)
}

// replace renames the part. A server that does not rename onto an existing file
// gets it deleted first.
func (p *putter) replace() error {
	err := p.c.Rename(p.ctx, p.target, p.name)
	var reply *ReplyError
	if !errors.As(err, &reply) || reply.Code < 550 || p.c.Err() != nil {
		return err
	}
	if p.c.Delete(p.ctx, p.name) != nil {
		return err
	}
	return p.c.Rename(p.ctx, p.target, p.name)
}

// setTime is not worth a failure: the content is stored.
func (p *putter) setTime() error {
	if p.opt.Time.IsZero() || p.name == "" {
		return nil
	}
	err := p.c.SetModTime(p.ctx, p.name, p.opt.Time)
	p.result.TimeSet = err == nil
	return p.c.Err()
}
