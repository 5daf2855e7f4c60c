package link

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeAsserted      diag.Code = "GWC2401" // an assertion names what does not exist
	codeAssertedTwice diag.Code = "GWC1103" // one in tests/ has the name of one in the configuration
)

// Asserted returns a linked program with the assertions of its tests among its own. places knows where they stand.
func Asserted(p *ir.Program, given []ir.Assertion, places ir.Places) (*ir.Program, diag.Report) {
	if len(given) == 0 {
		return p, diag.Report{}
	}
	q := *p
	l := linker{p: &q}
	both := beside{p.Places, places, map[string]bool{}}
	q.Places = both
	q.Assertions = nil
	for i := range given {
		a := given[i]
		a.Tested = true
		path := []string{"assertions", a.Name}
		if slices.ContainsFunc(p.Assertions, func(b ir.Assertion) bool { return b.Name == a.Name }) {
			l.report.Add(diag.Diagnostic{
				Code:      codeAssertedTwice,
				Summary:   fmt.Sprintf("assertion %q is defined in two units", a.Name),
				Path:      path,
				Primary:   diag.Label{Span: places.Key(path...)},
				Secondary: []diag.Label{{Span: p.Places.Key(path...), Text: "first defined here"}},
				Notes:     []string{"assertions in tests/ and those of the configuration are one space of names"},
			})
			continue
		}
		both.tested[a.Name] = true
		q.Assertions = append(q.Assertions, a)
	}
	l.assertions() // Those of the configuration have been looked at.
	q.Assertions = append(q.Assertions, p.Assertions...)
	slices.SortFunc(q.Assertions, func(a, b ir.Assertion) int { return strings.Compare(a.Name, b.Name) })
	return &q, l.report
}

// beside is the places of a program and those of the assertions in its tests.
type beside struct {
	program, tests ir.Places
	tested         map[string]bool
}

func (b beside) of(path []string) ir.Places {
	if len(path) > 1 && path[0] == "assertions" && b.tested[path[1]] {
		return b.tests
	}
	return b.program
}

func (b beside) Key(path ...string) diag.Span   { return b.of(path).Key(path...) }
func (b beside) Value(path ...string) diag.Span { return b.of(path).Value(path...) }

// assertions finds names in assertions that nothing has. Patterns with a "*" name nothing: whether they match is for
// `gwc prove` to say.
func (l *linker) assertions() {
	if len(l.p.Assertions) == 0 || l.p.Withheld.Any {
		return
	}
	known := namesOf(l.p)
	for i := range l.p.Assertions {
		a := &l.p.Assertions[i]
		apps := "apps"
		if a.Kind == "isolation" {
			apps = "tenants"
		}
		for _, list := range []struct {
			field string
			texts []string
		}{{"calls", a.Calls}, {apps, a.Apps}, {"only", a.Only}, {"never", a.Never}, {"unless", a.Unless}, {"among", a.Among}} {
			for j, text := range list.texts {
				kind, name, all := known.missing(text, list.field)
				if kind == "" {
					continue
				}
				l.notThere(a, kind, name, text, all, "assertions", a.Name, list.field, strconv.Itoa(j))
			}
		}
	}
}

// defined are the names of a program.
type defined struct {
	models, apis, tenants, providers []string
	operations                       map[string][]string // by API
	unread                           map[string]bool     // APIs whose operations are not known
	unknown                          []string            // tenants whose apps are not known
	apps                             map[string][]string // by tenant
}

