package socket

import "io"

// WatchOutput calls gone, from a goroutine of its own, when nobody reads out
// any more; out is what [OpenOutput] returned. It needs no write to notice.
// Where the system cannot tell, gone is not called. The function returned ends
// the watch.
func WatchOutput(out io.Writer, gone func()) (stop func()) { return watchOutput(out, gone) }
