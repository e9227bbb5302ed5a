package socket

import (
	"context"
	"io"
	"net"
)

// Echo sends back what conn sends, until it ends, and returns how many bytes
// that were (RFC 862), out-of-band bytes among the others. opt bounds and
// observes it as it does [Pump]. See [EchoServer] for many connections that
// mostly wait.
func Echo(ctx context.Context, conn net.Conn, opt PumpOptions) (int64, error) {
	opt.Copy = true
	keepOOB(conn)
	p := newPump(conn, conn, opt)
	ctx, stop := p.watch(ctx)
	defer stop()
	n, err := p.run(ctx)
	if err == nil {
		err = passEnd(p.dst)
	}
	return n, err
}

// Chargen is an endless source of lines of printable characters, each starting
// one further than the one before (RFC 864).
func Chargen() io.Reader { return &chargen{} }

const (
	firstPrintable  = ' '
	printables      = '~' - ' ' + 1
	chargenWidth    = 72
	chargenLineSize = chargenWidth + len("\r\n")
)

// chargen generates bytes by their place in the stream.
type chargen struct{ at int }

// Read fills b; it never fails.
func (c *chargen) Read(b []byte) (int, error) {
	for i := range b {
		line, column := c.at/chargenLineSize, c.at%chargenLineSize
		switch column {
		case chargenWidth:
			b[i] = '\r'
		case chargenWidth + 1:
			b[i] = '\n'
		default:
			b[i] = byte(firstPrintable + (line+column)%printables)
		}
		c.at = (c.at + 1) % (printables * chargenLineSize)
	}
	return len(b), nil
}
