package cmd

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/ftpx"
	"github.com/brio-net/brio/pkg/tlsx"
)

// ftpGetOptions are the flags of ftp-get.
type ftpGetOptions struct {
	ftpFlags
	output, dir           string
	recursive, delete     bool
	include, exclude      []string
	resume, newer, dryRun bool
	noTimes, serverSum    bool
	sessions              int
	sha256                string
	checksums             []string
}

func newFTPGetCmd(e *env) *cobra.Command {
	var o ftpGetOptions
	c := &cobra.Command{
		Use:   "ftp-get URL...",
		Short: "fetch files by FTP",
		Long: `Fetches files into the current directory, one file (-o FILE), stdout (-o -) or
another directory (-d DIR). A file is written as NAME.part and gets its name when
the server's final reply, the size and the checksums agree; a part that is left
behind serves --resume, which first compares its end with the server's file.

A URL is ftp://[USER[:PASSWORD]@]HOST[:PORT]/PATH[;type=a|i], or ftps:// for TLS
from the start. PATH is relative to the login directory; //PATH and %2FPATH are
absolute. The characters * ? [ ] stand for many files; write %2A for the character
itself. No name that a server sends leads out of the directory.`,
		Example: `  brio ftp-get ftp://ftp.example.com/pub/file.tar.gz
  brio ftp-get --resume --retries 10 'ftp://ftp.example.com/pub/*.iso'
  brio ftp-get -o - ftp://ftp.example.com/pub/motd | head
  brio ftp-get -r --newer --delete -d mirror ftp://ftp.example.com/pub/
  brio ftp-get --tls explicit --user me --password-file pw ftp.example.com/report.csv
  brio ftp-get --json --sha256 "$(cut -c1-64 file.sha256)" ftp://ftp.example.com/pub/file`,
		Args: wantArgs(1, -1, "at least one URL"),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.StringVarP(&o.output, "output", "o", "", "write to `FILE` (- is stdout)")
		f.StringVarP(&o.dir, "directory", "d", ".", "write into `DIR`")
		f.BoolVarP(&o.recursive, "recursive", "r", false, "fetch directories with all that is in them")
		f.BoolVarP(&o.resume, "resume", "c", false, "go on where an earlier run stopped, after comparing the end of what is there")
		f.BoolVarP(&o.newer, "newer", "N", false, "fetch only what is newer there than here, or of another size")
		f.IntVarP(&o.sessions, "jobs", "j", 4, "use at most `N` sessions at a time, for many files or for parts of a big one; another is opened only when it pays")
		f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
		f.StringVar(&o.sha256, "sha256", "", "the file must have the SHA-256 `SUM` (hexadecimal)")
	})
	o.add(c)
	flagGroup(c, "Files", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noTimes, "no-times", false, "do not keep the times of the remote files")
		o.addText(f)
		enumVar(f, &o.eol, "eol", "lf", []string{"lf", "crlf", "keep"}, "end lines of text with `EOL`")
		f.StringArrayVar(&o.include, "include", nil, "fetch only files that match `PATTERN` (path or last part; repeatable)")
		f.StringArrayVar(&o.exclude, "exclude", nil, "leave out files and directories that match `PATTERN` (repeatable)")
		f.BoolVar(&o.delete, "delete", false, "delete local files that the server does not have (with -r)")
	})
	flagGroup(c, "Verification", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.checksums, "checksum", nil, "the file must have this checksum: `ALGORITHM:SUM` (sha256, sha512, sha1, md5, crc32)")
		f.BoolVar(&o.serverSum, "server-checksum", false, "compare with the checksum that the server computes, when it offers that")
	})
	c.RunE = e.run(func(ctx context.Context, args []string) error { return runFTPGet(ctx, e, o, args) })
	return ftpExits(results(e, answers(c), ftpFile{}), statusLine{statusPartial, "some files failed"})
}

// ftpExits documents the statuses of the commands that talk FTP, and those that
// only some of them have.
func ftpExits(c *cobra.Command, more ...statusLine) *cobra.Command {
	return exits(c, append(more, statusLine{statusNotFound, "no such host or remote file (550)"}, statusLine{statusRefused, ""},
		statusLine{statusUnreachable, ""}, statusLine{statusBroken, "connection broken, or another size than announced"},
		statusLine{statusDenied, "login refused (530)"}, statusLine{statusHandshake, "TLS handshake failed"},
		statusLine{statusVerify, "certificate or checksum does not verify"},
		statusLine{statusServer, "the server answered with another failure (4xx, 5xx)"},
		statusLine{statusProtocol, ""})...)
}

