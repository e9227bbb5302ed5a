package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/socket"
)

func newDNSQueryCmd(e *env) *cobra.Command {
	var o dnsOptions
	c := &cobra.Command{
		Use:   "dns-query [@SERVER]... NAME... [TYPE]...",
		Short: "ask the DNS, and tell the truth in the exit status",
		Long: `Asks name servers for records, one question for each NAME and each TYPE.

A SERVER is HOST[:PORT], or with a transport udp://, tcp://, tls://, https:// or
quic://; without any the system's name servers are asked. Of several the next is
asked when one fails, and all with --compare. A NAME may be international; an
address asks for its name (PTR). A TYPE is the name of a record type or TYPEnnn; a
word without dot that is one is never a NAME ("mx." is).

Results are lines of name, TTL, type and data; --format short prints the data
alone, --full all sections, --json everything.

The questions can also be validated (--validate), followed from the root servers
down (--trace), put to several servers (--compare, --expect), asked for whole zones
(--axfr, --ixfr), or read from files, thousands a second (--file).`,
		Example: `  brio dns-query example.com
  brio dns-query example.com MX TXT --format short
  brio dns-query @tls://9.9.9.9 example.com AAAA --json
  brio dns-query -x 192.0.2.1
  brio dns-query @192.0.2.53 @192.0.2.54 example.com --compare
  brio dns-query example.com --get answers.0.data
  brio dns-query @192.0.2.53 example.com SOA --full --no-recursion
  brio dns-query -f names.txt --json --summary
  brio dns-query example.com --validate
  brio dns-query example.com --trace
  brio dns-query @192.0.2.53 example.com --axfr
  brio dns-query example.com TXT --expect '/^v=spf1/' --until 1m`,
		Args: cobra.ArbitraryArgs,
		RunE: e.runBriefly(func(ctx context.Context, args []string) error { return runDNSQuery(ctx, e, &o, args) }),
	}
	o.addFlags(c)
	c.ValidArgsFunction = completeDNSArgs
	results(e, c, dnsResult{}, dnsLookup{}, dnsConfig{})
	results(e, c, dnsModeResults()...)
	return exits(answers(c, "short"),
		statusLine{statusNotFound, "no such name (NXDOMAIN) or no record of that type (NODATA)"},
		statusLine{statusRefused, ""},
		statusLine{statusTimeout, "no reply"},
		statusLine{statusUnreachable, ""},
		statusLine{statusBroken, "connection broken, or a zone transfer not complete"},
		statusLine{statusHandshake, "TLS or QUIC handshake failed"},
		statusLine{statusExpectation, "--expect is not met, servers disagree (--compare), or --require-secure is not met"},
		statusLine{statusVerify, "the certificate of the server does not verify, or DNSSEC says bogus"},
		statusLine{statusServer, "the server answered SERVFAIL, REFUSED, NOTIMP, FORMERR, ..."},
		statusLine{statusProtocol, "only malformed or forged replies came"},
		statusLine{statusPartial, "some of several questions failed"})
}

func runDNSQuery(ctx context.Context, e *env, o *dnsOptions, args []string) error {
	plan, err := o.plan(args)
	if err == nil {
		err = o.modes.check()
	}
	if many := len(o.modes.bulk.files) > 0; err == nil {
		err = e.checkNeeds(flagNeed{"unordered", "--file", many}, flagNeed{"rate", "--file", many},
			flagNeed{"window", "--file", many}, flagNeed{"summary", "--file", many})
	}
	if err == nil && e.format == "short" && e.onCommandLine("full") && (e.onCommandLine("short") || e.onCommandLine("format")) {
		err = usagef("--full and --format short exclude each other")
	}
	if err != nil {
		return err
	}
	if !o.asksOnce(plan) {
		ctx = e.catchSignals(ctx)
	}
	client, quic, err := o.client()
	if err != nil {
		return err
	}
	defer func() { _, _ = client.Close(), quic.Close() }() // nothing is under way any more
	o.modes.client = client
	r, err := o.resolver(client, plan)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.showConfig {
		return emit(e, newDNSConfig(r), e.writeDNSConfig)
	}
	if len(o.modes.bulk.files) > 0 {
		return runDNSBulk(ctx, e, o, r, plan)
	}
	if len(plan.questions) == 0 {
		return usagef("needs a NAME").hint("for the name servers of the root: brio dns-query . NS")
	}
	if err := o.loadCache(r); err != nil {
		return err
	}
	err = runDNSQuestions(ctx, e, o, r, plan)
	if o.stats {
		e.writeDNSStats(r)
	}
	return firstError(err, o.saveCache(r))
}

