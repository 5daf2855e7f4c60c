// Package snapshot turns a decoded artifact into what the request path needs: pointers instead of indices, pools,
// bound metrics, resolved secrets, precomputed header lines.
//
// A [Snapshot] is immutable. An exchange takes the current one when its head has arrived and stays on it to its end.
// What must survive a reload (connection pools, limit counters, secrets, metrics) belongs to the process and is
// passed in by [Deps]; a snapshot only refers to it, by stable names.
//
// New either gives a snapshot that can serve everything the artifact names, or an error: there is no half of one.
package snapshot

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/meter"
	"github.com/gwc-dev/gwc/runtime/secret"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/telemetry"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// Deps is the state of the process that outlives snapshots.
type Deps struct {
	Pools   *upstream.Registry
	Secrets *secret.Store
	Tokens  *signer.Tokens
	Metrics *telemetry.Metrics
	Meter   *meter.Meter
}

// Snapshot is an artifact, ready to serve.
type Snapshot struct {
	Artifact  *artifact.Artifact
	Digest    string // "sha256:…"
	LoadedAt  time.Time
	Header    []byte // "x-gwc-artifact: sha256:…\r\n"
	Routes    []Route
	Keys      map[[32]byte]*Key
	Apps      []App
	Models    map[string]*Model
	Upstreams []*Upstream
	Pools     map[*upstream.Pool]bool
}

// Route is an [artifact.Route], bound.
type Route struct {
	*artifact.Route
	API      *artifact.API     // nil for AI routes
	Upstream *Upstream         // nil for AI routes
	Prompt   *Prompt           // nil for all but routes of prompts
	Provider *Provider         // nil for all but routes of passthrough
	Target   *telemetry.Target // of the provider's calls that name no model, for the same routes
	Metrics  *telemetry.Route
}

// Upstream is an [artifact.Upstream], bound.
type Upstream struct {
	Name      string
	Endpoints []Endpoint
	Timeouts  artifact.Timeouts

	order []uint16 // endpoints in the order of a smooth weighted round-robin
	next  atomic.Uint32
}

// Endpoint is one server of an upstream. Prefix is the path of its URL, without a trailing slash.
type Endpoint struct {
	Pool    *upstream.Pool
	Prefix  string
	Metrics *telemetry.Upstream
}

// Pick returns the index of the next endpoint in turn that is not in tried and not known to be down; where all are
// down, the next one that is not in tried; -1 where all were tried. tried is a bit set; endpoints beyond the 64th are
// never marked.
func (u *Upstream) Pick(tried uint64, now time.Time) int {
	n := len(u.order)
	if n == 1 {
		if tried&1 != 0 {
			return -1
		}
		return 0
	}
	start := int(u.next.Add(1)-1) % n
	down := -1
	for i := range n {
		e := int(u.order[(start+i)%n])
		if e < 64 && tried&(1<<e) != 0 {
			continue
		}
		if !u.Endpoints[e].Pool.Down(now) {
			return e
		}
		if down < 0 {
			down = e
		}
	}
	return down
}

// App is an [artifact.App], bound.
type App struct {
	*artifact.App
	Tenant string
	Limits *meter.Limiter // nil: none
	Models map[string]bool
	// Prompts are those that it may call, its tenant's own among them.
	Prompts map[string]bool
	List    []byte // the answer to GET /v1/models
	// Page is the same for clients of Anthropic's API.
	Page []byte
	// Resources is the same for clients of Google's API.
	Resources []byte
	// Passthrough is what it may call of providers' own paths, by the provider's index.
	Passthrough map[int]*Opened
}

// Opened is what an app may call of one provider's own paths.
type Opened struct {
	HTTP, WebSocket match.Table
}

// Key is what a key's hash leads to.
type Key struct {
	ID      string
	App     *App
	Expires int64 // Unix seconds; 0 never
}

