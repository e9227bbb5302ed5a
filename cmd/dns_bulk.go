package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
)

// dnsBulkFlags are the flags for many names.
type dnsBulkFlags struct {
	files     []string
	unordered bool
	rate      float64
	window    int
	resume    string
	summary   bool
}

func (b *dnsBulkFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&b.files, "file", "f", nil, "ask for the names in `FILE`, one a line with types if need be, many at a time (-: stdin; several: repeat it)")
	f.BoolVar(&b.unordered, "unordered", false, "with --file, print results as they come, not in the order of the names")
	f.Float64Var(&b.rate, "rate", 0, "with --file, ask at most `N` questions a second (default 1000 for each server, no bound when all are private; -1: no bound)")
	f.IntVar(&b.window, "window", 0, "with --file, have at most `N` questions under way at each server (default 256)")
	f.StringVar(&b.resume, "resume", "", "with --file, note in `FILE` how far it has come, and go on from there the next time")
	f.BoolVar(&b.summary, "summary", false, "with --file, print counts by rcode on stderr at the end")
}

// runDNSBulk asks for all names of the files.
func runDNSBulk(ctx context.Context, e *env, o *dnsOptions, r *dnsq.Resolver, plan *dnsPlan) error {
	if len(plan.questions) > 0 {
		return usagef("--file and NAME exclude each other").hint("put the name into the file")
	}
	if err := o.checkBulk(); err != nil {
		return err
	}
	if o.cacheFile != "" {
		e.note("--file does not use the cache file")
	}
	h, err := o.header(plan.class)
	if err != nil {
		return err
	}
	b := &o.modes.bulk
	cfg := dnsq.BulkConfig{Window: b.window, Timeout: o.tryTimeout, Tries: o.repeat, Rate: b.rate, Ordered: !b.unordered,
		Header: h, RandomCase: o.randomCase, Client: o.modes.client,
		Queue: o.queue && !o.ignoreCache && len(plan.servers) == 0} // @SERVER asks for the server's own word each time
	if cfg.Servers, err = bulkServers(ctx, r.Servers()); err != nil {
		return err
	}
	in, offset, err := b.open(e)
	if err != nil {
		return err
	}
	defer in.Close()
	run := newDNSBulkRun(e, o, offset)
	sum, err := dnsq.Bulk(ctx, dnsq.BulkLines(in, offset, plan.types...), run.result, cfg)
	return run.finish(sum, err)
}

// checkBulk refuses flags that have no effect on many names.
func (o *dnsOptions) checkBulk() error {
	if w := o.modes.bulk.window; w < 0 {
		return usagef("--window %d: not a number of questions", w)
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{o.search != "", "--search"}, {o.lookup, "--lookup"}, {o.full, "--full"}, {o.isRaw(), "--raw"}, {o.follow, "--follow"},
		{o.keepTruncated, "--no-tcp-fallback"},
		{o.tsig != "" || o.tsigFile != "", "--tsig"}, {o.txtJoin, "--txt-join"},
	} {
		if flag.set {
			return usagef("--file excludes %s", flag.name)
		}
	}
	return nil
}

// bulkServers gives servers that have only a name an address: looking it up
// again for each question would be no good.
func bulkServers(ctx context.Context, servers []dnsq.Server) ([]dnsq.Server, error) {
	out := append([]dnsq.Server{}, servers...)
	for i, s := range out {
		if _, ok := dnsq.ParseAddr(s.Host); ok || s.Addr.IsValid() {
			continue
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.Host)
		if err != nil {
			return nil, &failure{err: err, target: s.String(), status: statusUnreachable}
		}
		if out[i].Addr = addrs[0].Unmap(); s.ServerName == "" {
			out[i].ServerName = s.Host
		}
	}
	return out, nil
}

