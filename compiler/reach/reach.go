// Package reach answers who can make which calls, and through what.
//
// A linked program enters; for any model or operation the apps that reach it leave, with the lines of the sources that
// say so. There are these ways: an app lists a model, or may call a prompt that asks it; an app opens a provider's own
// paths; an operation asks for a key, and any app may hold one; an operation asks for nothing, and everyone reaches it. Limits and expiries do not take reach away, they bound it; whoever asks gets
// them beside it.
//
// An app counts whether it has a key that works or not: keys come and go many times a day, while what an app may do is
// what was reviewed. The tables of the runtime were refused as input: they know the same, but not where it is written.
package reach

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Subject is what is reached: a model, or one operation on all of its hosts.
type Subject struct {
	// Model indexes Program.Models; -1 for an operation.
	Model int
	// Routes index Program.Routes: those of an operation, one for each host. Nil for a model.
	Routes []int
}

// By is the way on which a subject is reached.
type By string

// The ways.
const (
	Listed By = "models"      // the app lists the model
	Keyed  By = "key"         // any key does
	Open   By = "none"        // no key is needed
	Called By = "prompts"     // the app may call the prompt: it is its tenant's own, or the app lists it
	Passed By = "passthrough" // the app opens paths of the provider
)

// Everyone stands for an app where no key is needed.
const Everyone = -1

// Map answers questions about one program. It is immutable.
type Map struct {
	p          *ir.Program
	operations []Subject
	listed     [][]int // the apps that list a model, in order
	all        []int   // every app
	called     [][]int // the apps that may call a prompt, in order
	reached    [][]int // the apps that list a model or may call a prompt that asks it, in order
	passed     [][]int // the apps that open paths of a provider, in order
	keys       [][]int // of an app, indices into Program.Keys
}

// New returns the map of a linked program.
func New(p *ir.Program) *Map {
	m := &Map{p: p, listed: make([][]int, len(p.Models)), passed: make([][]int, len(p.Providers)), keys: make([][]int, len(p.Apps))}
	for i := range p.Routes {
		if n := len(m.operations); n > 0 {
			if last := &m.operations[n-1]; p.Routes[last.Routes[0]].ID == p.Routes[i].ID {
				last.Routes = append(last.Routes, i)
				continue
			}
		}
		m.operations = append(m.operations, Subject{Model: -1, Routes: []int{i}})
	}
	for i := range p.Apps {
		m.all = append(m.all, i)
		for _, ref := range p.Apps[i].Models {
			if ref.Index >= 0 && !slices.Contains(m.listed[ref.Index], i) {
				m.listed[ref.Index] = append(m.listed[ref.Index], i)
			}
		}
		for _, o := range p.Apps[i].Passthrough {
			if at := o.Provider.Index; at >= 0 && !slices.Contains(m.passed[at], i) {
				m.passed[at] = append(m.passed[at], i)
			}
		}
	}
	for i := range p.Prompts {
		var apps []int
		for app := range p.Apps {
			if p.MayCall(app, i) {
				apps = append(apps, app)
			}
		}
		m.called = append(m.called, apps)
	}
	m.reached = make([][]int, len(p.Models))
	for i := range p.Models {
		m.reached[i] = m.listed[i]
	}
	for i := range p.Prompts {
		for j := range p.Prompts[i].Versions {
			model := p.Prompts[i].Versions[j].Model.Index
			if model < 0 {
				continue
			}
			for _, app := range m.called[i] {
				if at, there := slices.BinarySearch(m.reached[model], app); !there {
					m.reached[model] = slices.Insert(slices.Clip(m.reached[model]), at, app)
				}
			}
		}
	}
	for i := range p.Keys {
		m.keys[p.Keys[i].App] = append(m.keys[p.Keys[i].App], i)
	}
	return m
}

