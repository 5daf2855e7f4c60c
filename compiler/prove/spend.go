package prove

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/diag"
)

// account is whose requests are added up.
type account struct {
	name string // `app "acme/web"`
	apps []int
	at   diag.Span
}

// accounts groups apps as a spend says.
func (s *search) accounts(apps []int) (list []account) {
	switch s.a.Each {
	case "gateway":
		if len(apps) > 0 {
			list = append(list, account{name: "the gateway", apps: apps, at: s.p.Places.Key("gateway")})
		}
	case "tenant":
		for _, app := range apps {
			t := s.p.Tenants[s.p.Apps[app].Tenant].Name
			name := fmt.Sprintf("tenant %q", t)
			if n := len(list); n > 0 && list[n-1].name == name {
				list[n-1].apps = append(list[n-1].apps, app)
				continue
			}
			list = append(list, account{name: name, apps: []int{app}, at: s.p.Places.Key("tenants", t)})
		}
	case "key":
		for _, app := range apps {
			for _, k := range s.m.Keys(app, s.Now) {
				key := &s.p.Keys[k]
				list = append(list, account{name: fmt.Sprintf("key %q of app %q", key.ID, s.m.App(app)), apps: []int{app}, at: s.m.AppAt(app)})
			}
		}
	default:
		for _, app := range apps {
			list = append(list, account{name: fmt.Sprintf("app %q", s.m.App(app)), apps: []int{app}, at: s.m.AppAt(app)})
		}
	}
	return list
}

// use is what an account may use in the worst case. Texts say why something is not bounded, app and model where.
type use struct {
	requests                       int64
	tokens, femto                  *big.Int // femto-USD, 10⁻¹⁵
	noRequests, noTokens, noCharge string
	app, model                     int            // that it is about; model is -1 for none
	opened                         *reach.Subject // the provider's own paths that it is about, nil for none
}

// unmetered says why nobody knows what an app uses at a provider: it opens paths at which something can be made there.
// Reading and deleting is free everywhere.
func (s *search) unmetered(a *ir.App) (why string, at *reach.Subject) {
	for i := range a.Passthrough {
		o := &a.Passthrough[i]
		if o.Provider.Index < 0 || !slices.ContainsFunc(o.Opened(), func(m string) bool { return m != "GET" && m != "DELETE" }) {
			continue
		}
		list := s.m.Matching(calls("passthrough." + o.Provider.Name)...)
		if len(list) == 1 {
			return fmt.Sprintf("it opens paths of provider %q, where nothing is counted but requests", o.Provider.Name), &list[0]
		}
	}
	return "", nil
}

// spend decides what callers can use in any span of time. A limit is an app's own, so what a key can use is what its app
// can, and what a tenant can use is the sum of its apps'.
func (s *search) spend() {
	apps := s.apps(s.a.Apps)
	accounts := s.accounts(apps)
	if s.empty == "" && len(accounts) == 0 {
		s.empty = fmt.Sprintf("no app that is %s has a key", quoted(s.a.Apps))
	}
	allowed := new(big.Int)
	if s.a.USD != "" {
		allowed = femto(s.a.USD)
	}
	for _, acc := range accounts {
		u := s.worst(acc)
		report := func(what string) {
			s.bad(counterexample{what: acc.name + " " + what, at: func() []diag.Label { return s.spendAt(acc, u) }, witness: func() *Witness { return s.spender(u) }})
		}
		span := ir.Duration(s.a.Per)
		if u.noRequests != "" {
			report("may make any number of requests: " + u.noRequests)
			continue
		}
		if s.a.Requests > 0 && u.requests > s.a.Requests {
			report(fmt.Sprintf("may make %d requests in %s, more than %d", u.requests, span, s.a.Requests))
		}
		switch {
		case s.a.Tokens == 0:
		case u.noTokens != "":
			report("may have any number of tokens written: " + u.noTokens)
		case u.tokens.Cmp(big.NewInt(s.a.Tokens)) > 0:
			report(fmt.Sprintf("may have %s tokens written in %s, more than %d", u.tokens, span, s.a.Tokens))
		}
		switch {
		case s.a.USD == "":
		case u.noCharge != "":
			report("may spend any amount: " + u.noCharge)
		case u.femto.Cmp(allowed) > 0:
			report(fmt.Sprintf("may spend %s USD in %s, more than %s", dollars(u.femto), span, s.a.USD))
		}
	}
	s.checked = count(len(accounts), s.a.Each)
	s.notes = append(s.notes, "a limit of N per window admits N requests at once and N more while the window passes, in each process of the gateway")
	if s.a.Tokens > 0 || s.a.USD != "" {
		s.notes = append(s.notes, "each attempt counts with the largest input and output that the catalogue knows of its target, at the highest price; searches that providers make, and other tools that they run, come on top")
	}
	s.help = []string{"add a limit, lower one, or name the app under \"unless\""}
}

