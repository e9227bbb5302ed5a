package tlsx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnsupportedMethod is wrapped by errors about protocols that this package
// does not speak.
var ErrUnsupportedMethod = errors.New("unsupported protocol")

// A Method names one or more protocol versions, as the method keyword of the
// operators does.
type Method string

// The methods.
const (
	MethodTLS    Method = "tls"     // TLS 1.2 and 1.3; the default
	MethodTLS10  Method = "tlsv1"   // TLS 1.0 only
	MethodTLS11  Method = "tlsv1.1" // TLS 1.1 only
	MethodTLS12  Method = "tlsv1.2" // TLS 1.2 only
	MethodTLS13  Method = "tlsv1.3" // TLS 1.3 only
	MethodTLS10P Method = "tlsv1+"  // TLS 1.0 and newer
	MethodSSL3P  Method = "sslv3+"  // SSL 3.0 and newer: here TLS 1.0 and newer, with a warning
	MethodSSL23  Method = "sslv23"  // the highest version both know: as sslv3+
	MethodSSL2   Method = "sslv2"   // always refused
	MethodSSL3   Method = "sslv3"   // always refused
)

// Methods returns every method, the default first.
func Methods() []Method {
	return []Method{MethodTLS, MethodTLS13, MethodTLS12, MethodTLS11, MethodTLS10, MethodTLS10P,
		MethodSSL3P, MethodSSL23, MethodSSL3, MethodSSL2}
}

// A MethodSet is a list of methods: the versions that may be negotiated, all
// of them and no other. The empty set means [MethodTLS].
type MethodSet []Method

// ParseMethods reads a comma-separated list of methods. Upper and lower case
// are the same, and a leading colon is allowed (":tlsv1.2").
func ParseMethods(s string) (MethodSet, error) {
	var set MethodSet
	for word := range strings.SplitSeq(s, ",") {
		m := Method(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(word)), ":"))
		if !slices.Contains(Methods(), m) {
			return nil, fmt.Errorf("method %q: not one of %s", word, joinMethods(Methods()))
		}
		set = append(set, m)
	}
	return set, nil
}

// String returns the methods joined by commas.
func (s MethodSet) String() string { return joinMethods(s) }

func joinMethods(list []Method) string {
	words := make([]string, len(list))
	for i, m := range list {
		words[i] = string(m)
	}
	return strings.Join(words, ",")
}

// Versions returns the protocol versions of s in rising order, and a warning
// when a method means less here than its name says. The error, when s names no
// version that can be spoken, wraps [ErrUnsupportedMethod].
func (s MethodSet) Versions() (versions []uint16, warning string, err error) {
	if len(s) == 0 {
		s = MethodSet{MethodTLS}
	}
	var lacking []string
	for _, m := range s {
		v := m.versions()
		if v == nil {
			return nil, "", fmt.Errorf("method %q: not one of %s", m, joinMethods(Methods()))
		}
		versions = append(versions, v...)
		if strings.HasPrefix(string(m), "ssl") {
			lacking = append(lacking, string(m))
		}
	}
	if len(versions) == 0 {
		return nil, "", fmt.Errorf("method %s: %w: SSL 2.0 and 3.0 are broken (RFC 6176, RFC 7568) and not spoken here; a scan shows whether a server offers them",
			strings.Join(lacking, ","), ErrUnsupportedMethod)
	}
	if lacking != nil {
		warning = fmt.Sprintf("method %s: SSL 2.0 and 3.0 are not spoken here; TLS versions only", strings.Join(lacking, ","))
	}
	slices.Sort(versions)
	return slices.Compact(versions), warning, nil
}

// versions returns nil for an unknown method, and an empty list for one that
// can not be spoken.
func (m Method) versions() []uint16 {
	all := []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	switch m {
	case MethodTLS:
		return all[2:]
	case MethodTLS10:
		return all[:1]
	case MethodTLS11:
		return all[1:2]
	case MethodTLS12:
		return all[2:3]
	case MethodTLS13:
		return all[3:]
	case MethodTLS10P, MethodSSL3P, MethodSSL23:
		return all
	case MethodSSL2, MethodSSL3:
		return all[:0]
	}
	return nil
}

// VersionName returns the short name of a protocol version, as "TLSv1.3".
func VersionName(v uint16) string {
	switch v {
	case 0x0002:
		return "SSLv2"
	case 0x0300:
		return "SSLv3"
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	if isGREASE(v) {
		return "GREASE"
	}
	return fmt.Sprintf("0x%04X", v)
}
