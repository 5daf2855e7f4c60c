package lint

import (
	"fmt"
	"math/bits"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of opinions on models, by what the catalogue knows. Each has its page in schema/rules.
const (
	codeUnknownModel  diag.Code = "GWC2202" // a target that the catalogue does not have
	codeUnusedEntry   diag.Code = "GWC2205" // an entry of the repository's catalogue that no target uses
	codeDeprecated    diag.Code = "GWC2207" // a target that its provider advises against
	codeRetired       diag.Code = "GWC2208" // a target that no longer answers, or soon
	codeSmallFallback diag.Code = "GWC2209" // a fallback with a far smaller context
	codeUnpriced      diag.Code = "GWC6002" // a model that apps may ask for and nobody knows the price of
	codeAbsurd        diag.Code = "GWC6003" // a price in another unit, most likely
	codeListPrice     diag.Code = "GWC6006" // a price that says what the catalogue says
	codeVoidTier      diag.Code = "GWC6007" // a tier that no exchange reaches
	codeDearCache     diag.Code = "GWC6008" // cached input dearer than input
	codeVoidPrice     diag.Code = "GWC6009" // a model's price that no target takes
	codeFree          diag.Code = "GWC6010" // a vendor's model for which the catalogue says 0
	codeOldPrice      diag.Code = "GWC6011" // a price that nobody has looked at for a year
	codeDearFallback  diag.Code = "GWC6012" // a fallback that costs many times as much
)

const (
	// priceAge is how long a price is taken for current.
	priceAge = 365 * 24 * time.Hour
	// notice is how long before its end a model is warned about.
	notice = 90 * 24 * time.Hour
	// dear is how many times as much a fallback may cost.
	dear = 10
	// absurd is how far a price may be from the catalogue's.
	absurd = 100
	// absurdAlone is a price in USD per million tokens that no model has.
	absurdAlone = 2000
	// absurdPiece is a price in USD of one piece, such as a search or a second, that nobody takes.
	absurdPiece = 2
)

// models judges models by what is known of their targets.
func (l *linter) models() {
	asked := make([]bool, len(l.p.Models))
	for i := range l.p.Apps {
		for _, m := range l.p.Apps[i].Models {
			if m.Index != ir.Unresolved {
				asked[m.Index] = true
			}
		}
	}
	used := map[string]bool{}
	for i := range l.p.Models {
		m := &l.p.Models[i]
		taken := false
		for j := range m.Targets {
			t := &m.Targets[j]
			k := &t.Known
			if t.Provider.Index == ir.Unresolved {
				taken = true // nothing is known of it
				continue
			}
			used[t.Provider.Name+"/"+t.Model] = true
			used[k.Provider+"/"+t.Model] = true
			taken = taken || t.Price == nil
			if l.p.Withheld.Some("catalogue") {
				continue // perhaps what is missing is there, with an error in it
			}
			if k.Provider != "" && !catalogue.HasProvider(k.Provider) {
				continue // link reported the provider
			}
			if k.Entry == nil && k.Provider != "" && k.Price == nil {
				if asked[i] { // that nobody may ask for the model is said anyway
					l.unknownModel(m, t, j)
				}
				continue
			}
			l.life(m, t, j)
			if asked[i] {
				l.priced(m, t, j)
			}
			if j > 0 {
				l.fallback(m, j)
			}
			if t.Price != nil {
				l.given(t, []string{"models", m.Name, "targets", strconv.Itoa(j), "price"}, t.Price)
			}
		}
		if m.Price != nil && !taken {
			l.warn(codeVoidPrice, []string{"models", m.Name, "price"}, diag.Diagnostic{
				Summary: fmt.Sprintf("the price of model %q is never used: each of its targets has its own", m.Name),
				Help:    []string{"remove it, or the prices of the targets"}})
			continue
		}
		if m.Price != nil {
			l.givenForModel(m)
		}
	}
	for i := range l.p.Catalogue {
		if f := &l.p.Catalogue[i]; f.Like != f.Name {
			used[f.Like] = true
		}
	}
	for i := range l.p.Catalogue {
		f := &l.p.Catalogue[i]
		provider, _, _ := strings.Cut(f.Name, "/")
		if !used[f.Name] && (!l.someProvider(provider) || l.p.Withheld.Some("models", "providers", "catalogue")) {
			continue // which link reported, or perhaps what has an error uses it
		}
		if !used[f.Name] {
			l.warn(codeUnusedEntry, []string{"catalogue", f.Name}, diag.Diagnostic{Primary: diag.Label{Span: l.p.Places.Key("catalogue", f.Name)},
				Summary: fmt.Sprintf("catalogue entry %q is not used: no target is this model", f.Name)})
			continue
		}
		if f.Price != nil {
			provider, model, _ := strings.Cut(f.Name, "/")
			t := ir.Target{Model: model}
			if e, _, ok := catalogue.Lookup(provider, model); ok {
				t.Known.Entry, t.Known.Listed = &e, e.Price
			}
			if f.Context > 0 {
				e := catalogue.Entry{Context: f.Context}
				t.Known.Entry = &e
			}
			l.given(&t, []string{"catalogue", f.Name, "price"}, f.Price)
		}
	}
}

// someProvider reports whether a name is that of a provider of the repository or of the shipped catalogue.
func (l *linter) someProvider(name string) bool {
	return slices.ContainsFunc(l.p.Providers, func(p ir.Provider) bool { return p.Name == name }) || catalogue.HasProvider(name)
}

func targetPath(m *ir.Model, at int) []string {
	return []string{"models", m.Name, "targets", strconv.Itoa(at), "model"}
}

// unknownModel: a name that the provider's catalogue does not have. It may be a typo, or newer than the catalogue.
func (l *linter) unknownModel(m *ir.Model, t *ir.Target, at int) {
	path := targetPath(m, at)
	d := diag.Diagnostic{
		Summary: fmt.Sprintf("target %d of model %q: the catalogue has no model %q of %s, so that neither its price nor what it can do is known", at+1, m.Name, t.Model, t.Known.Provider),
		Help:    []string{fmt.Sprintf("if it is new, say what is known of it: catalogue: %q: price: {input: \"…\", output: \"…\"}", t.Provider.Name+"/"+t.Model)}}
	if best, ok := catalogue.Nearest(t.Known.Provider, t.Model); ok {
		d.Primary = diag.Label{Span: l.at(path), Text: fmt.Sprintf("did you mean %q?", best)}
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name model %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
	}
	l.warn(codeUnknownModel, path, d)
}

// life: models that end.
func (l *linter) life(m *ir.Model, t *ir.Target, at int) {
	e := t.Known.Entry
	if e == nil {
		return
	}
	var help []string
	if e.Replacement != "" {
		help = []string{fmt.Sprintf("its provider advises %q instead", e.Replacement)}
	}
	name := t.Provider.Name + "/" + t.Model
	if end, err := time.Parse(time.DateOnly, e.Retires); err == nil && !l.now.IsZero() {
		switch left := end.Sub(l.now); {
		case left <= 0:
			l.warn(codeRetired, targetPath(m, at), diag.Diagnostic{Help: help,
				Summary: fmt.Sprintf("target %q of model %q no longer answers: it was retired on %s", name, m.Name, e.Retires)})
			return
		case left <= notice:
			l.warn(codeRetired, targetPath(m, at), diag.Diagnostic{Help: help,
				Summary: fmt.Sprintf("target %q of model %q is retired on %s, %s", name, m.Name, e.Retires, days(left))})
			return
		}
	}
	since := ""
	if begin, err := time.Parse(time.DateOnly, e.Deprecated); err == nil {
		if l.now.IsZero() || l.now.Before(begin) {
			return
		}
		since = " since " + e.Deprecated
	} else if e.Status != "deprecated" {
		return
	}
	l.warn(codeDeprecated, targetPath(m, at), diag.Diagnostic{Help: help,
		Summary: fmt.Sprintf("target %q of model %q is deprecated%s: its provider will switch it off", name, m.Name, since)})
}

// priced: what apps may ask for should have a price.
func (l *linter) priced(m *ir.Model, t *ir.Target, at int) {
	k := &t.Known
	switch {
	case k.Price == nil && k.Entry == nil && ownServer(l.p.Providers[t.Provider.Index].BaseURL):
		// nobody bills for it
	case k.Price == nil:
		l.warn(codeUnpriced, targetPath(m, at), diag.Diagnostic{
			Summary: fmt.Sprintf("nobody knows what target %q of model %q costs, which apps may ask for: its calls are logged without a cost, and no budget can count them", t.Provider.Name+"/"+t.Model, m.Name),
			Help:    []string{`give the target a price: {input: "…", output: "…"}, in USD per million tokens; "0" where nobody bills`}})
	case k.PriceAt == nil && k.Price.Free():
		l.warn(codeFree, targetPath(m, at), diag.Diagnostic{
			Summary: fmt.Sprintf("the catalogue says that target %q of model %q costs nothing: its calls are logged at 0", t.Provider.Name+"/"+t.Model, m.Name),
			Notes:   []string{"the source writes 0 for free models and for those that a subscription pays"},
			Help:    []string{`say so in the repository: price: {input: "0", output: "0"}, or what it costs`}})
	}
}

// ownServer reports whether a URL surely leads to a server that no vendor bills for: this machine, a private address,
// or a name that no public server can have (RFC 6761, RFC 6762, and names without a dot).
func ownServer(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if loopback(host) {
		return true
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch last {
	case host, "internal", "local", "localhost", "test", "example", "invalid", "home", "lan", "corp":
		return true
	}
	return false
}

// fallback: a target that takes over what the first could hold or cost.
func (l *linter) fallback(m *ir.Model, at int) {
	first, t := &m.Targets[0], &m.Targets[at]
	a, b := first.Known.Entry, t.Known.Entry
	label := func(text string) []diag.Label {
		return []diag.Label{{Span: l.at(targetPath(m, 0)), Text: text}}
	}
	if a != nil && b != nil && b.Context > 0 && b.Context < a.Context/2 {
		l.warn(codeSmallFallback, targetPath(m, at), diag.Diagnostic{
			Summary:   fmt.Sprintf("fallback target %q of model %q has a context of %d tokens, the first target one of %d: longer requests fail when they fall back", t.Provider.Name+"/"+t.Model, m.Name, b.Context, a.Context),
			Secondary: label(fmt.Sprintf("%d tokens", a.Context)),
			Help:      []string{"name a fallback that can hold as much, or a smaller first target"}})
	}
	x, y := first.Known.Price, t.Known.Price
	if x == nil || y == nil {
		return
	}
	for _, k := range []price.Kind{price.Input, price.Output} {
		p, okX := x.Rate("", 0, k)
		q, okY := y.Rate("", 0, k)
		if okX && okY && times(q, p) >= dear && p > 0 {
			l.warn(codeDearFallback, targetPath(m, at), diag.Diagnostic{
				Summary: fmt.Sprintf("fallback target %q of model %q costs %d times as much %s as the first target: USD %s per million tokens instead of %s",
					t.Provider.Name+"/"+t.Model, m.Name, times(q, p), k, price.FormatRate(q, k), price.FormatRate(p, k)),
				Secondary: label("the first target"),
				Help:      []string{"an outage of the first target multiplies the bill; name a cheaper fallback, or bound the model by limits"}})
			return
		}
	}
}

// times returns how many times b fits into a, rounded down; 0 for nothing.
func times(a, b uint64) uint64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// usual returns how to look up the rates of a price for usual exchanges.
func usual(p *ir.Price) func(price.Kind) (femto uint64, ok bool) {
	return func(k price.Kind) (uint64, bool) {
		for _, r := range p.Rates {
			if r.Service == "" && r.Above == 0 && r.Kind == k {
				return r.Femto, true
			}
		}
		return 0, false
	}
}

// repeats reports whether rates say what the catalogue says of usual exchanges, and nothing else: service tiers and pieces
// may be left out.
func repeats(rates []price.Rate, listed *price.Price) bool {
	for _, r := range rates {
		if femto, ok := listed.Rate(r.Service, r.Above, r.Kind); !ok || femto != r.Femto {
			return false
		}
	}
	for _, want := range listed.Rates {
		if want.Service == "" && !want.Kind.Beside() && !slices.Contains(rates, want) {
			return false
		}
	}
	return true
}

// given judges a price that the files say for one upstream model.
func (l *linter) given(t *ir.Target, path []string, p *ir.Price) {
	rate := usual(p)
	listed := t.Known.Listed
	if l.unit(path, listed, rate) {
		return
	}
	if listed != nil {
		if repeats(p.Rates, listed) {
			l.warn(codeListPrice, path, diag.Diagnostic{
				Summary: "the price says nothing but what the catalogue says",
				Notes:   []string{"an artifact pins its prices anyway, and a copy here does not follow when the catalogue is updated"},
				Help:    []string{"remove it"}})
		}
	}
	if e := t.Known.Entry; e != nil && e.Context > 0 {
		for _, r := range p.Rates {
			if r.Above >= e.Context {
				l.warn(codeVoidTier, append(path[:len(path):len(path)], "tiers"), diag.Diagnostic{
					Summary: fmt.Sprintf("the tier above %d tokens never holds: the context of the model is %d tokens", r.Above, e.Context),
					Help:    []string{"remove it, or mend its threshold"}})
				break
			}
		}
	}
	l.cache(path, rate)
	l.age(path, p)
}

// givenForModel judges a price that the files say for all targets of a model.
func (l *linter) givenForModel(m *ir.Model) {
	path := []string{"models", m.Name, "price"}
	if len(m.Targets) == 1 {
		l.given(&m.Targets[0], path, m.Price)
		return
	}
	rate := usual(m.Price)
	for i := range m.Targets {
		if m.Targets[i].Price == nil && l.unit(path, m.Targets[i].Known.Listed, rate) {
			return
		}
	}
	l.cache(path, rate)
	l.age(path, m.Price)
}

// unit: a price that is most likely per thousand tokens, or per token, or in cents.
func (l *linter) unit(path []string, listed *price.Price, rate func(price.Kind) (uint64, bool)) bool {
	for _, k := range price.Kinds() {
		own, ok := rate(k)
		if !ok || own == 0 {
			continue
		}
		d := diag.Diagnostic{Primary: diag.Label{Span: l.at(append(path[:len(path):len(path)], k.String()))},
			Help: []string{"prices are in USD per million tokens: 0.00125 per thousand tokens is \"1.25\""}}
		if k.Beside() {
			d.Help = []string{fmt.Sprintf("it is in USD per %s: 10 for a thousand is \"0.01\"", k.Per())}
			if k == price.Character || k == price.Citation {
				d.Help = []string{fmt.Sprintf("it is in USD per %s", k.Per())}
			}
		}
		theirs, known := listed.Rate("", 0, k)
		switch {
		case known && theirs != 0:
			if times(own, theirs) < absurd && !below(own, theirs) {
				continue
			}
			d.Summary = fmt.Sprintf("the price of %s is USD %s per %s, the catalogue says %s", k, price.FormatRate(own, k), k.Per(), price.FormatRate(theirs, k))
		case k.Piece():
			if own/1e15 < absurdPiece {
				continue
			}
			d.Summary = fmt.Sprintf("the price of %s is USD %s per %s, which nobody takes", k, price.FormatRate(own, k), k.Per())
		case listed != nil || own/1e9 < absurdAlone:
			continue
		default:
			d.Summary = fmt.Sprintf("the price of %s is USD %s per %s, which no model costs", k, price.FormatRate(own, k), k.Per())
		}
		l.warn(codeAbsurd, append(path[:len(path):len(path)], k.String()), d)
		return true
	}
	return false
}

// below reports whether own · absurd ≤ theirs.
func below(own, theirs uint64) bool {
	hi, lo := bits.Mul64(own, absurd)
	return hi == 0 && lo <= theirs
}

func (l *linter) cache(path []string, rate func(price.Kind) (uint64, bool)) {
	in, okIn := rate(price.Input)
	read, okRead := rate(price.CacheRead)
	if okIn && okRead && read > in {
		l.warn(codeDearCache, append(path[:len(path):len(path)], "cacheRead"), diag.Diagnostic{
			Summary: fmt.Sprintf("cached input costs more than input: USD %s per million tokens, not %s", price.FormatRate(read, price.CacheRead), price.FormatRate(in, price.Input)),
			Help:    []string{"cacheRead is what is read from a cache; cacheWrite is what is put there"}})
	}
}

// age: a price with a day, and the day is long ago.
func (l *linter) age(path []string, p *ir.Price) {
	day, err := time.Parse(time.DateOnly, p.Date)
	if err != nil || l.now.IsZero() || l.now.Sub(day) < priceAge {
		return
	}
	l.warn(codeOldPrice, append(path[:len(path):len(path)], "date"), diag.Diagnostic{
		Summary: fmt.Sprintf("the price is of %s, more than a year ago", p.Date),
		Help:    []string{"look the price up again and set its date"}})
}
