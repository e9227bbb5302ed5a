package tlsx

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// A scriptedConn is a peer that has said everything from the start and hears
// nothing.
type scriptedConn struct {
	io.Reader
	sent bytes.Buffer
}

func (c *scriptedConn) Write(b []byte) (int, error)      { return c.sent.Write(b) }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// Whatever a server puts in its messages, what is taken from them lies within
// them, and a second ClientHello can be made of it.
func FuzzServerHello(f *testing.F) {
	hello := append([]byte{3, 3}, bytes.Repeat([]byte{1}, 32)...)
	hello = append(hello, 0, 0xc0, 0x2f, 0)
	f.Add(hello)
	f.Add(append(slices.Clone(hello), 0, 10, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29))
	f.Add([]byte{0, 0, 8, 0, 0, 5, 0x30, 0x03, 0x02, 0x01, 0x01})
	f.Add([]byte{3, 0, 29, 32, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := parseServerHello(body); err == nil {
			if len(h.share)+len(h.cookie)+len(h.alpn) > len(body) {
				t.Errorf("parseServerHello(%x) = %+v", body, h)
			}
			hello := newRawHello(RawConfig{})
			if err := hello.answerRetry(h); err == nil {
				_, _ = hello.marshal() // a cookie may be too long
			}
		}
		if alpn := parseEncryptedExtensions(body); len(alpn) > len(body) {
			t.Errorf("ALPN %q from %x", alpn, body)
		}
		size := 0
		chain12, _ := parseCertificates12(body)
		for _, der := range chain12 {
			size += len(der)
		}
		chain13, staple, _ := parseCertificates13(body)
		if size > len(body) || len(chain12) > maxChain || len(chain13) > maxChain || staple > len(body) {
			t.Errorf("%d octets in %d and %d certificates, %d of a staple, from %d", size, len(chain12), len(chain13), staple, len(body))
		}
		for _, row := range []suiteRow{{kx: kECDHE}, {kx: kDHE}, {kx: kRSA}} {
			if x := parseKeyExchange(body, row, uint16(vTLS12)); x.dhBits > 8*len(body) {
				t.Errorf("parseKeyExchange(%x) = %+v", body, x)
			}
		}
	})
}

// The prober takes any answer, and what it takes for a result has a version and
// a chain within bounds. The keys of its ClientHello are made once: they are not
// what is fuzzed.
func FuzzProbeRaw(f *testing.F) {
	f.Add([]byte("\x15\x03\x01\x00\x02\x02\x28"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	hello := append([]byte("\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"), make([]byte, 32)...)
	hello = append(hello, 0, 0xc0, 0x2f, 0)
	f.Add(slices.Clone(hello))
	f.Add(append(hello, "\x16\x03\x03\x00\x0f\x0b\x00\x00\x0b\x00\x00\x08\x00\x00\x05\x30\x03\x02\x01\x01\x16\x03\x03\x00\x04\x0e\x00\x00\x00"...))
	made, err := newProber(nil, RawConfig{ServerName: "a.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := &scriptedConn{Reader: bytes.NewReader(data)}
		p := &prober{conn: conn, in: rawReader{conn: conn}, hello: made.hello}
		err := p.run()
		size := 0
		for _, der := range p.result.Chain {
			size += len(der)
		}
		if err == nil && p.result.Version == "" || size > len(data) || len(p.result.Chain) > maxChain {
			t.Errorf("%x: %+v, %v", data, p.result, err)
		}
	})
}

// What the prober sends is a ClientHello to crypto/tls, and says what was asked
// for. What cannot be said is refused.
func FuzzClientHello(f *testing.F) {
	f.Add("a.example", "h2,http/1.1", []byte{0xc0, 0x2f, 0x13, 0x01}, []byte{0, 29}, uint8(0xf))
	f.Add("", strings.Repeat("x", 256), []byte{}, []byte{}, uint8(8))
	f.Fuzz(func(t *testing.T, name, alpn string, suites, groups []byte, versions uint8) {
		if len(name)+len(alpn) > 4096 {
			return // TestClientHelloTooLong has those that do not fit
		}
		cfg := RawConfig{ServerName: name, Suites: pairs(suites), Groups: pairs(groups), NoKeyShare: true}
		if alpn != "" {
			cfg.ALPN = strings.Split(alpn, ",")
		}
		for i := range uint16(4) {
			if versions>>i&1 != 0 {
				cfg.Versions = append(cfg.Versions, uint16(vTLS10)+i)
			}
		}
		conn := &scriptedConn{Reader: strings.NewReader("")}
		_, err := ProbeRaw(t.Context(), conn, cfg)
		if conn.sent.Len() == 0 {
			if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("nothing was sent for %+v: %v", cfg, err)
			}
			return
		}
		seen := clientHello(bytes.NewReader(conn.sent.Bytes()))
		if seen == nil {
			return // crypto/tls is stricter about names
		}
		if len(cfg.Suites) > 0 && !slices.Equal(seen.CipherSuites, cfg.Suites) || !slices.Equal(seen.SupportedProtos, cfg.ALPN) {
			t.Errorf("asked for %+v, sent %+v", cfg, seen)
		}
		for _, v := range cfg.Versions {
			if v >= uint16(vTLS12) && !slices.Contains(seen.SupportedVersions, v) {
				t.Errorf("version %x is not in %x", v, seen.SupportedVersions)
			}
		}
	})
}

func TestClientHelloTooLong(t *testing.T) {
	for _, cfg := range []RawConfig{
		{ServerName: strings.Repeat("x.", 40000)},
		{ALPN: []string{strings.Repeat("x", 256)}},
		{ALPN: slices.Repeat([]string{"abcdefg"}, 10000)},
		{Suites: make([]uint16, 40000)},
	} {
		conn := &scriptedConn{Reader: strings.NewReader("")}
		if r, err := ProbeRaw(t.Context(), conn, cfg); err == nil || conn.sent.Len() > 0 || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ProbeRaw = %+v, %v, after %d octets; want a refusal", r, err, conn.sent.Len())
		}
	}
}

