package check

import (
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Config is a checked repository: every definition in it has passed the schema, defaults are filled in, durations are
// parsed; those that have not passed are only known by name. References between definitions are still names; link resolves them. It is immutable.
//
// Values hold no positions. [Config.Key] and [Config.Value] give the place of any data path, so that later stages
// can report at it.
type Config struct {
	Gateway   Gateway
	Providers map[string]Provider
	Models    map[string]Model
	Catalogue map[string]Facts // by "provider/model"
	Upstreams map[string]Upstream
	APIs      map[string]API
	Tenants   map[string]Tenant
	Prompts   map[string]Prompt
	Partials  map[string]Partial

	Assertions map[string]Assertion
	Locks      map[string]artifact.Lock // by path
	Waivers    map[string]Waiver

	Withheld Withheld `pack:"-"`

	positions *Positions `pack:"-"`
	dated     []Dated    `pack:"-"` // see Within
}

type place struct{ key, value diag.Span }

// Gateway is the definition "gateway".
type Gateway struct {
	Listeners map[string]Listener
	Admin     string // "host:port" or ""
	Calls     Calls

	Unwaivable []string // codes and groups of rules

	// Signers are signatures.keys, by name; Require is how many of them must sign, 0: all.
	Signers map[string]sign.PublicKey
	Require int
}

// Listener is gateway.listeners.<name>.
type Listener struct {
	Address string
	Engine  string // "netpoll", "std"
	TLS     *TLS
}

// TLS is gateway.listeners.<name>.tls; both are "file:" references.
type TLS struct{ Cert, Key string }

// Calls is gateway.calls.
type Calls struct {
	Dir      string
	Flush    time.Duration
	MaxBytes int64
}

// Provider is providers.<name>.
type Provider struct {
	Kind        string // "openai", "anthropic", …
	BaseURL     string // the kind's default where the file names none
	Credentials []string
	Headers     map[string]string
	Timeouts    Timeouts
	Catalogue   string   // the vendor, where the file names it
	Vendor      string   // of kind openai-compatible
	APIVersion  string   // of kind azure-openai
	Entra       *Entra   // of kind azure-openai, nil where the file says none
	Project     string   // of kind vertex
	Location    string   // of kind vertex
	Region      string   // of kind bedrock
	AWSKeys     []AWSKey // of kind bedrock
	API         string   // of kind openai: "chat", "responses", or "" for both
}

// AWSKey is an element of providers.<name>.credentials, of kind bedrock.
type AWSKey struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// Entra is providers.<name>.entra.
type Entra struct{ Tenant, ClientID, ClientSecret, Authority, Scope string }

// Timeouts are zero where the file says nothing and the schema has no default.
type Timeouts struct{ Connect, FirstByte, Idle, Total time.Duration }

// Model is models.<name>.
type Model struct {
	Strategy  string
	Targets   []Target
	Retry     Retry
	Timeouts  Timeouts
	MaxTokens int64
	OnLoss    string
	KeepAlive time.Duration

	Capabilities []string
	Price        *Price // nil where the file says none
}

// Target is models.<name>.targets[i].
type Target struct {
	Provider, Model string
	Price           *Price
}

// Retry is models.<name>.retry.
type Retry struct {
	Attempts int
	On       []string
}

// Upstream is upstreams.<name>.
type Upstream struct {
	Endpoints []Endpoint
	Timeouts  Timeouts
}

// Endpoint is upstreams.<name>.endpoints[i].
type Endpoint struct {
	URL    string
	Weight int
}

// API is apis.<name>. OpenAPI is relative to the repository's root: it was resolved against the file that names it.
type API struct {
	Owner      string // "" the platform
	OpenAPI    string
	Only       []string // operationIds
	Exclude    []string // operationIds
	BasePath   string
	Hosts      []string
	Upstream   string
	Policies   Policies
	Operations map[string]Operation // by operationId
}

// Operation is apis.<name>.operations.<operationId>.
type Operation struct{ Policies Policies }

// Policies are those of an API or an operation; zero values mean "inherited".
type Policies struct {
	Auth    string // "key", "none" or ""
	Timeout time.Duration
}

// Tenant is tenants.<name>.
type Tenant struct {
	Owners []string
	Apps   map[string]App
}

// App is tenants.<t>.apps.<name>.
type App struct {
	Keys    []Key
	Models  []string
	Prompts []string
	Limits  []Limit

	Passthrough []Passthrough
}

// Passthrough is tenants.<t>.apps.<a>.passthrough[i].
type Passthrough struct {
	Provider  string
	Paths     []string
	Methods   []string
	WebSocket bool
}

// Key is tenants.<t>.apps.<a>.keys[i]. Expires is in Unix seconds, the end of that day UTC; 0: never.
type Key struct {
	ID      string
	Hash    [32]byte
	Expires int64
}

// Limit is tenants.<t>.apps.<a>.limits[i].
type Limit struct {
	Requests int64
	Per      time.Duration
}

// Key returns the place of the last label of a data path, such as Key("models", "smart", "targets"); for a list
// element it is the element's place. It is zero where nothing is known.
func (c *Config) Key(path ...string) diag.Span { return c.positions.Key(path...) }

// Value returns the place of the value at a data path, such as Value("models", "smart", "targets", "0", "provider").
func (c *Config) Value(path ...string) diag.Span { return c.positions.Value(path...) }

// Positions returns the places alone, for those who need nothing else of a Config.
func (c *Config) Positions() *Positions { return c.positions }

func join(path []string) string {
	n := 0
	for _, p := range path {
		n += len(p) + 1
	}
	b := make([]byte, 0, n)
	for _, p := range path {
		b = append(append(b, p...), 0)
	}
	return string(b)
}
