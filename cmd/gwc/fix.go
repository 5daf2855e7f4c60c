package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/overlay"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// maxPasses bounds how often fix checks and edits: a repair may lay open what another one repairs.
const maxPasses = 10

func newFix(s streams) *cobra.Command {
	f := fixing{compiling: compiling{actions: true, tests: true}}
	cmd := &cobra.Command{
		Use:   "fix",
		Short: "Apply the fixes that findings carry",
		Long: `fix repairs what it can repair by itself: it applies the fixes of findings to the files, checks again, and goes on
until there is nothing left to apply. It says on stderr what it did; findings that remain go to stdout, and decide the
exit code as in vet.

A fix is safe where it cannot change what a correct configuration does; others are a guess, and need --unsafe. Files are
edited in memory, and written at the end, each in one step: an interrupted fix has changed nothing or whole files.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), s) },
	}
	flags := cmd.Flags()
	f.bind(flags)
	flags.StringSliceVar(&f.codes, "select", nil, "apply fixes of the rule `CODE` only; may be a list")
	flags.BoolVar(&f.unsafe, "unsafe", false, "apply fixes that are a guess too")
	flags.BoolVar(&f.dryRun, "dry-run", false, "write nothing; say what would be done")
	flags.BoolVar(&f.diff, "diff", false, "write nothing; print what would change as a diff")
	return cmd
}

// fixing holds the flags of fix.
type fixing struct {
	compiling
	codes                []string
	unsafe, dryRun, diff bool
}

func (f *fixing) run(ctx context.Context, s streams) error {
	formats, now, err := f.check()
	if err != nil {
		return err
	}
	chosen := map[diag.Code]bool{}
	for _, c := range f.codes {
		r, ok := rules.Get(c)
		if !ok {
			return &exit{code: serve.Usage, err: fmt.Errorf("there is no rule %q", c), hints: []string{"gwc rules lists all of them"}}
		}
		chosen[r.Code] = true
	}
	if i := slices.IndexFunc(formats, func(f form) bool { return f.file == "" && f.name != "text" }); f.diff && i >= 0 {
		return usage("--diff and --format %[1]s both write to stdout; give one a file, as in --format %[1]s=FILE", formats[i].name)
	}
	root, err := f.root()
	if err != nil {
		return err
	}
	repo, err := os.OpenRoot(root)
	if err != nil {
		return unreachable(fmt.Errorf("cannot read %s: %w", root, cause(err)))
	}
	defer repo.Close()
	defer oneShot()()

	files := overlay.FS{FS: repo.FS(), Files: map[string][]byte{}}
	var before, r *compiled
	var done []repair
	seen := map[string]bool{} // repairs that were made, so that two rules cannot undo each other's work for ever
	stuck := false
	for pass := 0; ; pass++ {
		if r, err = f.compileFS(ctx, root, files, now); err != nil {
			return err
		}
		if before == nil {
			before = r
		}
		repairs := slices.DeleteFunc(f.repairs(r, chosen), func(x repair) bool { return seen[x.key()] })
		if len(repairs) == 0 {
			break
		}
		if pass == maxPasses {
			stuck = true
			break
		}
		for _, x := range repairs {
			seen[x.key()] = true
		}
		maps.Copy(files.Files, apply(repairs, r.source))
		done = append(done, repairs...)
	}

	changed := make(map[string][]byte) // what stood in the files that differ
	for name, data := range files.Files {
		if old := before.source(name); !bytes.Equal(old, data) {
			changed[name] = old
		}
	}
	did, left := "fixed", r
	if f.dryRun || f.diff {
		did, left = "would fix", before
	}
	if f.diff {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(changed)) {
			b.Write(diff.Diff("a/"+name, changed[name], "b/"+name, files.Files[name]))
		}
		if _, err := fmt.Fprint(s.out, render.Blank(b.String(), before.list, before.source)); err != nil {
			return unreachable(fmt.Errorf("cannot write the diff: %w", cause(err)))
		}
	} else if !f.dryRun {
		for _, name := range slices.Sorted(maps.Keys(changed)) {
			if err := replace(root, name, changed[name], files.Files[name]); err != nil {
				return err
			}
		}
	}
	for _, x := range done {
		at := x.edits[0].Span
		s.say("%s:%d:%d: %s %s: %s", at.File, at.Start.Line, max(at.Start.Col, 1), did, x.code, render.Blank(x.title, before.list, before.source))
	}
	if len(done) > 0 {
		s.say("%s %s in %s", did, render.Count(len(done), "finding"), render.Count(len(changed), "file"))
	} else {
		s.say("nothing to fix")
	}
	if stuck {
		s.say("stopped after %d passes; run it again to go on", maxPasses)
	}
	if n := f.guesses(r); n > 0 && !f.unsafe {
		s.say("%s with a fix that is a guess; gwc fix --unsafe applies it", render.Count(n, "finding"))
	}
	if f.diff {
		formats = slices.DeleteFunc(formats, func(f form) bool { return f.file == "" })
	}
	return f.report(left, formats, s.out, s)
}

// compileFS compiles the repository as it would be.
func (f *fixing) compileFS(ctx context.Context, root string, files fs.FS, now time.Time) (*compiled, error) {
	f.files = files
	r, err := f.compile(ctx, now, "table")
	if r != nil {
		r.root = root
	}
	return r, err
}

// repair is a fix that is applied.
type repair struct {
	code  diag.Code
	title string
	edits []diag.Edit
}

func (r *repair) key() string { return fmt.Sprintf("%s %q %v", r.code, r.title, r.edits) }

// repairs returns fixes that can be applied at once: of each finding the first that is allowed, where its places are in
// the files as they were read, and none that touches what an earlier one edits.
func (f *fixing) repairs(r *compiled, chosen map[diag.Code]bool) []repair {
	var out []repair
	taken := map[string][][2]int{}
	for i := range r.list {
		d := &r.list[i]
		if len(chosen) > 0 && !chosen[d.Code] {
			continue
		}
		for _, fix := range d.Fixes {
			if !fix.Safe && !f.unsafe {
				continue
			}
			if places, ok := placesOf(fix, r.source); ok && free(taken, places) {
				for _, p := range places {
					taken[p.file] = append(taken[p.file], [2]int{p.from, p.to})
				}
				out = append(out, repair{d.Code, fix.Title, fix.Edits})
				break
			}
		}
	}
	return out
}

// guesses counts findings whose fixes are not safe.
func (f *fixing) guesses(r *compiled) int {
	n := 0
	for i := range r.list {
		fixes := r.list[i].Fixes
		if len(fixes) > 0 && !slices.ContainsFunc(fixes, func(x diag.Fix) bool { return x.Safe }) {
			n++
		}
	}
	return n
}

// change is an edit by bytes.
type change struct {
	file     string
	from, to int
	text     string
}

// placesOf finds a fix's edits in the files. It has no places where one of them is not in a file, where they overlap,
// or where they change nothing.
func placesOf(fix diag.Fix, source func(string) []byte) ([]change, bool) {
	var out []change
	idle := true
	for _, e := range fix.Edits {
		src := source(e.Span.File)
		if src == nil || strings.HasPrefix(e.Span.File, "cue.mod/") {
			return nil, false
		}
		from, ok := offset(src, e.Span.Start)
		to, ok2 := offset(src, e.Span.End)
		if !ok || !ok2 || to < from {
			return nil, false
		}
		c := change{e.Span.File, from, to, e.New}
		if slices.ContainsFunc(out, c.touches) {
			return nil, false
		}
		idle = idle && string(src[from:to]) == e.New
		out = append(out, c)
	}
	return out, !idle
}

// touches reports whether two changes cannot be made at once: they overlap, or insert at one place, where the order
// would matter.
func (c change) touches(o change) bool {
	return c.file == o.file && meets([2]int{c.from, c.to}, [2]int{o.from, o.to})
}

func meets(a, b [2]int) bool {
	return a[0] < b[1] && b[0] < a[1] || a[0] == b[0] || (a[0] == a[1] || b[0] == b[1]) && (a[0] == b[1] || b[0] == a[1])
}

func free(taken map[string][][2]int, places []change) bool {
	for _, p := range places {
		if slices.ContainsFunc(taken[p.file], func(t [2]int) bool { return meets(t, [2]int{p.from, p.to}) }) {
			return false
		}
	}
	return true
}

// offset returns where a place is in bytes.
func offset(src []byte, p diag.Pos) (int, bool) {
	if p.Line < 1 || p.Col < 1 {
		return 0, false
	}
	at := 0
	for range p.Line - 1 {
		i := bytes.IndexByte(src[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	line := src[at:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	if p.Col-1 > len(line) {
		return 0, false
	}
	return at + p.Col - 1, true
}

// apply returns the files that repairs change, as they become.
func apply(repairs []repair, source func(string) []byte) map[string][]byte {
	byFile := map[string][]change{}
	for _, r := range repairs {
		places, _ := placesOf(diag.Fix{Edits: r.edits}, source)
		for _, c := range places {
			byFile[c.file] = append(byFile[c.file], c)
		}
	}
	out := map[string][]byte{}
	for name, list := range byFile {
		slices.SortFunc(list, func(a, b change) int { return a.from - b.from })
		src := source(name)
		var b bytes.Buffer
		at := 0
		for _, c := range list {
			b.Write(src[at:c.from])
			b.WriteString(c.text)
			at = c.to
		}
		b.Write(src[at:])
		out[name] = b.Bytes()
	}
	return out
}

// replace writes a file of the repository that still is what was judged.
func replace(root, name string, old, data []byte) error {
	file := filepath.Join(root, filepath.FromSlash(name))
	now, err := os.ReadFile(file)
	if err != nil {
		return unreachable(fmt.Errorf("cannot read %s: %w", file, cause(err)))
	}
	if bytes.Equal(now, data) {
		return nil // Another name of a file that was written.
	}
	if !bytes.Equal(now, old) {
		return unreachable(fmt.Errorf("%s has changed meanwhile, and stays as it is; run it again", file))
	}
	return writeFile(file, data)
}