// Model is an [artifact.Model], bound.
type Model struct {
	*artifact.Model
	Targets  []Target
	Card     []byte // its object in the answers of /v1/models
	Entry    []byte // the same for clients of Anthropic's API
	Resource []byte // the same for clients of Google's API
	RetryOn  Retry
	Attempts int
}

// Retry is the set of outcomes after which another attempt is made.
type Retry struct{ Connect, RateLimited, ServerError, Timeout bool }

// Target is an [artifact.Target], bound. Timeouts are the model's over the provider's.
type Target struct {
	Provider *Provider
	Model    string
	Metrics  *telemetry.Target
	Timeouts artifact.Timeouts
	Price    *price.Price   // nil: nobody knows
	Losses   dialect.Losses // of translations, where the vendor is another one than the dialect's own; else nil
	Header   []byte         // "x-gwc-provider: …\r\nx-gwc-model: …\r\n"
}

// Provider is an [artifact.Provider], bound.
type Provider struct {
	*artifact.Provider
	Pool   *upstream.Pool
	Prefix string
	Fields []byte // its own header lines
	Signer signer.Signer
	Row    *vendor.Row // how it differs from OpenAI, of kinds that speak OpenAI's dialect in a way of their own; else nil
}

// New binds an artifact. It fails where a secret cannot be resolved or a URL cannot be used; it changes nothing then.
func New(a *artifact.Artifact, digest string, d Deps, now time.Time) (*Snapshot, error) {
	s := &Snapshot{
		Artifact: a,
		Digest:   digest,
		LoadedAt: now,
		Header:   []byte("x-gwc-artifact: " + digest + "\r\n"),
		Keys:     make(map[[32]byte]*Key, len(a.Keys)),
		Models:   make(map[string]*Model, len(a.Models)),
		Pools:    map[*upstream.Pool]bool{},
	}
	providers := make([]*Provider, len(a.Providers))
	for i := range a.Providers {
		p, err := s.provider(&a.Providers[i], d)
		if err != nil {
			return nil, err
		}
		providers[i] = p
	}
	for i := range a.Models {
		s.model(&a.Models[i], a, providers, d)
	}
	upstreams := make([]*Upstream, len(a.Upstreams))
	for i := range a.Upstreams {
		u, err := s.upstream(&a.Upstreams[i], d)
		if err != nil {
			return nil, err
		}
		upstreams[i] = u
	}
	s.Upstreams = upstreams
	prompts, err := s.prompts()
	if err != nil {
		return nil, err
	}
	s.Routes = make([]Route, len(a.Routes))
	for i := range a.Routes {
		r := Route{Route: &a.Routes[i], Metrics: d.Metrics.Route(a.Routes[i].ID)}
		if r.Route.API >= 0 {
			r.API = &a.APIs[r.Route.API]
			r.Upstream = upstreams[r.API.Upstream]
		}
		if r.Route.Kind.Prompt() {
			r.Prompt = prompts[r.Route.Prompt]
		}
		if r.Route.Kind == artifact.RoutePassthrough {
			r.Provider = providers[r.Route.Provider]
			r.Target = d.Metrics.Target(r.Provider.Name, "")
		}
		s.Routes[i] = r
	}
	s.Apps = make([]App, len(a.Apps))
	for i := range a.Apps {
		s.app(i, d)
	}
	for i := range a.Keys {
		k := &a.Keys[i]
		s.Keys[k.Hash] = &Key{ID: k.ID, App: &s.Apps[k.App], Expires: k.Expires}
	}
	return s, nil
}

// pool returns the pool of a URL. owner is what the server is called in the repository: "provider/openai".
func (s *Snapshot) pool(owner, raw string, d Deps) (*upstream.Pool, string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", fmt.Errorf("%q is not an http or https URL", raw)
	}
	p := d.Pools.GetFor(owner, u)
	s.Pools[p] = true
	return p, strings.TrimRight(u.EscapedPath(), "/"), nil
}

