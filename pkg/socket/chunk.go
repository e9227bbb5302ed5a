package socket

import (
	"errors"
	"fmt"
	"strings"
)

// ErrChunkEOF is what errors.Is finds in the [*ChunkEOF] that ends a chunked
// stream. It is not io.EOF: the connection goes on.
var ErrChunkEOF = errors.New("end of the chunked stream")

// A ChunkEOF ends a chunked stream (RFC 9112 section 7.1). All bytes of it, the
// trailer section included, have been taken from the connection and none of
// those that follow.
type ChunkEOF struct {
	Trailer []TrailerField // in the order sent; empty without a trailer section
}

func (e *ChunkEOF) Error() string { return ErrChunkEOF.Error() }

// Is makes errors.Is(err, ErrChunkEOF) true.
func (e *ChunkEOF) Is(target error) bool { return target == ErrChunkEOF }

// A TrailerField is a field of a trailer section (RFC 9110 section 6.5).
type TrailerField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A ChunkError reports a chunked stream that is malformed, larger than the
// limits, or cut off; the last wraps io.ErrUnexpectedEOF.
type ChunkError struct {
	Offset int64  // where in the chunked stream, in bytes from its begin
	Reason string // what is wrong
	Err    error  // the cause, or nil
}

func (e *ChunkError) Error() string {
	return fmt.Sprintf("chunked stream, byte %d: %s", e.Offset, e.Reason)
}

func (e *ChunkError) Unwrap() error { return e.Err }

// checkTrailer refuses fields that would break the framing or forge others.
func checkTrailer(fields []TrailerField) error {
	for _, f := range fields {
		if f.Name == "" || strings.IndexFunc(f.Name, notInToken) >= 0 {
			return fmt.Errorf("trailer field name %q: not a token", f.Name)
		}
		if i := strings.IndexFunc(f.Value, notInField); i >= 0 {
			return fmt.Errorf("trailer field %s: control character in the value", f.Name)
		}
	}
	return nil
}

// notInToken reports what is no tchar of RFC 9110 section 5.6.2.
func notInToken(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
}

// notInField reports what no field value holds (RFC 9110 section 5.5).
func notInField(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// appendEnd appends the last chunk and the trailer section.
func appendEnd(b []byte, fields []TrailerField) []byte {
	b = append(b, "0\r\n"...)
	for _, f := range fields {
		b = append(b, f.Name+": "+f.Value+"\r\n"...)
	}
	return append(b, "\r\n"...)
}
