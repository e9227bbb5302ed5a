package cmd

import (
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// oobFlags say which out-of-band byte (TCP urgent data) to send, and when.
type oobFlags struct {
	flag  *pflag.Flag // --oob; nil where a command has none
	text  string
	after int64
	value byte
	apart bool // bytes received are not among the data
}

// add defines the flags of o.
func (o *oobFlags) add(c *cobra.Command) {
	flagGroup(c, "Data", func(f *pflag.FlagSet) {
		f.StringVar(&o.text, "oob", "", "send `BYTE`, a character or 0xHH, out of band before stdin (TCP)")
		o.flag = f.Lookup("oob")
		sizeVar(f, &o.after, "oob-after", 0, "send the byte of --oob after `SIZE` bytes of stdin, or at its end")
	})
}

// check reads the byte.
func (o *oobFlags) check(p *pipeFlags, options *optionFlags) error {
	o.apart = options.o.OOBInline != nil && !*options.o.OOBInline
	asked := o.flag != nil && o.flag.Changed
	switch {
	case !asked && o.after > 0:
		return usagef("--oob-after needs --oob BYTE")
	case !asked:
		return nil
	case p.chunkedOut:
		return usagef("--oob and --chunked-out exclude each other: the byte would fall into a chunk")
	}
	if len(o.text) == 1 {
		o.value = o.text[0]
		return nil
	}
	hex, ok := strings.CutPrefix(strings.ToLower(o.text), "0x")
	n, err := strconv.ParseUint(hex, 16, 8)
	if !ok || err != nil {
		return usagef("--oob: %q is not one byte", o.text).hint("a character, such as !, or a number from 0x00 to 0xff")
	}
	o.value = byte(n)
	return nil
}

// given reports whether a byte is to be sent.
func (o *oobFlags) given() bool { return o != nil && o.text != "" }

// send sends the byte to conn.
func (o *oobFlags) send(conn net.Conn) error {
	c, err := socket.NewConn(conn)
	if err != nil {
		return err
	}
	return c.SendOOB(o.value)
}

// An oobWriter sends a byte out of band once enough has been written, or at the
// end.
type oobWriter struct {
	io.Writer
	left int64 // until the byte is due
	send func() error
	sent bool
}

func (w *oobWriter) Write(b []byte) (int, error) {
	if w.sent || int64(len(b)) < w.left {
		w.left -= int64(len(b))
		return w.Writer.Write(b)
	}
	n, err := w.Writer.Write(b[:w.left])
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return n, err
	}
	m, err := w.Writer.Write(b[n:])
	return n + m, err
}

// finish sends the byte unless it has been sent.
func (w *oobWriter) finish() error {
	if w.sent {
		return nil
	}
	w.sent = true
	return w.send()
}

// oobLater reports whether a byte is to be sent in the middle of stdin.
func (v *conversation) oobLater() bool {
	return v.oob.given() && v.oob.after > 0 && v.class != socket.NoInput
}

// An oobEvent tells of an out-of-band byte that came.
type oobEvent struct {
	ID     int64 `json:"id"`
	Byte   byte  `json:"byte"`
	Inline bool  `json:"inline"` // it stands among the data
}

// onOOB tells of out-of-band bytes on connection id. It is nil when nobody wants
// to know: to watch for what hardly ever comes may take a descriptor and a
// thread of every connection.
func (v *conversation) onOOB(id int64) func(b byte, inline bool) {
	if !v.events.on() && v.e.verbose == 0 {
		return nil
	}
	return func(b byte, inline bool) {
		v.events.send("oob", oobEvent{id, b, inline})
		v.e.verbosef("the byte 0x%02x came out of band", b)
	}
}
