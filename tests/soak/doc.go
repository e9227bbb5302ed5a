// Package soak holds the tests that run brio for a long time under load: make
// soak. They have the build tag soak, and run on Linux.
package soak
