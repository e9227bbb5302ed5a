package socket

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A RawOption is an option by its numbers, for what [Options] has no field for.
type RawOption struct {
	Level  int
	Option int
	Value  []byte // as the kernel takes it
	text   string // as it was written
}

// String returns the option as it was written, or its numbers.
func (r RawOption) String() string {
	if r.text != "" {
		return r.text
	}
	return fmt.Sprintf("%d:%d", r.Level, r.Option)
}

// A constant is a number with the name that the C headers give it.
type constant struct {
	name  string
	value int
}

// ParseRawOption reads LEVEL:NAME=VALUE. Level and name are numbers or, where
// this system has them, names as in the C headers ("SOL_SOCKET:SO_MARK=1",
// "tcp:TCP_MAXSEG=1400"). The value is an integer, or text in double quotes, or
// the bytes themselves as "hex:0a0b".
func ParseRawOption(s string) (RawOption, error) {
	name, value, ok := strings.Cut(s, "=")
	level, option, ok2 := strings.Cut(name, ":")
	if !ok || !ok2 {
		return RawOption{}, fmt.Errorf("socket option %q: want LEVEL:NAME=VALUE", s)
	}
	r := RawOption{text: name}
	var err error
	if r.Level, err = parseConstant(level, rawLevels[:]); err != nil {
		return RawOption{}, fmt.Errorf("socket option %q: level: %w", s, err)
	}
	if r.Option, err = parseConstant(option, rawNames[:]); err != nil {
		return RawOption{}, fmt.Errorf("socket option %q: name: %w", s, err)
	}
	if r.Value, err = parseRawValue(value); err != nil {
		return RawOption{}, fmt.Errorf("socket option %q: value: %w", s, err)
	}
	return r, nil
}

// parseConstant reads a number or one of the names.
func parseConstant(s string, names []constant) (int, error) {
	for _, c := range names {
		if strings.EqualFold(c.name, s) {
			return c.value, nil
		}
	}
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor a name known here", s)
	}
	return int(n), nil
}

func parseRawValue(s string) ([]byte, error) {
	if text, ok := strings.CutPrefix(s, `"`); ok && strings.HasSuffix(text, `"`) {
		return []byte(text[:len(text)-1]), nil
	}
	if digits, ok := strings.CutPrefix(s, "hex:"); ok {
		return hex.DecodeString(digits)
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return nil, fmt.Errorf("%q is neither an integer of 32 bits, nor text in quotes, nor hex: and bytes", s)
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(n)), nil
}

func setRaw(fd uintptr, r RawOption) error { return setBytes(fd, r.Level, r.Option, r.Value) }
