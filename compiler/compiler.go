// Package compiler turns a repository into an artifact. It is one function, [Build], over one table of stages:
//
//	load     files → sources                     the only stage that reads files
//	check    sources → configuration             every field held against the language
//	openapi  documents → operations              those that the configuration names
//	lower    configuration, documents → program  defaults explicit, policies merged, one route per operation
//	link     program → program                   references resolved, collisions found
//	tests    sources, program → tests            only where asked for; nothing of them goes on
//	lint     program → opinions
//	table    program → artifact                  indices and the routing table, proved unambiguous
//	emit     artifact → bytes                    provenance, canonical encoding, digest
//
// Each stage is a pure function of a package of its own: values in, values and diagnostics out. None prints, reads
// the clock or keeps state, so the same files give the same bytes on any machine; a test builds twice to hold this. For
// the same reason lint and table, of which neither needs the other, run at the same time.
// A build has no partial result: where any stage reports an error there is no artifact.
//
// Stages go on after errors as far as their input allows, so that one run says all that is wrong; a stage whose input
// is missing does not run. A framework of passes with dependencies was refused: the order never varies.
package compiler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/emit"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/link"
	"github.com/gwc-dev/gwc/compiler/lint"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/lower"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/compiler/table"
	"github.com/gwc-dev/gwc/compiler/waive"
	"github.com/gwc-dev/gwc/schema/artifact"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Options say what to build.
type Options struct {
	// FS is the repository. Its Open must not follow links out of it; see [load.Load]. Where it is nil, Dir is read.
	FS fs.FS
	// Dir is the repository's folder.
	Dir string
	// Now judges expiries; zero: nothing is said of them. It does not enter the artifact.
	Now time.Time
	// StopAfter is the name of the last stage to run; "" is all. "table" is all that finds mistakes.
	StopAfter string
	// Tool is written into the artifact: "gwc 0.1.0".
	Tool string
	// Revision is written into the artifact: the repository's revision, or "".
	Revision string
	// Cache keeps results of units and documents on disk for the next build. It may be nil.
	Cache *cache.Cache
	// Environment is the environment whose overlays count; "" is none. Where there is no such environment, Build returns
	// a [load.EnvironmentError].
	Environment string
	// Tests says that the repository's tests are checked too.
	Tests bool
	// Rehearsal says that they are wanted as well: Result.Tests.
	Rehearsal bool
	// Memory keeps them in memory for the next build of this process, before Cache is asked. It may be nil.
	Memory *cache.Memory
	// Documents keeps parsed OpenAPI files for the next build. It may be nil.
	Documents *openapi.Cache
}

// Result is what a build came to. What stages that did not run would have made is nil.
type Result struct {
	Report   diag.Report
	Sources  *load.Sources
	Program  *ir.Program
	Tests    []script.Test      // where they are wanted; nil where one of them is wrong
	Artifact *artifact.Artifact // nil where the report has an error
	Bytes    []byte
	Timings  []Timing // of the stages that ran, in order
	// Waived are the findings that waivers took out of Report, and Waivers what each of them came to. They are there
	// once "table" has run, the last stage that finds mistakes.
	Waived  []waive.Waived
	Waivers []waive.Waiver
	// Units and Documents say how many there are, and how much of them this build worked out anew.
	Units     check.Count
	Documents openapi.Count
}

// Timing is how long a stage took. Metric is its name as a metric.
type Timing struct {
	Stage  string
	Metric string
	Took   time.Duration
}

// build is what stages hand on to each other.
type build struct {
	ctx       context.Context // of this one build
	options   Options
	tree      *cache.Tree
	layers    *cache.Layers // where there is a Memory
	units     check.Count
	sources   *load.Sources
	config    *check.Config // until it is lowered
	waivers   waive.Given
	documents *openapi.Documents
	made      func() []artifact.Source // what the artifact is made from, once it is lowered
	program   *ir.Program
	tests     []script.Test
	artifact  *artifact.Artifact
	bytes     []byte
	failed    bool // an error was reported
}

