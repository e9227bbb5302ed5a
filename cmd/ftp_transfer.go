package cmd

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/ftpx"
)

// ftpTransferOptions are the flags of ftp-transfer.
type ftpTransferOptions struct {
	ftpFlags
	fxp                                  string
	fxpTimeout                           time.Duration
	fxpClear                             bool
	fromUser, fromPassword, fromPassFile string
	toUser, toPassword, toPassFile       string
}

// An ftpTransferResult is how a file went from server to server.
type ftpTransferResult struct {
	From           string  `json:"from"`
	To             string  `json:"to"`
	Via            string  `json:"via"` // fxp, relay; empty when it did not come so far
	Size           int64   `json:"size"`
	Protected      bool    `json:"protected"` // the data went through TLS
	FXPRefusal     string  `json:"fxp_refusal"`
	Attempts       int     `json:"attempts"`
	DurationMS     float64 `json:"duration_ms"`
	BytesPerSecond float64 `json:"bytes_per_second"`

	failed bool
}

func newFTPTransferCmd(e *env) *cobra.Command {
	var o ftpTransferOptions
	c := &cobra.Command{
		Use:   "ftp-transfer FROM-URL TO-URL",
		Short: "copy a file from one FTP server to another",
		Long: `Copies a file from server to server. When both allow it they exchange it directly
(FXP); otherwise it passes through this machine, without touching its disk. Hosts,
ports, users and names may differ. When TO-URL ends in a slash the file keeps its
name.`,
		Example: `  brio ftp-transfer ftp://a.example.com/pub/f ftp://b.example.com/incoming/f
  brio ftp-transfer --fxp never ftp://a.example.com/f ftp://b.example.com/
  brio ftp-transfer --text ftp://a.example.com/notes.txt ftp://b.example.com/notes.txt
  brio ftp-transfer --to-user me --to-password-file pw ftp://a.example.com/f ftp://b.example.com/f`,
		Args: wantArgs(2, 2, "FROM-URL and TO-URL"),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		enumVar(f, &o.fxp, "fxp", "auto", []string{"auto", "only", "never"}, "let the servers exchange the file directly: `WHEN`")
		o.addText(f)
	})
	o.add(c)
	flagGroup(c, "Transfer", func(f *pflag.FlagSet) {
		durationVar(f, &o.fxpTimeout, "fxp-timeout", 15*time.Second, "wait at most `DURATION` for the servers to find each other")
		f.BoolVar(&o.fxpClear, "fxp-clear-data", false, "allow a direct transfer between TLS sessions in clear")
	})
	flagGroup(c, "Login", func(f *pflag.FlagSet) {
		f.StringVar(&o.fromUser, "from-user", "", "log in to the source as `NAME`")
		f.StringVar(&o.fromPassword, "from-password", "", "log in to the source with `PASSWORD`")
		f.StringVar(&o.fromPassFile, "from-password-file", "", "read the password for the source from `FILE`")
		f.StringVar(&o.toUser, "to-user", "", "log in to the destination as `NAME`")
		f.StringVar(&o.toPassword, "to-password", "", "log in to the destination with `PASSWORD`")
		f.StringVar(&o.toPassFile, "to-password-file", "", "read the password for the destination from `FILE`")
		secretFlag(f, "from-password")
		secretFlag(f, "to-password")
	})
	c.RunE = e.run(func(ctx context.Context, args []string) error { return runFTPTransfer(ctx, e, o, args[0], args[1]) })
	return ftpExits(results(e, answers(c), ftpTransferResult{}))
}

func runFTPTransfer(ctx context.Context, e *env, o ftpTransferOptions, fromArg, toArg string) error {
	from, err := parseFTPURL(fromArg)
	if err != nil {
		return err
	}
	to, err := parseFTPURL(toArg)
	if err != nil {
		return err
	}
	if from.Path == "" || strings.HasSuffix(from.Path, "/") || from.Pattern != "" {
		return usagef("the first URL names no single file")
	}
	if to.Path == "" || strings.HasSuffix(to.Path, "/") {
		to.Path += path.Base(from.Path)
	}
	source, err := o.endpoint(e, from, "[from] ", o.fromUser, o.fromPassword, o.fromPassFile)
	if err != nil {
		return err
	}
	dest, err := o.endpoint(e, to, "[to] ", o.toUser, o.toPassword, o.toPassFile)
	if err != nil {
		return err
	}
	r, err := o.transfer(ctx, e, source, dest, o.mode(from))
	if err == nil && r.FXPRefusal != "" {
		e.verbosef("relayed, because no direct transfer was possible: %s", r.FXPRefusal)
	}
	return emitItem(e, r, ftpFailure(r.From, err), writeFTPTransfer)
}

// endpoint is one side; its own login flags beat the common ones.
func (o ftpTransferOptions) endpoint(e *env, u ftpx.URL, label, user, password, passwordFile string) (ftpx.Endpoint, error) {
	if user != "" {
		o.user = user
	}
	if password != "" || passwordFile != "" {
		o.password, o.passwordFile = password, passwordFile
	}
	cfg, err := o.config(e, u)
	if cfg.Debug != nil {
		cfg.Debug = labelledWriter{cfg.Debug, label}
	}
	return ftpx.Endpoint{Config: cfg, File: u.Path}, err
}

type labelledWriter struct {
	w     io.Writer
	label string
}

func (l labelledWriter) Write(p []byte) (int, error) {
	_, err := io.WriteString(l.w, l.label+string(p))
	return len(p), err
}

func (o ftpTransferOptions) transfer(ctx context.Context, e *env, from, to ftpx.Endpoint, mode ftpx.Mode) (ftpTransferResult, error) {
	out := ftpTransferResult{From: ftpURL(from.Config, from.File), To: ftpURL(to.Config, to.File), Size: -1}
	p := e.startProgress("ftp-transfer", "")
	defer p.finish()
	o.say = func(format string, a ...any) { p.clear(); e.note(format, a...) }
	fxp := map[string]ftpx.FXP{"auto": ftpx.FXPAuto, "only": ftpx.FXPOnly, "never": ftpx.FXPNever}[o.fxp]
	start := time.Now()
	r, err := ftpx.Transfer(ctx, from, to, ftpx.TransferOptions{
		Mode: mode, FXP: fxp, ClearData: o.fxpClear, StartTimeout: o.fxpTimeout, Rate: o.rate,
		Retry: o.retry(e, out.From), Attempt: func(n int) { out.Attempts = n + 1 }, Progress: p.done.Store,
	})
	elapsed := time.Since(start)
	out.failed = err != nil
	out.Via, out.Protected, out.Size = r.Via, r.Protected, r.Bytes
	out.DurationMS = float64(elapsed.Microseconds()) / 1000
	if r.FXPError != nil {
		out.FXPRefusal = r.FXPError.Error()
	}
	if r.Bytes > 0 {
		out.BytesPerSecond = float64(int64(float64(r.Bytes) / elapsed.Seconds()))
	}
	return out, err
}

func writeFTPTransfer(w io.Writer, r ftpTransferResult) error {
	if r.failed {
		return nil // the line on stderr says it
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Via, sizeOrDash(r.Size), r.From, r.To)
	return err
}