// open opens the files as one input, from where the last run ended.
func (b *dnsBulkFlags) open(e *env) (io.ReadCloser, int64, error) {
	offset, err := b.loadResume()
	if err != nil {
		return nil, 0, err
	}
	m := new(multiFile)
	var readers []io.Reader
	for i, name := range b.files {
		if i > 0 {
			readers = append(readers, strings.NewReader("\n")) // the file before may lack its last end of line
		}
		if name == "-" {
			readers = append(readers, e.in)
			continue
		}
		f, err := openFile(name)
		if err != nil {
			_ = m.Close() // the failure to open counts
			return nil, 0, err
		}
		m.files = append(m.files, f)
		readers = append(readers, f)
	}
	m.Reader = io.MultiReader(readers...)
	if n, err := io.CopyN(io.Discard, m, offset); err != nil {
		_ = m.Close() // only read
		return nil, 0, usagef("--resume %s: the input has %d octets, fewer than the %d done before", b.resume, n, offset)
	}
	return m, offset, nil
}

// A multiFile is several files read one after the other.
type multiFile struct {
	io.Reader
	files []*os.File
}

func (m *multiFile) Close() error {
	for _, f := range m.files {
		_ = f.Close() // only read
	}
	return nil
}

// A dnsResumeState is what --resume keeps.
type dnsResumeState struct {
	Offset int64 `json:"offset"`
}

func (b *dnsBulkFlags) loadResume() (int64, error) {
	if b.resume == "" {
		return 0, nil
	}
	text, err := os.ReadFile(b.resume)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	var s dnsResumeState
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && s.Offset < 0 {
		err = errors.New("offset below zero")
	}
	return s.Offset, at(b.resume, localIO(err))
}

// saveResume replaces the file in one step, so that it is whole at any time.
func (b *dnsBulkFlags) saveResume(offset int64) error {
	if b.resume == "" {
		return nil
	}
	text, err := json.Marshal(dnsResumeState{offset})
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(b.resume), "."+filepath.Base(b.resume)+".new")
	if err = os.WriteFile(tmp, append(text, '\n'), 0o666); err == nil {
		err = os.Rename(tmp, b.resume)
	}
	return at(b.resume, localIO(err))
}

// dnsBulkRun prints the results of a run.
type dnsBulkRun struct {
	e     *env
	o     *dnsOptions
	out   *promptWriter
	buf   []byte
	tally dnsTally
	shown *progress
	done  int64     // resume offset of the last result
	saved time.Time // when --resume was last written
}

func newDNSBulkRun(e *env, o *dnsOptions, offset int64) *dnsBulkRun {
	return &dnsBulkRun{e: e, o: o, out: newPromptWriter(e.out), shown: e.startProgress("asked", "names"), done: offset, saved: time.Now()}
}

// result prints one result. The usual answers are written straight from the
// reply.
func (b *dnsBulkRun) result(r *dnsq.BulkResult) error {
	b.shown.done.Add(1)
	var err error
	if b.e.format == "json" || b.e.format == "sh" {
		err = b.object(r)
	} else {
		err = b.lines(r)
	}
	if err != nil {
		return err
	}
	b.done = r.Resume
	if b.o.modes.bulk.resume != "" && time.Since(b.saved) > time.Second {
		return b.save()
	}
	return nil
}

// save writes down how far the output has come.
func (b *dnsBulkRun) save() error {
	b.saved = time.Now()
	if err := b.out.Flush(); err != nil {
		return err
	}
	return b.o.modes.bulk.saveResume(b.done)
}

func (b *dnsBulkRun) lines(r *dnsq.BulkResult) error {
	if b.e.format == "short" {
		b.buf = r.AppendShort(b.buf[:0])
	} else {
		b.buf = r.AppendRecords(b.buf[:0])
	}
	if len(b.buf) == 0 {
		return b.failed(r)
	}
	b.tally.add(nil)
	_, err := b.out.Write(b.buf)
	return err
}

// failed reports a result without answer.
func (b *dnsBulkRun) failed(r *dnsq.BulkResult) error {
	a, err := r.Answer()
	if err == nil {
		err = a.Err()
	}
	if err == nil {
		err = &dnsq.ReplyError{Name: r.Name, Type: dnsq.TypeName(r.Type), Rcode: "NOERROR"}
	}
	b.report(bulkQuestion(r), err)
	return nil
}

// report counts a failure, and prints it unless -qq was given.
func (b *dnsBulkRun) report(q dnsQuestion, err error) *failure {
	f := dnsFailed(q, err)
	b.tally.add(f)
	if b.e.quiet < 2 {
		fmt.Fprintf(b.e.err, "%s: %s\n", b.e.name(), safe(messageOf(f)))
	}
	return f
}

