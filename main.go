// Command brio moves bytes over sockets, asks the DNS, looks at TLS and
// certificates, and fetches files by FTP.
//
//go:debug x509negativeserial=1
//go:debug rsa1024min=0
package main

import (
	"os"

	"github.com/brio-net/brio/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
