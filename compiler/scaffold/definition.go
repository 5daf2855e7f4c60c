package scaffold

import (
	"fmt"
	"path"
	"strings"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
)

// File is a file of a repository, by its path from the root. `gwc new` and `gwc import` write one for each definition:
// two teams that add something never touch the same file.
type File struct {
	Path string
	Data []byte
}

// Gateway is what the process itself needs. TLS holds "file:" references to a certificate and its key, or is empty.
type Gateway struct {
	Address   string
	Cert, Key string
}

// Provider is a definition under providers. What is empty is left out.
type Provider struct {
	Name, Kind, BaseURL string
	Vendor              string // of kind openai-compatible
	APIVersion          string // of kind azure-openai
	Entra               *Entra // of kind azure-openai
	Project, Location   string // of kind vertex
	Region              string // of kind bedrock
	Credentials         []Credential
}

// Credential is how a provider knows the gateway, by references: a key (Ref), the key file of a service account, or an
// access key of AWS.
type Credential struct {
	Ref                                        string
	ServiceAccount                             string
	AccessKeyID, SecretAccessKey, SessionToken string
}

// Entra is an application of a directory. Secret is a reference.
type Entra struct{ Tenant, ClientID, Secret string }

// Target is one target of a model.
type Target struct{ Provider, Model string }

// Model is a definition under models. What is zero is left to the language's defaults; Tools lists capabilities.
type Model struct {
	Name      string
	Targets   []Target
	Attempts  int
	Total     string // duration of one attempt
	FirstByte string
	MaxTokens int64
}

// Endpoint is one server of an upstream.
type Endpoint struct {
	URL    string
	Weight int
}

// Upstream is a definition under upstreams. Empty durations are left to the language's defaults.
type Upstream struct {
	Name                            string
	Endpoints                       []Endpoint
	Connect, FirstByte, Idle, Total string
}

// Operation holds the settings of one operation of an API; those that are empty are inherited.
type Operation struct{ ID, Auth, Timeout string }

// API is a definition under apis, beside its document.
type API struct {
	Name, Tenant       string // an empty tenant is the platform
	Document           string // its file's name
	BasePath, Upstream string
	Hosts              []string
	Auth, Timeout      string
	Operations         []Operation
}

// Key is a key of an app: its label, its hash ("sha256:…") and perhaps its last day.
type Key struct{ ID, Hash, Expires string }

// Limit is a limit of an app.
type Limit struct {
	Requests int64
	Per      string
}

// App is an app of a tenant.
type App struct {
	Tenant, Name string
	Keys         []Key
	Models       []string
	Limits       []Limit
}

// Tenant is a tenant without its apps.
type Tenant struct {
	Name   string
	Owners []string
}

// Prompt is a definition under prompts with one input.
type Prompt struct {
	Name, Tenant string // an empty tenant is the platform
	Model, Path  string
}

// File returns the definition as a file.
func (p Prompt) File() File {
	folder := "platform/prompts/"
	if p.Tenant != "" {
		folder = "tenants/" + p.Tenant + "/prompts/"
	}
	body := fmt.Sprintf("prompts: %s: {\npath: %s\nmodel: %s\ninputs: text: maxLength: 4000\n", label(p.Name), quote(p.Path), quote(p.Model))
	body += "messages: [\n{role: \"system\", text: \"Answer in one sentence.\"},\n{role: \"user\", text: \"{{text}}\"},\n]\n"
	return file(folder+p.Name+".cue", "", body+"}")
}

// Folder returns where an API and its document lie.
func (a API) Folder() string {
	if a.Tenant == "" {
		return path.Join("platform/apis", a.Name)
	}
	return path.Join("tenants", a.Tenant, "apis", a.Name)
}

// File returns the definition as a file.
func (g Gateway) File() File {
	body := "gateway: {\nlisteners: main: {address: " + quote(g.Address)
	if g.Cert != "" {
		body += ", tls: {cert: " + quote(g.Cert) + ", key: " + quote(g.Key) + "}"
	}
	return file("gateway.cue", "What the process needs: where to listen, where to log.", body+"}\ncalls: dir: \"calls\"\n}")
}

// File returns the definition as a file.
func (p Provider) File() File {
	body := fmt.Sprintf("providers: %s: {\nkind: %s\n", label(p.Name), quote(p.Kind))
	for _, f := range []struct{ name, value string }{{"vendor", p.Vendor}, {"baseURL", p.BaseURL}, {"apiVersion", p.APIVersion},
		{"project", p.Project}, {"location", p.Location}, {"region", p.Region}} {
		if f.value != "" {
			body += f.name + ": " + quote(f.value) + "\n"
		}
	}
	if e := p.Entra; e != nil {
		body += fmt.Sprintf("entra: {tenant: %s, clientId: %s, clientSecret: %s}\n", quote(e.Tenant), quote(e.ClientID), quote(e.Secret))
	}
	if len(p.Credentials) > 0 {
		all := make([]string, len(p.Credentials))
		for i, c := range p.Credentials {
			var parts []string
			for _, f := range []struct{ name, value string }{{"ref", c.Ref}, {"serviceAccount", c.ServiceAccount},
				{"accessKeyId", c.AccessKeyID}, {"secretAccessKey", c.SecretAccessKey}, {"sessionToken", c.SessionToken}} {
				if f.value != "" {
					parts = append(parts, f.name+": "+quote(f.value))
				}
			}
			all[i] = "{" + strings.Join(parts, ", ") + "}"
		}
		body += "credentials: [" + strings.Join(all, ", ") + "]\n"
	}
	return file("platform/providers/"+p.Name+".cue", "", body+"}")
}

