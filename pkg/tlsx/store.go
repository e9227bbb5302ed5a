package tlsx

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Store holds trusted certificates and revocation lists. The zero Store is
// empty. Fill it first, then use it from any number of goroutines.
type Store struct {
	certs map[string][]*Certificate // by canonical subject
	crls  map[string][]*CRL         // by canonical issuer
	order []*Certificate
	dirs  []string // hashed directories, looked into as needed

	mu     sync.Mutex
	lookup map[string]*directoryEntries // what the directories hold, by canonical name
}

type directoryEntries struct {
	certs []*Certificate
	crls  []*CRL
}

// Add trusts certificates.
func (s *Store) Add(certs ...*Certificate) {
	if s.certs == nil {
		s.certs = make(map[string][]*Certificate)
	}
	for _, c := range certs {
		if s.has(c) {
			continue
		}
		s.certs[c.Subject.canonical] = append(s.certs[c.Subject.canonical], c)
		s.order = append(s.order, c)
	}
}

func (s *Store) has(c *Certificate) bool {
	for _, d := range s.certs[c.Subject.canonical] {
		if d.Equal(c) {
			return true
		}
	}
	return false
}

// AddCRL adds revocation lists.
func (s *Store) AddCRL(lists ...*CRL) {
	if s.crls == nil {
		s.crls = make(map[string][]*CRL)
	}
	for _, l := range lists {
		s.crls[l.Issuer.canonical] = append(s.crls[l.Issuer.canonical], l)
	}
}

// Certificates returns the certificates in the order they were added, without
// those of directories.
func (s *Store) Certificates() []*Certificate { return s.order }

// ErrNoCertificates is wrapped by errors about files that hold none.
var ErrNoCertificates = errors.New("no certificates found")

// AddFile trusts every certificate of a file, PEM (also TRUSTED CERTIFICATE
// blocks) or DER, and takes its revocation lists.
func (s *Store) AddFile(name string) error {
	data, err := readLimited(name)
	if err != nil {
		return err
	}
	if err := s.AddData(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// AddData is AddFile for the content of a file.
func (s *Store) AddData(data []byte) error {
	certs, crls, err := readTrust(data)
	if err != nil {
		return err
	}
	s.Add(certs...)
	s.AddCRL(crls...)
	return nil
}

// maxFile bounds the files that are read.
const maxFile = 256 << 20

func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		b.Grow(int(min(fi.Size(), maxFile)) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(f, maxFile+1)); err != nil {
		return nil, err
	}
	if b.Len() > maxFile {
		return nil, fmt.Errorf("%s: more than %d octets", name, maxFile)
	}
	return b.Bytes(), nil
}

// readTrust returns the certificates and lists of PEM or DER data.
func readTrust(data []byte) ([]*Certificate, []*CRL, error) {
	var certs []*Certificate
	var crls []*CRL
	var first error
	blocks := pemBlocks(data)
	if len(blocks) == 0 && len(data) > 0 && data[0] == 0x30 {
		if l, err := ParseCRL(data); err == nil {
			return nil, []*CRL{l}, nil
		}
		blocks = []pemBlock{{typ: "CERTIFICATE", data: data}}
	}
	for _, b := range blocks {
		var err error
		switch b.typ {
		case "CERTIFICATE", "X509 CERTIFICATE":
			var c *Certificate
			if c, err = ParseCertificate(b.data); err == nil {
				certs = append(certs, c)
			}
		case "TRUSTED CERTIFICATE":
			var c *Certificate
			if c, err = parseTrustedCertificate(b.data); err == nil {
				certs = append(certs, c)
			}
		case "X509 CRL":
			var l *CRL
			if l, err = ParseCRL(b.data); err == nil {
				crls = append(crls, l)
			}
		}
		if first == nil {
			first = err
		}
	}
	if len(certs)+len(crls) == 0 {
		if first == nil {
			first = ErrNoCertificates
		}
		return nil, nil, first
	}
	return certs, crls, nil
}

// parseTrustedCertificate reads a certificate and the settings behind it.
func parseTrustedCertificate(raw []byte) (*Certificate, error) {
	d := der{b: raw}
	v, err := d.want(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCertificate, err)
	}
	c, err := ParseCertificate(v.full)
	if err != nil || d.empty() {
		return c, err
	}
	aux, err := d.want(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("trust settings: %w", err)
	}
	c.Aux = &TrustSettings{Trust: []string{}, Reject: []string{}}
	return c, c.Aux.parse(aux)
}

