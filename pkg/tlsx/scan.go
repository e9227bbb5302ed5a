package tlsx

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A ScanConfig says how to reach the server to scan.
type ScanConfig struct {
	// Dial makes a connection on which TLS can begin, one for each question.
	Dial func(context.Context) (net.Conn, error)
	// ServerName is sent as SNI. Empty means none.
	ServerName string
	// Parallel is how many connections are open at once. Zero means 8.
	Parallel int
	// ProbeTimeout bounds one question. Zero means 5 seconds.
	ProbeTimeout time.Duration
	// ALPN lists the protocols to ask for. Nil means the usual ones.
	ALPN []string
}

// A ScanResult is what a server supports. It is not authenticated.
type ScanResult struct {
	Versions []ScanVersion `json:"versions"`
	// Groups are the key agreement groups, in the server's order where it has
	// one; Groups12 those up to TLS 1.2.
	Groups   []string `json:"groups"`
	Groups12 []string `json:"groups_tls12"`
	// SignatureSchemes are those of TLS 1.3, SignatureSchemes12 of TLS 1.2.
	SignatureSchemes    []string `json:"signature_schemes"`
	SignatureSchemes12  []string `json:"signature_schemes_tls12"`
	ALPN                []string `json:"alpn"`
	Compression         bool     `json:"compression"`
	SecureRenegotiation bool     `json:"secure_renegotiation"`
	// ClientRenegotiation is what comes of a client's second handshake.
	ClientRenegotiation  Renegotiation `json:"client_renegotiation"`
	ExtendedMasterSecret bool          `json:"extended_master_secret"`
	EncryptThenMAC       bool          `json:"encrypt_then_mac"`
	SessionTickets       bool          `json:"session_tickets"`
	Heartbeat            bool          `json:"heartbeat"`
	FallbackSCSV         bool          `json:"fallback_scsv"` // refuses a needless downgrade (RFC 7507)
	CertificateRequested bool          `json:"certificate_requested"`
	OCSPStaple           bool          `json:"ocsp_staple"`
	Chains               [][][]byte    `json:"-"` // one for each kind of key, DER
	Probes               int           `json:"probes"`
	Failures             int           `json:"failures"` // questions that got no answer in time
}

// A ScanVersion is one protocol version of a scanned server.
type ScanVersion struct {
	Version   string        `json:"version"`
	Supported bool          `json:"supported"`
	Suites    []CipherSuite `json:"suites"` // in the server's order where it has one
	// Preference is "server" or "client": whose order decides. It is "" where
	// there is only one suite.
	Preference string `json:"preference"`
	// DHBits is the size of the finite field of DHE suites, 0 without them.
	DHBits int `json:"dh_bits"`
	// Unanswered says that a question about the version got no answer: there
	// may be more to it.
	Unanswered bool `json:"unanswered"`

	number uint16
}

// scanner asks one server many questions.
type scanner struct {
	cfg      ScanConfig
	slots    chan struct{}
	probes   atomic.Int64
	failures atomic.Int64

	mu     sync.Mutex
	result ScanResult
}

// Scan finds out what a server supports by asking it many times. The error is
// that of the first question; later failures are counted in the result.
func Scan(ctx context.Context, cfg ScanConfig) (*ScanResult, error) {
	if cfg.Parallel <= 0 {
		cfg.Parallel = 8
	}
	if cfg.ProbeTimeout <= 0 {
		cfg.ProbeTimeout = 5 * time.Second
	}
	s := &scanner{cfg: cfg, slots: make(chan struct{}, cfg.Parallel)}
	s.result = ScanResult{Groups: []string{}, Groups12: []string{}, SignatureSchemes: []string{}, SignatureSchemes12: []string{}, ALPN: []string{}, ClientRenegotiation: RenegotiationNotTried}
	if err := s.reachable(ctx); err != nil {
		return nil, err
	}
	s.scanVersions(ctx)
	if s.supports(tls.VersionTLS13) || s.newest() != 0 {
		s.scanRest(ctx)
	}
	s.result.Probes, s.result.Failures = int(s.probes.Load()), int(s.failures.Load())
	return &s.result, ctx.Err()
}

