// Package table lays a linked program out as an artifact: names become indices, routes become the flat table of
// package match.
//
// A program whose references are resolved enters; an [artifact.Artifact] without provenance leaves, in canonical
// order, so that equal programs give equal artifacts. This is where the routes are proved free of ambiguity: match
// finds two routes that one request could take, and both places are named with that request. Nothing is shadowed,
// because a lookup takes back a choice that leads nowhere: a route is found by every path that it alone matches.
package table

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of this stage. Each has its page in schema/rules.
const (
	codeDuplicate diag.Code = "GWC2007" // one route twice
	codeAmbiguous diag.Code = "GWC2008" // two routes that one request could take
	codeModels    diag.Code = "GWC2009" // a route where the models' own API is
	codeTemplate  diag.Code = "GWC2017" // base path and template together are no pattern
	codePrompt    diag.Code = "GWC2418" // a prompt where something else is
)

// Table returns the artifact of a program, or nil where routes collide. It may be called for a program with
// unresolved references, to find collisions; the artifact is then of no use.
func Table(p *ir.Program) (*artifact.Artifact, diag.Report) {
	var report diag.Report
	// Routes are sorted by their indices: they are large, and most are in order already.
	order := make([]int, len(p.Routes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &p.Routes[a], &p.Routes[b]
		if c := strings.Compare(x.ID, y.ID); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(x.Host, y.Host), strings.Compare(x.Method, y.Method))
	})
	routes := make([]*ir.Route, len(order))
	for i, at := range order {
		routes[i] = &p.Routes[at]
	}
	patterns := make([]match.Pattern, len(routes))
	for i, r := range routes {
		patterns[i] = match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path, Value: uint32(i)}
	}
	t, conflicts := match.Build(patterns)
	if len(conflicts) > 0 {
		collisions(p, routes, conflicts, &report)
		return nil, report
	}
	a := &artifact.Artifact{Table: t, Gateway: artifact.Gateway{Admin: p.Gateway.Admin, Calls: p.Gateway.Calls, Signatures: p.Gateway.Signatures}, Locks: p.Locks}
	for _, l := range p.Gateway.Listeners {
		a.Gateway.Listeners = append(a.Gateway.Listeners, artifact.Listener(l))
	}
	for _, v := range p.Providers {
		a.Providers = append(a.Providers, artifact.Provider{Name: v.Name, Kind: v.Kind, BaseURL: v.BaseURL, Credentials: v.Credentials, Headers: v.Headers, Timeouts: v.Timeouts,
			Vendor: v.Vendor, APIVersion: v.APIVersion, API: v.API, Entra: v.Entra, Project: v.Project, Location: v.Location, Region: v.Region, AWSKeys: v.AWSKeys})
	}
	for i := range p.Models {
		m := &p.Models[i]
		out := artifact.Model{Name: m.Name, Strategy: m.Strategy, Retry: m.Retry, Timeouts: m.Timeouts, MaxTokens: m.MaxTokens, KeepAlive: m.KeepAlive}
		if m.OnLoss != "reject" {
			out.OnLoss = m.OnLoss
		}
		for _, t := range m.Targets {
			out.Targets = append(out.Targets, artifact.Target{Provider: t.Provider.Index, Model: t.Model})
		}
		out.Capabilities = slices.Sorted(slices.Values(m.Capabilities.Names()))
		a.Models = append(a.Models, out)
	}
	prices(p, a)
	a.Upstreams = slices.Grow(a.Upstreams, len(p.Upstreams))
	for _, u := range p.Upstreams {
		a.Upstreams = append(a.Upstreams, artifact.Upstream(u))
	}
	a.APIs = slices.Grow(a.APIs, len(p.APIs))
	for i := range p.APIs {
		v := &p.APIs[i]
		a.APIs = append(a.APIs, artifact.API{Name: v.Name, Owner: v.Owner.Index, BasePath: v.BasePath, Hosts: v.Hosts,
			Upstream: v.Upstream.Index, Title: v.Title, Version: v.Version, Document: artifact.Document{File: v.Document, Digest: v.Digest}})
	}
	a.Tenants = slices.Grow(a.Tenants, len(p.Tenants))
	for _, v := range p.Tenants {
		a.Tenants = append(a.Tenants, artifact.Tenant(v))
	}
	a.Apps = slices.Grow(a.Apps, len(p.Apps))
	for i := range p.Apps {
		v := &p.Apps[i]
		out := artifact.App{Name: v.Name, Tenant: v.Tenant, Limits: v.Limits}
		for _, m := range v.Models {
			out.Models = append(out.Models, m.Index)
		}
		slices.Sort(out.Models)
		out.Models = slices.Compact(out.Models)
		for _, q := range v.Prompts {
			out.Prompts = append(out.Prompts, q.Index)
		}
		slices.Sort(out.Prompts)
		out.Prompts = slices.Compact(out.Prompts)
		out.Passthrough = passthrough(v)
		a.Apps = append(a.Apps, out)
	}
	a.Keys = slices.Grow(a.Keys, len(p.Keys))
	for i := range p.Prompts {
		a.Prompts = append(a.Prompts, p.Prompts[i].Runs())
	}
	for _, k := range p.Keys {
		a.Keys = append(a.Keys, artifact.Key{Hash: k.Hash, ID: k.ID, App: k.App, Expires: k.Expires})
	}
	slices.SortFunc(a.Keys, func(x, y artifact.Key) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	a.Routes = make([]artifact.Route, len(routes))
	for i, r := range routes {
		a.Routes[i] = artifact.Route{ID: r.ID, Kind: r.Kind, Host: r.Host, Method: r.Method, Path: r.Path, API: r.API,
			Operation: r.Operation, Auth: r.Auth, Timeout: r.Timeout, Prompt: r.Prompt, Provider: r.Provider,
			Origin: artifact.Origin{File: r.Origin.File, Line: r.Origin.Start.Line}}
	}
	return a, report
}

