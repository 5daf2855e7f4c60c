package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/compiler/waive"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/release"
)

// repository is where a command works: -C, and the root that it found from there.
type repository struct {
	dir string
}

func (r *repository) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&r.dir, "directory", "C", ".", "work in the repository at `DIR`")
}

// root returns the repository's folder: dir, or the nearest folder above it that has a cue.mod.
func (r *repository) root() (string, error) {
	info, err := os.Stat(r.dir)
	if err != nil {
		return "", usage("there is no repository at %q: %v", r.dir, cause(err))
	}
	if !info.IsDir() {
		return "", usage("%q is not a folder", r.dir)
	}
	if isRoot(r.dir) {
		return r.dir, nil
	}
	abs, err := filepath.Abs(r.dir)
	if err != nil {
		return "", unreachable(err)
	}
	for up := filepath.Dir(abs); ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, "cue.mod", "module.cue")); err == nil {
			return up, nil
		}
		if up == filepath.Dir(up) {
			return r.dir, nil
		}
	}
}

func isRoot(dir string) bool {
	for _, f := range []string{"cue.mod", "gateway.cue", "gateway.yaml", "gateway.yml", "gateway.json"} {
		if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
			return true
		}
	}
	return false
}

// cause takes the path and the system call from an error of package os: the message names the file itself.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

func unreachable(err error) error { return &exit{code: serve.Unreachable, err: err} }

// compiling holds the flags of commands that compile.
type compiling struct {
	repository
	now       string
	formats   []string
	strict    bool
	maxErrors int
	color     string
	newFrom   string
	env       string
	every     bool           // without --env every environment is checked
	flags     *pflag.FlagSet // that were bound; nil in commands with formats of their own
	tests     bool           // tests are checked too
	rehearsal bool           // tests are wanted
	actions   bool           // the command reports to GitHub Actions where it runs there

	noCache bool
	cache   *cache.Cache // see results
	opened  bool         // it was tried to open the cache
	note    string       // what is to be said of the cache

	files     fs.FS // in place of the folder; nil: the folder as it is
	documents openapi.Cache
	memory    *cache.Memory // of commands that build again and again, or nil
}

func (c *compiling) bind(fs *pflag.FlagSet) {
	c.repository.bind(fs)
	fs.StringVar(&c.now, "now", "", "judge expiries as of `TIME` (2006-01-02 or RFC 3339) instead of the clock")
	fs.StringArrayVar(&c.formats, "format", nil, "write findings as `FORMAT`: "+strings.Join(render.Formats(), ", ")+"; to a file as in sarif=FILE; may be repeated")
	fs.StringVar(&c.env, "env", "", "add the overlays of the environment `ENV`: env/ENV.cue, env/ENV/ and those of tenants")
	fs.BoolVar(&c.strict, "strict", false, "fail on warnings")
	fs.BoolVar(&c.noCache, "no-cache", false, "work out everything anew, and keep nothing for the next build")
	fs.IntVar(&c.maxErrors, "max-errors", 20, "show at most `N` errors (0: all)")
	c.flags = fs
	bindColor(fs, &c.color)
}

func bindColor(fs *pflag.FlagSet, to *string) {
	fs.StringVar(to, "color", "auto", "use colours: `auto`, always or never")
}

// form is one --format: where the file is empty, findings go to the command's own stream.
type form struct {
	name, file string
}

func (c *compiling) check() ([]form, time.Time, error) {
	var formats []form
	streams := 0
	for _, f := range c.formats {
		name, file, hasFile := strings.Cut(f, "=")
		if !slices.Contains(render.Formats(), name) {
			return nil, time.Time{}, usage("there is no format %q: the formats are %s", name, strings.Join(render.Formats(), ", "))
		}
		if hasFile && file == "" {
			return nil, time.Time{}, usage("--format %s names no file", f)
		}
		if !hasFile {
			streams++
		}
		formats = append(formats, form{name, file})
	}
	if streams > 1 {
		return nil, time.Time{}, usage("only one format can go to the terminal; give the others a file, as in --format json=FILE")
	}
	if streams == 0 {
		formats = append(formats, form{name: "text"})
	}
	if c.maxErrors < 0 {
		return nil, time.Time{}, usage("--max-errors %d is negative", c.maxErrors)
	}
	if err := checkColor(c.color); err != nil {
		return nil, time.Time{}, err
	}
	now := time.Now()
	if c.now != "" {
		var err error
		if now, err = instant(c.now); err != nil {
			return nil, time.Time{}, err
		}
	}
	return formats, now, nil
}

