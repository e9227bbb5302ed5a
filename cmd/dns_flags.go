package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/dnsq"
	"github.com/brio-net/brio/pkg/dnsq/doq"
)

// dnsOptions are the flags of dns-query.
type dnsOptions struct {
	types   []string
	class   string
	reverse []string
	lookup  bool
	ipv6    string

	nameservers []string
	searchList  []string
	domain      string
	resolvConf  string
	hostsFile   string
	noHosts     bool
	port        uint16
	transport   string
	tcp         bool

	repeat      int
	tryTimeout  time.Duration
	queue       bool
	queueSet    bool
	decode      bool
	decodeSet   bool
	raw         bool
	search      string
	ignoreCache bool
	cacheFile   string
	stale       time.Duration
	follow      bool
	rotate      bool

	noRecursion, ad, cd, do bool
	noEDNS, nsid, noCookie  bool
	udpSize                 uint16
	subnet                  string
	padding                 int
	randomCase              bool
	keepTruncated           bool
	tsig, tsigFile          string
	tlsName, caFile         string
	pins                    []string
	insecure, httpsGet      bool
	full, txtJoin           bool
	stats, showConfig       bool

	modes dnsModes
}

// addFlags defines the flags of dns-query on c.
func (o *dnsOptions) addFlags(c *cobra.Command) {
	flagGroup(c, groupCommon, o.commonFlags)
	flagGroup(c, "Look-up", o.lookupFlags)
	flagGroup(c, "Question", o.questionFlags)
	flagGroup(c, "Servers and transports", o.serverFlags)
	o.addModeFlags(c)
	flagGroup(c, "Output", o.outputFlags)
	// cobra parses after this; the run function asks what was set.
	c.PreRun = func(c *cobra.Command, _ []string) {
		o.queueSet, o.decodeSet = c.Flags().Changed("queue"), c.Flags().Changed("decode")
	}
}

func (o *dnsOptions) commonFlags(f *pflag.FlagSet) {
	f.StringSliceVarP(&o.types, "type", "t", nil, "ask for records of `TYPE` (several: repeat it, or A,AAAA)")
	f.StringArrayVarP(&o.reverse, "reverse", "x", nil, "ask for the name of `ADDR`, an address in any form, or of every address of a block (192.0.2.0/28)")
	f.StringVarP(&o.class, "class", "c", "", "ask in `CLASS`: IN, CH, HS or CLASSnnn (default IN)")
	f.StringSliceVarP(&o.nameservers, "nameserver", "n", nil, "use `SERVER` in place of the system's name servers, through the cache (several: repeat it)")
	f.BoolVar(&o.full, "full", false, "print all sections of the reply, as dig does")
	f.BoolVarP(&o.do, "dnssec", "d", false, "ask for DNSSEC records (sets DO); --full and --json show them")
	f.BoolVar(&o.tcp, "tcp", false, "ask over TCP (the same as --transport tcp)")
}

func (o *dnsOptions) lookupFlags(f *pflag.FlagSet) {
	f.IntVar(&o.repeat, "repeat", 0, "try `N` times in all before giving up (default 5, or what resolv.conf says)")
	durationVar(f, &o.tryTimeout, "try-timeout", 0, "wait `DURATION` for the reply of each try (default 5s, or what resolv.conf says)")
	enumVar(f, &o.search, "search", "", []string{"documented", "ndots"}, "complete names with domain and search list by `RULE`: documented (also without RULE) or ndots")
	f.Lookup("search").NoOptDefVal = "documented"
	f.StringVar(&o.domain, "domain", "", "take `NAME` as the domain of this machine, the first of the search list")
	f.StringSliceVar(&o.searchList, "search-list", nil, "complete names with each `NAME` (several: repeat it, or a,b)")
	f.BoolVar(&o.lookup, "lookup", false, "find the addresses of hosts: hosts file, the name itself, then the search list")
	enumVar(f, &o.ipv6, "ipv6", "no", []string{"no", "only", "prefer"}, "with --lookup, find IPv6 addresses: `WHEN`")
	f.StringVar(&o.hostsFile, "hosts-file", "", "read `FILE` in place of the system's hosts file")
	f.BoolVar(&o.noHosts, "no-hosts", false, "look in no hosts file")
	f.BoolVar(&o.queue, "queue", true, "answer equal questions once, from the cache; never with @SERVER or without decoding")
	f.BoolVar(&o.decode, "decode", true, "take the answer out of the reply; --decode=false shows the reply as it came")
	f.BoolVar(&o.raw, "raw", false, "show the reply as it came (the same as --decode=false)")
	f.BoolVar(&o.ignoreCache, "ignore-cache", false, "ask although the cache has an answer, and keep the new one")
	f.StringVar(&o.cacheFile, "cache-file", "", "keep the cache in `FILE` from run to run")
	durationVar(f, &o.stale, "stale", 0, "use answers of the cache up to `DURATION` past their time, while asking again")
	f.BoolVar(&o.follow, "follow", false, "ask for the target of an alias that the reply does not resolve")
	f.BoolVar(&o.rotate, "rotate", false, "begin each question at another name server")
	f.StringVar(&o.resolvConf, "resolv-conf", "", "read `FILE` in place of the system's resolver configuration")
}