// collisions reports routes that cannot stand beside each other. Pairs of the same two APIs, or within one API, are
// folded into the first with a count: they have one cause.
func collisions(p *ir.Program, routes []*ir.Route, conflicts []match.Conflict, report *diag.Report) {
	type pair struct {
		code diag.Code
		a, b int
	}
	at := map[pair]int{}
	prompts := map[string]bool{}
	var found []diag.Diagnostic
	var more []int
	var ids [][]string // of the operations that collide within one API
	for _, c := range conflicts {
		a, b := routes[c.A], routes[c.B]
		if c.A != c.B && b.API < 0 {
			a, b = b, a // the primary place is the one that a team can change
		}
		if a.Kind.Prompt() || b.Kind.Prompt() {
			promptCollides(p, a, b, c.Witness, prompts, report)
			continue
		}
		d := diag.Diagnostic{Severity: diag.Error, Primary: diag.Label{Span: b.Origin}, Path: []string{"apis", apiName(p, b), "operations", b.Operation}}
		switch {
		case c.Kind == "malformed":
			d.Code, d.Summary = codeTemplate, fmt.Sprintf("%s cannot be published at %q: %s", what(b), b.Path, c.Witness)
		case a.API < 0:
			d.Code = codeModels
			d.Summary = fmt.Sprintf("%s is published at %s %s, where the models' own API is", what(b), b.Method, b.Path)
			d.Notes = []string{fmt.Sprintf("clients find the models of this gateway at %s %s", a.Method, a.Path), fmt.Sprintf("both match %s", c.Witness)}
			d.Help = []string{fmt.Sprintf("give API %q another basePath", apiName(p, b))}
		case c.Kind == "duplicate":
			d.Code = codeDuplicate
			d.Summary = fmt.Sprintf("%s and %s are both published at %s %s", what(a), what(b), b.Method, b.Path)
			d.Secondary = []diag.Label{{Span: a.Origin, Text: what(a) + " is here"}}
		default:
			d.Code = codeAmbiguous
			d.Summary = fmt.Sprintf("%s (%s %s) and %s (%s) match the same requests", what(a), a.Method, a.Path, what(b), b.Path)
			d.Secondary = []diag.Label{{Span: a.Origin, Text: what(a) + " is here"}}
			d.Notes = []string{fmt.Sprintf("both match %s", c.Witness)}
			if a.API != b.API {
				d.Help = []string{"give one of the two APIs another basePath, or a host of its own"}
			}
		}
		k := pair{d.Code, a.API, b.API}
		if i, ok := at[k]; ok {
			more[i]++
			if !slices.Contains(ids[i], b.Operation) {
				ids[i] = append(ids[i], b.Operation)
			}
			continue
		}
		at[k] = len(found)
		found = append(found, d)
		more = append(more, 0)
		ids = append(ids, []string{b.Operation})
	}
	for i, d := range found {
		if d.Code == codeAmbiguous && d.Help == nil {
			d.Help = []string{"remove one of the two from the document, or give it another path: no request says which is meant", leaveOut(d.Path[1], ids[i])}
		}
		switch n := more[i]; {
		case n == 1:
			d.Notes = append(d.Notes, "another pair of operations collides in the same way")
		case n > 1:
			d.Notes = append(d.Notes, fmt.Sprintf("%d more pairs of operations collide in the same way", n))
		}
		report.Add(d)
	}
}

// promptCollides reports a prompt that stands where another route is, once for each pair.
func promptCollides(p *ir.Program, a, b *ir.Route, witness string, said map[string]bool, report *diag.Report) {
	if !b.Kind.Prompt() {
		a, b = b, a
	}
	key := a.Operation + "\x00" + apiName(p, a) + "\x00" + b.Operation
	if said[key] {
		return
	}
	said[key] = true
	path := []string{"prompts", b.Operation, "path"}
	d := diag.Diagnostic{Severity: diag.Error, Code: codePrompt, Path: path, Primary: diag.Label{Span: b.PathAt},
		Notes: []string{fmt.Sprintf("both match %s", witness)}, Help: []string{"give the prompt another path"}}
	switch {
	case a.Kind.Prompt():
		d.Summary = fmt.Sprintf("prompt %q is published at %s %s, where prompt %q is", b.Operation, b.Method, b.Path, a.Operation)
		d.Secondary = []diag.Label{{Span: a.PathAt, Text: fmt.Sprintf("prompt %q is here", a.Operation)}}
	case a.API < 0:
		d.Summary = fmt.Sprintf("prompt %q is published at %s %s, where the models' own API is", b.Operation, b.Method, b.Path)
	default:
		d.Summary = fmt.Sprintf("prompt %q is published at %s %s, where %s is (%s %s)", b.Operation, b.Method, b.Path, what(a), a.Method, a.Path)
		d.Secondary = []diag.Label{{Span: a.Origin, Text: what(a) + " is here"}}
	}
	report.Add(d)
}

// leaveOut says how an API does without operations of its document.
func leaveOut(api string, ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = strconv.Quote(id)
	}
	return fmt.Sprintf("or leave it out: apis: %q: exclude: [%s]", api, strings.Join(quoted, ", "))
}

func apiName(p *ir.Program, r *ir.Route) string {
	if r.API < 0 {
		return ""
	}
	return p.APIs[r.API].Name
}

func what(r *ir.Route) string { return fmt.Sprintf("operation %q", r.ID) }
