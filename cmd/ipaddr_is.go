package cmd

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/socket"
)

// A verdict is the result of "ipaddr is" and "ipaddr in" for one item.
type verdict struct {
	Input  string `json:"input"`
	Kind   string `json:"kind,omitempty"`   // of "is": what was asked
	Prefix string `json:"prefix,omitempty"` // of "in": the block that holds it
	Result bool   `json:"result"`
}

func newIPAddrIsCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "is KIND [ADDRESS...]",
		Short: "ask whether addresses are of a kind",
		Long: `Prints yes or no for each address and ends with status 0 if all are of the KIND:
dotted (dotted or colon form, but no integer), ip, ipv4, ipv6, or a class such as
loopback, private, link-local, multicast, documentation, shared or global.`,
		Example: `  brio ipaddr is loopback 127.1
  brio ipaddr is -q ipv6 ::1 && echo six
  brio ipaddr is dotted 192.0.2.1
  printf '10.0.0.1\n9.9.9.9\n' | brio ipaddr is private --select`,
		Args:              wantArgs(1, -1, "a kind, then addresses"),
		ValidArgsFunction: completeKinds,
	}
	o.addSelect(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrIs(ctx, e, &o, args[0], args[1:]) })
	return exits(results(e, answers(c, "short"), verdict{}),
		statusLine{statusOK, "all are; with --select: one is"},
		statusLine{statusExpectation, "one is not; with --select: none is"},
	)
}

func runIPAddrIs(ctx context.Context, e *env, o *ipaddrOptions, kind string, args []string) error {
	if err := checkKind(kind); err != nil {
		return err
	}
	return o.judge(ctx, e, args, func(item string) (verdict, error) {
		return verdict{Input: item, Kind: kind, Result: isKind(item, kind)}, nil
	})
}

// isKind reports whether the text s is an address of a kind.
func isKind(s, kind string) bool {
	a, err := socket.ParseDotted(s)
	switch {
	case err != nil:
		return false
	case kind == "ip":
		return true
	case kind == "dotted":
		return socket.IsDotted(s)
	case kind == "ipv4":
		return a.Is4()
	case kind == "ipv6":
		return a.Is6()
	}
	return socket.ClassOf(a).Name == kind
}

func newIPAddrInCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "in PREFIX[,PREFIX...] [ADDRESS...]",
		Short: "ask whether addresses lie in a block",
		Long:  "Prints yes or no for each address and ends with status 0 if each lies in one of\nthe blocks. An IPv4 block also holds IPv4-mapped IPv6 addresses.",
		Example: `  brio ipaddr in 10.0.0.0/8 10.1.2.3
  brio ipaddr in 10.0.0.0/8,2001:db8::/32 2001:db8::1
  brio ipaddr in 127.0.0.0/8 127.1 ::ffff:127.0.0.1
  printf '10.0.0.1\n9.9.9.9\n' | brio ipaddr in 10.0.0.0/8 --select`,
		Args:              wantArgs(1, -1, "a block, then addresses"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addRead(c)
	o.addSelect(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error {
		return runIPAddrIn(ctx, e, &o, strings.Split(args[0], ","), args[1:])
	})
	return exits(results(e, answers(c, "short"), verdict{}),
		statusLine{statusOK, "all do; with --select: one does"},
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusExpectation, "one does not; with --select: none does"},
		statusLine{statusPartial, "some of several items are no addresses"},
	)
}

func runIPAddrIn(ctx context.Context, e *env, o *ipaddrOptions, blocks, args []string) error {
	var prefixes []netip.Prefix
	for _, b := range blocks {
		p, err := socket.ParsePrefix(b)
		if err != nil {
			return addressFailure(b, err)
		}
		prefixes = append(prefixes, p)
	}
	return o.judge(ctx, e, args, func(item string) (verdict, error) {
		l, err := o.parseItem(item)
		if err != nil {
			return verdict{}, err
		}
		for _, p := range prefixes {
			if socket.Contains(p, l.Addr) {
				return verdict{Input: item, Prefix: p.String(), Result: true}, nil
			}
		}
		return verdict{Input: item}, nil
	})
}

