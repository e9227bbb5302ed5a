package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
)

// A signalError is the cause of a context that a signal ended.
type signalError struct{ sig os.Signal }

func (e *signalError) Error() string { return fmt.Sprintf("ended by signal: %v", e.sig) }

// catchSignals cancels the returned context at the first signal that asks brio
// to end. A second one ends the process at once, without cleaning up. The
// function returned ends the watch and tells which signal came, or nil.
func (e *env) catchSignals(parent context.Context) (context.Context, func() os.Signal) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 2)
	notify(ch, endingSignals)
	e.signals = ch
	var (
		mu    sync.Mutex
		first os.Signal
	)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-ch:
			mu.Lock()
			first = s
			mu.Unlock()
			cancel(&signalError{s})
			signal.Stop(ch) // the next one has its default action: death
			signal.Reset(endingSignals...)
		case <-done:
		}
	}()
	return ctx, func() os.Signal {
		close(done)
		signal.Stop(ch)
		cancel(nil)
		mu.Lock()
		defer mu.Unlock()
		return first
	}
}

// notify relays the signals of list, but leaves those alone that brio was
// started to ignore: nohup sets SIGHUP so, and a shell SIGINT for a job behind &.
func notify(ch chan<- os.Signal, list []os.Signal) {
	wanted := slices.DeleteFunc(slices.Clone(list), signal.Ignored)
	if len(wanted) > 0 {
		signal.Notify(ch, wanted...)
	}
}

// reloads makes sig a request to read files again: it no longer ends the run,
// but arrives at the returned channel until stop is called.
func (e *env) reloads(sig os.Signal) (ch chan os.Signal, stop func()) {
	signal.Stop(e.signals)
	notify(e.signals, slices.DeleteFunc(slices.Clone(endingSignals), func(s os.Signal) bool { return s == sig }))
	ch = make(chan os.Signal, 1)
	signal.Notify(ch, sig)
	return ch, func() { signal.Stop(ch) }
}

// signalOf is the signal that ended ctx, or nil.
func signalOf(ctx context.Context) os.Signal {
	var s *signalError
	if errors.As(context.Cause(ctx), &s) {
		return s.sig
	}
	return nil
}
