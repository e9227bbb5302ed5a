package tlsx_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/pkg/tlsx"
)

// oracle makes random chains and asks openssl verify about them.
type oracle struct {
	r      *mrand.Rand
	keys   []*ecdsa.PrivateKey
	serial int64
}

// A randomChain is one question.
type randomChain struct {
	certs []*x509.Certificate // from the leaf to the root
	keys  []*ecdsa.PrivateKey
	crls  [][]byte
	args  []string
	opts  tlsx.VerifyOptions
}

// newOracle makes an oracle that asks the same questions for the same seed;
// $BRIO_ORACLE_SEED is another one.
func newOracle(t *testing.T, seed uint64) *oracle {
	t.Helper()
	if n, err := strconv.ParseUint(os.Getenv("BRIO_ORACLE_SEED"), 10, 64); err == nil {
		seed = n
	}
	o := &oracle{r: mrand.New(mrand.NewPCG(seed, 2)), serial: 100}
	for range 7 {
		o.keys = append(o.keys, newKey(t))
	}
	return o
}

// oracleCases is how many questions to ask: n, or $BRIO_ORACLE_CASES.
func oracleCases(n int) int {
	if s, err := strconv.Atoi(os.Getenv("BRIO_ORACLE_CASES")); err == nil {
		return s
	}
	return n
}

func (o *oracle) chance(n int) bool { return o.r.IntN(n) == 0 }

func pick[T any](o *oracle, list ...T) T { return list[o.r.IntN(len(list))] }

func oracleTime() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }

func oid(parts ...int) asn1.ObjectIdentifier { return parts }

func extension(id asn1.ObjectIdentifier, critical bool, value any) pkix.Extension {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: id, Critical: critical, Value: der}
}

// template makes a certificate that is right, and then changes it a little.
func (o *oracle) template(name string, depth, length int) *x509.Certificate {
	o.serial++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(o.serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Oracle"}},
		NotBefore: oracleTime().AddDate(-1, 0, 0), NotAfter: oracleTime().AddDate(1, 0, 0), BasicConstraintsValid: true,
	}
	if depth > 0 {
		t.IsCA, t.KeyUsage, t.MaxPathLen = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, -1
		o.bendCA(t, depth)
	} else {
		t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		o.bendLeaf(t)
	}
	o.bendAny(t, depth, length)
	return t
}

func (o *oracle) bendCA(t *x509.Certificate, depth int) {
	if o.chance(4) {
		t.MaxPathLen = o.r.IntN(depth + 1)
		t.MaxPathLenZero = t.MaxPathLen == 0
	}
	switch o.r.IntN(20) {
	case 0:
		t.IsCA, t.MaxPathLen = false, 0
	case 1:
		t.BasicConstraintsValid, t.IsCA, t.MaxPathLen = false, false, 0
	case 2:
		t.KeyUsage = x509.KeyUsageCRLSign
	case 3:
		t.KeyUsage = x509.KeyUsageCertSign
	case 4:
		t.KeyUsage = 0
	case 5:
		t.ExtKeyUsage = []x509.ExtKeyUsage{pick(o, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageAny)}
	}
	if o.chance(5) {
		o.constrain(t)
	}
}

// constrain adds name constraints that may or may not suit the leaf.
func (o *oracle) constrain(t *x509.Certificate) {
	t.PermittedDNSDomainsCritical = o.chance(2)
	add := func(list *[]string, s string) { *list = append(*list, s) }
	dns := pick(o, "example.com", ".example.com", "www.example.com", "other.test", "com", "")
	switch o.r.IntN(8) {
	case 0, 1:
		add(&t.PermittedDNSDomains, dns)
	case 2, 3:
		add(&t.ExcludedDNSDomains, dns)
	case 4:
		add(&t.PermittedEmailAddresses, pick(o, "example.com", "a@example.com", ".example.com"))
	case 5:
		_, n, _ := net.ParseCIDR(pick(o, "192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32"))
		t.PermittedIPRanges = []*net.IPNet{n}
	case 6:
		add(&t.ExcludedURIDomains, pick(o, "example.com", ".example.com"))
	case 7:
		name, _ := asn1.Marshal(pkix.Name{Organization: []string{pick(o, "Oracle", "ORACLE", "Other")}}.ToRDNSequence())
		tree := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}
		list, _ := asn1.Marshal([]struct{ Base asn1.RawValue }{{tree}})
		v := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: o.r.IntN(2), IsCompound: true, Bytes: bytes.Clone(list[2:])}
		t.ExtraExtensions = append(t.ExtraExtensions, extension(oid(2, 5, 29, 30), true, []asn1.RawValue{v}))
	}
}

