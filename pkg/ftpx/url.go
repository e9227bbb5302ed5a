package ftpx

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// A URL is an FTP URL taken apart (RFC 1738 section 3.2).
type URL struct {
	Secure         bool // ftps: TLS from the start
	Host           string
	Port           int // 0 when the URL has none
	User, Password string
	HasPassword    bool

	// Path is relative to the login directory; a leading slash, written %2F or
	// as a second slash, makes it absolute. It is decoded.
	Path string
	// Pattern is Path for [Client.Glob]: the characters * ? [ that were
	// written in the open are special, encoded ones are not. Empty when none
	// is special.
	Pattern string
	// Type is 'a', 'i', 'd' from ";type=", or 0.
	Type byte
}

// ParseURL reads ftp://[user[:password]@]host[:port]/path[;type=X] and the same
// with ftps. Blanks, '?' and '#' in the path are taken as they are: FTP has
// neither queries nor fragments.
func ParseURL(s string) (URL, error) {
	scheme, rest, found := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "ftp" && scheme != "ftps" {
		return URL{}, fmt.Errorf("URL %q: want ftp:// or ftps://", redact(s))
	}
	authority, path, _ := strings.Cut(rest, "/")
	u := URL{Secure: scheme == "ftps"}
	if err := u.setAuthority(scheme, authority); err != nil {
		return URL{}, fmt.Errorf("URL %q: %w", redact(s), err)
	}
	if err := u.setPath(path); err != nil {
		return URL{}, fmt.Errorf("URL %q: %w", redact(s), err)
	}
	return u, nil
}

func (u *URL) setAuthority(scheme, authority string) error {
	if strings.HasPrefix(authority, ":") || strings.HasSuffix(authority, "@") {
		return errors.New("no host")
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = strings.NewReplacer("?", "%3F", "#", "%23").Replace(authority[:at]) + authority[at:]
	}
	p, err := url.Parse(scheme + "://" + authority)
	if err != nil {
		return authorityError(err)
	}
	u.Host = p.Hostname()
	if u.Host == "" {
		return errors.New("no host")
	}
	if text := p.Port(); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return fmt.Errorf("port %s is not within 1-65535", text)
		}
		u.Port = port
	}
	u.User = p.User.Username()
	u.Password, u.HasPassword = p.User.Password()
	if strings.ContainsAny(u.User+u.Password, "\r\n\x00") {
		return errors.New("line break or NUL in user or password")
	}
	return nil
}

// authorityError is what is wrong with the part before the path, without a
// password: one with a slash looks like a port.
func authorityError(err error) error {
	var inner *url.Error
	if !errors.As(err, &inner) {
		return err
	}
	if strings.HasPrefix(inner.Err.Error(), "invalid port") {
		return errors.New("the port is not a number; in a password / is written %2F")
	}
	return inner.Err
}

func (u *URL) setPath(raw string) error {
	if i := len(raw) - len(";type=x"); i >= 0 && strings.EqualFold(raw[i:i+6], ";type=") {
		u.Type = raw[i+6] | 0x20 // in lower case
		raw = raw[:i]
		if !strings.ContainsRune("aid", rune(u.Type)) {
			return fmt.Errorf("type %q is none of a, i, d", u.Type)
		}
	}
	var path, pattern strings.Builder
	special := false
	for i := 0; i < len(raw); i++ {
		b, open := raw[i], true
		if b == '%' {
			n, err := strconv.ParseUint(raw[i+1:min(i+3, len(raw))], 16, 8)
			if err != nil || i+2 >= len(raw) {
				return fmt.Errorf("bad escape %q", raw[i:min(i+3, len(raw))])
			}
			b, open = byte(n), false
			i += 2
		}
		path.WriteByte(b)
		if strings.IndexByte(`*?[\`, b) >= 0 {
			if open && b != '\\' {
				special = true
			} else {
				pattern.WriteByte('\\')
			}
		}
		pattern.WriteByte(b)
	}
	u.Path = path.String()
	if special {
		u.Pattern = pattern.String()
	}
	if strings.ContainsAny(u.Path, "\r\n\x00") {
		return errors.New("line break or NUL in the path")
	}
	return nil
}

// Apply puts what u says into cfg; what u leaves open stays as it is.
func (u URL) Apply(cfg Config) Config {
	cfg.Host = u.Host
	if u.Port != 0 {
		cfg.Port = u.Port
	}
	if u.Secure {
		cfg.Security = ImplicitTLS
	}
	if u.User != "" {
		cfg.User = u.User
	}
	if u.HasPassword {
		cfg.Password = u.Password
	}
	return cfg
}

// redact hides the password of a URL for messages, also where the URL is wrong:
// whatever stands between the first colon and the last @ may be one.
func redact(s string) string {
	start := strings.Index(s, "://") + len("://")
	if start < len("://") {
		start = 0
	}
	colon, at := strings.IndexByte(s[start:], ':'), strings.LastIndexByte(s[start:], '@')
	if colon < 0 || at < colon {
		return s
	}
	return s[:start+colon] + ":****" + s[start+at:]
}
