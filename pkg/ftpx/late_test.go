package ftpx_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

// In clear, the reader of a large file is woken for much at a time. That must
// neither keep back the little that comes before a pause, nor hide silence or the
// end; and TLS is to behave as that does.
func TestLargeFiles(t *testing.T) {
	const pausesAt = 10<<20 + 1000
	data := randomBytes(12 << 20)
	reason := errors.New("enough")
	for _, tt := range []struct {
		name   string
		behave func(c *ftptest.Session, conn net.Conn)
		want   func(error) bool
		cancel bool
		most   time.Duration
	}{
		{name: "pauses", behave: func(c *ftptest.Session, conn net.Conn) {
			for rest := data[pausesAt:]; len(rest) > 0; rest = rest[min(len(rest), 600<<10):] {
				time.Sleep(300 * time.Millisecond)
				conn.Write(rest[:min(len(rest), 600<<10)])
			}
			conn.Close()
			c.Send(226, "done")
		}, want: works, most: 8 * time.Second},
		{name: "end without FIN", behave: func(c *ftptest.Session, conn net.Conn) {
			conn.Write(data[pausesAt:])
			if secure, ok := conn.(*tls.Conn); ok {
				secure.CloseWrite()
				conn.Read(make([]byte, 1)) // until the client closes
			}
			conn.Close()
			c.Send(226, "done")
		}, want: works, most: 6 * time.Second},
		{name: "silence", behave: func(c *ftptest.Session, _ net.Conn) { c.Hang() }, want: timedOut, most: 8 * time.Second},
		{name: "cancelled", behave: func(c *ftptest.Session, _ net.Conn) { c.Hang() }, cancel: true,
			want: func(err error) bool { return errors.Is(err, reason) }, most: 6 * time.Second},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/TLS=%v", tt.name, secure), func(t *testing.T) {
				t.Parallel()
				cert := certificate(t)
				s := (&ftptest.Server{TLS: &tls.Config{Certificates: []tls.Certificate{cert.TLS}}}).Put("f", data).Start(t)
				dir := target(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				s.On("RETR", func(c *ftptest.Session, _ string) {
					c.Send(150, fmt.Sprintf("f (%d bytes)", len(data)))
					conn, err := c.Data()
					if err != nil {
						return
					}
					defer conn.Close()
					conn.Write(data[:pausesAt])
					if tt.cancel {
						go cancelAt(ctx, cancel, reason, dir, pausesAt)
					}
					tt.behave(c, conn)
				})
				cfg := config(s)
				if secure {
					cfg.Security, cfg.TLS = ftpx.ExplicitTLS, &tls.Config{RootCAs: cert.Pool}
				}
				start := time.Now()
				_, err := dial(t, cfg).Get(ctx, "f", dir, "f", ftpx.GetOptions{})
				if took := time.Since(start); !tt.want(err) || took > tt.most {
					t.Errorf("Get = %v after %v", err, took)
				}
				if err == nil {
					holds(t, dir, "f", data)
				} else {
					holds(t, dir, "f.part", data[:pausesAt])
				}
			})
		}
	}
}

// cancelAt cancels when the part of "f" has a size.
func cancelAt(ctx context.Context, cancel context.CancelCauseFunc, reason error, dir *os.Root, size int64) {
	for ctx.Err() == nil {
		if info, err := dir.Stat("f.part"); err == nil && info.Size() >= size {
			cancel(reason)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
