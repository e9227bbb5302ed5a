package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/ftpx"
	"github.com/brio-net/brio/pkg/socket"
	"github.com/brio-net/brio/pkg/tlsx"
)

// ftpFlags are the flags of every FTP command: how to reach a server, how to
// log in, who opens the data connections.
type ftpFlags struct {
	dial dialFlags

	user, password, passwordFile string
	account, netrc               string

	security           string
	caFiles            []string
	insecure           bool
	certFile, keyFile  string
	keyPassFile        string
	methods            []string
	proxies            []string
	clearData          bool
	data               string
	active             bool
	activeAddr, ports  string
	noEPSV, noMLSD     bool
	rawNames, text     bool
	noPipelining       bool
	eol                string
	replyTimeout, idle time.Duration
	retries            int
	retryDelay         time.Duration
	rate               int64

	// say prints a note past the progress line. Nil where there is none.
	say func(format string, a ...any)
}

// add defines the flags in their groups.
func (o *ftpFlags) add(c *cobra.Command) {
	o.dial.add(c)
	flagGroup(c, "Waits, retries, rate", func(f *pflag.FlagSet) {
		durationVar(f, &o.replyTimeout, "reply-timeout", ftpx.DefaultReplyTimeout, "wait at most `DURATION` for a reply")
		durationVar(f, &o.idle, "idle-timeout", ftpx.DefaultIdleTimeout, "give up when no data moves for `DURATION`")
		f.IntVar(&o.retries, "retries", 3, "try again `N` times after a broken connection, a time-out or a 4xx reply")
		durationVar(f, &o.retryDelay, "retry-delay", time.Second, "wait `DURATION` before the second attempt, twice as long before each further one")
		sizeVar(f, &o.rate, "rate", 0, "move at most `SIZE` bytes a second, with one session")
	})
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.StringVarP(&o.user, "user", "u", "", "log in as `NAME` (default: of the URL, of .netrc, anonymous)")
	})
	flagGroup(c, "Login", func(f *pflag.FlagSet) {
		f.StringVar(&o.password, "password", "", "log in with `PASSWORD`; better in the environment or a file")
		f.StringVar(&o.passwordFile, "password-file", "", "read the password from the first line of `FILE` (-: stdin)")
		f.StringVar(&o.account, "account", "", "answer a server that asks for an account with `NAME`")
		f.StringVar(&o.netrc, "netrc", "auto", "look logins up in `FILE` (auto: ~/.netrc if there; none)")
		secretFlag(f, "password")
	})
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		enumVar(f, &o.security, "tls", "auto", []string{"auto", "off", "try", "explicit", "implicit"}, "protect the session: `HOW` (auto: implicit for ftps://, else off)")
	})
	flagGroup(c, "TLS", func(f *pflag.FlagSet) {
		f.StringSliceVarP(&o.methods, "method", "m", []string{"tls"}, "allow these protocols: "+strings.Join(methodWords(), ", ")+" (`LIST`)")
		f.StringArrayVar(&o.caFiles, "ca-file", nil, "trust the certificates in `FILE` instead of the system's (may be repeated)")
		f.BoolVarP(&o.insecure, "insecure", "k", false, "accept any certificate")
		f.StringVar(&o.certFile, "certificate", "", "authenticate to the server with the certificate and chain in `FILE` (PEM, DER, PKCS #12)")
		f.StringVar(&o.keyFile, "key", "", "read the private key from `FILE` (default: the file of the certificate)")
		f.StringVar(&o.keyPassFile, "key-password-file", "", "open the key with the first line of `FILE` (-: stdin)")
		f.BoolVar(&o.clearData, "clear-data", false, "leave the data connections of a TLS session in clear")
	})
	flagGroup(c, "Data", func(f *pflag.FlagSet) {
		enumVar(f, &o.data, "data", "auto", []string{"auto", "passive", "active", "active-first"}, "who opens data connections: `MODE` (auto: passive, then active)")
		f.BoolVar(&o.active, "active", false, "let the server open data connections (the same as --data active)")
		f.StringVar(&o.activeAddr, "active-address", "", "tell the server to connect to `ADDR` in active mode")
		f.StringVar(&o.ports, "active-ports", "", "listen on one of the ports `LOW-HIGH` in active mode")
		f.StringArrayVar(&o.proxies, "proxy", nil, "connect through a proxy: socks5h, socks5, socks4a, socks4 or http `URL` (repeated: a chain)")
		f.BoolVar(&o.noEPSV, "no-epsv", false, "use PASV and PORT at once")
		f.BoolVar(&o.noMLSD, "no-mlsd", false, "list directories with LIST only")
		f.BoolVar(&o.noPipelining, "no-pipelining", false, "wait for each reply before the next command, as some firewalls demand")
		f.BoolVar(&o.rawNames, "raw-names", false, "do not ask the server for UTF-8 names")
	})
	secretFlag(c.Flags(), "proxy")
	_ = c.RegisterFlagCompletionFunc("method", cobra.FixedCompletions(methodWords(), cobra.ShellCompDirectiveNoFileComp)) // fails only when registered twice
}