// worst returns what an account may use in a span.
func (s *search) worst(acc account) use {
	u := use{app: acc.apps[0], model: -1, tokens: new(big.Int), femto: new(big.Int)}
	top := new(big.Int)
	for _, app := range acc.apps {
		a := &s.p.Apps[app]
		if len(a.Limits) == 0 {
			u.app, u.noRequests = app, fmt.Sprintf("app %q has no limit", s.m.App(app))
			return u
		}
		n := most(a.Limits, s.a.Per)
		u.requests = add(u.requests, n)
		tokens, charge := new(big.Int), new(big.Int) // of one request
		model := -1
		for _, ask := range s.asks(app) {
			c := s.dearest(&s.p.Models[ask.model], ask.again)
			if c.noTokens != "" && u.noTokens == "" {
				u.noTokens, u.app, u.model = c.noTokens, app, ask.model
			}
			if c.noCharge != "" && u.noCharge == "" {
				u.noCharge, u.app, u.model = c.noCharge, app, ask.model
			}
			if c.tokens.Cmp(tokens) > 0 {
				tokens = c.tokens
			}
			if c.femto.Cmp(charge) > 0 || model < 0 {
				charge, model = c.femto, ask.model
			}
		}
		if why, at := s.unmetered(a); why != "" {
			for _, no := range []*string{&u.noTokens, &u.noCharge} {
				if *no == "" {
					*no, u.app, u.model, u.opened = why, app, -1, at
				}
			}
		}
		times := big.NewInt(n)
		u.tokens.Add(u.tokens, tokens.Mul(tokens, times))
		charge = new(big.Int).Mul(charge, times)
		u.femto.Add(u.femto, charge)
		if u.noTokens+u.noCharge == "" && charge.Cmp(top) >= 0 && model >= 0 {
			top, u.app, u.model = charge, app, model
		}
	}
	return u
}

// ask is a model that an app may have asked, by itself or by a prompt, which may ask for an answer again.
type ask struct {
	model int
	again int // calls beside those that the model's retry allows
}

// asks returns the models that an app lists, and those of the prompts that it may call.
func (s *search) asks(app int) (list []ask) {
	for _, ref := range s.p.Apps[app].Models {
		if ref.Index >= 0 {
			list = append(list, ask{model: ref.Index})
		}
	}
	for i := range s.p.Prompts {
		if !s.p.MayCall(app, i) {
			continue
		}
		for j := range s.p.Prompts[i].Versions {
			v := &s.p.Prompts[i].Versions[j]
			if v.Model.Index < 0 {
				continue
			}
			x := ask{model: v.Model.Index}
			if v.Content.OnInvalid == "repair" {
				x.again = 1
			}
			list = append(list, x)
		}
	}
	return list
}