// asksOnce reports that all there is to do is to ask a question and to print the
// answer, as in most runs.
func (o *dnsOptions) asksOnce(plan *dnsPlan) bool {
	return len(plan.questions) == 1 && o.asker(plan.questions[0]) == nil && o.cacheFile == ""
}

// runDNSQuestions asks the questions of plan and prints the results in their order.
func runDNSQuestions(ctx context.Context, e *env, o *dnsOptions, r *dnsq.Resolver, plan *dnsPlan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what was asked ahead when printing fails
	var tally dnsTally
	queries := o.askAhead(ctx, r, plan)
	for i, q := range plan.questions {
		err := o.ask(ctx, e, r, plan, q, queries[i])
		if out := new(outputError); errors.Is(err, errStdoutGone) || errors.As(err, &out) || ctx.Err() != nil {
			return err
		}
		last := i == len(plan.questions)-1
		if err != nil && len(plan.questions) > 1 && e.quiet < 2 {
			fmt.Fprintf(e.err, "%s: %s\n", e.name(), safe(messageOf(err)))
		}
		tally.add(err)
		if last && len(plan.questions) == 1 {
			return err
		}
	}
	return tally.result()
}

// maxAhead bounds the questions under way at one time.
const maxAhead = 16

// A dnsQueryFunc gives the answer to one question.
type dnsQueryFunc func() (*dnsq.Answer, error)

// askAhead begins to ask the questions of plan, several at a time. The function
// for each waits for its answer. Over TCP and TLS one after the other is faster:
// they share a connection.
func (o *dnsOptions) askAhead(ctx context.Context, r *dnsq.Resolver, plan *dnsPlan) []dnsQueryFunc {
	ahead := len(plan.questions) > 1 && !o.lookup && !slices.ContainsFunc(r.Servers(), func(s dnsq.Server) bool {
		return s.Transport == dnsq.TCP || s.Transport == dnsq.TLS
	})
	slots := make(chan struct{}, maxAhead)
	queries := make([]dnsQueryFunc, len(plan.questions))
	for i, q := range plan.questions {
		queries[i] = func() (*dnsq.Answer, error) { return r.Query(ctx, q.name, o.queryOptions(plan, q)) }
		if !ahead || o.asker(q) != nil {
			continue
		}
		query := sync.OnceValues(queries[i])
		queries[i] = query
		go func() {
			select {
			case slots <- struct{}{}:
				_, _ = query() // whoever prints the result gets the error
				<-slots
			case <-ctx.Done():
			}
		}()
	}
	return queries
}

// A dnsTally collects the outcomes of several questions.
type dnsTally struct {
	asked, failed int
	first         error
	mixed         bool // not all outcomes have the same status
}

func (t *dnsTally) add(err error) {
	if t.asked > 0 && statusOf(err) != statusOf(t.first) {
		t.mixed = true
	}
	if t.asked == 0 {
		t.first = err
	}
	t.asked++
	if err != nil {
		t.failed++
	}
}

// result is the status all outcomes share, or that a part failed. Each failure
// has been reported already.
func (t *dnsTally) result() error {
	if !t.mixed {
		return exitWith(statusOf(t.first))
	}
	return failf(statusPartial, "partial", "%d of %d questions failed", t.failed, t.asked)
}

