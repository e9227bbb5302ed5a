package tests

import (
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// dnsRecords are what the name server of the dns scripts knows. A name it knows
// nothing of does not exist, except those that say by their first label how the
// server misbehaves: see dnsScriptServer.
var dnsRecords = `
example.          300 IN SOA ns.example. hostmaster.example. 42 7200 3600 1209600 60
example.          300 IN NS ns.example.
example.          300 IN MX 10 mail.example.
example.          300 IN MX 20 backup.example.
example.          300 IN TXT "v=spf1 " "-all"
example.          300 IN TXT "three \"q\""
www.example.      300 IN A 192.0.2.1
www.example.      300 IN A 192.0.2.2
www.example.      300 IN AAAA 2001:db8::1
mail.example.     300 IN A 192.0.2.25
alias.example.    100 IN CNAME www.example.
_sip._tcp.example. 300 IN SRV 10 60 5060 www.example.
xn--bcher-kva.example. 300 IN A 192.0.2.80
evil.example.     300 IN TXT "\027[31mred\027[0m"
1.2.0.192.in-addr.arpa. 300 IN PTR www.example.
host.lan.example. 300 IN A 192.0.2.9
host.            300 IN A 192.0.2.10
`

// setupDNS starts the name server of the dns scripts: $DNS is its address, $DEAD
// one where nothing listens.
func setupDNS(env *testscript.Env) error {
	pc, l, err := listenBoth()
	if err != nil {
		return err
	}
	h, err := dnsScriptServer()
	if err != nil {
		return err
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		env.Defer(func() { _ = s.Shutdown() })
	}
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("DEAD", dead.LocalAddr().String())
	env.Setenv("DNS", pc.LocalAddr().String())
	return dead.Close()
}

// listenBoth listens on one port for UDP and TCP.
func listenBoth() (pc net.PacketConn, l net.Listener, err error) {
	for range 20 {
		if pc, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, l, nil
		}
		_ = pc.Close()
	}
	return nil, nil, err
}

// dnsScriptServer answers from dnsRecords. The first labels servfail, refused,
// silent, dropsedns, forged and truncated misbehave as they say; slow takes 300 ms.
func dnsScriptServer() (dns.HandlerFunc, error) {
	var records []dns.RR
	zp := dns.NewZoneParser(strings.NewReader(dnsRecords), ".", "")
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		records = append(records, rr)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := dnsScriptReply(records, q)
		switch label, _, _ := strings.Cut(q.Question[0].Name, "."); label {
		case "servfail":
			m.Rcode, m.Ns = dns.RcodeServerFailure, nil
			if opt := q.IsEdns0(); opt != nil {
				m.SetEdns0(1232, false)
				m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 22, ExtraText: "no \x1b[31mluck"}}
			}
		case "refused":
			m.Rcode, m.Ns = dns.RcodeRefused, nil
		case "silent":
			return
		case "dropsedns":
			if q.IsEdns0() != nil {
				return
			}
			m.Rcode, m.Answer, m.Ns = 0, []dns.RR{record(q.Question[0].Name + " 60 IN A 192.0.2.6")}, nil
		case "slow":
			time.Sleep(time.Second)
			if q.Question[0].Name != "slow.example." {
				m.Rcode, m.Answer, m.Ns = 0, []dns.RR{record(q.Question[0].Name + " 60 IN A 192.0.2.5")}, nil
			}
		case "forged":
			m.Question[0].Name = "other.example."
		case "truncated":
			_, udp := w.LocalAddr().(*net.UDPAddr)
			m.Truncated, m.Rcode, m.Ns = udp, 0, nil
			if !udp {
				m.Answer = []dns.RR{record(q.Question[0].Name + " 60 IN A 192.0.2.99")}
			}
		}
		_ = w.WriteMsg(m)
	}, zp.Err()
}

// dnsScriptReply is what an honest server says.
func dnsScriptReply(records []dns.RR, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name, exists := q.Question[0].Name, false
	for _, rr := range records {
		if !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		exists = true
		alias, isAlias := rr.(*dns.CNAME)
		if rr.Header().Rrtype == q.Question[0].Qtype || q.Question[0].Qtype == dns.TypeANY || isAlias {
			m.Answer = append(m.Answer, rr)
		}
		if isAlias {
			name = alias.Target
		}
	}
	for _, rr := range records {
		if name != q.Question[0].Name && rr.Header().Name == name && rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, records[0])
	}
	return m
}

// record reads a record in the form of zone files. It panics: the text is that of a test.
func record(text string) dns.RR {
	rr, err := dns.NewRR(text)
	if err != nil {
		panic(err)
	}
	return rr
}
