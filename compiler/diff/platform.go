package diff

import (
	"time"

	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// gateway compares what belongs to the process.
func (c *comparison) gateway() {
	x, y := &c.base.a.Gateway, &c.target.a.Gateway
	all := Blast{Everyone: true}
	pairs(x.Listeners, y.Listeners, func(l *artifact.Listener) string { return l.Name }, func(name string, i, j int) {
		ch := func(k Kind, before, after, summary string, args ...any) {
			c.add(Change{Kind: k, Subject: "listener " + name, Before: before, After: after, Blast: all,
				Summary: fmt.Sprintf("listener %q "+summary, append([]any{name}, args...)...)})
		}
		if i < 0 {
			ch(ListenerAdded, "", y.Listeners[j].Address, "is opened at %s", y.Listeners[j].Address)
			return
		}
		if j < 0 {
			ch(ListenerRemoved, x.Listeners[i].Address, "", "is closed")
			return
		}
		a, b := &x.Listeners[i], &y.Listeners[j]
		if a.Address != b.Address {
			ch(ListenerAddress, a.Address, b.Address, "moves to %s", b.Address)
		}
		if a.Engine != b.Engine {
			ch(ListenerEngine, a.Engine, b.Engine, "is served by engine %s", b.Engine)
		}
		switch {
		case a.TLS == nil && b.TLS != nil:
			ch(ListenerTLSOn, "clear text", "TLS", "speaks TLS")
		case a.TLS != nil && b.TLS == nil:
			ch(ListenerTLSOff, "TLS", "clear text", "no longer speaks TLS")
		case a.TLS != nil && *a.TLS != *b.TLS:
			ch(ListenerCertificate, a.TLS.Cert+", "+a.TLS.Key, b.TLS.Cert+", "+b.TLS.Key, "has another certificate or key file")
		}
	})
	if x.Admin != y.Admin {
		c.add(Change{Kind: AdminAddress, Subject: "admin", Before: x.Admin, After: y.Admin, Summary: "the admin listener moves"})
	}
	c.signatures(x.Signatures, y.Signatures)
	calls := func(l artifact.Calls) string {
		if l.Dir == "" {
			return ""
		}
		return fmt.Sprintf("%s, flushed every %s, segments of %d bytes", l.Dir, short(l.Flush), l.MaxBytes)
	}
	ch := Change{Subject: "call log", Before: calls(x.Calls), After: calls(y.Calls)}
	switch {
	case x.Calls == y.Calls:
		return
	case x.Calls.Dir == "" && y.Calls.Dir == "":
		return // how a log that is off would be written
	case x.Calls.Dir == "":
		ch.Kind, ch.Summary = CallsOn, "calls are logged"
	case y.Calls.Dir == "":
		ch.Kind, ch.Summary, ch.Blast = CallsOff, "calls are no longer logged", all
	default:
		ch.Kind, ch.Summary = CallsChanged, "calls are logged otherwise"
	}
	c.add(ch)
}

// signatures compares whose signatures artifacts must have.
func (c *comparison) signatures(x, y *artifact.Signing) {
	rule := func(s *artifact.Signing) (keys []string, need int, text string) {
		if s == nil {
			return nil, 0, ""
		}
		for _, k := range s.Keys {
			keys = append(keys, sign.PublicKey(k.Key).String())
		}
		slices.Sort(keys)
		if need = s.Need; need == 0 {
			need = len(keys)
		}
		return keys, need, fmt.Sprintf("%d of %s", need, strings.Join(keys, ", "))
	}
	from, n, before := rule(x)
	to, m, after := rule(y)
	ch := Change{Subject: "signatures", Before: before, After: after}
	switch {
	case before == after:
		if x != nil && !slices.Equal(x.Keys, y.Keys) {
			ch.Kind, ch.Summary = SignerRenamed, "keys that sign artifacts have other names"
			ch.Before, ch.After = signers(x), signers(y)
			c.add(ch)
		}
		return
	case x == nil || slices.Equal(from, to) && m > n:
		ch.Kind, ch.Summary = SignaturesMore, fmt.Sprintf("artifacts need the signatures of %d of %s", m, count(len(to), "key"))
	case y == nil:
		ch.Kind, ch.Summary = SignaturesLess, "artifacts need no signature any more"
	case slices.Equal(from, to):
		ch.Kind, ch.Summary = SignaturesLess, fmt.Sprintf("artifacts need the signatures of %d of %s", m, count(len(to), "key"))
	default:
		ch.Kind, ch.Summary = SignersChanged, fmt.Sprintf("artifacts need the signatures of %d of other keys", m)
	}
	c.add(ch)
}

func signers(s *artifact.Signing) string {
	var names []string
	for _, k := range s.Keys {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

func timeouts(t artifact.Timeouts) string { return strings.Join(terms(t), ", ") }

// using returns the names of the models that have a target at a provider, in either view.
func (c *comparison) using(provider string) map[string]bool {
	models := map[string]bool{}
	for _, v := range []*View{c.base, c.target} {
		for i := range v.a.Models {
			m := &v.a.Models[i]
			if slices.ContainsFunc(m.Targets, func(t artifact.Target) bool { return v.a.Providers[t.Provider].Name == provider }) {
				models[m.Name] = true
			}
		}
	}
	return models
}

// anyChat returns the witness of the first of these models that has one.
func (c *comparison) anyChat(models map[string]bool) *Witness {
	for i := range c.base.a.Models {
		if name := c.base.a.Models[i].Name; models[name] {
			if w := c.chat(chatPath, name); w != nil {
				return w
			}
		}
	}
	return nil
}

func (c *comparison) providers() {
	pairs(c.base.a.Providers, c.target.a.Providers, func(p *artifact.Provider) string { return p.Name }, func(name string, i, j int) {
		models := c.using(name)
		who := c.askers(models)
		ch := func(k Kind, before, after, summary string, args ...any) Change {
			return Change{Kind: k, Subject: "provider " + name, Before: before, After: after, Blast: who,
				Summary: fmt.Sprintf("provider %q "+summary, append([]any{name}, args...)...)}
		}
		if i < 0 {
			y := &c.target.a.Providers[j]
			c.add(ch(ProviderAdded, "", y.Kind+" at "+y.BaseURL, "is added"))
			return
		}
		if j < 0 {
			x := &c.base.a.Providers[i]
			c.add(ch(ProviderRemoved, x.Kind+" at "+x.BaseURL, "", "is removed"))
			return
		}
		x, y := &c.base.a.Providers[i], &c.target.a.Providers[j]
		if x.Kind != y.Kind {
			d := ch(ProviderKind, x.Kind, y.Kind, "is called as %s", y.Kind)
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.API != y.API {
			d := ch(ProviderAPI, x.API, y.API, "is asked for conversations at %s", apiOf(y.API))
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.Kind == y.Kind && x.Vendor != y.Vendor {
			d := ch(ProviderKind, vendorOf(x), vendorOf(y), "is called as %s", vendorOf(y))
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.Kind == y.Kind && x.APIVersion != y.APIVersion {
			d := ch(ProviderPath, x.APIVersion, y.APIVersion, "is called in version %s of its API", y.APIVersion)
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.Project != y.Project || x.Location != y.Location {
			d := ch(ProviderPath, x.Project+" in "+x.Location, y.Project+" in "+y.Location, "is called as project %s in %s", y.Project, y.Location)
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.BaseURL != y.BaseURL {
			d := ch(ProviderPath, x.BaseURL, y.BaseURL, "is called at %s", y.BaseURL)
			if server(x.BaseURL) != server(y.BaseURL) {
				d.Kind = ProviderServer
			}
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if x.Kind == y.Kind && x.Region != y.Region {
			d := ch(ProviderPath, x.Region, y.Region, "is called in region %s", y.Region)
			d.Witness = c.anyChat(models)
			c.add(d)
		}
		if before, after := proofs(x), proofs(y); before != after {
			c.add(ch(ProviderCredentials, before, after, "has other credentials"))
		}
		c.headers(x, y, models, ch)
		if x.Timeouts != y.Timeouts {
			d := ch(ProviderTimeouts, timeouts(x.Timeouts), timeouts(y.Timeouts), "has other timeouts")
			d.Witness = c.anyChat(models)
			c.add(d)
		}
	})
}

// vendorOf says as whose server a provider is called.
func vendorOf(p *artifact.Provider) string {
	if row := vendor.Get(p.Vendor); row != nil {
		return row.Title
	}
	return vendor.Unknown().Title
}

// proofs are the references by which a provider proves who calls.
func proofs(p *artifact.Provider) string {
	all := slices.Clone(p.Credentials)
	if e := p.Entra; e != nil {
		all = append(all, fmt.Sprintf("application %s of %s/%s for %s with %s", e.ClientID, e.Authority, e.Tenant, e.Scope, e.ClientSecret))
	}
	for _, k := range p.AWSKeys {
		all = append(all, strings.Join(k.Refs(), " with "))
	}
	if p.Kind == "bedrock" && len(p.AWSKeys) == 0 {
		all = append(all, "the default chain of AWS")
	}
	return strings.Join(all, ", ")
}

// headers says which headers of a provider changed, by name: a value may be a secret, whatever the linter said.
func (c *comparison) headers(x, y *artifact.Provider, models map[string]bool, ch func(Kind, string, string, string, ...any) Change) {
	pairs(x.Headers, y.Headers, func(h *artifact.Header) string { return h.Name }, func(name string, i, j int) {
		var d Change
		switch {
		case i < 0:
			d = ch(ProviderHeaders, "", name, "is sent header %q", name)
		case j < 0:
			d = ch(ProviderHeaders, name, "", "is no longer sent header %q", name)
		case x.Headers[i].Value != y.Headers[j].Value:
			d = ch(ProviderHeaders, name, name, "is sent another value of header %q", name)
		default:
			return
		}
		if i < 0 || j < 0 {
			d.Witness = c.anyChat(models) // of another value none may show
		}
		c.add(d)
	})
}

// server returns scheme and host of a URL that the artifact holds.
func server(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Scheme + "://" + u.Host
}

// target returns a target as "provider/model".
func (v *View) target(t artifact.Target) string {
	return v.a.Providers[t.Provider].Name + "/" + t.Model
}

func (v *View) targets(m *artifact.Model) (list []string) {
	for _, t := range m.Targets {
		list = append(list, v.target(t))
	}
	return list
}

func (c *comparison) models() {
	pairs(c.base.a.Models, c.target.a.Models, func(m *artifact.Model) string { return m.Name }, func(name string, i, j int) {
		who := c.askers(map[string]bool{name: true})
		ch := func(k Kind, before, after, summary string, args ...any) {
			c.add(Change{Kind: k, Subject: "model " + name, Before: before, After: after, Blast: who, Witness: c.chat(chatPath, name),
				Summary: fmt.Sprintf("model %q "+summary, append([]any{name}, args...)...)})
		}
		if i < 0 {
			ch(ModelAdded, "", strings.Join(c.target.targets(&c.target.a.Models[j]), ", "), "is added")
			return
		}
		if j < 0 {
			ch(ModelRemoved, strings.Join(c.base.targets(&c.base.a.Models[i]), ", "), "", "is removed")
			return
		}
		x, y := &c.base.a.Models[i], &c.target.a.Models[j]
		if x.Strategy != y.Strategy {
			ch(ModelStrategy, x.Strategy, y.Strategy, "chooses targets by %s", y.Strategy)
		}
		c.targetsOf(x, y, ch)
		a, b := x.Retry, y.Retry
		if a.Attempts < b.Attempts {
			ch(ModelAttemptsMore, attempts(a), attempts(b), "may be tried %d times", b.Attempts)
		} else if a.Attempts > b.Attempts {
			ch(ModelAttemptsLess, attempts(a), attempts(b), "is tried %s at most", times(b.Attempts))
		}
		on := func(r artifact.Retry) string { return strings.Join(slices.Sorted(slices.Values(r.On)), ", ") }
		if on(a) != on(b) {
			ch(ModelRetryOn, on(a), on(b), "is tried again after other failures")
		}
		if x.Timeouts != y.Timeouts {
			ch(ModelTimeouts, timeouts(x.Timeouts), timeouts(y.Timeouts), "has other timeouts")
		}
		if m, n := x.MaxTokens, y.MaxTokens; m != n {
			k := ModelTokensMore
			// Without a limit of its own, a model is bound by gwc's default, which the artifact does not hold.
			if n != 0 && n < m {
				k = ModelTokensLess
			}
			ch(k, tokens(m), tokens(n), "may answer with %s", tokens(n))
		}
		if x.KeepAlive != y.KeepAlive {
			word := func(d time.Duration) string {
				if d == 0 {
					return "no comments"
				}
				return "a comment every " + d.String()
			}
			ch(ModelKeepAlive, word(x.KeepAlive), word(y.KeepAlive), "gives silent streams %s", word(y.KeepAlive))
		}
		if word := func(s string) string { return cmp.Or(s, "reject") }; x.OnLoss != y.OnLoss {
			ch(ModelOnLoss, word(x.OnLoss), word(y.OnLoss), "has onLoss %q for what its targets cannot express", word(y.OnLoss))
		}
		pairs(x.Capabilities, y.Capabilities, func(s *string) string { return *s }, func(capability string, i, j int) {
			switch {
			case i < 0:
				ch(ModelPromised, "", capability, "is said to be capable of %q", capability)
			case j < 0:
				ch(ModelUnpromised, capability, "", "is no longer said to be capable of %q", capability)
			}
		})
		c.prices(x, y, who)
	})
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func tokens(n int64) string {
	if n == 0 {
		return "as many tokens as the default allows"
	}
	return fmt.Sprintf("%d tokens", n)
}

// targetsOf says which targets a model gained and lost, and whether those that stay are asked in another order.
func (c *comparison) targetsOf(x, y *artifact.Model, ch func(Kind, string, string, string, ...any)) {
	a, b := c.base.targets(x), c.target.targets(y)
	if slices.Equal(a, b) {
		return
	}
	from, to := strings.Join(a, " > "), strings.Join(b, " > ")
	left := slices.Clone(a)
	var stay []string
	for _, t := range b {
		if i := slices.Index(left, t); i >= 0 {
			left = slices.Delete(left, i, i+1)
			stay = append(stay, t)
			continue
		}
		ch(ModelTargetAdded, from, to, "may be answered by %s", t)
	}
	for _, t := range left {
		ch(ModelTargetRemoved, from, to, "is no longer answered by %s", t)
	}
	was := slices.Clone(a)
	for _, t := range left {
		i := slices.Index(was, t)
		was = slices.Delete(was, i, i+1)
	}
	// Where none stays, the new ones say it all.
	if len(stay) > 0 && (!slices.Equal(was, stay) || a[0] != b[0]) {
		ch(ModelTargetsOrder, from, to, "asks %s first", b[0])
	}
}

func (c *comparison) upstreams() {
	pairs(c.base.a.Upstreams, c.target.a.Upstreams, func(u *artifact.Upstream) string { return u.Name }, func(name string, i, j int) {
		urls := func(u *artifact.Upstream) string {
			var l []string
			for _, e := range u.Endpoints {
				l = append(l, e.URL)
			}
			return strings.Join(l, ", ")
		}
		if i < 0 {
			c.add(Change{Kind: UpstreamAdded, Subject: "upstream " + name, After: urls(&c.target.a.Upstreams[j]), Summary: fmt.Sprintf("upstream %q is added", name)})
			return
		}
		if j < 0 {
			c.add(Change{Kind: UpstreamRemoved, Subject: "upstream " + name, Before: urls(&c.base.a.Upstreams[i]), Summary: fmt.Sprintf("upstream %q is removed", name)})
			return
		}
		x, y := &c.base.a.Upstreams[i], &c.target.a.Upstreams[j]
		if slices.Equal(x.Endpoints, y.Endpoints) && x.Timeouts == y.Timeouts {
			return
		}
		who, w := c.through(name)
		ch := func(k Kind, before, after, summary string, args ...any) {
			c.add(Change{Kind: k, Subject: "upstream " + name, Before: before, After: after, Blast: who, Witness: w,
				Summary: fmt.Sprintf("upstream %q "+summary, append([]any{name}, args...)...)})
		}
		url := func(e *artifact.Endpoint) string { return e.URL }
		if one, other := weights(x), weights(y); len(one) == len(x.Endpoints) && len(other) == len(y.Endpoints) {
			same := true
			pairs(x.Endpoints, y.Endpoints, url, func(u string, i, j int) {
				switch {
				case i < 0:
					ch(EndpointAdded, "", u, "gains endpoint %s", u)
				case j < 0:
					ch(EndpointRemoved, u, "", "loses endpoint %s", u)
				case one[u] != other[u]:
					ch(EndpointWeight, fmt.Sprintf("%s weight %d", u, one[u]), fmt.Sprintf("%s weight %d", u, other[u]), "gives endpoint %s weight %d", u, other[u])
				default:
					return
				}
				same = false
			})
			if same && !slices.Equal(x.Endpoints, y.Endpoints) {
				ch(EndpointsOrder, urls(x), urls(y), "has its endpoints in another order")
			}
		} else if !slices.Equal(x.Endpoints, y.Endpoints) {
			ch(EndpointWeight, shares(x), shares(y), "has other endpoints") // one of them stands twice
		}
		if x.Timeouts != y.Timeouts {
			ch(UpstreamTimeouts, timeouts(x.Timeouts), timeouts(y.Timeouts), "has other timeouts")
		}
	})
}

// weights returns the weight of each endpoint; those that stand twice count once.
func weights(u *artifact.Upstream) map[string]int {
	m := map[string]int{}
	for _, e := range u.Endpoints {
		m[e.URL] = e.Weight
	}
	return m
}

func shares(u *artifact.Upstream) string {
	var l []string
	for _, e := range u.Endpoints {
		l = append(l, fmt.Sprintf("%s weight %d", e.URL, e.Weight))
	}
	return strings.Join(l, ", ")
}

// through returns who may call operations that go to an upstream in both, and a witness among them.
func (c *comparison) through(upstream string) (Blast, *Witness) {
	var list []*operation
	for _, o := range c.ops[c.base] {
		if o.to == upstream {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return Blast{}, nil
	}
	return c.callers(c.base, open(list)), c.first(c.base, list)
}

// apiOf says which API of a provider conversations are sent to.
func apiOf(api string) string {
	switch api {
	case "chat":
		return "Chat Completions alone"
	case "responses":
		return "the Responses API alone"
	}
	return "the API that the caller speaks"
}
