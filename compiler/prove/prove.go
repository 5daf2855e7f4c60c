// Package prove decides the assertions of a repository: statements about the whole gateway, such as "no app of tenant
// shop reaches model smart", that no single file shows.
//
// A linked program and the artifact made from it enter; for each assertion a [Result] leaves: proved, refuted with a
// witness, or empty, because it speaks of nothing. Everything is decided by going through what there is: the program is
// finite, so a proof is a search that found no counterexample, and it is complete. A witness is a request that the
// artifact's own table and rules let through (package diff), so that it can be sent to a gateway as it stands.
//
// An assertion is about the program and not about a moment: an app counts with what it may do, also while it has no key
// that works. Only expiries look at the clock, which is an argument. A solver over an encoding of the rules was refused:
// it would prove things of the encoding.
package prove

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of this package. Each has its page in schema/rules.
const (
	codeReach     diag.Code = "GWC4301"
	codeAuth      diag.Code = "GWC4302"
	codeIsolation diag.Code = "GWC4303"
	codeLimit     diag.Code = "GWC4304"
	codeSpend     diag.Code = "GWC4305"
	codeExpiry    diag.Code = "GWC4306"
	codeTargets   diag.Code = "GWC4307"
	codeTimeout   diag.Code = "GWC4308"
	codeEmpty     diag.Code = "GWC4311" // an assertion that speaks of nothing
	codeIdle      diag.Code = "GWC4120" // an exception that excepts nothing
)

// Verdict is what became of an assertion.
type Verdict string

// The verdicts.
const (
	Proved  Verdict = "proved"
	Refuted Verdict = "refuted"
	Empty   Verdict = "empty"
)

// Input is what assertions are decided about.
type Input struct {
	Program  *ir.Program
	Artifact *artifact.Artifact // of the program
	Now      time.Time          // judges expiries; the zero time refutes none but keys that never expire
	// Only tells which assertions are decided, by name; nil: all.
	Only func(name string) bool
}

// Result is what became of one assertion.
type Result struct {
	Name, Kind string
	Verdict    Verdict
	// Checked says what was gone through: "12 calls by 3 apps".
	Checked string
	// Found counts the counterexamples.
	Found int
	// Finding is what to say where it is not proved.
	Finding *diag.Diagnostic
	// Idle warns of each exception that excepts nothing.
	Idle []diag.Diagnostic
	// Witness is a request that shows the first counterexample; nil where no request can.
	Witness *Witness
}

// Witness is a request and what the artifact decides about it. A request of an app that has no key that works has an
// App and no Key.
type Witness struct {
	Request  diff.Request
	Decision diff.Decision
}

// Prove decides the assertions, in order of name.
func Prove(in Input) []Result {
	p := &prover{Input: in, p: in.Program, m: reach.New(in.Program)}
	var list []Result
	for i := range p.p.Assertions {
		if a := &p.p.Assertions[i]; in.Only == nil || in.Only(a.Name) {
			list = append(list, p.decide(a))
		}
	}
	return list
}

type prover struct {
	Input
	p    *ir.Program
	m    *reach.Map
	seen *diff.View // nil until a witness is looked for
}

// view is the artifact as witnesses are decided by it.
func (p *prover) view() *diff.View {
	if p.seen == nil {
		p.seen = diff.NewView(p.Artifact)
	}
	return p.seen
}

// counterexample is one way in which an assertion does not hold. What it takes to tell of it is made for the first one
// only.
type counterexample struct {
	what    string // `app "shop/till" reaches model "smart"`
	at      func() []diag.Label
	witness func() *Witness
}

// search is the state of one assertion.
type search struct {
	*prover
	a       *ir.Assertion
	calls   []ir.Call // exceptions
	callers []ir.Caller
	first   *counterexample
	more    []string
	found   int
	checked string
	empty   string // what it speaks of, and is not there
	notes   []string
	help    []string
}

// maxMore is how many further counterexamples are named.
const maxMore = 5

func (s *search) bad(c counterexample) {
	s.many(1, func(int) counterexample { return c })
}