// clientHello is what a server of crypto/tls sees; nil when it refuses.
func clientHello(r io.Reader) *tls.ClientHelloInfo {
	var seen *tls.ClientHelloInfo
	server := tls.Server(&scriptedConn{Reader: r}, &tls.Config{
		MinVersion: tls.VersionTLS10,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			seen = h
			return nil, io.EOF
		},
	})
	_ = server.Handshake() // ends here
	return seen
}

func pairs(b []byte) []uint16 {
	var list []uint16
	for i := 0; i+1 < len(b) && i < 400; i += 2 {
		list = append(list, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return list
}

// Messages do not depend on how records cut them.
func FuzzHandshakeRecords(f *testing.F) {
	f.Add([]byte{2, 0, 0, 3, 1, 2, 3, 14, 0, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		whole := messages(rawRecord(uint16(vTLS12), text))
		var records []byte
		for part := range slices.Chunk(text, int(size)+1) {
			records = append(records, rawRecord(uint16(vTLS12), part)...)
			if len(records) > rawMaxRecords {
				return
			}
		}
		if cut := messages(records); !slices.Equal(cut, whole) {
			t.Errorf("%x in pieces of %d is %q; whole it is %q", text, size, cut, whole)
		}
		if all := strings.Join(whole, ""); !strings.HasPrefix(string(text), all) {
			t.Errorf("%x holds the messages %q", text, whole)
		}
	})
}

func messages(records []byte) []string {
	r := &rawReader{conn: &scriptedConn{Reader: bytes.NewReader(records)}}
	var list []string
	for {
		_, msg, err := r.message()
		if err != nil {
			return list
		}
		list = append(list, string(msg))
	}
}

// The reader of DER reads what encoding/asn1 reads, and means the same.
func FuzzDER(f *testing.F) {
	for _, s := range []string{"\x30\x03\x02\x01\x05", "\x1f\x81\x01\x00", "\x04\x81\x80", "\x30\x80\x00\x00", "\x02\x84\xff\xff\xff\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := readTLV(b)
		var std asn1.RawValue
		rest, stdErr := asn1.Unmarshal(b, &std)
		if err == nil && (len(v.full) > len(b) || !bytes.HasSuffix(v.full, v.content)) {
			t.Fatalf("readTLV(%x) = %+v", b, v)
		}
		if stdErr != nil {
			return
		}
		if err != nil && !errors.Is(err, errBigTag) {
			t.Fatalf("readTLV(%x): %v; encoding/asn1 reads %+v", b, err, std)
		}
		if err == nil && (v.class != std.Class || v.tag != std.Tag || v.constructed != std.IsCompound ||
			!bytes.Equal(v.content, std.Bytes) || len(v.full) != len(b)-len(rest)) {
			t.Errorf("readTLV(%x) = %+v; encoding/asn1 reads %+v", b, v, std)
		}
	})
}

// The decoders of extensions take any octets as the value of any extension.
func FuzzExtension(f *testing.F) {
	ids := []oid{oidBasic, oidKeyUsage, oidEKU, oidNSCertType, oidSKI, oidAKI, oidSAN, oidNameConstr, oidCRLDP, oidProxy, oidPolicies,
		oidPolicyMaps, oidPolicyConstr, oidInhibitAny, oidTLSFeature, oidAIA, oidSIA, oidIDP}
	for i, s := range []string{"\x30\x06\x01\x01\xff\x02\x01\x00", "\x03\x02\x05\xa0", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", "\x03\x02\x00\x40",
		"\x04\x01\x01", "\x30\x03\x80\x01\x01", "\x30\x0e\x82\x01\x61\x87\x04\x7f\x00\x00\x01\x86\x03a:b", "\x30\x07\xa0\x05\x30\x03\x82\x01\x61",
		"\x30\x0b\x30\x09\xa0\x07\xa0\x05\x86\x03a:b", "\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x00", "\x30\x06\x30\x04\x06\x02\x2a\x03",
		"\x30\x0a\x30\x08\x06\x02\x2a\x03\x06\x02\x2a\x04", "\x30\x03\x80\x01\x00", "\x02\x01\x00", "\x30\x03\x02\x01\x05", "\x30\x00", "\x30\x00", "\x30\x03\x81\x01\xff"} {
		f.Add(uint8(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, which uint8, value []byte) {
		e := Extension{id: ids[int(which)%len(ids)], Value: value}
		c := &Certificate{Extensions: []Extension{e}}
		var bad defects
		c.ext.read(c, &bad)
		if len(bad.list) > maxDefects {
			t.Errorf("%d defects", len(bad.list))
		}
		_, _ = parseIDP(&e, Name{}, &bad)
		parseSCTs(&e)
		for _, g := range c.ext.san {
			if len(g.content) > len(value) {
				t.Errorf("a name of %d octets from %d", len(g.content), len(value))
			}
		}
		c.MatchesHostname("a.example", true)
		c.MatchesEmail("a@a.example")
		c.Info()
	})
}

// A distinguished name has the attributes that encoding/asn1 sees, and equals
// itself however its letters are written.
func FuzzName(f *testing.F) {
	f.Add([]byte("\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03a b"))
	f.Add([]byte("\x31\x0c\x30\x0a\x06\x03\x55\x04\x06\x13\x03DE\x1b\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1e\x04\x00a\x20\x2e"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var b cryptobyte.Builder
		b.AddASN1(0x30, func(b *cryptobyte.Builder) { b.AddBytes(body) })
		raw, err := b.Bytes()
		if err != nil {
			return
		}
		v, err := parseDER(raw, tagSequence)
		if err != nil {
			return // longer than the reader takes
		}
		var bad defects
		n := parseName(v, "name", &bad)
		if !n.Equal(n) || len(n.Attributes) > len(raw)/5 || len(bad.list) > maxDefects {
			t.Errorf("%x: %d attributes, %d defects", raw, len(n.Attributes), len(bad.list))
		}
		_, _, _ = n.String(), n.Hash(), n.OldHash()
		var std asn1.RawValue
		if _, err := asn1.Unmarshal(raw, &std); err != nil && len(bad.list) == 0 && !n.Empty() {
			t.Errorf("%x: no defect, but encoding/asn1 says %v", raw, err)
		}
	})
}

// Object identifiers read as encoding/asn1 reads them, and come back.
func FuzzOID(f *testing.F) {
	f.Add([]byte("\x2a\x86\x48\x86\xf7\x0d"))
	f.Add([]byte("\x80\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := oid(b)
		text := o.decode()
		var std asn1.ObjectIdentifier
		raw := append([]byte{6, byte(len(b))}, b...)
		if _, err := asn1.Unmarshal(raw, &std); len(b) < 128 && err == nil && (text != std.String() || !o.wellFormed()) {
			t.Fatalf("%x reads %q, well-formed: %v; encoding/asn1 has %s", b, text, o.wellFormed(), std)
		}
		if back, ok := encodeOID(text); ok && back != o {
			t.Errorf("%x reads %q, which is %x", b, text, string(back))
		}
	})
}

// A host that a certificate is for is so to crypto/x509 too; the other way round
// for names of hosts without wildcard.
func FuzzMatchesHostname(f *testing.F) {
	for _, s := range [][2]string{{"a.example", "A.EXAMPLE."}, {"*.a.example", "b.a.example"}, {"*.example", "a.example"}, {"*", "a"},
		{"a*.b.example", "ab.b.example"}, {"xn--*.a.example", "xn--x.a.example"}, {"1.2.3.4", "1.2.3.4"}, {"a_b.c.d", "a_b.c.d"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		var c Certificate
		c.ext.san = []GeneralName{{kind: nameDNS, content: []byte(pattern)}}
		std := (&x509.Certificate{DNSNames: []string{pattern}}).VerifyHostname(host) == nil
		got, lax := c.MatchesHostname(host, false), c.MatchesHostname(host, true)
		if got && !std || std && !got && validDNSPattern(pattern) && !strings.Contains(pattern, "*") {
			t.Errorf("pattern %q, host %q: %v; crypto/x509: %v", pattern, host, got, std)
		}
		if got && !lax {
			t.Errorf("pattern %q, host %q: only the strict rules match", pattern, host)
		}
	})
}

// A server may ask for a cookie that our answer has no room for.
func TestProbeRawCookieTooLong(t *testing.T) {
	retry := sha256.Sum256([]byte("HelloRetryRequest"))
	var b cryptobyte.Builder
	b.AddUint8(typeServerHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(vTLS12))
		b.AddBytes(retry[:])
		b.AddBytes([]byte{0, 0x13, 0x01, 0})
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			extension(b, extSupportedVersions, func(b *cryptobyte.Builder) { b.AddUint16(uint16(vTLS13)) })
			extension(b, extCookie, func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, 65500)) })
			})
		})
	})
	answer := rawRecord(uint16(vTLS12), b.BytesOrPanic())
	if r, err := ProbeRaw(t.Context(), &scriptedConn{Reader: bytes.NewReader(answer)}, RawConfig{}); err == nil || errors.Is(err, ErrNotTLS) {
		t.Errorf("ProbeRaw = %+v, %v; want a ClientHello that is too long", r, err)
	}
}
