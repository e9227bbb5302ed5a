//go:build !unix

package socket

import "context"

// echo copies from a connection to itself.
func (p *pump) echo(ctx context.Context) error { return p.copy(ctx) }

// restoreNonblock has nothing to undo.
func restoreNonblock(any) {}