// addText defines the flags of text mode.
func (o *ftpFlags) addText(f *pflag.FlagSet) {
	f.BoolVarP(&o.text, "text", "a", false, "move lines of text and convert their ends (TYPE A)")
}

// config is the configuration for the server of u.
func (o *ftpFlags) config(e *env, u ftpx.URL) (ftpx.Config, error) {
	cfg := ftpx.Config{
		Account: o.account, NoEPSV: o.noEPSV, NoMLSD: o.noMLSD, RawNames: o.rawNames, ClearData: o.clearData, OneAtATime: o.noPipelining,
		ConnectTimeout: unlimited(o.dial.connectTimeout), ReplyTimeout: unlimited(o.replyTimeout), IdleTimeout: unlimited(o.idle),
	}
	if err := o.setDial(&cfg); err != nil {
		return cfg, err
	}
	var err error
	if cfg.TLS, err = o.tlsConfig(e); err != nil {
		return cfg, err
	}
	if err := o.setData(&cfg); err != nil {
		return cfg, err
	}
	if e.verbose > 1 || e.debug {
		cfg.Debug = dialogueWriter{e}
	}
	cfg.FellBack = func(to ftpx.DataMode, why error) { o.sayFellBack(e, to, why) }
	cfg = u.Apply(cfg)
	if cfg.Security, err = o.securityOf(u); err != nil {
		return cfg, err
	}
	if len(o.proxies) > 0 {
		cfg.DataHost = cfg.Host // the peer's address is the proxy's
	}
	return cfg, o.setLogin(e, &cfg)
}

// setDial makes connections as the flags say. They are bare, so that the kernel
// can move their bytes.
func (o *ftpFlags) setDial(cfg *ftpx.Config) error {
	sock, err := o.dial.config()
	if err != nil {
		return err
	}
	alive := true // a long transfer leaves the control connection idle
	if sock.Options.KeepAlive == nil {
		sock.Options.KeepAlive = &alive
	}
	var proxies []socket.Proxy
	for _, text := range o.proxies {
		p, err := socket.ParseProxy(text)
		if err != nil {
			return usagef("--proxy: %w", err)
		}
		proxies = append(proxies, p)
	}
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		first := addr
		if len(proxies) > 0 {
			first = proxies[0].Address
		}
		c, err := socket.Dial(ctx, network, first, sock)
		if err != nil {
			return nil, err
		}
		if len(proxies) > 0 {
			if err := socket.ThroughProxies(ctx, c.NetConn(), proxies, addr, sock.Lookup); err != nil {
				_ = c.Abort() // the refusal says more
				return nil, err
			}
		}
		return c.NetConn(), nil
	}
	return nil
}

// unlimited turns the "none" of a flag into a very long time: zero means the
// default to the library.
func unlimited(d time.Duration) time.Duration {
	if d == 0 {
		return 1 << 62
	}
	return d
}