// many adds n counterexamples. Those that nobody will read are not made: of a thousand tenants and as many APIs there
// are a million.
func (s *search) many(n int, at func(i int) counterexample) {
	for i := 0; i < n && len(s.more) < maxMore; i++ {
		if c := at(i); s.first == nil {
			s.first = &c
		} else {
			s.more = append(s.more, c.what)
		}
	}
	s.found += n
}

func (p *prover) decide(a *ir.Assertion) Result {
	s := &search{prover: p, a: a}
	for _, text := range a.Unless {
		if ir.IsCall(text) {
			s.calls = append(s.calls, calls(text)...)
		} else {
			s.callers = append(s.callers, callers(text)...)
		}
	}
	if a.Kind == "auth" || a.Kind == "timeout" || a.Kind == "targets" {
		s.calls = calls(a.Unless...) // "*" is a call there
	}
	code := s.run()
	r := Result{Name: a.Name, Kind: a.Kind, Verdict: Proved, Checked: s.checked, Found: s.found}
	d := diag.Diagnostic{Code: code, Severity: diag.Error, Path: []string{"assertions", a.Name}, Primary: diag.Label{Span: p.p.Places.Key("assertions", a.Name)}}
	if a.Reason != "" {
		d.Notes = append(d.Notes, "reason: "+a.Reason)
	}
	switch {
	case s.found > 0:
		r.Verdict, r.Finding = Refuted, &d
		d.Summary = fmt.Sprintf("assertion %q does not hold: %s", a.Name, s.first.what)
		d.Secondary = distinct(s.first.at())
		if r.Witness = s.first.witness(); r.Witness != nil {
			d.Notes = append(d.Notes, "witness: "+r.Witness.String())
		}
		if rest := s.found - 1; rest > 0 {
			text := fmt.Sprintf("and so it is %s: %s", count(rest, "more time"), strings.Join(s.more, "; "))
			if rest > len(s.more) {
				text += "; …"
			}
			d.Notes = append(d.Notes, text)
		}
		d.Notes = append(d.Notes, s.notes...)
		d.Help = s.help
	case s.empty != "":
		r.Verdict, r.Finding = Empty, &d
		d.Code, d.Severity = codeEmpty, diag.Warning
		d.Summary = fmt.Sprintf("assertion %q proves nothing: %s", a.Name, s.empty)
		d.Help = []string{"remove it, or name what is there"}
	}
	if r.Verdict != Empty { // Whatever such an assertion excepts, it has one mistake.
		r.Idle = s.idle()
	}
	return r
}

// idle finds the exceptions that take nothing of what the assertion speaks of. Names that nothing has are link's, so
// what is left are patterns, and names outside of what is asserted. One that excepts something which would hold without
// it is none: it is meant for the day on which it would not.
func (s *search) idle() (list []diag.Diagnostic) {
	for i, text := range s.a.Unless {
		used, what := false, "call"
		switch s.a.Kind {
		case "auth", "timeout", "targets":
			used = s.excepts(text)
		default:
			if ir.IsCall(text) {
				used = s.excepts(text)
			} else {
				used, what = s.spares(text), "app"
			}
		}
		if used {
			continue
		}
		path := []string{"assertions", s.a.Name, "unless", strconv.Itoa(i)}
		at := s.p.Places.Value(path...)
		if at.IsZero() {
			at = s.p.Places.Key(path[:2]...)
		}
		list = append(list, diag.Diagnostic{
			Code: codeIdle, Severity: diag.Warning, Path: path, Primary: diag.Label{Span: at},
			Summary: fmt.Sprintf("assertion %q makes an exception of %q, and speaks of no such %s", s.a.Name, text, what),
			Help:    []string{"remove it, or name what is there"},
		})
	}
	return list
}

// excepts reports whether an exception takes a call that the assertion speaks of.
func (s *search) excepts(text string) bool {
	except := s.m.Matching(calls(text)...)
	if len(s.a.Calls) == 0 {
		return len(except) > 0
	}
	spoken := map[string]bool{}
	for _, x := range s.m.Matching(calls(s.a.Calls...)...) {
		spoken[s.m.Name(x)] = true
	}
	return slices.ContainsFunc(except, func(x reach.Subject) bool { return spoken[s.m.Name(x)] })
}

