package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/socket"
)

type interfaceList struct {
	Interfaces []socket.Interface `json:"interfaces"`
}

func newIPAddrInterfacesCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "interfaces [NAME|NUMBER...]",
		Short: "list the network interfaces",
		Long:  "Lists index, name, MTU, flags and addresses of the interfaces, or of those named.\nIndex and name both serve as the scope id of an IPv6 address.",
		Example: `  brio ipaddr interfaces
  brio ipaddr interfaces 1
  brio ipaddr interfaces --format short
  brio ipaddr interfaces --get interfaces.0.name`,
		ValidArgsFunction: completeInterfaces,
	}
	c.RunE = e.runBriefly(func(_ context.Context, args []string) error { return runIPAddrInterfaces(e, args) })
	return exits(results(e, answers(c, "short"), interfaceList{}), statusLine{statusNotFound, "no such interface"})
}

func completeInterfaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	all, _ := socket.Interfaces() // without a list there is nothing to offer
	for _, i := range all {
		var addrs []string
		for _, a := range i.Addrs {
			addrs = append(addrs, a.Addr.String())
		}
		names = append(names, i.Name+"\t"+strings.Join(addrs, " "))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func runIPAddrInterfaces(e *env, args []string) error {
	all, err := socket.Interfaces()
	if err != nil {
		return err
	}
	list := interfaceList{all}
	if len(args) > 0 {
		list.Interfaces = []socket.Interface{}
		for _, name := range args {
			i, ok := findInterface(all, name)
			if !ok {
				return failf(statusNotFound, "no-such-interface", "there is no interface %q", name).hint("list them with: brio ipaddr interfaces")
			}
			list.Interfaces = append(list.Interfaces, i)
		}
	}
	return emit(e, list, pick(e, e.writeInterfaces, e.writeInterfacesShort))
}

// findInterface finds an interface by name, or else by index.
func findInterface(all []socket.Interface, id string) (socket.Interface, bool) {
	for _, i := range all {
		if i.Name == id {
			return i, true
		}
	}
	for _, i := range all {
		if strconv.Itoa(i.Index) == id {
			return i, true
		}
	}
	return socket.Interface{}, false
}

func (e *env) writeInterfaces(w io.Writer, l interfaceList) error {
	var rows [][]string
	for _, i := range l.Interfaces {
		var addrs []string
		for _, a := range i.Addrs {
			addrs = append(addrs, fmt.Sprintf("%s/%d", a.Addr, a.Prefix.Bits()))
		}
		rows = append(rows, []string{strconv.Itoa(i.Index), i.Name, strconv.Itoa(i.MTU), strings.Join(i.Flags, ","), strings.Join(addrs, " ")})
	}
	return e.table(w, rows)
}

func (e *env) writeInterfacesShort(w io.Writer, l interfaceList) error {
	var rows [][]string
	for _, i := range l.Interfaces {
		rows = append(rows, []string{strconv.Itoa(i.Index), i.Name})
	}
	return e.table(w, rows)
}

// A lookupResult is the result of "ipaddr lookup".
type lookupResult struct {
	Input     string   `json:"input"`
	Addresses []string `json:"addresses"`
}

func newIPAddrLookupCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "lookup [NAME...]",
		Short: "look up the addresses of names",
		Long: `Prints the first address of each name, or with --all every one. An address in any
form is its own answer. --ipv6 says which: no (IPv4 only), only (IPv6 only) or
prefer (both, IPv6 first).`,
		Example: `  brio ipaddr lookup localhost
  brio ipaddr lookup --all localhost
  brio ipaddr lookup --ipv6 no localhost
  brio ipaddr lookup --json --all localhost 127.1`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addLookup(c)
	o.addPolicy(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrLookup(ctx, e, &o, args) })
	return exits(results(e, answers(c, "short"), lookupResult{}),
		statusLine{statusUsage, "wrong usage, or the text is no name"},
		statusLine{statusNotFound, "no such name, or no address of the version asked for"},
		statusLine{statusServer, "the name servers failed"},
		statusLine{statusPartial, "some of several look-ups failed"},
	)
}

// resolver looks names up as --dns-mode and --ipv6 say.
func (o *ipaddrOptions) resolver() (*socket.Resolver, error) {
	i := ipFlags{dnsMode: o.dnsMode, only4: o.ipv6 == "no", only6: o.ipv6 == "only"}
	return i.resolver()
}

