package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brio-net/brio/pkg/ftpx"
)

// An ftpPlan is what ftp-get will do with one server.
type ftpPlan struct {
	*ftpGetter
	server *ftpServer
	jobs   []getJob
	trees  []localTree
	holes  bool // something could not be listed
}

// A localTree is a directory that mirrors a remote one.
type localTree struct {
	dir  localDir
	base string // below dir, "" for dir itself
}

// add plans what one URL stands for.
func (p *ftpPlan) add(ctx context.Context, u ftpx.URL) error {
	dir, local, err := p.destination(u)
	if err != nil {
		return err
	}
	single := getJob{remote: u.Path, mode: p.o.mode(u), dir: dir, local: local}
	if u.Pattern == "" && !p.o.recursive {
		if local == "" {
			return usagef("the URL names no file").hint("fetch a directory with -r, list it with brio ftp-ls")
		}
		return p.takeNamed(single)
	}
	return p.server.session.Do(ctx, func(c *ftpx.Client, _ int) error {
		if u.Pattern != "" {
			return p.addMatches(ctx, c, u, dir)
		}
		return p.addTree(ctx, c, single)
	})
}

// destination is where the file of u goes; the name is empty when u has none.
func (p *ftpPlan) destination(u ftpx.URL) (localDir, string, error) {
	name, where := p.o.output, p.o.dir
	if name != "" {
		where, name = filepath.Dir(name), filepath.Base(name)
	} else if base := path.Base("/" + u.Path); base != "/" && !strings.HasSuffix(u.Path, "/") {
		safe, err := ftpx.SafeName(base)
		if err != nil && u.Pattern == "" {
			return localDir{}, "", err
		}
		name = safe
	}
	dir, err := p.root(where)
	return dir, name, err
}

// root makes a directory, unless -o names a file in it, and opens it once.
func (g *ftpGetter) root(where string) (localDir, error) {
	for _, r := range g.roots {
		if r.name == where {
			return r, nil
		}
	}
	if !g.o.dryRun && g.o.output == "" {
		if err := os.MkdirAll(where, 0o777); err != nil {
			return localDir{}, &outputError{where, plainCause(err)}
		}
	}
	r, err := os.OpenRoot(where)
	if err != nil && !(g.o.dryRun && errors.Is(err, fs.ErrNotExist)) {
		return localDir{}, &outputError{where, plainCause(err)}
	}
	g.roots = append(g.roots, localDir{where, r})
	return localDir{where, r}, nil
}

// take adds a job unless another has its local name.
func (p *ftpPlan) take(j getJob) error {
	key, source := localName{j.dir.name, j.local}, getSource{p.server, j.remote}
	other, taken := p.taken[key]
	if taken && other != source {
		return fmt.Errorf("%w: %s would become %s, and so would %s", errNameTaken, other.url(), j.show(), source.url())
	}
	if !taken { // else named twice, or planned before a session broke
		p.taken[key] = source
		p.jobs = append(p.jobs, j)
	}
	return nil
}

// errNameTaken says that two remote files would have one local name.
var errNameTaken = errors.New("name taken")

// takeNamed takes a file that the user has named.
func (p *ftpPlan) takeNamed(j getJob) error {
	err := p.take(j)
	if errors.Is(err, errNameTaken) {
		return usagef("%w", err).hint("fetch them into different directories with -d, or one at a time with -o")
	}
	return err
}

func (p *ftpPlan) addMatches(ctx context.Context, c *ftpx.Client, u ftpx.URL, dir localDir) error {
	matches, err := c.Glob(ctx, u.Pattern)
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		return failf(statusNotFound, "no-match", "nothing matches")
	}
	if p.o.output != "" && len(matches) > 1 {
		return usagef("%d files match, and -o FILE takes one", len(matches)).hint("many files go into a directory: -d DIR")
	}
	for _, m := range matches {
		if err := p.addMatch(ctx, c, u, dir, m); err != nil {
			p.fileFailed(ctx, m.Path, err)
		}
	}
	return nil
}

