package cmd

import "runtime/debug"

// planned makes room before many files are moved: the heap, of which little lives
// longer than a file, is collected at 2 MiB instead of 4. For one file the first
// collection would cost more memory than it frees.
func planned(files int) {
	if files > 1 {
		debug.SetGCPercent(50)
	}
}
