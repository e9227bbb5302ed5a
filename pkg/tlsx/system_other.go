//go:build windows || darwin

package tlsx

// systemFiles are none where the system keeps its roots to itself. A file that
// happens to be there is not what the system trusts, and on Windows anybody may
// have made a directory C:\etc.
func systemFiles() []string { return nil }