// ask asks one question and prints its result.
func (o *dnsOptions) ask(ctx context.Context, e *env, r *dnsq.Resolver, plan *dnsPlan, q dnsQuestion, query dnsQueryFunc) error {
	if ask := o.asker(q); ask != nil {
		return ask(ctx, e, r, plan, q)
	}
	if o.lookup {
		return o.askLookup(ctx, e, r, q)
	}
	if o.queue && o.queueSet && (o.isRaw() || len(plan.servers) > 0) {
		e.verbosef("decode off or a server given: the question goes to the server, not through the queue")
	}
	a, err := query()
	if err != nil {
		err = dnsFailed(q, err)
		return firstError(o.emitFailure(e, q, err), err)
	}
	e.tellAnswer(a)
	if err = a.Err(); err != nil {
		f := dnsFailed(q, err)
		if o.search == "" && !strings.Contains(q.text, ".") && (a.Response.Rcode == "NXDOMAIN" || len(o.searchList) > 0) {
			f.hint("to complete it with domain and search list: --search")
		}
		err = f
	}
	res := newDNSResult(q, a)
	if o.stats {
		res.Nameservers = r.Nameservers()
	}
	return firstError(emitFailed(e, res, err, o.textWriter(e)), err)
}

// tellAnswer says with -v where an answer came from, and always that it is stale.
func (e *env) tellAnswer(a *dnsq.Answer) {
	for _, err := range a.Failures {
		e.verbosef("%s %s: %s", a.Name, a.Type, dnsReason{err})
	}
	from := fmt.Sprintf("%s over %s in %.1f ms", a.Response.Server, a.Response.Transport, a.Response.Timing.Query.Seconds()*1000)
	if a.Cached {
		from = "the cache"
	}
	e.verbosef("%s %s: %s from %s", a.Name, a.Type, a.Response.Rcode, from)
	if a.Valid != nil && *a.Valid < 0 {
		e.note("%s %s: the answer is stale since %d s", a.Name, a.Type, -*a.Valid)
	}
}

// firstError is the first error that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// emitFailure prints the result of a question without reply: an object in JSON,
// nothing in the other formats.
func (o *dnsOptions) emitFailure(e *env, q dnsQuestion, err error) error {
	if e.format != "json" && e.format != "sh" {
		return nil
	}
	res := emptyDNSResult(q)
	if query := new(dnsq.QueryError); errors.As(err, &query) {
		res.Failures = newDNSFailures(query.Failures)
	}
	return emitFailed(e, res, err, func(io.Writer, dnsResult) error { return nil })
}

// A dnsResult is the JSON of one question. The members of the reply stand beside
// those of the answer.
type dnsResult struct {
	Name        string   `json:"name"`         // that was answered, absolute
	NameUnicode string   `json:"name_unicode"` // the same for people to read
	Type        string   `json:"type"`
	Answer      any      `json:"answer"` // the first record, decoded; null when there is none
	Others      []any    `json:"others"` // the other records, decoded
	Valid       *int64   `json:"valid"`  // seconds; less than zero when stale, null when not known
	Aliases     []string `json:"aliases"`
	Cached      bool     `json:"cached"`
	Tried       []string `json:"tried"` // names asked for, in order
	*dnsq.Response
	Failures    []dnsFailure           `json:"failures"`    // of servers asked in vain, the last one of each
	Nameservers []dnsq.NameserverStats `json:"nameservers"` // with --stats

	answer *dnsq.Answer
}