// stage runs one function. It returns a Go error only for what is not the repository's fault: the disk, or a bug.
type stage struct {
	name   string
	metric string
	run    func(*build) (diag.Report, error)
	ready  func(*build) bool // its input is there
	// beside says that the next stage needs nothing of this one, and neither changes what the other reads: the two run
	// at the same time.
	beside bool
}

// ran is what one run of a stage came to.
type ran struct {
	report diag.Report
	err    error
	took   time.Duration
	bug    string // it panicked, and where
}

func (s *stage) do(b *build) ran {
	start := time.Now()
	report, err := s.run(b)
	return ran{report: report, err: err, took: time.Since(start)}
}

var stages = []stage{
	{"load", "gwc_build_load_seconds", func(b *build) (r diag.Report, err error) {
		fsys := b.options.FS
		if fsys == nil {
			// The folder closes when nothing can ask for a file any more: Sources reads some when they are needed.
			if fsys, err = load.OpenFolder(b.options.Dir); err != nil {
				return r, err
			}
		}
		if b.options.StopAfter == "load" {
			b.sources, r, err = load.LoadIn(fsys, b.options.Environment) // Otherwise check parses, unit by unit.
			return r, err
		}
		var known load.Known
		if b.options.Cache != nil && b.options.FS == nil {
			b.tree = b.options.Cache.Tree(b.options.Dir)
			known = b.tree.Known
		}
		if b.options.Memory != nil {
			b.layers = b.options.Memory.Build(b.options.Cache)
			known = b.layers.Before(known)
		}
		b.sources, r, err = load.Open(b.ctx, fsys, b.options.Environment, known)
		return r, err
	}, func(*build) bool { return true }, false},
	{"check", "gwc_build_check_seconds", func(b *build) (r diag.Report, err error) {
		var keep *check.Keep
		if store, tool := b.store(); store != nil {
			keep = &check.Keep{Store: store, Tool: tool}
		}
		b.config, r, b.units, err = check.Kept(b.ctx, b.sources, keep)
		b.sources.Release(".cue")
		if b.config != nil {
			r.Merge(b.config.Within(b.options.Now))
		}
		return r, err
	}, func(b *build) bool { return b.sources != nil }, false},
	{"openapi", "gwc_build_openapi_seconds", func(b *build) (r diag.Report, err error) {
		in := openapi.Input{Files: b.sources, Oversize: b.sources.Oversize, Wanted: wanted(b.config, b.sources), Cache: b.options.Documents}
		if store, tool := b.store(); store != nil {
			in.Keep = &openapi.Keep{Store: store, Tool: tool}
		}
		b.documents, r = openapi.Read(in)
		b.sources.Release("")
		return r, nil
	}, func(b *build) bool { return b.config != nil }, false},
	{"lower", "gwc_build_lower_seconds", func(b *build) (r diag.Report, err error) {
		// What the artifact is made from is told at its end, and known here: a second processor is idle in between.
		asserting := assertionFiles(b.config)
		b.made = sync.OnceValue(func() []artifact.Source { return sources(b.sources, b.documents.Read, asserting) })
		if b.options.StopAfter == "" {
			go b.made()
		}
		b.program, r = lower.Lower(b.config, b.documents)
		b.waivers = waive.Given{Waivers: b.config.Waivers, Unwaivable: b.config.Gateway.Unwaivable}
		b.config = nil // A large one would take room to the end of the build.
		return r, nil
	}, func(b *build) bool { return b.config != nil }, false},
	{"link", "gwc_build_link_seconds", func(b *build) (r diag.Report, err error) {
		b.program, r = link.Link(b.program)
		return r, nil
	}, func(b *build) bool { return b.program != nil }, false},
	{"tests", "gwc_build_tests_seconds", judgeTests, func(b *build) bool { return (b.options.Tests || b.options.Rehearsal) && b.sources != nil }, false},
	{"lint", "gwc_build_lint_seconds", func(b *build) (diag.Report, error) {
		return lint.Lint(b.program, b.options.Now), nil
	}, func(b *build) bool { return b.program != nil }, true},
	{"table", "gwc_build_table_seconds", func(b *build) (r diag.Report, err error) {
		b.artifact, r = table.Table(b.program)
		return r, nil
	}, func(b *build) bool { return b.program != nil }, false},
	{"emit", "gwc_build_emit_seconds", func(b *build) (r diag.Report, err error) {
		b.artifact, b.bytes, r, err = emit.Emit(b.artifact, artifact.Provenance{
			Tool: b.options.Tool, Schema: language.Digest(), Revision: b.options.Revision, Environment: b.options.Environment, Sources: b.made(),
		})
		return r, err
	}, func(b *build) bool { return b.artifact != nil && !b.failed }, false},
}

