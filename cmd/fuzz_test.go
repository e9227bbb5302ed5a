package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/brio-net/brio/pkg/dnsq"
)

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"cat", `a 'b c' "d\"e" f\ g`, "caf\xe9 x", "'", `\`, "a''b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitWords(s)
		if err != nil {
			return
		}
		if strings.Join(words, "") != "" && strings.Trim(s, " \t\n") == "" {
			t.Fatalf("splitWords(%q) = %q", s, words)
		}
		// What is quoted for a shell is the same words again, byte by byte.
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = quoteShell(w)
		}
		again, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Errorf("splitWords(%q) = %q, which comes back as %q, %v", s, words, again, err)
		}
		if whole, err := splitWords(quoteShell(s)); err != nil || len(whole) != 1 || whole[0] != s {
			t.Errorf("the word %q comes back as %q, %v", s, whole, err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "1500", "64k", "1.5M", "1GiB", "64kB", "8388607T", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseSize(s)
		if err != nil {
			return
		}
		v := sizeValue(n)
		if again, err := parseSize(v.String()); n < 0 || err != nil || again != n && n < 1<<53 {
			t.Errorf("parseSize(%q) = %d, which reads as %d, %v", s, n, again, err)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2030-01-31", "2030-01-31T12:00:00Z", "1900000000", "-900000000", "2030-01-31 12:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseTime(s)
		if err != nil || s == "" || at.Year() < 0 || at.Year() > 9999 {
			return
		}
		if again, err := parseTime(at.Format("2006-01-02T15:04:05Z07:00")); err != nil || again.Unix() != at.Unix() {
			t.Errorf("parseTime(%q) = %v, which reads as %v, %v", s, at, again, err)
		}
	})
}

func FuzzMembership(f *testing.F) {
	for _, s := range []string{"224.0.0.251", "ff02::fb%lo", "232.1.1.1%lo,127.0.0.1", "10.0.0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMembership(s)
		if err == nil && (!m.Group.IsMulticast() || m.Group.Zone() != "" || len(m.Interface) > len(s)) {
			t.Errorf("parseMembership(%q) = %+v", s, m)
		}
	})
}

func FuzzDecodeData(f *testing.F) {
	f.Add("00 ff\n", []byte("\x00\xff"))
	f.Add("aGk=", []byte("hi"))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		for _, encoding := range []string{"hex", "base64", "text", ""} {
			if got, err := decodeData(encodeData(data, encoding), encoding); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%q comes back from %q as %q, %v", data, encoding, got, err)
			}
			got, err := decodeData(text, encoding)
			if err == nil && len(got) > len(text) {
				t.Errorf("decodeData(%q, %q) = %q", text, encoding, got)
			}
		}
	})
}

func FuzzExpandPorts(f *testing.F) {
	for _, s := range []string{"h:80", "h:1-65535", "h:80,443,8000-8002", "[::1]:1-2", "unix:/a:1-9", "h:9-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := expandPorts(s)
		if len(all) == 0 || len(all) > 65536*(1+strings.Count(s, ",")) {
			t.Fatalf("expandPorts(%q) gives %d addresses", s, len(all))
		}
		for _, a := range all[:min(len(all), 100)] {
			if len(a) > len(s)+5 {
				t.Errorf("expandPorts(%q) gives %q", s, a)
			}
		}
	})
}

// A field that --get finds is part of the document, --write-out prints nothing a
// terminal could act on but what the format says, and what --format sh prints
// says the same to a shell.
func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"x"},{"b":"\u001b[31m"}],"c":null,"d":1.50}`), "a.1.b", `%{a.0.b}\n%%{`)
	f.Add([]byte(`[[],{},[""]]`), "-1.0", "%{stderr}x")
	f.Fuzz(func(t *testing.T, doc []byte, path, format string) {
		if !json.Valid(doc) || bytes.Count(doc, []byte("[")) > 1000 || bytes.Count(doc, []byte("{")) > 1000 {
			return // brio reads what brio has written
		}
		root, err := parseNode(doc)
		if err != nil {
			t.Fatalf("parseNode(%q): %v", doc, err)
		}
		if n, ok := root.at(path); ok && len(n.text()) > len(doc)*4 {
			t.Errorf("%q at %q is %d bytes", doc, path, len(n.text()))
		}
		for rest := format; rest != ""; {
			_, _, after := nextPiece(rest)
			if len(after) >= len(rest) {
				t.Fatalf("nextPiece(%q) leaves %q", rest, after)
			}
			rest = after
		}
		var b strings.Builder
		writeShellNode(&b, "BRIO", root, func(s string) string { return s })
		assignments, err := splitWords(b.String())
		if err != nil || len(assignments) > len(doc)+1 {
			t.Errorf("%q for a shell is %q: %v", doc, b.String(), err)
		}
		for _, a := range assignments {
			if name, _, ok := strings.Cut(a, "="); !ok || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
				t.Errorf("%q for a shell has the word %q", doc, a)
			}
		}
	})
}

