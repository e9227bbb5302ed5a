package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/brio-net/brio/pkg/ftpx"
)

// ftpPutOptions are the flags of ftp-put.
type ftpPutOptions struct {
	ftpFlags
	appendTo, unique, atomic  bool
	resume, makeDirs          bool
	recursive, dryRun         bool
	include, exclude          []string
	noTimes, noVerify, verify bool
	sessions                  int
}

func newFTPPutCmd(e *env) *cobra.Command {
	var o ftpPutOptions
	c := &cobra.Command{
		Use:   "ftp-put FILE... URL",
		Short: "store files by FTP",
		Long: `Stores files, or stdin (-), on a server. When URL ends in a slash, or several
files or a directory are given, it names the directory to store into (of a single
directory: what is in it); otherwise the remote file. After each upload the size is
compared with what the server has.

An upload that breaks off is reset, so that the server does not take a part for the
whole; with --atomic the file has its name only when it is complete.`,
		Example: `  brio ftp-put report.csv ftp://ftp.example.com/incoming/
  tar c dir | brio ftp-put - ftp://me@ftp.example.com/backup/dir.tar
  brio ftp-put --atomic --mkdirs build.zip ftp://ftp.example.com/a/b/build.zip
  brio ftp-put -r --exclude '*.o' src ftp://ftp.example.com/src/
  brio ftp-put --tls explicit --resume big.iso ftp://ftp.example.com/big.iso`,
		Args: wantArgs(2, -1, "FILE... and URL"),
	}
	flagGroup(c, groupCommon, func(f *pflag.FlagSet) {
		f.BoolVarP(&o.recursive, "recursive", "r", false, "store directories with all that is in them")
		f.BoolVarP(&o.resume, "resume", "c", false, "go on behind what the server has, after comparing the end of it")
		f.BoolVar(&o.appendTo, "append", false, "add to the end of the remote file")
		f.BoolVar(&o.unique, "unique", false, "let the server choose a new name (STOU)")
		f.BoolVar(&o.atomic, "atomic", false, "store as NAME.part and rename when complete")
		f.BoolVarP(&o.makeDirs, "mkdirs", "p", false, "make the remote directories that are missing")
		f.IntVarP(&o.sessions, "jobs", "j", 4, "use at most `N` sessions at a time; another is opened only when it pays")
		f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	})
	o.add(c)
	flagGroup(c, "Files", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noTimes, "no-times", false, "do not give the remote files the times of the local ones")
		o.addText(f)
		f.StringArrayVar(&o.include, "include", nil, "store only files that match `PATTERN` (path or last part; repeatable)")
		f.StringArrayVar(&o.exclude, "exclude", nil, "leave out files and directories that match `PATTERN` (repeatable)")
	})
	flagGroup(c, "Verification", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noVerify, "no-verify", false, "do not ask for the size after an upload")
		f.BoolVar(&o.verify, "server-checksum", false, "compare with the checksum that the server computes, when it offers that")
	})
	c.RunE = e.run(func(ctx context.Context, args []string) error {
		return runFTPPut(ctx, e, o, args[:len(args)-1], args[len(args)-1])
	})
	return ftpExits(results(e, answers(c), ftpFile{}), statusLine{statusPartial, "some files failed"})
}

func runFTPPut(ctx context.Context, e *env, o ftpPutOptions, files []string, target string) error {
	if err := o.check(files); err != nil {
		return err
	}
	if o.rate > 0 {
		o.sessions = 1 // the limit is one for all
	}
	u, err := parseFTPURL(target)
	if err != nil {
		return err
	}
	if u.Type == 'd' {
		return usagef("%s asks for a listing", target)
	}
	report := &ftpReport{e: e}
	o.say = report.note
	cfg, err := o.config(e, u)
	if err != nil {
		return err
	}
	p := &ftpPutter{e: e, o: o, cfg: cfg, mode: o.mode(u), report: report, taken: map[string]string{}}
	p.plan(ctx, files, u.Path)
	p.report.progress = e.startProgress("ftp-put", "")
	planned(len(p.jobs))
	pool := ftpx.Pool{Config: cfg, Retry: o.retry(e, serverName(cfg)), Max: o.sessions}
	pool.Run(ctx, len(p.jobs), func(s *ftpx.Session, n int) {
		if !p.report.broken() {
			p.put(ctx, s, p.jobs[n])
		}
	})
	return p.report.end(ctx)
}