func runFTPGet(ctx context.Context, e *env, o ftpGetOptions, args []string) error {
	if o.rate > 0 {
		o.sessions = 1 // the limit is one for all
	}
	sums, err := o.sums()
	if err != nil {
		return err
	}
	if err := o.check(args, sums); err != nil {
		return err
	}
	g := &ftpGetter{e: e, o: o, sums: sums, report: &ftpReport{e: e, stdout: o.output == "-"}, taken: make(map[localName]getSource, len(args))}
	g.o.say = g.report.note
	if err := g.parse(args); err != nil {
		return err
	}
	defer g.closeAll()
	g.report.progress = e.startProgress("ftp-get", "")
	for _, s := range g.servers {
		if ctx.Err() == nil && !g.report.broken() {
			g.fetchFrom(ctx, s)
		}
	}
	return g.report.end(ctx)
}

func (o *ftpGetOptions) check(args []string, sums []ftpx.Checksum) error {
	switch {
	case o.delete && !o.recursive:
		return usagef("--delete needs -r")
	case o.output != "" && o.dir != ".":
		return usagef("-o and -d exclude each other")
	case o.output != "" && o.output != "-" && (len(args) > 1 || o.recursive):
		return usagef("-o FILE takes one file").hint("many files go into a directory: -d DIR")
	case o.output == "-" && (o.recursive || o.resume || o.newer || o.dryRun || len(sums) > 0 || o.serverSum):
		return usagef("-o - only copies: -r, --resume, --newer, --dry-run and checksums need a file")
	case len(sums) > 0 && (len(args) > 1 || o.recursive):
		return usagef("a checksum belongs to one file")
	case o.sessions < 1:
		return usagef("--jobs needs at least 1")
	}
	return checkPatterns(o.include, o.exclude)
}

// sums are the checksums that the file must have.
func (o *ftpGetOptions) sums() ([]ftpx.Checksum, error) {
	var sums []ftpx.Checksum
	texts := o.checksums
	if o.sha256 != "" {
		texts = append(texts, "sha256:"+o.sha256)
	}
	for _, s := range texts {
		algorithm, sum, found := strings.Cut(s, ":")
		h := ftpx.NewHash(algorithm)
		b, err := hex.DecodeString(sum)
		if !found || h == nil || err != nil || len(b) != h.Size() {
			return nil, usagef("%q is not a checksum", s).hint("write ALGORITHM:HEXADECIMAL, algorithms are sha256, sha512, sha1, md5, crc32")
		}
		sums = append(sums, ftpx.Checksum{Algorithm: strings.ToUpper(algorithm), Sum: sum})
	}
	return sums, nil
}

// An ftpGetter carries ftp-get out.
type ftpGetter struct {
	e       *env
	o       ftpGetOptions
	sums    []ftpx.Checksum
	report  *ftpReport
	servers []*ftpServer
	roots   []localDir
	taken   map[localName]getSource // by the file that it becomes
}

// An ftpServer is one server, login and way to reach it, with what is wanted
// from it.
type ftpServer struct {
	cfg     ftpx.Config
	session *ftpx.Session
	urls    []ftpx.URL
}

// A getSource is a remote file.
type getSource struct {
	server *ftpServer
	remote string
}

func (s getSource) url() string { return ftpURL(s.server.cfg, s.remote) }

// parse reads the URLs and gathers those of the same server.
func (g *ftpGetter) parse(args []string) error {
	type login struct {
		secure               bool
		host, user, password string
		port                 int
	}
	byServer := map[login]*ftpServer{}
	for _, arg := range args {
		u, err := parseFTPURL(arg)
		if err != nil {
			return err
		}
		if u.Type == 'd' {
			return usagef("%s asks for a listing", arg).hint("list it: brio ftp-ls %s", strings.TrimSuffix(arg, ";type=d"))
		}
		key := login{u.Secure, u.Host, u.User, u.Password, u.Port}
		s := byServer[key]
		if s == nil {
			cfg, err := g.o.config(g.e, u)
			if err != nil {
				return err
			}
			s = &ftpServer{
				cfg: cfg, session: &ftpx.Session{Config: cfg, Retry: g.o.retry(g.e, serverName(cfg))},
				urls: make([]ftpx.URL, 0, len(args)), // most often all have one server
			}
			byServer[key] = s
			g.servers = append(g.servers, s)
		}
		s.urls = append(s.urls, u)
	}
	return nil
}

func (g *ftpGetter) closeAll() {
	for _, s := range g.servers {
		_ = s.session.Close() // every file has told its outcome
	}
	for _, r := range g.roots {
		if r.Root != nil {
			_ = r.Close() // only a handle for names
		}
	}
}

// fetchFrom plans what is wanted from one server, then fetches it.
func (g *ftpGetter) fetchFrom(ctx context.Context, s *ftpServer) {
	if g.o.output == "-" {
		for _, u := range s.urls {
			g.toStdout(ctx, s, u)
		}
		return
	}
	p := &ftpPlan{ftpGetter: g, server: s, jobs: make([]getJob, 0, len(s.urls))}
	for _, u := range s.urls {
		if err := p.add(ctx, u); err != nil {
			g.report.file(ctx, ftpFile{URL: ftpURL(s.cfg, u.Path), File: g.o.output, Size: -1}, ftpFailure(ftpURL(s.cfg, u.Path), err))
		}
	}
	if len(p.jobs) == 1 {
		p.jobs[0].alone = true
	}
	s.urls = nil
	planned(len(p.jobs))
	pool := ftpx.Pool{Config: s.cfg, Retry: s.session.Retry, Max: g.o.sessions, First: s.session}
	pool.Run(ctx, len(p.jobs), func(session *ftpx.Session, n int) {
		if !g.report.broken() {
			g.fetch(ctx, session, p.jobs[n])
		}
	})
	if g.o.delete && ctx.Err() == nil {
		p.deleteOthers(ctx)
	}
}