func (o *oracle) bendLeaf(t *x509.Certificate) {
	t.DNSNames = []string{"www.example.com"}
	switch o.r.IntN(12) {
	case 0:
		t.DNSNames = []string{"*.example.com"}
	case 1:
		t.DNSNames, t.Subject.CommonName = nil, "www.example.com"
	case 2:
		t.EmailAddresses = []string{pick(o, "a@example.com", "b@sub.example.com")}
	case 3:
		t.IPAddresses = []net.IP{net.ParseIP(pick(o, "192.0.2.1", "2001:db8::1", "127.0.0.1"))}
	case 4:
		u, _ := url.Parse(pick(o, "https://www.example.com/x", "urn:a:b", "ldap://example.com:389"))
		t.URIs = []*url.URL{u}
	case 5:
		t.ExtKeyUsage = []x509.ExtKeyUsage{pick(o, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageAny, x509.ExtKeyUsageCodeSigning)}
	case 6:
		t.ExtKeyUsage = nil
	case 7:
		t.KeyUsage = pick(o, x509.KeyUsageKeyAgreement, x509.KeyUsageCRLSign, x509.KeyUsageDataEncipherment, 0)
	case 8:
		t.DNSNames = []string{pick(o, "ba*.example.com", "w*.example.com", "*w.example.com", "www.*.com", "*.com", "WWW.EXAMPLE.COM", "www.example.com.")}
	}
}

func (o *oracle) bendAny(t *x509.Certificate, depth, length int) {
	switch o.r.IntN(24) {
	case 0:
		t.NotAfter = oracleTime().AddDate(0, 0, -1)
	case 1:
		t.NotBefore = oracleTime().AddDate(0, 0, 1)
	case 2:
		t.ExtraExtensions = append(t.ExtraExtensions, extension(oid(1, 2, 3, 4), o.chance(2), "x"))
	case 3:
		t.NotAfter = oracleTime()
	case 4:
		t.ExtraExtensions = append(t.ExtraExtensions, extension(oid(2, 5, 29, 36), true, []asn1.RawValue{})) // empty policy constraints
	}
	if depth < length-1 && !o.chance(3) {
		o.addPolicies(t, depth)
	}
	if depth < length-1 && o.chance(3) {
		t.ExtraExtensions = append(t.ExtraExtensions, o.distributionPoints(depth+1))
	}
	if o.chance(8) {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: oid(2, 5, 29, 46), Value: sequence(sequence(o.point()))})
	}
}

func (o *oracle) addPolicies(t *x509.Certificate, depth int) {
	type info struct{ Policy asn1.ObjectIdentifier }
	p1, p2, anyPolicy := oid(1, 3, 5, 7), oid(1, 3, 5, 8), oid(2, 5, 29, 32, 0)
	list := []info{{pick(o, p1, p2, anyPolicy)}}
	if o.chance(3) {
		if extra := pick(o, p1, p2, anyPolicy); !extra.Equal(list[0].Policy) {
			list = append(list, info{extra})
		}
	}
	add := func(e pkix.Extension) { t.ExtraExtensions = append(t.ExtraExtensions, e) }
	add(extension(oid(2, 5, 29, 32), o.chance(4), list))
	if depth == 0 {
		return
	}
	if o.chance(4) {
		add(extension(oid(2, 5, 29, 33), true, [][]asn1.ObjectIdentifier{{pick(o, p1, p2), pick(o, p1, p2)}}))
	}
	if o.chance(5) {
		tag := o.r.IntN(2)
		add(extension(oid(2, 5, 29, 36), true, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte{byte(o.r.IntN(3))}}}))
	}
	if o.chance(6) {
		add(extension(oid(2, 5, 29, 54), true, o.r.IntN(3)))
	}
}