// judge prints the verdicts on all items, or with --select the items found
// good, and sets the status after them.
func (o *ipaddrOptions) judge(ctx context.Context, e *env, args []string, ask func(item string) (verdict, error)) error {
	yes, no := 0, 0
	err := e.eachItem(ctx, args, "an address", func(item string) error {
		v, err := ask(item)
		if err != nil {
			return emitItem(e, addressItem{item}, err, noText)
		}
		if v.Result {
			yes++
		} else {
			no++
		}
		return o.printVerdict(e, v, len(args) == 1)
	})
	switch {
	case err != nil:
		return err
	case o.pick && yes == 0, !o.pick && no > 0:
		return exitWith(statusExpectation)
	}
	return nil
}

// printVerdict prints yes or no, after the item where there may be several.
// With -q it leaves everything to the status.
func (o *ipaddrOptions) printVerdict(e *env, v verdict, alone bool) error {
	if o.pick && !v.Result {
		return nil
	}
	return emit(e, v, func(w io.Writer, v verdict) error {
		var err error
		switch {
		case o.pick:
			_, err = fmt.Fprintln(w, safe(v.Input))
		case e.quiet > 0:
		case alone:
			_, err = fmt.Fprintln(w, yesNo(v.Result))
		default:
			err = e.table(w, [][]string{{v.Input, yesNo(v.Result)}})
		}
		return err
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// An equality is the result of "ipaddr equal".
type equality struct {
	A             string `json:"a"`
	B             string `json:"b"`
	Equal         bool   `json:"equal"`
	EqualUnmapped bool   `json:"equal_unmapped"` // if IPv4-mapped addresses count as IPv4
	ScopeCompared bool   `json:"scope_compared"`
}

func newIPAddrEqualCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "equal ADDRESS ADDRESS",
		Short: "ask whether two addresses are the same",
		Long:  "Compares two addresses, which may be in different forms. Scope ids count only\nwith --compare-scope-id, and then by interface: %lo and %1 are the same.",
		Example: `  brio ipaddr equal 127.1 2130706433
  brio ipaddr equal ::1 0:0:0:0:0:0:0:1
  brio ipaddr equal fe80::1%1 fe80::1
  brio ipaddr equal --compare-scope-id fe80::1%1 fe80::1%01
  brio ipaddr equal --unmap ::ffff:192.0.2.1 192.0.2.1`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addRead(c)
	o.addScope(c)
	c.RunE = e.runBriefly(func(_ context.Context, args []string) error { return runIPAddrEqual(e, &o, args) })
	return exits(results(e, answers(c, "short"), equality{}),
		statusLine{statusOK, "they are the same"},
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusExpectation, "they differ"},
	)
}

func runIPAddrEqual(e *env, o *ipaddrOptions, args []string) error {
	if len(args) != 2 {
		return usagef("needs two addresses, not %d", len(args)).hint("see: brio ipaddr equal -h")
	}
	a, err := o.parseItem(args[0])
	if err != nil {
		return err
	}
	b, err := o.parseItem(args[1])
	if err != nil {
		return err
	}
	r := equality{
		A: socket.FormatDotted(a.Addr), B: socket.FormatDotted(b.Addr), ScopeCompared: o.compare,
		Equal:         socket.EqualAddr(a.Addr, b.Addr, o.compare),
		EqualUnmapped: socket.EqualAddr(a.Addr.Unmap(), b.Addr.Unmap(), o.compare),
	}
	err = emit(e, r, func(w io.Writer, r equality) error {
		if e.quiet > 0 {
			return nil
		}
		_, err := fmt.Fprintln(w, yesNo(r.Equal))
		return err
	})
	if err == nil && !r.Equal {
		return exitWith(statusExpectation)
	}
	return err
}
