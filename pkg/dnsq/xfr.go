package dnsq

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// ErrIncomplete is wrapped by the errors of transfers that ended before the zone
// was complete: what was received must not be used as the zone.
var ErrIncomplete = errors.New("transfer incomplete")

// A TransferConfig says how [Transfer] asks. The zero value asks for the whole zone.
type TransferConfig struct {
	// Client makes the connection, and its TSIG signs the question and verifies
	// the replies. Nil means the zero Client.
	Client *Client

	// Incremental asks for the changes since Serial (IXFR, RFC 1995). The server
	// may send the whole zone instead: see [TransferResult.Kind].
	Incremental bool
	Serial      uint32

	// Timeout is the longest wait for the next message. Zero means 30 seconds.
	Timeout time.Duration

	// MaxRecords bounds the records taken. Zero means 200 million.
	MaxRecords int64
}

// The kinds of transfers.
const (
	TransferFull        = "full"        // the zone as it is
	TransferIncremental = "incremental" // deletions and additions
	TransferCurrent     = "current"     // nothing: the serial asked about is the newest
)

// The changes of records in an incremental transfer.
const (
	ChangeDelete = "delete"
	ChangeAdd    = "add"
)

// A TransferResult tells about a transfer.
type TransferResult struct {
	Zone      string  `json:"zone"`
	Server    Server  `json:"server"`
	Kind      string  `json:"kind"` // "" when it failed before that was known
	Serial    uint32  `json:"serial"`
	Complete  bool    `json:"complete"`
	Records   int64   `json:"records"`  // given, the first SOA record included, the last not
	Messages  int64   `json:"messages"` // received
	Bytes     int64   `json:"bytes"`    // of the messages
	Signed    bool    `json:"signed"`   // verified by TSIG
	Timing    Timing  `json:"timing"`
	ElapsedMS float64 `json:"elapsed_ms"`
}

// Transfer asks server for a zone, over TCP or TLS (RFC 5936, RFC 9103), and
// gives each record to each as it arrives. Of the SOA record that frames a full transfer the first is given,
// the last not.
//
// A nil error means that the transfer is complete: begun and ended by the same
// SOA record, all messages in order. All other ends are errors. They wrap
// [ErrIncomplete] once a record was given, [ErrServerFailure] when the server
// refuses, [ErrInvalidReply], or the cause. The result is never nil.
func Transfer(ctx context.Context, server Server, zone string, cfg TransferConfig, each func(*TransferRecord) error) (*TransferResult, error) {
	out := &TransferResult{Zone: zone, Server: server}
	zone, err := AbsoluteName(zone)
	if err != nil {
		return out, err
	}
	out.Zone = zone
	if cfg.Client == nil {
		cfg.Client = new(Client)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.MaxRecords <= 0 {
		cfg.MaxRecords = 200e6
	}
	x := &transfer{ctx: ctx, cfg: cfg, out: out, each: each, zone: dns.CanonicalName(zone)}
	x.apex = appendWireName(nil, x.zone)
	start := time.Now()
	err = x.run(server)
	out.ElapsedMS = milliseconds(time.Since(start))
	out.Timing.Total = time.Since(start)
	out.Complete = err == nil
	if err == nil {
		return out, nil
	}
	return out, x.explain(server, err)
}

// transfer is one run of [Transfer].
type transfer struct {
	ctx    context.Context
	cfg    TransferConfig
	out    *TransferResult
	each   func(*TransferRecord) error
	zone   string
	apex   []byte // the zone as wireName makes names
	query  *question
	verify *tsigStream // nil without TSIG
	state  transferState

	current TransferRecord
}

// stopError is an error of the caller's function.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// explain says how a transfer failed.
func (x *transfer) explain(server Server, err error) error {
	var stop stopError
	switch {
	case errors.As(err, &stop):
		return stop.error
	case x.ctx.Err() != nil:
		err = context.Cause(x.ctx)
	case isTimeout(err):
		err = fmt.Errorf("%w within %s", ErrNoReply, x.cfg.Timeout)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("connection closed: %w", io.ErrUnexpectedEOF)
	}
	if x.out.Records > 0 {
		err = fmt.Errorf("%w after %d records: %w", ErrIncomplete, x.out.Records, err)
	}
	return &ServerFailedError{server, err}
}

func (x *transfer) run(server Server) error {
	via := server.transport()
	switch via {
	case UDP:
		via = TCP
	case HTTPS, QUIC:
		return fmt.Errorf("%w: zone transfer over %s", ErrNotSupported, via)
	}
	if err := x.pack(); err != nil {
		return err
	}
	dialCtx, cancel := context.WithTimeout(x.ctx, x.cfg.Timeout)
	conn, err := x.cfg.Client.DialStream(dialCtx, server, via, &x.out.Timing)
	cancel()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(x.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := x.deadline(conn); err != nil {
		return err
	}
	if err := WriteFrame(conn, x.query.wire); err != nil {
		return err
	}
	return x.receive(conn)
}

// deadline gives the next read or write its time, unless the run has ended.
func (x *transfer) deadline(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(x.cfg.Timeout)); err != nil {
		return err
	}
	return x.ctx.Err() // after the deadline is set: whoever ends the run later sets another
}

// pack makes the question.
func (x *transfer) pack() error {
	m := new(dns.Msg)
	m.Id = dns.Id()
	m.Question = []dns.Question{{Name: x.out.Zone, Qtype: dns.TypeAXFR, Qclass: dns.ClassINET}}
	if x.cfg.Incremental {
		m.Question[0].Qtype = dns.TypeIXFR
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: x.out.Zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET},
			Ns: ".", Mbox: ".", Serial: x.cfg.Serial}}
	}
	x.query = &question{msg: m}
	var err error
	key := x.cfg.Client.TSIG
	if key == nil {
		x.query.wire, err = m.Pack()
		return err
	}
	x.query.wire, x.query.mac, err = key.sign(m)
	x.verify = &tsigStream{key: *key, mac: x.query.mac}
	return err
}

