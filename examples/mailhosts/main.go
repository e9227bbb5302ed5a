// Command mailhosts prints the mail servers of a domain, the best one first:
// mailhosts SERVER DOMAIN.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mailhosts SERVER DOMAIN")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mailhosts:", err)
		os.Exit(1)
	}
}

func run(server, domain string) error {
	s, err := dnsq.ParseServer(server)
	if err != nil {
		return err
	}
	r, err := dnsq.NewResolver(dnsq.Config{Nameservers: []dnsq.Server{s}})
	if err != nil {
		return err
	}
	defer r.Close()
	a, err := r.Query(context.Background(), domain, dnsq.Options{Type: dns.TypeMX})
	if err != nil {
		return err
	}
	if err := a.Err(); err != nil { // what the server itself reports
		return err
	}
	for _, v := range append([]any{a.Primary}, a.Others...) {
		if mx, ok := v.(dnsq.MX); ok {
			fmt.Println(mx.Preference, mx.Host)
		}
	}
	return nil
}