func (s *Snapshot) provider(p *artifact.Provider, d Deps) (*Provider, error) {
	pool, prefix, err := s.pool("provider/"+p.Name, p.BaseURL, d)
	if err != nil {
		return nil, fmt.Errorf("provider %q: %w", p.Name, err)
	}
	b := &Provider{Provider: p, Pool: pool, Prefix: prefix}
	for _, h := range p.Headers {
		b.Fields = append(b.Fields, h.Name+": "+h.Value+"\r\n"...)
	}
	b.Row = VendorOf(p)
	if b.Signer, err = sign(p, d); err != nil {
		return nil, fmt.Errorf("provider %q: %w", p.Name, err)
	}
	return b, nil
}

// VendorOf is how a provider differs from OpenAI, whose dialect it speaks in a way of its own; nil for any other.
func VendorOf(p *artifact.Provider) *vendor.Row {
	switch p.Kind {
	case "mistral":
		return vendor.Mistral()
	case "openai-compatible":
		if row := vendor.Get(p.Vendor); row != nil {
			return row
		}
		return vendor.Unknown()
	}
	return nil
}

func (s *Snapshot) model(m *artifact.Model, a *artifact.Artifact, providers []*Provider, d Deps) {
	b := &Model{Model: m, Attempts: m.Retry.Attempts}
	for _, on := range m.Retry.On {
		switch on {
		case "connect":
			b.RetryOn.Connect = true
		case "429":
			b.RetryOn.RateLimited = true
		case "5xx":
			b.RetryOn.ServerError = true
		case "timeout":
			b.RetryOn.Timeout = true
		}
	}
	for _, t := range m.Targets {
		p := providers[t.Provider]
		to := a.Providers[t.Provider].Timeouts
		for _, o := range []struct {
			dst *time.Duration
			v   time.Duration
		}{{&to.Connect, m.Timeouts.Connect}, {&to.FirstByte, m.Timeouts.FirstByte}, {&to.Idle, m.Timeouts.Idle}, {&to.Total, m.Timeouts.Total}} {
			if o.v > 0 {
				*o.dst = o.v
			}
		}
		var losses dialect.Losses
		if p.Row != nil {
			losses = openaichat.VendorTable(p.Row, t.Model)
		}
		b.Targets = append(b.Targets, Target{
			Provider: p, Losses: losses, Model: t.Model, Timeouts: to, Metrics: d.Metrics.Target(p.Name, t.Model), Price: a.TargetPrice(t),
			Header: []byte("x-gwc-provider: " + p.Name + "\r\nx-gwc-model: " + headerValue(t.Model) + "\r\n"),
		})
	}
	b.Card = []byte(`{"id":` + strconv.Quote(m.Name) + `,"object":"model","created":0,"owned_by":"gwc"}`)
	b.Entry = []byte(`{"type":"model","id":` + strconv.Quote(m.Name) + `,"display_name":` + strconv.Quote(m.Name) + `,"created_at":"1970-01-01T00:00:00Z"}`) // the API's way to say: unknown
	b.Resource = []byte(`{"name":` + strconv.Quote("models/"+m.Name) + `,"version":"gwc","displayName":` + strconv.Quote(m.Name) + `,"supportedGenerationMethods":["generateContent","streamGenerateContent"]}`)
	s.Models[m.Name] = b
}

// headerValue makes a name fit for a header: bytes outside of visible ASCII become "?".
func headerValue(v string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, v)
}

func (s *Snapshot) upstream(u *artifact.Upstream, d Deps) (*Upstream, error) {
	b := &Upstream{Name: u.Name, Timeouts: u.Timeouts}
	weights := make([]int, 0, len(u.Endpoints))
	for _, e := range u.Endpoints {
		pool, prefix, err := s.pool("upstream/"+u.Name, e.URL, d)
		if err != nil {
			return nil, fmt.Errorf("upstream %q: %w", u.Name, err)
		}
		b.Endpoints = append(b.Endpoints, Endpoint{Pool: pool, Prefix: prefix, Metrics: d.Metrics.Upstream(u.Name, pool.Addr())})
		weights = append(weights, max(e.Weight, 1))
	}
	b.order = schedule(weights)
	return b, nil
}