// spares reports whether an exception takes a caller that the assertion speaks of.
func (s *search) spares(text string) bool {
	except, of := callers(text), callers(s.a.Apps...)
	if slices.ContainsFunc(except, ir.Caller.Everyone) {
		return true
	}
	for i := range s.p.Apps {
		if s.takes(except, i) && (len(of) == 0 || s.takes(of, i)) {
			return true
		}
	}
	return false
}

func (s *search) run() diag.Code {
	switch s.a.Kind {
	case "reach":
		s.reach()
		return codeReach
	case "auth":
		s.auth()
		return codeAuth
	case "isolation":
		s.isolation()
		return codeIsolation
	case "limit":
		s.limit()
		return codeLimit
	case "spend":
		s.spend()
		return codeSpend
	case "expiry":
		s.expiry()
		return codeExpiry
	case "targets":
		s.targets()
		return codeTargets
	case "timeout":
		s.timeout()
		return codeTimeout
	}
	panic("prove: an assertion of kind " + s.a.Kind)
}

// Keyless reports whether the request is one of an app that has no key that works, so that it cannot be sent yet. Its
// decision is empty.
func (w *Witness) Keyless() bool { return w.Request.App != "" && w.Request.Key == "" }

// String returns "GET /petstore/v1/pets as acme/web with key web-1: sent to http://10.0.0.7:8080/pets for acme/web".
func (w *Witness) String() string {
	if w.Keyless() {
		q := strings.TrimSuffix(w.Request.String(), " with key ")
		return q + ", as soon as it has a key that works"
	}
	return w.Request.String() + ": " + w.Decision.String()
}

// calls parses patterns. Those that are not were reported by check.
func calls(texts ...string) (list []ir.Call) {
	for _, t := range texts {
		if c, wrong := ir.ParseCall(t); wrong == "" {
			list = append(list, c)
		}
	}
	return list
}

func callers(texts ...string) (list []ir.Caller) {
	for _, t := range texts {
		if c, wrong := ir.ParseCaller(t); wrong == "" {
			list = append(list, c)
		}
	}
	return list
}

// takes reports whether one of the patterns takes an app, or [reach.Everyone].
func (p *prover) takes(list []ir.Caller, app int) bool {
	if app == reach.Everyone {
		return slices.ContainsFunc(list, ir.Caller.Everyone)
	}
	a := &p.p.Apps[app]
	tenant := p.p.Tenants[a.Tenant].Name
	return slices.ContainsFunc(list, func(c ir.Caller) bool { return c.App(tenant, a.Name) })
}

// subjects returns what the patterns take, without the exceptions, and says so if that is nothing.
func (s *search) subjects(texts []string, keep func(reach.Subject) bool) []reach.Subject {
	list := s.m.Matching(calls(texts...)...)
	except := map[string]bool{}
	if len(s.calls) > 0 {
		for _, x := range s.m.Matching(s.calls...) {
			except[s.m.Name(x)] = true
		}
	}
	list = slices.DeleteFunc(list, func(x reach.Subject) bool { return except[s.m.Name(x)] || keep != nil && !keep(x) })
	if len(list) == 0 {
		s.empty = fmt.Sprintf("no call is %s", quoted(texts))
		if len(except) > 0 {
			s.empty += " and not under \"unless\""
		}
	}
	return list
}

