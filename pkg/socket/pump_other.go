//go:build !linux

package socket

import "context"

// moveInKernel reports that this system has no way of its own.
func (p *pump) moveInKernel(context.Context) (bool, error) { return false, nil }

// growPipes does nothing: this system does not let pipes grow.
func (p *pump) growPipes() {}
