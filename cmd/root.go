// Package cmd is the command line of brio.
package cmd

import "io"

// Main runs brio with the arguments args and returns its exit status.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return 0
}
