package link

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of what is wrong between models and the catalogue. Each has its page in schema/rules.
const (
	codeCapability  diag.Code = "GWC2201" // a target lacks a capability that its model declares
	codeLike        diag.Code = "GWC2203" // an entry is like one that does not exist
	codeEntryOwner  diag.Code = "GWC2204" // an entry's provider does not exist
	codeOutputLimit diag.Code = "GWC2206" // maxTokens is more than a target can give
	codeBothWays    diag.Code = "GWC2210" // an entry has and lacks one capability
	codeVendor      diag.Code = "GWC2211" // a provider names a vendor that the catalogue does not have
	codeOthersEntry diag.Code = "GWC2212" // an entry in the folder of a tenant whose provider it is not
	codeOthersPrice diag.Code = "GWC6013" // a price in the folder of a tenant whose provider it is not
	codeHalfPrice   diag.Code = "GWC6004" // a price that leaves out what every answer has
	codeTierTwice   diag.Code = "GWC6005" // a tier that stands twice, or is no tier
)

// catalogue finds what is known of every target, and what that makes wrong.
func (l *linker) catalogue() {
	l.vendors()
	l.entries()
	for i := range l.p.Models {
		m := &l.p.Models[i]
		l.price(m.Price, "models", m.Name, "price")
		for j := range m.Targets {
			t := &m.Targets[j]
			l.price(t.Price, "models", m.Name, "targets", strconv.Itoa(j), "price")
			if t.Provider.Index == ir.Unresolved {
				continue
			}
			t.Known = l.known(m, t, j)
			l.ownPrice(m, j)
			l.capable(m, t, j)
			l.longEnough(m, t, j)
		}
	}
}

// vendors finds which vendor is behind each provider, and checks those that the files name.
func (l *linker) vendors() {
	l.vendor = make([]string, len(l.p.Providers))
	for i := range l.p.Providers {
		p := &l.p.Providers[i]
		if l.vendor[i] = p.Catalogue; p.Catalogue == "" {
			l.vendor[i] = catalogue.Provider(p.Kind, p.BaseURL)
		}
		if p.Catalogue == "" || catalogue.HasProvider(p.Catalogue) {
			continue
		}
		path := []string{"providers", p.Name, "catalogue"}
		d := diag.Diagnostic{Code: codeVendor, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)},
			Summary: fmt.Sprintf("provider %q is of unknown vendor %q", p.Name, p.Catalogue),
			Notes:   []string{"catalogue names a provider of the shipped catalogue, whose facts then hold for this server"}}
		if best, ok := diag.Nearest(p.Catalogue, catalogue.Providers()); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
			d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
		} else {
			d.Help = []string{"`gwc models list` shows the names"}
		}
		l.report.Add(d)
	}
}

// own returns the repository's entry of a name, or nil.
func (l *linker) own(name string) *ir.Facts {
	i := index(l.p.Catalogue, name, func(f *ir.Facts) string { return f.Name })
	if i == ir.Unresolved {
		return nil
	}
	return &l.p.Catalogue[i]
}

// found is what the shipped catalogue has under a name; entry is nil where it has nothing.
type found struct {
	entry *catalogue.Entry
	by    catalogue.Match
}

// shipped looks a name up in the shipped catalogue, each one once: thousands of models may have a few targets.
func (l *linker) shipped(provider, model string) found {
	name := provider + "/" + model
	f, ok := l.found[name]
	if !ok {
		if e, by, has := catalogue.Lookup(provider, model); has {
			f = found{&e, by}
		}
		if l.found == nil {
			l.found = map[string]found{}
		}
		l.found[name] = f
	}
	return f
}

// known puts together what is known of a target.
func (l *linker) known(m *ir.Model, t *ir.Target, at int) ir.Known {
	p := &l.p.Providers[t.Provider.Index]
	k := ir.Known{Provider: l.vendor[t.Provider.Index]}
	if k.Provider != "" {
		if f := l.shipped(k.Provider, t.Model); f.entry != nil {
			k.Entry, k.Match, k.Price, k.Listed = f.entry, f.by, f.entry.Price, f.entry.Price
		}
	}
	own := l.own(p.Name + "/" + t.Model)
	if own == nil && k.Provider != "" {
		own = l.own(k.Provider + "/" + t.Model)
	}
	if own != nil {
		k.Own = true
		e, at := l.entry(own, k.Entry, 0)
		if k.Entry == nil {
			e.Provider, e.Model = p.Name, t.Model
		}
		k.Entry, k.Price, k.PriceAt = e, e.Price, at
	}
	for _, given := range []struct {
		price *ir.Price
		path  []string
	}{{m.Price, []string{"models", m.Name, "price"}}, {t.Price, []string{"models", m.Name, "targets", strconv.Itoa(at), "price"}}} {
		if p := priced(given.price, given.path); p != nil {
			k.Price, k.PriceAt = p, given.path
		}
	}
	return k
}

