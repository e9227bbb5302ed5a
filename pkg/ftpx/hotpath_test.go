package ftpx

import (
	"bufio"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/hotpath"
)

func hotPaths(tb testing.TB) []hotpath.Path {
	now := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	line := func(mlsd bool, text string) func() {
		return func() {
			p := ListParser{MLSD: mlsd, Now: now}
			p.Line(text)
			if len(p.End().Entries) != 1 {
				tb.Fatalf("%q is no entry", text)
			}
		}
	}
	passive := []byte("227 Entering Passive Mode (127,0,0,1,200,13).\r\n")
	r := bufio.NewReader(hotpath.Repeat(passive))
	return []hotpath.Path{
		{Name: "listing/MLSD", Most: 5, Run: line(true, "type=file;size=4096;modify=20240229123456;UNIX.mode=0644;unique=8U1; file name")},
		{Name: "listing/unix", Most: 18, Run: line(false, "-rw-r--r--   1 ftp      ftp          4096 Feb 29 12:34 file name")},
		{Name: "listing/DOS", Most: 12, Run: line(false, "02-29-24  12:34PM                 4096 file name")},
		{Name: "reply", Most: 4, Bytes: len(passive), Run: func() {
			if reply, err := readReply(r, nil); err != nil || reply.Code != 227 {
				tb.Fatal(reply, err)
			}
		}},
		{Name: "passive", Run: func() {
			if _, err := parsePassive("Entering Passive Mode (127,0,0,1,200,13)."); err != nil {
				tb.Fatal(err)
			}
		}},
	}
}

func TestHotPathAllocations(t *testing.T) { hotpath.Check(t, hotPaths(t)) }

func BenchmarkHotPath(b *testing.B) { hotpath.Benchmark(b, hotPaths(b)) }
