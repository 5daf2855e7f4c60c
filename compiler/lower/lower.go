// Package lower turns a checked configuration and its OpenAPI documents into a program: sorted, defaults explicit,
// policies merged from API to operation, and every operation of every document a route under its API's base path.
//
// What it finds wrong is what only the two inputs together show: settings for an operation that the document does not
// have. References between definitions stay names here and are link's business, so that units can be lowered apart.
package lower

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/vendor"
)

const codeOperation diag.Code = "GWC2005" // settings for an operation that the document lacks

// Defaults that hold where neither the files nor the schema say anything.
const defaultAuth = "key"

// Lower returns the program. APIs whose document is not in docs get no routes.
func Lower(c *check.Config, docs *openapi.Documents) (*ir.Program, diag.Report) {
	l := lowerer{c: c, docs: docs, p: &ir.Program{Places: c.Positions(), Withheld: ir.Withheld(c.Withheld)}}
	l.gateway()
	for _, path := range sorted(c.Locks) {
		l.p.Locks = append(l.p.Locks, c.Locks[path])
	}
	l.providers()
	l.models()
	l.catalogue()
	l.upstreams()
	l.tenants()
	l.passthrough()
	l.prompts()
	l.apis()
	l.assertions()
	return l.p, l.report
}

type lowerer struct {
	c      *check.Config
	docs   *openapi.Documents
	p      *ir.Program
	report diag.Report
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (l *lowerer) gateway() {
	g := &l.p.Gateway
	for _, name := range sorted(l.c.Gateway.Listeners) {
		in := l.c.Gateway.Listeners[name]
		out := ir.Listener{Name: name, Address: in.Address, Engine: in.Engine}
		if in.TLS != nil {
			out.TLS = &artifact.TLS{Cert: in.TLS.Cert, Key: in.TLS.Key}
		}
		g.Listeners = append(g.Listeners, out)
	}
	g.Admin = l.c.Gateway.Admin
	g.Calls = artifact.Calls{Dir: l.c.Gateway.Calls.Dir, Flush: l.c.Gateway.Calls.Flush, MaxBytes: l.c.Gateway.Calls.MaxBytes}
	if len(l.c.Gateway.Signers) > 0 {
		g.Signatures = &artifact.Signing{Need: l.c.Gateway.Require}
		for _, name := range sorted(l.c.Gateway.Signers) {
			g.Signatures.Keys = append(g.Signatures.Keys, artifact.SigningKey{Name: name, Key: l.c.Gateway.Signers[name]})
		}
	}
}

func (l *lowerer) providers() {
	for _, name := range sorted(l.c.Providers) {
		in := l.c.Providers[name]
		out := ir.Provider{Name: name, Kind: in.Kind, BaseURL: strings.TrimRight(in.BaseURL, "/"),
			Credentials: in.Credentials, Timeouts: artifact.Timeouts(in.Timeouts), Catalogue: in.Catalogue,
			Vendor: in.Vendor, APIVersion: in.APIVersion, API: in.API, Entra: (*artifact.Entra)(in.Entra),
			Project: in.Project, Location: in.Location, Region: in.Region}
		if row := vendor.Get(in.Vendor); out.BaseURL == "" && row != nil {
			out.BaseURL = row.BaseURL
		}
		switch {
		case out.BaseURL != "":
		case out.Kind == "vertex":
			out.BaseURL = vertexURL(out.Location)
		case out.Kind == "bedrock":
			out.BaseURL = bedrockURL(out.Region)
		}
		for _, k := range in.AWSKeys {
			out.AWSKeys = append(out.AWSKeys, artifact.AWSKey(k))
		}
		for _, h := range sorted(in.Headers) {
			out.Headers = append(out.Headers, artifact.Header{Name: h, Value: in.Headers[h]})
		}
		l.p.Providers = append(l.p.Providers, out)
	}
}

// vertexURL is where a location of Vertex AI is served.
func vertexURL(location string) string {
	if location == "global" {
		return "https://aiplatform.googleapis.com"
	}
	return "https://" + location + "-aiplatform.googleapis.com"
}

// bedrockURL is where a region of AWS serves Bedrock. Regions in China have a domain of their own.
func bedrockURL(region string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain += ".cn"
	}
	return "https://bedrock-runtime." + region + "." + domain
}

func (l *lowerer) models() {
	for _, name := range sorted(l.c.Models) {
		in := l.c.Models[name]
		out := ir.Model{Name: name, Strategy: in.Strategy, Timeouts: artifact.Timeouts(in.Timeouts), MaxTokens: in.MaxTokens, OnLoss: in.OnLoss, KeepAlive: in.KeepAlive,
			Capabilities: capabilities(in.Capabilities), Price: (*ir.Price)(in.Price),
			GivenAttempts: in.Retry.Attempts != 0, Retry: artifact.Retry{Attempts: in.Retry.Attempts, On: slices.Compact(slices.Sorted(slices.Values(in.Retry.On)))}}
		for _, t := range in.Targets {
			out.Targets = append(out.Targets, ir.Target{Provider: ir.To(t.Provider), Model: t.Model, Price: (*ir.Price)(t.Price)})
		}
		if !out.GivenAttempts {
			out.Retry.Attempts = max(1, len(out.Targets))
		}
		l.p.Models = append(l.p.Models, out)
	}
	if len(l.p.Models) == 0 {
		return
	}
	for _, r := range artifact.AIRoutes() {
		l.p.Routes = append(l.p.Routes, ir.Route{ID: r.ID, Kind: r.Kind, Method: r.Method, Path: r.Path, API: -1, Auth: "key"})
	}
}

