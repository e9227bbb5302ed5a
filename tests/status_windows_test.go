package tests

import "os"

func exitStatus(p *os.ProcessState) int { return p.ExitCode() }
