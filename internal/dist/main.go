// Command dist makes the files of a release: binaries and archives for every
// platform, deb, rpm and apk packages, checksums and a bill of materials. The
// same source gives the same bytes, on any day and in any directory. Run it by
// make dist.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// platforms are those that are built for, as GOOS/GOARCH.
const platforms = "linux/amd64,linux/arm64,linux/arm,linux/386,linux/riscv64,linux/ppc64le,linux/s390x," +
	"darwin/amd64,darwin/arm64,windows/amd64,windows/arm64,freebsd/amd64,openbsd/amd64,netbsd/amd64"

// A release is what is being made.
type release struct {
	version string
	out     string    // directory for the files of the release
	work    string    // directory for what is needed on the way
	date    time.Time // on every file
	nfpm    string    // the program that makes packages
}

// A platform is an operating system and an architecture, as Go names them.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

func main() {
	log.SetFlags(0)
	version := flag.String("version", "0.0.0", "`version` of the release")
	out := flag.String("o", "dist", "`directory` to write to; it is emptied")
	list := flag.String("platforms", platforms, "what to build for: `GOOS/GOARCH,...`")
	flag.Parse()
	if err := run(*version, *out, strings.Split(*list, ",")); err != nil {
		log.Fatal(err)
	}
}

func run(version, out string, list []string) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "brio-dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	r := &release{version: packageVersion(version), out: out, work: work}
	if r.date, err = releaseDate(); err != nil {
		return err
	}
	for i, name := range list {
		os, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("platform %q is not GOOS/GOARCH", name)
		}
		if err := r.make(platform{os, arch}, i == 0); err != nil {
			return err
		}
	}
	return r.checksums()
}

// packageVersion makes a version that packages take of what git describe says,
// which without a tag is only the name of a commit.
func packageVersion(s string) string {
	s = strings.TrimPrefix(s, "v")
	if major, _, ok := strings.Cut(s, "."); ok && strings.Trim(major, "0123456789") == "" {
		return s
	}
	return "0.0.0-g" + s
}

// releaseDate is SOURCE_DATE_EPOCH, or else a day on which nothing happened:
// never the day of the build.
func releaseDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(n, 0).UTC(), nil
}

// make makes all files for one platform; with sbom also the bill of materials.
func (r *release) make(p platform, sbom bool) error {
	binary, err := r.build(p)
	if err != nil {
		return err
	}
	if sbom {
		if err := r.writeSBOM(binary); err != nil {
			return err
		}
	}
	if err := r.archive(p, binary); err != nil {
		return fmt.Errorf("archive for %s: %w", p, err)
	}
	if p.os != "linux" {
		return nil
	}
	if err := r.packages(p, binary); err != nil {
		return fmt.Errorf("packages for %s: %w", p, err)
	}
	return nil
}

// checksums writes the SHA-256 of every file, as sha256sum -c reads them.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), e.Name()))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	return os.WriteFile(filepath.Join(r.out, "checksums.txt"), []byte(strings.Join(lines, "")), 0o644)
}
