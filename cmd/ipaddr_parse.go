package cmd

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/socket"
)

// An addressInfo is the result of "ipaddr parse".
type addressInfo struct {
	Input     string           `json:"input"`
	IP        string           `json:"ip"`
	Version   int              `json:"version"`
	Form      socket.Form      `json:"form"`
	Int       *uint32          `json:"int"`      // null for IPv6: no JSON number holds it exactly
	IntText   string           `json:"int_text"` // the same in decimal digits, for IPv6 too
	Hex       string           `json:"hex"`
	Octets    []int            `json:"octets"` // empty for IPv6
	Expanded  string           `json:"expanded"`
	Reverse   string           `json:"reverse"` // the name to ask for PTR records
	ScopeID   uint32           `json:"scope_id"`
	ScopeName string           `json:"scope_name"`
	V4Mapped  bool             `json:"v4_mapped"`
	Embedded  string           `json:"embedded_ipv4"` // of mapped, translated, 6to4 and Teredo addresses
	Class     socket.Class     `json:"class"`
	Warnings  []addressWarning `json:"warnings"`
}

type addressWarning struct {
	Kind socket.Warning `json:"kind"`
	Text string         `json:"text"`
}

func addressInfoOf(input string, l socket.Literal) addressInfo {
	a := l.Addr
	i := addressInfo{
		Input: input, IP: socket.FormatDotted(a), Version: 6, Form: l.Form,
		IntText: socket.Integer(a).String(), Hex: hexOf(a), Octets: []int{},
		Expanded: expandedOf(a), Reverse: reverseOf(a),
		V4Mapped: a.Is4In6(), Class: socket.ClassOf(a), Warnings: []addressWarning{},
	}
	if o, ok := socket.Octets(a); ok {
		n := uint32(socket.Integer(a).Uint64())
		i.Version, i.Int = 4, &n
		for _, b := range o {
			i.Octets = append(i.Octets, int(b))
		}
	}
	i.ScopeID, i.ScopeName = socket.ScopeID(a)
	if v4, ok := socket.Embedded(a); ok {
		i.Embedded = socket.FormatDotted(v4)
	}
	for _, w := range l.Warnings {
		i.Warnings = append(i.Warnings, addressWarning{w, w.Text()})
	}
	return i
}

func hexOf(a netip.Addr) string { return fmt.Sprintf("0x%x", a.AsSlice()) }

// expandedOf writes every digit of an IPv6 address.
func expandedOf(a netip.Addr) string { return a.StringExpanded() }

// reverseOf is the name under which the DNS keeps the names of a: RFC 1035
// section 3.5 and RFC 3596 section 2.5.
func reverseOf(a netip.Addr) string {
	var b strings.Builder
	bytes := a.AsSlice()
	for i := len(bytes) - 1; i >= 0; i-- {
		if a.Is4() {
			fmt.Fprintf(&b, "%d.", bytes[i])
		} else {
			fmt.Fprintf(&b, "%x.%x.", bytes[i]&15, bytes[i]>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa."
	}
	return b.String() + "ip6.arpa."
}

func newIPAddrParseCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "parse [ADDRESS...]",
		Short: "show all forms of addresses and what they are for",
		Example: `  brio ipaddr parse 23.3
  brio ipaddr parse --json 0x7f.1 fe80::1%1
  brio ipaddr parse --strict 192.0.2.1
  brio ipaddr parse --check 127.1 && echo an address
  printf '127.1\n128.1.3\n' | brio ipaddr parse --format short`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addRead(c)
	o.addCheck(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrParse(ctx, e, &o, args) })
	return exits(results(e, answers(c, "short"), addressInfo{}),
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusExpectation, "with --check: the text is no address"},
		statusLine{statusPartial, "some of several items failed"},
	)
}

func runIPAddrParse(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	if o.check {
		return runIPAddrCheck(ctx, e, o, args)
	}
	first := true
	return e.eachItem(ctx, args, "an address", func(item string) error {
		l, err := o.parseItem(item)
		if err != nil {
			return emitItem(e, addressItem{item}, err, noText)
		}
		info := addressInfoOf(item, l)
		for _, w := range info.Warnings {
			e.note("%s: %s", item, w.Text)
		}
		text := pick(e, writeAddressInfo, writeAddressShort)
		if !first && e.format == "text" {
			text = func(w io.Writer, i addressInfo) error {
				if _, err := io.WriteString(w, "\n"); err != nil {
					return err
				}
				return writeAddressInfo(w, i)
			}
		}
		first = false
		return emit(e, info, text)
	})
}

