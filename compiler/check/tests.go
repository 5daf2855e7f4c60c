package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cuelang.org/go/cue"
	cuejson "cuelang.org/go/encoding/json"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/script"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The rules of tests.
const (
	codeTestPlace  diag.Code = "GWC1401" // tests outside of tests/
	codeTestOther  diag.Code = "GWC1402" // something else in tests/
	codeTestShape  diag.Code = "GWC1403" // a test or step that is neither one thing nor the other
	codeTestBodies diag.Code = "GWC1404" // two bodies
	codeTestData   diag.Code = "GWC1405" // data that has no definite value
	codeTestEmpty  diag.Code = "GWC1406" // nothing is expected
	codeTestTime   diag.Code = "GWC1407" // not a time
	codeTestText   diag.Code = "GWC1408" // a method, path, host or name that is none
	codeTestFault  diag.Code = "GWC1409" // a fault that leaves no answer, with an answer
)

// Rehearsed is what the units of a repository's tests hold. What stands in a unit in which something is wrong is not
// among it.
type Rehearsed struct {
	Tests      []script.Test        // in order of file and line
	Assertions map[string]Assertion // by name
	// Positions has the places of Assertions.
	Positions *Positions
}

// Tests evaluates the units of a repository's tests and holds them against the language. One Sources must not be checked
// twice at the same time.
//
// A pattern of a test may ask CUE; it locks what it needs, so that tests can run side by side.
func Tests(ctx context.Context, src *load.Sources) (Rehearsed, diag.Report, error) {
	units := make([]*unit, len(src.Tests))
	tests := make([][]script.Test, len(src.Tests))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(src.Tests)) {
		wg.Go(func() {
			var b *bench // patterns hold on to it
			for i := int(next.Add(1)) - 1; i < len(src.Tests) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if b == nil || b.used == renewAfter {
					b = newBench()
				}
				b.used++
				u, report := src.Parse(src.Tests[i])
				units[i] = b.check(&u, report)
				tests[i] = units[i].tests()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(ctx.Err(), src.Err()); err != nil {
		return Rehearsed{}, diag.Report{}, err
	}
	var report diag.Report
	var all []script.Test
	c := newConfigFor(nil)
	for i, u := range units {
		report.Merge(u.report)
		all = append(all, tests[i]...)
		if f := u.asserted(&report); f != nil {
			c.positions.add(f.Tenant, &f.Places)
			joiner{unit: f, config: &c, report: &report}.join()
		}
	}
	slices.SortStableFunc(all, func(a, b script.Test) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Start.Offset, b.At.Start.Offset), cmp.Compare(a.Name, b.Name))
	})
	return Rehearsed{Tests: all, Assertions: c.Assertions, Positions: c.positions}, report, nil
}

// asserted returns the assertions of a unit of tests as its fragment, or nil where there is none or something is wrong
// in it.
func (u *unit) asserted(report *diag.Report) *Fragment {
	if u.root == nil || u.report.Failed() || u.root.fields["assertions"] == nil {
		return nil
	}
	f := &Fragment{Tenant: u.tenant, First: u.first, Config: newConfig()}
	m := &merger{unit: u, config: &f.Config, report: report}
	merge(m, "assertions", f.Config.Assertions, m.assertion)
	at := map[string]place{}
	for path, p := range u.places {
		if strings.HasPrefix(path, join([]string{"assertions"})) {
			at[path] = p
		}
	}
	f.Places = newPlaces(at)
	return f
}

// misplaced reports a top-level field that stands on the wrong side: tests outside of tests/, or anything else in it.
func (w *walker) misplaced(label string, v cue.Value) bool {
	at := w.where(v).key
	switch {
	case label == "tests" && !w.unit.rehearses:
		folder := "tests/"
		if w.unit.tenant != "" {
			folder = "tenants/" + w.unit.tenant + "/tests/"
		}
		w.report(diag.Diagnostic{
			Code:    codeTestPlace,
			Summary: `field "tests" stands among the files of the configuration, expected in ` + strconv.Quote(folder),
			Path:    []string{label},
			Primary: diag.Label{Span: at},
			Notes:   []string{"tests are evaluated apart from the configuration, so that they cannot change what is built"},
			Help:    []string{"move it to a file in " + folder},
		})
	case label != "tests" && label != "assertions" && w.unit.rehearses:
		w.report(diag.Diagnostic{
			Code:    codeTestOther,
			Summary: fmt.Sprintf("field %q stands in a folder of tests, which hold nothing but \"tests\" and \"assertions\"", label),
			Path:    []string{label},
			Primary: diag.Label{Span: at},
			Help:    []string{"move it to the files of the configuration"},
		})
	default:
		return false
	}
	return true
}

