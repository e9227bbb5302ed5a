//go:build !linux && !darwin && !windows

package socket

import "time"

// acceptInherits says that a connection has the options of its listener.
const acceptInherits = true

var sysOptions = [...]sysOption{}

func setInt(uintptr, int, int, int) error { return ErrNotSupported }

func getInt(uintptr, int, int) (int, error) { return 0, ErrNotSupported }

func setBytes(uintptr, int, int, []byte) error { return ErrNotSupported }

func setLinger(uintptr, time.Duration) error { return ErrNotSupported }

func getLinger(uintptr) (time.Duration, error) { return 0, ErrNotSupported }

func setDevice(uintptr, socketInfo, string) error { return ErrNotSupported }

func getDevice(uintptr) (string, error) { return "", ErrNotSupported }

func inspect(uintptr) (socketInfo, error) { return socketInfo{kind: kindTCP}, nil }