func (p *ftpPlan) addMatch(ctx context.Context, c *ftpx.Client, u ftpx.URL, dir localDir, m ftpx.Match) error {
	name, err := ftpx.SafeName(m.Entry.Name)
	if err != nil {
		return err
	}
	if p.o.output != "" {
		name = filepath.Base(p.o.output)
	}
	j := getJob{remote: m.Path, mode: p.o.mode(u), entry: &m.Entry, dir: dir, local: name}
	switch {
	case !p.wanted(m.Entry.Name, m.Entry.Kind):
		return nil
	case m.Entry.Kind == ftpx.KindDir && p.o.recursive:
		return p.addTree(ctx, c, j)
	case m.Entry.Kind == ftpx.KindDir:
		p.report.note("%s: left out a directory (fetch it with -r)", ftpURL(p.server.cfg, m.Path))
		return nil
	}
	return p.take(j)
}

// fileFailed reports a file that does not get as far as being fetched.
func (p *ftpPlan) fileFailed(ctx context.Context, remote string, err error) {
	u := ftpURL(p.server.cfg, remote)
	p.holes = true
	p.report.file(ctx, ftpFile{URL: u, Size: -1}, ftpFailure(u, err))
}

// addTree plans all files below the directory of j. When j is a file it is the
// only one.
func (p *ftpPlan) addTree(ctx context.Context, c *ftpx.Client, j getJob) error {
	if j.entry == nil && j.local != "" {
		e, err := c.Stat(ctx, j.remote)
		if err != nil {
			return err
		}
		if e.Kind == ftpx.KindFile || e.Kind == ftpx.KindLink && hasSize(ctx, c, j.remote) {
			return p.take(j)
		}
	}
	top := strings.TrimRight(j.remote, "/")
	if strings.HasPrefix(j.remote, "/") && top == "" {
		top = "/"
	}
	p.trees = append(p.trees, localTree{j.dir, j.local})
	made := map[string]bool{}
	if err := p.makeDir(j.dir, j.local, made); err != nil {
		return err
	}
	return c.Walk(ctx, top, func(remote string, e ftpx.Entry) error {
		return p.addEntry(ctx, j, top, remote, e, made)
	}, func(dir string, err error) error {
		if c.Err() != nil || ctx.Err() != nil || dir == top && ftpStatusOf(err) != statusProtocol {
			return err
		}
		p.fileFailed(ctx, dir, err)
		return nil
	})
}

// hasSize reports whether a link leads to a file.
func hasSize(ctx context.Context, c *ftpx.Client, name string) bool {
	_, err := c.Size(ctx, name)
	return err == nil
}

func ftpStatusOf(err error) status { s, _ := ftpStatus(err); return s }

// addEntry plans one entry of a tree. A failure concerns only this entry.
func (p *ftpPlan) addEntry(ctx context.Context, j getJob, top, remote string, e ftpx.Entry, made map[string]bool) error {
	relative := strings.TrimPrefix(strings.TrimPrefix(remote, top), "/")
	if !p.wanted(relative, e.Kind) {
		if e.Kind == ftpx.KindDir {
			return fs.SkipDir
		}
		return nil
	}
	local, err := localPath(j.local, relative)
	if err == nil && e.Kind == ftpx.KindDir {
		err = p.makeDir(j.dir, local, made)
	}
	if err != nil {
		p.fileFailed(ctx, remote, err)
		return skipIfDir(e)
	}
	switch e.Kind {
	case ftpx.KindDir:
		return nil
	case ftpx.KindOther:
		p.report.note("%s: left out what is neither file nor directory", ftpURL(p.server.cfg, remote))
		return nil
	}
	if err := p.take(getJob{remote: remote, mode: j.mode, entry: &e, dir: j.dir, local: local}); err != nil {
		p.fileFailed(ctx, remote, err)
	}
	return nil
}

func skipIfDir(e ftpx.Entry) error {
	if e.Kind == ftpx.KindDir {
		return fs.SkipDir
	}
	return nil
}

