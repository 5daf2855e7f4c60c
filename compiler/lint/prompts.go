package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of prompts.
const (
	codePromptLock diag.Code = "GWC5200" // a prompt asks a model that a lock keeps from its tenant's apps
	codePromptTold diag.Code = "GWC5201" // a target cannot be held to a prompt's output
	codeVoidCache  diag.Code = "GWC2360" // caching that keeps nothing
)

// leastKept is the number of tokens below which no provider keeps the beginning of a request. A token is a byte at least.
const leastKept = 1024

// promptCaching: what all requests of a prompt begin with is nothing, or surely too little for a provider to keep.
func (l *linter) promptCaching() {
	for i := range l.p.Prompts {
		p := &l.p.Prompts[i]
		for j := range p.Versions {
			v := &p.Versions[j]
			if v.Content.Caching == "" || v.Broken {
				continue
			}
			g, err := prompt.New(p.Name, &v.Content)
			if err != nil || v.Content.Output != 0 && len(v.Told) > 0 {
				continue // the schema of the output stands at the beginning as well
			}
			n := g.Kept()
			if n >= leastKept {
				continue
			}
			path := append(slices.Clone(v.Path), "caching")
			d := diag.Diagnostic{Summary: fmt.Sprintf("caching of prompt %q keeps nothing: its requests begin with an input", p.Name),
				Help: []string{"move what is the same in every request into system messages without inputs, or remove caching"}}
			if n > 0 {
				d.Summary = fmt.Sprintf("caching of prompt %q keeps nothing: its requests begin alike for %d bytes, and providers keep 1,024 tokens at least", p.Name, n)
			}
			l.warn(codeVoidCache, path, d)
		}
	}
}

// promptLocks: the platform locks which models tenants' apps list, and a tenant's prompt asks another one for them.
func (l *linter) promptLocks() {
	lock := func(path string) *artifact.Lock {
		for i := range l.p.Locks {
			if l.p.Locks[i].Path == path {
				return &l.p.Locks[i]
			}
		}
		return nil
	}
	models := lock("tenants.*.apps.*.models")
	if models == nil || len(models.Values) == 0 {
		return
	}
	for i := range l.p.Prompts {
		p := &l.p.Prompts[i]
		for j := range p.Versions {
			v := &p.Versions[j]
			path := append(slices.Clone(v.Path), "model")
			own := "prompts.*.model"
			if len(v.Path) > 2 {
				own = "prompts.*.versions.*.model"
			}
			at := l.p.Places.Value(path...)
			below, ok := strings.CutPrefix(at.File, "tenants/")
			tenant, _, _ := strings.Cut(below, "/")
			if !ok || slices.Contains(models.Values, v.Model.Name) || slices.Contains(models.Except, tenant) || lock(own) != nil {
				continue
			}
			l.warn(codePromptLock, path, diag.Diagnostic{
				Summary:   fmt.Sprintf("prompt %q asks model %q, which a lock keeps from the apps of tenant %q", p.Name, v.Model.Name, tenant),
				Secondary: []diag.Label{{Span: l.p.Places.Key("locks", models.Path), Text: models.Reason}},
				Help:      []string{fmt.Sprintf("lock %q, too, or leave this model to prompts by locking %q with more values", own, own)}})
		}
	}
}

// promptTold: a model that surely cannot be held to a schema is told of it in words, and keeps to it less often.
func (l *linter) promptTold() {
	for i := range l.p.Prompts {
		p := &l.p.Prompts[i]
		for j := range p.Versions {
			v := &p.Versions[j]
			if v.Content.Output == 0 || v.Model.Index < 0 || v.Content.OnInvalid == "repair" {
				continue
			}
			m := &l.p.Models[v.Model.Index]
			for _, t := range m.Targets {
				if t.Known.Entry == nil || t.Known.Entry.Cannot&catalogue.StructuredOutput == 0 {
					continue
				}
				l.warn(codePromptTold, append(slices.Clone(v.Path), "model"), diag.Diagnostic{
					Summary:   fmt.Sprintf("%q of model %q cannot be held to the output of prompt %q: it is told in words, and an answer that does not fit is a 502", t.Provider.Name+"/"+t.Model, m.Name, p.Name),
					Secondary: []diag.Label{{Span: l.p.Places.Key("models", m.Name), Text: "the model"}},
					Help:      []string{`add onInvalid: "repair", or name a model with structured output`}})
				break
			}
		}
	}
}
