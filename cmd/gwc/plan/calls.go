package plan

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// Replay says how many logged calls are decided differently. A record holds neither body nor host nor the values of
// path parameters, and limits depend on other calls, so it is about routes, keys, models and where they lead.
type Replay struct {
	Records  int       `json:"records"`
	Replayed int       `json:"replayed"`
	Changed  int       `json:"changed"`
	Moved    []Moved   `json:"moved"`
	Skipped  []Skipped `json:"skipped"`
	Cost     *Bill     `json:"cost,omitempty"` // nil where no call has token counts
}

// Bill is what the replayed calls that have token counts cost, by the prices of either side. Retargeted counts those
// that another target would answer, Repriced those that would cost something else.
type Bill struct {
	Line
	Retargeted int    `json:"retargeted"`
	Repriced   int    `json:"repriced"`
	Lines      []Line `json:"by"` // by tenant and model, the largest difference first
	// Unpriced counts calls of which one side does not know the price; Refused those that the target refuses, which are
	// in neither sum.
	Unpriced int `json:"unpriced"`
	Refused  int `json:"refused"`
}

// Line is a sum. Amounts are decimal USD.
type Line struct {
	Tenant string `json:"tenant,omitempty"`
	Model  string `json:"model,omitempty"`
	Calls  int    `json:"calls"`
	Before string `json:"before_usd"`
	After  string `json:"after_usd"`

	before, after price.Amount
}

// Moved is a group of calls that are decided differently in the same way, most calls first.
type Moved struct {
	Calls  int    `json:"calls"`
	Route  string `json:"route,omitempty"`
	App    string `json:"app,omitempty"`
	Model  string `json:"model,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path"` // the template, as it was logged
	Before string `json:"before"`
	After  string `json:"after"`
}

// Skipped counts records of which nothing can be said.
type Skipped struct {
	Records int    `json:"records"`
	Why     string `json:"why"`
}

// maxLine bounds a line of the call log.
const maxLine = 1 << 20

// maxMoved bounds what the text lists.
const maxMoved = 20

