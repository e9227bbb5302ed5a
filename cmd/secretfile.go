package cmd

import (
	"os"

	"github.com/spf13/cobra"
)

// warnLoose notes on stderr which of the files with secrets that the flags of c
// name are open to everybody on the machine.
func (e *env) warnLoose(c *cobra.Command) {
	for _, name := range []string{"key", "password-file", "key-password-file", "from-password-file", "to-password-file", "tsig-file", "tcp-md5-file"} {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			e.warnLooseFile(f.Value.String())
		}
	}
	// Without --key the private key is in the file of the certificate.
	if f := c.Flags().Lookup("certificate"); f != nil && f.Changed && !c.Flags().Changed("key") {
		e.warnLooseFile(f.Value.String())
	}
}

// warnLooseFile notes that everybody on the machine can read or change the file
// name, or its group can change it. A file that is not there is not its matter.
func (e *env) warnLooseFile(name string) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&looseMode == 0 {
		return
	}
	e.note("%s holds a secret, and others have access to it (mode %04o): chmod 600 %s", name, info.Mode().Perm(), quoteShell(name))
}