func namesOf(p *ir.Program) *defined {
	d := &defined{
		models: names(p.Models, modelName), providers: names(p.Providers, providerName), tenants: names(p.Tenants, tenantName),
		operations: map[string][]string{}, apps: map[string][]string{}, unread: map[string]bool{},
	}
	for i := range p.APIs {
		d.apis = append(d.apis, p.APIs[i].Name)
		d.unread[p.APIs[i].Name] = p.APIs[i].Unread
	}
	for i := range p.Routes {
		api := "ai"
		switch r := &p.Routes[i]; {
		case r.API >= 0:
			api = p.APIs[r.API].Name
		case r.Kind.Prompt():
			api = "prompt"
		case r.Kind == artifact.RoutePassthrough:
			api = "passthrough"
		}
		op := p.Routes[i].ID[len(api)+1:]
		if !slices.Contains(d.operations[api][max(0, len(d.operations[api])-1):], op) { // one route for each host
			d.operations[api] = append(d.operations[api], op)
		}
	}
	if len(p.Models) > 0 {
		d.apis = append(d.apis, "ai")
	}
	if len(p.Prompts) > 0 {
		d.apis = append(d.apis, "prompt")
	}
	if len(d.operations["passthrough"]) > 0 {
		d.apis = append(d.apis, "passthrough")
	}
	if p.Withheld.Some("tenants", "apps") {
		d.apis, d.unread["passthrough"] = append(d.apis, "passthrough"), true
	}
	if p.Withheld.Some("prompts") {
		d.apis, d.unread["prompt"] = append(d.apis, "prompt"), true
	}
	for i := range p.Apps {
		t := p.Tenants[p.Apps[i].Tenant].Name
		d.apps[t] = append(d.apps[t], p.Apps[i].Name)
	}
	without := p.Withheld.Names
	d.models = append(d.models, without["models"]...)
	d.providers = append(d.providers, without["providers"]...)
	d.tenants, d.unknown = append(d.tenants, without["tenants"]...), without["tenants"]
	for _, api := range without["apis"] {
		d.apis, d.unread[api] = append(d.apis, api), true
	}
	for _, app := range without["apps"] {
		tenant, name, _ := strings.Cut(app, "/")
		d.apps[tenant] = append(d.apps[tenant], name)
	}
	return d
}

// missing returns the name in a pattern that nothing has, what it should be the name of ("" if nothing is missing), and
// the names that there are.
func (d *defined) missing(text, field string) (kind, name string, all []string) {
	lacks := func(what, n string, all []string) bool {
		if n == "" || slices.Contains(all, n) {
			return false
		}
		kind, name = what, n
		return true
	}
	switch {
	case field == "among":
		if lacks("provider", text, d.providers) {
			return kind, name, d.providers
		}
	case field == "calls", field == "unless" && ir.IsCall(text):
		c, _ := ir.ParseCall(text)
		model, api, op := c.Names()
		switch {
		case lacks("model", model, d.models):
			return kind, name, d.models
		case lacks("API", api, d.apis):
			return kind, name, d.apis
		case api != "" && !d.unread[api] && lacks("operation", op, d.operations[api]):
			return kind, name, d.operations[api]
		}
	default:
		c, _ := ir.ParseCaller(text)
		tenant, app := c.Names()
		switch {
		case lacks("tenant", tenant, d.tenants):
			return kind, name, d.tenants
		case tenant != "" && !slices.Contains(d.unknown, tenant) && lacks("app", app, d.apps[tenant]):
			return kind, name, d.apps[tenant]
		}
	}
	return "", "", nil
}

// notThere reports a name of an assertion that nothing has. text is the whole pattern.
func (l *linker) notThere(a *ir.Assertion, kind, name, text string, all []string, path ...string) {
	of := kind
	switch before, _, _ := strings.Cut(text, "."); {
	case kind == "operation":
		of = fmt.Sprintf("operation of API %q", before)
	case kind == "app":
		tenant, _, _ := strings.Cut(text, "/")
		of = fmt.Sprintf("app of tenant %q", tenant)
	}
	d := diag.Diagnostic{Code: codeAsserted, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)},
		Summary: fmt.Sprintf("assertion %q names unknown %s %q", a.Name, of, name)}
	switch best, ok := diag.Nearest(name, all); {
	case ok:
		right := strings.TrimSuffix(text, name) + best
		if kind == "API" || kind == "tenant" {
			right = best + strings.TrimPrefix(text, name)
		}
		d.Primary.Text = fmt.Sprintf("did you mean %q?", right)
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %s %q", kind, best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(right)}}}}
	case len(all) == 0:
		d.Notes = []string{fmt.Sprintf("no %s is defined", of)}
	default:
		d.Notes = []string{fmt.Sprintf("%ss: %s", kind, some(slices.Sorted(slices.Values(all))))}
	}
	l.report.Add(d)
}
