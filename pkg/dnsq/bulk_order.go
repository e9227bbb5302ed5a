package dnsq

import (
	"math"
	"time"
)

const (
	bulkSpan     = 1 << 17  // questions between the oldest under way and the newest
	bulkKeptMax  = 64 << 20 // octets of replies that wait for their turn
	bulkKeptCost = 256      // octets a waiting result takes beside its reply

	bulkSpareMax  = 1024 // results that waited, for the next that have to
	bulkSpareSize = 2048 // largest reply of theirs
)

// bulkOrder knows which questions are done: it finds the place to resume from,
// and keeps results that are early when they must come in order.
type bulkOrder struct {
	ring   []bulkEntry // of the questions head..next, at their number modulo its length
	head   int64       // oldest that is not done (or, in order, not given)
	next   int64       // number of the next question
	resume int64
	bytes  int64         // of the results kept
	spare  []*BulkResult // not in use
	due    time.Duration // the earliest deadline, at most
}

type bulkEntry struct {
	end  int64
	done bool
	res  *BulkResult
}

// add takes up a question and returns its number.
func (o *bulkOrder) add() int64 {
	if o.next-o.head == int64(len(o.ring)) {
		o.grow()
	}
	*o.at(o.next) = bulkEntry{}
	o.next++
	return o.next - 1
}

func (o *bulkOrder) grow() {
	ring := make([]bulkEntry, max(1024, 2*len(o.ring)))
	for n := o.head; n < o.next; n++ {
		ring[n%int64(len(ring))] = *o.at(n)
	}
	o.ring = ring
}

func (o *bulkOrder) at(n int64) *bulkEntry { return &o.ring[n%int64(len(o.ring))] }

// room reports whether another question may be taken up.
func (o *bulkOrder) room() bool { return o.next-o.head < bulkSpan && o.bytes < bulkKeptMax }

// empty reports whether all questions taken up are done.
func (o *bulkOrder) empty() bool { return o.head == o.next }

// finished notes that question n, which ends at end, is done.
func (o *bulkOrder) finished(n, end int64) {
	*o.at(n) = bulkEntry{end: end, done: true}
}

// advance moves head over what is done.
func (o *bulkOrder) advance() {
	for o.head < o.next && o.at(o.head).done {
		o.resume = o.at(o.head).end
		o.head++
	}
}

// isNext reports whether the result of question n is the next one to give.
func (o *bulkOrder) isNext(n int64) bool { return n == o.head }

// keep keeps a copy of an early result.
func (o *bulkOrder) keep(r *BulkResult) {
	c := new(BulkResult)
	if n := len(o.spare); n > 0 {
		c, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	buf := c.Message[:0]
	if *c = *r; r.Message != nil {
		c.Message = append(buf, r.Message...)
	}
	o.at(r.Seq).res = c
	o.bytes += bulkKeptCost + int64(len(r.Message))
}

// reuse takes back what keep has made, once it was given.
func (o *bulkOrder) reuse(r *BulkResult) {
	if cap(r.Message) <= bulkSpareSize && len(o.spare) < bulkSpareMax {
		o.spare = append(o.spare, r)
	}
}

// given notes that the result of question n, the oldest, is given, and returns
// where to resume from after it.
func (o *bulkOrder) given(n int64) int64 {
	o.resume = o.at(n).end
	o.head = n + 1
	return o.resume
}

// kept is the oldest result if it is there, else nil.
func (o *bulkOrder) kept() *BulkResult {
	if o.empty() || o.at(o.head).res == nil {
		return nil
	}
	r := o.at(o.head).res
	o.bytes -= bulkKeptCost + int64(len(r.Message))
	return r
}

func newBulkOrder() bulkOrder { return bulkOrder{due: math.MaxInt64} }
