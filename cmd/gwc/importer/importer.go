// Package importer turns configurations of other gateways into repositories.
//
// The bytes of one file enter; a [Result] leaves: the files of a repository, a list of what was not carried over, and
// the environment variables that have to be set. Nothing is read or written here.
//
// Two invariants. Nothing is lost in silence: reading a value marks it, and whatever nobody has read when the import is
// done is on the list, with its line. And nothing is opened by accident: an operation whose protection cannot be
// expressed asks for a key, and a secret never enters a file: a provider's becomes a reference to a variable, a caller's
// key its hash.
//
// Guessing at what a plugin of another gateway might have meant was refused: what has no exact counterpart is listed.
package importer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// Options say what is not in the file.
type Options struct {
	// Tenant is the name of the tenant that apps and APIs are put under.
	Tenant string
	// Name, BasePath and Upstream are those of an API that is imported from an OpenAPI document; empty: taken from it.
	Name, BasePath, Upstream string
}

// Result is what an import comes to.
type Result struct {
	Files []scaffold.File
	Lost  []Loss
	Env   []Variable
	// APIs, Models and Apps count what was carried over.
	APIs, Models, Apps int
}

// Loss is something that was not carried over. Path names it as the file does; it never shows a value.
type Loss struct {
	Line   int
	Path   string
	Reason string
}

// Variable is an environment variable that has to be set to what stands in clear on a line of the file, or to what it
// was set to before.
type Variable struct {
	Name string
	Line int // of the secret; 0: the file refers to the variable itself
}

// Sources returns the names of the systems whose files can be imported.
func Sources() []string { return []string{"openapi", "litellm", "krakend", "kong", "apisix"} }

// Import reads a file of the system. An error says what is wrong with the file itself.
func Import(system string, data []byte, o Options) (*Result, error) {
	doc, err := parse(data)
	if err != nil {
		return nil, err
	}
	if doc.kind != 'm' {
		return nil, &errDocument{doc.line, "the document is not a mapping of fields"}
	}
	b := newBuilder(doc, o)
	switch system {
	case "openapi":
		err = b.openapi(data)
	case "litellm":
		b.litellm()
	case "krakend":
		b.krakend()
	case "kong":
		b.kong()
	case "apisix":
		b.apisix()
	default:
		return nil, fmt.Errorf("there is no importer for %q", system)
	}
	if err != nil {
		return nil, err
	}
	return b.result(), nil
}

// builder collects the definitions of a repository.
type builder struct {
	o         Options
	doc       *value
	lost      []Loss
	env       []Variable
	names     map[string]map[string]bool // taken, by kind
	secrets   map[string]string          // variables by the secret that they stand for
	gateway   scaffold.Gateway
	providers []scaffold.Provider
	models    []scaffold.Model
	upstreams []scaffold.Upstream
	apis      []*api
	published map[string]bool // "host METHOD /path"
	apps      []scaffold.App
	documents []scaffold.File
}

func newBuilder(doc *value, o Options) *builder {
	if o.Tenant == "" {
		o.Tenant = "imported"
	}
	return &builder{o: o, doc: doc, names: map[string]map[string]bool{}, secrets: map[string]string{}, published: map[string]bool{}}
}

// lose reports a value that is not carried over. It and all below it count as read.
func (b *builder) lose(v *value, path, reason string, args ...any) {
	if v == none {
		return
	}
	v.all()
	b.lost = append(b.lost, Loss{v.line, path, fmt.Sprintf(reason, args...)})
}

// result makes files of what was collected, and adds what nobody read to the list.
func (b *builder) result() *Result {
	b.sweep(b.doc, "")
	b.apis = slices.DeleteFunc(b.apis, func(a *api) bool { return a.paths == nil && a.Document == "" })
	b.upstreams = slices.DeleteFunc(b.upstreams, func(u scaffold.Upstream) bool {
		return !slices.ContainsFunc(b.apis, func(a *api) bool { return a.Upstream == u.Name })
	})
	b.providers = slices.DeleteFunc(b.providers, func(p scaffold.Provider) bool {
		return !slices.ContainsFunc(b.models, func(m scaffold.Model) bool {
			return slices.ContainsFunc(m.Targets, func(t scaffold.Target) bool { return t.Provider == p.Name })
		})
	})
	r := &Result{Lost: b.lost, Env: b.env, APIs: len(b.apis), Models: len(b.models), Apps: len(b.apps)}
	add := func(f scaffold.File) { r.Files = append(r.Files, f) }
	if b.gateway.Address == "" {
		b.gateway.Address = "127.0.0.1:8080"
	}
	add(b.gateway.File())
	for _, p := range b.providers {
		add(p.File())
	}
	for _, m := range b.models {
		add(m.File())
	}
	for _, u := range b.upstreams {
		add(u.File())
	}
	if len(b.apis)+len(b.apps) > 0 {
		add(scaffold.Tenant{Name: b.o.Tenant, Owners: []string{"@" + b.o.Tenant}}.File())
	}
	for _, a := range b.apps {
		add(a.File())
	}
	for _, a := range b.apis {
		add(a.definition().File())
		if a.paths != nil {
			add(a.document())
		}
	}
	r.Files = append(r.Files, b.documents...)
	slices.SortFunc(r.Files, func(x, y scaffold.File) int { return cmp.Compare(x.Path, y.Path) })
	slices.SortStableFunc(r.Lost, func(x, y Loss) int { return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Path, y.Path)) })
	r.Lost = slices.CompactFunc(r.Lost, func(x, y Loss) bool { return x == y })
	slices.SortFunc(r.Env, func(x, y Variable) int { return cmp.Compare(x.Name, y.Name) })
	return r
}