// maxLike bounds chains of entries that are like others, so that a circle ends.
const maxLike = 8

// entry returns the facts of a repository's entry over those of the shipped catalogue, and the path of the price if it
// is the repository's.
func (l *linker) entry(own *ir.Facts, shipped *catalogue.Entry, depth int) (*catalogue.Entry, []string) {
	var e catalogue.Entry
	var at []string
	if shipped != nil {
		e = *shipped
	} else {
		e.Provider, e.Model, _ = strings.Cut(own.Name, "/")
	}
	if own.Like != "" && depth < maxLike {
		provider, model, _ := strings.Cut(own.Like, "/")
		var base *catalogue.Entry
		if found, _, ok := catalogue.Lookup(provider, model); ok {
			base = &found
		}
		if other := l.own(own.Like); other != nil && other != own {
			base, at = l.entry(other, base, depth+1)
		}
		if base != nil {
			e = *base
		}
	}
	if own.Context != 0 {
		e.Context, e.MaxInput = own.Context, 0
	}
	if own.Output != 0 {
		e.Output = own.Output
	}
	e.Can, e.Cannot = e.Can&^own.Lacks|own.Has, e.Cannot&^own.Has|own.Lacks
	if path := []string{"catalogue", own.Name, "price"}; own.Price != nil {
		if p := priced(own.Price, path); p != nil {
			e.Price, at = p, path
		}
	}
	if own.Deprecated != "" || own.Retires != "" {
		e.Deprecated, e.Retires, e.Replacement = own.Deprecated, own.Retires, own.Replacement
	}
	return &e, at
}

// priced makes a price of what the files say at a path; nil where they say nothing, or what is no price.
func priced(p *ir.Price, path []string) *price.Price {
	if p == nil || len(p.Rates) == 0 {
		return nil // the latter was reported
	}
	out := price.Price{Source: p.Source, Date: p.Date, Rates: slices.CompactFunc(slices.Clone(p.Rates), sameTier)}
	if out.Source == "" {
		out.Source = strings.Join(path, ".")
	}
	out = out.Identify()
	return &out
}

func sameTier(a, b price.Rate) bool {
	return a.Service == b.Service && a.Above == b.Above && a.Kind == b.Kind
}

// entries checks the repository's own entries.
func (l *linker) entries() {
	for i := range l.p.Catalogue {
		f := &l.p.Catalogue[i]
		at := func(field string) []string { return []string{"catalogue", f.Name, field} }
		provider, _, _ := strings.Cut(f.Name, "/")
		if !l.someProvider(provider) && !l.p.Withheld.Has("providers", provider) {
			all := append(names(l.p.Providers, providerName), catalogue.Providers()...)
			d := diag.Diagnostic{Code: codeEntryOwner, Severity: diag.Error, Path: []string{"catalogue", f.Name},
				Summary: fmt.Sprintf("catalogue entry %q is of unknown provider %q", f.Name, provider),
				Primary: diag.Label{Span: l.p.Places.Key("catalogue", f.Name)},
				Notes:   []string{"an entry's name begins with a provider of this repository, or of the shipped catalogue"}}
			if best, ok := diag.Nearest(provider, all); ok {
				d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
			}
			l.report.Add(d)
		}
		l.ownEntry(f.Name, provider)
		if f.Like != "" {
			l.like(f, at("like"))
		}
		if both := f.Has & f.Lacks; both != 0 {
			l.report.Add(diag.Diagnostic{Code: codeBothWays, Severity: diag.Error, Path: at("lacks"),
				Summary:   fmt.Sprintf("catalogue entry %q both has and lacks %s", f.Name, strings.Join(both.Names(), ", ")),
				Primary:   diag.Label{Span: l.p.Places.Value(at("lacks")...)},
				Secondary: []diag.Label{{Span: l.p.Places.Value(at("has")...), Text: "it has it here"}}})
		}
		l.price(f.Price, at("price")...)
	}
}

// tenantOf returns the tenant in whose folder a definition stands, "" for the platform's files.
func (l *linker) tenantOf(path ...string) string {
	below, ok := strings.CutPrefix(l.p.Places.Key(path...).File, "tenants/")
	folder, _, deeper := strings.Cut(below, "/")
	if !ok || !deeper {
		return ""
	}
	return folder
}