// schedule spreads endpoints over one turn by their weights, interleaved (the smooth weighted round-robin of nginx).
// Weights are scaled down so that a turn has at most 1,024 places.
func schedule(weights []int) []uint16 {
	g, sum := 0, 0
	for _, w := range weights {
		for a, b := g, w; ; a, b = b, a%b {
			if b == 0 {
				g = a
				break
			}
		}
		sum += w
	}
	scaled := make([]int, len(weights))
	total := 0
	for i, w := range weights {
		scaled[i] = w / g
		if sum/g > 1024 {
			scaled[i] = max(1, w*1024/sum)
		}
		total += scaled[i]
	}
	order := make([]uint16, 0, total)
	current := make([]int, len(weights))
	for range total {
		best := 0
		for i := range current {
			current[i] += scaled[i]
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		order = append(order, uint16(best))
	}
	return order
}

func (s *Snapshot) app(i int, d Deps) {
	a := &s.Artifact.Apps[i]
	b := App{App: a, Tenant: s.Artifact.Tenants[a.Tenant].Name, Models: make(map[string]bool, len(a.Models)), Prompts: callable(s.Artifact, a)}
	names := make([]string, 0, len(a.Models))
	for _, m := range a.Models {
		names = append(names, s.Artifact.Models[m].Name)
	}
	slices.Sort(names)
	var cards [][]byte
	for _, n := range names {
		b.Models[n] = true
		cards = append(cards, s.Models[n].Card)
	}
	b.List = append([]byte(`{"object":"list","data":[`), bytes.Join(cards, []byte(","))...)
	b.List = append(b.List, "]}\n"...)
	b.Page = []byte(`{"data":[`)
	for i, n := range names {
		if i > 0 {
			b.Page = append(b.Page, ',')
		}
		b.Page = append(b.Page, s.Models[n].Entry...)
	}
	b.Page = append(b.Page, `],"has_more":false,"first_id":`...)
	if len(names) == 0 {
		b.Page = append(b.Page, "null,\"last_id\":null}\n"...)
	} else {
		b.Page = strconv.AppendQuote(b.Page, names[0])
		b.Page = append(b.Page, `,"last_id":`...)
		b.Page = append(strconv.AppendQuote(b.Page, names[len(names)-1]), "}\n"...)
	}
	b.Resources = []byte(`{"models":[`)
	for i, n := range names {
		if i > 0 {
			b.Resources = append(b.Resources, ',')
		}
		b.Resources = append(b.Resources, s.Models[n].Resource...)
	}
	b.Resources = append(b.Resources, "]}\n"...)
	for i := range a.Passthrough {
		provider := a.Passthrough[i].Provider
		if b.Passthrough[provider] != nil {
			continue
		}
		if b.Passthrough == nil {
			b.Passthrough = map[int]*Opened{}
		}
		o := new(Opened)
		o.HTTP, _ = a.Table(provider, false) // a valid artifact has no tables that collide
		o.WebSocket, _ = a.Table(provider, true)
		b.Passthrough[provider] = o
	}
	if len(a.Limits) > 0 {
		limits := make([]meter.Limit, len(a.Limits))
		for i, l := range a.Limits {
			limits[i] = meter.Limit(l)
		}
		b.Limits = d.Meter.Bind(b.Tenant+"/"+a.Name, limits)
	}
	s.Apps[i] = b
}

// Counts says how much a snapshot holds, for /snapshot and the log.
func (s *Snapshot) Counts() map[string]int {
	a := s.Artifact
	return map[string]int{
		"routes": len(a.Routes), "apis": len(a.APIs), "models": len(a.Models), "providers": len(a.Providers),
		"upstreams": len(a.Upstreams), "tenants": len(a.Tenants), "apps": len(a.Apps), "keys": len(a.Keys),
	}
}
