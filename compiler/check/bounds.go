package check

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"time"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Bounds of evaluation. CUE bounds its own builtins, but not comprehensions: two lines with a `for` in each can stand
// for a billion fields. An evaluation cannot be interrupted, and a goroutine cannot be ended; so a unit that goes beyond
// these bounds is left behind, the check ends with a finding that names it, and the process had better end as well (see
// [Count]). Nothing of what a check finds otherwise depends on a clock or on memory.
//
// Evaluating in a process of its own, which can be ended, was refused for now: it doubles the time of a small build.
// Counting what comprehensions come to before evaluating them was refused: their lists are computed too.
const (
	// MaxTime is how long one unit may take. The largest that was measured, 10,000 APIs in one unit, takes 5 s.
	MaxTime = 30 * time.Second
	// MaxMemory is how much the heap may grow during a check. 100,000 APIs in 10,000 units take 1.2 GB.
	MaxMemory = 4 << 30
	// grace is how long units that are being evaluated are waited for when the context is done.
	grace = 2 * time.Second
)

const codeRunaway diag.Code = "GWC1315"

// guard watches over evaluations.
type guard struct {
	maxTime   time.Duration
	maxMemory uint64

	mu      sync.Mutex
	running map[int]time.Time
}

func newGuard() *guard {
	return &guard{maxTime: MaxTime, maxMemory: MaxMemory, running: map[int]time.Time{}}
}

// enter notes that a unit is being evaluated, until its result is called.
func (g *guard) enter(i int) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running[i] = time.Now()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.running, i)
	}
}

// longest returns the unit that is being evaluated for the longest time, or -1.
func (g *guard) longest() (unit int, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	unit = -1
	for i, t := range g.running {
		if unit < 0 || t.Before(since) || t.Equal(since) && i < unit {
			unit, since = i, t
		}
	}
	return unit, since
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// watch waits until done. It returns earlier with the unit that goes beyond a bound and the bound in words, or -1 where
// the context is done and what runs does not come to an end.
func (g *guard) watch(ctx context.Context, done <-chan struct{}) (unit int, bound string, left bool) {
	start := heap()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return -1, "", false
		case <-ctx.Done():
			select {
			case <-done:
				return -1, "", false
			case <-time.After(grace):
				return -1, "", true
			}
		case <-tick.C:
			unit, since := g.longest()
			switch {
			case unit < 0:
			case time.Since(since) > g.maxTime:
				return unit, fmt.Sprintf("%v", g.maxTime), true
			case heap() > start+g.maxMemory:
				return unit, fmt.Sprintf("%d MB of memory", g.maxMemory>>20), true
			}
		}
	}
}

// runaway reports a unit whose evaluation was left behind, at its first comprehension.
func runaway(src *load.Sources, u *load.Unit, bound string) diag.Diagnostic {
	d := diag.Diagnostic{
		Code:    codeRunaway,
		Summary: fmt.Sprintf("evaluating %s takes more than %s", unitName(u.Tenant), bound),
		Notes:   []string{"comprehensions within comprehensions multiply"},
		Help:    []string{"write less by computation: a unit has some thousands of fields"},
	}
	if len(u.Files) > 0 {
		d.Primary.Span = startOf(u.Files[0].Path)
	}
	for _, f := range u.Files {
		data, _ := src.Data(f.Path)
		// Trees that are being evaluated are being changed: this one is for looking only.
		syntax, err := parser.ParseFile(f.Path, data)
		if err != nil || f.Ends != nil {
			continue
		}
		var first ast.Node
		ast.Walk(syntax, func(n ast.Node) bool {
			if c, ok := n.(*ast.ForClause); ok && first == nil {
				first = c
			}
			return first == nil
		}, nil)
		if first != nil {
			d.Primary.Span = firstLine(spanOf(first))
			break
		}
	}
	return d
}

func unitName(tenant string) string {
	if tenant == "" {
		return "the platform's files"
	}
	return fmt.Sprintf("the files of tenant %q", tenant)
}
