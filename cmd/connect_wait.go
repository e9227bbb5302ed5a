package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brio-net/brio/pkg/socket"
)

// The pause between tries of --wait grows between these.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// retry opens a connection to a, and tries again until limit has passed.
func (t *connector) retry(ctx context.Context, a address, limit time.Duration) (*socket.Conn, timings, error) {
	ctx, cancel := waitContext(ctx, limit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var last error // of a try that had its time
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		c, times, err := t.open(ctx, a)
		if err == nil {
			return c, times, nil
		}
		if !worthRetrying(err) {
			return nil, times, err
		}
		t.e.debugf("%v", err)
		if last == nil || ctx.Err() == nil && time.Now().Before(deadline) {
			last = err
		}
		if serr := sleep(ctx, pause); serr != nil {
			return nil, times, gaveUp(serr, last, a, "not open", limit)
		}
	}
}

func waitContext(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &timeoutError{"waiting", limit})
}

// worthRetrying reports whether time may cure a failure: everything but wrong
// usage, a local address that cannot be, and a signal.
func worthRetrying(err error) bool {
	switch statusOf(err) {
	case statusUsage, statusLocalAddr, statusDenied:
		return false
	}
	return !errors.As(err, new(*signalError))
}

// gaveUp is the failure of a wait: how it ended, and what the last try said.
func gaveUp(cause, last error, a address, state string, limit time.Duration) error {
	if !errors.As(cause, new(*timeoutError)) {
		return cause
	}
	reason := strings.TrimPrefix(messageOf(last), a.String()+": ")
	return &failure{err: fmt.Errorf("%s after %v: %s", state, limit, reason), op: "wait", target: a.String(), status: statusTimeout, kind: "timeout"}
}

// untilFree tries until nobody accepts at a any more.
func (t *connector) untilFree(ctx context.Context, a address) error {
	ctx, cancel := waitContext(ctx, t.o.wait)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		c, _, err := t.open(ctx, a)
		switch {
		case err == nil:
			_ = c.Close() // it was only to see whether somebody accepts
		case statusOf(err) == statusRefused:
			return nil
		case !worthRetrying(err):
			return err
		}
		if serr := sleep(ctx, pause); serr != nil {
			return gaveUp(serr, errors.New("it still accepts"), a, "not free", t.o.wait)
		}
	}
}

// waitThenRun waits for all targets at once, and then runs the command.
func (t *connector) waitThenRun(ctx context.Context, targets []address, command []string) error {
	failed := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, a := range targets {
		wg.Go(func() { failed[i] = t.waitFor(ctx, a) })
	}
	wg.Wait()
	if err := t.joinFailures(failed); err != nil {
		return err
	}
	if len(command) == 0 {
		return nil
	}
	return t.e.runProgram(ctx, command, t.e.stdin, t.e.stdout, os.Environ(), true)
}

func (t *connector) waitFor(ctx context.Context, a address) error {
	start := time.Now()
	if t.o.free {
		err := t.untilFree(ctx, a)
		if err == nil {
			t.e.verbosef("%s is free after %.3f s", a, time.Since(start).Seconds())
		}
		return err
	}
	c, _, err := t.retry(ctx, a, t.o.wait)
	if err != nil {
		return err
	}
	t.e.verbosef("%s accepts after %.3f s", a, time.Since(start).Seconds())
	return c.Close()
}

// joinFailures reports all failures but the first, which it returns with the
// status of a batch: 16, unless all failed in the same way.
func (t *connector) joinFailures(errs []error) error {
	failed, same := failuresOf(errs)
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[1:] {
		t.e.report(err, statusOf(err))
	}
	if len(failed) == len(errs) && same {
		return failed[0]
	}
	return &failure{err: failed[0], status: statusPartial}
}

// failuresOf returns the failures among errs, and whether they have one status.
func failuresOf(errs []error) (failed []error, same bool) {
	for _, err := range errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	other := func(err error) bool { return statusOf(err) != statusOf(failed[0]) }
	return failed, !slices.ContainsFunc(failed, other)
}
