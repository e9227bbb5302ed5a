package ftpx

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"time"
)

const (
	// spliceStep is what one call hands to the kernel at most: splice and
	// sendfile cost nothing more in steps of this size, and each step is a
	// place to look at the clock.
	spliceStep = 8 << 20
	// copyStep is the buffer of everything that must pass through memory.
	copyStep = 256 << 10
	// tick bounds one step in time, so that progress, rate and cancellation do
	// not wait for a slow peer.
	tick = 250 * time.Millisecond
)

// A meter counts, reports and slows down.
type meter struct {
	rate     int64
	report   func(int64)
	start    time.Time
	reported time.Time
}

func newMeter(rate int64, report func(int64)) meter {
	return meter{rate: rate, report: report, start: time.Now()}
}

// step returns how much to move at once.
func (m *meter) step() int {
	if m.rate > 0 {
		return int(max(1, min(m.rate/8, copyStep)))
	}
	return copyStep
}

// moved reports total, and sleeps while total is ahead of the rate.
func (m *meter) moved(ctx context.Context, total int64) {
	if m.report != nil && time.Since(m.reported) > tick/2 {
		m.reported = time.Now()
		m.report(total)
	}
	if m.rate <= 0 {
		return
	}
	due := m.start.Add(time.Duration(float64(total) / float64(m.rate) * float64(time.Second)))
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

func (m *meter) end(total int64) {
	if m.report != nil {
		m.report(total)
	}
}

// WriteTo copies the rest of the file to w. Into a regular file the kernel moves
// the bytes (splice); a failure of w is a [LocalError].
func (s *Stream) WriteTo(w io.Writer) (int64, error) {
	if f, ok := w.(*os.File); ok && s.bare() && isRegular(f) {
		return s.spliceTo(f)
	}
	buf := s.c.buffer()
	var total int64
	for {
		n, err := s.fill(buf)
		if n > 0 {
			written, werr := w.Write(buf[:n])
			total += int64(written)
			if werr != nil {
				return total, s.fail(localError("write", werr))
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// fill reads once, and goes on while more is at hand below TLS, which gives one
// record of 16 KiB at a time.
func (s *Stream) fill(buf []byte) (int, error) {
	total, err := s.Read(buf)
	for err == nil && s.d.wire != nil && s.text == nil && s.meter.rate == 0 && s.d.wire.r.Buffered() > 0 && len(buf)-total >= 16<<10 {
		var n int
		n, err = s.received(s.d.secure.Read(buf[total:]))
		total += n
	}
	return total, err
}

// bare reports whether the bytes of the connection are those of the file, and
// the kernel can move them.
func (s *Stream) bare() bool {
	_, tcp := s.d.raw.(*net.TCPConn)
	return tcp && s.d.secure == nil && s.opt.Mode == Binary
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// spliceTo moves the rest of the file into f. The steps end by size or by
// deadline; bytes that have left the connection are in f by then.
func (s *Stream) spliceTo(f *os.File) (int64, error) {
	if s.want > spliceStep && s.meter.rate == 0 {
		wakeLate(s.d.raw)
	}
	var total int64
	for last := time.Now(); ; {
		n, ended, err := s.spliceInto(f, spliceStep, &last)
		total += n
		if err != nil || ended {
			return total, err
		}
	}
}

// spliceInto moves at most limit bytes into f, within one tick, and reports
// whether the file ended. last is when something moved last.
func (s *Stream) spliceInto(f *os.File, limit int64, last *time.Time) (n int64, ended bool, err error) {
	n, ended, err = s.spliceStep(limit, func(limit int64) (int64, error) {
		return f.ReadFrom(&io.LimitedReader{R: s.d.raw, N: limit})
	})
	if n > 0 {
		*last = time.Now()
	}
	ended = ended && err == nil
	s.d.sawEOF = s.d.sawEOF || ended
	return n, ended, s.judge(err, *last, "write")
}

// spliceStep moves at most limit bytes within one tick.
func (s *Stream) spliceStep(limit int64, move func(limit int64) (int64, error)) (n int64, ended bool, err error) {
	if s.ctx.Err() != nil {
		return 0, false, contextError(s.ctx)
	}
	if s.meter.rate > 0 {
		limit = min(limit, int64(s.meter.step()))
	}
	if err := s.d.raw.SetDeadline(time.Now().Add(tick)); err != nil {
		return 0, false, err
	}
	n, err = move(limit)
	s.count(int(n))
	return n, n < limit, err
}

// copyInto is one step of copying into f, by splice or through memory.
func (s *Stream) copyInto(f *os.File, limit int64, last *time.Time) (n int64, ended bool, err error) {
	if s.bare() {
		return s.spliceInto(f, limit, last)
	}
	buf := s.c.buffer()
	got, err := s.fill(buf[:min(limit, int64(len(buf)))])
	if _, werr := f.Write(buf[:got]); werr != nil {
		return 0, false, s.fail(localError("write", werr))
	}
	if errors.Is(err, io.EOF) {
		return int64(got), true, nil
	}
	return int64(got), false, err
}

// judge says whether err of a step ends the copy: the end of a tick does only
// when nothing moved for the idle time.
func (s *Stream) judge(err error, last time.Time, op string) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return s.fail(contextError(s.ctx))
	case isTimeout(err):
		if time.Until(s.d.deadline()) > time.Since(last) {
			return nil
		}
		return s.fail(&TimeoutError{Op: "data"})
	case isNetworkFailure(err):
		return s.fail(err)
	}
	return s.fail(localError(op, withoutCall(err)))
}

// withoutCall drops the name of the system call that the kernel moved bytes
// with: "write f: splice: no space left on device" says too much.
func withoutCall(err error) error {
	var p *fs.PathError
	var call *os.SyscallError
	if errors.As(err, &p) && errors.As(p.Err, &call) {
		return &fs.PathError{Op: p.Op, Path: p.Path, Err: call.Err}
	}
	return err
}

// ReadFrom copies r to the file until its end. From a regular file the kernel
// moves the bytes (sendfile); a failure of r is a [LocalError].
func (s *Stream) ReadFrom(r io.Reader) (int64, error) {
	if in, ok := r.(*Stream); ok && s.bare() && in.bare() {
		return s.relay(in)
	}
	if f, ok := r.(*os.File); ok && s.bare() && isRegular(f) {
		return s.sendFile(f)
	}
	buf := s.c.buffer()
	var total int64
	for {
		n, err := r.Read(buf)
		if n > 0 {
			written, werr := s.Write(buf[:n])
			total += int64(written)
			if werr != nil {
				return total, werr
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, s.fail(localError("read", err))
		}
	}
}

func (s *Stream) sendFile(f *os.File) (int64, error) {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, s.fail(localError("read", err))
	}
	var total int64
	for last := time.Now(); ; {
		n, ended, err := s.spliceStep(spliceStep, func(limit int64) (int64, error) {
			return s.d.raw.(*net.TCPConn).ReadFrom(&io.LimitedReader{R: f, N: limit})
		})
		total += n
		if n > 0 {
			last = time.Now()
		}
		if err == nil && ended {
			return total, nil
		}
		if err := s.judge(err, last, "read"); err != nil {
			return total, err
		}
		// A system without sendfile has read what it could not write yet.
		if _, err := f.Seek(start+total, io.SeekStart); err != nil {
			return total, s.fail(localError("read", err))
		}
	}
}

// relay moves the rest of in, from socket to socket within the kernel.
func (s *Stream) relay(in *Stream) (int64, error) {
	var total int64
	for last := time.Now(); ; {
		// Bytes that a write deadline leaves in the kernel's pipe are lost, so
		// that one is final; only the reading side looks at the clock.
		start := time.Now()
		if err := s.prepareIO(); err != nil {
			return total, err
		}
		n, ended, err := in.spliceStep(spliceStep, func(limit int64) (int64, error) {
			return s.d.raw.(*net.TCPConn).ReadFrom(&io.LimitedReader{R: in.d.raw, N: limit})
		})
		total += n
		s.moved += n
		if n > 0 {
			last = time.Now()
		}
		if err == nil && ended {
			in.d.sawEOF = true
			return total, nil
		}
		if isTimeout(err) && time.Since(start) >= s.d.idle {
			return total, s.fail(err)
		}
		if err := in.judge(err, last, "relay"); err != nil {
			return total, s.fail(err)
		}
	}
}