func (l *lowerer) upstreams() {
	for _, name := range sorted(l.c.Upstreams) {
		in := l.c.Upstreams[name]
		out := ir.Upstream{Name: name, Timeouts: artifact.Timeouts(in.Timeouts)}
		for _, e := range in.Endpoints {
			out.Endpoints = append(out.Endpoints, artifact.Endpoint{URL: strings.TrimRight(e.URL, "/"), Weight: max(1, e.Weight)})
		}
		l.p.Upstreams = append(l.p.Upstreams, out)
	}
}

func (l *lowerer) tenants() {
	for ti, tenant := range sorted(l.c.Tenants) {
		in := l.c.Tenants[tenant]
		l.p.Tenants = append(l.p.Tenants, ir.Tenant{Name: tenant, Owners: in.Owners})
		for _, name := range sorted(in.Apps) {
			app := in.Apps[name]
			out := ir.App{Name: name, Tenant: ti}
			for _, m := range app.Models {
				out.Models = append(out.Models, ir.To(m))
			}
			for _, q := range app.Prompts {
				out.Prompts = append(out.Prompts, ir.To(q))
			}
			for _, q := range app.Passthrough {
				out.Passthrough = append(out.Passthrough, opened(q))
			}
			for _, lim := range app.Limits {
				out.Limits = append(out.Limits, artifact.Limit(lim))
			}
			for i, k := range app.Keys {
				l.p.Keys = append(l.p.Keys, ir.Key{App: len(l.p.Apps), At: i, ID: k.ID, Hash: k.Hash, Expires: k.Expires})
			}
			l.p.Apps = append(l.p.Apps, out)
		}
	}
}

func (l *lowerer) apis() {
	names := sorted(l.c.APIs)
	routes := len(l.p.Routes)
	for _, a := range l.c.APIs {
		if doc := l.docs.ByFile[a.OpenAPI]; doc != nil {
			routes += len(doc.Operations) * max(1, len(a.Hosts))
		}
	}
	l.p.APIs = make([]ir.API, 0, len(names))
	l.p.Routes = slices.Grow(l.p.Routes, routes-len(l.p.Routes))
	for i, name := range names {
		in := l.c.APIs[name]
		out := ir.API{Name: name, Owner: ir.To(in.Owner), BasePath: strings.TrimRight(in.BasePath, "/"),
			Hosts: slices.Compact(slices.Sorted(slices.Values(in.Hosts))), Upstream: ir.To(in.Upstream), Document: in.OpenAPI}
		doc := l.docs.ByFile[in.OpenAPI]
		if doc == nil {
			out.Unread = true
			l.p.APIs = append(l.p.APIs, out)
			continue
		}
		out.Title, out.Version, out.Digest, out.Servers = doc.Title, doc.Version, doc.Digest, doc.Servers
		l.p.APIs = append(l.p.APIs, out)
		l.labels(name, &in, doc)
		hosts := out.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, op := range l.published(name, &in, doc) {
			own := in.Operations[op.ID].Policies
			r := ir.Route{ID: name + "." + op.ID, Kind: artifact.RouteAPI, Method: op.Method, Path: out.BasePath + op.Path, API: i,
				Operation: op.ID, Auth: defaultAuth, Timeout: in.Policies.Timeout, Origin: op.MethodSpan, PathAt: op.PathSpan}
			if in.Policies.Auth != "" {
				r.Auth = in.Policies.Auth
			}
			if own.Auth != "" {
				r.Auth = own.Auth
			}
			if own.Timeout != 0 {
				r.Timeout = own.Timeout
			}
			for _, h := range hosts {
				r.Host = h
				l.p.Routes = append(l.p.Routes, r)
			}
		}
	}
}

// labels reports settings for operations that the document does not have.
func (l *lowerer) labels(api string, in *check.API, doc *openapi.Document) {
	if len(in.Operations) == 0 || doc.Partial {
		return
	}
	ids := make([]string, 0, len(doc.Operations))
	known := make(map[string]bool, len(doc.Operations))
	for i := range doc.Operations {
		ids = append(ids, doc.Operations[i].ID)
		known[doc.Operations[i].ID] = true
	}
	for _, id := range sorted(in.Operations) {
		if known[id] {
			continue
		}
		d := diag.Diagnostic{Code: codeOperation, Severity: diag.Error, Path: []string{"apis", api, "operations", id},
			Summary: fmt.Sprintf("API %q has no operation %q", api, id),
			Primary: diag.Label{Span: l.c.Key("apis", api, "operations", id)}}
		if best, ok := diag.Nearest(id, ids); ok {
			at := slices.IndexFunc(doc.Operations, func(o openapi.Operation) bool { return o.ID == best })
			d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
			d.Secondary = []diag.Label{{Span: doc.Operations[at].IDSpan, Text: fmt.Sprintf("operation %q is here", best)}}
			d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name operation %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: quoteLabel(d.Primary.Span.File, best)}}}}
		} else if len(ids) > 0 {
			d.Notes = []string{"operations of " + fmt.Sprintf("%q", doc.File) + ": " + some(ids)}
		}
		l.report.Add(d)
	}
}

// quoteLabel writes a name as a label of CUE, or as a key of YAML or JSON.
func quoteLabel(file, s string) string {
	if path.Ext(file) != ".cue" {
		return fmt.Sprintf("%q", s)
	}
	for i, c := range s {
		if !(c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9') {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}

// some lists names, but not hundreds of them.
func some(names []string) string {
	const most = 8
	names = slices.Sorted(slices.Values(names))
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
