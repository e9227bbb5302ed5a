//go:build !unix

package socket

// restoreNonblock has nothing to undo.
func restoreNonblock(any) {}
