package dnsq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A BulkConfig says how [Bulk] asks. The zero value of every field but Servers
// is useful.
type BulkConfig struct {
	// Servers are asked in turn; what one does not answer goes to the next. UDP
	// turns to TCP by itself. The Host of a UDP server must be an address when
	// Addr is unset. 64 are the most.
	Servers []Server

	// Window is the most questions under way at each server; zero means 256. The
	// window in use starts at 128 and follows the loss that is seen. Over HTTPS
	// and QUIC each question is a stream of its own, and 100 are the most.
	Window int

	// Timeout is how long the last try of a question waits for its reply. Zero
	// means 5 seconds. Earlier tries wait as the measured round trip suggests.
	Timeout time.Duration

	// Tries is how often a question is sent at most. Zero means 5.
	Tries int

	// Rate bounds the questions per second over all servers, retries included.
	// Zero means no bound when all servers have private or loopback addresses,
	// else 1000 for each server; a negative rate means no bound at all.
	Rate float64

	// Ordered has the results come in the order of the questions. The results
	// that wait for a slow one before them are kept: at most 64 MiB of them.
	Ordered bool

	// Type is the type of questions that do not name one. Zero means A.
	Type uint16

	// Header is how the questions are asked.
	Header Header

	// Queue asks equal questions once: while one is under way, and as long as its
	// reply is valid. The replies kept are few enough not to grow with the input.
	Queue bool

	// RandomCase asks with letters of random case and demands them back (0x20),
	// a defence against forgery.
	RandomCase bool

	// Client makes the connections, and its choices about HTTPS, cookies and
	// padding (up to 128 octets) count; of the others none applies here. Nil means
	// the zero Client.
	Client *Client
}

// A BulkQuestion is one question of a run of [Bulk].
type BulkQuestion struct {
	Name string // presentation form; relative and absolute are the same
	Type uint16 // zero means the type of the configuration
	Line int64  // where it came from, for the result; no meaning to Bulk
	End  int64  // offset in the input to resume from when it and all before it are done
	Err  error  // set when the input was no question: becomes the result
}

// A BulkResult is the outcome of one question. It and its slices are valid
// until the function it was given to returns.
type BulkResult struct {
	Seq     int64  // number of the question, from 0
	Line    int64  // of the question
	Name    string // of the question, as it was given
	Type    uint16
	Server  Server        // who answered, or the last one asked
	Message []byte        // the reply in wire form, nil when Err is set
	RTT     time.Duration // from the last sending to the reply
	Tries   int           // how often the question was sent
	Cached  bool          // the reply is that to an equal question
	age     time.Duration // of a reply kept
	Err     error         // no reply, or no valid question: see the package's errors
	Resume  int64         // End of the last question up to which everything is done
	viaTCP  bool
}

// Rcode is the rcode of the reply, without the extension by EDNS; -1 without reply.
func (r *BulkResult) Rcode() int {
	if len(r.Message) < headerSize {
		return -1
	}
	return int(r.Message[3] & 0xf)
}

// Transport is how the reply came.
func (r *BulkResult) Transport() Transport {
	if r.viaTCP && r.Server.transport() == UDP {
		return TCP
	}
	return r.Server.transport()
}

// Answer takes the reply apart. Its error is that of the result, or says that the
// reply cannot be parsed.
func (r *BulkResult) Answer() (*Answer, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	m := new(dns.Msg)
	if err := m.Unpack(r.Message); err != nil {
		return nil, &InvalidReplyError{1, err.Error()}
	}
	name, _ := ParseName(r.Name) // it was asked for, so both are good
	name, _ = AbsoluteName(name)
	if len(m.Question) == 0 { // a server that could not read the question
		m.Question = []dns.Question{{Name: name, Qtype: r.Type, Qclass: dns.ClassINET}}
	}
	restoreCase(m, name)
	t := Timing{Query: r.RTT, Total: r.RTT, Size: len(r.Message), Sent: r.Tries, Received: 1, Transport: r.Transport()}
	rep := &reply{msg: m, server: r.Server, timing: t, stored: time.Now().Add(-r.age), cached: r.Cached}
	return newAnswer(rep, Options{Raw: r.Type == dns.TypeANY}, []string{m.Question[0].Name}), nil
}