// logged is what a decision needs of a record; docs/call-log.md has all fields.
type logged struct {
	Tenant string `json:"tenant"`
	App    string `json:"app"`
	Key    string `json:"key"`
	Route  string `json:"route"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Model  string `json:"model"`
	Status int    `json:"status"`
	// The target that answered.
	Provider string `json:"provider"`
	Upstream string `json:"upstream_model"`
}

// used is what a record says of tokens, and of what else was used.
type used struct {
	Tokens *struct {
		price.Usage
		BilledInput  int64 `json:"billed_input"`
		BilledOutput int64 `json:"billed_output"`
	} `json:"tokens"`
	Units   price.Units `json:"units"`
	Service string      `json:"service_tier"`
}

// outcome is what becomes of all records that are alike.
type outcome struct {
	records int
	skipped string // why they are not replayed; "" where they are
	request diff.Request
	// Of an answer of a model: what it is charged by on either side.
	refused       bool
	retargeted    bool
	before, after *price.Price
}

// Calls replays call records, NDJSON, through both artifacts. The error is that of reading.
func Calls(r io.Reader, base, target *diff.View) (*Replay, error) {
	outcomes := map[logged]*outcome{}
	bill := bill{lines: map[[2]string]*Line{}}
	broken := 0
	out := &Replay{Moved: []Moved{}, Skipped: []Skipped{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		out.Records++
		var l logged
		if err := json.Unmarshal(line, &l); err != nil || l.Method == "" || l.Path == "" {
			broken++ // such as the torn last line of a process that was killed
			continue
		}
		o := outcomes[l]
		if o == nil {
			o = l.outcome(base, target)
			outcomes[l] = o
		}
		o.records++
		var u used
		if o.skipped == "" && l.Provider != "" && json.Unmarshal(line, &u) == nil && (u.Tokens != nil || u.Units.Any()) {
			bill.add(&l, &u, o)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is longer than %d bytes", out.Records+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	skipped := map[string]int{}
	if broken > 0 {
		skipped["the line is no call record"] = broken
	}
	moved := map[Moved]int{}
	for l, o := range outcomes {
		if o.skipped != "" {
			skipped[o.skipped] += o.records
			continue
		}
		out.Replayed += o.records
		before, after := base.Decide(o.request), target.Decide(o.request)
		if !before.Differs(after) {
			continue
		}
		out.Changed += o.records
		m := Moved{Route: l.Route, App: o.request.App, Model: o.request.Model, Method: l.Method, Path: l.Path}
		x, y := terms(&diff.Witness{Before: before, After: after})
		m.Before, m.After = before.String()+x, after.String()+y
		moved[m] += o.records // whoever answered them
	}
	for m, n := range moved {
		m.Calls = n
		out.Moved = append(out.Moved, m)
	}
	slices.SortFunc(out.Moved, func(a, b Moved) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Route, b.Route), cmp.Compare(a.App, b.App), cmp.Compare(a.Model, b.Model),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	for why, n := range skipped {
		out.Skipped = append(out.Skipped, Skipped{n, why})
	}
	slices.SortFunc(out.Skipped, func(a, b Skipped) int { return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Why, b.Why)) })
	out.Cost = bill.close()
	return out, nil
}

// outcome finds what becomes of records like l.
func (l *logged) outcome(base, target *diff.View) *outcome {
	o := &outcome{}
	if o.request, o.skipped = l.request(base); o.skipped != "" || l.Provider == "" {
		return o
	}
	o.refused = target.Decide(o.request).Status != 0
	from, to := base.Targets(l.Model), target.Targets(l.Model)
	is := func(t diff.Target) bool { return t.Provider == l.Provider && t.Model == l.Upstream }
	i, j := slices.IndexFunc(from, is), slices.IndexFunc(to, is)
	if i >= 0 {
		o.before = from[i].Price
	}
	// Whoever is asked first answers what was answered by the first. A later one was asked because others failed, and
	// they would fail again; where it is gone, nobody knows better than the first.
	if len(to) > 0 && (i <= 0 || j < 0) {
		j = 0
	}
	if j >= 0 {
		o.after, o.retargeted = to[j].Price, !is(to[j])
	}
	return o
}

// bill adds up costs.
type bill struct {
	Bill
	lines map[[2]string]*Line
	lost  bool // a sum that is beyond reach
}

func (b *bill) add(l *logged, u *used, o *outcome) {
	if o.refused {
		b.Refused++
		return
	}
	var usage price.Usage
	if t := u.Tokens; t != nil {
		usage = t.Usage
		if t.BilledInput+t.BilledOutput > 0 {
			usage = price.Usage{Input: t.BilledInput, Output: t.BilledOutput}
		}
	}
	usage.Units, usage.Service = u.Units, u.Service
	before, after := o.before.Of(&usage), o.after.Of(&usage)
	if o.retargeted {
		b.Retargeted++
	}
	if !before.Known || !after.Known {
		b.Unpriced++
		return
	}
	if before.Amount != after.Amount {
		b.Repriced++
	}
	k := [2]string{l.Tenant, l.Model}
	line := b.lines[k]
	if line == nil {
		line = &Line{Tenant: l.Tenant, Model: l.Model}
		b.lines[k] = line
	}
	for _, sum := range []*Line{line, &b.Line} {
		var x, y bool
		sum.Calls++
		sum.before, x = sum.before.Plus(before.Amount)
		sum.after, y = sum.after.Plus(after.Amount)
		b.lost = b.lost || !x || !y
	}
}

// close returns the bill, or nil where nothing was added or the sums are beyond reach.
func (b *bill) close() *Bill {
	if b.lost || b.Calls+b.Unpriced+b.Refused == 0 {
		return nil
	}
	out := b.Bill
	out.Lines = []Line{}
	for _, l := range b.lines {
		l.Before, l.After = l.before.String(), l.after.String()
		out.Lines = append(out.Lines, *l)
	}
	out.Before, out.After = out.Line.before.String(), out.Line.after.String()
	moves := func(l Line) price.Amount { return max(l.before, l.after) - min(l.before, l.after) }
	slices.SortFunc(out.Lines, func(x, y Line) int {
		return cmp.Or(cmp.Compare(moves(y), moves(x)), cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Model, y.Model))
	})
	return &out
}

// chat tells whether the record is of a request that names a model.
func (l *logged) chat() bool {
	return slices.ContainsFunc(artifact.AIRoutes(), func(r artifact.AIRoute) bool { return r.Asks && r.ID == l.Route })
}

// request makes the request of a record again, or says why it cannot.
func (l *logged) request(base *diff.View) (q diff.Request, why string) {
	switch {
	case l.Route == "" && len(l.Path) >= 256:
		return q, "the record's path is cut"
	case l.Route == "" && base.Hosted():
		return q, "no route took it, and the record does not say its host"
	case l.Route == "":
		q = diff.Request{Method: l.Method, Path: l.Path}
	case strings.HasPrefix(l.Route, "passthrough.") && len(l.Path) >= 256:
		return q, "the record's path is cut"
	case strings.HasPrefix(l.Route, "passthrough."): // the record has the path itself
		q = diff.Request{Method: l.Method, Path: l.Path, Socket: l.Status == http.StatusSwitchingProtocols}
	case l.Route == "ai.model" || l.Route == "ai.model_v1beta":
		return q, "the record does not say which model's card was asked for"
	case l.chat() && l.Model == "":
		return q, "the record does not say which model was asked for"
	default:
		var ok bool
		if q, ok = base.Sample(l.Route, l.Method); !ok {
			return q, "the base has no such route"
		}
		if l.chat() {
			q.Model = l.Model
			for _, r := range artifact.AIRoutes() {
				if r.ID == l.Route && r.Kind.InPath() {
					q.Path = strings.Replace(r.Path, "{model}", l.Model, 1)
				}
			}
		}
	}
	if l.Key != "" {
		var ok bool
		if q, ok = base.As(q, l.Tenant+"/"+l.App, l.Key); !ok {
			return q, "the base has no such key"
		}
	}
	return q, ""
}

func (r *Replay) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nlogged calls\n  %d records, %d replayed, %d decided differently\n", r.Records, r.Replayed, r.Changed)
	for i, m := range r.Moved {
		if i == maxMoved {
			fmt.Fprintf(b, "  and %d more groups of calls\n", len(r.Moved)-i)
			break
		}
		q := m.Method + " " + m.Path
		if m.Model != "" {
			q += " for model " + m.Model
		}
		if m.App != "" {
			q += " as " + m.App
		}
		fmt.Fprintf(b, "  %6d  %s\n          before  %s\n          after   %s\n", m.Calls, plain(q), plain(m.Before), plain(m.After))
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(b, "  %6d  not replayed: %s\n", s.Records, s.Why)
	}
	b.WriteString("  not judged: limits, expiries, bodies, values of path parameters\n")
	r.Cost.text(b)
}

// usd rounds an amount to cents where it is large, and to four digits where it is small.
func usd(a price.Amount) string {
	step := price.PerUSD / 100
	for step > 1 && a != 0 && a/step < 1000 {
		step /= 10
	}
	whole, decimals, _ := strings.Cut(((a + step/2) / step * step).String(), ".")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return "$" + whole + "." + decimals
}

func (b *Bill) text(w *strings.Builder) {
	if b == nil {
		return
	}
	line := func(what string, l *Line) {
		change := "the same"
		switch {
		case l.after > l.before:
			change = "+" + usd(l.after-l.before)
		case l.after < l.before:
			change = "-" + usd(l.before-l.after)
		}
		if l.before > 0 && l.after != l.before {
			change += fmt.Sprintf(", %+.1f %%", 100*(float64(l.after)/float64(l.before)-1))
		}
		fmt.Fprintf(w, "  %6d  %s: %s -> %s (%s)\n", l.Calls, what, usd(l.before), usd(l.after), change)
	}
	w.WriteString("\ncost of the logged calls\n")
	line("all", &b.Line)
	for i := range b.Lines {
		if i == maxMoved {
			fmt.Fprintf(w, "  and %d more tenants and models\n", len(b.Lines)-i)
			break
		}
		l := &b.Lines[i]
		line(plain(l.Tenant)+" "+plain(l.Model), l)
	}
	for _, n := range []struct {
		calls int
		what  string
	}{{b.Retargeted, "go to another target"}, {b.Repriced, "cost something else"}, {b.Refused, "are refused, and in neither sum"}, {b.Unpriced, "have no price on one side, and are in neither sum"}} {
		if n.calls > 0 {
			fmt.Fprintf(w, "  %6d  %s\n", n.calls, n.what)
		}
	}
}
