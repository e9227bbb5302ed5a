package ftpx_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/ftptest"
	"github.com/brio-net/brio/pkg/ftpx"
)

// slowServer sends "f" at a limited rate on each connection. honest says that it
// heeds REST.
func slowServer(t *testing.T, data []byte, honest bool) *ftptest.Server {
	s := (&ftptest.Server{}).Put("f", data)
	var offset atomic.Int64
	s.On("REST", func(c *ftptest.Session, arg string) {
		var n int64
		fmt.Sscan(arg, &n)
		offset.Store(n)
		c.Send(350, "noted")
	})
	s.On("RETR", func(c *ftptest.Session, _ string) {
		part := data[offset.Swap(0):]
		if !honest {
			part = data[:len(part)]
		}
		c.TransferText(fmt.Sprintf("f (%d bytes)", len(data)), func(conn net.Conn) error {
			for block := range bytesChunks(part, 256<<10) {
				if _, err := conn.Write(block); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		})
	})
	return s.Start(t)
}

func TestSegments(t *testing.T) {
	data := randomBytes(24 << 20)
	s := slowServer(t, data, true)
	dir := target(t)
	var last int64
	r, err := dial(t, config(s)).Get(t.Context(), "f", dir, "f", ftpx.GetOptions{
		Segments: ftpx.Segments{Config: config(s), Max: 4, After: 50 * time.Millisecond},
		Progress: func(done, size int64) { last = done },
	})
	if err != nil || r.Size != int64(len(data)) || last != r.Size {
		t.Fatalf("Get = %+v, %v, progress %d", r, err, last)
	}
	holds(t, dir, "f", data)
	absent(t, dir, "f.part")
	absent(t, dir, "f.part.prefix")
	if n := s.Logins(); n < 2 || n > 4 {
		t.Errorf("%d logins", n)
	}
}

func TestSegmentsOfAServerThatIgnoresOffsets(t *testing.T) {
	data := randomBytes(24 << 20)
	s := slowServer(t, data, false)
	dir := target(t)
	opt := ftpx.GetOptions{Segments: ftpx.Segments{Config: config(s), Max: 2, After: 50 * time.Millisecond}}
	r, err := dial(t, config(s)).Get(t.Context(), "f", dir, "f", opt)
	if err == nil {
		t.Fatalf("Get = %+v", r)
	}
	absent(t, dir, "f")
	absent(t, dir, "f.part.prefix")
	part, _ := dir.ReadFile("f.part")
	if !bytes.Equal(part, data[:len(part)]) || int64(len(part)) != r.Size {
		t.Errorf("the part holds %d bytes, %d are told, and they are not the beginning of the file", len(part), r.Size)
	}
}

// A session dies in the middle: what is kept is the beginning of the file.
func TestSegmentsBroken(t *testing.T) {
	data := randomBytes(24 << 20)
	s := (&ftptest.Server{}).Put("f", data)
	var transfers atomic.Int32
	s.On("RETR", func(c *ftptest.Session, _ string) {
		n := transfers.Add(1)
		part := data
		if n > 1 {
			part = data[len(data)-6<<20:] // never asked for: the client breaks off first
		}
		c.Send(150, fmt.Sprintf("f (%d bytes)", len(data)))
		conn, err := c.BareData()
		if err != nil {
			return
		}
		for block := range bytesChunks(part, 256<<10) {
			if _, err := conn.Write(block); err != nil {
				break
			}
			if n > 1 {
				ftptest.Reset(conn)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		conn.Close()
		c.Send(426, "broken")
	})
	s.Start(t)
	dir := target(t)
	r, err := dial(t, config(s)).Get(t.Context(), "f", dir, "f", ftpx.GetOptions{
		Segments: ftpx.Segments{Config: config(s), Max: 3, After: 50 * time.Millisecond},
	})
	if !errors.Is(err, ftpx.ErrTruncated) || r.Partial != "f.part" {
		t.Fatalf("Get = %+v, %v", r, err)
	}
	absent(t, dir, "f.part.prefix")
	holds(t, dir, "f.part", data[:r.Size])
}

// Killed in the middle: the note tells how much of the part is solid.
func TestResumeOfSegments(t *testing.T) {
	data := randomBytes(1 << 20)
	for _, tt := range []struct {
		note    string
		resumed int64
	}{{"300000\n", 300_000}, {"nonsense", 0}, {"999999999", 0}} {
		s := (&ftptest.Server{}).Put("f", data).Start(t)
		dir := target(t)
		holes := append(bytes.Clone(data[:300_000]), make([]byte, 600_000)...)
		dir.WriteFile("f.part", holes, 0o644)
		dir.WriteFile("f.part.prefix", []byte(tt.note), 0o644)
		r, err := dial(t, config(s)).Get(t.Context(), "f", dir, "f", ftpx.GetOptions{Resume: true})
		if err != nil || r.Resumed != tt.resumed {
			t.Errorf("note %q: Get = %+v, %v", strings.TrimSpace(tt.note), r, err)
		}
		holds(t, dir, "f", data)
		absent(t, dir, "f.part.prefix")
	}
}
