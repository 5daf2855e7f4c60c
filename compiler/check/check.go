// Package check holds a repository against the language.
//
// [load.Sources] enters; a [Config] leaves, or diagnostics. Every unit is evaluated by CUE in a Context of its own;
// then every field of the package is held against the language, whether or not a file mentions it.
//
// Three views of one value work together. CUE evaluates what the files say, with the import "gwc.dev/schema" standing
// for open definitions, so that the bare form and `schema.#Gateway & {…}` mean the same and a mistake is met here and
// not inside a union of CUE. A walk over the evaluated values follows the language as a tree (package
// schema/cue): it knows the place of each value, narrows unions by "kind" first, goes on after a mistake, and says in
// words what is and what was expected, once. At last each object in which the walk found nothing is unified with its
// own CUE definition, at the boundary of the definition, below which closedness would be lost: CUE has the last word,
// and the walk can never accept what `cue vet` refuses.
//
// Translating CUE's errors alone was tried and refused: a typo inside a union gives one error per arm, an error of a
// value hides the unknown field beside it, and a pattern that does not match prints the pattern.
package check

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/load"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// renewAfter is the number of units that one Context evaluates: a Context keeps all that it ever evaluated.
const renewAfter = 50

// Check evaluates the units of a repository and holds them against the language. Definitions with an error in them are
// not in Config, which knows their names (see [Withheld]). Config is nil where there is no unit. One Sources must not
// be checked twice at the same time (see [load.Sources]).
func Check(src *load.Sources) (*Config, diag.Report) {
	c, report, _, _ := Kept(context.Background(), src, nil)
	return c, report
}

// Count says how many units a repository has and how many of them were evaluated; the others were kept.
type Count struct {
	Units, Evaluated int
	// Runaway says that an evaluation went beyond its bounds and still goes on. It cannot be ended but with the process.
	Runaway bool
}

// Kept is [Check] with results that were kept from earlier builds: a unit that keep has is neither parsed nor
// evaluated. The report and the configuration are those that Check gives. keep may be nil. The error is that of ctx, or
// of a file that could not be read.
func Kept(ctx context.Context, src *load.Sources, keep *Keep) (*Config, diag.Report, Count, error) {
	return guarded(ctx, src, keep, newGuard())
}

func guarded(ctx context.Context, src *load.Sources, keep *Keep, g *guard) (*Config, diag.Report, Count, error) {
	results := make([]*Fragment, len(src.Units))
	var next, evaluated atomic.Int64
	one := func(b *bench, i int, locks []lock) *bench {
		if results[i] = keep.get(src, &src.Units[i], locks); results[i] != nil {
			return b
		}
		evaluated.Add(1)
		if b == nil || b.used == renewAfter {
			b = newBench()
		}
		b.used++
		b.locks = locks
		u, report := src.Parse(src.Units[i])
		leave := g.enter(i)
		checked := b.check(&u, report)
		leave()
		checked.leaks(&u)
		results[i] = checked.fragment()
		keep.put(src, &src.Units[i], locks, results[i])
		return b
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var first *bench
		var locks []lock
		if len(src.Units) > 0 && src.Units[0].Tenant == "" {
			// Tenants' units see what the platform locks.
			first = one(nil, int(next.Add(1))-1, nil)
			locks = locksOf(results[0])
		}
		benches := make(chan *bench, 1)
		benches <- first
		var wg sync.WaitGroup
		for range min(runtime.GOMAXPROCS(0), len(src.Units)-int(next.Load())) {
			wg.Go(func() {
				var b *bench
				select {
				case b = <-benches:
				default:
				}
				for i := int(next.Add(1)) - 1; i < len(src.Units) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
					b = one(b, i, locks)
				}
			})
		}
		wg.Wait()
	}()
	unit, bound, left := g.watch(ctx, done)
	count := Count{Units: len(src.Units), Evaluated: int(evaluated.Load()), Runaway: left}
	if unit >= 0 {
		var report diag.Report
		report.Add(runaway(src, &src.Units[unit], bound))
		return nil, report, count, nil
	}
	if err := errors.Join(ctx.Err(), src.Err()); err != nil {
		return nil, diag.Report{}, count, err
	}
	cfg, report := assemble(results)
	report = perEnvironment(src, report)
	if len(results) == 0 {
		return nil, report, count, nil
	}
	cfg.withhold(results, report)
	return cfg, report, count, nil
}

// bench is one Context with the language compiled in it: what a worker checks units on.
type bench struct {
	ctx      *cue.Context
	language cue.Value
	defs     map[string]cue.Value // definitions, looked up once
	open     []byte               // the language as seen by the files
	used     int
	mu       sync.Mutex // of ctx, for patterns of tests
	locks    []lock     // of the platform, for the unit at hand
}

func newBench() *bench {
	b := &bench{ctx: cuecontext.New(), defs: map[string]cue.Value{}}
	inst := build.NewContext().NewInstance(language.ImportPath, nil)
	for _, f := range language.Files() {
		file, err := parser.ParseFile(f.Name, f.Data)
		if err == nil {
			err = inst.AddSyntax(file)
		}
		if err != nil {
			panic(err) // The language is part of the program.
		}
	}
	b.language = b.ctx.BuildInstance(inst)
	b.open = openLanguage()
	return b
}

