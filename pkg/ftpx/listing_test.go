package ftpx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/brio-net/brio/pkg/ftpx"
)

func TestListParser(t *testing.T) {
	now := time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC)
	day := func(y int, m time.Month, d, hh, mm, ss int) time.Time {
		return time.Date(y, m, d, hh, mm, ss, 0, time.UTC)
	}
	for _, tt := range []struct {
		line   string
		mlsd   bool
		kind   ftpx.Kind
		size   int64
		time   time.Time
		name   string
		target string
	}{
		{"-rw-r--r--   1 ftp   ftp     4096 Feb 29 12:34 file", false, "file", 4096, day(2024, 2, 29, 12, 34, 0), "file", ""},
		{"-rw-r--r--   1 ftp   ftp     4096 Mar 11 11:59 tomorrow", false, "file", 4096, day(2024, 3, 11, 11, 59, 0), "tomorrow", ""},
		{"-rw-r--r--   1 ftp   ftp     4096 Dec 24 12:34 last year", false, "file", 4096, day(2023, 12, 24, 12, 34, 0), "last year", ""},
		{"-rw-r--r--   1 ftp   ftp     4096 Jan  2  2006 old", false, "file", 4096, day(2006, 1, 2, 0, 0, 0), "old", ""},
		{"drwxr-xr-x+  2 ftp   ftp     4096 Jan  2  2006 acl", false, "directory", 4096, day(2006, 1, 2, 0, 0, 0), "acl", ""},
		{"drwxr-xr-x.  2 ftp   ftp     4096 Jan  2  2006 selinux", false, "directory", 4096, day(2006, 1, 2, 0, 0, 0), "selinux", ""},
		{"-rw-r--r--@  1 ftp   ftp     4096 Jan  2  2006 mac", false, "file", 4096, day(2006, 1, 2, 0, 0, 0), "mac", ""},
		{"lrwxrwxrwx   1 ftp   ftp        4 Jan  2  2006 link -> a -> b", false, "link", 4, day(2006, 1, 2, 0, 0, 0), "link", "a -> b"},
		{"brw-rw----   1 root  disk   8,  0 Jan  2  2006 sda", false, "other", -1, day(2006, 1, 2, 0, 0, 0), "sda", ""},
		{"-rw-r--r--   1 Domain Users grp  7 Jan  2  2006 blank owner", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "blank owner", ""},
		{"-rw-r--r--   1 own  7 Jan  2  2006 no group", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "no group", ""},
		{"-rw-r--r--   0 own grp  7 Feb 29 12:34 hosted", false, "file", 7, day(2024, 2, 29, 12, 34, 0), "hosted", ""},
		{"-rw-r--r--   1 own grp  7 Jan  2  2006   leading blanks", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "  leading blanks", ""},
		{"-rw-r--r--   1 own grp  7 Jan  2  2006 trailing ", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "trailing ", ""},
		{"-rw-r--r--   1 own grp  7 2 Jan 2006 day first", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "day first", ""},
		{"-rw-r--r--   1 own grp  7 2006-01-02 15:04 iso", false, "file", 7, day(2006, 1, 2, 15, 4, 0), "iso", ""},
		{"-rw-r--r--   1 own grp  7 Jan  2  2006 9 Feb 3 12:00 x", false, "file", 7, day(2006, 1, 2, 0, 0, 0), "9 Feb 3 12:00 x", ""},
		{"d [RWCEAFMS] admin  512 Jan  2  2006 netware", false, "directory", 512, day(2006, 1, 2, 0, 0, 0), "netware", ""},
		{"drwxr-xr-x folder        0 Jan  2  2006 folder", false, "directory", 0, day(2006, 1, 2, 0, 0, 0), "folder", ""},
		{"01-02-06  03:04PM       <DIR>          dos dir", false, "directory", -1, day(2006, 1, 2, 15, 4, 0), "dos dir", ""},
		{"01-02-06  03:04PM                12345 dos.txt", false, "file", 12345, day(2006, 1, 2, 15, 4, 0), "dos.txt", ""},
		{"01-02-2006  15:04              1,234 big.txt", false, "file", 1234, day(2006, 1, 2, 15, 4, 0), "big.txt", ""},
		{"01-02-06  03:04PM       <SYMLINKD>     link [D:\\x]", false, "link", -1, day(2006, 1, 2, 15, 4, 0), "link", "D:\\x"},
		{"+i8388621.48594,m825718503,r,s280,\tdjb.html", false, "file", 280, time.Unix(825718503, 0).UTC(), "djb.html", ""},
		{"+m824255907,/,\tpub", false, "directory", -1, time.Unix(824255907, 0).UTC(), "pub", ""},
		{"README.TXT;4  2/4  2-JAN-2006 15:04:05  [GRP,OWN]  (RWED,RWED,RE,)", false, "file", -1, day(2006, 1, 2, 15, 4, 5), "README.TXT", ""},
		{"SUB.DIR;1     1    2-JAN-2006 15:04  [OWN]", false, "directory", -1, day(2006, 1, 2, 15, 4, 0), "SUB", ""},
		{"type=file;size=010;modify=20060102150405; octal", true, "file", 10, day(2006, 1, 2, 15, 4, 5), "octal", ""},
		{" Type=Dir;Modify=20060102150405.123;Perm=el; caps", true, "directory", -1, day(2006, 1, 2, 15, 4, 5).Add(123 * time.Millisecond), "caps", ""},
		{"type=OS.unix=slink:/to/it;size=1; sl", true, "link", 1, time.Time{}, "sl", "/to/it"},
		{"type=OS.unix=symlink;size=1; sym", true, "link", 1, time.Time{}, "sym", ""},
		{"size=3;type=file;  two blanks", true, "file", 3, time.Time{}, " two blanks", ""},
		{"type=file;UNIX.mode=0644;X.future=yes; name;with=semicolon", true, "file", -1, time.Time{}, "name;with=semicolon", ""},
	} {
		p := ftpx.ListParser{MLSD: tt.mlsd, Now: now}
		p.Line(tt.line)
		l := p.End()
		if len(l.Entries) != 1 || len(l.Unknown) != 0 {
			t.Errorf("%q: %v, unknown %q", tt.line, l.Entries, l.Unknown)
			continue
		}
		e := l.Entries[0]
		if e.Kind != tt.kind || e.Size != tt.size || !e.Time.Equal(tt.time) || e.Name != tt.name || e.Target != tt.target {
			t.Errorf("%q:\n got %v -> %q\nwant %s %d %v %q -> %q", tt.line, e, e.Target, tt.kind, tt.size, tt.time, tt.name, tt.target)
		}
	}
}