// reachable makes the first connection, whose failure is that of the scan.
func (s *scanner) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	conn, err := s.cfg.Dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// ask puts one question. Nil means no: a refusal, a closed connection, or no
// answer, which counts as a failure.
func (s *scanner) ask(ctx context.Context, q RawConfig) *RawResult {
	r, _ := s.answer(ctx, q)
	return r
}

// answer is ask that tells no from no answer.
func (s *scanner) answer(ctx context.Context, q RawConfig) (r *RawResult, answered bool) {
	q.ServerName = s.cfg.ServerName
	answered = s.onConn(ctx, func(ctx context.Context, conn net.Conn) (err error) {
		r, err = ProbeRaw(ctx, conn, q)
		return err
	})
	return r, answered
}

// onConn has question ask on a connection of its own, when it is its turn. An
// error that is no refusal counts as no answer.
func (s *scanner) onConn(ctx context.Context, question func(context.Context, net.Conn) error) (answered bool) {
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	s.probes.Add(1)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	conn, err := s.cfg.Dial(ctx)
	if err != nil {
		s.failures.Add(1)
		return false
	}
	defer conn.Close()
	if err := question(ctx, conn); err != nil && !isRefusal(err) {
		s.failures.Add(1)
		return false
	}
	return true
}

// isRefusal reports an answer that means no: an alert, hanging up, or what we
// cannot go on with.
func isRefusal(err error) bool {
	var alert *RawAlert
	return errors.As(err, &alert) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, ErrNotTLS) || errors.Is(err, errors.ErrUnsupported)
}

// all runs the functions at the same time.
func all(functions ...func()) {
	var wg sync.WaitGroup
	for _, f := range functions {
		wg.Go(f)
	}
	wg.Wait()
}

