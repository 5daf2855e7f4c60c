// Package ir is the program that the compiler reasons about: all definitions of a repository in canonical order, with
// every default explicit, policies merged, and each operation of each document a route of its own.
//
// lower makes a [Program], link resolves its references, lint judges it, table lays it out as an artifact; diff,
// explain and the rest ask it questions. It differs from the checked configuration, which says what the files say,
// and from the artifact, which says only what the runtime needs.
//
// Values hold no positions but those in OpenAPI documents. The place of everything else is asked of [Program.Places]
// by its data path, so that ten thousand APIs do not carry spans that nobody looks at.
package ir

import (
	"slices"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Program is a whole gateway. It is immutable: a stage that changes something returns another Program, which may
// share what did not change. All slices but Routes, Targets, Endpoints, Keys and Limits are sorted by name.
type Program struct {
	Gateway   Gateway
	Providers []Provider
	Models    []Model
	Catalogue []Facts
	Upstreams []Upstream
	APIs      []API
	Tenants   []Tenant
	Prompts   []Prompt
	Partials  []Partial
	Apps      []App   // by tenant, then name
	Keys      []Key   // by app, then the file's order
	Routes    []Route // those of models first, then by API, then the document's order, then host
	Places    Places

	Assertions []Assertion
	Locks      []artifact.Lock

	Withheld Withheld
}

// Withheld is what errors keep out of a Program: it is known by name so that nothing is said that only follows from
// those errors. Any says that there may be more names; Names holds sorted names of definitions by field, "providers",
// and those of apps as "tenant/app". It is empty in a program without errors.
type Withheld struct {
	Any   bool
	Names map[string][]string
}

// Has reports whether a definition may be there that the program does not have.
func (w *Withheld) Has(field, name string) bool {
	return w.Any || slices.Contains(w.Names[field], name)
}

// Some reports whether there may be definitions of one of these fields that the program does not have.
func (w *Withheld) Some(fields ...string) bool {
	return w.Any || slices.ContainsFunc(fields, func(f string) bool { return len(w.Names[f]) > 0 })
}

// Places knows where in the sources a data path stands; see check.Config.
type Places interface {
	Key(path ...string) diag.Span
	Value(path ...string) diag.Span
}

// Unresolved is the index of a reference that link has not resolved, or could not.
const Unresolved = -1

// Ref is a reference to a definition by name. Index is its place in the Program's slice.
type Ref struct {
	Name  string
	Index int
}

// To returns an unresolved reference.
func To(name string) Ref { return Ref{Name: name, Index: Unresolved} }

// Opened returns the methods for which the paths are opened, or [passthrough.WebSocket].
func (p *Passthrough) Opened() []string {
	if p.WebSocket {
		return []string{passthrough.WebSocket}
	}
	return p.Methods
}

// Gateway is what the process itself needs.
type Gateway struct {
	Listeners []Listener
	Admin     string // "host:port" or ""
	Calls     artifact.Calls
	// Signatures is nil where the files require none.
	Signatures *artifact.Signing
}

// Listener is one address that callers connect to. TLS is nil for clear text.
type Listener struct {
	Name    string
	Address string
	Engine  string
	TLS     *artifact.TLS
}

// Provider is an AI vendor account or server.
type Provider struct {
	Name        string
	Kind        string
	BaseURL     string // without a trailing slash
	Credentials []string
	Headers     []artifact.Header // sorted by name
	Timeouts    artifact.Timeouts
	Catalogue   string // the catalogue's name of the vendor, where the files say it
	Vendor      string // of kind openai-compatible; package vendor has its row, or link has reported it
	APIVersion  string // of kind azure-openai
	Entra       *artifact.Entra
	Project     string            // of kind vertex
	Location    string            // of kind vertex
	Region      string            // of kind bedrock
	AWSKeys     []artifact.AWSKey // of kind bedrock
	API         string            // of kind openai: "chat", "responses", or "" for both
}

// Model is a name that callers ask for. GivenAttempts tells whether the files say how many attempts there are.
type Model struct {
	Name          string
	Strategy      string
	Targets       []Target
	Retry         artifact.Retry
	GivenAttempts bool
	Timeouts      artifact.Timeouts
	MaxTokens     int64
	OnLoss        string                 // "reject", "warn" or "allow"
	KeepAlive     time.Duration          // 0: streams get no comments
	Capabilities  catalogue.Capabilities // that callers may rely on
	Price         *Price                 // nil where the files say none for the model as a whole
}

// Target is a (provider, upstream model) pair. Known is what link found of it in the catalogue.
type Target struct {
	Provider Ref
	Model    string
	Price    *Price // nil where the files say none for the target
	Known    Known
}

// Upstream is where operations are proxied to.
type Upstream struct {
	Name      string
	Endpoints []artifact.Endpoint // URLs without a trailing slash
	Timeouts  artifact.Timeouts
}

// API is a published HTTP API. Owner's name is empty for the platform. Unread tells that its document could not be
// read, so that it has no routes for a reason that was reported.
type API struct {
	Name     string
	Owner    Ref
	BasePath string // "" or "/x/y"
	Hosts    []string
	Upstream Ref
	Document string   // file
	Digest   [32]byte // of the document; see openapi.Document
	Title    string
	Version  string
	Servers  []string // the paths of the document's servers, where each has one: "/v2"
	Unread   bool
}

// Tenant is a team.
type Tenant struct {
	Name   string
	Owners []string
}

// App is a calling application. Tenant indexes Program.Tenants.
type App struct {
	Name   string
	Tenant int
	Models []Ref
	// Prompts are those that it lists; those of its own tenant it may call without.
	Prompts []Ref
	Limits  []artifact.Limit
	// Passthrough are the provider's own paths that are opened to it, in the file's order.
	Passthrough []Passthrough
}

// Passthrough opens paths of one provider to an app. Methods are sorted and explicit; with WebSocket they are none.
type Passthrough struct {
	Provider  Ref
	Paths     []string
	Methods   []string
	WebSocket bool
}

// Key is an app's key. App indexes Program.Apps; At is its place in the app's list.
type Key struct {
	App     int
	At      int
	ID      string
	Hash    [32]byte
	Expires int64
}

// Route is one operation on one host. API indexes Program.APIs and is -1 for routes of models, prompts and passthrough;
// Prompt is the index into Program.Prompts, for routes of prompts alone, and Provider that into Program.Providers, for
// routes of passthrough alone.
type Route struct {
	ID        string // "petstore.listPets", "ai.chat"
	Kind      artifact.RouteKind
	Host      string
	Method    string
	Path      string // base path and the document's template
	API       int
	Prompt    int
	Provider  int
	Operation string
	Auth      string
	Timeout   time.Duration
	Origin    diag.Span // the method's key in the document; of a route of models: zero
	PathAt    diag.Span // the path's key in the document
}
