package dnsq_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

func ExampleBulk() {
	srv, stop := exampleServer()
	defer stop()

	names := dnsq.BulkLines(strings.NewReader("www.example\nexample MX\n192.0.2.1\nnowhere.example\n"), 0)
	sum, err := dnsq.Bulk(context.Background(), names, func(r *dnsq.BulkResult) error {
		_, err := os.Stdout.Write(r.AppendRecords(nil))
		return err
	}, dnsq.BulkConfig{Servers: []dnsq.Server{srv}, Ordered: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum.Questions, sum.Rcodes)
	// Output:
	// www.example.	300	A	192.0.2.1
	// example.	300	MX	10 mail.example.
	// 1.2.0.192.in-addr.arpa.	300	PTR	www.example.
	// 4 map[NOERROR:3 NXDOMAIN:1]
}

func ExampleValidate() {
	srv, stop := exampleServer()
	defer stop()
	var c dnsq.Client
	defer c.Close()

	fetch := dnsq.NewFetch(c.Exchange, []dnsq.Server{srv}, dnsq.Header{})
	v, err := dnsq.Validate(context.Background(), "www.example", dns.TypeA, fetch, dnsq.ValidateConfig{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Verdict)
	fmt.Println(v.Reason)
	fmt.Println(v.Failing.Name, v.Failing.Type)
	// Output:
	// bogus
	// . has no DNSKEY records, though it should be signed
	// . DNSKEY
}

func ExampleCompare() {
	srv, stop := exampleServer()
	defer stop()
	var c dnsq.Client
	defer c.Close()

	overTCP := srv
	overTCP.Transport = dnsq.TCP // nobody listens there
	cmp, err := dnsq.Compare(context.Background(), "www.example", dns.TypeA, []dnsq.Server{srv, srv, overTCP}, c.Exchange, dnsq.Header{})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range cmp.Servers {
		fmt.Println(s.Group, s.Rcode, s.Records)
	}
	fmt.Println(cmp.Err())
	// Output:
	// 0 NOERROR [A 192.0.2.1]
	// 0 NOERROR [A 192.0.2.1]
	// -1  []
	// the servers disagree: 1 of 3 gave no reply
}

func ExampleAwait() {
	srv, stop := exampleServer()
	defer stop()
	var c dnsq.Client
	defer c.Close()

	want, err := dnsq.ParseExpectation("192.0.2.9")
	if err != nil {
		log.Fatal(err)
	}
	r, err := dnsq.Await(context.Background(), "www.example", dns.TypeA, []dnsq.Expectation{want},
		dnsq.AwaitConfig{Servers: []dnsq.Server{srv}, Exchange: c.Exchange}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Met, r.Servers[0].Records)
	fmt.Println(r.Err())
	// Output:
	// false [A 192.0.2.1]
	// expectation not met: not seen at 1 of 1 servers: 192.0.2.9
}

func ExampleTrace() {
	srv, stop := exampleServer() // stands for the root
	defer stop()

	addr, _ := dnsq.ParseAddr(srv.Host)
	hints := dnsq.Delegation{Zone: ".", Servers: []dnsq.NameServer{{Name: "r.root.", Addrs: []netip.Addr{addr}}}}
	r, err := dnsq.Trace(context.Background(), "www.example", dns.TypeA, dnsq.TraceConfig{Hints: hints, Port: srv.Port}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range r.Steps {
		fmt.Println(s.Number, s.Zone, s.ServerName, s.Kind)
	}
	fmt.Println(r.Answers[0])
	// Output:
	// 1 . r.root. answer
	// www.example.	300	IN	A	192.0.2.1
}

func ExampleTransfer() {
	srv, stop := exampleServer()
	defer stop()

	r, err := dnsq.Transfer(context.Background(), srv, "example", dnsq.TransferConfig{}, func(rr *dnsq.TransferRecord) error {
		fmt.Printf("%s\n", rr.AppendText(nil))
		return nil
	})
	fmt.Println(r.Complete, err != nil) // nobody listens for TCP there
	// Output:
	// false true
}