// chain makes two to five certificates; the last one is the root.
func (o *oracle) chain(t *testing.T) *randomChain {
	n := 2 + o.r.IntN(4)
	c := &randomChain{certs: make([]*x509.Certificate, n), keys: make([]*ecdsa.PrivateKey, n)}
	name := ""
	for i := n - 1; i >= 0; i-- {
		if name = fmt.Sprintf("cert %d", i); i > 0 && i < n-1 && o.chance(6) {
			name = fmt.Sprintf("cert %d", i+1) // self-issued
		}
		c.keys[i] = o.keys[i]
		tmpl := o.template(name, i, n)
		parent, signer := tmpl, c.keys[i]
		if i < n-1 {
			parent, signer = c.certs[i+1], c.keys[i+1]
			if o.chance(30) {
				signer = o.keys[len(o.keys)-1]
				copied := *parent
				copied.PublicKey = &signer.PublicKey
				parent = &copied
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &c.keys[i].PublicKey, signer)
		if err != nil {
			return o.chain(t) // a mixture that Go does not write
		}
		if c.certs[i], err = x509.ParseCertificate(der); err != nil {
			c.certs[i] = &x509.Certificate{Raw: der, RawSubject: subjectOf(t, der), PublicKey: &c.keys[i].PublicKey, SubjectKeyId: tmpl.SubjectKeyId}
		}
	}
	return c
}

func subjectOf(t *testing.T, der []byte) []byte {
	t.Helper()
	c, err := tlsx.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c.Subject.Raw
}

// ask chooses the options of the question.
func (o *oracle) ask(c *randomChain) {
	c.opts = tlsx.VerifyOptions{OpenSSLNames: true, Time: oracleTime(), MaxDepth: 100, SecurityLevel: -1}
	c.args = []string{"-attime", strconv.FormatInt(oracleTime().Unix(), 10), "-purpose", "sslserver"}
	flag := func(n int, set *bool, arg string) {
		if o.chance(n) {
			*set = true
			c.args = append(c.args, arg)
		}
	}
	flag(3, &c.opts.Strict, "-x509_strict")
	flag(4, &c.opts.PartialChain, "-partial_chain")
	flag(4, &c.opts.PolicyCheck, "-policy_check")
	flag(5, &c.opts.ExplicitPolicy, "-explicit_policy")
	flag(8, &c.opts.InhibitAny, "-inhibit_any")
	flag(8, &c.opts.InhibitMap, "-inhibit_map")
	flag(8, &c.opts.CheckRootSignature, "-check_ss_sig")
	flag(8, &c.opts.IgnoreCritical, "-ignore_critical")
	if c.opts.ExplicitPolicy || c.opts.InhibitAny || c.opts.InhibitMap {
		c.opts.PolicyCheck = true
		c.args = append(c.args, "-policy_check")
	}
	if c.opts.PolicyCheck && o.chance(2) {
		c.opts.Policies = []string{"1.3.5.7"}
		c.args = append(c.args, "-policy", "1.3.5.7")
	}
	if o.chance(2) {
		c.opts.Hostname = pick(o, "www.example.com", "bar.example.com", "example.com", "WWW.example.COM")
		c.args = append(c.args, "-verify_hostname", c.opts.Hostname)
	}
}

// revoke makes lists for the issuers of the chain and asks for a check.
func (o *oracle) revoke(c *randomChain) {
	c.opts.CRLCheck = tlsx.CRLLeaf
	c.args = append(c.args, "-crl_check")
	if o.chance(2) {
		c.opts.CRLCheck = tlsx.CRLAll
		c.args = append(c.args, "-crl_check_all")
	}
	if o.chance(2) {
		c.opts.ExtendedCRL = true
		c.args = append(c.args, "-extended_crl")
	}
	if o.chance(2) {
		c.opts.UseDeltas = true
		c.args = append(c.args, "-use_deltas")
	}
	for i := 1; i < len(c.certs); i++ {
		for range 1 + o.r.IntN(2) {
			if l := o.list(c, i); l != nil {
				c.crls = append(c.crls, l)
			}
		}
	}
}

func (o *oracle) list(c *randomChain, i int) []byte {
	if o.chance(8) {
		return nil
	}
	l := &x509.RevocationList{Number: big.NewInt(int64(5 + o.r.IntN(3))), ThisUpdate: oracleTime().AddDate(0, 0, -o.r.IntN(3)-1), NextUpdate: oracleTime().AddDate(0, 0, 10)}
	switch o.r.IntN(12) {
	case 0:
		l.NextUpdate = oracleTime().AddDate(0, 0, -1)
		l.ThisUpdate = oracleTime().AddDate(0, 0, -5)
	case 1:
		l.ThisUpdate = oracleTime().AddDate(0, 0, 1)
	case 2:
		l.ExtraExtensions = append(l.ExtraExtensions, extension(oid(1, 2, 3, 4), true, "x"))
	}
	if o.chance(3) {
		l.ExtraExtensions = append(l.ExtraExtensions, o.scope())
	}
	// Without -extended_crl openssl takes a delta list for a complete one.
	if c.opts.ExtendedCRL && o.chance(6) {
		l.ExtraExtensions = append(l.ExtraExtensions, extension(oid(2, 5, 29, 27), true, 5))
	}
	if o.chance(10) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oid(2, 5, 29, 46), Value: sequence(sequence(o.point()))})
	}
	if o.chance(5) {
		e := x509.RevocationListEntry{SerialNumber: c.certs[i-1].SerialNumber, RevocationTime: oracleTime().AddDate(0, 0, -2)}
		if e.SerialNumber == nil {
			return nil
		}
		if o.chance(2) {
			e.ReasonCode = pick(o, 1, 4, 6, 8)
		}
		if o.chance(6) { // of another issuer, in an indirect list
			name := directoryName(fmt.Sprintf("cert %d", i+o.r.IntN(2)))
			e.ExtraExtensions = []pkix.Extension{{Id: oid(2, 5, 29, 29), Critical: true, Value: sequence(name)}}
		}
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, e)
	}
	issuer := *c.certs[i]
	issuer.KeyUsage = x509.KeyUsageCRLSign
	if issuer.SubjectKeyId == nil {
		issuer.SubjectKeyId = []byte{1}
	}
	signer := c.keys[i]
	if o.chance(20) {
		signer = o.keys[len(o.keys)-1]
		issuer.PublicKey = &signer.PublicKey
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, &issuer, signer)
	if err != nil {
		return nil
	}
	return der
}

