package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// events writes what happens in a command whose stdout carries data: one JSON
// object a line. The zero value writes nothing.
type events struct {
	spec string // of --events: "json", "json:FD", "json:FILE"
	mu   sync.Mutex
	w    io.Writer
	c    io.Closer
}

func (v *events) addFlag(f *pflag.FlagSet) {
	f.StringVar(&v.spec, "events", "", "write events as JSON lines: json, json:FD or json:FILE (`WHERE`; default stderr)")
}

// open opens the place that --events names. The end of the run closes it, after
// the last event.
func (v *events) open(e *env) error {
	if v.spec == "" {
		return nil
	}
	e.events = v
	kind, where, _ := strings.Cut(v.spec, ":")
	if kind != "json" {
		return usagef("--events: unknown form %q; it is json, json:FD or json:FILE", v.spec)
	}
	if where == "" {
		v.w = e.err
		return nil
	}
	if fd, err := strconv.Atoi(where); err == nil {
		f, err := openDescriptor(fd, "events")
		if err != nil {
			return usagef("--events: %w", err)
		}
		v.w = f
		return nil
	}
	f, err := os.OpenFile(where, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return &outputError{where, plainCause(err)}
	}
	v.w, v.c = f, f
	return nil
}

// An exitEvent is the last one of a run.
type exitEvent struct {
	Status status `json:"status"`
}

// endEvents sends the last events of the run, if it had any: the failure, and
// the exit status.
func (e *env) endEvents(err error, s status) {
	v := e.events
	if v == nil {
		return
	}
	var f *failure
	if err != nil && s < statusSignal && !(errors.As(err, &f) && f.silent) {
		v.send("error", errorObjectOf(err, s))
	}
	v.send("exit", exitEvent{s})
	if v.c != nil {
		_ = v.c.Close() // events that cannot be written are given up
	}
}

// on reports whether somebody listens, for events that cost something to make.
func (v *events) on() bool { return v.w != nil }

// send writes the event called name with the members of fields, which marshals
// to an object or is nil. An event that cannot be written is given up: the
// bytes on stdout matter more.
func (v *events) send(name string, fields any) {
	if v.w == nil {
		return
	}
	head, err := json.Marshal(struct {
		Event string `json:"event"`
		Time  string `json:"time"`
	}{name, time.Now().UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return
	}
	line := head
	if fields != nil {
		tail, err := marshalLine(fields)
		if err != nil {
			return
		}
		if !bytes.Equal(tail, []byte("{}")) {
			line = append(append(head[:len(head)-1], ','), tail[1:]...)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	_, _ = v.w.Write(append(line, '\n'))
}

// openDescriptor makes a file of an inherited descriptor, which must be open.
func openDescriptor(fd int, name string) (*os.File, error) {
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, usagef("descriptor %d is not valid", fd)
	}
	if _, err := f.Stat(); err != nil {
		return nil, usagef("descriptor %d is not open", fd)
	}
	return f, nil
}
