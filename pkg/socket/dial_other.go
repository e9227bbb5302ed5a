//go:build !linux

package socket

// connectOptions returns o as a connecting socket needs it.
func connectOptions(o Options) Options { return o }