func (o *dnsOptions) questionFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.noRecursion, "no-recursion", false, "do not ask for recursion (clears RD)")
	f.BoolVar(&o.ad, "ad", false, "ask whether the server has validated the answer (sets AD)")
	f.BoolVar(&o.cd, "cd", false, "have the server not validate (sets CD)")
	f.BoolVar(&o.noEDNS, "no-edns", false, "send no EDNS record")
	f.Uint16Var(&o.udpSize, "udp-size", dnsq.DefaultUDPSize, "announce replies of `N` octets over UDP")
	f.StringVar(&o.subnet, "subnet", "", "send the client subnet `PREFIX` (192.0.2.0/24; 0.0.0.0/0 asks for privacy)")
	f.BoolVar(&o.nsid, "nsid", false, "ask for the name of the server instance")
	f.BoolVar(&o.noCookie, "no-cookie", false, "send no cookie")
	f.IntVar(&o.padding, "padding", 0, "pad questions to multiples of `N` octets (0: 128 where encrypted; -1: never)")
	f.BoolVar(&o.randomCase, "random-case", false, "ask with letters of random case and demand them back (0x20)")
	f.BoolVar(&o.keepTruncated, "no-tcp-fallback", false, "do not ask again over TCP when a reply is truncated")
	f.StringVar(&o.tsig, "tsig", "", "sign with the key `[ALGORITHM:]NAME:SECRET`")
	secretFlag(f, "tsig")
	f.StringVar(&o.tsigFile, "tsig-file", "", "sign with the key in `FILE`, in the form of --tsig")
}

func (o *dnsOptions) serverFlags(f *pflag.FlagSet) {
	enumVar(f, &o.transport, "transport", "", []string{"udp", "tcp", "tls", "https", "quic"}, "ask servers given without transport over `TRANSPORT`")
	f.Uint16VarP(&o.port, "port", "p", 0, "ask servers given without port on port `N`")
	f.StringVar(&o.tlsName, "tls-name", "", "demand a certificate for `NAME` (default the server's host)")
	f.StringSliceVar(&o.pins, "tls-pin", nil, "demand a key with the SHA-256 digest `PIN`, in base64 (several: repeat it)")
	f.StringVar(&o.caFile, "ca-file", "", "trust the certificates in `FILE` (PEM) in place of the system's")
	f.BoolVar(&o.insecure, "insecure", false, "take any certificate")
	f.BoolVar(&o.httpsGet, "https-get", false, "use GET for DNS over HTTPS, not POST")
}

func (o *dnsOptions) outputFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.txtJoin, "txt-join", false, "print the strings of a TXT record as one, without quotes")
	f.BoolVar(&o.stats, "stats", false, "print what each name server was asked and answered")
	f.BoolVar(&o.showConfig, "show-config", false, "print name servers, domain, search list and options in use, and ask nothing")
}

// isRaw reports whether the reply is shown as it came.
func (o *dnsOptions) isRaw() bool { return o.raw || !o.decode }

// client makes the DNS client, and the QUIC client it uses.
func (o *dnsOptions) client() (*dnsq.Client, *doq.Client, error) {
	cfg, err := o.tlsConfig()
	if err != nil {
		return nil, nil, err
	}
	tsig, err := o.tsigKey()
	if err != nil {
		return nil, nil, err
	}
	quic := new(doq.Client)
	return &dnsq.Client{Timeout: time.Hour, // each try has a bound of its own
		TLSConfig: cfg, QUIC: quic.Exchange, HTTPGet: o.httpsGet, KeepTruncated: o.keepTruncated,
		NoCookie: o.noCookie, RandomCase: o.randomCase, Padding: o.padding, TSIG: tsig}, quic, nil
}

// tlsConfig says which certificates of servers to trust.
func (o *dnsOptions) tlsConfig() (*tls.Config, error) {
	for _, pin := range o.pins {
		if b, err := base64.StdEncoding.DecodeString(pin); err != nil || len(b) != 32 {
			return nil, usagef("--tls-pin %s: not a SHA-256 digest in base64", pin)
		}
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure}
	if o.caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(o.caFile)
	if err != nil {
		return nil, at(o.caFile, localIO(err))
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca-file %s: no certificate in it", o.caFile)
	}
	return cfg, nil
}

