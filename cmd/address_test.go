package cmd

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, tt := range []struct {
		in   string
		use  addressUse
		want address
	}{
		{"example.com:80", useConnect, address{host: "example.com", port: "80"}},
		{"example.com:https", useConnect, address{host: "example.com", port: "https"}},
		{"127.1:80", useConnect, address{host: "127.1", port: "80"}},
		{"[::1]:80", useConnect, address{host: "::1", port: "80"}},
		{"[fe80::1%lo]:80", useConnect, address{host: "fe80::1%lo", port: "80"}},
		{"::1", useHostOnly, address{host: "::1"}},
		{"::1:80", useHostOnly, address{host: "::1:80"}},
		{":80", useListen, address{port: "80"}},
		{"80", useListen, address{port: "80"}},
		{"0", useListen, address{port: "0"}},
		{"unix:/run/x.sock", useConnect, address{scheme: "unix", path: "/run/x.sock"}},
		{"unix:@name", useConnect, address{scheme: "unix", path: "@name"}},
		{"unix:relative", useListen, address{scheme: "unix", path: "relative"}},
		{"fd:3", useListen, address{scheme: "fd", path: "3"}},
		{"tcp://example.com:80", useConnect, address{scheme: "tcp", host: "example.com", port: "80"}},
		{"https://example.com/", useConnect, address{scheme: "https", host: "example.com", port: "443"}},
		{"example.com", useHostOnly, address{host: "example.com"}},
	} {
		got, err := parseAddress(tt.in, tt.use)
		if err != nil || got != tt.want {
			t.Errorf("parseAddress(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, tt := range []struct {
		in   string
		use  addressUse
		want string // part of the message or of a hint
	}{
		{"example.com", useConnect, "has no port"},
		{":80", useConnect, "has no host"},
		{"example.com:0", useConnect, "port 0"},
		{"example.com:99999", useConnect, "out of range"},
		{"99999", useListen, "out of range"},
		{"::1:80", useConnect, "[::1]:80"},
		{"2001:db8::1", useConnect, "needs brackets"},
		{"[::1:80", useConnect, "not closed"},
		{"[::1]80", useConnect, "after the bracket"},
		{"1.2.3.256:80", useConnect, "1.2.3.256"},
		{"gopher://x:70", useConnect, "unknown scheme"},
		{"unix:", useConnect, "no path"},
		{"unix:/" + strings.Repeat("x", 200), useListen, "at most"},
		{"fd:x", useListen, "number"},
		{"", useConnect, ""},
		{"a b:80", useConnect, ""},
	} {
		a, err := parseAddress(tt.in, tt.use)
		if err == nil {
			t.Errorf("parseAddress(%q) = %+v; want an error", tt.in, a)
			continue
		}
		f, ok := err.(*failure)
		if !ok || statusOf(err) != statusUsage {
			t.Errorf("parseAddress(%q) = %v with status %d; want a usage failure", tt.in, err, statusOf(err))
			continue
		}
		if text := err.Error() + strings.Join(f.hints, " "); !strings.Contains(text, tt.want) {
			t.Errorf("parseAddress(%q) says %q; want %q in it", tt.in, text, tt.want)
		}
	}
}

func TestParseAddressArgs(t *testing.T) {
	got, err := parseAddressArgs([]string{"::1", "80"}, useConnect)
	if want := (address{host: "::1", port: "80"}); err != nil || got != want {
		t.Errorf("parseAddressArgs(::1, 80) = %+v, %v; want %+v", got, err, want)
	}
	for _, args := range [][]string{{}, {"a", "1", "2"}, {"a:1", "2"}, {"unix:/x", "2"}} {
		if got, err := parseAddressArgs(args, useConnect); err == nil {
			t.Errorf("parseAddressArgs(%q) = %+v; want an error", args, got)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"host:80", "[::1]:80", "unix:@x", ":80", "80", "tls://h", "fd:3", "::1:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, use := range []addressUse{useConnect, useListen, useHostOnly} {
			a, err := parseAddress(s, use)
			if err != nil {
				continue
			}
			b, err := parseAddress(a.String(), use)
			b.scheme = a.scheme // String leaves out the schemes of the internet
			if use != useHostOnly && (err != nil || a != b) {
				t.Errorf("parseAddress(%q) = %+v, but its text %q reads as %+v, %v", s, a, a.String(), b, err)
			}
		}
	})
}