func (s *scanner) scanVersions(ctx context.Context) {
	numbers := []uint16{0x0300, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	s.result.Versions = make([]ScanVersion, len(numbers)+1)
	ssl2 := &s.result.Versions[0]
	*ssl2 = ScanVersion{Version: VersionName(2), Suites: []CipherSuite{}, number: 2}
	work := []func(){func() { ssl2.Supported, ssl2.Unanswered = s.askSSL2(ctx) }}
	for i, n := range numbers {
		v := &s.result.Versions[i+1]
		*v = ScanVersion{Version: VersionName(n), Suites: []CipherSuite{}, number: n}
		work = append(work, func() { s.scanSuites(ctx, v) })
	}
	all(work...)
}

// pick asks with ever fewer items, leaving out what the server has picked, until
// it picks none. The picks come in the server's order of preference.
func pick(items []uint16, ask func([]uint16) (picked uint16, ok bool)) []uint16 {
	var picks []uint16
	left := slices.Clone(items)
	for len(left) > 0 {
		p, ok := ask(left)
		i := slices.Index(left, p)
		if !ok || i < 0 {
			break // a server that picks what was not offered is no guide
		}
		picks = append(picks, p)
		left = slices.Delete(left, i, i+1)
	}
	return picks
}

func (s *scanner) scanSuites(ctx context.Context, v *ScanVersion) {
	is13 := v.number == tls.VersionTLS13
	ask := func(suites []uint16) (uint16, bool) {
		r, answered := s.answer(ctx, RawConfig{Versions: []uint16{v.number}, Suites: suites, HelloOnly: true})
		v.Unanswered = v.Unanswered || !answered
		if r == nil || r.version != v.number {
			return 0, false
		}
		s.noteExtensions(r)
		return r.Cipher.ID, true
	}
	picks := pick(allSuites(!is13, is13), ask)
	for _, id := range picks {
		v.Suites = append(v.Suites, SuiteByID(id))
	}
	v.Supported = len(picks) > 0
	if len(picks) > 1 {
		reversed := slices.Clone(picks)
		slices.Reverse(reversed)
		v.Preference = "server"
		if first, ok := ask(reversed); ok && first == reversed[0] {
			v.Preference = "client"
		}
	}
	s.scanDH(ctx, v, picks)
}

// scanDH asks for the size of the field behind the DHE suites.
func (s *scanner) scanDH(ctx context.Context, v *ScanVersion, suites []uint16) {
	finite := slices.DeleteFunc(slices.Clone(suites), func(id uint16) bool {
		row, ok := suiteRowByID(id)
		return !ok || row.kx != kDHE
	})
	if len(finite) == 0 {
		return
	}
	if r := s.ask(ctx, RawConfig{Versions: []uint16{v.number}, Suites: finite}); r != nil {
		v.DHBits = r.DHBits
	}
}

// noteExtensions keeps what the server says besides up to TLS 1.2.
func (s *scanner) noteExtensions(r *RawResult) {
	if r.version == tls.VersionTLS13 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.SecureRenegotiation = s.result.SecureRenegotiation || r.SecureRenegotiation
	s.result.ExtendedMasterSecret = s.result.ExtendedMasterSecret || r.ExtendedMasterSecret
	s.result.EncryptThenMAC = s.result.EncryptThenMAC || r.EncryptThenMAC
	s.result.SessionTickets = s.result.SessionTickets || r.SessionTickets
	s.result.Heartbeat = s.result.Heartbeat || r.Heartbeat
}

// supports reports whether the server spoke version n.
func (s *scanner) supports(n uint16) bool {
	return slices.ContainsFunc(s.result.Versions, func(v ScanVersion) bool { return v.number == n && v.Supported })
}

// newest returns the newest version up to TLS 1.2 that the server speaks, 0
// when there is none.
func (s *scanner) newest() uint16 {
	var n uint16
	for _, v := range s.result.Versions {
		if v.Supported && v.number >= 0x0300 && v.number < tls.VersionTLS13 {
			n = v.number
		}
	}
	return n
}

func (s *scanner) scanRest(ctx context.Context) {
	r := &s.result
	work := []func(){
		func() { r.ALPN = s.scanALPN(ctx) },
		func() { r.Chains = s.scanChains(ctx) },
		func() { r.FallbackSCSV = s.scanFallback(ctx) },
	}
	if s.supports(tls.VersionTLS13) {
		work = append(work,
			func() { r.Groups = s.scanGroups13(ctx) },
			func() { r.SignatureSchemes = s.scanSchemes(ctx, tls.VersionTLS13, nil) })
	}
	if n := s.newest(); n != 0 {
		work = append(work,
			func() { r.Groups12 = s.scanGroups12(ctx, n) },
			func() { r.Compression = s.scanCompression(ctx, n) })
		if n == tls.VersionTLS12 {
			work = append(work, func() { r.SignatureSchemes12 = s.scanSchemes(ctx, n, suitesWith(kECDHE|kDHE)) })
		}
	}
	all(work...)
	// Last, because a server that serves one client at a time, such as openssl
	// s_server, lets the others wait a second after it has refused.
	if n := s.newest(); n != 0 {
		r.ClientRenegotiation = s.scanRenegotiation(ctx, n)
	}
}

func namesOf(ids []uint16, name func(uint16) string) []string {
	names := []string{}
	for _, id := range ids {
		names = append(names, name(id))
	}
	return names
}

func allGroups() []uint16 {
	var ids []uint16
	for _, g := range groupTable() {
		ids = append(ids, uint16(g.id))
	}
	return ids
}

// scanGroups13 offers groups without a key: the server then names the one it
// wants in a HelloRetryRequest, and no key has to be made.
func (s *scanner) scanGroups13(ctx context.Context) []string {
	return namesOf(pick(allGroups(), func(groups []uint16) (uint16, bool) {
		r := s.ask(ctx, RawConfig{Versions: []uint16{tls.VersionTLS13}, Groups: groups, NoKeyShare: true})
		return groupOf(r)
	}), GroupName)
}

func groupOf(r *RawResult) (uint16, bool) {
	if r == nil || r.group == 0 {
		return 0, false
	}
	return r.group, true
}

func (s *scanner) scanGroups12(ctx context.Context, version uint16) []string {
	suites := suitesWith(kECDHE)
	return namesOf(pick(allGroups(), func(groups []uint16) (uint16, bool) {
		return groupOf(s.ask(ctx, RawConfig{Versions: []uint16{version}, Groups: groups, Suites: suites}))
	}), GroupName)
}

// suitesWith returns the suites of some key exchanges.
func suitesWith(kx kxSet) []uint16 {
	var ids []uint16
	for _, row := range cipherTable() {
		if row.kx&kx != 0 && row.auth != aNULL {
			ids = append(ids, row.id)
		}
	}
	return ids
}

func (s *scanner) scanSchemes(ctx context.Context, version uint16, suites []uint16) []string {
	var ids []uint16
	for _, row := range schemeTable() {
		ids = append(ids, row.id)
	}
	return namesOf(pick(ids, func(schemes []uint16) (uint16, bool) {
		r := s.ask(ctx, RawConfig{Versions: []uint16{version}, Schemes: schemes, Suites: suites})
		if r == nil || r.scheme == 0 {
			return 0, false
		}
		return r.scheme, true
	}), SignatureSchemeName)
}

func usualALPN() []string {
	return []string{"h2", "http/1.1", "http/1.0", "h2c", "dot", "imap", "pop3", "managesieve", "smtp", "ftp", "nntp", "irc",
		"xmpp-client", "xmpp-server", "mqtt", "postgresql", "tds/8.0", "stun.turn", "coap", "webrtc", "ntske/1", "acme-tls/1"}
}

func (s *scanner) scanALPN(ctx context.Context) []string {
	left := s.cfg.ALPN
	if left == nil {
		left = usualALPN()
	}
	found := []string{}
	for len(left) > 0 {
		r := s.ask(ctx, RawConfig{ALPN: left})
		if r == nil || !slices.Contains(left, r.ALPN) {
			break
		}
		found = append(found, r.ALPN)
		left = slices.DeleteFunc(slices.Clone(left), func(p string) bool { return p == r.ALPN })
	}
	return found
}

func (s *scanner) scanCompression(ctx context.Context, version uint16) bool {
	const deflate = 1
	r := s.ask(ctx, RawConfig{Versions: []uint16{version}, Compressions: []byte{deflate, 0}, HelloOnly: true})
	return r != nil && r.Compression
}

// scanRenegotiation finishes a handshake with a suite that the server takes and
// begins another.
func (s *scanner) scanRenegotiation(ctx context.Context, version uint16) Renegotiation {
	q := RawConfig{ServerName: s.cfg.ServerName, Versions: []uint16{version}}
	for _, id := range suites12() {
		if s.takes(version, id) {
			q.Suites = append(q.Suites, id)
		}
	}
	r := RenegotiationNotTried
	if version < tls.VersionTLS10 || len(q.Suites) == 0 {
		return r
	}
	s.onConn(ctx, func(ctx context.Context, conn net.Conn) (err error) {
		r, err = ProbeRenegotiation(ctx, conn, q)
		return err
	})
	return r
}

// takes reports whether the server took a suite in a version.
func (s *scanner) takes(version, suite uint16) bool {
	return slices.ContainsFunc(s.result.Versions, func(v ScanVersion) bool {
		return v.number == version && slices.ContainsFunc(v.Suites, func(c CipherSuite) bool { return c.ID == suite })
	})
}

// scanFallback offers less than the server can, with the mark of a client that
// fell back: the server should refuse (RFC 7507).
func (s *scanner) scanFallback(ctx context.Context) bool {
	var lower uint16
	for _, v := range s.result.Versions {
		if v.Supported && v.number >= 0x0300 && v.number < tls.VersionTLS13 && (v.number < s.newest() || s.supports(tls.VersionTLS13)) {
			lower = v.number
		}
	}
	if lower == 0 {
		return false
	}
	q := RawConfig{ServerName: s.cfg.ServerName, Versions: []uint16{lower}, HelloOnly: true}
	q.Suites = append([]uint16{suiteFallbackSCSV}, allSuites(true, false)...)
	refused := false
	s.onConn(ctx, func(ctx context.Context, conn net.Conn) error {
		_, err := ProbeRaw(ctx, conn, q)
		refused = err != nil && isRefusal(err) // no answer protects nobody
		return err
	})
	return refused
}

// scanChains asks for each kind of certificate.
func (s *scanner) scanChains(ctx context.Context) [][][]byte {
	questions := []RawConfig{
		{},
		{Versions: []uint16{tls.VersionTLS12}, Suites: suitesFor(aRSA)},
		{Versions: []uint16{tls.VersionTLS12}, Suites: suitesFor(aECDSA)},
		{Versions: []uint16{tls.VersionTLS13}, Schemes: []uint16{0x0403, 0x0503, 0x0603}},
		{Versions: []uint16{tls.VersionTLS13}, Schemes: []uint16{0x0804, 0x0805, 0x0806, 0x0401}},
		{Versions: []uint16{tls.VersionTLS13}, Schemes: []uint16{0x0807, 0x0808}},
	}
	answers := make([]*RawResult, len(questions))
	var work []func()
	for i, q := range questions {
		work = append(work, func() { answers[i] = s.ask(ctx, q) })
	}
	all(work...)
	var chains [][][]byte
	for _, r := range answers {
		if r == nil || len(r.Chain) == 0 {
			continue
		}
		s.result.CertificateRequested = s.result.CertificateRequested || r.CertificateRequested
		s.result.OCSPStaple = s.result.OCSPStaple || r.OCSPStaple > 0
		if !slices.ContainsFunc(chains, func(c [][]byte) bool { return slices.Equal(c[0], r.Chain[0]) }) {
			chains = append(chains, r.Chain)
		}
	}
	return chains
}

func suitesFor(auth authSet) []uint16 {
	var ids []uint16
	for _, row := range cipherTable() {
		if row.auth == auth {
			ids = append(ids, row.id)
		}
	}
	return ids
}

// askSSL2 sends a CLIENT-HELLO of SSL 2.0 with its seven cipher kinds and looks
// for a SERVER-HELLO.
func (s *scanner) askSSL2(ctx context.Context) (spoken, unanswered bool) {
	answered := s.onConn(ctx, func(ctx context.Context, conn net.Conn) (err error) {
		spoken, err = askSSL2(ctx, conn)
		return err
	})
	return spoken, !answered
}

func askSSL2(ctx context.Context, conn net.Conn) (bool, error) {
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	hello := []byte{0x80, 46, 1, 0, 2, 0, 21, 0, 0, 0, 16,
		1, 0, 0x80, 2, 0, 0x80, 3, 0, 0x80, 4, 0, 0x80, 5, 0, 0x80, 6, 0, 0x40, 7, 0, 0xc0}
	hello = append(hello, "sixteen of chance"[:16]...)
	hello[1] = byte(len(hello) - 2)
	if _, err := conn.Write(hello); err != nil {
		return false, err
	}
	answer := make([]byte, 7)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return false, unexpectedEOF(err)
	}
	return answer[0]&0x80 != 0 && answer[2] == 4 && answer[5] == 0 && answer[6] == 2, nil
}