// tsigKey is the key of --tsig or --tsig-file, nil when there is none.
func (o *dnsOptions) tsigKey() (*dnsq.TSIG, error) {
	text := o.tsig
	if o.tsigFile != "" {
		b, err := os.ReadFile(o.tsigFile)
		if err != nil {
			return nil, at(o.tsigFile, localIO(err))
		}
		text = strings.TrimSpace(string(b))
	}
	if text == "" {
		return nil, nil
	}
	key, err := dnsq.ParseTSIG(text)
	if err != nil {
		return nil, &failure{err: err, status: statusUsage, kind: "usage"}
	}
	return &key, nil
}

// resolver makes the resolver. Servers of the plan are its name servers, so that
// it needs none of the system.
func (o *dnsOptions) resolver(client *dnsq.Client, plan *dnsPlan) (*dnsq.Resolver, error) {
	header, err := o.header(plan.class)
	if err != nil {
		return nil, err
	}
	servers := plan.servers
	if len(servers) == 0 {
		if servers, err = o.configuredServers(); err != nil {
			return nil, err
		}
	}
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: servers, Domain: o.domain, Search: o.searchList,
		ResolvConf: o.resolvConf, Env: resolvEnv(), HostsFile: o.hostsFile, NoHosts: o.noHosts || !o.lookup,
		Header: header, Exchange: client.Exchange, Rotate: o.rotate, Stale: o.stale})
	return r, localIO(err)
}

// header says how to ask.
func (o *dnsOptions) header(class uint16) (dnsq.Header, error) {
	h := dnsq.Header{Class: class, NoRecursion: o.noRecursion, AD: o.ad, CD: o.cd, DO: o.do,
		NoEDNS: o.noEDNS, UDPSize: o.udpSize, NSID: o.nsid}
	if o.noEDNS && (o.do || o.nsid || o.subnet != "") {
		return h, usagef("--no-edns excludes --dnssec, --nsid and --subnet, which need it")
	}
	if o.subnet == "" {
		return h, nil
	}
	prefix, err := netip.ParsePrefix(o.subnet)
	if addr, aerr := netip.ParseAddr(o.subnet); aerr == nil {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		return h, usagef("--subnet %s: not an address with prefix length", o.subnet)
	}
	h.ClientSubnet = prefix
	return h, nil
}

// configuredServers are those of --nameserver, or the system's when they are to
// be asked in another way than usual.
func (o *dnsOptions) configuredServers() ([]dnsq.Server, error) {
	if len(o.nameservers) > 0 {
		return o.servers(o.nameservers)
	}
	if o.transport == "" && !o.tcp && o.port == 0 {
		return nil, nil
	}
	sys, err := dnsq.ReadSystemConfig(o.resolvConf, resolvEnv())
	if err != nil {
		return nil, localIO(err)
	}
	for i := range sys.Nameservers {
		if err := o.complete(&sys.Nameservers[i]); err != nil {
			return nil, err
		}
	}
	return sys.Nameservers, nil
}

// servers reads servers and completes them with the flags.
func (o *dnsOptions) servers(texts []string) ([]dnsq.Server, error) {
	var servers []dnsq.Server
	for _, text := range texts {
		srv, err := dnsq.ParseServer(text)
		if err != nil {
			f := &failure{err: err, status: statusUsage, kind: "bad-server"}
			if scheme, _, ok := strings.Cut(text, "://"); ok {
				if near := nearest(scheme, []string{"udp", "tcp", "tls", "https", "quic"}); near != "" && near != scheme {
					f.hint("did you mean %s://?", near)
				}
			}
			return nil, f
		}
		if err := o.complete(&srv); err != nil {
			return nil, err
		}
		servers = append(servers, srv)
	}
	return servers, nil
}

// complete fills in what a server was given without.
func (o *dnsOptions) complete(srv *dnsq.Server) error {
	if srv.Transport == "" {
		srv.Transport = dnsq.Transport(o.transport)
		if o.tcp {
			srv.Transport = dnsq.TCP
		}
	}
	if o.tcp && o.transport != "" && o.transport != "tcp" {
		return usagef("--tcp and --transport %s exclude each other", o.transport)
	}
	if srv.Port == 0 {
		srv.Port = o.port
	}
	if srv.ServerName == "" {
		srv.ServerName = o.tlsName
	}
	srv.Pins = o.pins
	return nil
}
