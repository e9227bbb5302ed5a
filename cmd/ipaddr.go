package cmd

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/socket"
)

// ipaddrOptions are the flags of ipaddr and of the commands below it.
type ipaddrOptions struct {
	strict bool
	check  bool
	unmap  bool

	as     string
	octets bool

	is      string
	in      []string
	pick    bool
	equal   bool
	compare bool

	interfaces bool
	lookup     bool
	hostname   bool
	port       bool

	ipv6        string
	all         bool
	ignoreCache bool
	dnsMode     []string
}

func newIPAddrCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "ipaddr [ADDRESS...]",
		Short: "read, write, compare and look up addresses, names and ports",
		Long: `Reads addresses in any form and shows all their forms and what each is for:
dotted, also short (127.1), octal, hexadecimal or one integer; IPv6 with a scope
id, by name or number. Without arguments, or for -, it reads a list from stdin,
one item a line.

What is asked of an address is said by a command (ipaddr is loopback 127.1) or by
a flag (ipaddr --is loopback 127.1).`,
		Example: `  brio ipaddr 127.1
  brio ipaddr --octets 3229900628
  brio ipaddr --is private 10.1.2.3 && echo inside
  printf '10.1\n::1\n' | brio ipaddr --format short
  brio ipaddr --get class.name 100.64.0.1
  brio ipaddr lookup localhost`,
		Args: cobra.ArbitraryArgs,
	}
	o.addRead(c)
	o.addCheck(c)
	o.addForm(c)
	flagGroup(c, "Question", func(f *pflag.FlagSet) {
		f.StringVar(&o.is, "is", "", "ask whether each address is of a `KIND`: dotted, ip, ipv4, ipv6, or a class such as private")
		f.StringSliceVar(&o.in, "in", nil, "ask whether each address lies in one of these blocks (`PREFIX`, ...)")
		f.BoolVar(&o.equal, "equal", false, "ask whether two addresses are the same")
		f.BoolVar(&o.interfaces, "interfaces", false, "list the network interfaces")
		f.BoolVar(&o.lookup, "lookup", false, "look up the addresses of names")
		f.BoolVar(&o.hostname, "hostname", false, "look up the names of addresses")
		f.BoolVar(&o.port, "port", false, "look up the ports of services: https/tcp")
	})
	o.addSelect(c)
	o.addScope(c)
	o.addLookup(c)
	o.addPolicy(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddr(ctx, e, &o, args) })
	c.ValidArgsFunction = cobra.NoFileCompletions
	_ = c.RegisterFlagCompletionFunc("is", completeKinds) // fails only when registered twice
	c.AddCommand(
		newIPAddrParseCmd(e), newIPAddrFormatCmd(e), newIPAddrIsCmd(e), newIPAddrInCmd(e), newIPAddrEqualCmd(e),
		newIPAddrInterfacesCmd(e), newIPAddrLookupCmd(e), newIPAddrNameCmd(e), newIPAddrPortCmd(e),
	)
	results(e, c, addressInfo{}, addressText{}, verdict{}, equality{}, interfaceList{}, lookupResult{}, nameResult{}, portResult{})
	return exits(answers(c, "short"),
		statusLine{statusOK, "done; the answer is yes"},
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusNotFound, "no such name or service"},
		statusLine{statusExpectation, "the answer is no"},
		statusLine{statusPartial, "some of several items failed"},
	)
}

// addRead defines how addresses are read.
func (o *ipaddrOptions) addRead(c *cobra.Command) {
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVar(&o.strict, "strict", false, "refuse short, octal, hexadecimal and integer forms")
		f.BoolVar(&o.unmap, "unmap", false, "take ::ffff:a.b.c.d for the IPv4 address a.b.c.d")
	})
}

func (o *ipaddrOptions) addCheck(c *cobra.Command) {
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVar(&o.check, "check", false, "print nothing: status 0 if all are addresses, else 11")
	})
}

func (o *ipaddrOptions) addForm(c *cobra.Command) {
	flagGroup(c, "Form", func(f *pflag.FlagSet) {
		enumVar(f, &o.as, "as", "", []string{"dotted", "octets", "int", "hex", "expanded", "reverse"}, "print each address as `FORM` alone")
		f.BoolVar(&o.octets, "octets", false, "print the four bytes of each IPv4 address (the same as --as octets)")
	})
}

func (o *ipaddrOptions) addSelect(c *cobra.Command) {
	flagGroup(c, "Answer", func(f *pflag.FlagSet) {
		f.BoolVar(&o.pick, "select", false, "print the items for which the answer is yes, and no others")
	})
}

