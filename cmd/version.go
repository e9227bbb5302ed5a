package cmd

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brio-net/brio/pkg/tlsx"
)

// version is set when a release is built: -ldflags "-X .../cmd.version=1.2.3".
var version string

// A versionInfo is the result of "brio version".
type versionInfo struct {
	Version  string       `json:"version"`
	Revision string       `json:"revision"` // of the source; "" when unknown
	Modified bool         `json:"modified"` // the source was changed after it
	Go       string       `json:"go"`
	OS       string       `json:"os"`
	Arch     string       `json:"arch"`
	TLS      string       `json:"tls"` // the implementation of TLS and its version
	Modules  []moduleInfo `json:"modules"`
}

type moduleInfo struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func newVersionCmd(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "print the version and what it was built from",
		Example: `  brio version
  brio version --format short
  brio version --json
  brio version --get go`,
		Args: wantArgs(0, 0, "no arguments"),
		RunE: e.runBriefly(func(context.Context, []string) error { return runVersion(e) }),
	}
	return exits(results(e, answers(c, "short"), versionInfo{}))
}

func runVersion(e *env) error {
	return emit(e, buildVersion(), pick(e, writeVersion, writeVersionShort))
}

func buildVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		TLS: tlsx.Version(), Modules: []moduleInfo{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version == "" {
		v.Version = strings.TrimPrefix(info.Main.Version, "v")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		v.Modules = append(v.Modules, moduleInfo{m.Path, m.Version})
	}
	return v
}

func writeVersionShort(w io.Writer, v versionInfo) error {
	_, err := fmt.Fprintln(w, v.Version)
	return err
}

func writeVersion(w io.Writer, v versionInfo) error {
	rev := v.Revision
	if rev != "" {
		rev = " (" + rev[:min(12, len(rev))] + ")"
	}
	_, err := fmt.Fprintf(w, "brio %s%s\n%s %s/%s\nTLS: %s\n", v.Version, rev, v.Go, v.OS, v.Arch, v.TLS)
	return err
}