func (o *ftpPutOptions) check(files []string) error {
	modes := 0
	for _, on := range []bool{o.appendTo, o.unique, o.resume} {
		if on {
			modes++
		}
	}
	switch {
	case slices.ContainsFunc(files, isFTPURL):
		return usagef("the URL comes last: FILE... URL").hint("to copy from one server to another: brio ftp-transfer; to fetch: brio ftp-get")
	case modes > 1:
		return usagef("--append, --unique and --resume exclude each other")
	case o.atomic && (o.appendTo || o.unique):
		return usagef("--atomic has no meaning with --append and --unique")
	case slices.Contains(files, "-") && (o.resume || o.recursive):
		return usagef("stdin can be neither resumed nor a directory")
	case slices.Contains(files, "-") && len(files) > 1:
		return usagef("stdin is stored alone")
	case o.text && o.resume:
		return usagef("text cannot be resumed: offsets have no meaning in it")
	case o.sessions < 1:
		return usagef("--jobs needs at least 1")
	}
	return checkPatterns(o.include, o.exclude)
}

// isFTPURL reports whether s is written as a URL of a server, not as a file.
func isFTPURL(s string) bool {
	return strings.HasPrefix(s, "ftp://") || strings.HasPrefix(s, "ftps://")
}

// An ftpPutter carries ftp-put out.
type ftpPutter struct {
	e      *env
	o      ftpPutOptions
	cfg    ftpx.Config
	mode   ftpx.Mode
	report *ftpReport
	jobs   []putJob
	taken  map[string]string // remote path to the local file that goes there
}

// A putJob is one file to store, or one empty directory to make.
type putJob struct {
	local, remote string
	dir           bool
	makeDirs      bool
}

// plan says what goes where. What cannot be read is reported at once.
func (p *ftpPutter) plan(ctx context.Context, files []string, target string) {
	into := target == "" || strings.HasSuffix(target, "/") || len(files) > 1
	for _, name := range files {
		remote := target
		if into {
			remote = ftpx.Join(strings.TrimSuffix(target, "/"), filepath.Base(name))
			if target == "/" {
				remote = "/" + filepath.Base(name)
			}
		}
		if name == "-" {
			p.addStdin(ctx, remote, into)
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			p.localFailed(ctx, name, err)
		case info.IsDir() && !p.o.recursive:
			p.localFailed(ctx, name, fmt.Errorf("is a directory (store it with -r)"))
		case info.IsDir():
			top := strings.TrimSuffix(target, "/")
			if len(files) > 1 {
				top = remote
			}
			p.addTree(ctx, name, top)
		default:
			p.take(ctx, putJob{local: name, remote: remote, makeDirs: p.o.makeDirs})
		}
	}
}

func (p *ftpPutter) addStdin(ctx context.Context, remote string, into bool) {
	if into && !p.o.unique {
		p.localFailed(ctx, "-", errors.New("stdin needs a file name in the URL"))
		return
	}
	p.take(ctx, putJob{local: "-", remote: remote, makeDirs: p.o.makeDirs})
}

// take adds a job unless another file is stored under its name.
func (p *ftpPutter) take(ctx context.Context, j putJob) {
	other, taken := p.taken[j.remote]
	switch {
	case taken && other == j.local: // named twice
	case taken && !p.o.unique:
		f := ftpFile{URL: ftpURL(p.cfg, j.remote), File: j.local, Size: -1}
		p.report.file(ctx, f, ftpFailure(j.local, usagef("would be stored as %s, and so would %s", f.URL, other)))
	default:
		p.taken[j.remote] = j.local
		p.jobs = append(p.jobs, j)
	}
}

func (p *ftpPutter) localFailed(ctx context.Context, name string, err error) {
	p.report.file(ctx, ftpFile{File: name, Size: -1}, &failure{err: plainCause(err), status: statusLocalIO, target: name})
}

// addTree adds all files below a directory. Symbolic links to files are
// followed, those to directories not: they may lead in circles.
func (p *ftpPutter) addTree(ctx context.Context, top, remote string) {
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			p.localFailed(ctx, name, err)
			return nil
		}
		relative, err := filepath.Rel(top, name)
		if err != nil || relative == "." {
			return err
		}
		target := ftpx.Join(remote, filepath.ToSlash(relative))
		kind := ftpx.KindFile
		if d.IsDir() {
			kind = ftpx.KindDir
		}
		if !wantedName(p.o.include, p.o.exclude, filepath.ToSlash(relative), kind) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			p.jobs = append(p.jobs, putJob{local: name, remote: target, dir: true})
			return nil
		}
		switch info, err := os.Stat(name); {
		case err != nil: // such as a link that leads nowhere
			p.localFailed(ctx, name, err)
			return nil
		case !info.Mode().IsRegular():
			p.report.note("%s: left out: no regular file", name)
			return nil
		}
		p.take(ctx, putJob{local: name, remote: target, makeDirs: true})
		return nil
	})
	if err != nil {
		p.localFailed(ctx, top, err)
	}
}