// File returns the definition as a file.
func (m Model) File() File {
	body := fmt.Sprintf("models: %s: {\ntargets: [\n", label(m.Name))
	for _, t := range m.Targets {
		body += fmt.Sprintf("{provider: %s, model: %s},\n", quote(t.Provider), quote(t.Model))
	}
	body += "]\n"
	if m.Attempts > 0 {
		body += fmt.Sprintf("retry: attempts: %d\n", m.Attempts)
	}
	if m.FirstByte != "" {
		body += "timeouts: firstByte: " + quote(m.FirstByte) + "\n"
	}
	if m.Total != "" {
		body += "timeouts: total: " + quote(m.Total) + "\n"
	}
	if m.MaxTokens > 0 {
		body += fmt.Sprintf("maxTokens: %d\n", m.MaxTokens)
	}
	return file("platform/models/"+FileName(m.Name)+".cue", "", body+"}")
}

// File returns the definition as a file.
func (u Upstream) File() File {
	body := fmt.Sprintf("upstreams: %s: {\nendpoints: [\n", label(u.Name))
	for _, e := range u.Endpoints {
		weight := ""
		if e.Weight > 1 {
			weight = fmt.Sprintf(", weight: %d", e.Weight)
		}
		body += fmt.Sprintf("{url: %s%s},\n", quote(e.URL), weight)
	}
	body += "]\n"
	for _, t := range []struct{ name, value string }{{"connect", u.Connect}, {"firstByte", u.FirstByte}, {"idle", u.Idle}, {"total", u.Total}} {
		if t.value != "" {
			body += fmt.Sprintf("timeouts: %s: %s\n", t.name, quote(t.value))
		}
	}
	return file("platform/upstreams/"+u.Name+".cue", "", body+"}")
}

// File returns the definition as a file. Its document is the caller's to write, in the same folder.
func (a API) File() File {
	body := fmt.Sprintf("apis: %s: {\nopenapi: %s\n", label(a.Name), quote(a.Document))
	if a.Tenant != "" {
		body = fmt.Sprintf("apis: %s: {\nowner: %s\nopenapi: %s\n", label(a.Name), quote(a.Tenant), quote(a.Document))
	}
	if a.BasePath != "" {
		body += "basePath: " + quote(a.BasePath) + "\n"
	}
	body += "upstream: " + quote(a.Upstream) + "\n"
	if len(a.Hosts) > 0 {
		body += "hosts: " + list(a.Hosts) + "\n"
	}
	body += policies(a.Auth, a.Timeout)
	for _, o := range a.Operations {
		if p := policies(o.Auth, o.Timeout); p != "" {
			body += "operations: " + label(o.ID) + ": " + p
		}
	}
	return file(path.Join(a.Folder(), "api.cue"), "", body+"}")
}

func policies(auth, timeout string) string {
	var l []string
	if auth != "" {
		l = append(l, "auth: "+quote(auth))
	}
	if timeout != "" {
		l = append(l, "timeout: "+quote(timeout))
	}
	switch len(l) {
	case 0:
		return ""
	case 1:
		return "policies: " + l[0] + "\n"
	}
	return "policies: {" + strings.Join(l, ", ") + "}\n"
}

// File returns the definition as a file.
func (a App) File() File {
	body := fmt.Sprintf("tenants: %s: apps: %s: {\n", label(a.Tenant), label(a.Name))
	if len(a.Keys) > 0 {
		body += "keys: [\n"
		for _, k := range a.Keys {
			expires := ""
			if k.Expires != "" {
				expires = ", expires: " + quote(k.Expires)
			}
			body += fmt.Sprintf("{id: %s, hash: %s%s},\n", quote(k.ID), quote(k.Hash), expires)
		}
		body += "]\n"
	}
	if len(a.Models) > 0 {
		body += "models: " + list(a.Models) + "\n"
	}
	if len(a.Limits) > 0 {
		body += "limits: [\n"
		for _, l := range a.Limits {
			body += fmt.Sprintf("{requests: %d, per: %s},\n", l.Requests, quote(l.Per))
		}
		body += "]\n"
	}
	return file(path.Join("tenants", a.Tenant, "apps", a.Name+".cue"), "", body+"}")
}

// File returns the definition as a file.
func (t Tenant) File() File {
	return file(path.Join("tenants", t.Name, "tenant.cue"), "", fmt.Sprintf("tenants: %s: owners: %s", label(t.Name), list(t.Owners)))
}

// FileName makes a name of a model fit for a file's: what no file system minds stays.
func FileName(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == ':' {
			return '-'
		}
		return r
	}, name), ".")
}

func quote(s string) string { return literal.String.Quote(s) }

// label writes a name as a label, quoted where it would not be one identifier.
func label(s string) string {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' && i > 0 || c >= '0' && c <= '9' && i > 0) {
			return quote(s)
		}
	}
	if reserved[s] || s == "" {
		return quote(s)
	}
	return s
}

// reserved are words that CUE reads as something else in places where a label may stand.
var reserved = map[string]bool{"true": true, "false": true, "null": true, "for": true, "if": true, "let": true, "in": true, "import": true, "package": true}

func list(l []string) string {
	q := make([]string, len(l))
	for i, s := range l {
		q[i] = quote(s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// file returns a formatted file in the form that closes nested structs.
func file(name, comment, body string) File {
	if comment != "" {
		comment = "// " + comment + "\n"
	}
	src := "package gateway\n\nimport \"gwc.dev/schema\"\n\n" + comment + "schema.#Gateway & {\n" + body + "\n}\n"
	b, err := format.Source([]byte(src))
	if err != nil {
		panic("scaffold: " + err.Error() + " in\n" + src) // every text is quoted, every label checked
	}
	return File{Path: name, Data: b}
}
