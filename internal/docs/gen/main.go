// Command gen writes the generated files of the tree anew, and removes those
// that nothing generates any more. Run it by make generate.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/brio-net/brio/internal/docs"
)

func main() {
	dir := flag.String("dir", ".", "top of the tree to write into")
	flag.Parse()
	log.SetFlags(0)
	if err := write(*dir); err != nil {
		log.Fatal(err)
	}
}

func write(top string) error {
	files, err := docs.Files()
	if err != nil {
		return err
	}
	for _, dir := range docs.Dirs() {
		dir = filepath.Join(top, dir)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(top, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
