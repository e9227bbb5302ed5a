package socket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A ProxyHeader tells a server behind a proxy who is connected to the proxy:
// the PROXY protocol, versions 1 (text) and 2 (binary). Addresses that are not
// set, or not of one family, say that the connection is the proxy's own.
type ProxyHeader struct {
	Source, Destination         netip.AddrPort
	SourcePath, DestinationPath string // of UNIX sockets; version 2 only
}

// proxySignature begins a header of version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// HeaderOf returns the header that tells of a connection.
func HeaderOf(source, destination net.Addr) ProxyHeader {
	return ProxyHeader{addrPort(source), addrPort(destination), filename(source), filename(destination)}
}

// ip reports whether both ends are internet addresses of one version.
func (h ProxyHeader) ip() bool {
	s, d := h.Source.Addr(), h.Destination.Addr()
	return s.IsValid() && d.IsValid() && s.Is4() == d.Is4()
}

// AppendText appends the header in version 1.
func (h ProxyHeader) AppendText(b []byte) []byte {
	if !h.ip() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP4"
	if h.Source.Addr().Is6() {
		family = "TCP6"
	}
	return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", family, h.Source.Addr().WithZone(""), h.Destination.Addr().WithZone(""),
		h.Source.Port(), h.Destination.Port())
}

// AppendBinary appends the header in version 2, for a stream. The error is
// always nil.
func (h ProxyHeader) AppendBinary(b []byte) ([]byte, error) {
	const proxied, local, inet, inet6, unixFamily, stream = 0x21, 0x20, 0x10, 0x20, 0x30, 0x01
	b = append(b, proxySignature...)
	switch {
	case h.ip():
		family, addr := byte(inet), 4
		if h.Source.Addr().Is6() {
			family, addr = inet6, 16
		}
		b = append(b, proxied, family|stream)
		b = binary.BigEndian.AppendUint16(b, uint16(2*addr+4))
		b = append(append(b, h.Source.Addr().AsSlice()...), h.Destination.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, h.Source.Port())
		return binary.BigEndian.AppendUint16(b, h.Destination.Port()), nil
	case h.SourcePath != "" || h.DestinationPath != "":
		b = append(b, proxied, unixFamily|stream)
		b = binary.BigEndian.AppendUint16(b, 2*108)
		return appendPadded(appendPadded(b, h.SourcePath), h.DestinationPath), nil
	}
	return append(b, local, 0, 0, 0), nil
}

// appendPadded appends a path in the 108 bytes of a socket address.
func appendPadded(b []byte, path string) []byte {
	var p [108]byte
	copy(p[:], path)
	return append(b, p[:]...)
}

// ReadProxyHeader reads a header of either version from the start of a
// connection, and not a byte more. What a version 2 header has beyond the
// addresses is skipped. An error means that the peer does not speak the
// protocol, or broke off.
func ReadProxyHeader(r io.Reader) (ProxyHeader, error) {
	b := make([]byte, 12, 232)
	if _, err := io.ReadFull(r, b); err != nil {
		return ProxyHeader{}, fmt.Errorf("proxy header: %w", ended(err))
	}
	if string(b) == proxySignature {
		return readBinaryHeader(r)
	}
	const longest = 107 // with its line end, by the specification
	one := make([]byte, 1)
	for !bytes.HasSuffix(b, []byte("\r\n")) {
		if len(b) == longest || !bytes.HasPrefix(b, []byte("PROXY ")) {
			return ProxyHeader{}, fmt.Errorf("proxy header: none is there")
		}
		if _, err := io.ReadFull(r, one); err != nil {
			return ProxyHeader{}, fmt.Errorf("proxy header: %w", ended(err))
		}
		b = append(b, one[0])
	}
	return parseTextHeader(string(b[:len(b)-2]))
}

func parseTextHeader(line string) (ProxyHeader, error) {
	f := strings.Split(line, " ")
	if len(f) >= 2 && f[0] == "PROXY" && f[1] == "UNKNOWN" {
		return ProxyHeader{}, nil
	}
	if len(f) != 6 || f[0] != "PROXY" || (f[1] != "TCP4" && f[1] != "TCP6") {
		return ProxyHeader{}, fmt.Errorf("proxy header: malformed %q", line)
	}
	source, err := parseAddrPort(f[2], f[4])
	if err != nil {
		return ProxyHeader{}, fmt.Errorf("proxy header: source: %w", err)
	}
	destination, err := parseAddrPort(f[3], f[5])
	if err != nil {
		return ProxyHeader{}, fmt.Errorf("proxy header: destination: %w", err)
	}
	if source.Addr().Is4() != (f[1] == "TCP4") || destination.Addr().Is4() != (f[1] == "TCP4") {
		return ProxyHeader{}, fmt.Errorf("proxy header: addresses are not %s: %q", f[1], line)
	}
	return ProxyHeader{Source: source, Destination: destination}, nil
}

func parseAddrPort(addr, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err == nil && a.Zone() != "" {
		err = fmt.Errorf("%s has a zone, which means nothing here", addr)
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a, uint16(n)), err
}

func readBinaryHeader(r io.Reader) (ProxyHeader, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return ProxyHeader{}, fmt.Errorf("proxy header: %w", ended(err))
	}
	if head[0]>>4 != 2 || head[0]&0xf > 1 {
		return ProxyHeader{}, fmt.Errorf("proxy header: version and command %#x", head[0])
	}
	body := make([]byte, binary.BigEndian.Uint16(head[2:]))
	if _, err := io.ReadFull(r, body); err != nil {
		return ProxyHeader{}, fmt.Errorf("proxy header: %w", ended(err))
	}
	size := map[byte]int{1: 4, 2: 16, 3: 108}[head[1]>>4]
	if head[0]&0xf == 0 || size == 0 {
		return ProxyHeader{}, nil // the proxy's own connection, or a family we do not know
	}
	if size == 108 {
		if len(body) < 2*size {
			return ProxyHeader{}, fmt.Errorf("proxy header: %d bytes of addresses are too few", len(body))
		}
		return ProxyHeader{SourcePath: unpadded(body[:size]), DestinationPath: unpadded(body[size : 2*size])}, nil
	}
	if len(body) < 2*size+4 {
		return ProxyHeader{}, fmt.Errorf("proxy header: %d bytes of addresses are too few", len(body))
	}
	source, _ := netip.AddrFromSlice(body[:size])
	destination, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	return ProxyHeader{
		Source:      netip.AddrPortFrom(source, binary.BigEndian.Uint16(ports)),
		Destination: netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:])),
	}, nil
}

// unpadded returns a path without the zero bytes behind it.
func unpadded(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