// What is written as JSON is the same document after its controls are escaped.
func FuzzEscapeJSON(f *testing.F) {
	f.Add("a\x7f\u0085\u202e\u2028\xff")
	f.Fuzz(func(t *testing.T, s string) {
		line, err := marshalLine(map[string]string{"s": s})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(line, &back); err != nil || back["s"] != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("%q became %s, which is %q, %v", s, line, back["s"], err)
		}
		if bytes.ContainsFunc(bytes.TrimSuffix(line, []byte("\n")), isControl) {
			t.Errorf("%q became %q, which a terminal would act on", s, line)
		}
	})
}

// A file of settings is read or refused; what is accepted names flags that exist.
func FuzzConfigFile(f *testing.F) {
	for _, s := range []string{"defaults:\n  timeout: 5s\n", "profiles:\n  a:\n    connect:\n      retry: [1, 2]\n", "connect: 1\n",
		"&a [*a]", "a: &a {b: *a}", "dns-query:\n  nameserver: [127.0.0.1, '::1']\n", "\t", "? [x]\n: y\n"} {
		f.Add([]byte(s))
	}
	known := flagsBySection(newEnv(nil, os.Stdin, os.Stdout, os.Stderr).wholeTree())
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseConfig("config.yaml", text)
		if err != nil || file.checkAll(known) != nil {
			return
		}
		for section, set := range file.sections {
			for key := range set {
				if flag := known[section][key]; flag == nil || isSecret(flag) {
					t.Errorf("%q: %s.%s is accepted", text, section, key)
				}
			}
		}
	})
}

// The blocks of --allow and --deny are all of those in the file, or none.
func FuzzAccessFile(f *testing.F) {
	for _, s := range []string{"127.0.0.0/8 # home\n::1\n", "10/8", "#\n\n", "192.0.2.1\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parsePrefixes("--allow", accessWords(text))
		if err != nil {
			return
		}
		words := 0
		for line := range strings.SplitSeq(text, "\n") {
			line, _, _ = strings.Cut(line, "#")
			words += len(strings.Fields(line))
		}
		if len(list) != words {
			t.Errorf("%q gave %d blocks of %d", text, len(list), words)
		}
	})
}

// The words of dns-query are told apart, or refused: no question is for a name
// that cannot be packed, and none for an address.
func FuzzDNSArgs(f *testing.F) {
	for _, s := range []string{"example.com MX", "@127.0.0.1:53 a.b TXT CH", "192.0.2.1", "a b TYPE65535", "x +short", "127.1 A", `a\.b AAAA`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		plan, err := new(dnsOptions).plan(strings.Fields(line))
		if err != nil {
			return
		}
		for _, q := range plan.questions {
			abs, err := dnsq.AbsoluteName(q.name)
			if err != nil {
				t.Fatalf("%q asks for %q: %v", line, q.name, err)
			}
			if _, err := dns.PackDomainName(abs, make([]byte, 256), 0, nil, false); err != nil {
				t.Errorf("%q asks for %q: %v", line, abs, err)
			}
			if _, ok := dnsq.ParseAddr(q.name); ok {
				t.Errorf("%q asks for the address %q as a name", line, q.name)
			}
		}
	})
}

func FuzzEachCase(f *testing.F) {
	for _, s := range []string{`{"id":"a"} {"id":"b"}`, `[{"id":"a"}]`, `{"version":1,"testcases":[{"id":"a"}],"x":{}}`, `{"testcases":`, `[]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := 0
		err := eachCase(bufio.NewReader(strings.NewReader(s)), func(c *batchCase) error {
			n++
			return nil
		})
		if n > len(s) || err == nil && n == 0 && strings.Contains(s, `"id"`) && !strings.HasPrefix(strings.TrimSpace(s), "[") && !strings.Contains(s, `"testcases"`) {
			t.Errorf("%q holds %d cases, %v", s, n, err)
		}
	})
}

// The header of a request for --www ends at its empty line.
func FuzzReadRequest(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := readRequest(strings.NewReader(s))
		if !strings.HasPrefix(s, got) || len(got) > wwwMaxRequest {
			t.Fatalf("readRequest(%q) = %q", s, got)
		}
		ended := strings.HasSuffix("\n"+strings.ReplaceAll(got, "\r", ""), "\n\n")
		if err == nil && !ended || err != nil && len(got) < min(len(s), wwwMaxRequest) {
			t.Errorf("readRequest(%q) = %q, %v", s, got, err)
		}
	})
}