// sayFellBack tells of another data mode: aloud when it was waited for.
func (o *ftpFlags) sayFellBack(e *env, to ftpx.DataMode, why error) {
	who := "passive"
	if to == ftpx.DataActive {
		who = "active"
	}
	if errors.Is(why, os.ErrDeadlineExceeded) {
		o.note(e, "%v; trying %s data connections", why, who)
		return
	}
	e.verbosef("%v; trying %s data connections", why, who)
}

func (o *ftpFlags) note(e *env, format string, a ...any) {
	if o.say != nil {
		o.say(format, a...)
		return
	}
	e.note(format, a...)
}

// dialogueWriter shows the dialogue line by line.
type dialogueWriter struct{ e *env }

func (d dialogueWriter) Write(p []byte) (int, error) {
	d.e.detail("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func (o *ftpFlags) securityOf(u ftpx.URL) (ftpx.Security, error) {
	switch o.security {
	case "off":
		if u.Secure {
			return 0, usagef("--tls off contradicts ftps://")
		}
		return ftpx.Plain, nil
	case "try":
		return ftpx.TryTLS, nil
	case "explicit":
		return ftpx.ExplicitTLS, nil
	case "implicit":
		return ftpx.ImplicitTLS, nil
	}
	if u.Secure {
		return ftpx.ImplicitTLS, nil
	}
	return ftpx.Plain, nil
}

func (o *ftpFlags) tlsConfig(e *env) (*tls.Config, error) {
	set, err := tlsx.ParseMethods(strings.Join(o.methods, ","))
	if err != nil {
		return nil, wordError(err, o.methods, methodWords())
	}
	versions, _, err := set.Versions()
	if err != nil {
		return nil, usagef("%w", err)
	}
	cfg := &tls.Config{InsecureSkipVerify: o.insecure, MinVersion: versions[0], MaxVersion: versions[len(versions)-1]}
	for _, name := range o.caFiles {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, usagef("--ca-file: %w", err)
		}
		if cfg.RootCAs == nil {
			cfg.RootCAs = x509.NewCertPool()
		}
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, usagef("--ca-file %s holds no certificate", name)
		}
	}
	if o.certFile == "" {
		return cfg, nil
	}
	cert, err := tlsx.ReadIdentity(o.certFile, o.keyFile, o.keyPassword(e))
	if errors.Is(err, tlsx.ErrPasswordRequired) {
		return nil, failf(statusUsage, "password-required", "%w", err).hint("give it with --key-password-file FILE (-: stdin)")
	}
	if err != nil {
		return nil, identityError(err)
	}
	cfg.Certificates = []tls.Certificate{cert}
	return cfg, nil
}

// keyPassword gives what opens the private key.
func (o *ftpFlags) keyPassword(e *env) tlsx.PasswordFunc {
	return func() ([]byte, error) {
		if o.keyPassFile == "" {
			return nil, tlsx.ErrPasswordRequired
		}
		return readSecret(e, o.keyPassFile)
	}
}

func (o *ftpFlags) setData(cfg *ftpx.Config) (err error) {
	switch {
	case o.active && o.data != "auto" && o.data != "active":
		return usagef("--active contradicts --data %s", o.data)
	case o.active || o.data == "active":
		cfg.Data = ftpx.DataActive
	case o.data == "passive":
		cfg.Data = ftpx.DataPassive
	case o.data == "active-first":
		cfg.Data = ftpx.DataActiveFirst
	}
	if o.activeAddr != "" {
		if cfg.ActiveAddr, err = netip.ParseAddr(o.activeAddr); err != nil {
			return usagef("--active-address: %w", err)
		}
	}
	if o.ports == "" {
		return nil
	}
	low, high, found := strings.Cut(o.ports, "-")
	if !found {
		high = low
	}
	a, err1 := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || b < a {
		return usagef("--active-ports %q is not a range of ports such as 50000-50010", o.ports)
	}
	cfg.ActivePorts = ftpx.PortRange{Low: uint16(a), High: uint16(b)}
	return nil
}

