package dnsq_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

// exampleServer is the name server that the examples ask.
func exampleServer() (dnsq.Server, func()) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	records := map[string]string{
		"www.example. A":              "www.example. 300 IN A 192.0.2.1",
		"example. MX":                 "example. 300 IN MX 10 mail.example.",
		"1.2.0.192.in-addr.arpa. PTR": "1.2.0.192.in-addr.arpa. 300 IN PTR www.example.",
		"www.corp.example. A":         "www.corp.example. 300 IN A 192.0.2.7",
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		if rr, _ := dns.NewRR(records[q.Question[0].Name+" "+dns.TypeToString[q.Question[0].Qtype]]); rr != nil {
			m.Answer = []dns.RR{rr}
		} else {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go s.ActivateAndServe()
	<-started
	srv, err := dnsq.ParseServer(pc.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	return srv, func() { _ = s.Shutdown() }
}

func ExampleResolver_Query() {
	srv, stop := exampleServer()
	defer stop()
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	a, err := r.Query(context.Background(), "example", dnsq.Options{Type: dns.TypeMX})
	if err != nil {
		log.Fatal(err)
	}
	mx := a.Primary.(dnsq.MX)
	fmt.Println(mx.Preference, mx.Host, *a.Valid)

	a, err = r.Query(context.Background(), "nowhere.example", dnsq.Options{})
	fmt.Println(err, a.Err(), errors.Is(a.Err(), dnsq.ErrNotFound))
	// Output:
	// 10 mail.example. 300
	// <nil> no such name (NXDOMAIN) true
}

func ExampleResolver_LookupHost() {
	srv, stop := exampleServer()
	defer stop()
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}, Search: []string{"corp.example"}})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.LookupHost(context.Background(), "www", dnsq.IPv4Only, dnsq.Options{}))
	// Output: [192.0.2.7] <nil>
}

func ExampleResolver_LookupAddr() {
	srv, stop := exampleServer()
	defer stop()
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{srv}, NoHosts: true})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Println(r.LookupAddr(context.Background(), netip.MustParseAddr("192.0.2.1"), dnsq.Options{}))
	// Output: [www.example] <nil>
}

func ExampleClient_Exchange() {
	srv, stop := exampleServer()
	defer stop()
	c := new(dnsq.Client)
	defer c.Close()
	m, t, err := c.Exchange(context.Background(), srv, dnsq.NewQuery("www.example.", dns.TypeA, dnsq.Header{DO: true}))
	if err != nil {
		log.Fatal(err)
	}
	resp := dnsq.NewResponse(m, srv, t)
	fmt.Println(resp.Rcode, resp.Flags, resp.Answers[0].Data, resp.Transport)
	// Output: NOERROR [response recursion-desired recursion-available] 192.0.2.1 udp
}

func ExampleParseServer() {
	for _, s := range []string{"192.0.2.1", "tls://192.0.2.1#dns.example", "https://dns.example/q", "127.1"} {
		srv, err := dnsq.ParseServer(s)
		fmt.Println(srv, err)
	}
	// Output:
	// 192.0.2.1:53 <nil>
	// tls://192.0.2.1:853 <nil>
	// https://dns.example:443/q <nil>
	// :53 server "127.1": "127.1" is not an address
}