func bulkQuestion(r *dnsq.BulkResult) dnsQuestion {
	return dnsQuestion{text: r.Name, name: r.Name, qtype: r.Type}
}

// object prints a result as JSON.
func (b *dnsBulkRun) object(r *dnsq.BulkResult) error {
	q := bulkQuestion(r)
	a, err := r.Answer()
	if err != nil {
		return b.emit(emptyDNSResult(q), b.report(q, err))
	}
	if err := a.Err(); err != nil {
		return b.emit(newDNSResult(q, a), b.report(q, err))
	}
	b.tally.add(nil)
	return b.emit(newDNSResult(q, a), nil)
}

// emit prints v through the buffer.
func (b *dnsBulkRun) emit(v dnsResult, f *failure) error {
	stdout := b.e.out
	b.e.out = b.out
	defer func() { b.e.out = stdout }()
	if f == nil {
		return emit(b.e, v, nil)
	}
	return emitFailed(b.e, v, f, nil)
}

// finish ends the output and says how the run went.
func (b *dnsBulkRun) finish(sum dnsq.BulkSummary, err error) error {
	b.shown.finish()
	ferr := b.out.Close()
	if err == nil || !errors.Is(err, errStdoutGone) && !errors.As(err, new(*outputError)) {
		if ferr == nil {
			ferr = b.o.modes.bulk.saveResume(b.done)
		}
		err = firstError(ferr, err)
	}
	if b.o.modes.bulk.summary || b.o.stats {
		b.writeSummary(sum)
	}
	if err != nil {
		if b.o.modes.bulk.resume != "" {
			return (&failure{err: err}).hint("the same command goes on where this one ended")
		}
		return err
	}
	if b.tally.asked == 0 {
		return nil
	}
	return b.tally.result()
}

// writeSummary prints the counts on stderr: as a line, or as JSON with --json.
func (b *dnsBulkRun) writeSummary(sum dnsq.BulkSummary) {
	if b.e.format == "json" {
		if line, err := marshalLine(sum); err == nil {
			fmt.Fprintf(b.e.err, "%s\n", line)
		}
		return
	}
	fmt.Fprintf(b.e.err, "%s: %d names in %.1f s: %d answered, %d without reply, %d invalid; %d messages sent (%d again), %d received, %d saved by the queue\n",
		b.e.name(), sum.Questions, sum.ElapsedMS/1000, sum.Answered, sum.Failed, sum.Invalid, sum.Sent, sum.Retries, sum.Received, sum.Cached)
	for _, rcode := range slices.Sorted(maps.Keys(sum.Rcodes)) {
		fmt.Fprintf(b.e.err, "%s: %s %d\n", b.e.name(), rcode, sum.Rcodes[rcode])
	}
	if sum.NoData > 0 {
		fmt.Fprintf(b.e.err, "%s: NODATA %d (of NOERROR)\n", b.e.name(), sum.NoData)
	}
	for _, s := range sum.Servers {
		fmt.Fprintf(b.e.err, "%s: %s: sent %d, received %d, round trip %.1f ms\n", b.e.name(), s.Server, s.Sent, s.Received, s.RTTMS)
	}
}

// A promptWriter collects small writes into large ones, but holds none back for
// longer than a moment.
type promptWriter struct {
	mu    sync.Mutex
	w     *bufio.Writer
	timer *time.Timer
	armed bool
	err   error // of a flush by the timer
}

const promptDelay = 50 * time.Millisecond

func newPromptWriter(w io.Writer) *promptWriter {
	p := &promptWriter{w: bufio.NewWriterSize(w, 64<<10)}
	p.timer = time.AfterFunc(time.Hour, p.tick)
	p.timer.Stop()
	return p
}

func (p *promptWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	if !p.armed {
		p.armed = true
		p.timer.Reset(promptDelay)
	}
	return p.w.Write(b)
}

func (p *promptWriter) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	p.err = firstError(p.err, p.w.Flush())
}

// Flush writes what is held back.
func (p *promptWriter) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return firstError(p.err, p.w.Flush())
}

// Close is Flush for the last time.
func (p *promptWriter) Close() error {
	p.timer.Stop()
	return p.Flush()
}