// store returns where results are kept, and what identifies the program there; nil where they are not.
func (b *build) store() (check.Store, string) {
	c := b.options.Cache
	switch {
	case b.layers != nil && c != nil:
		return b.layers, c.Tool
	case b.layers != nil:
		return b.layers, b.options.Tool
	case c != nil:
		return c, c.Tool
	}
	return nil, ""
}

// Stages returns the names of the stages in order.
func Stages() []string {
	names := make([]string, len(stages))
	for i := range stages {
		names[i] = stages[i].name
	}
	return names
}

// ErrStage is returned where Options.StopAfter is not the name of a stage.
var ErrStage = errors.New("no such stage")

// Build compiles a repository. Everything that is wrong with it is in the result's report; the error is for the
// machine's mistakes, a stage that does not exist, and a context that is done.
func Build(ctx context.Context, o Options) (*Result, error) {
	if o.StopAfter != "" && !slices.Contains(Stages(), o.StopAfter) {
		return nil, ErrStage
	}
	b := &build{ctx: ctx, options: o}
	res := &Result{}
	began := make([]chan ran, len(stages))
	for i, s := range stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !s.ready(b) {
			continue
		}
		next := i + 1
		if s.beside && s.name != o.StopAfter && stages[next].ready(b) {
			began[next] = make(chan ran, 1)
			go func() {
				defer func() {
					if p := recover(); p != nil {
						began[next] <- ran{bug: fmt.Sprintf("%v\n\n%s", p, debug.Stack())}
					}
				}()
				began[next] <- stages[next].do(b)
			}()
		}
		var r ran
		if began[i] != nil {
			if r = <-began[i]; r.bug != "" {
				panic(r.bug) // Where it can be recovered from, as if the stage had run here.
			}
		} else {
			r = s.do(b)
		}
		if r.err == nil && b.sources != nil {
			r.err = b.sources.Err()
		}
		if r.err != nil {
			return nil, r.err
		}
		res.Timings = append(res.Timings, Timing{s.name, s.metric, r.took})
		res.Report.Merge(r.report)
		if s.name == "table" {
			w := waive.Apply(b.waivers, b.program, res.Report, o.Now)
			res.Report, res.Waived, res.Waivers = w.Report, w.Waived, w.Waivers
		}
		b.failed = res.Report.Failed()
		if s.name == o.StopAfter {
			break
		}
	}
	if b.tree != nil && b.sources != nil {
		b.tree.Learn(b.sources)
	}
	if b.layers != nil && b.sources != nil {
		b.layers.Learn(b.sources)
	}
	res.Sources, res.Program, res.Units = b.sources, b.program, b.units
	if b.documents != nil {
		res.Documents = b.documents.Count
	}
	if !b.failed {
		res.Tests, res.Artifact, res.Bytes = b.tests, b.artifact, b.bytes
	}
	return res, nil
}

// wanted lists the documents that the configuration names.
func wanted(c *check.Config, src *load.Sources) []openapi.Wanted {
	l := make([]openapi.Wanted, 0, len(c.APIs))
	for name, a := range c.APIs {
		w := openapi.Wanted{File: a.OpenAPI, Path: []string{"apis", name, "openapi"}}
		if _, ok := src.Digest(a.OpenAPI); !ok {
			w.At = c.Value(w.Path...) // Only what is missing is reported there.
		}
		l = append(l, w)
	}
	return l
}
