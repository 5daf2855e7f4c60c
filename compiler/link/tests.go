package link

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of tests.
const (
	codeTestApp    diag.Code = "GWC2301" // a request comes from an unknown app
	codeTestKey    diag.Code = "GWC2302" // a request carries a key that its app does not have
	codeTestNoKey  diag.Code = "GWC2303" // a request comes from an app without a key
	codeTestServer diag.Code = "GWC2304" // a script for an unknown provider or upstream
	codeTestNever  diag.Code = "GWC2305" // an expectation that no exchange can fulfil
)

// Tests holds the names that tests use against a linked program: those of callers and servers, and those that an
// expectation names, because a test that expects what cannot be would fail for a reason that its failure does not say.
func Tests(p *ir.Program, tests []script.Test) diag.Report {
	l := prover{p: p, apps: map[string]int{}, names: map[string][]string{}}
	for i := range p.Apps {
		name := p.Tenants[p.Apps[i].Tenant].Name + "/" + p.Apps[i].Name
		l.apps[name] = i
		l.appNames = append(l.appNames, name)
		l.know("app", p.Apps[i].Name)
	}
	for i := range p.Keys {
		l.know("key", p.Keys[i].ID)
	}
	for i := range p.Tenants {
		l.know("tenant", p.Tenants[i].Name)
	}
	for i := range p.APIs {
		l.know("api", p.APIs[i].Name)
	}
	for i := range p.Routes {
		l.know("route", p.Routes[i].ID)
		l.know("operation", p.Routes[i].Operation)
	}
	for i := range p.Providers {
		l.know("provider", p.Providers[i].Name)
	}
	for i := range p.Upstreams {
		l.know("upstream", p.Upstreams[i].Name)
	}
	for i := range p.Models {
		for _, t := range p.Models[i].Targets {
			l.know("upstream_model", t.Model)
		}
	}
	for field, list := range l.names {
		slices.Sort(list)
		l.names[field] = slices.Compact(list)
	}
	for i := range tests {
		l.test(&tests[i])
	}
	return l.report
}

// prover knows what an exchange can be about.
type prover struct {
	p        *ir.Program
	apps     map[string]int // by "tenant/app"
	appNames []string
	names    map[string][]string // by field of the record
	report   diag.Report
}

func (l *prover) know(field, name string) {
	if name != "" {
		l.names[field] = append(l.names[field], name)
	}
}

func (l *prover) test(t *script.Test) {
	path := []string{"tests", t.Name}
	for i := range t.Steps {
		s := &t.Steps[i]
		if s.Request != nil {
			l.caller(s.Request, path)
		}
		l.servers("provider", s.Providers, path)
		l.servers("upstream", s.Upstreams, path)
		l.expectation(&s.Expect, path)
	}
}

func (l *prover) wrong(code diag.Code, at diag.Span, path []string, summary, near string, all []string, what string) {
	d := diag.Diagnostic{Code: code, Path: path, Summary: summary, Primary: diag.Label{Span: at}}
	if best, ok := diag.Nearest(near, all); ok && near != "" {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("write %q", best), Edits: []diag.Edit{{Span: at, New: strconv.Quote(best)}}}}
	} else if len(all) > 0 {
		d.Notes = []string{fmt.Sprintf("%ss: %s", what, some(all))}
	} else if what != "" {
		d.Notes = []string{fmt.Sprintf("no %s is defined", what)}
	}
	l.report.Add(d)
}

func (l *prover) caller(q *script.Request, path []string) {
	if q.As == "" {
		return
	}
	app, ok := l.apps[q.As]
	if !ok {
		l.wrong(codeTestApp, q.AsAt, path, fmt.Sprintf("the request of a test comes from unknown app %q", q.As), q.As, l.appNames, "app")
		return
	}
	var ids []string
	for i := range l.p.Keys {
		if l.p.Keys[i].App == app {
			ids = append(ids, l.p.Keys[i].ID)
		}
	}
	switch {
	case len(ids) == 0:
		l.report.Add(diag.Diagnostic{Code: codeTestNoKey, Path: path, Primary: diag.Label{Span: q.AsAt},
			Summary: fmt.Sprintf("the request of a test comes from app %q, which has no key, so that nobody can call as it", q.As),
			Help:    []string{fmt.Sprintf("run `gwc keys new %s`", q.As)}})
	case q.Key != "" && !slices.Contains(ids, q.Key):
		l.wrong(codeTestKey, q.KeyAt, path, fmt.Sprintf("app %q has no key %q", q.As, q.Key), q.Key, ids, "key")
	}
}

func (l *prover) servers(kind string, list []script.Script, path []string) {
	for i := range list {
		s := &list[i]
		if slices.Contains(l.names[kind], s.Name) {
			continue
		}
		d := diag.Diagnostic{Code: codeTestServer, Path: path, Primary: diag.Label{Span: s.At},
			Summary: fmt.Sprintf("a test says what unknown %s %q answers", kind, s.Name)}
		if best, ok := diag.Nearest(s.Name, l.names[kind]); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
		} else if all := l.names[kind]; len(all) > 0 {
			d.Notes = []string{fmt.Sprintf("%ss: %s", kind, some(all))}
		} else {
			d.Notes = []string{fmt.Sprintf("no %s is defined", kind)}
		}
		l.report.Add(d)
	}
}

func (l *prover) expectation(e *script.Expectation, path []string) {
	for _, field := range []string{"tenant", "app", "key", "route", "api", "operation", "provider", "upstream_model"} {
		l.name(e.Record.Get(field), "record."+field, field, path)
	}
	l.status(e.Record.Get("status"), "record.status", path)
	l.status(e.Answer.Get("status"), "answer.status", path)
	if e.Calls == nil {
		return
	}
	for i, c := range e.Calls.Elems {
		for _, field := range []string{"provider", "upstream"} {
			l.name(c.Get(field), fmt.Sprintf("calls[%d].%s", i, field), field, path)
		}
	}
}

// name finds expectations of a name that no exchange can have.
func (l *prover) name(p *script.Pattern, where, field string, path []string) {
	if p == nil || p.Absent {
		return
	}
	all := l.names[field]
	near := ""
	if p.Const != nil {
		near, _ = p.Const.Value.(string)
		if _, ok := slices.BinarySearch(all, near); ok {
			return
		}
	} else if slices.ContainsFunc(all, func(n string) bool { return len(p.Match("", n)) == 0 }) {
		return
	}
	what := strings.ReplaceAll(field, "_", " ")
	if field == "api" {
		what = "API"
	}
	l.wrong(codeTestNever, p.At, path, fmt.Sprintf("%s can never be %s: there is no such %s", where, p.Text, what), near, all, what)
}

// status finds expectations of a status that no answer can have.
func (l *prover) status(p *script.Pattern, where string, path []string) {
	if p == nil || p.Absent {
		return
	}
	fits := func(n int) bool { return len(p.Match("", json.Number(strconv.Itoa(n)))) == 0 }
	// Asking CUE is slow: what tests expect most comes first.
	if slices.ContainsFunc([]int{200, 201, 204, 400, 401, 403, 404, 429, 499, 500, 502, 503, 504}, fits) {
		return
	}
	for n := 100; n <= 599; n++ {
		if fits(n) {
			return
		}
	}
	l.wrong(codeTestNever, p.At, path, fmt.Sprintf("%s can never be %s: a status is an integer from 100 to 599", where, p.Text), "", nil, "")
}
