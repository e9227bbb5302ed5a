package socket

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// connectOptions returns o as a connecting socket needs it: there, fast open
// has an option of its own.
func connectOptions(o Options) Options {
	if o.FastOpen == nil {
		return o
	}
	var on uint32
	if *o.FastOpen {
		on = 1
	}
	fast := RawOption{Level: unix.IPPROTO_TCP, Option: unix.TCP_FASTOPEN_CONNECT,
		Value: binary.NativeEndian.AppendUint32(nil, on), text: "fast-open"}
	o.FastOpen, o.Raw = nil, append([]RawOption{fast}, o.Raw...)
	return o
}
