// Command fetch writes a file of an FTP server to stdout: fetch ftp://HOST/PATH.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/brio-net/brio/pkg/ftpx"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fetch ftp://HOST/PATH")
		os.Exit(2)
	}
	if err := fetch(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func fetch(url string) error {
	u, err := ftpx.ParseURL(url)
	if err != nil {
		return err
	}
	cfg := ftpx.Config{Host: u.Host, Port: u.Port, User: u.User, Password: u.Password}
	in, err := ftpx.Open(context.Background(), u.Path, ftpx.OpenOptions{}, cfg)
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, in)
	return errors.Join(err, in.Close()) // Close knows whether that was the whole file
}