// Matching returns what one of the patterns takes: models by name, then operations by API and in the order of their
// document.
func (m *Map) Matching(calls ...ir.Call) []Subject {
	var list []Subject
	for i := range m.p.Models {
		if slices.ContainsFunc(calls, func(c ir.Call) bool { return c.Model(m.p.Models[i].Name) }) {
			list = append(list, Subject{Model: i})
		}
	}
	for _, s := range m.operations {
		api, op := m.operation(s)
		if slices.ContainsFunc(calls, func(c ir.Call) bool { return c.Operation(api, op) }) {
			list = append(list, s)
		}
	}
	return list
}

// Route returns the operation that a route belongs to.
func (m *Map) Route(i int) Subject {
	id := m.p.Routes[i].ID
	for _, s := range m.operations {
		if m.p.Routes[s.Routes[0]].ID == id {
			return s
		}
	}
	return Subject{Model: -1, Routes: []int{i}}
}

// operation returns the names of an operation and its API, which is "ai" for the models' own.
func (m *Map) operation(s Subject) (api, operation string) {
	r := &m.p.Routes[s.Routes[0]]
	api = "ai"
	if r.Kind.Prompt() {
		api = "prompt"
	}
	if r.Kind == artifact.RoutePassthrough {
		api = "passthrough"
	}
	if r.API >= 0 {
		api = m.p.APIs[r.API].Name
	}
	return api, r.ID[len(api)+1:]
}

// Name returns `model "smart"` or `operation "petstore.listPets"`.
func (m *Map) Name(s Subject) string {
	if s.Model >= 0 {
		return fmt.Sprintf("model %q", m.p.Models[s.Model].Name)
	}
	return fmt.Sprintf("operation %q", m.p.Routes[s.Routes[0]].ID)
}

// App returns "acme/web", or "everyone".
func (m *Map) App(app int) string {
	if app == Everyone {
		return ir.Everyone
	}
	a := &m.p.Apps[app]
	return m.p.Tenants[a.Tenant].Name + "/" + a.Name
}

// Auth returns what a subject asks of its callers: "key" or "none".
func (m *Map) Auth(s Subject) string {
	if s.Model >= 0 {
		return "key"
	}
	return m.p.Routes[s.Routes[0]].Auth
}

// By returns the way on which a subject is reached.
func (m *Map) By(s Subject) By {
	switch {
	case s.Model >= 0:
		return Listed
	case m.Kind(s).Prompt():
		return Called
	case m.Kind(s) == artifact.RoutePassthrough:
		return Passed
	case m.Auth(s) == "none":
		return Open
	}
	return Keyed
}

// Apps returns the apps that reach a subject, in order; for one that is open they are all of them, and everyone else
// too. The slice is not the caller's.
func (m *Map) Apps(s Subject) []int {
	if s.Model >= 0 {
		return m.reached[s.Model]
	}
	if m.Kind(s).Prompt() {
		return m.called[m.p.Routes[s.Routes[0]].Prompt]
	}
	if m.Kind(s) == artifact.RoutePassthrough {
		return m.passed[m.p.Routes[s.Routes[0]].Provider]
	}
	return m.all
}

// Through returns the prompt by which an app reaches a model that it does not list, and the version that asks it; a
// Subject without routes where there is none, or the app lists the model.
func (m *Map) Through(model, app int) (Subject, *ir.PromptVersion) {
	if slices.Contains(m.listed[model], app) {
		return Subject{}, nil
	}
	for i := range m.p.Prompts {
		if !slices.Contains(m.called[i], app) {
			continue
		}
		for j := range m.p.Prompts[i].Versions {
			v := &m.p.Prompts[i].Versions[j]
			if v.Model.Index != model {
				continue
			}
			for _, s := range m.operations {
				if r := &m.p.Routes[s.Routes[0]]; r.Kind == artifact.RoutePrompt && r.Prompt == i {
					return s, v
				}
			}
		}
	}
	return Subject{}, nil
}

// Keys returns an app's keys that work at a time, as indices into Program.Keys. At the zero time it returns all.
func (m *Map) Keys(app int, now time.Time) []int {
	if now.IsZero() {
		return m.keys[app]
	}
	var list []int
	for _, k := range m.keys[app] {
		if e := m.p.Keys[k].Expires; e == 0 || now.Unix() < e {
			list = append(list, k)
		}
	}
	return list
}

