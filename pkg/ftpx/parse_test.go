package ftpx_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/pkg/ftpx"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want ftpx.URL
	}{
		{"ftp://h/a/b", ftpx.URL{Host: "h", Path: "a/b"}},
		{"ftp://h", ftpx.URL{Host: "h"}},
		{"ftp://h/", ftpx.URL{Host: "h"}},
		{"ftp://h//a", ftpx.URL{Host: "h", Path: "/a"}},
		{"ftp://h/%2Fa/b", ftpx.URL{Host: "h", Path: "/a/b"}},
		{"FTPS://h:99/a;type=A", ftpx.URL{Secure: true, Host: "h", Port: 99, Path: "a", Type: 'a'}},
		{"ftp://u:p%40w@[::1]:21/a b?c#d", ftpx.URL{Host: "::1", Port: 21, User: "u", Password: "p@w", HasPassword: true, Path: "a b?c#d", Pattern: "a b?c#d"}},
		{"ftp://u:@h/x", ftpx.URL{Host: "h", User: "u", HasPassword: true, Path: "x"}},
		{"ftp://h/*.gz", ftpx.URL{Host: "h", Path: "*.gz", Pattern: "*.gz"}},
		{"ftp://h/%2A*", ftpx.URL{Host: "h", Path: "**", Pattern: `\**`}},
		{"ftp://h/%2A", ftpx.URL{Host: "h", Path: "*"}},
	} {
		got, err := ftpx.ParseURL(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseURL(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"h/a", "http://h/a", "ftp:///a", "ftp://h:0/a", "ftp://h:66000/a", "ftp://h/%0A", "ftp://h/a%0D%0ADELE b",
		"ftp://h/%zz", "ftp://h/%4", "ftp://h/a;type=x", "ftp://u%0a@h/a", "ftp://user:secret@/x", "ftp://user:secret@h:x/"} {
		got, err := ftpx.ParseURL(in)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) = %+v, %v", in, got, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("ftp://u:p@h:21/a/b;type=i")
	f.Add("ftp://[::1]/%2F*")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ftpx.ParseURL(s)
		if err == nil && (u.Host == "" || strings.ContainsAny(u.Path+u.User+u.Password, "\r\n\x00") || u.Port < 0 || u.Port > 65535) {
			t.Fatalf("ParseURL(%q) = %+v", s, u)
		}
	})
}

func TestParseNetrc(t *testing.T) {
	n, err := ftpx.ParseNetrc(`
# comment
machine a.example login me password "two words \"quoted\""
machine a.example
	login other
	password x#y account z
macdef init
machine not.this login no password no

default login anonymous password guest
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, user string
		want       ftpx.NetrcEntry
	}{
		{"a.example", "", ftpx.NetrcEntry{Machine: "a.example", Login: "me", Password: `two words "quoted"`}},
		{"A.EXAMPLE", "other", ftpx.NetrcEntry{Machine: "a.example", Login: "other", Password: "x#y", Account: "z"}},
		{"b.example", "", ftpx.NetrcEntry{Login: "anonymous", Password: "guest"}},
	} {
		if got, ok := n.Find(tt.host, tt.user); !ok || got != tt.want {
			t.Errorf("Find(%q, %q) = %+v, %v", tt.host, tt.user, got, ok)
		}
	}
	if e, ok := n.Find("not.this", "no"); ok {
		t.Errorf("read a macro: %+v", e)
	}
	for _, in := range []string{"login x", "machine", "machine a bogus b", `machine "a`} {
		if n, err := ftpx.ParseNetrc(in); err == nil {
			t.Errorf("ParseNetrc(%q) = %v", in, n)
		}
	}
}

func FuzzParseNetrc(f *testing.F) {
	f.Add(`machine "" password x`)
	f.Add("machine a login b password \"c\\\"\" macdef x\n\n default")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ftpx.ParseNetrc(s)
		if err == nil && len(n) > len(s) {
			t.Fatalf("%d entries from %d bytes", len(n), len(s))
		}
		if err != nil {
			return
		}
		// Written with quotes, the same entries come back.
		var b strings.Builder
		quote := func(v string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"` }
		for _, e := range n {
			if e.Machine == "" {
				b.WriteString("default")
			} else {
				b.WriteString("machine " + quote(e.Machine))
			}
			b.WriteString(" login " + quote(e.Login) + " password " + quote(e.Password) + " account " + quote(e.Account) + "\n")
		}
		if _, ok := n.Find("none.example", ""); ok && !strings.Contains(b.String(), "default") && !strings.Contains(s, "none.example") {
			t.Errorf("%q has something for every machine: %+v", s, n)
		}
		if again, err := ftpx.ParseNetrc(b.String()); err != nil || !slices.Equal(again, n) {
			t.Errorf("%q has %+v, which reads as %+v, %v", s, n, again, err)
		}
	})
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "a b": "a b", "-rf": "-rf", "a\tb": "a%09b", "a\x1b[31m": "a%1B[31m", "ä": "ä", "\xff": "\xff", "..a": "..a",
	} {
		if got, err := ftpx.SafeName(in); got != want || err != nil {
			t.Errorf("SafeName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a\x00b"} {
		if got, err := ftpx.SafeName(in); !errors.Is(err, ftpx.ErrUnsafeName) {
			t.Errorf("SafeName(%q) = %q, %v", in, got, err)
		}
	}
}

// What is wrong with a URL or a .netrc is told without the password in it.
func TestParseErrorsHideSecrets(t *testing.T) {
	const secret = "sesame77"
	for _, s := range []string{"ftp://u:sesame77@h:0/x", "ftp://u:sesame77/x@h/", "ftp://u:sesame77 @h:x/", "ftp://u:sesame77@[::1/", "ftp://u:sesame77%zz@h/",
		"ftp://u:sesame77@", "ftp:/u:sesame77@h/", "http://u:sesame77@h/", "u:sesame77@h/", "ftp://u:sesame77\n@h/", "ftp://u:sesame77@h/%0a", "ftp://u:p:sesame77@h:x/"} {
		if _, err := ftpx.ParseURL(s); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("ParseURL(%q): %v", s, err)
		}
	}
	for _, s := range []string{"machine h login u passwort sesame77", "machine h login u password \"sesame77", "machine h password a sesame77 b",
		"machine h password a sesame77", "sesame77 x"} {
		if _, err := ftpx.ParseNetrc(s); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("ParseNetrc(%q): %v", s, err)
		}
	}
	u, err := ftpx.ParseURL("ftp://u:a#b?c@h/x?y#z")
	if err != nil || u.Password != "a#b?c" || u.Host != "h" || u.Path != "x?y#z" {
		t.Errorf("a password with # and ?: %+v, %v", u, err)
	}
}