// definition returns a definition of the language by its name, "#Provider".
func (b *bench) definition(name string) cue.Value {
	v, ok := b.defs[name]
	if !ok {
		v = b.language.LookupPath(cue.MakePath(cue.Def(name)))
		b.defs[name] = v
	}
	return v
}

// openLanguage is what files of a repository get when they import the language: the same definitions, without
// content. A struct accepts every field and a scalar every value, because it is this package that judges them.
var openLanguage = sync.OnceValue(func() []byte {
	src := []byte("package schema\n")
	for name, t := range language.Read().Types {
		value := "_"
		if t.Shape == language.Struct || t.Shape == language.Union {
			value = "{...}"
		}
		src = append(src, name+": "+value+"\n"...)
	}
	return src
})

// instance makes a package of the syntax trees of a unit.
func (b *bench) instance(u *load.Unit) (*build.Instance, error) {
	ctx := build.NewContext()
	resolve := func(_ token.Pos, path string) *build.Instance {
		if path != language.ImportPath {
			return nil // A package of CUE's own.
		}
		inst := ctx.NewInstance(path, nil)
		inst.ImportPath, inst.PkgName = path, "schema"
		f, err := parser.ParseFile(path, b.open)
		if err == nil {
			err = inst.AddSyntax(f)
		}
		if err != nil {
			panic(err) // It was written by openLanguage.
		}
		return inst
	}
	inst := ctx.NewInstance("", resolve)
	for _, f := range u.Files {
		if err := inst.AddSyntax(f.Syntax); err != nil {
			return nil, err
		}
	}
	if err := inst.Complete(); err != nil {
		return nil, err
	}
	return inst, nil
}

// unit is what was found in a unit.
type unit struct {
	tenant  string
	files   map[string]*ast.File
	sources map[string]*load.File
	report  diag.Report
	root    *node            // nil if the unit could not be evaluated
	places  map[string]place // by joined data path
	broken  bool             // something is missing in root that no report has a path of
	unfit   []string         // joined paths of the definitions with errors in them
	first   string           // the first file

	rehearses bool // it holds tests
	dated     []Dated
}

// check evaluates a unit whose files are parsed; report is what parsing found.
func (b *bench) check(src *load.Unit, report diag.Report) *unit {
	u := &unit{tenant: src.Tenant, files: map[string]*ast.File{}, sources: map[string]*load.File{}, places: map[string]place{}, broken: src.Broken, report: report, rehearses: src.Tests}
	for i := range src.Files {
		f := &src.Files[i]
		u.files[f.Path], u.sources[f.Path] = f.Syntax, f
	}
	if src.Broken || len(src.Files) == 0 {
		return u // What is missing would be missed in what is left.
	}
	u.first = src.Files[0].Path
	if u.imports(src) {
		u.broken = true
		return u
	}
	markers(src)
	w := &walker{bench: b, unit: u}
	inst, err := b.instance(src)
	if err != nil {
		w.evaluation(err)
		u.broken = true
		return u
	}
	v := b.ctx.BuildInstance(inst)
	w.root = v
	if err := v.Validate(); err != nil {
		w.evaluation(err)
	}
	if w.bad[""] {
		u.broken = true
		return u
	}
	u.root = w.value(v, language.Read().Root, nil)
	u.unfit, u.broken = unsound(u.report.All()) // before what is wrong with several is folded into one
	u.report = folded(u.report)
	return u
}

// folded keeps one of the diagnostics that say the same of the same place: a template with a mistake in it is one
// mistake, however many objects are made from it.
func folded(report diag.Report) diag.Report {
	type cause struct {
		code    diag.Code
		span    diag.Span
		summary string
		other   diag.Span
	}
	var list []diag.Diagnostic
	first := map[cause]int{}
	again := map[int][]string{}
	for _, d := range report.All() {
		c := cause{code: d.Code, span: d.Primary.Span, summary: d.Summary}
		if len(d.Secondary) > 0 {
			c.other = d.Secondary[0].Span
		}
		switch d.Code {
		case codeConflict, codeReference, codeCycle, codeEvaluation:
			c.summary = "" // It begins with the data path.
		}
		if i, seen := first[c]; seen {
			switch path := strings.Join(d.Path, "."); {
			case path == "":
			case len(list[i].Path) == 0:
				list[i].Path = d.Path
			default:
				again[i] = append(again[i], path)
			}
			continue
		}
		first[c] = len(list)
		list = append(list, d)
	}
	for i, paths := range again {
		note := fmt.Sprintf("it counts for %q too", paths[0])
		if n := len(paths) - 1; n > 0 {
			note = fmt.Sprintf("it counts for %q and %d more too", paths[0], n)
		}
		list[i].Notes = append(list[i].Notes, note)
	}
	var out diag.Report
	out.Add(list...)
	return out
}