// At returns where a subject is defined.
func (m *Map) At(s Subject) diag.Span {
	if s.Model >= 0 {
		return m.p.Places.Key("models", m.p.Models[s.Model].Name)
	}
	return m.p.Routes[s.Routes[0]].Origin
}

// AppAt returns where an app is defined.
func (m *Map) AppAt(app int) diag.Span {
	a := &m.p.Apps[app]
	return m.p.Places.Key("tenants", m.p.Tenants[a.Tenant].Name, "apps", a.Name)
}

// AuthAt returns where the auth of an operation is said; zero where nothing says it, so that gwc's own default holds.
func (m *Map) AuthAt(s Subject) diag.Span {
	if s.Model >= 0 || m.p.Routes[s.Routes[0]].API < 0 {
		return diag.Span{}
	}
	api, _ := m.operation(s)
	for _, path := range [][]string{{"apis", api, "operations", m.p.Routes[s.Routes[0]].Operation, "policies", "auth"}, {"apis", api, "policies", "auth"}} {
		if at := m.p.Places.Value(path...); !at.IsZero() {
			return at
		}
	}
	return diag.Span{}
}

// Grant returns the lines that let an app, or [Everyone], reach a subject, the one that a reviewer would change first.
func (m *Map) Grant(s Subject, app int) []diag.Label {
	var l []diag.Label
	add := func(at diag.Span, text string) {
		if !at.IsZero() {
			l = append(l, diag.Label{Span: at, Text: text})
		}
	}
	switch m.By(s) {
	case Listed:
		if app == Everyone {
			return nil
		}
		a := &m.p.Apps[app]
		i := slices.IndexFunc(a.Models, func(r ir.Ref) bool { return r.Index == s.Model })
		if i < 0 {
			x, v := m.Through(s.Model, app)
			if x.Routes == nil {
				return nil
			}
			path := append(slices.Clone(v.Path), "model")
			l = m.Grant(x, app)
			add(m.p.Places.Value(path...), "the prompt asks the model")
			return l
		}
		add(m.p.Places.Value("tenants", m.p.Tenants[a.Tenant].Name, "apps", a.Name, "models", strconv.Itoa(i)), "the app lists the model")
		add(m.At(s), "the model")
	case Called:
		if app == Everyone {
			return nil
		}
		a, i := &m.p.Apps[app], m.p.Routes[s.Routes[0]].Prompt
		if at := slices.IndexFunc(a.Prompts, func(r ir.Ref) bool { return r.Index == i }); at >= 0 {
			add(m.p.Places.Value("tenants", m.p.Tenants[a.Tenant].Name, "apps", a.Name, "prompts", strconv.Itoa(at)), "the app lists the prompt")
		} else {
			add(m.AppAt(app), "the app is of the tenant that owns the prompt")
		}
		add(m.At(s), "the prompt")
	case Passed:
		if app == Everyone {
			return nil
		}
		a := &m.p.Apps[app]
		for i := range a.Passthrough {
			if a.Passthrough[i].Provider.Index == m.p.Routes[s.Routes[0]].Provider {
				add(m.p.Places.Value("tenants", m.p.Tenants[a.Tenant].Name, "apps", a.Name, "passthrough", strconv.Itoa(i), "provider"), "the app opens paths of the provider")
			}
		}
		add(m.At(s), "the provider")
	case Open:
		add(m.AuthAt(s), "it needs no key")
		add(m.At(s), "the operation")
	case Keyed:
		if app != Everyone {
			add(m.AppAt(app), "every app with a key reaches it")
		}
		add(m.AuthAt(s), "any key does")
		add(m.At(s), "the operation")
	}
	return l
}

// Kind returns what serves a subject's route.
func (m *Map) Kind(s Subject) artifact.RouteKind {
	if s.Model >= 0 {
		return artifact.RouteChat
	}
	return m.p.Routes[s.Routes[0]].Kind
}