// ownEntry finds an entry in a tenant's folder on a model that is not at a provider of that tenant's: what it says would
// hold for everybody, and that tenant's reviewers alone have seen it.
func (l *linker) ownEntry(name, provider string) {
	folder := l.tenantOf("catalogue", name)
	if folder == "" || l.p.Withheld.Has("providers", provider) {
		return
	}
	if index(l.p.Providers, provider, providerName) != ir.Unresolved && l.tenantOf("providers", provider) == folder {
		return
	}
	l.report.Add(diag.Diagnostic{Code: codeOthersEntry, Severity: diag.Error, Path: []string{"catalogue", name},
		Summary: fmt.Sprintf("catalogue entry %q stands in the folder of tenant %q, whose provider %q is not", name, folder, provider),
		Primary: diag.Label{Span: l.p.Places.Key("catalogue", name)},
		Notes:   []string{"limits and prices of an entry hold for the models of every tenant"},
		Help:    []string{"move it to the platform's files"}})
}

// ownPrice finds a price in a tenant's folder for a target at a provider that is not that tenant's: who pays the vendor
// says what a call costs.
func (l *linker) ownPrice(m *ir.Model, at int) {
	t := &m.Targets[at]
	if t.Price == nil && m.Price == nil {
		return
	}
	folder := l.tenantOf("models", m.Name)
	if folder == "" || l.tenantOf("providers", t.Provider.Name) == folder {
		return
	}
	path := []string{"models", m.Name, "price"}
	if t.Price != nil {
		path = []string{"models", m.Name, "targets", strconv.Itoa(at), "price"}
	}
	l.report.Add(diag.Diagnostic{Code: codeOthersPrice, Severity: diag.Error, Path: path,
		Summary:   fmt.Sprintf("tenant %q says what provider %q costs, which is not its own", folder, t.Provider.Name),
		Primary:   diag.Label{Span: l.p.Places.Value(path...)},
		Secondary: []diag.Label{{Span: l.p.Places.Key("providers", t.Provider.Name), Text: "the provider is defined here"}},
		Notes:     []string{"a price that is too low lets calls pass every budget"},
		Help:      []string{fmt.Sprintf("leave it out, or have the platform say it: catalogue: %q: price: {…}", t.Provider.Name+"/"+t.Model)}})
}

// someProvider reports whether a name is that of a provider of the repository or of the shipped catalogue.
func (l *linker) someProvider(name string) bool {
	return index(l.p.Providers, name, providerName) != ir.Unresolved || catalogue.HasProvider(name)
}

// like checks what an entry is like.
func (l *linker) like(f *ir.Facts, path []string) {
	d := diag.Diagnostic{Code: codeLike, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)}}
	provider, model, _ := strings.Cut(f.Like, "/")
	_, _, shipped := catalogue.Lookup(provider, model)
	seen := []string{f.Name}
	for at := f; at.Like != ""; {
		next := l.own(at.Like)
		if next == nil {
			break
		}
		if slices.Contains(seen, next.Name) {
			if next != f || shipped && len(seen) == 1 {
				return // the circle is another entry's, or the entry overrides the shipped one of its own name
			}
			d.Summary = fmt.Sprintf("catalogue entry %q is like itself: %s", f.Name, strings.Join(append(seen, next.Name), ", "))
			d.Help = []string{"name the entry of another model"}
			l.report.Add(d)
			return
		}
		seen = append(seen, next.Name)
		at = next
	}
	if shipped || l.own(f.Like) != nil || l.p.Withheld.Has("catalogue", f.Like) {
		return
	}
	d.Summary = fmt.Sprintf("catalogue entry %q is like unknown model %q", f.Name, f.Like)
	if best, ok := catalogue.Nearest(provider, model); ok {
		best = provider + "/" + best
		d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
	} else {
		d.Help = []string{"`gwc models list` shows the names of the shipped catalogue"}
	}
	l.report.Add(d)
}

