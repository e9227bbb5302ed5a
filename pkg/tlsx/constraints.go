package tlsx

import (
	"bytes"
	"errors"
	"strings"
)

const nameConstraintsField = "Name Constraints"

// nameConstraints are those of RFC 5280, section 4.2.1.10.
type nameConstraints struct {
	permitted, excluded []subtree
}

type subtree struct {
	base GeneralName
	// limited says that minimum is not 0 or a maximum is given; neither is
	// processed.
	limited bool
}

func parseNameConstraints(e *Extension, bad *defects) (*nameConstraints, error) {
	v, err := e.value(tagSequence)
	if err != nil {
		return nil, err
	}
	d := v.inside()
	nc := &nameConstraints{}
	for n, list := range []*[]subtree{&nc.permitted, &nc.excluded} {
		x, ok, err := d.optional(n)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if *list, err = parseSubtrees(x, bad); err != nil {
			return nil, err
		}
	}
	if !d.empty() {
		return nil, errors.New("unexpected element")
	}
	if len(nc.permitted)+len(nc.excluded) == 0 {
		bad.add(v.off, nameConstraintsField, "no constraints")
	}
	return nc, nil
}

func parseSubtrees(v tlv, bad *defects) ([]subtree, error) {
	if !v.constructed {
		if len(v.content) == 0 {
			return nil, nil // an implicit NULL
		}
		return nil, errors.New("subtrees are not a SEQUENCE")
	}
	items, err := v.children(maxGeneralNames)
	if err != nil {
		return nil, err
	}
	list := make([]subtree, 0, len(items))
	for _, it := range items {
		if !it.is(tagSequence) || !it.constructed {
			return nil, errors.New("a subtree is not a SEQUENCE")
		}
		d := it.inside()
		x, err := d.next()
		if err != nil {
			return nil, err
		}
		base, err := parseGeneralName(x, nameConstraintsField, bad)
		if err != nil {
			return nil, err
		}
		s := subtree{base: base}
		if lo, ok, _ := d.optional(0); ok && !bytes.Equal(lo.content, []byte{0}) {
			s.limited = true
		}
		if _, ok, _ := d.optional(1); ok {
			s.limited = true
		}
		if !d.empty() {
			return nil, errors.New("unexpected element in a subtree")
		}
		list = append(list, s)
	}
	return list, nil
}

// maxNameChecks bounds names times constraints, as OpenSSL does: such a pair
// of certificates is refused with code 1.
const maxNameChecks = 1 << 20

