package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/brio-net/brio/internal/need"
	"github.com/brio-net/brio/tests/faults"
)

// vsftpdOn starts vsftpd on a host and returns the URL of its writable directory
// and where that is.
func vsftpdOn(t *testing.T, h *faults.Host) (url, dir string) {
	t.Helper()
	need.Tool(t, "vsftpd")
	s := newRealFTP(t, "vsftpd")
	if err := os.Mkdir(s.base("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := s.base("vsftpd.conf")
	writeFile(t, conf, fmt.Appendf(nil, `listen=YES
listen_address=%s
listen_port=2121
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
anon_root=%s
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir=%s
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
data_connection_timeout=3
`, h.Addr, filepath.Dir(s.dir), s.base("empty")))
	// Sessions that wait for a parted client would outlive the server: all of
	// them end with the shell, the first process of its namespace.
	together := func(c *exec.Cmd) { c.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID }
	startOn(t, h, together, "sh", "-c", `vsftpd "$0"; exit`, conf)
	return fmt.Sprintf("ftp://%s:2121/files/", h.Addr), s.dir
}

// ftpOn runs a command of brio on a host against a server that may need a moment
// to listen.
func ftpOn(t *testing.T, h *faults.Host, args ...string) *program {
	t.Helper()
	return startOn(t, h, nil, append([]string{"brio"}, append(args, "--netrc", "none", "--reply-timeout", "5s", "--connect-timeout", "5s")...)...)
}

// awaitFTP waits until the server of url answers.
func awaitFTP(t *testing.T, h *faults.Host, url string) {
	t.Helper()
	for range 50 {
		if ftpOn(t, h, "ftp-ls", url).status() == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no server at %s", url)
}

// sameFile fails unless the file has this content.
func sameFile(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; want %d, the same ones", name, len(got), err, len(want))
	}
}

// Packets are lost: files are not.
func TestFTPThroughLoss(t *testing.T) {
	n := newNetwork(t, badNetwork())
	url, dir := vsftpdOn(t, n.Far)
	awaitFTP(t, n.Near, url)
	data, here := randomData(300_000), filepath.Join(t.TempDir(), "f")
	writeFile(t, filepath.Join(dir, "f"), data)
	ftpOn(t, n.Near, "ftp-get", "-q", "-o", here, url+"f").ends(0, "fetched\t300000\t"+here+"\n", "")
	sameFile(t, here, data)
	ftpOn(t, n.Near, "ftp-put", "-q", here, url+"up").ends(0, "stored\t300000\t"+here+"\n", "")
	sameFile(t, filepath.Join(dir, "up"), data)
}

// The hosts are parted in the middle of a transfer. A short while is a delay, a
// longer one a broken attempt, which the next one continues. For good it is
// status 5, and --resume completes what was kept.
func TestFTPPartition(t *testing.T) {
	data := randomData(4 << 20)
	for name, tt := range map[string]struct {
		flags []string
		apart time.Duration // 0: for good
	}{
		"delay":    {[]string{"--retries", "0", "--idle-timeout", "10s"}, 500 * time.Millisecond},
		"retry":    {[]string{"--retries", "5", "--retry-delay", "500ms", "--idle-timeout", "1s"}, 2 * time.Second},
		"for good": {[]string{"--retries", "0", "--idle-timeout", "1s"}, 0},
	} {
		for _, up := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/up=%v", name, up), func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t, faults.Path{Delay: 50 * time.Microsecond})
				url, there := vsftpdOn(t, n.Far)
				awaitFTP(t, n.Near, url)
				here := t.TempDir()
				command, source, target := []string{"ftp-get", "-j", "1", "-d", here, url + "f"}, filepath.Join(there, "f"), filepath.Join(here, "f")
				grows := target + ".part"
				if up {
					source, target = target, source
					command, grows = []string{"ftp-put", source, url + "f"}, target
				}
				writeFile(t, source, data)
				p := ftpOn(t, n.Near, append(command, tt.flags...)...)
				p.waits("some of it", func() bool { return sizeOf(grows) > 256<<10 })
				n.Cut(true)
				if tt.apart > 0 {
					time.Sleep(tt.apart)
					n.Cut(false)
				}
				want := 0
				if tt.apart == 0 {
					want = 5
				}
				if got := p.status(); got != want {
					t.Fatalf("status %d, want %d: %s", got, want, p.stderr.String())
				}
				if tt.apart == 0 {
					if kept := sizeOf(grows); kept < 256<<10 || kept >= int64(len(data)) {
						t.Errorf("%s holds %d bytes", grows, kept)
					}
					n.Cut(false)
					p := ftpOn(t, n.Near, append(command, "--resume")...)
					if got := p.status(); got != 0 {
						t.Fatalf("--resume: status %d: %s", got, p.stderr.String())
					}
				}
				sameFile(t, target, data)
			})
		}
	}
}

func sizeOf(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}