// sweep reports what nobody read, at the highest place.
func (b *builder) sweep(v *value, path string) {
	at := func(name string) string {
		if path == "" {
			return name
		}
		return path + "." + name
	}
	for i := range v.fields {
		f := &v.fields[i]
		if !f.v.used {
			b.lost = append(b.lost, Loss{f.line, at(f.name), "has no counterpart"})
			continue
		}
		b.sweep(f.v, at(f.name))
	}
	for i, e := range v.items {
		p := path + "[" + strconv.Itoa(i) + "]"
		if !e.used {
			b.lost = append(b.lost, Loss{e.line, p, "has no counterpart"})
			continue
		}
		b.sweep(e, p)
	}
}

// name makes a text fit to name a definition of a kind, and unique among those.
func (b *builder) name(kind, text string) string {
	var s strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			s.WriteRune(r)
		case s.Len() > 0 && !strings.HasSuffix(s.String(), "-"):
			s.WriteByte('-')
		}
		if s.Len() == 50 {
			break
		}
	}
	name := strings.Trim(s.String(), "-")
	if name == "" {
		name = kind
	}
	if kind == "api" && name == "ai" {
		name = "ai-api" // the models' own routes have that name
	}
	if b.names[kind] == nil {
		b.names[kind] = map[string]bool{}
	}
	unique := name
	for n := 2; b.names[kind][unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	b.names[kind][unique] = true
	return unique
}

// variable returns a reference to an environment variable in place of a secret. One secret has one variable.
func (b *builder) variable(secret *value, name string) string {
	if v, ok := b.secrets[secret.text]; ok {
		return "env:" + v
	}
	unique := name
	for n := 2; slices.ContainsFunc(b.env, func(v Variable) bool { return v.Name == unique }); n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	b.secrets[secret.text] = unique
	b.env = append(b.env, Variable{unique, secret.line})
	return "env:" + unique
}

// refer returns a reference to a variable that the file itself names.
func (b *builder) refer(name string) (string, bool) {
	if !validEnv(name) {
		return "", false
	}
	if !slices.ContainsFunc(b.env, func(v Variable) bool { return v.Name == name }) {
		b.env = append(b.env, Variable{Name: name})
	}
	return "env:" + name, true
}

func validEnv(s string) bool {
	for i, c := range s {
		if !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c >= '0' && c <= '9' && i > 0) {
			return false
		}
	}
	return s != ""
}

// hash returns the hash of a key as files hold it.
func hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// addKey adds a key in clear to an app as its hash. Two keys with one text, and a text that cannot be a key, are
// reported.
func (b *builder) addKey(a *scaffold.App, key *value, path string) {
	switch {
	case key.str() == "":
		return
	case strings.HasPrefix(key.text, "{vault://"), strings.HasPrefix(key.text, "$secret://"), strings.HasPrefix(key.text, "$ENV://"), strings.HasPrefix(key.text, "${"), strings.HasPrefix(key.text, "os.environ/"):
		b.lose(key, path, "the key stands elsewhere, and its hash is not known: make one with `gwc keys new %s/%s`", a.Tenant, a.Name)
		return
	case strings.ContainsAny(key.text, " \t\r\n"):
		b.lose(key, path, "a key with spaces cannot be sent: make one with `gwc keys new %s/%s`", a.Tenant, a.Name)
		return
	}
	h := hash(key.text)
	taken := func(other *scaffold.App) bool {
		return slices.ContainsFunc(other.Keys, func(k scaffold.Key) bool { return k.Hash == h })
	}
	for i := range b.apps {
		if taken(&b.apps[i]) {
			b.lose(key, path, "another app has this key: make one with `gwc keys new %s/%s`", a.Tenant, a.Name)
			return
		}
	}
	if taken(a) {
		return
	}
	a.Keys = append(a.Keys, scaffold.Key{ID: fmt.Sprintf("%s-%d", a.Name, len(a.Keys)+1), Hash: h})
}

// upstream returns the name of an upstream with these settings, a new one where there is none yet.
func (b *builder) upstream(want scaffold.Upstream) string {
	for _, u := range b.upstreams {
		have := u
		have.Name = want.Name
		if slices.Equal(have.Endpoints, want.Endpoints) && have.Connect == want.Connect && have.FirstByte == want.FirstByte && have.Idle == want.Idle && have.Total == want.Total {
			return u.Name
		}
	}
	want.Name = b.name("upstream", want.Name)
	b.upstreams = append(b.upstreams, want)
	return want.Name
}

// duration writes a duration as the language does, within bounds; "" where it is none.
func duration(d, low, top time.Duration) string {
	if d <= 0 {
		return ""
	}
	d = min(max(d, low), top)
	if d%time.Millisecond != 0 {
		d = d.Round(time.Millisecond)
	}
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// seconds reads a number of seconds, which may have a fraction.
func seconds(v *value) time.Duration {
	f, err := strconv.ParseFloat(v.str(), 64)
	if err != nil || !(f > 0) || f > 1e9 {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}
