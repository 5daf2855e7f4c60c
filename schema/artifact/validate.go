package artifact

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// MaxString is the greatest length of a string in an artifact.
const MaxString = 64 << 10

// Validate reports what makes a unfit to run, as an error that wraps [ErrContent] and names the field, or nil. It
// holds that every index is in range, every enumeration known, every list in its order and without doubles, every
// text valid UTF-8 and bounded, and that the routing table is that of exactly the routes.
func (a *Artifact) Validate() error {
	v := validator{a: a}
	v.gateway()
	v.providers()
	v.prices()
	v.models()
	v.upstreams()
	v.apis()
	v.tenants()
	v.prompts()
	v.keys()
	v.routes()
	v.locks()
	v.provenance()
	if v.err == nil {
		v.table()
	}
	return v.err
}

// validator keeps the first error.
type validator struct {
	a      *Artifact
	err    error
	opened map[string]bool // by kind, methods and path of passthroughs: what was judged
}

func (v *validator) fail(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("%w: "+format, append([]any{ErrContent}, args...)...)
	}
}

// text checks a string that may be empty.
func (v *validator) text(s string, at string, i ...any) {
	switch {
	case len(s) > MaxString:
		v.fail(at+" is longer than %d bytes", append(i, MaxString)...)
	case !utf8.ValidString(s):
		v.fail(at+" is not valid UTF-8", i...)
	case strings.IndexByte(s, 0) >= 0:
		v.fail(at+" holds a NUL", i...)
	}
}

// name checks a string that must say something.
func (v *validator) name(s string, at string, i ...any) {
	if s == "" {
		v.fail(at+" is empty", i...)
	}
	v.text(s, at, i...)
}

func (v *validator) index(n, length int, at string, i ...any) {
	if n < 0 || n >= length {
		v.fail(at+" is %d, out of range: there are %d", append(i, n, length)...)
	}
}

func (v *validator) oneOf(s string, known []string, at string, i ...any) {
	if !slices.Contains(known, s) {
		v.fail(at+" is %q, which this binary does not know", append(i, s)...)
	}
}

func (v *validator) duration(d time.Duration, at string, i ...any) {
	if d < 0 {
		v.fail(at+" is negative", i...)
	}
}

func (v *validator) timeouts(t Timeouts, at string, i ...any) {
	v.duration(min(t.Connect, t.FirstByte, t.Idle, t.Total), at, i...)
}

func (v *validator) reference(s string, schemes []string, at string, i ...any) {
	v.text(s, at, i...)
	for _, p := range schemes {
		if rest, ok := strings.CutPrefix(s, p); ok && rest != "" {
			return
		}
	}
	// The text is not quoted: who put it there may have taken a secret for a reference.
	v.fail(at+" is not a reference that begins with %s", append(i, strings.Join(schemes, " or "))...)
}

// base checks the root of a server's URL.
func (v *validator) base(s string, at string, i ...any) {
	v.name(s, at, i...)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(s, "/") {
		v.fail(at+" is not http[s]://host[:port][/path] without a trailing slash", i...)
	}
}

func (v *validator) address(s string, at string, i ...any) {
	if _, _, err := net.SplitHostPort(s); err != nil {
		v.fail(at+" is not host:port", i...)
	}
	v.text(s, at, i...)
}

// ascending holds that each name is greater than the one before.
func (v *validator) ascending(before, name string, first bool, at string, i ...any) {
	if !first && before >= name {
		v.fail(at+" %q is not greater than the one before, %q", append(i, name, before)...)
	}
}

