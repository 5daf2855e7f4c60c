// Package rehearse runs the tests of a repository against the production engine.
//
// What enters is an artifact and the [script.Test]s that check has made; what leaves is an [Outcome] for each test and
// the [Coverage] of all. Every test gets a gateway of its own: the snapshot, pipeline, dialects, meter and HTTP codec
// that gwcd runs, on pollers of its own, with sockets made by this package on both sides: a caller ([caller]) on one,
// servers that follow the test's script ([stage]) on the other. Nothing leaves the process, and tests run side by side.
//
// The invariant is that time is virtual and exact. It stands still while anything can happen by itself: a byte on its
// way, a goroutine at work. Only when the one thing that everybody waits for is time itself does it move, to the next
// moment at which a server's script goes on, the runtime's timers fire, or a retry is due ([conductor]). So a test of a
// timeout of two minutes takes a millisecond, and always sees the same order of events.
//
// Refused: testing/synctest (sockets are outside of its bubble), timeouts scaled down (a race with the machine's load),
// and a model of the runtime in place of the runtime (it would agree with itself).
package rehearse

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Options of [Run].
type Options struct {
	// Workers is how many tests run at the same time; 0: as many as there are processors.
	Workers int
	// Limit is how long a test may take on the machine's clock; 0: [DefaultLimit].
	Limit time.Duration
}

// DefaultLimit is how long a test may take: its time is virtual, so that even a second is long.
const DefaultLimit = time.Minute

// Outcome is how a test went.
type Outcome struct {
	Test     *script.Test
	Failures []Failure
	Took     time.Duration
}

// Failed reports whether something did not come of it that was expected.
func (o *Outcome) Failed() bool { return len(o.Failures) > 0 }

// Failure is one thing that did not come of a test.
type Failure struct {
	At   diag.Span // of what was expected
	Path string    // "answer.json.error.code"; "" where Got says everything
	Want string
	Got  string
	// Request and Answer say which exchange it was: "step 2: GET /pets as acme/web", "404 {…}".
	Request, Answer string
	Bug             bool // in gwc, not in the repository
}

// Run runs tests against an artifact, whose digest is given. The outcomes are in the order of the tests; those that ctx
// did not leave time for have a failure that says so.
func Run(ctx context.Context, a *artifact.Artifact, digest string, tests []script.Test, o Options) ([]Outcome, *Coverage) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	p := newProduction(a, digest)
	outcomes := make([]Outcome, len(tests))
	covers := make([]*Coverage, o.Workers)
	var mu sync.Mutex
	next := 0
	var wg sync.WaitGroup
	for w := range o.Workers {
		covers[w] = newCoverage(a)
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(tests) {
					return
				}
				began := time.Now()
				outcomes[i] = Outcome{Test: &tests[i], Failures: p.rehearse(ctx, &tests[i], o.Limit, covers[w])}
				outcomes[i].Took = time.Since(began)
			}
		})
	}
	wg.Wait()
	all := newCoverage(a)
	for _, c := range covers {
		all.merge(c)
	}
	return outcomes, all
}

// rehearse runs one test.
func (p *production) rehearse(ctx context.Context, t *script.Test, limit time.Duration, cover *Coverage) (failures []Failure) {
	defer func() {
		if v := recover(); v != nil {
			failures = append(failures, Failure{At: t.At, Got: fmt.Sprintf("a bug in gwc ended the test: %v\n%s", v, debug.Stack()), Bug: true})
		}
	}()
	g, err := p.open(t)
	if err != nil {
		return []Failure{{At: t.At, Got: fmt.Sprintf("the gateway does not start: %v", err)}}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLimit)
	defer cancel()
	defer func() {
		failures = append(failures, g.close()...)
	}()
	stop := context.AfterFunc(ctx, func() { g.abort(context.Cause(ctx)) })
	defer stop()
	for i := range t.Steps {
		s := &t.Steps[i]
		g.stage.follow(s)
		if s.Advance > 0 {
			g.time.advance(s.Advance)
		}
		if s.Request == nil {
			continue
		}
		for n := range s.Times {
			x := g.exchange(s.Request, cover)
			f := judge(&s.Expect, x)
			if len(f) == 0 {
				continue
			}
			name := fmt.Sprintf("%s %s", s.Request.Method, s.Request.Path)
			if s.Request.As != "" {
				name += " as " + s.Request.As
			}
			if s.Times > 1 {
				name = fmt.Sprintf("request %d of %d: %s", n+1, s.Times, name)
			}
			if len(t.Steps) > 1 {
				name = fmt.Sprintf("step %d: %s", i+1, name)
			}
			for j := range f {
				f[j].Request, f[j].Answer = name, x.summary()
				if f[j].At.IsZero() {
					f[j].At = s.At
				}
			}
			return append(failures, f...) // What follows would most likely be its consequence.
		}
	}
	return failures
}

// judge holds an exchange against what is expected of it.
func judge(e *script.Expectation, x *exchange) []Failure {
	var list []Failure
	if x.trouble != "" {
		return []Failure{{Got: x.trouble, Bug: x.bug}}
	}
	add := func(p *script.Pattern, name string, actual any) {
		if p == nil {
			return
		}
		for _, m := range p.Match(name, actual) {
			list = append(list, Failure{At: m.At, Path: m.Path, Want: m.Want, Got: m.Got})
		}
	}
	if e.Answer != nil {
		add(e.Answer, "answer", x.answer)
	}
	if x.cut && e.Answer.Get("cut") == nil {
		list = append(list, Failure{At: e.At, Path: "answer.cut", Want: "false", Got: "true"})
	}
	if e.Calls != nil {
		add(e.Calls, "calls", slices.Clone(x.calls))
	}
	if e.Record != nil {
		if x.record == nil {
			list = append(list, Failure{At: e.Record.At, Path: "record", Want: "a call record", Got: "none: the request was refused before it became an exchange"})
		} else {
			add(e.Record, "record", x.record)
		}
	}
	return list
}
