package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
)

// A signalError is the cause of a context that a signal ended.
type signalError struct{ sig os.Signal }

func (e *signalError) Error() string { return fmt.Sprintf("ended by signal: %v", e.sig) }

// A signalWatch waits for the signals that ask brio to end. The zero value
// watches nothing: signals have their default action.
type signalWatch struct {
	ch    chan os.Signal
	mu    sync.Mutex
	first os.Signal // the signal that came
	over  bool      // the run has ended; what is left is to say how
}

// catchSignals cancels the returned context at the first signal that asks brio
// to end. A second one ends the process at once, without cleaning up.
func (e *env) catchSignals(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	w := &e.signals
	w.ch = make(chan os.Signal, 2)
	notify(w.ch, endingSignals)
	go func() {
		s := <-w.ch
		w.mu.Lock()
		defer w.mu.Unlock()
		w.first = s
		cancel(&signalError{s})
		signal.Stop(w.ch) // the next one has its default action: death
		signal.Reset(endingSignals...)
		if n, ok := s.(syscall.Signal); ok && w.over {
			raise(n)
		}
	}()
	return ctx
}

// end tells which signal ended the run, or nil. One that comes later ends the
// process; giving each back its default action would take longer than the rest.
func (w *signalWatch) end() os.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.first
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
	signal.Stop(e.signals.ch)
	notify(e.signals.ch, slices.DeleteFunc(slices.Clone(endingSignals), func(s os.Signal) bool { return s == sig }))
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