// relative holds that a path of the sources stays within the repository.
func (v *validator) relative(p string, at string, i ...any) {
	v.text(p, at, i...)
	if path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || strings.Contains(p, `\`) {
		v.fail(at+" is not a path relative to the repository", i...)
	}
}

func (v *validator) gateway() {
	g := &v.a.Gateway
	for i, l := range g.Listeners {
		v.name(l.Name, "listener %d: its name", i)
		v.ascending(g.Listeners[max(i-1, 0)].Name, l.Name, i == 0, "the listener")
		v.address(l.Address, "listener %d: its address", i)
		v.oneOf(l.Engine, []string{"netpoll", "std"}, "listener %d: its engine", i)
		if l.TLS != nil {
			v.reference(l.TLS.Cert, []string{"file:"}, "listener %d: its certificate", i)
			v.reference(l.TLS.Key, []string{"file:"}, "listener %d: its key", i)
		}
	}
	if g.Admin != "" {
		v.address(g.Admin, "the admin address")
	}
	if s := g.Signatures; s != nil {
		if len(s.Keys) == 0 || s.Need < 0 || s.Need > len(s.Keys) {
			v.fail("%d signatures are required of %d keys", s.Need, len(s.Keys))
		}
		for i, k := range s.Keys {
			v.name(k.Name, "key %d for signatures: its name", i)
			v.ascending(s.Keys[max(i-1, 0)].Name, k.Name, i == 0, "the key for signatures")
			if slices.ContainsFunc(s.Keys[:i], func(x SigningKey) bool { return x.Key == k.Key }) {
				v.fail("key %d for signatures stands twice", i)
			}
		}
	}
	v.text(g.Calls.Dir, "the folder of the call log")
	v.duration(g.Calls.Flush, "the flush interval of the call log")
	if g.Calls.MaxBytes < 0 {
		v.fail("the segment size of the call log is negative")
	}
}

func (v *validator) providers() {
	for i := range v.a.Providers {
		p := &v.a.Providers[i]
		v.name(p.Name, "provider %d: its name", i)
		v.ascending(v.a.Providers[max(i-1, 0)].Name, p.Name, i == 0, "the provider")
		v.oneOf(p.Kind, ProviderKinds(), "provider %d: its kind", i)
		v.base(p.BaseURL, "provider %d: its base URL", i)
		v.oneOf(p.API, []string{"", "chat", "responses"}, "provider %d: its API", i)
		if p.API != "" && p.Kind != "openai" {
			v.fail("provider %d: only OpenAI's kind has several APIs for conversations", i)
		}
		for _, c := range p.Credentials {
			v.reference(c, []string{"env:", "file:"}, "provider %d: a credential", i)
		}
		if p.Vendor != "" && vendor.Get(p.Vendor) == nil {
			v.fail("provider %d is of vendor %q, which this version does not know", i, p.Vendor)
		}
		if p.APIVersion == "" && p.Kind == "azure-openai" || strings.ContainsFunc(p.APIVersion, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
			v.fail("provider %d has API version %q", i, p.APIVersion)
		}
		if e := p.Entra; e != nil {
			v.text(e.Tenant, "provider %d: its directory", i)
			v.text(e.ClientID, "provider %d: its application", i)
			v.text(e.Scope, "provider %d: its scope", i)
			v.base(e.Authority, "provider %d: its authority", i)
			v.reference(e.ClientSecret, []string{"env:", "file:"}, "provider %d: its application's secret", i)
		}
		for _, name := range []string{p.Project, p.Location} {
			if (p.Kind == "vertex") != (name != "") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.:-") != "" {
				v.fail("provider %d has the project %q and the location %q", i, p.Project, p.Location)
			}
		}
		if p.Kind == "bedrock" && p.Region == "" || strings.Trim(p.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			v.fail("provider %d has region %q", i, p.Region)
		}
		for _, k := range p.AWSKeys {
			for _, ref := range k.Refs() {
				v.reference(ref, []string{"env:", "file:"}, "provider %d: a credential", i)
			}
		}
		for j, h := range p.Headers {
			v.ascending(p.Headers[max(j-1, 0)].Name, h.Name, j == 0, "provider %d: the header", i)
			v.text(h.Value, "provider %d: a header's value", i)
			if !token(h.Name) || strings.ContainsAny(h.Value, "\r\n") {
				v.fail("provider %d: header %d is malformed", i, j)
			}
		}
		v.timeouts(p.Timeouts, "provider %d: a timeout", i)
	}
}

func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= MaxString
}

func (v *validator) models() {
	for i := range v.a.Models {
		m := &v.a.Models[i]
		v.name(m.Name, "model %d: its name", i)
		v.ascending(v.a.Models[max(i-1, 0)].Name, m.Name, i == 0, "the model")
		v.oneOf(m.Strategy, []string{"priority"}, "model %d: its strategy", i)
		if len(m.Targets) == 0 {
			v.fail("model %d has no target", i)
		}
		for j, t := range m.Targets {
			v.index(t.Provider, len(v.a.Providers), "model %d: the provider of target %d", i, j)
			v.name(t.Model, "model %d: the upstream model of target %d", i, j)
			v.index(t.Price, len(v.a.Prices)+1, "model %d: the price of target %d", i, j)
		}
		if m.Retry.Attempts < 1 {
			v.fail("model %d allows no attempt", i)
		}
		for j, on := range m.Retry.On {
			v.oneOf(on, []string{"connect", "429", "5xx", "timeout"}, "model %d: a reason to retry", i)
			if slices.Contains(m.Retry.On[:j], on) {
				v.fail("model %d: the reason to retry %q stands twice", i, on)
			}
		}
		v.timeouts(m.Timeouts, "model %d: a timeout", i)
		if m.MaxTokens < 0 {
			v.fail("model %d: its output limit is negative", i)
		}
		if m.KeepAlive != 0 && (m.KeepAlive < time.Second || m.KeepAlive > time.Hour) {
			v.fail("model %d: its streams are kept alive every %v", i, m.KeepAlive)
		}
		if m.OnLoss != "" {
			v.oneOf(m.OnLoss, []string{"warn", "allow"}, "model %d: what is done about losses", i)
		}
	}
}

func (v *validator) upstreams() {
	for i := range v.a.Upstreams {
		u := &v.a.Upstreams[i]
		v.name(u.Name, "upstream %d: its name", i)
		v.ascending(v.a.Upstreams[max(i-1, 0)].Name, u.Name, i == 0, "the upstream")
		if len(u.Endpoints) == 0 {
			v.fail("upstream %d has no endpoint", i)
		}
		for j, e := range u.Endpoints {
			v.base(e.URL, "upstream %d: the URL of endpoint %d", i, j)
			if e.Weight < 1 {
				v.fail("upstream %d: the weight of endpoint %d is less than 1", i, j)
			}
		}
		v.timeouts(u.Timeouts, "upstream %d: a timeout", i)
	}
}

func (v *validator) apis() {
	for i := range v.a.APIs {
		p := &v.a.APIs[i]
		v.name(p.Name, "API %d: its name", i)
		v.ascending(v.a.APIs[max(i-1, 0)].Name, p.Name, i == 0, "the API")
		if p.Owner != -1 {
			v.index(p.Owner, len(v.a.Tenants), "API %d: its owner", i)
		}
		v.text(p.BasePath, "API %d: its base path", i)
		if p.BasePath != "" && (p.BasePath[0] != '/' || strings.HasSuffix(p.BasePath, "/")) {
			v.fail("API %d: its base path is not \"\" or \"/x/y\"", i)
		}
		for _, h := range p.Hosts {
			if err := match.Check(match.Pattern{Host: h, Method: "GET", Path: "/"}); err != nil {
				v.fail("API %d: %s", i, err)
			}
		}
		v.index(p.Upstream, len(v.a.Upstreams), "API %d: its upstream", i)
		v.text(p.Title, "API %d: its title", i)
		v.text(p.Version, "API %d: its version", i)
		if p.Document.File != "" {
			v.relative(p.Document.File, "API %d: its document", i)
		} else if p.Document.Digest != [32]byte{} {
			v.fail("API %d: its document has a digest and no file", i)
		}
	}
}

func (v *validator) tenants() {
	for i := range v.a.Tenants {
		t := &v.a.Tenants[i]
		v.name(t.Name, "tenant %d: its name", i)
		v.ascending(v.a.Tenants[max(i-1, 0)].Name, t.Name, i == 0, "the tenant")
		for _, o := range t.Owners {
			v.name(o, "tenant %d: an owner", i)
		}
	}
	type id struct {
		tenant int
		name   string
	}
	seen := make(map[id]bool, len(v.a.Apps))
	for i := range v.a.Apps {
		p := &v.a.Apps[i]
		v.name(p.Name, "app %d: its name", i)
		v.index(p.Tenant, len(v.a.Tenants), "app %d: its tenant", i)
		if k := (id{p.Tenant, p.Name}); seen[k] {
			v.fail("app %d: its tenant has two apps %q", i, p.Name)
		} else {
			seen[k] = true
		}
		for j, m := range p.Models {
			v.index(m, len(v.a.Models), "app %d: a model", i)
			if j > 0 && p.Models[j-1] >= m {
				v.fail("app %d: its models are not ascending", i)
			}
		}
		for j, q := range p.Prompts {
			v.index(q, len(v.a.Prompts), "app %d: a prompt", i)
			if j > 0 && p.Prompts[j-1] >= q {
				v.fail("app %d: its prompts are not ascending", i)
			}
		}
		v.passthrough(i, p)
		for _, l := range p.Limits {
			if l.Requests < 1 || l.Per <= 0 {
				v.fail("app %d: a limit is not at least one request per a positive time", i)
			}
		}
	}
}

// passthrough holds that what is opened to an app is a table, and that nothing in it stays closed.
func (v *validator) passthrough(app int, p *App) {
	for j := range p.Passthrough {
		o := &p.Passthrough[j]
		v.index(o.Provider, len(v.a.Providers), "app %d: the provider of an opened path", app)
		if v.err != nil {
			return
		}
		if j > 0 && p.Passthrough[j-1].Compare(o) >= 0 {
			v.fail("app %d: what is opened to it is not in order", app)
		}
		if len(o.Paths) == 0 || o.WebSocket != (len(o.Methods) == 0) || !slices.IsSorted(o.Paths) || !slices.IsSorted(o.Methods) {
			v.fail("app %d: %d paths are opened for %d methods, or not in order", app, len(o.Paths), len(o.Methods))
		}
		for _, m := range o.Methods {
			v.oneOf(m, passthrough.Methods(), "app %d: an opened method", app)
		}
		for _, path := range o.Paths {
			v.text(path, "app %d: an opened path", app)
			if n, err := match.Normal(match.Pattern{Method: "GET", Path: path}); err != nil || n.Path != path {
				v.fail("app %d: an opened path is no template in normal form", app)
				return
			}
			kind := v.a.Providers[o.Provider].Kind
			key := kind + strings.Join(o.Opened(), " ") + path // apps open the same paths
			if v.opened[key] {
				continue
			}
			if _, why := passthrough.Refused(kind, o.Opened(), path); why != "" {
				v.fail("app %d: an opened path %s", app, why)
			}
			if v.opened == nil {
				v.opened = map[string]bool{}
			}
			v.opened[key] = true
		}
		if v.err != nil {
			return
		}
		if j > 0 && p.Passthrough[j-1].Provider == o.Provider {
			continue
		}
		for _, socket := range []bool{false, true} {
			if _, ok := p.Table(o.Provider, socket); !ok {
				v.fail("app %d: opened paths collide", app)
			}
		}
	}
}

// Compare orders what is opened to an app: by provider, then paths, then methods.
func (p *Passthrough) Compare(o *Passthrough) int {
	return cmp.Or(cmp.Compare(p.Provider, o.Provider), slices.Compare(p.Paths, o.Paths), slices.Compare(p.Methods, o.Methods))
}

func (v *validator) prompts() {
	for i := range v.a.Prompts {
		p := &v.a.Prompts[i]
		v.name(p.Name, "prompt %d: its name", i)
		v.ascending(v.a.Prompts[max(i-1, 0)].Name, p.Name, i == 0, "the prompt")
		if _, err := prompt.Load(p, len(v.a.Tenants), len(v.a.Models), func(m int) int { return len(v.a.Models[m].Targets) }); err != nil {
			v.fail("prompt %d: %s", i, err)
		}
	}
}

func (v *validator) keys() {
	for i := range v.a.Keys {
		k := &v.a.Keys[i]
		if i > 0 && bytes.Compare(v.a.Keys[i-1].Hash[:], k.Hash[:]) >= 0 {
			v.fail("key %d: the keys are not sorted by hash, or two are the same", i)
		}
		v.name(k.ID, "key %d: its id", i)
		v.index(k.App, len(v.a.Apps), "key %d: its app", i)
		if k.Expires < 0 {
			v.fail("key %d: its expiry is negative", i)
		}
	}
}

func (v *validator) routes() {
	for i := range v.a.Routes {
		r := &v.a.Routes[i]
		v.name(r.ID, "route %d: its id", i)
		_, ai := r.Kind.AI()
		switch {
		case r.Kind == RouteAPI:
			v.index(r.API, len(v.a.APIs), "route %d: its API", i)
		case ai:
			if r.API != -1 {
				v.fail("route %d has an API, which its kind has not", i)
			}
		case r.Kind.Prompt():
			v.index(r.Prompt, len(v.a.Prompts), "route %d: its prompt", i)
			if r.API != -1 {
				v.fail("route %d has an API, which its kind has not", i)
			}
			if r.Auth != "key" {
				v.fail("route %d leads to a prompt without a key", i)
			}
		case r.Kind == RoutePassthrough:
			v.index(r.Provider, len(v.a.Providers), "route %d: its provider", i)
			if r.API != -1 {
				v.fail("route %d has an API, which its kind has not", i)
			}
			if r.Auth != "key" {
				v.fail("route %d leads to a provider without a key", i)
			}
			if v.err == nil && r.Path != passthrough.Root+v.a.Providers[r.Provider].Name+"/{path+}" {
				v.fail("route %d does not begin with its provider's name", i)
			}
		default:
			v.fail("route %d: its kind is %d, which this binary does not know", i, r.Kind)
		}
		if r.Prompt != 0 && !r.Kind.Prompt() {
			v.fail("route %d has a prompt, which its kind has not", i)
		}
		if r.Provider != 0 && r.Kind != RoutePassthrough {
			v.fail("route %d has a provider, which its kind has not", i)
		}
		v.text(r.Path, "route %d: its path", i)
		v.text(r.Operation, "route %d: its operation", i)
		v.oneOf(r.Auth, []string{"key", "none"}, "route %d: its auth", i)
		v.duration(r.Timeout, "route %d: its timeout", i)
		v.origin(r.Origin, i)
	}
}

func (v *validator) origin(o Origin, route int) {
	if o.File != "" {
		v.relative(o.File, "route %d: the file of its origin", route)
	}
	if o.Line < 0 || o.File == "" && o.Line != 0 {
		v.fail("route %d: the line of its origin is out of range", route)
	}
}

func (v *validator) provenance() {
	p := &v.a.Provenance
	v.text(p.Tool, "the provenance's tool")
	v.text(p.Revision, "the provenance's revision")
	if p.Schema != "" {
		if _, err := ParseDigest(p.Schema); err != nil {
			v.fail("the provenance's schema: %s", err)
		}
	}
	for i, s := range p.Sources {
		v.name(s.File, "source %d: its file", i)
		v.relative(s.File, "source %d: its file", i)
		v.ascending(p.Sources[max(i-1, 0)].File, s.File, i == 0, "the source")
		if _, err := ParseDigest(s.Digest); err != nil {
			v.fail("source %d: %s", i, err)
		}
	}
}

// table holds that the table is valid and has one leaf for each route, with the route's own host, method and path.
func (v *validator) table() {
	if err := v.a.Table.Validate(); err != nil {
		v.fail("the routing table: %s", err)
		return
	}
	seen := make([]bool, len(v.a.Routes))
	n := 0
	for p := range v.a.Table.All() {
		if p.Value >= uint32(len(seen)) || seen[p.Value] {
			v.fail("the routing table leads to route %d, which does not exist or which it leads to twice", p.Value)
			return
		}
		seen[p.Value] = true
		n++
		r := &v.a.Routes[p.Value]
		if p.Path == r.Path && p.Host == r.Host && p.Method == r.Method {
			continue // most are written in the normal form
		}
		want, err := match.Normal(match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path, Value: p.Value})
		if err != nil {
			v.fail("route %d: %s", p.Value, err)
			return
		}
		if p != want {
			v.fail("the routing table has route %d at %s %s%s, not at %s %s%s", p.Value, p.Method, p.Host, p.Path, want.Method, want.Host, want.Path)
			return
		}
	}
	if n != len(seen) {
		v.fail("the routing table does not lead to all routes")
	}
}
