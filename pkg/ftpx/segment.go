package ftpx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Segments say how [Client.Get] may split one big file.
type Segments struct {
	// Config opens the further sessions.
	Config Config
	// Max is how many sessions there may be, the first included. Zero means one.
	Max int
	// After is for how long one session is left alone; another is opened only
	// when what remains would take twice that time. Zero means 2 s.
	After time.Duration
}

const (
	// minSegment is the least worth a session of its own.
	minSegment = 4 << 20
	// seam is how much of the next segment is fetched twice and compared: a
	// server that ignores REST would send something else.
	seam = 4 << 10
	// prefixSuffix ends the name of a file that exists while the part has holes.
	// It tells how many bytes at its beginning are good.
	prefixSuffix = ".prefix"
)

// splittable reports whether several sessions may share the file.
func (g *getter) splittable() bool {
	return g.opt.Segments.Max > 1 && g.opt.Mode == Binary && g.opt.Rate == 0 && g.stream.Size()-g.result.Resumed > 2*minSegment
}

// solidPart returns how much of a part is free of holes, and cuts off the rest.
func (g *getter) solidPart(size int64) (int64, error) {
	text, err := g.dir.ReadFile(g.part + prefixSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return size, nil
	}
	if err != nil {
		return 0, localError("read", err)
	}
	solid, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || solid < 0 || solid > size {
		solid = 0
	}
	return solid, g.cutPart(solid)
}

// cutPart shortens the part to what is solid, after which it needs no note.
func (g *getter) cutPart(solid int64) error {
	f, err := g.dir.OpenFile(g.part, os.O_RDWR, 0)
	if err != nil {
		return localError("open", err)
	}
	if err := errors.Join(f.Truncate(solid), f.Close()); err != nil {
		return localError("truncate", err)
	}
	return g.removeNote()
}

func (g *getter) removeNote() error {
	err := g.dir.Remove(g.part + prefixSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return localError("remove", err)
}

// A segment is a range of the file that one session fetches.
type segment struct {
	start  int64
	pos    atomic.Int64 // up to here it is in the file
	end    atomic.Int64 // may come down while it is fetched
	stream *Stream
	file   *os.File
	tail   []byte // the first bytes behind end, to compare
}

func (s *segment) left() int64 { return s.end.Load() - s.pos.Load() }

// A splitter fetches one file in segments.
type splitter struct {
	g      *getter
	size   int64
	failed atomic.Bool // somebody failed: all stop
	wg     sync.WaitGroup

	idle     chan struct{} // closed when no segment is being fetched
	mu       sync.Mutex
	segments []*segment
	active   int
	err      error
}

// copySegments fetches the file, with more sessions as they pay. However it
// ends, the part has no holes afterwards.
func (g *getter) copySegments() error {
	x := &splitter{g: g, size: g.stream.Size(), idle: make(chan struct{})}
	g.stream.meter.report = nil // the splitter reports for all
	x.start(&segment{start: g.result.Resumed, stream: g.stream, file: g.file}, x.size)
	x.wg.Go(x.watch)
	x.wg.Wait()
	return x.finish()
}

// start begins to fetch a segment. It reports false when all else has ended.
func (x *splitter) start(s *segment, end int64) bool {
	s.pos.Store(s.start)
	s.end.Store(end)
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.segments) > 0 && x.active == 0 {
		return false
	}
	x.segments = append(x.segments, s)
	x.active++
	x.wg.Go(func() { x.ended(x.fetch(s)) })
	return true
}

func (x *splitter) ended(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.failed.Store(true)
		x.err = errors.Join(x.err, err)
	}
	if x.active--; x.active == 0 {
		close(x.idle)
	}
}

// fetch copies one segment to its end and closes its stream.
func (x *splitter) fetch(s *segment) error {
	if s.stream.bare() {
		wakeLate(s.stream.NetConn())
	}
	err := x.copy(s)
	g := x.g
	if s.file != g.file {
		defer s.stream.c.Close()
		defer s.file.Close() // a failed write has been seen already
	}
	cerr := s.stream.Close()
	if errors.Is(cerr, ErrAborted) && err == nil {
		return nil // stopped at the next segment, or because another failed
	}
	if err == nil || cerr != nil && !errors.Is(cerr, ErrAborted) {
		err = cerr // knows what the server said
	}
	return err
}

func (x *splitter) copy(s *segment) error {
	for last := time.Now(); !x.failed.Load(); {
		end := s.end.Load()
		if s.pos.Load() >= end && end < x.size {
			return s.readTail() // perhaps a step behind the end
		}
		left := end - s.pos.Load()
		if left < 0 {
			return &SizeError{Got: s.pos.Load(), Want: x.size}
		}
		limit := min(spliceStep, left+1) // the one more finds the end of the file
		n, ended, err := s.stream.copyInto(s.file, limit, &last)
		s.pos.Add(n)
		if err != nil || ended {
			return err
		}
	}
	return nil
}