func TestListParserDropsNothing(t *testing.T) {
	text := strings.Join([]string{
		"total 12", "", "Directory DISK:[PUB]", "gibberish", "-rw-r--r-- nonsense",
		"type=file;size=x; bad", "A_VERY_LONG_NAME_INDEED.TXT;1", "   2/4  2-JAN-2006 15:04:05  [OWN]  (RWED)",
		"-rw-r--r-- 1 a b 1 Jan 1 2000 .", "Total of 1 file, 2/4 blocks.", "LAST.TXT;1",
	}, "\n")
	var p ftpx.ListParser
	for line := range strings.SplitSeq(text, "\n") {
		p.Line(line)
	}
	l := p.End()
	if len(l.Entries) != 1 || l.Entries[0].Name != "A_VERY_LONG_NAME_INDEED.TXT" {
		t.Errorf("entries: %v", l.Entries)
	}
	if len(l.Unknown) != 4 {
		t.Errorf("unknown: %q", l.Unknown)
	}
}

func FuzzListParser(f *testing.F) {
	f.Add("-rw-r--r--   1 ftp ftp 4096 Feb 29 12:34 file", false)
	f.Add("type=file;size=10; name", true)
	f.Add("+i1,m2,/,\tx", false)
	f.Add("01-02-06  03:04PM <DIR> x", false)
	f.Add("A.B;1 1 2-JAN-2006 15:04", false)
	f.Fuzz(func(t *testing.T, text string, mlsd bool) {
		p := ftpx.ListParser{MLSD: mlsd}
		lines := 0
		for line := range strings.SplitSeq(text, "\n") {
			p.Line(line)
			lines++
		}
		l := p.End()
		if len(l.Entries)+len(l.Unknown) > lines {
			t.Fatalf("%d lines gave %d entries and %d unknown", lines, len(l.Entries), len(l.Unknown))
		}
		for _, e := range l.Entries {
			if e.Name == "" || e.Name == "." || e.Name == ".." || e.Size < -1 {
				t.Fatalf("entry %v", e)
			}
		}
	})
}