// parse reads X509_CERT_AUX: trust, [0] reject, alias, key identifier, [1] other.
func (t *TrustSettings) parse(v tlv) error {
	items, err := v.children(16)
	if err != nil {
		return fmt.Errorf("trust settings: %w", err)
	}
	for _, it := range items {
		switch {
		case it.is(tagSequence):
			t.hasTrust = true
			t.trust, t.Trust, err = oidList(it)
		case it.isContext(0):
			t.reject, t.Reject, err = oidList(it)
		case it.is(tagUTF8):
			t.Alias = string(it.content)
		}
		if err != nil {
			return fmt.Errorf("trust settings: %w", err)
		}
	}
	return nil
}

func oidList(v tlv) ([]oid, []string, error) {
	items, err := v.children(64)
	var ids []oid
	names := []string{}
	for _, it := range items {
		ids = append(ids, oid(it.content))
		names = append(names, oid(it.content).short())
	}
	return ids, names, err
}

// AddHashedDirectory trusts the certificates of a directory in OpenSSL's
// layout, files called HHHHHHHH.0 and so on after the subject's hash (lists:
// HHHHHHHH.r0). It is looked into when a certificate is needed.
func (s *Store) AddHashedDirectory(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s: not a directory", dir)
	}
	s.dirs = append(s.dirs, dir)
	return nil
}

// AddDirectory trusts the certificates of every file in a directory, whatever
// its name. Files without certificates are passed over.
func (s *Store) AddDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if data, err := readLimited(name); err == nil {
			_ = s.AddData(data) // a directory may hold other things
		}
	}
	return nil
}

// AddAnyDirectory trusts the certificates of a directory: looked up by hash
// where it holds files in OpenSSL's layout, else all of them. Like OpenSSL it
// takes several, too, separated as in PATH by colons (semicolons on Windows).
func (s *Store) AddAnyDirectory(list string) error {
	for _, dir := range splitDirectories(list) {
		if err := s.addOneDirectory(dir); err != nil {
			return err
		}
	}
	return nil
}

// splitDirectories returns the directories of a list. One whose name looks like
// a list is itself.
func splitDirectories(list string) []string {
	if _, err := os.Stat(list); err == nil {
		return []string{list}
	}
	return slices.DeleteFunc(filepath.SplitList(list), func(dir string) bool { return dir == "" })
}

func (s *Store) addOneDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isHashName(e.Name()) {
			return s.AddHashedDirectory(dir)
		}
	}
	return s.AddDirectory(dir)
}

// bySubject returns the trusted certificates of a subject.
func (s *Store) bySubject(n Name) []*Certificate {
	known := s.certs[n.canonical]
	if len(s.dirs) == 0 {
		return known
	}
	return append(known[:len(known):len(known)], s.fromDirectories(n).certs...)
}

// crlsOf returns the lists of an issuer.
func (s *Store) crlsOf(n Name) []*CRL {
	known := s.crls[n.canonical]
	if len(s.dirs) == 0 {
		return known
	}
	return append(known[:len(known):len(known)], s.fromDirectories(n).crls...)
}

