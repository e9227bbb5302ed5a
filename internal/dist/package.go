package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// copyright is what Debian wants to find beside a package's files.
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: brio

Files: *
Copyright: the brio maintainers
License: Apache-2.0
 On Debian systems the full text of the licence is in
 /usr/share/common-licenses/Apache-2.0.
`

// overrides are what lintian would find, with reason: the binary is static.
const overrides = "brio: statically-linked-binary [usr/bin/brio]\n"

// packages writes a deb, an rpm and an apk.
func (r *release) packages(p platform, binary string) error {
	if err := r.needPackager(); err != nil {
		return err
	}
	stage := filepath.Join(r.work, p.String(), "stage")
	for _, format := range []string{"deb", "rpm", "apk"} {
		if err := r.pack(p, binary, stage, format); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}

// needPackager builds nfpm, of which packaging/go.mod says the version.
func (r *release) needPackager() error {
	if r.nfpm != "" {
		return nil
	}
	path, err := filepath.Abs(filepath.Join(r.work, "nfpm"))
	if err != nil {
		return err
	}
	c := exec.Command("go", "build", "-o", path, "github.com/goreleaser/nfpm/v2/cmd/nfpm")
	c.Dir = "packaging"
	c.Env = append(os.Environ(), "GOOS=", "GOARCH=", "GOFLAGS=")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("build nfpm: %w", err)
	}
	r.nfpm = path
	return nil
}

// pack stages the files of a package and lets nfpm put them together.
func (r *release) pack(p platform, binary, stage, format string) error {
	files, err := packageFiles(binary, format)
	if err != nil {
		return err
	}
	var contents []map[string]any
	for _, f := range files {
		src := filepath.Join(stage, format, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(src), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(src, f.data, 0o644); err != nil {
			return err
		}
		contents = append(contents, map[string]any{
			"src": src, "dst": f.name,
			"file_info": map[string]any{"mode": f.mode, "mtime": r.stamp(), "owner": "root", "group": "root"},
		})
	}
	config := filepath.Join(stage, format+".json") // JSON is YAML too
	doc, err := json.Marshal(r.describe(p, contents))
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, doc, 0o644); err != nil {
		return err
	}
	out, err := exec.Command(r.nfpm, "package", "--config", config, "--packager", format, "--target", r.out).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nfpm: %w\n%s", err, out)
	}
	return nil
}

func (r *release) stamp() string { return r.date.Format("2006-01-02T15:04:05Z") }

// describe is the configuration of nfpm.
func (r *release) describe(p platform, contents []map[string]any) map[string]any {
	arch := p.arch
	if arch == "arm" {
		arch = "arm7"
	}
	return map[string]any{
		"name": "brio", "arch": arch, "platform": "linux", "version": r.version, "section": "net", "priority": "optional",
		"maintainer": "brio maintainers <brio@localhost>", "license": "Apache-2.0",
		"description": "sockets, DNS, TLS, certificates and FTP from the command line\n" +
			"One static binary that moves bytes over sockets, asks the DNS, looks at TLS\nand certificates, and fetches files by FTP.",
		"mtime": r.stamp(), "contents": contents, "suggests": []string{"bash-completion"},
		"deb": map[string]any{"compression": "xz"},
		"rpm": map[string]any{"buildhost": "localhost", "summary": "sockets, DNS, TLS, certificates and FTP from the command line"},
	}
}

// packageFiles are the files of a package, with the paths they are installed to.
func packageFiles(binary, format string) ([]file, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files := []file{{"/usr/bin/brio", 0o755, data}}
	docs, err := documents()
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		if d, err = installed(d, format); err != nil {
			return nil, err
		}
		if d.name != "" {
			files = append(files, d)
		}
	}
	if format == "deb" {
		files = append(files,
			file{"/usr/share/doc/brio/copyright", 0o644, []byte(copyright)},
			file{"/usr/share/lintian/overrides/brio", 0o644, []byte(overrides)})
	}
	return files, nil
}

// installed says where a file of the tree goes; the name is empty where nothing
// would look for it.
func installed(d file, format string) (file, error) {
	base := path.Base(d.name)
	zsh := "/usr/share/zsh/vendor-completions/"
	if format != "deb" {
		zsh = "/usr/share/zsh/site-functions/"
	}
	var err error
	switch {
	case strings.HasPrefix(d.name, "man/"):
		d.name = "/usr/share/man/man" + base[len(base)-1:] + "/" + base + ".gz"
		d.data, err = gzipped(d.data)
	case base == "brio.bash":
		d.name = "/usr/share/bash-completion/completions/brio"
	case base == "_brio":
		d.name = zsh + "_brio"
	case base == "brio.fish":
		d.name = "/usr/share/fish/vendor_completions.d/brio.fish"
	case base == "CHANGELOG.md":
		d.name = "/usr/share/doc/brio/changelog.gz"
		d.data, err = gzipped(d.data)
	case base == "LICENSE" && format != "deb":
		d.name = "/usr/share/licenses/brio/LICENSE"
	default:
		d.name = ""
	}
	return d, err
}
