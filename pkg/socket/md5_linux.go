package socket

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// setMD5Key gives a key to a socket; an empty one takes it away.
func setMD5Key(fd uintptr, k MD5Key) error {
	if err := k.check(); err != nil {
		return err
	}
	i, err := inspect(fd)
	if err != nil {
		return err
	}
	if i.kind != kindTCP {
		return ErrNotSupported
	}
	sig, option, err := md5Signature(k, i.ipv6)
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptTCPMD5Sig(int(fd), unix.IPPROTO_TCP, option, sig))
}

// md5Signature fills in the structure of the kernel and says which option takes
// it. A socket for both IP versions knows IPv4 peers by their mapped addresses
// only, and yet counts their prefix from the start of the IPv4 address
// (tcp_v6_parse_md5_keys).
func md5Signature(k MD5Key, ipv6 bool) (*unix.TCPMD5Sig, int, error) {
	peer := k.Peer
	sig := &unix.TCPMD5Sig{Keylen: uint16(len(k.Key))}
	copy(sig.Key[:], k.Key)
	if peer.Addr().Is4() && !ipv6 {
		sig.Addr.Family = unix.AF_INET
		a := peer.Addr().As4()
		copyInt8(sig.Addr.Data[2:], a[:]) // after the port
	} else {
		sig.Addr.Family = unix.AF_INET6
		a := peer.Addr().As16()
		copyInt8(sig.Addr.Data[6:], a[:]) // after port and flow label
	}
	option := unix.TCP_MD5SIG
	if !peer.IsSingleIP() {
		option = unix.TCP_MD5SIG_EXT
		sig.Flags |= unix.TCP_MD5SIG_FLAG_PREFIX
		sig.Prefixlen = uint8(peer.Bits())
	}
	if k.Interface != "" {
		ifi, err := net.InterfaceByName(k.Interface)
		if err != nil {
			return nil, 0, err
		}
		option = unix.TCP_MD5SIG_EXT
		sig.Flags |= unix.TCP_MD5SIG_FLAG_IFINDEX
		sig.Ifindex = int32(ifi.Index)
	}
	return sig, option, nil
}

// copyInt8 copies bytes to where the C char of the kernel's structure is signed
// on this architecture and unsigned on others.
func copyInt8[T int8 | uint8](dst []T, src []byte) {
	for i, b := range src {
		dst[i] = T(b)
	}
}