// instant reads the value of --now.
func instant(text string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("--now %q is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

func checkColor(c string) error {
	if c != "auto" && c != "always" && c != "never" {
		return usage("--color %q is not auto, always or never", c)
	}
	return nil
}

// colored decides by --color, NO_COLOR (no-color.org) and what the stream is.
func colored(flag string, w io.Writer) bool {
	if flag != "auto" {
		return flag == "always"
	}
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// compiled is what a command gets of a compilation.
type compiled struct {
	*compiler.Result
	root    string
	list    []diag.Diagnostic // that were reported
	elapsed time.Duration
	// checkedIn holds the environments whose findings list is made of; nil where there is one compilation.
	checkedIn []string
}

// compile runs the stages up to stopAfter. The error is for what is not the repository's fault.
func (c *compiling) compile(ctx context.Context, now time.Time, stopAfter string) (*compiled, error) {
	r, err := c.compileOne(ctx, now, stopAfter)
	if err != nil || !c.every || c.env != "" || len(r.Sources.Environments) == 0 {
		return r, err
	}
	return c.inEach(ctx, r, now, stopAfter)
}

// compileOne compiles for the environment that was chosen.
func (c *compiling) compileOne(ctx context.Context, now time.Time, stopAfter string) (*compiled, error) {
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, stop := serve.Signals(ctx)
	defer stop()
	res, err := compiler.Build(ctx, compiler.Options{
		FS: c.files, Dir: root, Now: now, StopAfter: stopAfter, Tool: release.Tool, Documents: &c.documents, Cache: c.results(), Memory: c.memory, Environment: c.env, Tests: c.tests, Rehearsal: c.rehearsal,
	})
	c.endCache()
	var path *fs.PathError
	var environment *load.EnvironmentError
	switch {
	case ctx.Err() != nil:
		return nil, interrupted(ctx)
	case err == nil:
	case errors.As(err, &environment):
		return nil, &exit{code: serve.Usage, err: err, hints: []string{"--env chooses one; without it no overlay counts"}}
	case errors.Is(err, compiler.ErrStage):
		return nil, usage("there is no stage %q: the stages are %s", stopAfter, strings.Join(compiler.Stages(), ", "))
	case errors.Is(err, artifact.ErrTooLarge):
		return nil, &exit{code: serve.Invalid, err: err}
	case errors.As(err, &path):
		return nil, unreachable(fmt.Errorf("cannot read %s: %w", path.Path, path.Err))
	default:
		return nil, &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
	}
	return &compiled{Result: res, root: root, list: res.Report.All(), elapsed: time.Since(began)}, nil
}

// interrupted is the end of a command that a signal ended: 128 and the signal's number, as a shell says it.
func interrupted(ctx context.Context) error {
	code := 128 + int(syscall.SIGINT)
	if cause := context.Cause(ctx); cause != nil && strings.Contains(cause.Error(), syscall.SIGTERM.String()) {
		code = 128 + int(syscall.SIGTERM)
	}
	return &exit{code: code, err: errors.New("interrupted; nothing was written")}
}

// report writes the findings to w or the files of --format, and the summary to stderr. It returns an error with code
// 1 where they stop the command.
func (c *compiling) report(r *compiled, formats []form, w io.Writer, s streams) error {
	if err := c.write(r, formats, w, s); err != nil {
		return err
	}
	routes := -1
	if r.Program != nil {
		routes = len(r.Program.Routes)
	}
	s.say("%s", render.Summary(r.list, render.Stats{Routes: routes, Elapsed: r.elapsed, Waived: len(r.Waived)}))
	return c.verdict(r)
}

// write writes the findings to w or the files of --format.
func (c *compiling) write(r *compiled, formats []form, w io.Writer, s streams) error {
	if c.note != "" {
		s.say("%s", c.note)
		c.note = ""
	}
	hidden := 0
	for _, f := range formats {
		var b bytes.Buffer
		to := w
		o := render.Options{Source: r.source, Max: c.limit(f), Waived: r.suppressed(), Strict: c.strict, Folder: folder(r.root)}
		if f.file != "" {
			to = &b
		} else {
			o.Color = colored(c.color, w)
		}
		n, err := render.Write(to, f.name, r.list, o)
		if err != nil {
			return unreachable(fmt.Errorf("cannot write findings: %w", cause(err)))
		}
		hidden = max(hidden, n)
		if f.file != "" {
			if err := writeFile(f.file, b.Bytes()); err != nil {
				return err
			}
		}
	}
	if c.actions {
		if err := c.inActions(r, formats, w); err != nil {
			return err
		}
	}
	if hidden > 0 {
		s.say("%s not shown; --max-errors 0 shows all", render.Count(hidden, "more finding"))
	}
	return nil
}

// verdict returns an error where the findings stop the command: with code 3 where nothing but expired waivers does,
// else with code 1.
func (c *compiling) verdict(r *compiled) error {
	var lapsed error
	for i := range r.list {
		switch d := &r.list[i]; {
		case d.Code == waive.Expired:
			lapsed = &exit{code: codeRefused}
		case d.Severity == diag.Error || c.strict && d.Severity == diag.Warning:
			return &exit{code: serve.Invalid}
		}
	}
	return lapsed
}

// source returns the bytes of a file as the compiler read it.
func (r *compiled) source(file string) []byte {
	if r.Sources != nil {
		if b, ok := r.Sources.Data(file); ok {
			return b
		}
	}
	return nil
}

// writeFile replaces a file in one step: readers see the old one or the new one, also after a power cut. A
// file that is there keeps its mode.
func writeFile(name string, data []byte) error { return replaceFile(name, data, true) }

// replaceFile is writeFile; where the file need not be durable, readers may see neither after a power cut.
func replaceFile(name string, data []byte, durable bool) (err error) {
	fail := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
			return usage("cannot write %s: %v", name, cause(err))
		}
		return unreachable(fmt.Errorf("cannot write %s: %w", name, cause(err)))
	}
	mode := fs.FileMode(0o644)
	to := name
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return usage("cannot write %s: it is not a regular file", name)
		}
		mode = info.Mode().Perm()
		if to, err = filepath.EvalSymlinks(name); err != nil { // a link stays one
			return fail(err)
		}
	}
	dir := filepath.Dir(to)
	f, err := os.CreateTemp(dir, "."+filepath.Base(to)+".*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil && durable {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		return fail(err)
	}
	if !durable {
		return nil
	}
	// The rename itself becomes durable with the folder. File systems that cannot sync one make no such promise.
	if d, e := os.Open(dir); e == nil {
		d.Sync()
		d.Close()
	}
	return nil
}