// receive reads messages until the transfer is complete.
func (x *transfer) receive(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	var buf []byte
	for !x.state.done {
		if err := x.deadline(conn); err != nil {
			return err
		}
		b, err := ReadFrame(r, buf)
		if err != nil {
			return err
		}
		buf = b[:0]
		if err := x.message(b); err != nil {
			return err
		}
	}
	if x.verify != nil {
		x.out.Signed = true
		return x.verify.finished()
	}
	return nil
}

// message takes up one message.
func (x *transfer) message(b []byte) error {
	if err := x.check(b); err != nil {
		return err
	}
	x.out.Messages++
	x.out.Bytes += int64(len(b))
	count := int(binary.BigEndian.Uint16(b[6:]))
	if count == 0 {
		// RFC 5936 section 2.2 has at least one record in each message: without
		// this an endless row of empty ones would never end.
		return fmt.Errorf("%w: a message without records", ErrInvalidReply)
	}
	return transferAnswers(b, func(rr wireRR) error {
		if x.state.done {
			return fmt.Errorf("%w: records after the end of the zone", ErrInvalidReply)
		}
		if err := x.current.set(b, rr); err != nil {
			return err
		}
		return x.record(&x.current, count)
	})
}

// check checks a message. Only the first must repeat the question (RFC 5936
// section 2.2.1).
func (x *transfer) check(b []byte) error {
	if len(b) < headerSize {
		return &InvalidReplyError{1, errShort.Error()}
	}
	if err := x.query.checkHeader(b); err != nil {
		return &InvalidReplyError{1, err.Error()}
	}
	if hasQuestion := b[4]|b[5] != 0; x.out.Messages == 0 || hasQuestion {
		if err := x.query.checkQuestion(b); err != nil {
			return &InvalidReplyError{1, err.Error()}
		}
	}
	if x.verify != nil {
		if err := x.verify.message(b); err != nil {
			return &InvalidReplyError{1, err.Error()}
		}
	}
	switch rcode := int(b[3] & 0xf); {
	case !wireWellFormed(b):
		return &InvalidReplyError{1, "malformed message"}
	case rcode != dns.RcodeSuccess:
		return &ReplyError{Name: x.zone, Type: TypeName(x.query.msg.Question[0].Qtype), Rcode: RcodeName(rcode)}
	case b[2]&flagTC != 0:
		return &InvalidReplyError{1, "truncated"}
	}
	return nil
}