// put stores one file, with retries, and reports it.
func (p *ftpPutter) put(ctx context.Context, session *ftpx.Session, j putJob) {
	f := ftpFile{URL: ftpURL(p.cfg, j.remote), File: j.local, Size: -1}
	switch {
	case j.dir && p.o.dryRun:
		return
	case p.o.dryRun:
		f.Action = "would-store"
		p.report.file(ctx, f, nil)
		return
	case j.dir:
		err := session.Do(ctx, func(c *ftpx.Client, _ int) error { return c.MakeDirs(ctx, j.remote) })
		if err != nil {
			p.report.file(ctx, f, ftpFailure(f.URL, err))
		}
		return
	}
	session.Retry = p.o.retry(p.e, f.URL)
	start := time.Now()
	err := p.store(ctx, session, j, &f)
	f.took(time.Since(start))
	if err != nil && bySignal(err) && f.Moved > 0 {
		p.report.note("interrupted: %s has a part of %s; go on with --resume", f.URL, f.File)
	}
	p.report.file(ctx, f, p.explain(f, err))
}

// explain adds hints to the failure of an upload.
func (p *ftpPutter) explain(f ftpFile, err error) error {
	wrapped := ftpFailure(f.URL, err)
	var known *failure
	var reply *ftpx.ReplyError
	switch {
	case !errors.As(wrapped, &known):
	case errors.As(err, &reply) && (reply.Code == 550 || reply.Code == 553):
		known.hint("a missing directory is made with --mkdirs; to store into a directory end the URL with a slash")
	case f.Moved > 0 && f.File != "-" && !p.o.appendTo && !p.o.unique:
		known.hint("go on behind what the server has with --resume")
	}
	return wrapped
}

// store opens the source and uploads it. Another attempt needs a source that can
// be read again, and goes on behind what has arrived when that is safe.
func (p *ftpPutter) store(ctx context.Context, session *ftpx.Session, j putJob, f *ftpFile) error {
	source, opt, done, err := p.open(ctx, j)
	if err != nil {
		return err
	}
	defer done()
	counter := &byteCounter{p: p.report.progress}
	opt.Progress = func(moved int64) { counter.set(moved, 0) }
	var spent bool
	return session.Do(ctx, func(c *ftpx.Client, attempt int) error {
		f.Attempts, f.TLS = attempt+1, tlsOf(c)
		if spent {
			if err := rewind(source, j, &opt); err != nil {
				return err
			}
		}
		r, err := c.Put(ctx, source, j.remote, opt)
		spent = r.Moved > 0
		f.noteStored(r, j, p.cfg)
		return err
	})
}

// noteStored takes over what Put tells.
func (f *ftpFile) noteStored(r ftpx.PutResult, j putJob, cfg ftpx.Config) {
	f.Size, f.Resumed = r.Size, r.Resumed
	f.Moved += r.Moved
	f.Action = "stored"
	switch {
	case r.Skipped:
		f.Action = "skipped"
	case r.Resumed > 0:
		f.Action = "resumed"
	}
	if r.Name != "" {
		f.chosen = r.Name != j.remote
		f.URL = ftpURL(cfg, r.Name)
	}
	f.setSum(r.Sum)
}

// open opens the source of j. The caller calls done.
func (p *ftpPutter) open(ctx context.Context, j putJob) (r io.Reader, opt ftpx.PutOptions, done func(), err error) {
	opt = ftpx.PutOptions{
		Mode: p.mode, Append: p.o.appendTo, Unique: p.o.unique, Atomic: p.o.atomic, Resume: p.o.resume,
		MakeDirs: j.makeDirs, NoVerify: p.o.noVerify, ServerSum: p.o.verify, Rate: p.o.rate,
	}
	if j.local == "-" {
		r, done, err = p.e.interruptibleStdin(ctx)
		return r, opt, done, err
	}
	source, err := os.Open(j.local)
	if err != nil {
		return nil, opt, nil, &failure{err: plainCause(err), status: statusLocalIO, target: j.local}
	}
	if info, err := source.Stat(); err == nil && info.Mode().IsRegular() {
		p.report.progress.total.Add(info.Size())
		if !p.o.noTimes {
			opt.Time = info.ModTime()
		}
	}
	return source, opt, func() { _ = source.Close() }, nil // it was only read
}

// rewind prepares another attempt.
func rewind(source io.Reader, j putJob, opt *ftpx.PutOptions) error {
	seeker, ok := source.(io.Seeker)
	if opt.Append || j.local == "-" || !ok {
		return &ftpx.LocalError{Op: "seek", Err: errors.New("what was sent already cannot be sent again")}
	}
	if _, err := seeker.Seek(0, io.SeekStart); err != nil {
		return &ftpx.LocalError{Op: "seek", Err: err}
	}
	opt.Resume = opt.Mode == ftpx.Binary && !opt.Unique
	return nil
}
