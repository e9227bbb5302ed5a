package socket_test

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/brio-net/brio/pkg/socket"
)

// OPERATORS.md: get-ip-interfaces. Index and name are interchangeable after %.
func TestInterfaces(t *testing.T) {
	lo := loopback(t)
	all, err := socket.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(i socket.Interface) bool { return i.Name == lo.Name })
	if at < 0 {
		t.Fatalf("no %s in %+v", lo.Name, all)
	}
	got := all[at]
	if got.Index != lo.Index || got.MTU != lo.MTU || !slices.Contains(got.Flags, "loopback") {
		t.Errorf("loopback = %+v, want %+v", got, lo)
	}
	want := socket.InterfaceAddress{Addr: netip.MustParseAddr("127.0.0.1"), Prefix: netip.MustParsePrefix("127.0.0.0/8")}
	if !slices.Contains(got.Addrs, want) {
		t.Errorf("loopback has %v, want %v among them", got.Addrs, want)
	}
	byName, err1 := socket.ParseDotted("fe80::1%" + got.Name)
	byIndex, err2 := socket.ParseDotted("fe80::1%" + strconv.Itoa(got.Index))
	if err1 != nil || err2 != nil || byName != byIndex {
		t.Errorf("by name %v, %v; by index %v, %v", byName, err1, byIndex, err2)
	}
	for _, i := range all {
		if i.Flags == nil || i.Addrs == nil {
			t.Errorf("%s has a null list: %+v", i.Name, i)
		}
	}
}
