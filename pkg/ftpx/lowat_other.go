//go:build !linux

package ftpx

import "net"

// wakeLate has no use where the kernel does not splice.
func wakeLate(net.Conn) {}