// contextTag makes a context-specific value of what is inside.
func contextTag(tag int, compound bool, inside ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: bytes.Join(inside, nil)})
	if err != nil {
		panic(err)
	}
	return der
}

func sequence(inside ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Join(inside, nil)})
	if err != nil {
		panic(err)
	}
	return der
}

func directoryName(cn string) []byte {
	der, err := asn1.Marshal(pkix.Name{CommonName: cn, Organization: []string{"Oracle"}}.ToRDNSequence())
	if err != nil {
		panic(err)
	}
	return contextTag(4, true, der)
}

// point is a DistributionPointName: one of few, so that some agree.
func (o *oracle) point() []byte {
	switch o.r.IntN(4) {
	case 0:
		return contextTag(0, true, contextTag(0, true, directoryName("point")))
	case 1: // relative to the issuer
		der, err := asn1.Marshal(pkix.AttributeTypeAndValue{Type: oid(2, 5, 4, 3), Value: "point"})
		if err != nil {
			panic(err)
		}
		return contextTag(0, true, contextTag(1, true, der))
	}
	return contextTag(0, true, contextTag(0, true, contextTag(6, false, []byte(pick(o, "http://a/", "http://b/")))))
}

// someReasons is a ReasonFlags with keyCompromise and perhaps all others.
func (o *oracle) someReasons(tag int) []byte {
	return contextTag(tag, false, pick(o, []byte{6, 0x40}, []byte{5, 0x60}, []byte{7, 0x3f, 0x80}, []byte{7, 0x7f, 0x80}))
}

// distributionPoints is a CRL Distribution Points extension for a certificate
// whose issuer is at depth.
func (o *oracle) distributionPoints(depth int) pkix.Extension {
	var points [][]byte
	for range 1 + o.r.IntN(2) {
		var parts [][]byte
		if !o.chance(3) {
			parts = append(parts, o.point())
		}
		if o.chance(4) {
			parts = append(parts, o.someReasons(1))
		}
		if o.chance(3) {
			parts = append(parts, contextTag(2, true, directoryName(fmt.Sprintf("cert %d", depth+o.r.IntN(2)))))
		}
		points = append(points, sequence(parts...))
	}
	return pkix.Extension{Id: oid(2, 5, 29, 31), Critical: o.chance(4), Value: sequence(points...)}
}