// A getJob is one file to fetch.
type getJob struct {
	remote string
	mode   ftpx.Mode
	entry  *ftpx.Entry // nil when no listing told about it
	dir    localDir
	local  string
	alone  bool // no other job wants the sessions
}

// A localName is a name in a directory to fetch into.
type localName struct{ dir, name string }

// A localDir is a directory to fetch into. A dry run leaves one that does not
// exist unopened.
type localDir struct {
	name string
	*os.Root
}

// show is the local name for messages.
func (j getJob) show() string { return filepath.Join(j.dir.name, j.local) }

// isCurrent reports whether the local file agrees with the listing.
func (j getJob) isCurrent() bool {
	if j.dir.Root == nil {
		return false
	}
	info, err := j.dir.Lstat(j.local)
	return err == nil && info.Size() == j.entry.Size && !j.entry.Time.After(info.ModTime())
}

// fetch fetches one file, with retries, and reports it.
func (g *ftpGetter) fetch(ctx context.Context, session *ftpx.Session, j getJob) {
	f := ftpFile{URL: ftpURL(session.Config, j.remote), File: j.show(), Size: -1}
	if g.o.dryRun {
		f.Action = "would-fetch"
		if j.entry != nil {
			f.Size = j.entry.Size
			if g.o.newer && j.isCurrent() {
				f.Action = "skipped"
			}
		}
		g.report.file(ctx, f, nil)
		return
	}
	if special, err := g.openSpecial(j); special != nil || err != nil {
		g.toSpecial(ctx, session, j, special, f, err)
		return
	}
	session.Retry = g.o.retry(g.e, f.URL)
	start := time.Now()
	counter := &byteCounter{p: g.report.progress}
	opt := ftpx.GetOptions{
		Mode: j.mode, EOL: g.o.lineEnd(), Resume: g.o.resume, KeepTime: !g.o.noTimes, Newer: g.o.newer,
		Entry: j.entry, Checksums: g.sums, ServerSum: g.o.serverSum, Rate: g.o.rate, Progress: counter.set,
	}
	err := session.Do(ctx, func(c *ftpx.Client, attempt int) error {
		if j.alone {
			opt.Segments = ftpx.Segments{Config: session.Config, Max: g.o.sessions}
		}
		f.Attempts = attempt + 1
		f.TLS = tlsOf(c)
		opt.Resume = opt.Resume || attempt > 0
		r, err := c.Get(ctx, j.remote, j.dir.Root, j.local, opt)
		f.note(r, j)
		return err
	})
	f.took(time.Since(start))
	if j.entry != nil && j.entry.Kind == ftpx.KindLink && errors.Is(err, fs.ErrNotExist) {
		f.Action, err = "skipped", nil // a link to a directory, or to nowhere
		g.report.note("%s: skipped a symbolic link that leads to no file", f.URL)
	}
	g.report.file(ctx, f, g.explain(f, err))
}

// note takes over what Get tells.
func (f *ftpFile) note(r ftpx.GetResult, j getJob) {
	f.Size, f.Resumed = r.Size, r.Resumed
	f.Moved += r.Moved
	f.Action = "fetched"
	switch {
	case r.Skipped:
		f.Action = "skipped"
	case r.Resumed > 0:
		f.Action = "resumed"
	}
	if !r.Time.IsZero() {
		f.Time = &r.Time
	}
	f.setSum(r.Sum)
	f.Partial = ""
	if r.Partial != "" {
		f.Partial = filepath.Join(j.dir.name, r.Partial)
	}
}

// explain adds hints to the failure of a file.
func (g *ftpGetter) explain(f ftpFile, err error) error {
	if err == nil {
		return nil
	}
	wrapped := ftpFailure(f.URL, err)
	var known *failure
	if !errors.As(wrapped, &known) {
		return wrapped
	}
	var sum *ftpx.ChecksumError
	switch {
	case errors.As(err, &sum) && f.Partial != "":
		known.hint("%s holds what came, and --resume would keep it: fetch it anew, or look at it", f.Partial)
	case f.Partial != "":
		known.hint("%s holds what came; go on with --resume", f.Partial)
	}
	if known.kind == "no-such-remote-file" && !g.o.recursive {
		known.hint("see what is there: brio ftp-ls; a directory needs -r")
	}
	return wrapped
}

// tlsOf is the TLS version of a session.
func tlsOf(c *ftpx.Client) string {
	if s := c.TLSState(); s != nil {
		return tlsx.VersionName(s.Version)
	}
	return ""
}
