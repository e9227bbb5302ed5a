package cmd

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// A dnsQuestion is one question of the command line.
type dnsQuestion struct {
	text  string // the name as written
	name  string // the name to ask for
	qtype uint16
}

// A dnsPlan is what the arguments ask for.
type dnsPlan struct {
	questions []dnsQuestion
	servers   []dnsq.Server // of @SERVER arguments
	types     []uint16      // of TYPE arguments
	class     uint16
}

// plan reads the arguments and the flags that stand for some.
func (o *dnsOptions) plan(args []string) (*dnsPlan, error) {
	w, err := o.sortArgs(args)
	if err != nil {
		return nil, err
	}
	p := &dnsPlan{class: w.class, types: w.types}
	if p.servers, err = o.servers(w.servers); err != nil {
		return nil, err
	}
	for _, name := range w.names {
		if err := p.addName(name, w.types, o.lookup); err != nil {
			return nil, err
		}
	}
	for _, addr := range o.reverse {
		if err := p.addReverse(addr); err != nil {
			return nil, err
		}
	}
	if o.repeat < 0 {
		return nil, usagef("--repeat %d: not a number of tries", o.repeat)
	}
	if o.decodeSet && o.decode && slices.ContainsFunc(p.questions, func(q dnsQuestion) bool { return q.qtype == dns.TypeANY }) {
		return nil, usagef("the reply to ANY cannot be decoded").hint("leave out --decode, or ask for the types you need")
	}
	return p, nil
}

// dnsWords are the arguments, sorted.
type dnsWords struct {
	servers []string
	names   []string
	types   []uint16
	class   uint16
}

// sortArgs tells servers, names, types and classes apart.
func (o *dnsOptions) sortArgs(args []string) (dnsWords, error) {
	w := dnsWords{class: dns.ClassINET}
	for _, t := range o.types {
		qtype, ok := dnsq.ParseType(t)
		if !ok {
			return w, unknownType(t)
		}
		w.types = append(w.types, qtype)
	}
	if o.class != "" {
		class, ok := dnsq.ParseClass(o.class)
		if !ok {
			return w, unknownValue("class", o.class, []string{"IN", "CH", "HS", "ANY", "CLASSnnn"})
		}
		w.class = class
	}
	for _, a := range args {
		if err := w.add(a, o.search != ""); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *dnsWords) add(a string, search bool) error {
	if server, ok := strings.CutPrefix(a, "@"); ok {
		w.servers = append(w.servers, server)
		return nil
	}
	if strings.HasPrefix(a, "+") {
		return usagef("%s is an option of dig", a).hint("%s", digHint(a))
	}
	if types := typeList(a); types != nil {
		w.types = append(w.types, types...)
		return nil
	}
	if class, ok := dnsq.ParseClass(a); ok && len(w.names) > 0 {
		w.class = class
		return nil
	}
	// A word after the first name that looks like a type is a mistyped one,
	// unless names without dot are being searched for.
	if len(w.names) > 0 && !search && !strings.ContainsAny(a, ".:") {
		upper := strings.ToUpper(a) == a && strings.Trim(a, "0123456789") != ""
		if upper || nearest(strings.ToUpper(a), typeNames()) != "" {
			return unknownType(a).hint("if it is a name, write it with a final dot: %s.", a)
		}
	}
	w.names = append(w.names, a)
	return nil
}

// typeList reads a word of record types, A or A,MX; nil when it is something else.
func typeList(a string) []uint16 {
	var types []uint16
	for word := range strings.SplitSeq(a, ",") {
		qtype, ok := dnsq.ParseType(word)
		if !ok {
			return nil
		}
		types = append(types, qtype)
	}
	return types
}

// addName adds the questions for one name: an address without type asks for PTR.
func (p *dnsPlan) addName(text string, types []uint16, lookup bool) error {
	if a, ok := dnsq.ParseAddr(text); ok {
		if len(types) == 0 || slices.Equal(types, []uint16{dns.TypePTR}) {
			p.questions = append(p.questions, dnsQuestion{text, dnsq.ReverseName(a), dns.TypePTR})
			return nil
		}
		return usagef("%s is an address: it has no records but PTR", text).
			hint("to ask for the name %q, write it with a final dot", text)
	}
	name, err := asciiName(text)
	if err != nil {
		return err
	}
	if len(types) == 0 {
		types = []uint16{dns.TypeA}
	}
	if lookup {
		types = types[:1]
	}
	for _, t := range types {
		p.questions = append(p.questions, dnsQuestion{text, name, t})
	}
	return nil
}

// maxReverse bounds the addresses of a block whose names are asked for.
const maxReverse = 4096

// addReverse adds the question for the name of an address, or for each of a block.
func (p *dnsPlan) addReverse(text string) error {
	if a, ok := dnsq.ParseAddr(text); ok {
		p.questions = append(p.questions, dnsQuestion{text, dnsq.ReverseName(a), dns.TypePTR})
		return nil
	}
	block, err := netip.ParsePrefix(text)
	if err != nil {
		return usagef("-x %s: neither an address nor a block of addresses", text)
	}
	if host := block.Addr().BitLen() - block.Bits(); host > 12 {
		return usagef("-x %s: more than %d addresses", text, maxReverse)
	}
	for a := block.Masked().Addr(); block.Contains(a); a = a.Next() {
		p.questions = append(p.questions, dnsQuestion{a.String(), dnsq.ReverseName(a), dns.TypePTR})
	}
	return nil
}

// typeNames are the names of the record types, in alphabetical order.
func typeNames() []string {
	names := make([]string, 0, len(dns.StringToType))
	for name := range dns.StringToType {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unknownType is the failure of usage for what is no record type.
func unknownType(s string) *failure {
	f := usagef("unknown record type %q", s)
	if near := nearest(strings.ToUpper(s), typeNames()); near != "" {
		f.hint("did you mean %s?", near)
	} else {
		f.hint("a type without name is written TYPEnnn, up to TYPE65535")
	}
	return f
}