// check judges the subject and the alternative names of c.
func (nc *nameConstraints) check(c *Certificate) VerifyCode {
	names := len(c.Subject.Attributes) + len(c.ext.san)
	rules := len(nc.permitted) + len(nc.excluded)
	if names > 0 && rules > maxNameChecks/names {
		return CodeUnspecified
	}
	if !c.Subject.Empty() {
		if code := nc.match(GeneralName{kind: nameDirectory, name: c.Subject}); code != CodeOK {
			return code
		}
		for _, a := range c.Subject.Attributes {
			if a.id != oidEmail {
				continue
			}
			if a.tag != tagIA5 {
				return CodeUnsupportedNameSyntax
			}
			if code := nc.match(GeneralName{kind: nameEmail, content: []byte(a.Value)}); code != CodeOK {
				return code
			}
		}
	}
	for _, g := range c.ext.san {
		if code := nc.match(g); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// checkCommonNames judges the common names that look like host names.
func (nc *nameConstraints) checkCommonNames(c *Certificate) VerifyCode {
	for _, a := range c.Subject.Attributes {
		if a.id != oidCommonName {
			continue
		}
		host := strings.TrimRight(a.Value, "\x00")
		if strings.IndexByte(host, 0) >= 0 {
			return CodeUnsupportedNameSyntax
		}
		if !looksLikeHost(host) {
			continue
		}
		if code := nc.match(GeneralName{kind: nameDNS, content: []byte(host)}); code != CodeOK {
			return code
		}
	}
	return CodeOK
}

// match judges one name: it must lie in a permitted subtree of its kind, if
// there is one, and in no excluded one.
func (nc *nameConstraints) match(g GeneralName) VerifyCode {
	applies, inside := false, false
	for _, s := range nc.permitted {
		if !s.concerns(g) {
			continue
		}
		if s.limited {
			return CodeSubtreeMinmax
		}
		applies = true
		if inside {
			continue
		}
		switch code := s.base.covers(g); code {
		case CodeOK:
			inside = true
		case CodePermittedViolation:
		default:
			return code
		}
	}
	if applies && !inside {
		return CodePermittedViolation
	}
	for _, s := range nc.excluded {
		if !s.concerns(g) {
			continue
		}
		if s.limited {
			return CodeSubtreeMinmax
		}
		switch code := s.base.covers(g); code {
		case CodeOK:
			return CodeExcludedViolation
		case CodePermittedViolation:
		default:
			return code
		}
	}
	return CodeOK
}

// constraintKind is the kind of constraint a name falls under: an otherName
// with an internationalized mailbox is an email address (RFC 8398, section 6).
func constraintKind(g GeneralName) int {
	if g.kind == nameOther && g.other == oidSMTPUTF8 {
		return nameEmail
	}
	return g.kind
}

func (s *subtree) concerns(g GeneralName) bool {
	kind := constraintKind(g)
	return kind == s.base.kind && (kind != nameOther || g.other == s.base.other)
}

// covers says whether g lies in the subtree: CodeOK, CodePermittedViolation,
// or what is wrong with either.
func (base *GeneralName) covers(g GeneralName) VerifyCode {
	switch base.kind {
	case nameDirectory:
		return inSubtree(strings.HasPrefix(g.name.canonical, base.name.canonical))
	case nameDNS:
		return inSubtree(dnsInSubtree(string(g.content), string(base.content)))
	case nameEmail:
		return emailInSubtree(string(g.content), string(base.content))
	case nameURI:
		return uriInSubtree(string(g.content), string(base.content))
	case nameIP:
		return ipInSubtree(g.content, base.content)
	}
	return CodeUnsupportedConstraintType
}

func inSubtree(ok bool) VerifyCode {
	if ok {
		return CodeOK
	}
	return CodePermittedViolation
}

func dnsInSubtree(name, base string) bool {
	switch {
	case base == "":
		return true
	case len(name) < len(base):
		return false
	case len(name) > len(base) && base[0] != '.' && name[len(name)-len(base)-1] != '.':
		return false
	}
	return equalFold(name[len(name)-len(base):], base)
}

func emailInSubtree(name, base string) VerifyCode {
	at, baseAt := strings.LastIndexByte(name, '@'), strings.LastIndexByte(base, '@')
	if at < 0 {
		return CodeUnsupportedNameSyntax
	}
	if baseAt < 0 && strings.HasPrefix(base, ".") {
		return inSubtree(len(name) > len(base) && equalFold(name[len(name)-len(base):], base))
	}
	if baseAt > 0 {
		if baseAt != at {
			return CodePermittedViolation
		}
		if strings.IndexByte(base[:baseAt], 0) >= 0 || strings.IndexByte(name[:at], 0) >= 0 {
			return CodeUnsupportedNameSyntax
		}
		if base[:baseAt] != name[:at] {
			return CodePermittedViolation
		}
	}
	return inSubtree(equalFold(name[at+1:], base[baseAt+1:]))
}

func uriInSubtree(name, base string) VerifyCode {
	host := uriHost(name)
	switch {
	case host == "":
		return CodeUnsupportedNameSyntax
	case strings.HasPrefix(base, "."):
		return inSubtree(len(host) > len(base) && equalFold(host[len(host)-len(base):], base))
	}
	return inSubtree(equalFold(host, base))
}

// uriHost returns what stands between "://" and the port or the path.
func uriHost(uri string) string {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok || !strings.HasPrefix(rest, "//") {
		return ""
	}
	rest = rest[2:]
	if i := strings.IndexByte(rest, ':'); i >= 0 {
		return rest[:i]
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[:i]
	}
	return rest
}

func hasScheme(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/?# ")
}

func ipInSubtree(ip, base []byte) VerifyCode {
	switch {
	case len(ip) != 4 && len(ip) != 16, len(base) != 8 && len(base) != 32:
		return CodeUnsupportedNameSyntax // also for the constraint, as in OpenSSL
	case len(ip)*2 != len(base):
		return CodePermittedViolation
	}
	for i := range ip {
		if (ip[i]^base[i])&base[len(ip)+i] != 0 {
			return CodePermittedViolation
		}
	}
	return CodeOK
}

// equalFold compares without regard to ASCII case; other octets must be equal.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