// readTail reads what belongs to the next segment, to compare it.
func (s *segment) readTail() error {
	s.tail = make([]byte, seam)
	n, err := io.ReadFull(s.stream, s.tail)
	s.tail = s.tail[:n]
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// watch reports progress and adds sessions until all have ended.
func (x *splitter) watch() {
	after := orDefault(x.g.opt.Segments.After, 2*time.Second)
	ticker := time.NewTicker(min(tick, after))
	defer ticker.Stop()
	begin, from := time.Now(), x.moved()
	var before float64 // speed before the last session was added
	settled := false
	for {
		select {
		case <-x.idle:
			return
		case <-ticker.C:
		}
		x.report()
		if time.Since(begin) < after || settled || x.failed.Load() {
			continue
		}
		speed := float64(x.moved()-from) / time.Since(begin).Seconds()
		settled = speed < 1.1*before || !x.pays(speed, after) || !x.split()
		before, begin, from = speed, time.Now(), x.moved()
	}
}

func (x *splitter) moved() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	var n int64
	for _, s := range x.segments {
		n += min(s.pos.Load(), s.end.Load()) - s.start
	}
	return n
}

// report tells progress, and notes how much is solid while there are holes.
func (x *splitter) report() {
	if x.g.opt.Progress != nil {
		x.g.opt.Progress(x.g.result.Resumed+x.moved(), x.size)
	}
	x.mu.Lock()
	holes := len(x.segments) > 1
	x.mu.Unlock()
	if holes {
		_ = x.note() // an older note is true as well
	}
}

// note writes how much of the part is solid.
func (x *splitter) note() error {
	g := x.g
	name := g.part + prefixSuffix
	if err := g.dir.WriteFile(name+"~", []byte(strconv.FormatInt(x.solid(), 10)+"\n"), 0o666); err != nil {
		return localError("write", err)
	}
	return localError("rename", g.dir.Rename(name+"~", name))
}

// solid returns how many bytes at the beginning of the file are there.
func (x *splitter) solid() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	sorted := slices.SortedFunc(slices.Values(x.segments), func(a, b *segment) int { return int((a.start - b.start) >> 10) })
	solid := x.g.result.Resumed
	for _, s := range sorted {
		if s.start > solid {
			break
		}
		solid = max(solid, s.pos.Load())
	}
	return solid
}

// pays reports whether another session is allowed and there is time to gain.
func (x *splitter) pays(speed float64, after time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	var left int64
	for _, s := range x.segments {
		left += max(s.left(), 0)
	}
	return x.active < x.g.opt.Segments.Max && float64(left)/max(speed, 1) > 2*after.Seconds()
}

// split gives the second half of the longest segment to a new session. It
// reports false when that is not possible; the file is fetched all the same.
func (x *splitter) split() bool {
	x.mu.Lock()
	victim := slices.MaxFunc(x.segments, func(a, b *segment) int { return int((a.left() - b.left()) >> 10) })
	x.mu.Unlock()
	if victim.left() < 2*minSegment {
		return false
	}
	middle := victim.pos.Load() + victim.left()/2
	s, err := x.open(middle)
	if err != nil {
		return false
	}
	if end := victim.end.Load(); victim.pos.Load() < middle && x.note() == nil && x.start(s, end) {
		victim.end.Store(middle)
		return true
	}
	_ = errors.Join(s.stream.Abort(), s.stream.c.Close(), s.file.Close()) // too late
	return false
}

// open opens a session for the part of the file that begins at offset.
func (x *splitter) open(offset int64) (*segment, error) {
	g := x.g
	c, err := Dial(g.ctx, g.opt.Segments.Config)
	if err != nil {
		return nil, err
	}
	stream, err := c.Open(g.ctx, g.remote, OpenOptions{Offset: offset, Size: x.size})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	file, err := g.dir.OpenFile(g.part, os.O_RDWR, 0)
	if err == nil {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, stream.Abort(), c.Close())
	}
	return &segment{start: offset, stream: stream, file: file}, nil
}

// finish compares the seams and leaves a part without holes.
func (x *splitter) finish() error {
	g := x.g
	err := x.err
	g.result.Moved = 0
	for _, s := range x.segments {
		g.result.Moved += s.stream.Moved()
		if err == nil {
			err = x.compareSeam(s)
		}
	}
	g.result.Size = x.solid()
	if x.g.opt.Progress != nil {
		x.g.opt.Progress(g.result.Size, x.size)
	}
	switch {
	case g.ctx.Err() != nil:
		err = contextError(g.ctx)
	case err == nil && g.result.Size != x.size:
		err = &SizeError{Got: g.result.Size, Want: x.size}
	}
	if err == nil {
		return g.removeNote()
	}
	return errors.Join(err, g.cutPart(g.result.Size))
}

// compareSeam compares what a segment found behind its end with what the next
// one has written there. When they differ, nothing from there on can be trusted.
func (x *splitter) compareSeam(s *segment) error {
	if len(s.tail) == 0 {
		return nil
	}
	there := make([]byte, len(s.tail))
	at := s.pos.Load()
	if _, err := x.g.file.ReadAt(there, at); err != nil {
		return localError("read", err)
	}
	if bytes.Equal(there, s.tail) {
		return nil
	}
	for _, other := range x.segments {
		if other.start >= s.end.Load() {
			other.pos.Store(other.start) // not solid
		}
	}
	return fmt.Errorf("%w: the server ignored an offset", ErrProtocol)
}
