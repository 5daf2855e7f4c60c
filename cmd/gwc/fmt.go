package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/load"
)

// formatting holds the flags of fmt.
type formatting struct {
	repository
	write, check, diff bool
}

func newFmt(s streams) *cobra.Command {
	var f formatting
	cmd := &cobra.Command{
		Use:   "fmt [PATHS]",
		Short: "Format the files of the configuration",
		Long: `fmt formats configuration in CUE, YAML and JSON: that of the repository, or of PATHS, which are files, folders, or - for
CUE on stdin. It prints it to stdout; -w writes it back, --check names the files that are not formatted and exits with 1,
--diff prints what would change. Other YAML and JSON files, such as OpenAPI documents, stay as they are.

Only white space and commas change and imports are sorted, which is checked of every file; comments are kept. A file
that is formatted already is not touched.`,
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args, s) },
	}
	flags := cmd.Flags()
	f.bind(flags)
	flags.BoolVarP(&f.write, "write", "w", false, "write the files back")
	flags.BoolVar(&f.check, "check", false, "print the names of files that are not formatted, and exit with 1 where there are any")
	flags.BoolVar(&f.diff, "diff", false, "print what would change as a diff")
	return cmd
}

func (f *formatting) run(args []string, s streams) error {
	if f.write && (f.check || f.diff) {
		return usage("-w writes files, --check and --diff do not: give one of them")
	}
	if slices.Contains(args, "-") {
		if len(args) > 1 || f.write {
			return usage("- is stdin, and goes with neither other paths nor -w")
		}
		src, err := io.ReadAll(io.LimitReader(s.in, load.MaxCUE+1))
		if err != nil {
			return unreachable(fmt.Errorf("cannot read stdin: %w", cause(err)))
		}
		r := formatRun{s: s}
		if err := f.file(&r, "stdin", "", src); err != nil {
			return err
		}
		return r.verdict(f)
	}
	names, err := f.names(args)
	if err != nil {
		return err
	}
	r := formatRun{s: s}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			return unreachable(fmt.Errorf("cannot read %s: %w", name, cause(err)))
		}
		if err := f.file(&r, filepath.ToSlash(name), name, src); err != nil {
			return err
		}
	}
	if f.write {
		s.say("formatted %s of %d", render.Count(r.differ, "file"), len(names))
	}
	return r.verdict(f)
}

// formatRun is what came of the files so far.
type formatRun struct {
	s             streams
	differ, wrong int
	bug           bool
}

func (r *formatRun) verdict(f *formatting) error {
	switch {
	case r.bug:
		return &exit{code: serve.Bug}
	case r.wrong > 0, f.check && r.differ > 0:
		return &exit{code: serve.Invalid}
	}
	return nil
}

// file formats one file and does with it what the flags say. Where to is empty there is nothing to write back to.
func (f *formatting) file(r *formatRun, name, to string, src []byte) error {
	out, err := formatFile(name, src)
	switch {
	case errors.Is(err, errUnfaithful):
		r.bug = true
		r.s.say("a bug in gwc: %s stays as it is: %v", name, err)
		return nil
	case err != nil:
		r.wrong++
		r.s.say("%v", err)
		return nil
	}
	if !bytes.Equal(src, out) {
		r.differ++
	}
	var print string
	switch {
	case f.write:
		if bytes.Equal(src, out) {
			return nil
		}
		return writeFile(to, out)
	case f.check || f.diff:
		if bytes.Equal(src, out) {
			return nil
		}
		if f.diff {
			print = render.Blank(string(diff.Diff("a/"+strings.TrimPrefix(name, "/"), src, "b/"+strings.TrimPrefix(name, "/"), out)), nil, nil)
		} else {
			print = name + "\n"
		}
	default:
		print = string(out)
	}
	if _, err := io.WriteString(r.s.out, print); err != nil {
		return unreachable(fmt.Errorf("cannot write: %w", cause(err)))
	}
	return nil
}

