// Package tests proves brio's behaviour from outside: scripts that run the
// command and look at stdout, stderr and exit status, and guards of the
// architecture.
package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brio-net/brio/cmd"
)

// patience bounds the waits for what comes in a moment on any machine: it is
// only reached by a test that fails.
const patience = time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"brio": func() { os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/*.txtar. A script whose name begins with a key of
// setups finds the peers which that function starts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": scriptStatus,
			"await":  scriptAwait,
			"schema": scriptSchema,
		},
		Setup: func(env *testscript.Env) error {
			name := filepath.Base(env.WorkDir)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
			for prefix, setup := range setups() {
				if strings.HasPrefix(strings.TrimPrefix(name, "script-"), prefix) {
					if err := setup(env); err != nil {
						return err
					}
				}
			}
			return nil
		},
	})
}

// setups are the functions that start peers for the scripts of an area and put
// their addresses into the environment. They stop them with env.Defer.
func setups() map[string]func(*testscript.Env) error {
	return map[string]func(*testscript.Env) error{
		"cert":      setupCert,
		"connect":   setupConnect,
		"ftp":       setupFTP,
		"dns":       setupDNS,
		"securedns": setupDNSTransports,
		"realdns":   setupRealDNS,

		"dns-validate": setupSigned,
		"dns-trace":    setupTrace,
		"dns-xfr":      setupTransfer,
	}
}

// scriptStatus runs a program and fails unless it ends with the given exit
// status: status N PROGRAM [ARG...]. A death by signal n counts as 128+n.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exitStatus(exit.ProcessState)
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}
