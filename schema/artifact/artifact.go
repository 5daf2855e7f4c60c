// Package artifact is the file that `gwc build` writes and `gwcd` runs: its content, wire form and digest.
//
// An [Artifact] is the whole gateway, resolved: names are turned into indices, defaults are explicit, routes are
// compiled into the flat table of package match. It holds references to secrets ("env:NAME", "file:path"), never
// secrets, and hashes of keys, never keys. It holds no timestamp, host name or absolute path, so that the same
// sources give the same bytes on any machine.
//
// The types here are the wire types: fields are only ever added, each with an integer key of its own, and a reader
// refuses a format newer than it knows.
package artifact

import (
	"slices"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// Artifact is a decoded artifact. It is immutable after [Decode] or construction; every index in it was checked to
// be in range by Decode. Every slice is in a canonical order (by name, unless its field says otherwise).
type Artifact struct {
	Gateway    Gateway         `cbor:"1,keyasint"`
	Providers  []Provider      `cbor:"2,keyasint,omitempty"`
	Models     []Model         `cbor:"3,keyasint,omitempty"`
	Upstreams  []Upstream      `cbor:"4,keyasint,omitempty"`
	APIs       []API           `cbor:"5,keyasint,omitempty"`
	Tenants    []Tenant        `cbor:"6,keyasint,omitempty"`
	Apps       []App           `cbor:"7,keyasint,omitempty"`
	Keys       []Key           `cbor:"8,keyasint,omitempty"` // by hash
	Routes     []Route         `cbor:"9,keyasint,omitempty"` // match.Table's values index it
	Table      match.Table     `cbor:"10,keyasint"`
	Provenance Provenance      `cbor:"11,keyasint"`
	Prices     []price.Price   `cbor:"12,keyasint,omitempty"` // that targets are charged by, by version, then source
	Locks      []Lock          `cbor:"14,keyasint,omitempty"` // what the platform keeps tenants to, by path
	Prompts    []prompt.Prompt `cbor:"15,keyasint,omitempty"`
}

// Gateway is what the process itself needs: where to listen, where to log.
type Gateway struct {
	Listeners []Listener `cbor:"1,keyasint"`
	Admin     string     `cbor:"2,keyasint,omitempty"` // host:port; empty: no admin listener
	Calls     Calls      `cbor:"3,keyasint"`
	// Signatures is what this artifact and the one that follows it must have; nil: nothing.
	Signatures *Signing `cbor:"4,keyasint,omitempty"`
}

// Signing says how many of which keys must have signed. Need 0 is all of them.
type Signing struct {
	Keys []SigningKey `cbor:"1,keyasint"`
	Need int          `cbor:"2,keyasint,omitempty"`
}

// SigningKey is an Ed25519 public key. The name is for readers.
type SigningKey struct {
	Name string   `cbor:"1,keyasint"`
	Key  [32]byte `cbor:"2,keyasint"`
}

// Listener is one address that callers connect to. Engine is "netpoll" or "std".
type Listener struct {
	Name    string `cbor:"1,keyasint"`
	Address string `cbor:"2,keyasint"`
	Engine  string `cbor:"3,keyasint"`
	TLS     *TLS   `cbor:"4,keyasint,omitempty"`
}

// TLS names the certificate chain and key of a listener as "file:" references, relative to the artifact's folder.
type TLS struct {
	Cert string `cbor:"1,keyasint"`
	Key  string `cbor:"2,keyasint"`
}

// Calls says where call records go. Dir is relative to the artifact's folder; empty turns the call log off. Flush is
// the longest time that a record waits in memory. MaxBytes is when a segment is rotated.
type Calls struct {
	Dir      string        `cbor:"1,keyasint,omitempty"`
	Flush    time.Duration `cbor:"2,keyasint,omitempty"`
	MaxBytes int64         `cbor:"3,keyasint,omitempty"`
}

// ProviderKinds are the kinds that an artifact may name. The runtime serves each of them.
func ProviderKinds() []string {
	return []string{"openai", "openai-compatible", "azure-openai", "anthropic", "gemini", "vertex", "mistral", "cohere", "ollama", "bedrock"}
}

// Provider is an AI vendor account or server. Kind is one of [ProviderKinds]. BaseURL is the root to which the
// kind's own paths are added, without a trailing slash. Credentials are secret references, used in turn. Headers are
// added to each call, sorted by name.
type Provider struct {
	Name        string   `cbor:"1,keyasint"`
	Kind        string   `cbor:"2,keyasint"`
	BaseURL     string   `cbor:"3,keyasint"`
	Credentials []string `cbor:"4,keyasint,omitempty"`
	Headers     []Header `cbor:"5,keyasint,omitempty"`
	Timeouts    Timeouts `cbor:"6,keyasint"`
	Vendor      string   `cbor:"7,keyasint,omitempty"`  // a row of package vendor, of kind openai-compatible; "": any other server
	APIVersion  string   `cbor:"8,keyasint,omitempty"`  // of kind azure-openai
	Entra       *Entra   `cbor:"9,keyasint,omitempty"`  // of kind azure-openai: it counts, and not Credentials
	Project     string   `cbor:"14,keyasint,omitempty"` // of kind vertex, as is the next
	Location    string   `cbor:"15,keyasint,omitempty"`
	API         string   `cbor:"10,keyasint,omitempty"` // of kind openai: "chat", "responses", or "" for both
	Region      string   `cbor:"12,keyasint,omitempty"` // of kind bedrock
	AWSKeys     []AWSKey `cbor:"13,keyasint,omitempty"` // of kind bedrock: used in turn, instead of Credentials
}

// AWSKey is an access key of AWS, by secret references. SessionToken is "" for a key that is not temporary.
type AWSKey struct {
	AccessKeyID     string `cbor:"1,keyasint"`
	SecretAccessKey string `cbor:"2,keyasint"`
	SessionToken    string `cbor:"3,keyasint,omitempty"`
}

// Refs returns the secret references of a provider.
func (p *Provider) Refs() []string {
	all := slices.Clone(p.Credentials)
	if p.Entra != nil {
		all = append(all, p.Entra.ClientSecret)
	}
	for _, k := range p.AWSKeys {
		all = append(all, k.Refs()...)
	}
	return all
}

// Refs returns the references of a key.
func (k *AWSKey) Refs() []string {
	if k.SessionToken == "" {
		return []string{k.AccessKeyID, k.SecretAccessKey}
	}
	return []string{k.AccessKeyID, k.SecretAccessKey, k.SessionToken}
}

// Entra is an application of Microsoft Entra ID: who the gateway is. ClientSecret is a secret reference, Authority a URL
// without a trailing slash.
type Entra struct {
	Tenant       string `cbor:"1,keyasint"`
	ClientID     string `cbor:"2,keyasint"`
	ClientSecret string `cbor:"3,keyasint"`
	Authority    string `cbor:"4,keyasint"`
	Scope        string `cbor:"5,keyasint"`
}

// Header is a header that gwc sets.
type Header struct {
	Name  string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// Timeouts of a call to an upstream or provider. Connect: until the connection stands. FirstByte: from the end of
// the request until the answer's head. Idle: between two pieces of the answer. Total: of one attempt. All are set
// (the compiler writes the defaults); Total 0 means none.
type Timeouts struct {
	Connect   time.Duration `cbor:"1,keyasint"`
	FirstByte time.Duration `cbor:"2,keyasint"`
	Idle      time.Duration `cbor:"3,keyasint"`
	Total     time.Duration `cbor:"4,keyasint,omitempty"`
}

// Model is a name that callers ask for. Strategy is "priority": targets are tried in order. Timeouts override the
// providers' where not zero.
type Model struct {
	Name      string   `cbor:"1,keyasint"`
	Strategy  string   `cbor:"2,keyasint"`
	Targets   []Target `cbor:"3,keyasint"` // in order of the file: the order is the priority
	Retry     Retry    `cbor:"4,keyasint"`
	Timeouts  Timeouts `cbor:"5,keyasint"`
	MaxTokens int64    `cbor:"6,keyasint,omitempty"` // output limit sent where a provider requires one and the caller gave none
	// Capabilities are what callers may rely on, sorted: "tools", "vision".
	Capabilities []string `cbor:"7,keyasint,omitempty"`
	// OnLoss says what becomes of what a target cannot express: "" refuses it, "warn" and "allow" leave it out.
	OnLoss string `cbor:"8,keyasint,omitempty"`
	// KeepAlive is the longest silence of a stream of events before it gets a comment; 0: it gets none.
	KeepAlive time.Duration `cbor:"9,keyasint,omitempty"`
}

// Target is one (provider, upstream model) pair. Price is 1 + the index into Artifact.Prices; 0: nobody knows what it
// costs.
type Target struct {
	Provider int    `cbor:"1,keyasint"`
	Model    string `cbor:"2,keyasint"`
	Price    int    `cbor:"3,keyasint,omitempty"`
}

// Retry says how many attempts an exchange may take in all, and after which outcomes another one is made: any of
// "connect", "429", "5xx", "timeout".
type Retry struct {
	Attempts int      `cbor:"1,keyasint"`
	On       []string `cbor:"2,keyasint,omitempty"`
}

// Upstream is where an API's operations are proxied to.
type Upstream struct {
	Name      string     `cbor:"1,keyasint"`
	Endpoints []Endpoint `cbor:"2,keyasint"` // in the file's order
	Timeouts  Timeouts   `cbor:"3,keyasint"`
}

// Endpoint is one server of an upstream. URL is scheme://host[:port][/path] without a trailing slash. Weight is at
// least 1.
type Endpoint struct {
	URL    string `cbor:"1,keyasint"`
	Weight int    `cbor:"2,keyasint"`
}

// API is a published HTTP API.
type API struct {
	Name     string   `cbor:"1,keyasint"`
	Owner    int      `cbor:"2,keyasint"` // tenant; -1: the platform
	BasePath string   `cbor:"3,keyasint"` // "" or "/x/y": stripped before the upstream's own path is added
	Hosts    []string `cbor:"4,keyasint,omitempty"`
	Upstream int      `cbor:"5,keyasint"`
	Title    string   `cbor:"6,keyasint,omitempty"`
	Version  string   `cbor:"7,keyasint,omitempty"`
	Document Document `cbor:"8,keyasint"`
}

// Document is the OpenAPI document of an API. The artifact does not hold it; the digest, over it and the files that it
// refers to, tells whether two artifacts were made from the same one. Both are empty where there is none.
type Document struct {
	File   string   `cbor:"1,keyasint,omitempty"`
	Digest [32]byte `cbor:"2,keyasint"`
}

// Tenant is a team.
type Tenant struct {
	Name   string   `cbor:"1,keyasint"`
	Owners []string `cbor:"2,keyasint,omitempty"`
}

// App is a calling application. Models are indices into Artifact.Models, ascending.
type App struct {
	Name   string  `cbor:"1,keyasint"`
	Tenant int     `cbor:"2,keyasint"`
	Models []int   `cbor:"3,keyasint,omitempty"`
	Limits []Limit `cbor:"4,keyasint,omitempty"`
	// Prompts are those that it may call beside those of its own tenant: indices into Artifact.Prompts, ascending.
	Prompts []int `cbor:"5,keyasint,omitempty"`
	// Passthrough are paths of providers that are opened to it, by provider, then paths.
	Passthrough []Passthrough `cbor:"6,keyasint,omitempty"`
}

// Passthrough opens paths of one provider to an app. Provider indexes Artifact.Providers. Paths are templates in normal
// form, sorted; Methods are sorted, and GET stands for HEAD as well. With WebSocket the paths are opened for that alone,
// and there are no Methods.
type Passthrough struct {
	Provider  int      `cbor:"1,keyasint"`
	Paths     []string `cbor:"2,keyasint"`
	Methods   []string `cbor:"3,keyasint,omitempty"`
	WebSocket bool     `cbor:"4,keyasint,omitempty"`
}

// Table returns the table of the paths at one provider that are opened to an app, or of those that are opened for
// WebSocket, where the method is GET; the values are indices into Passthrough. ok is false where the paths are no table.
// Where nothing is opened the table is empty.
func (a *App) Table(provider int, socket bool) (t match.Table, ok bool) {
	var patterns []match.Pattern
	for i := range a.Passthrough {
		p := &a.Passthrough[i]
		if p.Provider != provider || p.WebSocket != socket {
			continue
		}
		methods := p.Methods
		if socket {
			methods = []string{"GET"}
		}
		for _, m := range methods {
			for _, path := range p.Paths {
				patterns = append(patterns, match.Pattern{Method: m, Path: path, Value: uint32(i)})
			}
		}
	}
	t, conflicts := match.Build(patterns)
	return t, len(conflicts) == 0
}

// Opened returns the methods for which the paths are opened, or [passthrough.WebSocket].
func (p *Passthrough) Opened() []string {
	if p.WebSocket {
		return []string{passthrough.WebSocket}
	}
	return p.Methods
}

// Limit allows Requests per window of Per.
type Limit struct {
	Requests int64         `cbor:"1,keyasint"`
	Per      time.Duration `cbor:"2,keyasint"`
}

// Key is the hash of an app's key: SHA-256 of the whole key text. Expires is in Unix seconds; 0: never.
type Key struct {
	Hash    [32]byte `cbor:"1,keyasint"`
	ID      string   `cbor:"2,keyasint"`
	App     int      `cbor:"3,keyasint"`
	Expires int64    `cbor:"4,keyasint,omitempty"`
}

// RouteKind says what serves a route.
type RouteKind uint8

const (
	// RouteAPI proxies an operation of an API to its upstream.
	RouteAPI RouteKind = iota + 1
	// RouteChat is POST /v1/chat/completions.
	RouteChat
	// RouteModels is GET /v1/models.
	RouteModels
	// RouteModel is GET /v1/models/{model}.
	RouteModel
	// RouteMessages is POST /v1/messages.
	RouteMessages
	// RouteCountTokens is POST /v1/messages/count_tokens.
	RouteCountTokens
	// RouteEmbeddings is POST /v1/embeddings.
	RouteEmbeddings
	// RouteImages, RouteImageEdits and RouteImageVariations are POST /v1/images/….
	RouteImages
	RouteImageEdits
	RouteImageVariations
	// RouteSpeech, RouteTranscriptions and RouteTranslations are POST /v1/audio/….
	RouteSpeech
	RouteTranscriptions
	RouteTranslations
	// RouteModerations is POST /v1/moderations.
	RouteModerations
	// RouteRerank is POST /v2/rerank, RouteRerankV1 the same at /v1/rerank.
	RouteRerank
	RouteRerankV1
	// RoutePrompt is POST at the path of a prompt, RoutePromptDocument GET of its OpenAPI document, below it.
	RoutePrompt
	RoutePromptDocument
	// RouteGenerate is POST /v1beta/models/{model}:generateContent, RouteGenerateStream its streamGenerateContent.
	RouteGenerate
	RouteGenerateStream
	// RouteGoogleModels is GET /v1beta/models, RouteGoogleModel GET /v1beta/models/{model}.
	RouteGoogleModels
	RouteGoogleModel
	// RouteResponses is POST /v1/responses.
	RouteResponses
	// RouteCompletions is POST /v1/completions.
	RouteCompletions
	// RoutePassthrough is a method of a provider's own paths, below /passthrough/{provider}/.
	RoutePassthrough
	// RouteEmbedContent is POST /v1beta/models/{model}:embedContent, RouteEmbedContents its batchEmbedContents.
	RouteEmbedContent
	RouteEmbedContents
	// RouteGoogleCount is POST /v1beta/models/{model}:countTokens.
	RouteGoogleCount
	// RouteKinds is one more than the last.
	RouteKinds
)

// Prompt reports whether a route of the kind belongs to a prompt.
func (k RouteKind) Prompt() bool { return k == RoutePrompt || k == RoutePromptDocument }

// Route is what the routing table leads to: one operation on one host, method and path template.
type Route struct {
	ID        string        `cbor:"1,keyasint"` // stable across builds: "petstore.listPets", "ai.chat"; the metrics label
	Kind      RouteKind     `cbor:"2,keyasint"`
	Host      string        `cbor:"3,keyasint,omitempty"` // "" any, "a.example", "*.example"
	Method    string        `cbor:"4,keyasint"`
	Path      string        `cbor:"5,keyasint"` // the template with the base path: "/petstore/v1/pets/{petId}"
	API       int           `cbor:"6,keyasint"` // -1 for AI routes
	Operation string        `cbor:"7,keyasint,omitempty"`
	Auth      string        `cbor:"8,keyasint"`           // "key" or "none"
	Timeout   time.Duration `cbor:"9,keyasint,omitempty"` // of the whole exchange with the upstream; 0: the upstream's
	Origin    Origin        `cbor:"10,keyasint"`
	// Prompt is the index into Artifact.Prompts, of routes of prompts.
	Prompt int `cbor:"11,keyasint,omitempty"`
	// Provider is the index into Artifact.Providers, of routes of passthrough.
	Provider int `cbor:"12,keyasint,omitempty"`
}

// Origin is the place of a definition in the sources, for `gwc try` and `gwc explain`.
type Origin struct {
	File string `cbor:"1,keyasint,omitempty"`
	Line int    `cbor:"2,keyasint,omitempty"`
}

// Provenance says what an artifact was made from. Sources are sorted by file.
type Provenance struct {
	Tool     string   `cbor:"1,keyasint"` // "gwc 0.1.0"
	Schema   string   `cbor:"2,keyasint"` // digest of the schema, "sha256:…"
	Sources  []Source `cbor:"3,keyasint,omitempty"`
	Revision string   `cbor:"4,keyasint,omitempty"`
	// Environment is the environment whose overlays are in it, "" none.
	Environment string `cbor:"5,keyasint,omitempty"`
}

// Source is an input file and its digest, "sha256:…".
type Source struct {
	File   string `cbor:"1,keyasint"`
	Digest string `cbor:"2,keyasint"`
}

// MayPrompt reports whether an app may call a prompt: it is its tenant's own, or the app lists it and it is not private.
func (a *Artifact) MayPrompt(app *App, prompt int) bool {
	p := &a.Prompts[prompt]
	return p.Owner == app.Tenant || p.Visibility != "private" && slices.Contains(app.Prompts, prompt)
}
