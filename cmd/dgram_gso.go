package cmd

import (
	"bytes"

	"github.com/brio-net/brio/pkg/socket"
)

// Limits of one call with --gso: the kernel cuts at most 64 datagrams on the
// kernels that know it, and the whole must fit into the largest datagram.
const (
	gsoDatagrams = 64
	gsoBytes     = 65000
)

// segmentSize is the size to cut datagrams at with --gso, 0 without it.
func (o *dgramSendOptions) segmentSize() (int, error) {
	if !o.gso {
		return 0, nil
	}
	var f frames
	if err := f.setRule(o.input.framing); err != nil || f.size == 0 || f.size > 1472 {
		return 0, usagef("--gso needs --framing SIZE, with a size of at most 1472")
	}
	return f.size, nil
}

// sendSegments hands datagrams of one size to the kernel joined, for it to cut
// them again (UDP_SEGMENT). It returns how many were sent before an error.
func (t *sending) sendSegments(ms []socket.Message) (sent int, err error) {
	var joined bytes.Buffer
	for sent < len(ms) {
		n := segmentsOf(ms[sent:], t.o.segment)
		joined.Reset()
		for _, m := range ms[sent : sent+n] {
			joined.Write(m.Data)
		}
		if _, err := t.s.SendTo(joined.Bytes(), socket.PacketAddr{}); err != nil {
			return sent, err
		}
		for i := range ms[sent : sent+n] {
			ms[sent+i].N = len(ms[sent+i].Data)
		}
		sent += n
	}
	return sent, nil
}

// segmentsOf counts the datagrams that can be handed over at once: full ones,
// and a shorter one behind them.
func segmentsOf(ms []socket.Message, size int) int {
	n, total := 0, 0
	for _, m := range ms[:min(len(ms), gsoDatagrams)] {
		if total += len(m.Data); total > gsoBytes {
			break
		}
		n++
		if len(m.Data) < size {
			break
		}
	}
	return max(n, 1)
}