// scope is an issuing distribution point with a few limits.
func (o *oracle) scope() pkix.Extension {
	var parts [][]byte
	if o.chance(2) {
		parts = append(parts, o.point())
	}
	for _, tag := range []int{1, 2, 3, 4, 5} {
		switch {
		case !o.chance(5):
		case tag == 3:
			parts = append(parts, o.someReasons(3))
		default:
			parts = append(parts, contextTag(tag, false, []byte{0xff}))
		}
	}
	return pkix.Extension{Id: oid(2, 5, 29, 28), Critical: true, Value: sequence(parts...)}
}

var lookupError = regexp.MustCompile(`error (\d+) at (\d+) depth lookup`)

// openssl returns the code and depth that openssl verify reports first.
func (c *randomChain) openssl(t *testing.T, path, dir string) (code tlsx.VerifyCode, depth int, text string) {
	t.Helper()
	block := func(kind string, ders ...[]byte) []byte {
		var b bytes.Buffer
		for _, der := range ders {
			pem.Encode(&b, &pem.Block{Type: kind, Bytes: der})
		}
		return b.Bytes()
	}
	n := len(c.certs)
	args := append([]string{"verify"}, c.args...)
	files := map[string][]byte{"leaf": block("CERTIFICATE", c.certs[0].Raw), "root": block("CERTIFICATE", c.certs[n-1].Raw)}
	args = append(args, "-CAfile", "root")
	if n > 2 {
		for _, x := range c.certs[1 : n-1] {
			files["mid"] = append(files["mid"], block("CERTIFICATE", x.Raw)...)
		}
		args = append(args, "-untrusted", "mid")
	}
	if len(c.crls) > 0 {
		files["crl"] = block("X509 CRL", c.crls...)
		args = append(args, "-CRLfile", "crl")
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, append(args, "leaf")...)
	cmd.Dir = dir
	out, _ := cmd.CombinedOutput()
	text = strings.Join(args, " ") + "\n" + string(out)
	m := lookupError.FindSubmatch(out)
	if m == nil {
		if bytes.Contains(out, []byte("leaf: OK")) {
			return 0, 0, text
		}
		return -1, 0, text
	}
	nr, _ := strconv.Atoi(string(m[1]))
	depth, _ = strconv.Atoi(string(m[2]))
	return tlsx.VerifyCode(nr), depth, text
}

func (c *randomChain) brio(t *testing.T) *tlsx.VerifyResult {
	t.Helper()
	o := c.opts
	o.Roots = &tlsx.Store{}
	var chain [][]byte
	for i, x := range c.certs {
		if i < len(c.certs)-1 {
			chain = append(chain, x.Raw)
			continue
		}
		root, err := tlsx.ParseCertificate(x.Raw)
		if err != nil {
			t.Fatal(err)
		}
		o.Roots.Add(root)
	}
	for _, der := range c.crls {
		l, err := tlsx.ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		o.CRLs = append(o.CRLs, l)
	}
	return tlsx.Verify(chain, o)
}

// TestVerifyAgainstOpenSSL compares verdicts on random chains: paths, purposes,
// names, constraints, policies and revocation lists. Code and depth of the
// first fault must be openssl's in 98 % of all cases, and the verdict in all.
func TestVerifyAgainstOpenSSL(t *testing.T) {
	path := need.Tool(t, "openssl")
	o := newOracle(t, 1)
	dir := t.TempDir()
	codes, verdicts, total := 0, 0, 0
	seen := map[tlsx.VerifyCode]int{}
	for range oracleCases(200) {
		c := o.chain(t)
		o.ask(c)
		if o.chance(3) {
			o.revoke(c)
		}
		code, depth, text := c.openssl(t, path, dir)
		if code < 0 {
			t.Logf("openssl has no verdict: %s", text)
			continue
		}
		total++
		seen[code]++
		r := c.brio(t)
		if r.OK == (code == tlsx.CodeOK) {
			verdicts++
		}
		if r.Code == code && (r.OK || r.Depth == depth) {
			codes++
			continue
		}
		t.Logf("code %d depth %d %+v; openssl %s", r.Code, r.Depth, r.Faults, text)
	}
	t.Logf("of %d chains: %d codes and depths, %d verdicts are openssl's; codes: %v", total, codes, verdicts, seen)
	if codes*100 < total*98 || verdicts < total {
		t.Errorf("of %d chains: %d codes and depths, %d verdicts are openssl's; want 98 %% and all", total, codes, verdicts)
	}
}