// localPath makes a local path of a remote one, part by part.
func localPath(base, relative string) (string, error) {
	local := base
	for part := range strings.SplitSeq(relative, "/") {
		name, err := ftpx.SafeName(part)
		if err != nil {
			return "", err
		}
		local = filepath.Join(local, name)
	}
	return local, nil
}

// makeDir makes a directory of a tree. A symbolic link in its place is refused:
// it could lead anywhere, and brio did not make it.
func (p *ftpPlan) makeDir(dir localDir, local string, made map[string]bool) error {
	if local == "" || local == "." || made[local] {
		return nil
	}
	made[local] = true
	if dir.Root == nil {
		return nil
	}
	info, err := dir.Lstat(local)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %s is a symbolic link", ftpx.ErrUnsafeName, filepath.Join(dir.name, local))
	case p.o.dryRun:
		return nil
	}
	if err := dir.Mkdir(local, 0o777); err != nil {
		return &outputError{filepath.Join(dir.name, local), plainCause(err)}
	}
	return nil
}

// wanted reports whether --include and --exclude let an entry through.
func (p *ftpPlan) wanted(relative string, kind ftpx.Kind) bool {
	return wantedName(p.o.include, p.o.exclude, relative, kind)
}

// checkPatterns finds patterns that could never match.
func checkPatterns(lists ...[]string) error {
	for _, list := range lists {
		for _, pattern := range list {
			if _, err := path.Match(pattern, ""); err != nil {
				return usagef("pattern %q: %w", pattern, err)
			}
		}
	}
	return nil
}

// wantedName reports whether patterns let an entry through. A directory only has
// to be let through by exclude.
func wantedName(include, exclude []string, relative string, kind ftpx.Kind) bool {
	matches := func(pattern string) bool {
		whole, _ := path.Match(pattern, relative) // the patterns were checked
		last, _ := path.Match(pattern, path.Base(relative))
		return whole || last
	}
	if slices.ContainsFunc(exclude, matches) {
		return false
	}
	return kind == ftpx.KindDir || len(include) == 0 || slices.ContainsFunc(include, matches)
}

// deleteOthers removes local files that the server does not have. It does
// nothing when a listing was incomplete: what is not known may be there.
func (p *ftpPlan) deleteOthers(ctx context.Context) {
	if p.holes {
		p.report.note("nothing is deleted, because not everything could be listed")
		return
	}
	for _, t := range p.trees {
		if err := p.deleteBelow(ctx, t); err != nil {
			p.report.problem(err)
		}
	}
}

func (p *ftpPlan) deleteBelow(ctx context.Context, t localTree) error {
	if t.dir.Root == nil {
		return nil
	}
	top := t.base
	if top == "" {
		top = "."
	}
	keep := map[string]bool{}
	for _, j := range p.jobs {
		for name := j.local; j.dir == t.dir && name != "." && name != "/"; name = filepath.Dir(name) {
			keep[name] = true
		}
	}
	var others []string
	err := fs.WalkDir(t.dir.FS(), filepath.ToSlash(top), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a dry run has made no directory
			}
			return &outputError{name, plainCause(err)}
		}
		local := filepath.FromSlash(name)
		relative := strings.TrimPrefix(strings.TrimPrefix(name, filepath.ToSlash(t.base)), "/")
		if name == top || keep[local] || d.IsDir() || !p.wanted(relative, ftpx.KindFile) {
			return nil
		}
		others = append(others, local)
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range others {
		p.deleteFile(ctx, t, name)
	}
	return nil
}

func (p *ftpPlan) deleteFile(ctx context.Context, t localTree, name string) {
	f := ftpFile{File: filepath.Join(t.dir.name, name), Action: "deleted", Size: -1}
	if p.o.dryRun {
		f.Action = "would-delete"
		p.report.file(ctx, f, nil)
		return
	}
	if err := t.dir.Remove(name); err != nil {
		p.report.file(ctx, f, at(f.File, &outputError{f.File, plainCause(err)}))
		return
	}
	p.report.file(ctx, f, nil)
}
