package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/brio-net/brio/pkg/ftpx"
)

// An ftpFile is what happened to one file.
type ftpFile struct {
	URL            string     `json:"url"`    // of the remote file, without secrets
	File           string     `json:"file"`   // local name; "-" is stdin or stdout
	Action         string     `json:"action"` // fetched, stored, resumed, skipped, deleted, failed, would-...
	Size           int64      `json:"size"`   // bytes of the file, -1 when not known
	Moved          int64      `json:"moved"`
	Resumed        int64      `json:"resumed"` // bytes of it that were there before
	DurationMS     float64    `json:"duration_ms"`
	BytesPerSecond float64    `json:"bytes_per_second"`
	Attempts       int        `json:"attempts"`
	TLS            string     `json:"tls"` // version, empty in clear
	Time           *time.Time `json:"time,omitempty"`
	Checksum       *ftpSum    `json:"checksum,omitempty"`
	Partial        string     `json:"partial"` // local file that holds what came before a failure

	chosen bool // the server has chosen the name: text shows URL
}

type ftpSum struct {
	Algorithm string `json:"algorithm"`
	Sum       string `json:"sum"`
}

func (f *ftpFile) setSum(s ftpx.Checksum) {
	if s.Sum != "" {
		f.Checksum = &ftpSum{s.Algorithm, s.Sum}
	}
}

// took notes how long it took.
func (f *ftpFile) took(d time.Duration) {
	f.DurationMS = float64(d.Microseconds()) / 1000
	if d > 0 {
		f.BytesPerSecond = float64(int64(float64(f.Moved) / d.Seconds()))
	}
}

func writeFTPFile(w io.Writer, f ftpFile) error {
	name := f.File
	if f.chosen {
		name = f.URL
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\n", f.Action, sizeOrDash(f.Size), safe(name))
	return err
}

// sizeOrDash is a size as text shows it; a negative one is not known.
func sizeOrDash(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// An ftpReport collects what happens to many files, from several goroutines: it
// prints each as it is done, and knows the status of the whole.
type ftpReport struct {
	e        *env
	stdout   bool // stdout carries data: print no results on it
	progress *progress

	mu            sync.Mutex
	count, failed int
	shared        status
	fatal         error // a failure of the run itself: stdout cannot be written
	interrupted   bool
}

// file reports one file, which failed if err is not nil.
func (r *ftpReport) file(ctx context.Context, f ftpFile, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil && err != nil {
		r.interrupt(f, err)
	}
	r.count++
	if err != nil {
		f.Action = "failed"
		r.fail(err)
	}
	if r.stdout {
		return
	}
	r.progress.clear()
	if err != nil && r.e.format != "json" {
		return // the line on stderr says it
	}
	if werr := emitFailed(r.e, f, err, writeFTPFile); werr != nil && r.fatal == nil {
		r.fatal = werr
	}
}

// interrupt says what a run that a signal ends leaves behind; that it was a
// signal needs no other line.
func (r *ftpReport) interrupt(f ftpFile, err error) {
	if f.Partial != "" && bySignal(err) {
		r.progress.clear()
		r.e.note("interrupted: %s holds what came; go on with --resume", f.Partial)
	}
	r.interrupted = true
}

func (r *ftpReport) fail(err error) {
	s := statusOf(err)
	if s == statusPipe {
		r.fatal = errStdoutGone // ends the run quietly
		return
	}
	if r.failed++; r.failed == 1 {
		r.shared = s
	} else if r.shared != s {
		r.shared = statusPartial
	}
	if bySignal(err) {
		return // the shell knows
	}
	r.progress.clear()
	emitted := r.e.emitted
	r.e.emitted++ // the object of the file carries the failure
	r.e.report(err, s)
	r.e.emitted = emitted
}

// bySignal reports whether err is that a signal ends the run.
func bySignal(err error) bool {
	var s *signalError
	return errors.As(err, &s)
}

// problem reports a failure that is not one of a file.
func (r *ftpReport) problem(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.fail(err)
	if r.e.format == "json" && !r.stdout {
		if werr := r.e.writeJSON(errorOnly{Error: errorObjectOf(err, statusOf(err))}); werr != nil && r.fatal == nil {
			r.fatal = werr
		}
	}
}

// note says something on stderr, on a line of its own.
func (r *ftpReport) note(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.clear()
	r.e.note(format, a...)
}

// broken reports whether going on makes no sense.
func (r *ftpReport) broken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal != nil
}

// end is the failure of the whole run.
func (r *ftpReport) end(ctx context.Context) error {
	r.progress.finish()
	switch {
	case r.fatal != nil:
		return r.fatal
	case ctx.Err() != nil && !r.interrupted:
		return context.Cause(ctx)
	case r.failed > 0 && r.failed < r.count:
		return exitWith(statusPartial)
	}
	return exitWith(r.shared)
}

// clear removes the progress line so that another can be printed; it is drawn
// again at the next tick.
func (p *progress) clear() {
	if p != nil && p.stop != nil && p.e.errIsTerminal() {
		fmt.Fprint(p.e.err, "\r\x1b[K")
	}
}

// A byteCounter feeds one progress from a transfer that tells its totals.
type byteCounter struct {
	p          *progress
	done, size int64
}

func (b *byteCounter) set(done, size int64) {
	b.p.done.Add(done - b.done)
	b.done = done
	if size > 0 && size != b.size {
		b.p.total.Add(size - b.size)
		b.size = size
	}
}