func (o *ipaddrOptions) lookupOptions() socket.LookupOptions {
	return socket.LookupOptions{All: o.all, IgnoreCache: o.ignoreCache}
}

func runIPAddrLookup(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	r, err := o.resolver()
	if err != nil {
		return err
	}
	return e.eachItem(ctx, args, "a name", func(item string) error {
		addrs, err := r.LookupHost(ctx, item, o.lookupOptions())
		l := lookupResult{Input: item, Addresses: []string{}}
		for _, a := range addrs {
			l.Addresses = append(l.Addresses, socket.FormatDotted(a))
		}
		err = lookupFailure(item, err)
		return emitItem(e, l, err, func(w io.Writer, l lookupResult) error { return writeLines(w, l.Addresses) })
	})
}

// lookupFailure makes text that is no name a failure of usage.
func lookupFailure(item string, err error) error {
	var p *socket.ParseError
	if errors.As(err, &p) {
		return addressFailure(item, err)
	}
	return err
}

func writeLines(w io.Writer, lines []string) error {
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, safe(l)); err != nil {
			return err
		}
	}
	return nil
}

// A nameResult is the result of "ipaddr name".
type nameResult struct {
	Input string   `json:"input"`
	Names []string `json:"names"`
}

func newIPAddrNameCmd(e *env) *cobra.Command {
	var o ipaddrOptions
	c := &cobra.Command{
		Use:   "name [ADDRESS...]",
		Short: "look up the names of addresses",
		Example: `  brio ipaddr name 127.0.0.1
  brio ipaddr name --all 2130706433
  brio ipaddr name --json 127.1
  printf '127.1\n' | brio ipaddr name`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addLookup(c)
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrName(ctx, e, &o, args) })
	return exits(results(e, answers(c, "short"), nameResult{}),
		statusLine{statusUsage, "wrong usage, or the text is no address"},
		statusLine{statusNotFound, "the address has no name"},
		statusLine{statusServer, "the name servers failed"},
		statusLine{statusPartial, "some of several look-ups failed"},
	)
}

func runIPAddrName(ctx context.Context, e *env, o *ipaddrOptions, args []string) error {
	r, err := o.resolver()
	if err != nil {
		return err
	}
	return e.eachItem(ctx, args, "an address", func(item string) error {
		names, err := r.LookupAddr(ctx, item, o.lookupOptions())
		n := nameResult{Input: item, Names: append([]string{}, names...)}
		err = lookupFailure(item, err)
		return emitItem(e, n, err, func(w io.Writer, n nameResult) error { return writeLines(w, n.Names) })
	})
}

// A portResult is the result of "ipaddr port".
type portResult struct {
	Input    string `json:"input"`
	Service  string `json:"service"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"` // 0 when there is none
}

func newIPAddrPortCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "port [SERVICE[/PROTOCOL]...]",
		Short: "look up the ports of services",
		Long:  "Prints the port of each service for tcp or udp, which are separate: a service may\nhave a port for one of them only. Without a protocol it is tcp.",
		Example: `  brio ipaddr port https
  brio ipaddr port domain/udp
  brio ipaddr port --json ssh/tcp
  printf 'smtp\nhttp\n' | brio ipaddr port`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.RunE = e.runBriefly(func(ctx context.Context, args []string) error { return runIPAddrPort(ctx, e, args) })
	return exits(results(e, answers(c, "short"), portResult{}),
		statusLine{statusUsage, "wrong usage, or no port from 1 to 65535"},
		statusLine{statusNotFound, "no such service"},
		statusLine{statusPartial, "some of several look-ups failed"},
	)
}

func runIPAddrPort(ctx context.Context, e *env, args []string) error {
	return e.eachItem(ctx, args, "a service", func(item string) error {
		p := portResult{Input: item, Protocol: "tcp"}
		var given bool
		if p.Service, p.Protocol, given = strings.Cut(item, "/"); !given {
			p.Protocol = "tcp"
		}
		var err error
		p.Port, err = socket.LookupPort(ctx, p.Service, p.Protocol)
		var bad *socket.ParseError
		if errors.As(err, &bad) {
			err = &failure{err: err, status: statusUsage, kind: "invalid-port"}
		}
		return emitItem(e, p, err, writePort)
	})
}

func writePort(w io.Writer, p portResult) error {
	if p.Port == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, p.Port)
	return err
}