// dearest returns what one request for a model may use: all attempts together, because a provider may charge for one
// whose answer never came.
func (s *search) dearest(m *ir.Model, again int) use {
	u := use{tokens: new(big.Int), femto: new(big.Int)}
	attempts := max(1, m.Retry.Attempts)
	if len(m.Retry.On) == 0 {
		attempts = 1
	}
	for i := range attempts + again {
		t := &m.Targets[i%len(m.Targets)]
		name := t.Provider.Name + "/" + t.Model
		e := t.Known.Entry
		if e == nil || e.Output == 0 && e.Context == 0 {
			u.noTokens = fmt.Sprintf("nobody knows how much %s, a target of model %q, writes at most", name, m.Name)
			u.noCharge = u.noTokens
			return u
		}
		output, input := e.Output, e.MaxInput
		if output == 0 {
			output = e.Context
		}
		if input == 0 {
			input = e.Context
		}
		written := new(big.Int).Mul(big.NewInt(output), big.NewInt(max(1, s.a.Answers)))
		u.tokens.Add(u.tokens, written)
		p := t.Known.Price
		switch {
		case u.noCharge != "":
		case p == nil:
			u.noCharge = fmt.Sprintf("nobody knows what %s, a target of model %q, costs", name, m.Name)
		case input == 0:
			u.noCharge = fmt.Sprintf("nobody knows how much %s, a target of model %q, reads at most", name, m.Name)
		case highest(p, input, price.Image) > 0:
			u.noCharge = fmt.Sprintf("%s, a target of model %q, charges for images, whose number nothing bounds", name, m.Name)
		case highest(p, input, price.Character, price.Second, price.SearchUnit, price.Citation) > 0:
			u.noCharge = fmt.Sprintf("%s, a target of model %q, charges for what no limit counts", name, m.Name)
		default:
			times := func(n *big.Int, rate uint64) *big.Int { return new(big.Int).Mul(n, new(big.Int).SetUint64(rate)) }
			u.femto.Add(u.femto, times(big.NewInt(input), highest(p, input, price.Input, price.CacheRead, price.CacheWrite, price.CacheWrite1h, price.InputAudio, price.InputImage)))
			u.femto.Add(u.femto, times(written, highest(p, input, price.Output, price.Reasoning, price.OutputAudio, price.OutputImage)))
			u.femto.Add(u.femto, new(big.Int).SetUint64(highest(p, input, price.Request)))
		}
	}
	return u
}

// highest returns the highest rate of some kinds, in every service tier and for every size of input up to one.
func highest(p *price.Price, input int64, kinds ...price.Kind) (femto uint64) {
	for _, r := range p.Rates {
		if slices.Contains(kinds, r.Kind) && r.Above < input {
			femto = max(femto, r.Femto)
		}
	}
	return femto
}

// femto reads dollars that the language accepted.
func femto(usd string) *big.Int {
	whole, frac, _ := strings.Cut(usd, ".")
	n, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", max(0, 15-len(frac))), 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// dollars writes femto-USD in dollars and cents, rounded up.
func dollars(femto *big.Int) string {
	const cent = 10_000_000_000_000
	cents := new(big.Int).Add(femto, big.NewInt(cent-1))
	cents.Quo(cents, big.NewInt(cent))
	whole, rest := new(big.Int).QuoRem(cents, big.NewInt(100), new(big.Int))
	return fmt.Sprintf("%s.%02d", whole, rest.Int64())
}

// spendAt returns the lines that make a use what it is.
func (s *search) spendAt(acc account, u use) (l []diag.Label) {
	l = append(l, s.limitsAt(u.app)...)
	if u.opened != nil {
		l = append(l, s.m.Grant(*u.opened, u.app)...)
	}
	if u.model >= 0 {
		m := &s.p.Models[u.model]
		l = append(l, s.m.Grant(reach.Subject{Model: u.model}, u.app)...)
		for _, t := range m.Targets {
			if t.Known.PriceAt != nil {
				l = append(l, diag.Label{Span: s.p.Places.Key(t.Known.PriceAt...), Text: "the price"})
			}
		}
	}
	for _, app := range acc.apps {
		if app != u.app && u.noRequests+u.noTokens+u.noCharge == "" {
			l = append(l, s.limitsAt(app)...)
		}
	}
	return append(l, diag.Label{Span: acc.at})
}

// spender returns the request of which the worst case is made up.
func (s *search) spender(u use) *Witness {
	switch {
	case u.opened != nil:
		return s.request(*u.opened, u.app)
	case u.model >= 0:
		return s.request(reach.Subject{Model: u.model}, u.app)
	}
	return s.anything(u.app)
}