// apps returns the apps that the patterns take, without the exceptions, and says so if that is none.
func (s *search) apps(texts []string) (list []int) {
	patterns := callers(texts...)
	for i := range s.p.Apps {
		if s.takes(patterns, i) && !s.takes(s.callers, i) {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		s.empty = fmt.Sprintf("no app is %s", quoted(texts))
		if len(s.callers) > 0 {
			s.empty += " and not under \"unless\""
		}
	}
	return list
}

func (p *prover) who(app int) string {
	if app == reach.Everyone {
		return "everyone, without a key,"
	}
	return fmt.Sprintf("app %q", p.m.App(app))
}

// request returns the witness of an app, or everyone, and a subject. It is nil where no request comes through, which
// the caller has to know better.
func (p *prover) request(x reach.Subject, app int) *Witness {
	var q diff.Request
	if x.Model >= 0 {
		if app != reach.Everyone {
			if by, _ := p.m.Through(x.Model, app); by.Routes != nil {
				return p.request(by, app)
			}
		}
		q = diff.Request{Method: "POST", Path: "/v1/chat/completions", Model: p.p.Models[x.Model].Name}
	} else {
		r := &p.p.Routes[x.Routes[0]]
		if r.Kind == artifact.RoutePassthrough {
			return p.passing(r.Provider, app)
		}
		var ok bool
		if q, ok = p.view().Sample(r.ID, r.Method); !ok {
			return nil
		}
		if r.Kind.Asks() {
			if refs := p.modelsOf(app); len(refs) > 0 {
				q.Model = refs[0].Name
				if r.Kind.InPath() {
					q.Path = strings.Replace(r.Path, "{model}", q.Model, 1)
				}
			}
		}
	}
	return p.as(q, app)
}

// passing returns the witness that an app reaches a provider's own paths: the first that it opens.
func (p *prover) passing(provider, app int) *Witness {
	if app == reach.Everyone {
		return nil
	}
	a := &p.p.Apps[app]
	for i := range a.Passthrough {
		o := &a.Passthrough[i]
		if path, ok := match.Meet(o.Paths[0], o.Paths[0]); ok && o.Provider.Index == provider {
			q := diff.Request{Method: "GET", Path: passthrough.Root + o.Provider.Name + path, Socket: o.WebSocket}
			if !o.WebSocket {
				q.Method = o.Methods[0]
				if slices.Contains(o.Methods, "POST") {
					q.Method = "POST"
				}
			}
			return p.as(q, app)
		}
	}
	return nil
}

func (p *prover) modelsOf(app int) []ir.Ref {
	if app == reach.Everyone {
		return nil
	}
	return p.p.Apps[app].Models
}

// as returns the witness of a request with a key of the app that works.
func (p *prover) as(q diff.Request, app int) *Witness {
	if app == reach.Everyone {
		return &Witness{q, p.view().Decide(q)}
	}
	q.App = p.m.App(app)
	for _, k := range p.m.Keys(app, p.Now) {
		if with, ok := p.view().As(q, q.App, p.p.Keys[k].ID); ok {
			return &Witness{with, p.view().Decide(with)}
		}
	}
	return &Witness{Request: q}
}

// caller returns who shows best that a subject is reached: everyone where it is open, else an app with a key that works.
func (p *prover) caller(x reach.Subject) (app int, ok bool) {
	if p.m.By(x) == reach.Open {
		return reach.Everyone, true
	}
	if list := p.liveFirst(p.m.Apps(x)); len(list) > 0 {
		return list[0], true
	}
	return 0, false
}

// show returns the witness that a subject is reached, or nil where nobody reaches it.
func (p *prover) show(x reach.Subject) *Witness {
	if app, ok := p.caller(x); ok {
		return p.request(x, app)
	}
	return nil
}

// liveFirst returns the apps that have a key that works, then the others.
func (p *prover) liveFirst(apps []int) []int {
	list := make([]int, 0, len(apps))
	for _, live := range []bool{true, false} {
		for _, app := range apps {
			if (len(p.m.Keys(app, p.Now)) > 0) == live {
				list = append(list, app)
			}
		}
	}
	return list
}

// distinct drops labels at a place that an earlier one has.
func distinct(labels []diag.Label) (list []diag.Label) {
	for _, l := range labels {
		if !l.Span.IsZero() && !slices.ContainsFunc(list, func(o diag.Label) bool { return o.Span == l.Span }) {
			list = append(list, l)
		}
	}
	return list
}

func quoted(texts []string) string {
	l := make([]string, len(texts))
	for i, t := range texts {
		l[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(l, " or ")
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "y") && what != "key":
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(what, "y"))
	}
	return fmt.Sprintf("%d %ss", n, what)
}
