package socket

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// drops returns the number of datagrams a socket dropped. SO_MEMINFO fills a
// vector of counters (linux/sock_diag.h), for which x/sys has no function.
func drops(fd uintptr) (uint64, error) {
	const memDrops = 8 // SK_MEMINFO_DROPS
	var v [memDrops + 1]uint32
	size := uint32(unsafe.Sizeof(v))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("getsockopt", errno)
	}
	return uint64(v[memDrops]), nil
}