// A BulkSummary counts what a run of [Bulk] did.
type BulkSummary struct {
	Questions  int64            `json:"questions"`   // results given
	Answered   int64            `json:"answered"`    // with a reply, whatever its rcode
	Failed     int64            `json:"failed"`      // without a valid reply
	Invalid    int64            `json:"invalid"`     // not a question at all
	NoData     int64            `json:"nodata"`      // NOERROR without an answer record
	Rcodes     map[string]int64 `json:"rcodes"`      // replies by rcode
	Sent       int64            `json:"sent"`        // messages, retries included
	Received   int64            `json:"received"`    // messages, whatever they were
	Retries    int64            `json:"retries"`     // sendings after the first
	Mismatched int64            `json:"mismatched"`  // replies that belonged to no question
	Malformed  int64            `json:"malformed"`   // replies that could not be parsed
	Cached     int64            `json:"cached"`      // answered by the reply to an equal question
	OverTCP    int64            `json:"over_tcp"`    // questions that went on over TCP
	Resume     int64            `json:"resume"`      // offset up to which the input is done
	ElapsedMS  float64          `json:"elapsed_ms"`  // wall time
	PerSecond  float64          `json:"per_second"`  // results
	Servers    []BulkServer     `json:"nameservers"` // in the order of the configuration
	rcodes     [16]int64
}

// A BulkServer counts what went to and came from one server.
type BulkServer struct {
	Server   Server  `json:"server"`
	Sent     int64   `json:"sent"`
	Received int64   `json:"received"`
	RTTMS    float64 `json:"rtt_ms"` // smoothed (RFC 6298)
	Window   int     `json:"window"` // at the end
}

// errSilent ends a run whose servers answer nothing at all.
var errSilent = errors.New("no server answers any more")

// Bulk asks the questions that next returns, many at a time, and gives each
// result to emit, one after the other. A question that gets no reply is a
// result with an error, not an error of Bulk.
//
// It ends when next returns [io.EOF] and all results are given; with the error
// of emit or another one of next; when ctx ends; or with [ErrNoReply] when 128
// questions in a row found no server answering. The summary is valid in every
// case, and its Resume says where to go on. Memory use does not depend on the
// number of questions. A call of next that blocks is left behind when the run
// ends before it returns.
func Bulk(ctx context.Context, next func() (BulkQuestion, error), emit func(*BulkResult) error, cfg BulkConfig) (BulkSummary, error) {
	if cfg.Client == nil {
		cfg.Client = new(Client)
		defer cfg.Client.Close()
	}
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return BulkSummary{Rcodes: map[string]int64{}, Servers: []BulkServer{}}, err
	}
	template, err := newBulkTemplate(&cfg)
	if err != nil {
		return BulkSummary{Rcodes: map[string]int64{}, Servers: []BulkServer{}}, err
	}
	b := newBulk(ctx, cfg, template, emit)
	defer b.close()
	stop := context.AfterFunc(ctx, func() { b.fail(context.Cause(ctx)) })
	defer stop()
	go b.feed(next)
	go b.driveInput()
	<-b.done
	return b.summary(), b.result()
}

func (c *BulkConfig) setDefaults() {
	if c.Window <= 0 {
		c.Window = 256
	}
	c.Window = min(c.Window, 8192)
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Tries <= 0 {
		c.Tries = 5
	}
	if c.Type == 0 {
		c.Type = dns.TypeA
	}
	if c.Rate == 0 {
		c.Rate = c.politeRate()
	}
	if c.Rate < 0 {
		c.Rate = math.Inf(1)
	}
}

func (c *BulkConfig) check() error {
	if len(c.Servers) == 0 {
		return ErrNoServer
	}
	if len(c.Servers) > 64 {
		return fmt.Errorf("%w: more than 64 servers", ErrUsage)
	}
	if c.Client.TSIG != nil {
		return fmt.Errorf("%w: bulk queries with TSIG", ErrNotSupported)
	}
	if c.Client.Padding > bulkPad {
		return fmt.Errorf("%w: padding to more than %d octets", ErrUsage, bulkPad)
	}
	for _, s := range c.Servers {
		switch t := s.transport(); {
		case t == QUIC && c.Client.QUIC == nil:
			return fmt.Errorf("DNS over QUIC: %w", ErrNotSupported)
		case !bulkAddr(s).IsValid() && t == UDP:
			return fmt.Errorf("%w: server %s is not given by address", ErrUsage, s)
		}
	}
	return nil
}