// A dnsFailure is why a server gave no answer.
type dnsFailure struct {
	Server  string `json:"server"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func newDNSFailures(errs []error) []dnsFailure {
	list := []dnsFailure{}
	for _, err := range errs {
		f := dnsFailure{Kind: kindOf(err, statusOf(err)), Message: dnsReason{err}.Error()}
		if failed := new(dnsq.ServerFailedError); errors.As(err, &failed) {
			f.Server, f.Message = failed.Server.String(), socket.Reason(failed.Err)
		}
		list = append(list, f)
	}
	return list
}

func newDNSResult(q dnsQuestion, a *dnsq.Answer) dnsResult {
	return dnsResult{Name: a.Name, NameUnicode: dnsq.UnicodeName(a.Name), Type: a.Type, Answer: a.Primary, Others: a.Others,
		Valid: a.Valid, Aliases: a.Aliases, Cached: a.Cached, Tried: a.Tried, Response: a.Response,
		Failures: newDNSFailures(a.Failures), Nameservers: []dnsq.NameserverStats{}, answer: a}
}

// emptyDNSResult is the result of a question that got no reply.
func emptyDNSResult(q dnsQuestion) dnsResult {
	return dnsResult{Name: q.name, NameUnicode: dnsq.UnicodeName(q.name), Type: dnsq.TypeName(q.qtype), Others: []any{},
		Aliases: []string{}, Tried: []string{}, Failures: []dnsFailure{}, Nameservers: []dnsq.NameserverStats{},
		Response: &dnsq.Response{Flags: []string{}, Question: []dnsq.Question{}, Answers: []dnsq.RR{},
			Authority: []dnsq.RR{}, Additional: []dnsq.RR{}, EDE: []string{}}}
}

// askLookup finds the addresses of a host as dns-lookup-hostname does.
func (o *dnsOptions) askLookup(ctx context.Context, e *env, r *dnsq.Resolver, q dnsQuestion) error {
	res := dnsLookup{Name: q.name, Addresses: []string{}}
	var err error
	if addr, ok := dnsq.ParseAddr(q.text); ok {
		res.Name = addr.String()
		res.Names, err = r.LookupAddr(ctx, addr, o.queryOptions(&dnsPlan{}, q))
		res.Addresses = append(res.Addresses, addr.String())
	} else {
		addrs, lerr := r.LookupHost(ctx, q.name, dnsq.Family(o.ipv6), o.queryOptions(&dnsPlan{}, q))
		for _, a := range addrs {
			res.Addresses = append(res.Addresses, a.String())
		}
		err = lerr
	}
	if res.Names == nil {
		res.Names = []string{}
	}
	if err != nil {
		err = dnsFailed(q, err)
	}
	return firstError(emitFailed(e, res, err, writeDNSLookup), err)
}

// A dnsLookup is the JSON of --lookup.
type dnsLookup struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	Names     []string `json:"names"` // of an address
}

func writeDNSLookup(w io.Writer, l dnsLookup) error {
	lines := l.Addresses
	if len(l.Names) > 0 {
		lines = l.Names
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, safe(line)); err != nil {
			return err
		}
	}
	return nil
}

// loadCache reads the file of --cache-file.
func (o *dnsOptions) loadCache(r *dnsq.Resolver) error {
	if o.cacheFile == "" {
		return nil
	}
	return at(o.cacheFile, localIO(r.Cache().Load(o.cacheFile, o.stale)))
}

// saveCache writes it back.
func (o *dnsOptions) saveCache(r *dnsq.Resolver) error {
	if o.cacheFile == "" {
		return nil
	}
	return at(o.cacheFile, localIO(r.Cache().Save(o.cacheFile, o.stale)))
}

// localIO gives a failure with a file its status.
func localIO(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: plainCause(err), status: statusLocalIO, kind: "local-io"}
}

// completeDNSArgs offers the record types once a name is there.
func completeDNSArgs(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if strings.HasPrefix(word, "@") {
		servers, how := completeNameservers(nil, nil, "")
		for i := range servers {
			servers[i] = "@" + servers[i]
		}
		return servers, how
	}
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return typeNames(), cobra.ShellCompDirectiveNoFileComp
}

// resolvEnv holds what the environment says about the system's resolver.
func resolvEnv() dnsq.ResolvEnv {
	hostname, _ := os.Hostname() // without one there is no domain to take from it
	return dnsq.ResolvEnv{LocalDomain: os.Getenv("LOCALDOMAIN"), ResOptions: os.Getenv("RES_OPTIONS"), Hostname: hostname}
}

// queryOptions are the choices of the library for one question.
func (o *dnsOptions) queryOptions(plan *dnsPlan, q dnsQuestion) dnsq.Options {
	opt := dnsq.Options{Type: q.qtype, Nameservers: plan.servers, Repeat: o.repeat, Timeout: o.tryTimeout,
		NoQueue: !o.queue, Raw: o.isRaw() || q.qtype == dns.TypeANY, IgnoreCache: o.ignoreCache, Follow: o.follow}
	switch o.search {
	case "documented":
		opt.Search = dnsq.SearchDocumented
	case "ndots":
		opt.Search = dnsq.SearchNdots
	}
	return opt
}
