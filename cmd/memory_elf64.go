//go:build linux && (amd64 || arm64)

package cmd

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropProgram takes the program itself out of the memory of the process, except
// for what is used from now on: the kernel maps 64 KiB around each page that is
// touched, and starting touches most of them. The pages stay in the page cache,
// from where the next use maps them again.
func dropProgram() {
	auxv, err := unix.Auxv()
	if err != nil {
		return // then it stays
	}
	const programHeaders, programHeaderCount = 3, 5 // AT_PHDR, AT_PHNUM (getauxval(3))
	var table, entries uintptr
	for _, a := range auxv {
		switch a[0] {
		case programHeaders:
			table = a[1]
		case programHeaderCount:
			entries = a[1]
		}
	}
	if table != 0 {
		dropSegments(unsafe.Slice((*segmentHeader)(unsafe.Add(nil, table)), entries), table)
	}
}

// A segmentHeader is an Elf64_Phdr (elf(5)).
type segmentHeader struct {
	kind, flags                               uint32
	offset, virtual, physical, inFile, inCore uint64
	align                                     uint64
}

// dropSegments drops the segments that no one writes to, not even a dynamic
// linker: what has been written could not be read again.
func dropSegments(headers []segmentHeader, at uintptr) {
	const load, self, writable = 1, 6, 2 // PT_LOAD, PT_PHDR, PF_W
	var base uintptr                     // of a program that runs anywhere
	for _, h := range headers {
		if h.kind == self {
			base = at - uintptr(h.virtual)
		}
	}
	for _, h := range headers {
		if h.kind == load && h.flags&writable == 0 {
			segment := unsafe.Slice((*byte)(unsafe.Add(nil, base+uintptr(h.virtual))), h.inFile)
			_ = unix.Madvise(segment, unix.MADV_DONTNEED) // only advice
		}
	}
}
