package ir

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// Assertion is a statement about the program that `gwc prove` decides. Nothing of it enters the artifact. Which fields
// count depends on Kind; see #Assertion in the language.
type Assertion struct {
	Name   string
	Kind   string // "reach", "auth", "isolation", "limit", "spend", "expiry", "targets", "timeout"
	Reason string
	Tested bool // it stands in tests/

	Calls    []string // reach, auth, targets, timeout
	Apps     []string // limit, spend, expiry; isolation: tenants
	Only     []string // reach; nil: no such demand
	Never    []string // reach
	Unless   []string
	Policies []string // reach: "key", "limits", "timeout"
	Auth     []string // auth
	Apart    []string // isolation

	Limit     artifact.Limit // limit
	Each      string         // spend: "tenant", "app", "key", "gateway"
	Per       time.Duration  // spend
	Requests  int64          // spend; 0: no such demand
	Tokens    int64          // spend
	USD       string         // spend: decimal dollars or ""
	Answers   int64          // spend: that callers ask for in one request
	Days      int            // expiry
	Among     []string       // targets
	Providers int            // targets
	Most      time.Duration  // timeout
}

// Everyone is the caller without a key.
const Everyone = "everyone"

// Call is a pattern over what can be called, parsed. The zero Call matches nothing.
type Call struct {
	model          string // glob of models' names
	api, operation string // globs
}

// ParseCall reads "model:smart", "petstore.listPets" or "*"; each "*" within a name stands for any text. It returns what
// is wrong with a text as the end of a sentence that begins with it, or "".
func ParseCall(s string) (Call, string) {
	switch model, ok := strings.CutPrefix(s, "model:"); {
	case s == "*":
		return Call{model: "*", api: "*", operation: "*"}, ""
	case ok && modelForm.MatchString(model):
		return Call{model: model}, ""
	case ok:
		return Call{}, "names no model"
	}
	api, op, ok := strings.Cut(s, ".")
	switch {
	case strings.ContainsAny(s, " \t\r\n"):
		return Call{}, "has spaces"
	case !ok:
		return Call{}, `has neither "model:" before it nor an operation after a "."`
	case !nameForm.MatchString(api) || op == "":
		return Call{}, "is not the name of an API, a \".\" and an operation"
	case strings.IndexFunc(op, unicode.IsSpace) >= 0:
		return Call{}, "has spaces"
	}
	return Call{api: api, operation: op}, ""
}

var (
	modelForm = regexp.MustCompile(`^[A-Za-z0-9._:*-]+$`)
	nameForm  = regexp.MustCompile(`^[a-z0-9*-]+$`)
)

// Model reports whether the pattern takes a model.
func (c Call) Model(name string) bool { return c.model != "" && glob(c.model, name) }

// Operation reports whether the pattern takes an operation of an API.
func (c Call) Operation(api, operation string) bool {
	return c.api != "" && glob(c.api, api) && glob(c.operation, operation)
}

// Names returns the names that the pattern spells out, "" for what it does not name or names with a "*".
func (c Call) Names() (model, api, operation string) {
	return spelt(c.model), spelt(c.api), spelt(c.operation)
}

// Caller is a pattern over who calls, parsed. The zero Caller matches nobody.
type Caller struct{ tenant, app string }

// ParseCaller reads "acme", "acme/web", "*" or [Everyone]; see [ParseCall].
func ParseCaller(s string) (Caller, string) {
	tenant, app, ok := strings.Cut(s, "/")
	switch {
	case strings.Contains(app, "/"):
		return Caller{}, `has more than one "/"`
	case !nameForm.MatchString(tenant) || ok && !nameForm.MatchString(app):
		return Caller{}, "is not the name of a tenant, nor of a tenant and its app"
	case !ok:
		app = "*"
	}
	return Caller{tenant: tenant, app: app}, ""
}

// App reports whether the pattern takes an app of a tenant. [Everyone] takes none: it speaks of calls without a key.
func (c Caller) App(tenant, app string) bool {
	return c.tenant != "" && !c.Everyone() && glob(c.tenant, tenant) && glob(c.app, app)
}

// Tenant reports whether the pattern takes a tenant as a whole.
func (c Caller) Tenant(name string) bool {
	return c.tenant != "" && !c.Everyone() && c.app == "*" && glob(c.tenant, name)
}

// Everyone reports whether the pattern takes callers without a key.
func (c Caller) Everyone() bool { return c.tenant == Everyone && c.app == "*" }

// Names returns the names that the pattern spells out, "" for those with a "*".
func (c Caller) Names() (tenant, app string) {
	if c.Everyone() {
		return "", ""
	}
	return spelt(c.tenant), spelt(c.app)
}

// IsCall reports whether an exception is a call and not a caller.
func IsCall(s string) bool { return strings.HasPrefix(s, "model:") || strings.Contains(s, ".") }

func spelt(s string) string {
	if strings.Contains(s, "*") {
		return ""
	}
	return s
}

// glob reports whether a pattern, in which "*" stands for any text, takes a name.
func glob(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, head)
	if !ok {
		return false
	}
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], more
	}
}