// names returns the files of paths that hold configuration, or of the repository, as the loader finds them: without hidden files and
// folders, what is vendored, and other modules.
func (f *formatting) names(args []string) ([]string, error) {
	if len(args) == 0 {
		root, err := f.root()
		if err != nil {
			return nil, err
		}
		args = []string{root}
	} else {
		args = slices.Clone(args)
		for i, p := range args {
			if !filepath.IsAbs(p) {
				args[i] = filepath.Join(f.dir, strings.TrimSuffix(p, "..."))
			}
		}
	}
	var out []string
	for _, top := range args {
		info, err := os.Stat(top)
		if err != nil {
			return nil, usage("cannot format %s: %v", top, cause(err))
		}
		if !info.IsDir() {
			if filepath.Ext(top) != ".cue" && !f.configuration(top) {
				return nil, usage("cannot format %s: it is neither CUE nor configuration in YAML or JSON", top)
			}
			out = append(out, filepath.Clean(top))
			continue
		}
		err = filepath.WalkDir(top, func(p string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return unreachable(fmt.Errorf("cannot read %s: %w", p, cause(err)))
			case p == top:
			case e.IsDir() && (ignored(e.Name()) || e.Name() == "cue.mod" || another(p)):
				return filepath.SkipDir
			case e.Type().IsRegular() && !ignored(e.Name()) && (filepath.Ext(p) == ".cue" || f.configuration(p)):
				out = append(out, filepath.Clean(p))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// configuration reports whether a YAML or JSON file is configuration: others stay as they are, such as documents.
func (f *formatting) configuration(p string) bool {
	switch filepath.Ext(p) {
	case ".yaml", ".yml", ".json":
	default:
		return false
	}
	root, err := f.root()
	if err != nil {
		return false
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return false
	}
	abs, err := filepath.Abs(p)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil {
		return false
	}
	data, err := os.ReadFile(p)
	return err == nil && load.Configuration(filepath.ToSlash(rel), data)
}

// another reports whether a folder below the repository is a module of its own.
func another(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cue.mod"))
	return err == nil
}

// errUnfaithful says that formatting would change more than white space and commas.
var errUnfaithful = errors.New("formatting would change more than white space")

// formatCUE formats a file. The result is a fixed point, and has the same tokens and comments as the source.
func formatCUE(name string, src []byte) ([]byte, error) {
	if len(src) > load.MaxCUE {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, load.MaxCUE>>20)
	}
	out := src
	for range 5 { // cue/format sometimes needs a second look at its own work
		if bad := load.Syntax(name, out); len(bad) > 0 {
			at := bad[0].Primary.Span.Start
			return nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Col, bad[0].Summary)
		}
		f, err := parser.ParseFile(name, out, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		next, err := format.Node(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Equal(next, out) {
			was, is := content(src), content(out)
			if slices.Contains(was, "import") { // They are sorted.
				slices.Sort(was)
				slices.Sort(is)
			}
			if !slices.Equal(was, is) {
				return nil, errUnfaithful
			}
			return out, nil
		}
		out = next
	}
	return nil, fmt.Errorf("%w: it never comes to rest", errUnfaithful)
}

// content returns what formatting must keep of a file: its tokens but for commas and the white space within literals of
// several lines, and after them its comments, which may change places with a comma or a brace.
func content(src []byte) []string {
	var s scanner.Scanner
	var tokens, comments []string
	s.Init(token.NewFile("", -1, len(src)), src, func(token.Pos, string, []interface{}) {}, scanner.ScanComments)
	for {
		_, t, lit := s.Scan()
		switch t {
		case token.EOF:
			return append(tokens, comments...)
		case token.COMMA:
		case token.COMMENT:
			comments = append(comments, strings.TrimSpace(lit))
		default:
			if lit == "" {
				lit = t.String()
			}
			tokens = append(tokens, strings.Join(strings.Fields(lit), " "))
		}
	}
}
