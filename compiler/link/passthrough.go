package link

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of passthrough. Each has its page in schema/rules.
const (
	codePassProvider diag.Code = "GWC2370" // an app opens paths of an unknown provider
	codePassClosed   diag.Code = "GWC2372" // an opened path leads to what stays closed
	codePassBody     diag.Code = "GWC2373" // methods with bodies at a provider that wants bodies signed
	codePassSocket   diag.Code = "GWC2374" // methods beside websocket
	codePassTwice    diag.Code = "GWC2375" // one path opened twice, or two paths that no rule tells apart
	codePassProject  diag.Code = "GWC2376" // paths of Vertex AI beyond the provider's project and location
)

// passthrough resolves the providers of which apps open paths, and judges the paths by the kind of provider.
func (l *linker) passthrough() {
	apps := slices.Clone(l.p.Apps)
	var all []string
	for i := range apps {
		a := &apps[i]
		if len(a.Passthrough) == 0 {
			continue
		}
		tenant := l.p.Tenants[a.Tenant].Name
		a.Passthrough = slices.Clone(a.Passthrough)
		for j := range a.Passthrough {
			o := &a.Passthrough[j]
			path := []string{"tenants", tenant, "apps", a.Name, "passthrough", strconv.Itoa(j)}
			if o.Provider.Index = index(l.p.Providers, o.Provider.Name, providerName); o.Provider.Index == ir.Unresolved {
				if all == nil {
					all = names(l.p.Providers, providerName)
				}
				l.unknown(codePassProvider, "provider", fmt.Sprintf("app %q of tenant %q", a.Name, tenant), o.Provider.Name, all, append(path, "provider")...)
				continue
			}
			l.providersUsed[o.Provider.Index] = true
			l.opened(a, o, path)
		}
		l.openedTwice(a, tenant)
	}
	l.p.Apps = apps
}

// opened judges one element of an app's passthrough.
func (l *linker) opened(a *ir.App, o *ir.Passthrough, path []string) {
	p := &l.p.Providers[o.Provider.Index]
	if o.WebSocket && len(o.Methods) > 0 {
		at := append(slices.Clone(path), "methods")
		l.report.Add(diag.Diagnostic{Code: codePassSocket, Severity: diag.Error, Path: at, Primary: diag.Label{Span: l.p.Places.Key(at...)},
			Summary:   fmt.Sprintf("app %q opens paths for WebSocket and names methods", a.Name),
			Secondary: []diag.Label{{Span: l.p.Places.Key(append(slices.Clone(path), "websocket")...), Text: "opens them for WebSocket alone"}},
			Help:      []string{"leave methods out; open the paths once more without websocket where they answer other requests as well"}})
		return
	}
	if body := slices.DeleteFunc(slices.Clone(o.Methods), func(m string) bool { return slices.Contains(passthrough.Bodiless(), m) }); passthrough.SignsBody(p.Kind) && len(body) > 0 {
		at := append(slices.Clone(path), "methods")
		span := l.p.Places.Key(at...)
		if span.IsZero() {
			span = l.p.Places.Value(append(slices.Clone(path), "provider")...)
		}
		l.report.Add(diag.Diagnostic{Code: codePassBody, Severity: diag.Error, Path: at, Primary: diag.Label{Span: span},
			Summary: fmt.Sprintf("app %q opens %s at provider %q of kind %q, where bodies are signed before they are sent", a.Name, strings.Join(body, ", "), p.Name, p.Kind),
			Notes:   []string{"a passthrough streams bodies and never holds them, so there is nothing to sign"},
			Help:    []string{`open what needs no body: methods: ["GET", "DELETE"]`}})
		return
	}
	for k, at := range o.Paths {
		place := append(slices.Clone(path), "paths", strconv.Itoa(k))
		span := diag.Label{Span: l.p.Places.Value(place...)}
		if p.Kind == "vertex" && !within(p, at) {
			l.report.Add(diag.Diagnostic{Code: codePassProject, Severity: diag.Error, Path: place, Primary: span,
				Summary:   fmt.Sprintf("%q reaches beyond the project and location of provider %q", at, p.Name),
				Secondary: []diag.Label{{Span: l.p.Places.Value("providers", p.Name, "project"), Text: "the project"}},
				Help:      []string{fmt.Sprintf("begin the path with %q", "/v1/projects/"+p.Project+"/locations/"+p.Location+"/")}})
			continue
		}
		if witness, why := passthrough.Refused(p.Kind, o.Opened(), at); why != "" {
			d := diag.Diagnostic{Code: codePassClosed, Severity: diag.Error, Path: place, Primary: span,
				Summary: fmt.Sprintf("%q at provider %q cannot be opened: it %s", at, p.Name, why)}
			if witness != at {
				d.Summary = fmt.Sprintf("%q at provider %q cannot be opened: it takes %s, which %s", at, p.Name, witness, why)
			}
			switch why {
			case passthrough.AsksModel:
				d.Notes = []string{"models are asked at gwc's own paths, where they are granted, limited and priced"}
				d.Help = []string{"name the paths that are needed, such as \"/files/{rest+}\"; for models, list them at the app: models: […]"}
			case passthrough.MakesKeys:
				d.Notes = []string{"with a credential of the provider's a caller would go around the gateway"}
			case passthrough.Wraps:
				d.Notes = []string{"what is asked there cannot be seen from outside"}
			}
			l.report.Add(d)
			continue
		}
	}
}

// within reports whether a path stays in the project and the location of a provider, behind a version of the API.
func within(p *ir.Provider, path string) bool {
	version, rest, _ := strings.Cut(path[1:], "/")
	return !strings.Contains(version, "{") && strings.HasPrefix(rest, "projects/"+p.Project+"/locations/"+p.Location+"/")
}

// openedTwice finds paths at one provider that two elements of an app's passthrough open for one method, and paths of
// which no rule says which one takes a request.
func (l *linker) openedTwice(a *ir.App, tenant string) {
	type door struct{ element, path int }
	doors := map[int][]door{}
	patterns := map[int][]match.Pattern{}
	for j := range a.Passthrough {
		o := &a.Passthrough[j]
		for k, path := range o.Paths {
			for _, m := range o.Opened() {
				doors[o.Provider.Index] = append(doors[o.Provider.Index], door{j, k})
				patterns[o.Provider.Index] = append(patterns[o.Provider.Index], match.Pattern{Method: m, Path: path})
			}
		}
	}
	said := map[[2]door]bool{}
	for i := range l.p.Providers {
		_, conflicts := match.Build(patterns[i])
		for _, c := range conflicts {
			x, y := doors[i][c.A], doors[i][c.B]
			if said[[2]door{x, y}] || c.Kind == "malformed" {
				continue
			}
			said[[2]door{x, y}] = true
			place := func(d door) []string {
				return []string{"tenants", tenant, "apps", a.Name, "passthrough", strconv.Itoa(d.element), "paths", strconv.Itoa(d.path)}
			}
			d := diag.Diagnostic{Code: codePassTwice, Severity: diag.Error, Path: place(y), Primary: diag.Label{Span: l.p.Places.Value(place(y)...)},
				Summary:   fmt.Sprintf("app %q opens %s of provider %q twice", a.Name, c.Witness, l.p.Providers[i].Name),
				Secondary: []diag.Label{{Span: l.p.Places.Value(place(x)...), Text: "first here"}}}
			if c.Kind == "ambiguous" {
				d.Summary = fmt.Sprintf("app %q opens %s of provider %q by two paths, and no rule says which one counts", a.Name, c.Witness, l.p.Providers[i].Name)
			}
			l.report.Add(d)
		}
	}
}
