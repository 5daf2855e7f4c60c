package link

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of prompts.
const (
	codePromptModel   diag.Code = "GWC2419" // a prompt's model does not exist
	codeAppPrompt     diag.Code = "GWC2420" // an app's prompt does not exist
	codePromptPrivate diag.Code = "GWC2421" // an app lists a prompt that is another tenant's alone
	codePromptCannot  diag.Code = "GWC2422" // a target lacks what the prompt needs
	codePromptNobody  diag.Code = "GWC2423" // no app may call a prompt
)

func promptName(p *ir.Prompt) string { return p.Name }

// prompts resolves the references of prompts, and of apps to them. Models that a prompt uses are used.
func (l *linker) prompts() {
	if len(l.p.Prompts) == 0 && !slices.ContainsFunc(l.p.Apps, func(a ir.App) bool { return len(a.Prompts) > 0 }) {
		return
	}
	models := names(l.p.Models, modelName)
	prompts := slices.Clone(l.p.Prompts)
	for i := range prompts {
		p := &prompts[i]
		if p.Owner.Name != "" {
			if p.Owner.Index = index(l.p.Tenants, p.Owner.Name, tenantName); p.Owner.Index == ir.Unresolved {
				l.unknown(codeOwner, "tenant", fmt.Sprintf("owner of prompt %q", p.Name), p.Owner.Name, names(l.p.Tenants, tenantName), "prompts", p.Name, "owner")
			} else {
				l.promptFolder(p)
			}
		}
		p.Versions = slices.Clone(p.Versions)
		for j := range p.Versions {
			v := &p.Versions[j]
			v.Model.Index = index(l.p.Models, v.Model.Name, modelName)
			if v.Model.Index == ir.Unresolved {
				l.unknown(codePromptModel, "model", fmt.Sprintf("prompt %q", p.Name), v.Model.Name, models, append(slices.Clone(v.Path), "model")...)
				continue
			}
			l.modelsUsed[v.Model.Index] = true
			l.able(p, v)
		}
	}
	l.p.Prompts = prompts
	l.listed()
	for i := range l.p.Prompts {
		p := &l.p.Prompts[i]
		called := l.missing["prompt"] || l.p.Withheld.Some("tenants", "apps")
		for app := range l.p.Apps {
			called = called || l.p.MayCall(app, i)
		}
		if !called && (p.Owner.Name == "" || p.Owner.Index != ir.Unresolved) {
			l.report.Add(diag.Diagnostic{Code: codePromptNobody, Severity: diag.Warning, Path: []string{"prompts", p.Name},
				Summary: fmt.Sprintf("prompt %q can be called by no app", p.Name), Primary: diag.Label{Span: l.p.Places.Key("prompts", p.Name)},
				Help: []string{"list it at an app: tenants: TENANT: apps: APP: prompts: [" + strconv.Quote(p.Name) + "], or give the tenant that owns it an app"}})
		}
	}
	if l.p.Withheld.Some("prompts") {
		return
	}
	for _, t := range l.p.Partials {
		if !t.Used {
			l.report.Add(diag.Diagnostic{Code: codeUnused, Severity: diag.Warning, Path: []string{"partials", t.Name},
				Summary: fmt.Sprintf("partial %q is not used: no template includes it", t.Name), Primary: diag.Label{Span: l.p.Places.Key("partials", t.Name)}})
		}
	}
}

// promptFolder is ownFolder for prompts.
func (l *linker) promptFolder(p *ir.Prompt) {
	folder := l.tenantOf("prompts", p.Name)
	if folder == "" || folder == p.Owner.Name {
		return
	}
	path := []string{"prompts", p.Name, "owner"}
	l.report.Add(diag.Diagnostic{Code: codeNotOwn, Severity: diag.Error, Path: path,
		Summary: fmt.Sprintf("prompt %q stands in the folder of tenant %q and says that tenant %q owns it", p.Name, folder, p.Owner.Name),
		Primary: diag.Label{Span: l.p.Places.Value(path...)},
		Help:    []string{fmt.Sprintf("leave owner out, or move the prompt to tenants/%s", p.Owner.Name)}})
}

// listed resolves the prompts that apps list.
func (l *linker) listed() {
	all := names(l.p.Prompts, promptName)
	apps := slices.Clone(l.p.Apps)
	for i := range apps {
		a := &apps[i]
		if len(a.Prompts) == 0 {
			continue
		}
		tenant := l.p.Tenants[a.Tenant].Name
		a.Prompts = slices.Clone(a.Prompts)
		for j := range a.Prompts {
			ref := &a.Prompts[j]
			path := []string{"tenants", tenant, "apps", a.Name, "prompts", strconv.Itoa(j)}
			ref.Index = index(l.p.Prompts, ref.Name, promptName)
			if ref.Index == ir.Unresolved {
				l.unknown(codeAppPrompt, "prompt", fmt.Sprintf("app %q of tenant %q", a.Name, tenant), ref.Name, all, path...)
				continue
			}
			p := &l.p.Prompts[ref.Index]
			if p.Visibility == "private" && p.Owner.Name != tenant {
				whose := "the platform's"
				if p.Owner.Name != "" {
					whose = fmt.Sprintf("tenant %q's", p.Owner.Name)
				}
				l.report.Add(diag.Diagnostic{Code: codePromptPrivate, Severity: diag.Error, Path: path,
					Summary:   fmt.Sprintf("app %q of tenant %q lists prompt %q, which is %s alone", a.Name, tenant, ref.Name, whose),
					Primary:   diag.Label{Span: l.p.Places.Value(path...)},
					Secondary: []diag.Label{{Span: l.p.Places.Value("prompts", ref.Name, "visibility"), Text: "said here"}},
					Help:      []string{`ask its owner for visibility: "team"`}})
			}
		}
	}
	l.p.Apps = apps
}

// able finds what targets of a prompt's model surely lack, and which of them cannot be held to the output's schema: those
// are told of it in words, and gwc checks the answer of all.
func (l *linker) able(p *ir.Prompt, v *ir.PromptVersion) {
	m := &l.p.Models[v.Model.Index]
	var lack []string
	for i := range m.Targets {
		t := &m.Targets[i]
		e := t.Known.Entry
		if v.Content.Output != 0 && (e == nil || e.Can&catalogue.StructuredOutput == 0) {
			v.Told = append(v.Told, i)
		}
		if v.Images && e != nil && e.Cannot&catalogue.Vision != 0 {
			lack = append(lack, strconv.Quote(t.Provider.Name+"/"+t.Model))
		}
	}
	if len(lack) > 0 {
		path := append(slices.Clone(v.Path), "model")
		l.report.Add(diag.Diagnostic{Code: codePromptCannot, Severity: diag.Error, Path: path,
			Summary:   fmt.Sprintf("prompt %q shows images, which %s of model %q cannot see", p.Name, strings.Join(lack, ", "), m.Name),
			Primary:   diag.Label{Span: l.p.Places.Value(path...)},
			Secondary: []diag.Label{{Span: l.p.Places.Key("models", m.Name), Text: "the model"}},
			Help:      []string{"name a model whose targets all have vision"}})
	}
}
