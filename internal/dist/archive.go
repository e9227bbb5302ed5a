package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// A file is a file of an archive or a package.
type file struct {
	name string // with slashes
	mode int64
	data []byte
}

// documents are the files beside the binary, by their paths in the tree.
func documents() ([]file, error) {
	var list []file
	for _, pattern := range []string{"LICENSE", "README.md", "CHANGELOG.md", "man/*", "completions/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			list = append(list, file{filepath.ToSlash(name), 0o644, data})
		}
	}
	return list, nil
}

// archive writes brio_VERSION_OS_ARCH.tar.gz, or .zip for Windows, which holds
// one directory of that name.
func (r *release) archive(p platform, binary string) error {
	files, err := documents()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files = append(files, file{filepath.Base(binary), 0o755, data})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	dir := "brio_" + r.version + "_" + p.String()
	write, suffix := r.writeTar, ".tar.gz"
	if p.os == "windows" {
		write, suffix = r.writeZip, ".zip"
	}
	var b bytes.Buffer
	if err := write(&b, dir, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, dir+suffix), b.Bytes(), 0o644)
}

func (r *release) writeTar(w io.Writer, dir string, files []file) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: path.Join(dir, f.name), Mode: f.mode, Size: int64(len(f.data)), ModTime: r.date, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func (r *release) writeZip(w io.Writer, dir string, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: path.Join(dir, f.name), Method: zip.Deflate, Modified: r.date}
		h.SetMode(os.FileMode(f.mode))
		fw, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := fw.Write(f.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// gzipped compresses without a name or a date.
func gzipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