func (o *ipaddrOptions) addScope(c *cobra.Command) {
	flagGroup(c, "Answer", func(f *pflag.FlagSet) {
		f.BoolVar(&o.compare, "compare-scope-id", false, "compare the scope ids of IPv6 addresses too")
	})
}

// addLookup defines the flags of every look-up, addPolicy that of names.
func (o *ipaddrOptions) addLookup(c *cobra.Command) {
	flagGroup(c, "Look-up", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.all, "all", "a", false, "print every answer and not only the first")
		f.BoolVar(&o.ignoreCache, "ignore-cache", false, "ask again for what was asked before in this run")
		f.StringSliceVar(&o.dnsMode, "dns-mode", []string{"system"}, "look names up with these, in this order: dns, system (`LIST`)")
	})
}

func (o *ipaddrOptions) addPolicy(c *cobra.Command) {
	flagGroup(c, "Look-up", func(f *pflag.FlagSet) {
		enumVar(f, &o.ipv6, "ipv6", "prefer", []string{"no", "only", "prefer"}, "look up IPv6 addresses: `WHETHER`")
	})
}

// runIPAddr does what the one flag of the group Question asks, or shows
// addresses.
func runIPAddr(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	questions := []struct {
		asked bool
		name  string
		run   func() error
	}{
		{o.is != "", "--is", func() error { return runIPAddrIs(ctx, e, o, o.is, args) }},
		{len(o.in) > 0, "--in", func() error { return runIPAddrIn(ctx, e, o, o.in, args) }},
		{o.equal, "--equal", func() error { return runIPAddrEqual(e, o, args) }},
		{o.interfaces, "--interfaces", func() error { return runIPAddrInterfaces(e, args) }},
		{o.lookup, "--lookup", func() error { return runIPAddrLookup(ctx, e, o, args) }},
		{o.hostname, "--hostname", func() error { return runIPAddrName(ctx, e, o, args) }},
		{o.port, "--port", func() error { return runIPAddrPort(ctx, e, args) }},
		{o.octets || o.as != "", "--as", func() error { return runIPAddrFormat(ctx, e, o, args) }},
	}
	run, first := func() error { return runIPAddrParse(ctx, e, o, args) }, ""
	for _, q := range questions {
		switch {
		case !q.asked:
		case first != "":
			return usagef("%s and %s exclude each other", first, q.name)
		default:
			run, first = q.run, q.name
		}
	}
	if first == "" && len(args) > 0 && !socket.IsIPAddr(args[0]) && nearest(args[0], commandNames(e.cmd)) != "" {
		return unknownCommand(e.cmd, args[0])
	}
	return run()
}

// An addressItem is the result for text that is no address.
type addressItem struct {
	Input string `json:"input"`
}

// parseItem reads an address of ipaddr. Its failure tells where the text goes
// wrong, and for a name what to do instead.
func (o *ipaddrOptions) parseItem(s string) (socket.Literal, error) {
	parse := socket.ParseLiteral
	if o.strict {
		parse = socket.ParseStrict
	}
	l, err := parse(s)
	if err != nil {
		return l, addressFailure(s, err)
	}
	if a := l.Addr.Unmap(); o.unmap && a != l.Addr {
		l.Addr = a
	}
	return l, nil
}

func addressFailure(s string, err error) error {
	f := &failure{err: err, status: statusUsage, kind: "invalid-address"}
	var p *socket.ParseError
	if errors.As(err, &p) && p.Hint != "" {
		return f.hint("%s", p.Hint)
	}
	if block, err := netip.ParsePrefix(s); err == nil {
		return f.hint("that is a block: brio ipaddr in %s ADDRESS; the names in it: brio dns-query -x %s", block, block)
	}
	if h, err := socket.ParseHost(s); err == nil && !h.IsAddr() && (s[0] < '0' || s[0] > '9') {
		f.hint("look the name up with: brio ipaddr lookup %s", s)
	}
	return f
}

// kinds are the words of "ipaddr is" that are no classes.
func kinds() []string { return []string{"dotted", "ip", "ipv4", "ipv6"} }

func completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append(kinds(), socket.ClassNames()...), cobra.ShellCompDirectiveNoFileComp
}

// checkKind refuses a kind that does not exist.
func checkKind(kind string) error {
	all := append(kinds(), socket.ClassNames()...)
	if slices.Contains(all, kind) {
		return nil
	}
	f := usagef("unknown kind %q of address; there are: %s", kind, strings.Join(all, ", "))
	if near := nearest(kind, all); near != "" {
		f.hint("did you mean %s?", near)
	}
	return f
}
