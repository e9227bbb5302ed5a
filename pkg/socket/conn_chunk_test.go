package socket_test

import (
	"errors"
	"io"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

func TestSocketControlChunking(t *testing.T) {
	c, s := pair(t, "tcp")
	c.SetOutputChunking(true)
	s.SetInputChunking(true)
	for _, part := range []string{"first ", "second"} {
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.EndOutputChunks([]socket.TrailerField{{Name: "X-Sum", Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "after the chunks"); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(socket.Output); err != nil {
		t.Fatal(err)
	}

	b, err := io.ReadAll(s)
	end, ok := errors.AsType[*socket.ChunkEOF](err)
	if string(b) != "first second" || !ok || !errors.Is(err, socket.ErrChunkEOF) {
		t.Fatalf("chunked stream is %q, %v", b, err)
	}
	if len(end.Trailer) != 1 || end.Trailer[0].Value != "1" {
		t.Errorf("trailer is %v", end.Trailer)
	}
	if b, err := io.ReadAll(s); err != nil || string(b) != "after the chunks" {
		t.Errorf("after the chunks came %q, %v", b, err)
	}
}

func TestChunkedInputTruncated(t *testing.T) {
	c, s := pair(t, "tcp")
	if _, err := io.WriteString(c, "5\r\nhel"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.SetInputChunking(true)
	b, err := io.ReadAll(s)
	if string(b) != "hel" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v; want a truncation", b, err)
	}
}
