package ftpx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a server may send as one reply.
const (
	maxLine  = 16 << 10
	maxReply = 1 << 20
)

// A Reply is what a server answers to one command.
type Reply struct {
	Code int
	// Lines holds the text without the code; a one-line reply has one. The
	// bytes are the server's: escape them before they reach a terminal.
	Lines []string
}

// Message returns the last line, which by custom holds the point.
func (r Reply) Message() string {
	if len(r.Lines) == 0 {
		return ""
	}
	return r.Lines[len(r.Lines)-1]
}

// Text returns all lines joined by newlines.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

func (r Reply) preliminary() bool { return r.Code >= 100 && r.Code < 200 }
func (r Reply) completed() bool   { return r.Code >= 200 && r.Code < 300 }
func (r Reply) failed() bool      { return r.Code >= 400 }

// err returns the reply as an error about command when it is one.
func (r Reply) err(command string) error {
	if !r.failed() {
		return nil
	}
	return &ReplyError{Command: command, Code: r.Code, Message: r.Message()}
}

// readReply reads one reply (RFC 959 section 4.2): a line with a code, or lines
// from "code-" to "code ". Lines may end in LF alone; Telnet commands and NUL
// bytes are dropped. line, which may be nil, sees each line as it comes.
func readReply(r *bufio.Reader, line func(string)) (Reply, error) {
	first, err := readLine(r, line)
	if err != nil {
		return Reply{}, err
	}
	code, more, ok := replyCode(first)
	if !ok {
		return Reply{}, fmt.Errorf("%w: reply %.80q has no code", ErrProtocol, first)
	}
	reply := Reply{Code: code, Lines: []string{replyText(first)}}
	for size := len(first); more; {
		next, err := readLine(r, line)
		if err != nil {
			return Reply{}, unexpectedEOF(err)
		}
		if size += len(next) + 1; size > maxReply {
			return Reply{}, fmt.Errorf("%w: reply longer than %d bytes", ErrProtocol, maxReply)
		}
		c, cont, ok := replyCode(next)
		if ok && c == code {
			next, more = replyText(next), cont
		}
		reply.Lines = append(reply.Lines, next)
	}
	return reply, nil
}

// replyCode splits "226 text", "226-text" and "226".
func replyCode(line string) (code int, more, ok bool) {
	if len(line) < 3 || line[0] < '1' || line[0] > '6' {
		return 0, false, false
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false, false
	}
	return code, len(line) > 3 && line[3] == '-', true
}

func replyText(line string) string {
	if len(line) <= 4 {
		return ""
	}
	return line[4:]
}

func readLine(r *bufio.Reader, seen func(string)) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return "", fmt.Errorf("%w: reply line longer than %d bytes", ErrProtocol, maxLine)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(line) > 0 {
				err = unexpectedEOF(err)
			}
			return "", err
		}
	}
	s := strings.TrimRight(stripTelnet(line), "\r\n")
	if seen != nil {
		seen(s)
	}
	return s, nil
}

// stripTelnet drops NUL and Telnet commands (RFC 854): 255 255 is a byte 255,
// 255 251..254 take an option byte. A 255 that starts neither is a character
// of an 8-bit name.
func stripTelnet(b []byte) string {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == 0:
		case b[i] == 255 && i+1 < len(b) && b[i+1] == 255:
			out = append(out, 255)
			i++
		case b[i] == 255 && i+2 < len(b) && b[i+1] >= 251 && b[i+1] <= 254:
			i += 2
		default:
			out = append(out, b[i])
		}
	}
	return string(out)
}

func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parsePassive returns the port of a 227 reply (RFC 959): six numbers,
// with or without parentheses. The address is ignored: a server could point
// the client at any machine.
func parsePassive(text string) (int, error) {
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) || i > 0 && isDigit(text[i-1]) {
			continue
		}
		if n, ok := sixNumbers(text[i:]); ok && n[4]*256+n[5] > 0 {
			return n[4]*256 + n[5], nil
		}
	}
	return 0, fmt.Errorf("%w: no address in 227 reply %.80q", ErrProtocol, text)
}

func sixNumbers(s string) (n [6]int, ok bool) {
	for i := range n {
		end := 0
		for end < len(s) && isDigit(s[end]) {
			end++
		}
		v, err := strconv.Atoi(s[:end])
		if err != nil || v > 255 {
			return n, false
		}
		n[i], s = v, s[end:]
		if i == 5 {
			break
		}
		if s == "" || s[0] != ',' {
			return n, false
		}
		s = strings.TrimLeft(s[1:], " ")
	}
	return n, true
}

// parseExtendedPassive returns the port of a 229 reply (RFC 2428 section 3):
// three delimiters, the port, a delimiter; any delimiter but a digit.
func parseExtendedPassive(text string) (int, error) {
	for i := 0; i+4 < len(text); i++ {
		d := text[i]
		if isDigit(d) || d == ' ' || text[i+1] != d || text[i+2] != d {
			continue
		}
		digits, _, found := strings.Cut(text[i+3:], string(d))
		port, err := strconv.ParseUint(digits, 10, 16)
		if found && err == nil && port > 0 {
			return int(port), nil
		}
	}
	return 0, fmt.Errorf("%w: no port in 229 reply %.80q", ErrProtocol, text)
}

// parseQuotedPath returns the directory of a 257 reply, in which a quote
// inside the name is doubled (RFC 959 appendix II).
func parseQuotedPath(text string) (string, error) {
	_, rest, found := strings.Cut(text, `"`)
	if !found {
		return "", fmt.Errorf("%w: no quoted path in reply %.80q", ErrProtocol, text)
	}
	var b strings.Builder
	for {
		part, after, found := strings.Cut(rest, `"`)
		if !found {
			return "", fmt.Errorf("%w: unfinished path in reply %.80q", ErrProtocol, text)
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, `"`) {
			return b.String(), nil
		}
		b.WriteByte('"')
		rest = after[1:]
	}
}

// parseSize returns the number of a 213 reply to SIZE.
func parseSize(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: size %.80q", ErrProtocol, text)
	}
	return n, nil
}

// parseTimeVal reads YYYYMMDDHHMMSS[.sss] (RFC 3659 section 2.3), always UTC.
// "191" and three digits for the year is the year-2000 bug of old servers.
func parseTimeVal(text string) (time.Time, error) {
	s := strings.TrimSpace(text)
	if strings.HasPrefix(s, "191") && len(s) >= 15 && isDigit(s[14]) {
		year, err := strconv.Atoi(s[2:5])
		if err == nil {
			s = strconv.Itoa(1900+year) + s[5:]
		}
	}
	t, err := time.ParseInLocation("20060102150405", s, time.UTC)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: time %.80q", ErrProtocol, text)
	}
	return t, nil
}

// announcedSize returns the size in a 150 reply such as
// "Opening BINARY mode data connection for f (4096 bytes)".
func announcedSize(text string) (int64, bool) {
	i := strings.LastIndexByte(text, '(')
	if i < 0 {
		return 0, false
	}
	digits, _, found := strings.Cut(text[i+1:], " bytes")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, found && err == nil && n >= 0
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