// free checks a value that may be anything.
func (w *walker) free(v cue.Value, t *language.Type) *node {
	if t.Is == "number" {
		return w.number(v, t)
	}
	if t.Is != "json" {
		return &node{} // An expectation: it is taken as a whole, see expects.
	}
	for path := range w.bad {
		if strings.HasPrefix(path, join(w.path)) {
			w.wrong++
			return nil // Something in it was reported.
		}
	}
	if v.IncompleteKind() == cue.BottomKind {
		w.unevaluated(v)
		return nil
	}
	data, err := v.MarshalJSON()
	if err != nil {
		w.report(diag.Diagnostic{
			Code:    codeTestData,
			Summary: fmt.Sprintf("%s has no definite value, expected JSON", w.name()),
			Primary: diag.Label{Span: firstLine(w.at.value)},
			Notes:   []string{firstError(err)},
		})
		return nil
	}
	n := &node{free: json.RawMessage(data)}
	if s, err := v.String(); err == nil {
		n.str = s
	}
	return n
}

// expects reports whether values of a type are expectations, of which the whole is kept as a pattern.
func expects(t *language.Type) bool {
	switch t.Name {
	case "#ExpectedAnswer", "#ExpectedRecord":
		return true
	}
	return t.Shape == language.List && t.Elem.Name == "#ExpectedCall"
}

// pattern takes a value apart. top is the type of its fields where it is one of the language's.
func (w *walker) pattern(v cue.Value, top *language.Type) *script.Pattern {
	p := &script.Pattern{At: firstLine(w.where(v).value), Text: w.short(v)}
	if op, _ := v.Expr(); op == cue.OrOp {
		p.Fits = w.fits(v)
		return p
	}
	switch kind := v.IncompleteKind(); {
	case kind == cue.StructKind:
		p.Struct, p.Exact = true, !v.Allows(cue.AnyString)
		it, err := v.Fields(cue.Optional(true))
		if err != nil {
			return p // It was reported.
		}
		for it.Next() {
			f := script.Field{Name: it.Selector().Unquoted(), Optional: it.Selector().ConstraintType() == cue.OptionalConstraint}
			val := it.Value()
			if top != nil {
				if _, known := top.Field(f.Name); !known {
					if f.Optional {
						w.unknownField(v, val, f.Name, top, nil)
					}
					continue
				}
			}
			if f.Optional && val.IncompleteKind() == cue.BottomKind {
				at := w.where(val)
				f.Optional = false
				f.Pattern = &script.Pattern{At: firstLine(at.key), Text: "nothing", Absent: true}
			} else {
				f.Pattern = w.pattern(val, nil)
			}
			p.Fields = append(p.Fields, f)
		}
	case kind == cue.ListKind:
		p.List = true
		p.Exact = !v.Allows(cue.AnyIndex)
		for i := 0; ; i++ {
			e := v.LookupPath(cue.MakePath(cue.Index(i)))
			if !e.Exists() {
				break
			}
			var of *language.Type
			if top != nil {
				of = top.Elem
			}
			p.Elems = append(p.Elems, w.pattern(e, of))
		}
		if rest := v.LookupPath(cue.MakePath(cue.AnyIndex)); rest.Exists() && rest.IncompleteKind() != cue.TopKind {
			p.Rest = w.pattern(rest, nil)
		}
	case v.IsConcrete() && kind != cue.BytesKind:
		data, err := v.MarshalJSON()
		if err != nil {
			p.Fits = w.fits(v)
			break
		}
		c, _ := script.Decode(data)
		p.Const, p.Text = &script.Constant{Value: c}, script.Show(c)
	case kind == cue.TopKind:
		p.Text, p.Fits = "any value", func(any) bool { return true }
	default:
		p.Fits = w.fits(v)
	}
	return p
}

