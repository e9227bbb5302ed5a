package tests

import (
	"crypto"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// serveDNS answers with h on one port of UDP and TCP until the script ends.
func serveDNS(env *testscript.Env, pc net.PacketConn, l net.Listener, h dns.HandlerFunc) {
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h, MaxTCPQueries: -1}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		env.Defer(func() { _ = s.Shutdown() })
	}
}

// setupSigned starts a server of the zone signed.example, $SIGNED, and writes its
// key to the file anchor. The signature of bad has been tampered with, that of
// old has expired, plain has none.
func setupSigned(env *testscript.Env) error {
	key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: "signed.example.", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := key.Generate(256)
	if err != nil {
		return err
	}
	now := time.Now()
	var records []dns.RR
	add := func(rr dns.RR, signed time.Time) error {
		sig := &dns.RRSIG{KeyTag: key.KeyTag(), SignerName: key.Hdr.Name, Algorithm: key.Algorithm,
			Inception: uint32(signed.Add(-time.Hour).Unix()), Expiration: uint32(signed.Add(time.Hour).Unix())}
		records = append(records, rr, sig)
		return sig.Sign(private.(crypto.Signer), []dns.RR{rr})
	}
	for _, rr := range []dns.RR{key, record("www.signed.example. 300 A 192.0.2.1"), record("bad.signed.example. 300 A 192.0.2.2")} {
		if err := add(rr, now); err != nil {
			return err
		}
	}
	records[4].(*dns.A).A.To4()[3]++
	if err := add(record("old.signed.example. 300 A 192.0.2.3"), time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		return err
	}
	records = append(records, record("plain.signed.example. 300 A 192.0.2.4"))
	if err := os.WriteFile(filepath.Join(env.WorkDir, "anchor"), []byte(key.ToDS(dns.SHA256).String()+"\n"), 0o600); err != nil {
		return err
	}
	pc, l, err := listenBoth()
	if err != nil {
		return err
	}
	env.Setenv("SIGNED", pc.LocalAddr().String())
	serveDNS(env, pc, l, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range records {
			sig, isSig := rr.(*dns.RRSIG)
			if h := rr.Header(); h.Name == q.Question[0].Name && (h.Rrtype == q.Question[0].Qtype || isSig && sig.TypeCovered == q.Question[0].Qtype) {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})
	return nil
}

// setupTrace starts a root server and one of the zone example, which it refers
// to, on one port of two addresses. Hints for the root are in the file hints.
func setupTrace(env *testscript.Env) error {
	if runtime.GOOS != "linux" {
		return nil // elsewhere 127.0.0.2 is no address of the machine; the script skips
	}
	pc, l, err := listenBoth()
	if err != nil {
		return err
	}
	port := pc.LocalAddr().(*net.UDPAddr).Port
	env.Setenv("PORT", fmt.Sprint(port))
	serveDNS(env, pc, l, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if dns.IsSubDomain("example.", q.Question[0].Name) {
			m.Ns = []dns.RR{record("example. 300 NS ns.example.")}
			m.Extra = []dns.RR{record("ns.example. 300 A 127.0.0.2")}
		} else {
			m.Authoritative, m.Rcode = true, dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	pc2, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		return err
	}
	l2, err := net.Listen("tcp", pc2.LocalAddr().String())
	if err != nil {
		return err
	}
	h, err := dnsScriptServer()
	if err != nil {
		return err
	}
	serveDNS(env, pc2, l2, h)
	hints := ". 300 NS r.root.\nr.root. 300 A 127.0.0.1\n"
	return os.WriteFile(filepath.Join(env.WorkDir, "hints"), []byte(hints), 0o600)
}

// setupTransfer starts a server of zones to transfer, $XFR: of full.example all
// comes, of cut.example the beginning.
func setupTransfer(env *testscript.Env) error {
	pc, l, err := listenBoth()
	if err != nil {
		return err
	}
	env.Setenv("XFR", pc.LocalAddr().String())
	serveDNS(env, pc, l, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		zone := q.Question[0].Name
		soa := record(zone + " 300 SOA ns.example. hm.example. 7 1 1 1 1")
		www := record("www." + zone + " 300 A 192.0.2.1")
		switch {
		case q.Question[0].Qtype == dns.TypeSOA:
			m.Answer = []dns.RR{soa}
		case !strings.HasSuffix(zone, ".example."):
			m.Rcode = dns.RcodeRefused
		case q.Question[0].Qtype == dns.TypeIXFR && q.Ns[0].(*dns.SOA).Serial == 6:
			old := record(zone + " 300 SOA ns.example. hm.example. 6 1 1 1 1")
			m.Answer = []dns.RR{soa, old, record("old." + zone + " 300 A 192.0.2.9"), soa, www, soa}
		case q.Question[0].Qtype == dns.TypeIXFR:
			m.Answer = []dns.RR{soa}
		default:
			m.Answer = []dns.RR{soa, www, record("txt." + zone + ` 300 TXT "\027[31mred"`), soa}
		}
		cut := strings.HasPrefix(zone, "cut.")
		if cut {
			m.Answer = m.Answer[:2]
		}
		_ = w.WriteMsg(m)
		if cut {
			_ = w.Close()
		}
	})
	return nil
}
