package cmd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// cut returns the datagrams that a rule of --framing makes of text.
func cut(rule, text string) ([]string, error) {
	f := frames{r: bufio.NewReaderSize(strings.NewReader(text), 16)}
	if err := f.setRule(rule); err != nil {
		return nil, err
	}
	var (
		list []string
		b    []byte
		err  error
	)
	for {
		if b, err = f.next(b); err != nil {
			break
		}
		list = append(list, string(b))
	}
	if !errors.Is(err, io.EOF) {
		return list, err
	}
	return list, nil
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 50) // longer than the buffer
	for _, tt := range []struct {
		rule, text string
		want       []string
	}{
		{"whole", "a\nb\n", []string{"a\nb\n"}},
		{"whole", "", []string{""}},
		{"lines", "a\nb\n", []string{"a", "b"}},
		{"lines", "a\r\n\nb", []string{"a", "", "b"}},
		{"lines", long + "\n" + long, []string{long, long}},
		{"lines", "", nil},
		{"nul", "a\x00b\x00", []string{"a", "b"}},
		{"3", "abcdefgh", []string{"abc", "def", "gh"}},
		{"size:4", "abcd", []string{"abcd"}},
	} {
		got, err := cut(tt.rule, tt.text)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s of %q: %q, %v; want %q", tt.rule, tt.text, got, err, tt.want)
		}
	}
	for _, rule := range []string{"words", "0", "-1", "1G", ""} {
		if _, err := cut(rule, "x"); err == nil {
			t.Errorf("the rule %q was accepted", rule)
		}
	}
	if _, err := cut("whole", strings.Repeat("x", maxDatagram+1)); err == nil {
		t.Error("an input longer than a datagram was accepted")
	}
}

// The pieces that a size makes are the input, whatever it is.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n"), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		fr := frames{r: bufio.NewReaderSize(bytes.NewReader(text), 16), size: max(1, size%1000)}
		var all, b []byte
		var err error
		for err == nil {
			if b, err = fr.next(b); err == nil {
				all = append(all, b...)
			}
		}
		if !errors.Is(err, io.EOF) || !bytes.Equal(all, text) {
			t.Errorf("%q became %q, %v", text, all, err)
		}
	})
}

func TestParseMembership(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"239.1.2.3", "239.1.2.3  invalid IP"},
		{"239.1.2.3%lo,192.0.2.1", "239.1.2.3 lo 192.0.2.1"},
		{"ff02::1%2", "ff02::1 2 invalid IP"},
		{"10.0.0.1", ""},
		{"239.1.2.3,x", ""},
		{"", ""},
	} {
		m, err := parseMembership(tt.in)
		got := ""
		if err == nil {
			got = m.Group.String() + " " + m.Interface + " " + m.Source.String()
		}
		if got != tt.want {
			t.Errorf("parseMembership(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}
