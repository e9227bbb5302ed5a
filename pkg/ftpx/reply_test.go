package ftpx

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

func TestReadReply(t *testing.T) {
	for _, tt := range []struct {
		in   string
		code int
		text string // "" for an error
	}{
		{"220 hello\r\n", 220, "hello"},
		{"220 hello\n", 220, "hello"},
		{"226\r\n", 226, " "},
		{"211-one\r\n 211 two\r\n211-three\r\n213 four\r\n211 five\r\n", 211, "one\n 211 two\nthree\n213 four\nfive"},
		{"220 a\x00b\xff\xfb\x01c\xff\xff\r\n", 220, "abc\xff"},
		{"999 no\r\n", 0, ""},
		{"2200 no\r\n", 0, ""},
		{"22\r\n", 0, ""},
		{"220-never\r\nends\r\n", 0, ""},
		{"220 no line end", 0, ""},
		{"220 " + strings.Repeat("x", maxLine) + "\r\n", 0, ""},
		{"220-\r\n" + strings.Repeat(strings.Repeat("x", 1000)+"\r\n", 2000) + "220 \r\n", 0, ""},
	} {
		r, err := readReply(bufio.NewReader(strings.NewReader(tt.in)), nil)
		if tt.text == "" {
			if err == nil {
				t.Errorf("readReply(%.40q) = %+v", tt.in, r)
			}
			continue
		}
		if err != nil || r.Code != tt.code || r.Text() != strings.TrimSpace(tt.text) {
			t.Errorf("readReply(%.40q) = %d %q, %v; want %d %q", tt.in, r.Code, r.Text(), err, tt.code, tt.text)
		}
	}
}

func TestReplyTexts(t *testing.T) {
	for in, want := range map[string]int{
		"Entering Passive Mode (127,0,0,1,5,6).": 1286, "=127,0,0,1,5,6": 1286, "127, 0, 0, 1, 5, 6": 1286,
		"version 2,1 at (10,0,0,1,0,21)": 21, "(1,2,3,4,5)": 0, "(1,2,3,4,256,1)": 0, "(1,2,3,4,0,0)": 0, "": 0,
	} {
		if got, err := parsePassive(in); got != want || (err == nil) != (want > 0) {
			t.Errorf("parsePassive(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for in, want := range map[string]int{
		"Entering Extended Passive Mode (|||5282|)": 5282, "(!!!5282!)": 5282, "|||5282|": 5282,
		"(|||0|)": 0, "(|||65536|)": 0, "(|||x|)": 0, "(||5282|)": 0, "(|||5282": 0, "": 0,
	} {
		if got, err := parseExtendedPassive(in); got != want || (err == nil) != (want > 0) {
			t.Errorf("parseExtendedPassive(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for in, want := range map[string]int64{
		"Opening BINARY mode data connection for f (4096 bytes).": 4096, "for f(1) (7 bytes)": 7, "4.0 kbytes to download": -1, "(x bytes)": -1, "(-1 bytes)": -1,
	} {
		if got, ok := announcedSize(in); ok != (want >= 0) || ok && got != want {
			t.Errorf("announcedSize(%q) = %d, %v; want %d", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{
		"20240229123456": "2024-02-29T12:34:56Z", "20240229123456.5": "2024-02-29T12:34:56.5Z", "191000229123456": "2000-02-29T12:34:56Z", "2024": "", "": "",
	} {
		got, err := parseTimeVal(in)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseTimeVal(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add("220-a\r\nb\r\n220 c\r\n")
	f.Add("227 Entering (1,2,3,4,5,6)\r\n")
	f.Add("229 (|||5282|)\r\n")
	f.Add("257 \"a\"\"b\" x\r\n")
	f.Add("213 20240229123456.7\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(s)), nil)
		if err != nil {
			return
		}
		if r.Code < 100 || r.Code > 699 || len(r.Lines) == 0 || strings.ContainsAny(r.Text(), "\x00") {
			t.Fatalf("readReply(%q) = %+v", s, r)
		}
		for _, parse := range []func(string) (int, error){parsePassive, parseExtendedPassive} {
			if port, err := parse(r.Text()); err == nil && (port < 1 || port > 65535) {
				t.Fatalf("port %d from %q", port, s)
			}
		}
		if size, err := parseSize(r.Message()); err == nil && size < 0 {
			t.Fatalf("size %d from %q", size, s)
		}
		_, _ = parseQuotedPath(r.Message())
		_, _ = parseTimeVal(r.Message())
		_, _ = parseChecksum(r.Message(), "")
		parseFeatures(r.Lines)
		announcedSize(r.Text())
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\r\r\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step, data = max(step, 1), data[:min(len(data), 2000)] // longer ones find nothing more
		// What a decoder of pieces gives is what one of the whole gives.
		whole := (&textDecoder{}).decode(data, true)
		want := strings.ReplaceAll(string(data), "\r\n", "\n")
		if string(whole) != want {
			t.Fatalf("decode(%q) = %q, want %q", data, whole, want)
		}
		var pieces, sent []byte
		d, e := &textDecoder{}, &textEncoder{}
		for i := 0; i < len(data); i += step {
			part := data[i:min(i+step, len(data))]
			pieces = append(pieces, d.decode(part, false)...)
			sent = append(sent, e.encode(part)...)
		}
		if pieces = append(pieces, d.decode(nil, true)...); string(pieces) != want {
			t.Fatalf("decode(%q) by %d = %q, want %q", data, step, pieces, want)
		}
		if wire := (&textEncoder{}).encode(data); string(sent) != string(wire) {
			t.Fatalf("encode(%q) by %d = %q, whole %q", data, step, sent, wire)
		}
	})
}