// politeRate is the rate used when none is asked for: other people's servers
// block whoever asks faster.
func (c *BulkConfig) politeRate() float64 {
	for _, s := range c.Servers {
		a := bulkAddr(s).Addr().Unmap()
		if !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() {
			return 1000 * float64(len(c.Servers))
		}
	}
	return math.Inf(1)
}

// bulkAddr is the address of s, invalid when s has only a name.
func bulkAddr(s Server) netip.AddrPort {
	a := s.Addr
	if !a.IsValid() {
		a, _ = netip.ParseAddr(s.Host)
	}
	return netip.AddrPortFrom(a, s.port())
}

// bulk is a run of [Bulk]. One mutex guards all of it: whoever has something
// new (a socket's receiver, the timer, the input) takes it and drives the run
// on, so that a reply is handled where it was read and no goroutine waits for
// another in the usual case.
type bulk struct {
	cfg    BulkConfig
	emit   func(*BulkResult) error
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the run has ended

	mu      sync.Mutex
	err     error // why the run ended; io.EOF at its regular end
	start   time.Time
	stalled time.Duration // time spent in emit: does not count for time-outs
	now     time.Duration // since start without stalled; set when mu is taken

	servers []*bulkServer
	turn    int // whose turn it is among servers
	slots   []bulkSlot
	free    []uint16      // slots not in use
	ids     [65536]uint16 // slot + 1 of each id under way
	rng     *bulkRand
	timer   *time.Timer
	armed   time.Duration // when timer fires; 0 means it is off
	tokens  float64       // of the rate limit
	filled  time.Duration // when tokens was last filled up

	template bulkTemplate
	input    bulkInput
	batch    []bulkPacked // taken from input
	used     int          // of batch
	eof      bool

	queue  *bulkQueue // nil without
	keyBuf [maxName + typeClass]byte

	order  bulkOrder
	sum    BulkSummary
	res    BulkResult // the one given to emit
	silent int        // failures since the last reply
}

func newBulk(ctx context.Context, cfg BulkConfig, template bulkTemplate, emit func(*BulkResult) error) *bulk {
	b := &bulk{
		cfg: cfg, template: template, emit: emit, done: make(chan struct{}), start: time.Now(), rng: newBulkRand(),
		order: newBulkOrder(), batch: make([]bulkPacked, 0, bulkAhead),
	}
	b.input.init()
	if cfg.Queue {
		b.queue = newBulkQueue()
	}
	if cfg.RandomCase {
		b.input.mix = newBulkRand()
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	n := min(cfg.Window*len(cfg.Servers), 16384)
	b.slots = make([]bulkSlot, n)
	for i := range n {
		b.free = append(b.free, uint16(n-1-i))
	}
	for _, s := range cfg.Servers {
		b.servers = append(b.servers, newBulkServer(s, &cfg, template.opt))
	}
	b.timer = time.AfterFunc(time.Hour, b.tick)
	b.timer.Stop()
	return b
}

// lock takes the mutex and sets the clock.
func (b *bulk) lock() {
	b.mu.Lock()
	b.now = time.Since(b.start) - b.stalled
}

// fail ends the run with err, unless it has ended.
func (b *bulk) fail(err error) {
	b.lock()
	defer b.mu.Unlock()
	b.end(err)
}

func (b *bulk) end(err error) {
	if b.err == nil {
		b.err = err
		close(b.done)
	}
}

// close frees what the run holds. Goroutines that still wait for the mutex see
// that the run has ended.
func (b *bulk) close() {
	b.cancel()
	b.input.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer.Stop()
	for _, s := range b.servers {
		s.close()
	}
}

func (b *bulk) result() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == io.EOF {
		return nil
	}
	return b.err
}

func (b *bulk) summary() BulkSummary {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := b.sum
	elapsed := time.Since(b.start)
	sum.ElapsedMS = milliseconds(elapsed)
	sum.PerSecond = float64(sum.Questions) / max(elapsed.Seconds(), 1e-6)
	sum.Resume = b.order.resume
	sum.Rcodes = map[string]int64{}
	for rcode, n := range sum.rcodes {
		if n > 0 {
			sum.Rcodes[RcodeName(rcode)] = n
		}
	}
	sum.Servers = []BulkServer{}
	for _, s := range b.servers {
		sum.Servers = append(sum.Servers, BulkServer{s.Server, s.sent, s.received, milliseconds(s.srtt), int(s.window)})
	}
	return sum
}
