package cmd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/brio-net/brio/pkg/dnsq"
)

// textWriter is what prints a result that is not JSON.
func (o *dnsOptions) textWriter(e *env) func(io.Writer, dnsResult) error {
	return func(w io.Writer, r dnsResult) error {
		switch {
		case (o.full || o.isRaw() || r.Type == "ANY") && e.format != "short": // ANY is never decoded
			return writeDNSFull(w, r)
		case r.answer.Err() != nil:
			return nil // what a reply holds that says NXDOMAIN, or is cut off, is no answer
		case e.format == "short":
			return o.writeShort(w, r)
		}
		return o.writeRecords(e, w, r)
	}
}

// writeRecords prints a line for each record that answers the question, the
// aliases that lead there before them.
func (o *dnsOptions) writeRecords(e *env, w io.Writer, r dnsResult) error {
	var rows [][]string
	for _, rr := range r.answer.Chain() {
		rows = append(rows, []string{rr.Name, fmt.Sprint(rr.TTL), rr.Type, o.data(rr)})
	}
	return e.table(w, rows)
}

// writeShort prints the data of each record that answers the question.
func (o *dnsOptions) writeShort(w io.Writer, r dnsResult) error {
	for _, rr := range r.answer.Records() {
		if _, err := fmt.Fprintln(w, safe(o.data(rr))); err != nil {
			return err
		}
	}
	return nil
}

// data is the data of a record as text.
func (o *dnsOptions) data(rr dnsq.RR) string {
	if strs, ok := rr.Rdata.Value("strings").([]string); ok && o.txtJoin {
		return strings.Join(strs, "")
	}
	return rr.Data
}

// writeDNSFull prints all sections of a reply, record by record: the text of a
// whole message can be far larger than the message.
func writeDNSFull(out io.Writer, r dnsResult) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, ";; %s %s, %s\n", r.Server, r.Transport, r.Rcode)
	fmt.Fprintf(w, ";; id %d, opcode %s, flags %s; question %d, answer %d, authority %d, additional %d\n",
		r.ID, r.Opcode, strings.Join(dnsq.ShortFlags(r.FlagsValue), " "),
		len(r.Question), len(r.Answers), len(r.Authority), len(r.Additional))
	writeDNSEDNS(w, r.EDNS)
	fmt.Fprintln(w, "\n;; QUESTION")
	for _, q := range r.Question {
		fmt.Fprintf(w, ";%s\t%s\t%s\n", safe(q.Name), q.Class, q.Type)
	}
	for _, s := range []struct {
		name string
		rrs  []dnsq.RR
	}{{"ANSWER", r.Answers}, {"AUTHORITY", r.Authority}, {"ADDITIONAL", r.Additional}} {
		if len(s.rrs) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n;; %s\n", s.name)
		for _, rr := range s.rrs {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", safe(rr.Name), rr.TTL, rr.Class, rr.Type, safe(rr.Data))
		}
	}
	writeDNSTiming(w, r)
	return w.Flush() // the first failed write comes back here
}

func writeDNSEDNS(w io.Writer, e *dnsq.EDNS) {
	if e == nil {
		return
	}
	do := ""
	if e.DO {
		do = ", do"
	}
	fmt.Fprintf(w, ";; EDNS version %d, udp %d%s\n", e.Version, e.UDPSize, do)
	for _, x := range []struct{ name, value string }{
		{"NSID", e.NSID}, {"client subnet", e.ClientSubnet}, {"cookie", e.Cookie}} {
		if x.value != "" {
			fmt.Fprintf(w, ";; %s %s\n", x.name, safe(x.value))
		}
	}
	for _, ede := range e.Errors {
		fmt.Fprintf(w, ";; extended error %d: %s\n", ede.Code, safe(ede.String()))
	}
	for _, opt := range e.Other {
		fmt.Fprintf(w, ";; option %d: %s\n", opt.Code, safe(opt.Data))
	}
}

func writeDNSTiming(w io.Writer, r dnsResult) {
	fmt.Fprintln(w)
	if r.Cached {
		fmt.Fprintf(w, ";; from the cache, first from %s\n", r.Server)
		return
	}
	for _, phase := range []struct {
		name string
		d    time.Duration
	}{{"connect", r.Timing.Connect}, {"handshake", r.Timing.Handshake}} {
		if phase.d > 0 { // there was something to connect
			fmt.Fprintf(w, ";; %s %.1f ms\n", phase.name, phase.d.Seconds()*1000)
		}
	}
	fmt.Fprintf(w, ";; query %.1f ms, %d octets\n", r.Timing.Query.Seconds()*1000, r.Size)
	if r.Invalid > 0 {
		fmt.Fprintf(w, ";; %d invalid replies were dropped\n", r.Invalid)
	}
}

// writeDNSStats prints the counters of the name servers on stderr; in JSON the
// results have them.
func (e *env) writeDNSStats(r *dnsq.Resolver) {
	if e.format == "json" || e.format == "sh" {
		return
	}
	for _, s := range r.Nameservers() {
		fmt.Fprintf(e.err, "%s: %s: sent %d, received %d, invalid %d, last reply after %.1f ms\n",
			e.name(), s.Server, s.Sent, s.Received, s.Invalid, s.RTT)
	}
}

// A dnsConfig is the JSON of --show-config.
type dnsConfig struct {
	Configured  bool               `json:"configured"`
	Nameservers []dnsq.Server      `json:"nameservers"`
	Domain      string             `json:"domain"`
	Search      []string           `json:"search"`
	System      *dnsq.SystemConfig `json:"system"` // null when it was not needed
}

func newDNSConfig(r *dnsq.Resolver) dnsConfig {
	return dnsConfig{r.Configured(), append([]dnsq.Server{}, r.Servers()...), r.Domain(), append([]string{}, r.Search()...), r.System()}
}

func (e *env) writeDNSConfig(w io.Writer, c dnsConfig) error {
	var rows [][]string
	for _, s := range c.Nameservers {
		rows = append(rows, []string{"nameserver", s.String()})
	}
	if c.Domain != "" {
		rows = append(rows, []string{"domain", c.Domain})
	}
	for _, s := range c.Search {
		rows = append(rows, []string{"search", s})
	}
	if c.System != nil {
		rows = append(rows, []string{"ndots", fmt.Sprint(c.System.Ndots)})
	}
	return e.table(w, rows)
}
