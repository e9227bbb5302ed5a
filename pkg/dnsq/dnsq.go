// Package dnsq asks the DNS: single questions over UDP, TCP, TLS, HTTPS or
// QUIC, look-ups with search list, hosts file and cache, bulk look-ups, DNSSEC
// validation, traces from the root, zone transfers, and comparisons of servers.
//
//	r, err := dnsq.NewResolver(dnsq.Config{Auto: true})
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	ans, err := r.Query(ctx, "example.com", dnsq.Options{Type: dns.TypeMX})
//
// It is built on github.com/miekg/dns for the wire format and the record types;
// the exchange of messages is its own: a reply that does not belong to the
// question is counted and ignored, and every wait ends with its context.
package dnsq

import (
	"context"

	"github.com/miekg/dns"
)

// An ExchangeFunc sends the question q to one server and returns the reply that
// belongs to it. The reply may carry any rcode: only the failure to get a valid
// reply is an error. It must return when ctx ends and must not change q.
// [Client.Exchange] is the usual one.
type ExchangeFunc func(ctx context.Context, server Server, q *dns.Msg) (*dns.Msg, Timing, error)
