package ftpx_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

func TestPool(t *testing.T) {
	for _, tt := range []struct {
		name    string
		jobs    int
		took    time.Duration
		login   time.Duration
		shared  bool // the server does one thing at a time
		least   int
		most    int
		refused bool
	}{
		{"many slow jobs", 200, 2 * time.Millisecond, 0, false, 2, 4, false},
		{"few jobs", 2, time.Millisecond, 100 * time.Millisecond, false, 1, 1, false},
		{"more sessions hardly help", 200, time.Millisecond, 0, true, 1, 4, false},
		{"more sessions are refused", 100, time.Millisecond, 0, false, 1, 1, true},
		{"none", 0, 0, 0, false, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := (&ftptest.Server{}).Start(t)
			s.On("PASS", func(c *ftptest.Session, arg string) {
				time.Sleep(tt.login)
				if tt.refused && s.Logins() > 0 {
					c.Send(421, "too many")
					c.Close()
					return
				}
				c.Default("PASS", arg)
			})
			lock := make(chan bool, 1)
			var done [1000]atomic.Int32
			ftpx.Pool{Config: config(s), Max: 4}.Run(t.Context(), tt.jobs, func(session *ftpx.Session, job int) {
				done[job].Add(1)
				if _, err := session.Client(t.Context()); err != nil {
					t.Error(err)
				}
				if tt.shared {
					lock <- true
					defer func() { <-lock }()
				}
				time.Sleep(tt.took)
			})
			for job := range tt.jobs {
				if n := done[job].Load(); n != 1 {
					t.Errorf("job %d ran %d times", job, n)
				}
			}
			if n := s.Logins(); n < tt.least || n > tt.most {
				t.Errorf("%d logins, want %d to %d", n, tt.least, tt.most)
			}
		})
	}
}

func TestSessionRetries(t *testing.T) {
	s := (&ftptest.Server{}).Put("f", []byte("data")).Start(t)
	var tries atomic.Int32
	s.On("RETR", func(c *ftptest.Session, arg string) {
		switch tries.Add(1) {
		case 1:
			c.Close()
		case 2:
			c.Send(450, "busy")
		default:
			c.Default("RETR", arg)
		}
	})
	var notes []string
	session := ftpx.Session{Config: config(s), Retry: ftpx.Retry{Times: 5, Delay: time.Millisecond, Notify: func(err error, wait time.Duration) {
		notes = append(notes, fmt.Sprint(err))
	}}}
	defer session.Close()
	dir := target(t)
	err := session.Do(t.Context(), func(c *ftpx.Client, _ int) error {
		_, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{})
		return err
	})
	if err != nil || len(notes) != 2 {
		t.Errorf("Do: %v, notes %q", err, notes)
	}
	tries.Store(0)
	s.On("RETR", func(c *ftptest.Session, _ string) { tries.Add(1); c.Send(550, "no") })
	err = session.Do(t.Context(), func(c *ftpx.Client, _ int) error {
		_, err := c.Get(t.Context(), "f", dir, "f", ftpx.GetOptions{})
		return err
	})
	if err == nil || tries.Load() != 1 {
		t.Errorf("a permanent failure was tried %d times: %v", tries.Load(), err)
	}
}