// fits asks CUE whether a value unifies with a constraint.
func (w *walker) fits(v cue.Value) func(any) bool {
	b := w.bench
	return func(actual any) (ok bool) {
		data, err := json.Marshal(actual)
		if err != nil {
			return false
		}
		expr, err := cuejson.Extract("actual", data)
		if err != nil {
			return false
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		return v.Unify(b.ctx.BuildExpr(expr)).Validate(cue.Concrete(true)) == nil
	}
}

// short is a value as a file says it, its beginning where it is long.
func (w *walker) short(v cue.Value) string {
	at := w.where(v).value
	var f []byte
	if src := w.unit.sources[at.File]; src != nil {
		f = src.Data
	}
	if at.End.Offset <= len(f) && at.Start.Offset < at.End.Offset {
		text := string(bytes.Join(bytes.Fields(f[at.Start.Offset:at.End.Offset]), []byte(" ")))
		if len(text) > 160 {
			text = strings.ToValidUTF8(text[:160], "") + "…"
		}
		return text
	}
	return fmt.Sprint(v)
}

// tests turns what the walk found into tests.
func (u *unit) tests() []script.Test {
	if u.root == nil || u.report.Failed() {
		return nil // What is missing would be missed in what is left.
	}
	r := rehearsal{unit: u}
	all := u.root.get("tests")
	for _, name := range all.order {
		if n := all.fields[name]; n != nil {
			r.test(name, n)
		}
	}
	u.report.Merge(r.report)
	if u.report.Failed() {
		return nil
	}
	return r.tests
}

// rehearsal makes tests of one unit.
type rehearsal struct {
	unit   *unit
	tests  []script.Test
	report diag.Report
}

func (r *rehearsal) wrong(code diag.Code, at diag.Span, path []string, summary string, help ...string) {
	r.report.Add(diag.Diagnostic{Code: code, Summary: summary, Path: path, Primary: diag.Label{Span: firstLine(at)}, Help: help})
}

func (r *rehearsal) test(name string, n *node) {
	path := []string{"tests", name}
	t := script.Test{Name: name, Tenant: r.unit.tenant, At: n.at.key}
	t.Begin, _ = time.Parse(time.RFC3339, n.get("at").str)
	steps := n.get("steps")
	if steps.set && len(steps.elems) > 0 {
		for _, f := range []string{"request", "expect"} {
			if own := n.get(f); own.set {
				r.wrong(codeTestShape, own.at.key, append(path, f), fmt.Sprintf("test %q has steps and a %q of its own", name, f),
					fmt.Sprintf("put %q into a step", f))
			}
		}
		for i, s := range steps.elems {
			if s == nil {
				continue
			}
			step := r.step(s, append(path, "steps", strconv.Itoa(i)), fmt.Sprintf("step %d of test %q", i+1, name))
			step.Advance = duration(s.get("advance"))
			step.Times = int(s.get("times").num)
			t.Steps = append(t.Steps, step)
		}
		if len(t.Steps) > 0 {
			first := &t.Steps[0]
			first.Providers = append(r.scripts(n.get("providers"), append(path, "providers")), first.Providers...)
			first.Upstreams = append(r.scripts(n.get("upstreams"), append(path, "upstreams")), first.Upstreams...)
		}
	} else {
		step := r.step(n, path, fmt.Sprintf("test %q", name))
		step.Times = 1
		t.Steps = append(t.Steps, step)
	}
	expecting := slices.ContainsFunc(t.Steps, func(s script.Step) bool { return !s.Expect.Empty() })
	if !expecting && !r.report.Failed() {
		r.report.Add(diag.Diagnostic{
			Code: codeTestEmpty, Severity: diag.Warning, Path: path,
			Summary: fmt.Sprintf("test %q expects nothing, so that it cannot fail", name),
			Primary: diag.Label{Span: n.at.key},
			Help:    []string{"add expect: answer: status: 200, or what has to come of it"},
		})
	}
	r.tests = append(r.tests, t)
}

func (r *rehearsal) step(n *node, path []string, name string) script.Step {
	s := script.Step{At: n.at.key, Times: 1}
	if q := n.get("request"); q.set {
		s.At = q.at.key
		s.Request = r.request(q, append(slices.Clone(path), "request"))
	}
	e := n.get("expect")
	s.Expect = script.Expectation{At: e.at.key, Answer: patternOf(e.get("answer")), Calls: patternOf(e.get("calls")), Record: patternOf(e.get("record"))}
	switch {
	case s.Request != nil:
	case e.set:
		r.wrong(codeTestShape, e.at.key, append(slices.Clone(path), "expect"), name+" expects something and makes no request", `add request: path: "/…"`)
	case !n.get("advance").set:
		r.wrong(codeTestShape, n.at.key, slices.Clone(path), name+" makes no request", `add request: path: "/…"`)
	}
	s.Providers = r.scripts(n.get("providers"), append(slices.Clone(path), "providers"))
	s.Upstreams = r.scripts(n.get("upstreams"), append(slices.Clone(path), "upstreams"))
	return s
}

func patternOf(n *node) *script.Pattern {
	p, _ := n.free.(*script.Pattern)
	return p
}

func (r *rehearsal) request(n *node, path []string) *script.Request {
	q := &script.Request{
		At: n.at.key, Method: n.get("method").str, Path: n.get("path").str, Host: n.get("host").str,
		As: n.get("as").str, Key: n.get("key").str, AsAt: n.get("as").at.value, KeyAt: n.get("key").at.value,
		Headers: headersOf(n.get("headers")),
	}
	if q.Key != "" && q.As == "" {
		r.wrong(codeTestShape, n.get("key").at.key, append(path, "key"), `"key" chooses among the keys of an app, and "as" names none`, `add as: "TENANT/APP"`)
	}
	q.Body, q.HasBody, q.PlainJSON = r.body(n, path)
	return q
}

// body returns the body that "body" or "json" gives.
func (r *rehearsal) body(n *node, path []string) (body []byte, has, plain bool) {
	var given []string
	for _, f := range []string{"body", "json", "events"} {
		if n.get(f).set {
			given = append(given, f)
		}
	}
	if len(given) > 1 {
		at := n.get(given[1]).at.key
		r.wrong(codeTestBodies, at, append(slices.Clone(path), given[1]), fmt.Sprintf("%q and %q both give the body, expected one of them", given[0], given[1]))
	}
	switch {
	case n.get("body").set:
		return []byte(n.get("body").str), true, false
	case n.get("json").set:
		data, _ := n.get("json").free.(json.RawMessage)
		return data, true, true
	}
	return nil, false, false
}

func headersOf(n *node) []script.Header {
	var list []script.Header
	for _, name := range slices.Sorted(maps.Keys(n.fields)) {
		if v := n.fields[name]; v != nil {
			list = append(list, script.Header{Name: name, Value: v.str})
		}
	}
	return list
}

func (r *rehearsal) scripts(n *node, path []string) []script.Script {
	var list []script.Script
	for _, name := range n.order {
		s := n.fields[name]
		if s == nil {
			continue
		}
		out := script.Script{Name: name, At: s.at.key}
		for i, a := range s.elems {
			if a != nil {
				out.Answers = append(out.Answers, r.answer(a, append(slices.Clone(path), name, strconv.Itoa(i))))
			}
		}
		if len(out.Answers) == 0 {
			r.wrong(codeTestShape, s.at.key, append(slices.Clone(path), name), fmt.Sprintf("%q has no answer", name), "leave it out, and it answers as a server of its kind would")
		}
		list = append(list, out)
	}
	return list
}

func (r *rehearsal) answer(n *node, path []string) script.Answer {
	a := script.Answer{
		At: n.at.value, Status: int(n.get("status").num), Headers: headersOf(n.get("headers")), Pieces: int(n.get("pieces").num),
		Delay: duration(n.get("delay")), Fault: n.get("fault").str, Cut: -1,
	}
	if c := n.get("cut"); c.set {
		a.Cut = c.num
	}
	a.Body, a.HasBody, a.PlainJSON = r.body(n, path)
	if events := n.get("events"); events.set {
		a.HasBody, a.Stream = true, true
		for _, e := range events.elems {
			if e != nil {
				a.Events = append(a.Events, eventOf(e))
			}
		}
	}
	if slices.Contains([]string{"refuse", "unreachable", "silence", "close", "garbage"}, a.Fault) {
		for _, f := range []string{"status", "headers", "body", "json", "events", "pieces", "cut"} {
			if n.get(f).set {
				r.wrong(codeTestFault, n.get(f).at.key, append(slices.Clone(path), f), fmt.Sprintf("%q is never sent: the fault %q leaves no answer", f, a.Fault), "remove one of them")
				break
			}
		}
	}
	return a
}

// eventOf writes an event as the text/event-stream format has it: a line for each line of its data.
func eventOf(n *node) script.Event {
	var b strings.Builder
	if name := n.get("event"); name.set {
		b.WriteString("event: " + strings.NewReplacer("\r", " ", "\n", " ").Replace(name.str) + "\n")
	}
	data := n.get("data")
	text := data.str
	if raw, ok := data.free.(json.RawMessage); ok && (len(raw) == 0 || raw[0] != '"') {
		text = string(raw)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	return script.Event{Delay: duration(n.get("delay")), Wire: []byte(b.String() + "\n")}
}
