package tlsx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A HashLink is one link of a hashed directory.
type HashLink struct {
	// Name is the link, such as "5ad8a5d6.0", Target the file it stands for.
	Name   string `json:"name"`
	Target string `json:"target"`
}

// A HashReport tells what [Rehash] did.
type HashReport struct {
	Links []HashLink `json:"links"`
	// Removed are links of an earlier run that were taken away.
	Removed []string `json:"removed"`
	// Skipped are files that hold several certificates, none, or one that
	// another file holds too, with the reason.
	Skipped map[string]string `json:"skipped"`
}

// Rehash makes the links by which OpenSSL (and [Store.AddHashedDirectory])
// find the certificates and revocation lists of a directory: HHHHHHHH.N and
// HHHHHHHH.rN. Only files with one object get one, as openssl rehash does.
// Links of this form that were there are replaced; other files stay.
func Rehash(dir string) (*HashReport, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	r := &HashReport{Links: []HashLink{}, Removed: []string{}, Skipped: map[string]string{}}
	h := hasher{dir: dir, report: r, seen: map[string]string{}, next: map[string]int{}}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 && isHashName(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return r, err
			}
			r.Removed = append(r.Removed, e.Name())
			continue
		}
		if err := h.add(e.Name()); err != nil {
			return r, err
		}
	}
	return r, nil
}

// isHashName reports a name of eight hex digits, a dot and a number (after an
// r for lists).
func isHashName(name string) bool {
	hash, rest, ok := strings.Cut(name, ".")
	if !ok || len(hash) != 8 {
		return false
	}
	if _, err := strconv.ParseUint(hash, 16, 32); err != nil {
		return false
	}
	_, err := strconv.ParseUint(strings.TrimPrefix(rest, "r"), 10, 16)
	return err == nil
}

type hasher struct {
	dir    string
	report *HashReport
	seen   map[string]string // object → file
	next   map[string]int    // hash and kind → next number
}

func (h *hasher) add(name string) error {
	path := filepath.Join(h.dir, name)
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() || isHashName(name) {
		return nil // a directory, a dangling link, a copy made for a hash
	}
	certs, crls, err := readTrustFile(path)
	switch {
	case err != nil:
		h.report.Skipped[name] = err.Error()
		return nil
	case len(certs)+len(crls) != 1:
		h.report.Skipped[name] = fmt.Sprintf("holds %d objects, and a link stands for one", len(certs)+len(crls))
		return nil
	case len(certs) == 1:
		return h.link(certs[0].Subject, ".", string(certs[0].Raw), name)
	}
	return h.link(crls[0].Issuer, ".r", string(crls[0].Raw), name)
}

func (h *hasher) link(n Name, kind, object, target string) error {
	if first, ok := h.seen[object]; ok {
		h.report.Skipped[target] = "the same as " + first
		return nil
	}
	h.seen[object] = target
	base := hashName(n.Hash()) + kind
	for ; h.next[base] < maxHashLinks; h.next[base]++ {
		name := base + strconv.Itoa(h.next[base])
		err := os.Symlink(target, filepath.Join(h.dir, name))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		h.next[base]++
		h.report.Links = append(h.report.Links, HashLink{name, target})
		return nil
	}
	return fmt.Errorf("%s: more than %d files with the hash %s", h.dir, maxHashLinks, base)
}
