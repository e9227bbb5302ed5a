// Command expiry prints how many days the certificates in files are still valid:
// expiry FILE...
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/brio-net/brio/pkg/tlsx"
)

func main() {
	failed := false
	for _, name := range os.Args[1:] {
		if err := show(name); err != nil {
			fmt.Fprintf(os.Stderr, "expiry: %s: %v\n", name, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func show(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	objects, err := tlsx.ReadObjects(data, nil)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if c := o.Certificate; c != nil {
			days := int(time.Until(c.NotAfter.Time).Hours() / 24)
			fmt.Printf("%d days  %q\n", days, fmt.Sprint(c.Subject)) // quoted: names come from anybody
		}
	}
	return nil
}