// setLogin fills user and password: flag, URL, file, .netrc.
func (o *ftpFlags) setLogin(e *env, cfg *ftpx.Config) error {
	if o.user != "" {
		if cfg.User != "" && cfg.User != o.user {
			return usagef("--user %s contradicts the URL", o.user)
		}
		cfg.User = o.user
	}
	if o.password != "" {
		cfg.Password = o.password
	}
	if o.passwordFile != "" {
		line, err := readSecret(e, o.passwordFile)
		if err != nil {
			return usagef("--password-file: %w", err)
		}
		cfg.Password = string(line)
	}
	if strings.ContainsAny(cfg.User+cfg.Password+cfg.Account, "\r\n\x00") {
		return usagef("line break or NUL in user, password or account")
	}
	if cfg.Password != "" {
		return nil
	}
	return o.lookUpLogin(e, cfg)
}

// lookUpLogin asks the .netrc file.
func (o *ftpFlags) lookUpLogin(e *env, cfg *ftpx.Config) error {
	name := o.netrc
	if name == "none" {
		return nil
	}
	if name == "auto" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil // no home, no .netrc
		}
		name = filepath.Join(home, ".netrc")
	}
	text, err := os.ReadFile(name)
	if o.netrc == "auto" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usagef("--netrc: %w", err)
	}
	n, err := ftpx.ParseNetrc(string(text))
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	if entry, found := n.Find(cfg.Host, cfg.User); found {
		if entry.Password != "" {
			e.warnLooseFile(name)
		}
		cfg.User, cfg.Password = entry.Login, entry.Password
		if cfg.Account == "" {
			cfg.Account = entry.Account
		}
	}
	return nil
}

// retry is the policy for what is done with target; each wait is announced.
func (o *ftpFlags) retry(e *env, target string) ftpx.Retry {
	return ftpx.Retry{Times: o.retries, Delay: o.retryDelay, Notify: func(err error, wait time.Duration) {
		o.note(e, "%s: %v; trying again in %v", target, err, wait.Round(100*time.Millisecond))
	}}
}

// mode is the transfer mode: of the URL, else of --text.
func (o *ftpFlags) mode(u ftpx.URL) ftpx.Mode {
	if u.Type == 'a' || o.text && u.Type == 0 {
		return ftpx.Text
	}
	return ftpx.Binary
}

func (o *ftpFlags) lineEnd() ftpx.LineEnd {
	switch o.eol {
	case "crlf":
		return ftpx.CRLF
	case "keep":
		return ftpx.KeepLineEnd
	}
	return ftpx.LF
}

// parseFTPURL reads a URL of the command line; the scheme may be left out.
func parseFTPURL(s string) (ftpx.URL, error) {
	text := s
	for _, typo := range []string{"ftp:/", "ftps:/"} {
		if rest, ok := strings.CutPrefix(s, typo); ok && !strings.HasPrefix(rest, "/") {
			return ftpx.URL{}, usagef("a URL begins with %s/", typo)
		}
	}
	if !strings.Contains(s, "://") {
		text = "ftp://" + s
	}
	u, err := ftpx.ParseURL(text)
	if err != nil {
		return u, usagef("%w", err)
	}
	if err := validHost(u.Host); err != nil {
		return u, usagef("%w", err)
	}
	return u, nil
}

// serverName names the server of cfg in messages and results, without secrets.
func serverName(cfg ftpx.Config) string {
	scheme := "ftp"
	if cfg.Security == ftpx.ImplicitTLS {
		scheme = "ftps"
	}
	return fmt.Sprintf("%s://%s", scheme, cfg.Addr())
}

// ftpURL is the URL of a path on the server of cfg, without secrets. Whatever
// bytes a name has, the URL leads back to it.
func ftpURL(cfg ftpx.Config, path string) string {
	var b strings.Builder
	b.WriteString(serverName(cfg) + "/")
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case i == 0 && r == '/', r == utf8.RuneError && n == 1, r <= ' ', r == 0x7f, strings.ContainsRune("%?#*[]\\;", r):
			fmt.Fprintf(&b, "%%%02X", path[i])
		default:
			b.WriteString(path[i : i+n])
		}
		i += n
	}
	return b.String()
}
