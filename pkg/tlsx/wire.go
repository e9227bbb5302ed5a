package tlsx

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the buffers below crypto/tls. It reads and writes one record of
// 16 KiB at a time; with these, a system call moves up to sixteen.
const (
	wireBufferMin = 16 << 10
	wireBufferMax = 256 << 10
	wireFlush     = 128 << 10
	recordHeader  = 5
)

// errDry says that going on would need the network. crypto/tls holds an error
// that is temporary for no reason to give up the connection.
var errDry net.Error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "nothing buffered" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// wire sits between crypto/tls and the network: it reads ahead, gathers the
// records of one Write, and sees what crypto/tls does not tell.
type wire struct {
	net.Conn

	// The read side belongs to whoever holds the input lock of crypto/tls.
	buf       []byte
	r, w      int
	header    [recordHeader]byte // of the record that is being read
	headerLen int
	left      int         // bytes left of that record, after its header
	dry       atomic.Bool // Read gives errDry instead of asking the network
	stopAfter atomic.Bool // the same from the next empty buffer on
	ended     atomic.Bool // crypto/tls has been told that the network ended
	received  atomic.Int64
	firstRead atomic.Int64 // UnixNano of the first bytes, 0 before

	mu          sync.Mutex // the write side
	pending     []byte
	corked      bool
	writeErr    error
	beforeWrite func() // called once, before the next write
	sent        atomic.Int64
	keepOpen    bool // the deadlines of crypto/tls's close_notify do not count
}

// Read gives what is buffered, else what one read from the network brings, but
// never past the end of a record: where the buffer starts then tells whether
// crypto/tls can go on without the network.
func (c *wire) Read(p []byte) (int, error) {
	if c.r == c.w {
		if c.dry.Load() || c.stopAfter.Load() {
			return 0, errDry
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.r+c.withinRecord(c.w-c.r, len(p))])
	c.r += n
	return n, nil
}

// withinRecord cuts n buffered bytes at the end of the header or the record,
// and counts what is handed out, at most limit.
func (c *wire) withinRecord(n, limit int) int {
	if c.left > 0 {
		n = min(n, limit, c.left)
		c.left -= n
		return n
	}
	n = min(n, limit, recordHeader-c.headerLen)
	c.headerLen += copy(c.header[c.headerLen:], c.buf[c.r:c.r+n])
	if c.headerLen == recordHeader {
		c.left = int(binary.BigEndian.Uint16(c.header[3:]))
		c.headerLen = 0
	}
	return n
}

func (c *wire) fill() error {
	if c.buf == nil {
		c.buf = make([]byte, wireBufferMin)
	} else if c.w == len(c.buf) && len(c.buf) < wireBufferMax {
		c.buf = make([]byte, 4*len(c.buf)) // the last read filled it: bulk data
	}
	n, err := c.Conn.Read(c.buf)
	c.r, c.w = 0, n
	if n > 0 {
		c.firstRead.CompareAndSwap(0, time.Now().UnixNano())
		c.received.Add(int64(n))
		return nil
	}
	if err == io.EOF {
		c.ended.Store(true)
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// hasRecord reports whether a whole record is buffered.
func (c *wire) hasRecord() bool {
	b := c.buf[c.r:c.w]
	return c.left == 0 && c.headerLen == 0 && len(b) >= recordHeader && len(b) >= recordHeader+int(binary.BigEndian.Uint16(b[3:]))
}

// Write sends p, or keeps it until uncork.
func (c *wire) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beforeWrite != nil {
		c.beforeWrite()
		c.beforeWrite = nil
	}
	if c.writeErr != nil {
		return 0, c.writeErr
	}
	if !c.corked {
		return c.send(p)
	}
	c.pending = append(c.pending, p...)
	if len(c.pending) < wireFlush {
		return len(p), nil
	}
	return len(p), c.flush()
}

func (c *wire) send(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	if err != nil {
		c.writeErr = err
	}
	return n, err
}

func (c *wire) flush() error {
	if len(c.pending) == 0 {
		return c.writeErr
	}
	_, err := c.send(c.pending)
	c.pending = c.pending[:0]
	return err
}

// cork gathers what is written until uncork sends it.
func (c *wire) cork() {
	c.mu.Lock()
	c.corked = true
	c.mu.Unlock()
}

func (c *wire) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	return c.flush()
}

// onNextWrite has f called before the next write, once.
func (c *wire) onNextWrite(f func()) {
	c.mu.Lock()
	c.beforeWrite = f
	c.mu.Unlock()
}

// SetWriteDeadline serves crypto/tls only; the user's deadlines go to the
// connection itself. It sends a close_notify within five seconds and forbids
// all writes after it, which is right for Close and wrong for a half-close to
// a peer that reads slowly.
func (c *wire) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	keep := c.keepOpen
	c.mu.Unlock()
	if keep {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *wire) setKeepOpen(keep bool) {
	c.mu.Lock()
	c.keepOpen = keep
	c.mu.Unlock()
}

// isDry reports the error that wire makes when it may not ask the network.
func isDry(err error) bool { return errors.Is(err, errDry) }

// releaseWriteHook calls the function of onNextWrite if no write has.
func (c *wire) releaseWriteHook() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.beforeWrite != nil {
		c.beforeWrite()
		c.beforeWrite = nil
	}
}