// noText writes nothing: the failure on stderr says it.
func noText(io.Writer, addressItem) error { return nil }

func writeAddressShort(w io.Writer, i addressInfo) error {
	_, err := fmt.Fprintln(w, i.IP)
	return err
}

func writeAddressInfo(w io.Writer, i addressInfo) error {
	rows := [][2]string{
		{"address", i.IP},
		{"form", string(i.Form)},
		{"integer", i.IntText},
		{"hex", i.Hex},
	}
	if i.Version == 4 {
		rows = append(rows, [2]string{"octets", joinInts(i.Octets)})
	} else {
		rows = append(rows, [2]string{"expanded", i.Expanded})
	}
	rows = append(rows, [2]string{"reverse", i.Reverse})
	if i.ScopeID != 0 {
		rows = append(rows, [2]string{"scope", strings.TrimSpace(fmt.Sprintf("%d %s", i.ScopeID, i.ScopeName))})
	}
	if i.Embedded != "" {
		rows = append(rows, [2]string{"ipv4", i.Embedded})
	}
	rows = append(rows, [2]string{"class", fmt.Sprintf("%s (%s, %s)", i.Class.Name, i.Class.Prefix, i.Class.RFC)})
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%-9s %s\n", r[0], r[1]); err != nil {
			return err
		}
	}
	return nil
}

func joinInts(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, " ")
}

// runIPAddrCheck prints nothing, not even why a text is no address.
func runIPAddrCheck(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	bad := false
	err := e.eachItem(ctx, args, "an address", func(item string) error {
		if _, err := o.parseItem(item); err != nil {
			bad = true
		}
		return nil
	})
	if err == nil && bad {
		return exitWith(statusExpectation)
	}
	return err
}

// An addressText is the result of "ipaddr format".
type addressText struct {
	Input string `json:"input"`
	Form  string `json:"form"`
	Text  string `json:"text"`
}

func newIPAddrFormatCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "format [ADDRESS...]",
		Short: "print addresses in one form",
		Long:  "Prints each address in the form that --as names, dotted if none is: four decimal\nparts for IPv4, the form of RFC 5952 with the scope id for IPv6.",
		Example: `  brio ipaddr format 3229900628
  brio ipaddr format --as int 192.132.95.84
  brio ipaddr format --octets 127.1
  brio ipaddr format --as expanded ::1
  brio ipaddr format --as reverse 192.0.2.1`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addForm(c)
	o.addRead(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrFormat(ctx, e, &o, args) })
	return exits(results(e, answers(c, "short"), addressText{}),
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusPartial, "some of several items failed"},
	)
}

func runIPAddrFormat(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	form := o.as
	switch {
	case o.octets && form != "" && form != "octets":
		return usagef("--octets and --as %s exclude each other", form)
	case o.octets:
		form = "octets"
	case form == "":
		form = "dotted"
	}
	return e.eachItem(ctx, args, "an address", func(item string) error {
		l, err := o.parseItem(item)
		if err != nil {
			return emitItem(e, addressItem{item}, err, noText)
		}
		return emit(e, addressText{item, form, formatAs(l.Addr, form)}, func(w io.Writer, t addressText) error {
			_, err := fmt.Fprintln(w, t.Text)
			return err
		})
	})
}

// formatAs writes a in one of the forms of --as. An IPv6 address has no octets:
// it is written as ever.
func formatAs(a netip.Addr, form string) string {
	switch form {
	case "octets":
		if o, ok := socket.Octets(a); ok {
			return fmt.Sprintf("%d %d %d %d", o[0], o[1], o[2], o[3])
		}
	case "int":
		return socket.Integer(a).String()
	case "hex":
		return hexOf(a)
	case "expanded":
		return expandedOf(a)
	case "reverse":
		return reverseOf(a)
	}
	return socket.FormatDotted(a)
}
