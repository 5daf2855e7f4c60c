// Package link puts all units of a repository together: it resolves every reference by name and finds what no unit
// can see alone.
//
// A program of lower enters; the same program with its references resolved leaves, and a report. One mistake gives
// one diagnostic: what follows from an unknown name, such as a definition that nobody uses because its name was
// misspelt elsewhere, is not reported again, and of two APIs that share a path the collision is said once and not
// for each of their operations.
//
// Resolution by scope (a tenant's own names before the platform's) was refused: a name means the same in every file.
package link

import (
	"cmp"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of this stage. Each has its page in schema/rules.
const (
	codeProvider   diag.Code = "GWC2001" // a target's provider does not exist
	codeModel      diag.Code = "GWC2002" // an app's model does not exist
	codeUpstream   diag.Code = "GWC2003" // an API's upstream does not exist
	codeOwner      diag.Code = "GWC2004" // an API's owner is no tenant
	codeSamePath   diag.Code = "GWC2006" // two APIs on one base path
	codeKeyHash    diag.Code = "GWC2011" // two keys with one hash
	codeAddress    diag.Code = "GWC2012" // two listeners on one address
	codeUnused     diag.Code = "GWC2013" // a definition that nobody uses
	codeReserved   diag.Code = "GWC2014" // an API with a reserved name
	codeNeverLimit diag.Code = "GWC2015" // a limit that another one makes void
	codeNotOwn     diag.Code = "GWC2016" // an API in the folder of a tenant that does not own it
)

// Link returns the program with its references resolved. Where the report has an error the program is of use only to
// find more of them.
func Link(p *ir.Program) (*ir.Program, diag.Report) {
	q := *p
	l := linker{p: &q, missing: map[string]bool{}}
	l.providers()
	l.catalogue()
	l.upstreams()
	l.apps()
	l.prompts()
	l.passthrough()
	l.keys()
	l.addresses()
	l.signatures()
	l.paths()
	l.unused()
	l.assertions()
	return l.p, l.report
}

type linker struct {
	p      *ir.Program
	report diag.Report

	vendor                                   []string         // by provider: the catalogue's name of it, or ""
	found                                    map[string]found // in the shipped catalogue, by "provider/model"
	providersUsed, modelsUsed, upstreamsUsed []bool
	missing                                  map[string]bool // kinds of which an unknown name was reported
}

// index finds a name among definitions sorted by name.
func index[T any](list []T, name string, of func(*T) string) int {
	i, ok := sort.Find(len(list), func(i int) int { return cmp.Compare(name, of(&list[i])) })
	if !ok {
		return ir.Unresolved
	}
	return i
}

func names[T any](list []T, of func(*T) string) []string {
	l := make([]string, len(list))
	for i := range list {
		l[i] = of(&list[i])
	}
	return l
}

func providerName(p *ir.Provider) string { return p.Name }
func modelName(m *ir.Model) string       { return m.Name }
func upstreamName(u *ir.Upstream) string { return u.Name }
func tenantName(t *ir.Tenant) string     { return t.Name }

// unknown reports a reference to a name that is not defined.
func (l *linker) unknown(code diag.Code, kind, user, name string, all []string, path ...string) {
	l.missing[kind] = true
	if l.p.Withheld.Has(kind+"s", name) {
		return // It is there, with a mistake in it that was reported.
	}
	all = append(slices.Clip(all), l.p.Withheld.Names[kind+"s"]...)
	d := diag.Diagnostic{Code: code, Severity: diag.Error, Path: path, Summary: fmt.Sprintf("%s names unknown %s %q", user, kind, name),
		Primary: diag.Label{Span: l.p.Places.Value(path...)}}
	best, ok := diag.Nearest(name, all)
	switch {
	case ok:
		d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
		d.Secondary = []diag.Label{{Span: l.p.Places.Key(kind+"s", best), Text: fmt.Sprintf("%s %q is defined here", kind, best)}}
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %s %q", kind, best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
	case len(all) == 0:
		d.Notes = []string{fmt.Sprintf("no %s is defined", kind)}
	default:
		d.Notes = []string{fmt.Sprintf("%ss: %s", kind, some(all))}
	}
	if !ok {
		d.Help = []string{fmt.Sprintf("define it under %ss, or name one that is defined", kind)}
	}
	l.report.Add(d)
}

// some lists names, but not hundreds of them.
func some(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (l *linker) providers() {
	l.providersUsed = make([]bool, len(l.p.Providers))
	var all []string
	models := slices.Clone(l.p.Models)
	for i := range models {
		m := &models[i]
		m.Targets = slices.Clone(m.Targets)
		for j := range m.Targets {
			ref := &m.Targets[j].Provider
			ref.Index = index(l.p.Providers, ref.Name, providerName)
			if ref.Index == ir.Unresolved {
				if all == nil {
					all = names(l.p.Providers, providerName)
				}
				l.unknown(codeProvider, "provider", fmt.Sprintf("target %d of model %q", j+1, m.Name), ref.Name, all,
					"models", m.Name, "targets", strconv.Itoa(j), "provider")
			} else {
				l.providersUsed[ref.Index] = true
			}
		}
	}
	l.p.Models = models
	for i := range l.p.Providers {
		l.peculiar(&l.p.Providers[i])
	}
}

func (l *linker) upstreams() {
	l.upstreamsUsed = make([]bool, len(l.p.Upstreams))
	var upstreams, tenants []string
	apis := slices.Clone(l.p.APIs)
	for i := range apis {
		a := &apis[i]
		a.Upstream.Index = index(l.p.Upstreams, a.Upstream.Name, upstreamName)
		if a.Upstream.Index == ir.Unresolved {
			if upstreams == nil {
				upstreams = names(l.p.Upstreams, upstreamName)
			}
			l.unknown(codeUpstream, "upstream", fmt.Sprintf("API %q", a.Name), a.Upstream.Name, upstreams, "apis", a.Name, "upstream")
		} else {
			l.upstreamsUsed[a.Upstream.Index] = true
		}
		if a.Owner.Name != "" {
			if a.Owner.Index = index(l.p.Tenants, a.Owner.Name, tenantName); a.Owner.Index == ir.Unresolved {
				if tenants == nil {
					tenants = names(l.p.Tenants, tenantName)
				}
				l.unknown(codeOwner, "tenant", fmt.Sprintf("owner of API %q", a.Name), a.Owner.Name, tenants, "apis", a.Name, "owner")
			} else {
				l.ownFolder(a)
			}
		}
		if a.Name == "ai" {
			l.report.Add(diag.Diagnostic{Code: codeReserved, Severity: diag.Error, Path: []string{"apis", "ai"},
				Summary: `API "ai" has a reserved name`, Primary: diag.Label{Span: l.p.Places.Key("apis", "ai")},
				Notes: []string{`routes are called "api.operation" in logs and metrics, and "ai." begins those of the models' own paths`},
				Help:  []string{"give the API another name"}})
		}
		if a.Name == "passthrough" {
			l.report.Add(diag.Diagnostic{Code: codeReserved, Severity: diag.Error, Path: []string{"apis", "passthrough"},
				Summary: `API "passthrough" has a reserved name`, Primary: diag.Label{Span: l.p.Places.Key("apis", "passthrough")},
				Notes: []string{`routes are called "api.operation" in logs and metrics, and "passthrough." begins those of providers' own paths`},
				Help:  []string{"give the API another name"}})
		}
		if a.Name == "prompt" {
			l.report.Add(diag.Diagnostic{Code: codeReserved, Severity: diag.Error, Path: []string{"apis", "prompt"},
				Summary: `API "prompt" has a reserved name`, Primary: diag.Label{Span: l.p.Places.Key("apis", "prompt")},
				Notes: []string{`routes are called "api.operation" in logs and metrics, and "prompt." begins those of prompts`},
				Help:  []string{"give the API another name"}})
		}
	}
	l.p.APIs = apis
}

// ownFolder finds an API that says it is another tenant's than the one whose folder it stands in: that tenant's
// reviewers never saw it.
func (l *linker) ownFolder(a *ir.API) {
	path := []string{"apis", a.Name, "owner"}
	// Nearly all are their folder's own, which is known without the place.
	if u, ok := l.p.Places.(interface{ Folder(...string) string }); ok && u.Folder("apis", a.Name) == a.Owner.Name {
		return
	}
	at := l.p.Places.Value(path...)
	below, ok := strings.CutPrefix(at.File, "tenants/")
	folder, _, deeper := strings.Cut(below, "/")
	if !ok || !deeper || folder == a.Owner.Name {
		return
	}
	l.report.Add(diag.Diagnostic{Code: codeNotOwn, Severity: diag.Error, Path: path,
		Summary: fmt.Sprintf("API %q stands in the folder of tenant %q and says that tenant %q owns it", a.Name, folder, a.Owner.Name),
		Primary: diag.Label{Span: at},
		Help:    []string{fmt.Sprintf("leave owner out, or move the API to tenants/%s", a.Owner.Name)}})
}

func (l *linker) apps() {
	l.modelsUsed = make([]bool, len(l.p.Models))
	var all []string
	apps := slices.Clone(l.p.Apps)
	for i := range apps {
		a := &apps[i]
		tenant := l.p.Tenants[a.Tenant].Name
		a.Models = slices.Clone(a.Models)
		for j := range a.Models {
			ref := &a.Models[j]
			ref.Index = index(l.p.Models, ref.Name, modelName)
			if ref.Index == ir.Unresolved {
				if all == nil {
					all = names(l.p.Models, modelName)
				}
				l.unknown(codeModel, "model", fmt.Sprintf("app %q of tenant %q", a.Name, tenant), ref.Name, all,
					"tenants", tenant, "apps", a.Name, "models", strconv.Itoa(j))
			} else {
				l.modelsUsed[ref.Index] = true
			}
		}
		l.limits(a, tenant)
	}
	l.p.Apps = apps
}

// limits finds limits of an app that can never refuse a request, because another one always does so first. A limit is
// a bucket that holds its requests and refills evenly over its window; of two buckets, the one that holds no more and
// refills no faster is always empty first.
func (l *linker) limits(a *ir.App, tenant string) {
	for i, lim := range a.Limits {
		for j, other := range a.Limits {
			if i == j || other.Requests > lim.Requests || faster(other, lim) || other == lim && i < j {
				continue
			}
			path := func(i int) []string {
				return []string{"tenants", tenant, "apps", a.Name, "limits", strconv.Itoa(i)}
			}
			l.report.Add(diag.Diagnostic{Code: codeNeverLimit, Severity: diag.Error, Path: path(i),
				Summary:   fmt.Sprintf("limit of %s of app %q can never apply", per(lim), a.Name),
				Primary:   diag.Label{Span: l.p.Places.Value(path(i)...)},
				Secondary: []diag.Label{{Span: l.p.Places.Value(path(j)...), Text: per(other) + " are always used up first"}},
				Help:      []string{"remove one of the two limits"}})
			break
		}
	}
}

func per(l artifact.Limit) string {
	return fmt.Sprintf("%d requests per %s", l.Requests, ir.Duration(l.Per))
}

// faster reports whether a refills faster than b.
func faster(a, b artifact.Limit) bool {
	hiA, loA := bits.Mul64(uint64(a.Requests), uint64(b.Per))
	hiB, loB := bits.Mul64(uint64(b.Requests), uint64(a.Per))
	return hiA > hiB || hiA == hiB && loA > loB
}

// keys finds keys that two apps share. Ids are unique within an app, which check saw to.
func (l *linker) keys() {
	first := make(map[[32]byte]int, len(l.p.Keys))
	path := func(k *ir.Key) []string {
		a := &l.p.Apps[k.App]
		return []string{"tenants", l.p.Tenants[a.Tenant].Name, "apps", a.Name, "keys", strconv.Itoa(k.At), "hash"}
	}
	for i := range l.p.Keys {
		k := &l.p.Keys[i]
		j, same := first[k.Hash]
		if !same {
			first[k.Hash] = i
			continue
		}
		f := &l.p.Keys[j]
		l.report.Add(diag.Diagnostic{Code: codeKeyHash, Severity: diag.Error, Path: path(k),
			Summary:   fmt.Sprintf("key %q of app %q has the hash of key %q of app %q", k.ID, l.app(k), f.ID, l.app(f)),
			Primary:   diag.Label{Span: l.p.Places.Value(path(k)...)},
			Secondary: []diag.Label{{Span: l.p.Places.Value(path(f)...), Text: "first here"}},
			Notes:     []string{"keys are looked up by hash alone, so a key belongs to one app"},
			Help:      []string{"make a key for each app with `gwc keys new`"}})
	}
}

// app names the app of a key for people: "acme/web".
func (l *linker) app(k *ir.Key) string {
	a := &l.p.Apps[k.App]
	return l.p.Tenants[a.Tenant].Name + "/" + a.Name
}

// addresses finds two listeners that cannot both be opened.
func (l *linker) addresses() {
	type listener struct {
		what       string
		host, port string
		path       []string
	}
	var all []listener
	add := func(what, address string, path ...string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port == "0" {
			return // the schema judges addresses; port 0 is any free one
		}
		ln := listener{what, host, port, path}
		for _, o := range all {
			if o.port == port && overlap(o.host, host) {
				l.report.Add(diag.Diagnostic{Code: codeAddress, Severity: diag.Error, Path: path,
					Summary:   fmt.Sprintf("%s and %s are on one address, %q", o.what, what, address),
					Primary:   diag.Label{Span: l.p.Places.Value(path...)},
					Secondary: []diag.Label{{Span: l.p.Places.Value(o.path...), Text: o.what + " is here"}}})
				return
			}
		}
		all = append(all, ln)
	}
	for i := range l.p.Gateway.Listeners {
		ln := &l.p.Gateway.Listeners[i]
		add(fmt.Sprintf("listener %q", ln.Name), ln.Address, "gateway", "listeners", ln.Name, "address")
	}
	if l.p.Gateway.Admin != "" {
		add("the admin listener", l.p.Gateway.Admin, "gateway", "admin", "address")
	}
}

// overlap reports whether two hosts of listeners on one port stand in each other's way. An empty host and the
// unspecified addresses are all addresses of the machine; "localhost" is 127.0.0.1 for this purpose.
func overlap(a, b string) bool {
	canonical := func(h string) (ip net.IP, any bool) {
		if h == "" {
			return nil, true
		}
		if strings.EqualFold(h, "localhost") {
			h = "127.0.0.1"
		}
		ip = net.ParseIP(h)
		return ip, ip != nil && ip.IsUnspecified()
	}
	ipA, anyA := canonical(a)
	ipB, anyB := canonical(b)
	if anyA || anyB {
		return true
	}
	if ipA != nil && ipB != nil {
		return ipA.Equal(ipB)
	}
	return strings.EqualFold(a, b)
}

// paths finds APIs that share host and base path, and takes the routes of all but the first out of the program, so
// that the collision is not said again for their operations. At the root that is an error only of APIs that have an
// operation in common: documents with whole paths stand there beside each other.
func (l *linker) paths() {
	type where struct{ host, path string }
	first := make(map[where]int, len(l.p.APIs))
	drop := map[int]bool{}
	for i := range l.p.APIs {
		a := &l.p.APIs[i]
		hosts := a.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, h := range hosts {
			w := where{h, a.BasePath}
			f, ok := first[w]
			if !ok {
				first[w] = i
				continue
			}
			if drop[i] || a.BasePath == "" && !l.meet(f, i) {
				continue
			}
			drop[i] = true
			other := &l.p.APIs[f]
			on := ""
			if h != "" {
				on = fmt.Sprintf(" on host %q", h)
			}
			d := diag.Diagnostic{Code: codeSamePath, Severity: diag.Error, Path: []string{"apis", a.Name, "basePath"},
				Summary:   fmt.Sprintf("APIs %q and %q are both published at %q%s", other.Name, a.Name, cmp.Or(a.BasePath, "/"), on),
				Primary:   diag.Label{Span: l.basePath(a)},
				Secondary: []diag.Label{{Span: l.basePath(other), Text: fmt.Sprintf("API %q is here", other.Name)}},
				Help:      []string{"give each API a basePath of its own, such as " + strconv.Quote("/"+a.Name)}}
			l.report.Add(d)
		}
	}
	if len(drop) == 0 {
		return
	}
	var keep []ir.Route
	for _, r := range l.p.Routes {
		if r.Kind != artifact.RouteAPI || !drop[r.API] {
			keep = append(keep, r)
		}
	}
	l.p.Routes = keep
}

// meet reports whether two APIs publish one method at one path.
func (l *linker) meet(a, b int) bool {
	type door struct{ host, method, path string }
	doors := map[door]bool{}
	for i := range l.p.Routes {
		if r := &l.p.Routes[i]; r.API == a {
			doors[door{r.Host, r.Method, r.Path}] = true
		}
	}
	for i := range l.p.Routes {
		if r := &l.p.Routes[i]; r.API == b && doors[door{r.Host, r.Method, r.Path}] {
			return true
		}
	}
	return false
}

// basePath is the place of an API's base path, or of its name where the file says none.
func (l *linker) basePath(a *ir.API) diag.Span {
	if s := l.p.Places.Value("apis", a.Name, "basePath"); !s.IsZero() {
		return s
	}
	return l.p.Places.Key("apis", a.Name)
}

func (l *linker) unused() {
	warn := func(kind, name, why string) {
		users := map[string][]string{"provider": {"models", "tenants", "apps"}, "upstream": {"apis"}, "model": {"tenants", "apps", "prompts"}}
		if l.missing[kind] || l.missing["model"] && kind == "provider" || l.p.Withheld.Some(users[kind]...) {
			return // perhaps this is what an unknown name was to be, or what such a thing would use
		}
		l.report.Add(diag.Diagnostic{Code: codeUnused, Severity: diag.Warning, Path: []string{kind + "s", name},
			Summary: fmt.Sprintf("%s %q is not used: %s", kind, name, why),
			Primary: diag.Label{Span: l.p.Places.Key(kind+"s", name)}})
	}
	for i, used := range l.providersUsed {
		if !used {
			warn("provider", l.p.Providers[i].Name, "no model has a target there")
		}
	}
	for i, used := range l.upstreamsUsed {
		if !used {
			warn("upstream", l.p.Upstreams[i].Name, "no API names it")
		}
	}
	for i, used := range l.modelsUsed {
		if !used {
			warn("model", l.p.Models[i].Name, "no app may ask for it")
		}
	}
}
