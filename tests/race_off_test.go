//go:build !race

package tests

// raceDetector says that the race detector, with its own memory, is there.
const raceDetector = false