// price checks a price that the files say.
func (l *linker) price(p *ir.Price, path ...string) {
	if p == nil {
		return
	}
	at := l.p.Places.Value(path...)
	usual := func(k price.Kind) bool {
		return slices.ContainsFunc(p.Rates, func(r price.Rate) bool { return r.Service == "" && r.Above == 0 && r.Kind == k })
	}
	in, out := usual(price.Input), usual(price.Output)
	d := diag.Diagnostic{Code: codeHalfPrice, Severity: diag.Error, Path: path, Primary: diag.Label{Span: at}}
	switch {
	case in && !out:
		d.Summary, d.Help = "the price has no output, so that no answer can be priced", []string{`add output, "0" for a model that answers without tokens`}
	case out && !in:
		d.Summary, d.Help = "the price has no input, so that no request can be priced", []string{"add input"}
	case !in && !out && !slices.ContainsFunc(p.Rates, func(r price.Rate) bool { return r.Service == "" && r.Above == 0 && r.Kind.Beside() }):
		d.Summary, d.Help = "the price says nothing of usual exchanges", []string{"add input and output, in USD per million tokens"}
	}
	if d.Summary != "" {
		l.report.Add(d)
		return
	}
	for i := 1; i < len(p.Rates); i++ {
		if a, b := p.Rates[i-1], p.Rates[i]; sameTier(a, b) {
			said := "always"
			if a.Above > 0 {
				said = fmt.Sprintf("above %d tokens", a.Above)
			}
			if a.Service != "" {
				said = fmt.Sprintf("service %q, %s", a.Service, said)
			}
			d.Code, d.Path = codeTierTwice, append(slices.Clone(path), "tiers")
			d.Primary.Span = l.p.Places.Value(d.Path...)
			d.Summary = fmt.Sprintf("the price has two prices of %s for one tier (%s)", a.Kind, said)
			d.Help = []string{"give each tier an `above` or a `service` of its own"}
			l.report.Add(d)
			return
		}
	}
}

// capable reports what a target surely lacks of its model's capabilities.
func (l *linker) capable(m *ir.Model, t *ir.Target, at int) {
	if t.Known.Entry == nil {
		return
	}
	lacks := (m.Capabilities & t.Known.Entry.Cannot).Names()
	if len(lacks) == 0 {
		return
	}
	path := []string{"models", m.Name, "targets", strconv.Itoa(at), "model"}
	which := "target"
	if at > 0 {
		which = "fallback target"
	}
	by := fmt.Sprintf("the catalogue (%s, %s) says so", t.Known.Entry.Name(), t.Known.Entry.Updated)
	if t.Known.Own {
		by = "an entry of the repository's catalogue says so"
	}
	l.report.Add(diag.Diagnostic{Code: codeCapability, Severity: diag.Error, Path: path,
		Summary:   fmt.Sprintf("%s %q of model %q lacks %s, which the model declares", which, t.Provider.Name+"/"+t.Model, m.Name, strings.Join(lacks, ", ")),
		Primary:   diag.Label{Span: l.p.Places.Value(path...)},
		Secondary: []diag.Label{{Span: l.p.Places.Value("models", m.Name, "capabilities"), Text: "callers are promised this"}},
		Notes:     []string{by},
		Help: []string{"name a target that can, or leave it out of capabilities",
			fmt.Sprintf("where the catalogue is wrong: catalogue: %q: has: [%q]", t.Provider.Name+"/"+t.Model, lacks[0])}})
}

// longEnough reports an output limit that a target would refuse. The default counts only where it is sent: to
// providers that require one.
func (l *linker) longEnough(m *ir.Model, t *ir.Target, at int) {
	e := t.Known.Entry
	path := []string{"models", m.Name, "maxTokens"}
	span := l.p.Places.Value(path...)
	given := !span.IsZero()
	if e == nil || !given && l.p.Providers[t.Provider.Index].Kind != "anthropic" {
		return
	}
	limit, what := e.Output, "can answer with"
	if e.Context > 0 && (limit == 0 || e.Context < limit) {
		limit, what = e.Context, "has a context of"
	}
	if limit == 0 || m.MaxTokens <= limit {
		return
	}
	target := []string{"models", m.Name, "targets", strconv.Itoa(at), "model"}
	d := diag.Diagnostic{Code: codeOutputLimit, Severity: diag.Error, Path: path,
		Summary:   fmt.Sprintf("maxTokens of model %q is %d, but target %q %s %d tokens", m.Name, m.MaxTokens, t.Provider.Name+"/"+t.Model, what, limit),
		Primary:   diag.Label{Span: span},
		Secondary: []diag.Label{{Span: l.p.Places.Value(target...), Text: "this target"}},
		Help:      []string{fmt.Sprintf("set maxTokens to at most %d", limit)}}
	if given {
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("set it to %d", limit), Edits: []diag.Edit{{Span: span, New: strconv.FormatInt(limit, 10)}}}}
	} else {
		d.Path, d.Primary.Span, d.Secondary = target, l.p.Places.Value(target...), nil
		d.Notes = []string{fmt.Sprintf("%d is the default, which is sent where a caller sets no limit", m.MaxTokens)}
	}
	l.report.Add(d)
}
