package cmd

import (
	"testing"

	"github.com/brio-net/brio/pkg/ftpx"
)

func TestFTPURLLeadsBack(t *testing.T) {
	cfg := ftpx.Config{Host: "h", Port: 2121}
	for _, path := range []string{"", "a", "/abs", "/", "a b", "100%", "a?b#c", "*[x]\\", "a;type=i", "\xff\xfe", "ä", "\x1b[31m", "a//b", "//x"} {
		text := ftpURL(cfg, path)
		u, err := ftpx.ParseURL(text)
		if err != nil || u.Path != path || u.Pattern != "" || u.Type != 0 {
			t.Errorf("ftpURL(%q) = %s, which is %+v, %v", path, text, u, err)
		}
	}
}
