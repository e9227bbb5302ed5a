//go:build linux && amd64

package tests

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brio-net/brio/internal/need"
)

// TestDist makes a release for one platform twice, and looks into what it got.
func TestDist(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds a release")
	}
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	dist(t, first)
	dist(t, second)
	want, err := os.ReadFile(filepath.Join(first, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(second, "checksums.txt"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("a second build differs: %v\n%s\n%s", err, want, got)
	}
	for _, name := range []string{".deb", ".rpm", ".apk", ".tar.gz", ".cdx.json"} {
		if !bytes.Contains(want, []byte(name+"\n")) {
			t.Errorf("no %s in the release:\n%s", name, want)
		}
	}
	t.Run("checksums", func(t *testing.T) {
		c := exec.Command(need.Tool(t, "sha256sum"), "-c", "checksums.txt")
		c.Dir = first
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("archive", func(t *testing.T) { checkArchive(t, first) })
	t.Run("sbom", func(t *testing.T) { checkSBOM(t, first) })
	t.Run("deb", func(t *testing.T) { checkDeb(t, first) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, first) })
	t.Run("apk", func(t *testing.T) { checkAPK(t, first) })
}

func dist(t *testing.T, dir string) {
	t.Helper()
	c := exec.Command("go", "run", "./internal/dist", "-version", "v1.2.3", "-platforms", "linux/amd64", "-o", dir)
	c.Dir = ".."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("dist: %v\n%s", err, out)
	}
}

// only returns the one file in dir with a suffix.
func only(t *testing.T, dir, suffix string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("files *%s: %v, %v", suffix, names, err)
	}
	return names[0]
}

// tarNames lists the files of a gzipped tar, or of several after one another.
func tarNames(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		z, err := gzip.NewReader(r)
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		tr := tar.NewReader(z)
		for {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, h.Name)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			t.Fatal(err)
		}
	}
}

func checkArchive(t *testing.T, dir string) {
	names := tarNames(t, only(t, dir, ".tar.gz"))
	for _, want := range []string{"brio", "LICENSE", "man/brio.1", "completions/_brio"} {
		if !slices.Contains(names, "brio_1.2.3_linux_amd64/"+want) {
			t.Errorf("the archive lacks %s: %v", want, names)
		}
	}
}

func checkSBOM(t *testing.T, dir string) {
	data, err := os.ReadFile(only(t, dir, ".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"components"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || doc.BOMFormat != "CycloneDX" {
		t.Fatalf("%v: %.100s", err, data)
	}
	for _, c := range doc.Components {
		if c.Name != "std" && !slices.Contains(linkedModules, c.Name) || c.Version == "" {
			t.Errorf("unexpected component %+v", c)
		}
	}
}

func checkAPK(t *testing.T, dir string) {
	names := tarNames(t, only(t, dir, ".apk"))
	for _, want := range []string{".PKGINFO", "usr/bin/brio", "usr/share/man/man1/brio.1.gz"} {
		if !slices.Contains(names, want) {
			t.Errorf("the apk lacks %s: %v", want, names)
		}
	}
}

// checkDeb installs the package into an empty root, runs it there, removes it,
// and finds nothing left.
func checkDeb(t *testing.T, dir string) {
	dpkg := need.Tool(t, "dpkg")
	root := t.TempDir()
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		c := exec.Command(dpkg, append([]string{"--root=" + root, "--force-not-root", "--force-script-chrootless", "--log=" + os.DevNull}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("dpkg %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("-i", only(t, dir, ".deb"))
	checkInstalled(t, root)
	run("--purge", "brio")
	checkNothingLeft(t, root, "var/lib/dpkg")
}

func checkRPM(t *testing.T, dir string) {
	rpm := need.Tool(t, "rpm")
	need.Root(t) // for rpm --root
	root := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(rpm, append([]string{"--root", root, "--nodeps", "--nosignature"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("-i", only(t, dir, ".rpm"))
	checkInstalled(t, root)
	run("-e", "brio")
	checkNothingLeft(t, root, "var", "root", "usr/lib/sysimage")
}

// checkInstalled runs brio where it was installed and looks for what belongs to it.
func checkInstalled(t *testing.T, root string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(root, "usr/bin/brio"), "version").Output()
	if err != nil || !bytes.HasPrefix(out, []byte("brio 1.2.3\n")) {
		t.Errorf("installed brio: %v: %q", err, out)
	}
	out, err = exec.Command(filepath.Join(root, "usr/bin/brio"), "ipaddr", "--format", "short", "127.1").Output()
	if err != nil || string(out) != "127.0.0.1\n" {
		t.Errorf("installed brio: %v: %q", err, out)
	}
	for _, name := range []string{"man/man1/brio-ipaddr.1.gz", "man/man5/brio.config.5.gz", "man/man7/brio-addresses.7.gz", "bash-completion/completions/brio", "fish/vendor_completions.d/brio.fish"} {
		if _, err := os.Stat(filepath.Join(root, "usr/share", name)); err != nil {
			t.Error(err)
		}
	}
}

// checkNothingLeft finds no file in root but below own, the package manager's.
func checkNothingLeft(t *testing.T, root string, own ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(name, o+"/") }) {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