func (s *Store) fromDirectories(n Name) *directoryEntries {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.lookup[n.canonical]; ok {
		return e
	}
	e := &directoryEntries{}
	for _, dir := range s.dirs {
		base := filepath.Join(dir, hashName(n.Hash()))
		for i := range maxHashLinks {
			certs, _, err := readTrustFile(base + "." + strconv.Itoa(i))
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			for _, c := range certs {
				if c.Subject.Equal(n) {
					e.certs = append(e.certs, c)
				}
			}
		}
		for i := range maxHashLinks {
			_, crls, err := readTrustFile(base + ".r" + strconv.Itoa(i))
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			e.crls = append(e.crls, crls...)
		}
	}
	if s.lookup == nil {
		s.lookup = make(map[string]*directoryEntries)
	}
	s.lookup[n.canonical] = e
	return e
}

// maxHashLinks bounds the files with one hash.
const maxHashLinks = 256

func hashName(h uint32) string { return fmt.Sprintf("%08x", h) }

func readTrustFile(name string) ([]*Certificate, []*CRL, error) {
	data, err := readLimited(name)
	if err != nil {
		return nil, nil, err
	}
	return readTrust(data)
}

// ErrNoSystemRoots says that the system's trusted certificates are not kept in
// a file that can be read, as on Windows and macOS.
var ErrNoSystemRoots = errors.New("the system's trusted certificates are not in a readable file")

// SystemStore returns a new Store with the system's trusted certificates, or
// an error that wraps [ErrNoSystemRoots].
func SystemStore() (*Store, error) {
	for _, name := range systemFiles() {
		s := &Store{}
		err := s.AddFile(name)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, ErrNoSystemRoots
}

// systemStore keeps the system's certificates once they were needed.
var systemStore = sync.OnceValues(SystemStore)

type pemBlock struct {
	typ     string
	headers []string
	data    []byte
	problem string
}

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// pemBlocks finds the PEM blocks in data. Text between them is passed over,
// broken blocks come out with their problem.
func pemBlocks(data []byte) []pemBlock {
	var blocks []pemBlock
	for {
		i := bytes.Index(data, []byte(pemBegin))
		if i < 0 {
			return blocks
		}
		data = data[i+len(pemBegin):]
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		typ, ok := strings.CutSuffix(strings.TrimRight(string(line), "\r \t"), pemDash)
		if !ok || len(typ) > 64 {
			continue
		}
		body := rest // up to the next block: one that never ends must not cost a look at all the rest
		if next := bytes.Index(rest, []byte(pemBegin)); next >= 0 {
			body = rest[:next]
		}
		end := bytes.Index(body, []byte(pemEnd+typ+pemDash))
		if end < 0 {
			blocks = append(blocks, pemBlock{typ: typ, problem: "no END line"})
			data = rest
			continue
		}
		blocks = append(blocks, decodePEMBody(typ, body[:end]))
		data = rest[end+len(pemEnd)+len(typ)+len(pemDash):]
	}
}

// decodePEMBody reads what stands between the lines: headers, an empty line
// after them, base64.
func decodePEMBody(typ string, body []byte) pemBlock {
	b := pemBlock{typ: typ}
	for {
		line, rest, ok := bytes.Cut(body, []byte("\n"))
		if !ok || !bytes.Contains(line, []byte(":")) && (len(b.headers) == 0 || len(bytes.TrimSpace(line)) > 0) {
			break
		}
		body = rest
		if s := strings.TrimSpace(string(line)); s != "" {
			b.headers = append(b.headers, s)
		}
	}
	var err error
	if b.data, err = decodeBase64(body); err != nil {
		b.problem = err.Error()
	}
	return b
}

// decodeBase64 decodes standard base64, leaving out white space.
func decodeBase64(body []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(out, body) // passes over line ends itself
	if err == nil {
		return out[:n:n], nil
	}
	clean := make([]byte, 0, len(body))
	for _, c := range body {
		if c > ' ' {
			clean = append(clean, c)
		}
	}
	n, err = base64.StdEncoding.Decode(out, clean)
	return out[:n:n], err
}
