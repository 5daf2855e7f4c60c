package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newModels(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Show the catalogue of upstream models, and what it says of the repository's",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newModelsList(s), newModelsShow(s), newModelsCheck(s))
	return cmd
}

// textOrJSON binds --format of a command whose result is not a list of findings.
func textOrJSON(cmd *cobra.Command, to *string) func() error {
	cmd.Flags().StringVar(to, "format", "text", "write `FORMAT`: text or json")
	return func() error {
		if *to != "text" && *to != "json" {
			return usage("there is no format %q: the formats are text and json", *to)
		}
		return nil
	}
}

func newModelsList(s streams) *cobra.Command {
	var format string
	var can []string
	var all bool
	cmd := &cobra.Command{
		Use:   "list [PROVIDER]",
		Short: "List the catalogue's providers, or the models of one",
		Args:  arguments(0, 1),
	}
	check := textOrJSON(cmd, &format)
	cmd.Flags().StringArrayVar(&can, "capability", nil, "only models that surely have `CAPABILITY`; may be repeated")
	cmd.Flags().BoolVar(&all, "all", false, "list the models of all providers")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := check(); err != nil {
			return err
		}
		var need catalogue.Capabilities
		for _, c := range can {
			bit, ok := catalogue.ParseCapability(c)
			if !ok {
				return usage("there is no capability %q: the capabilities are %s", c, strings.Join(catalogue.CapabilityNames(), ", "))
			}
			need |= bit
		}
		if len(args) == 0 && !all && need == 0 {
			return listProviders(s, format)
		}
		entries := catalogue.All()
		if len(args) == 1 {
			if !slices.Contains(catalogue.Providers(), args[0]) {
				return unknownProvider(args[0])
			}
			entries = catalogue.Of(args[0])
		}
		rows := [][]string{{"MODEL", "CONTEXT", "OUTPUT", "INPUT $/M", "OUTPUT $/M", "CAPABILITIES", "STATUS"}}
		objects := []object{}
		for e := range entries {
			if e.Can&need != need {
				continue
			}
			if format == "json" {
				objects = append(objects, plainEntry(&e))
				continue
			}
			rows = append(rows, []string{e.Name(), count(e.Context), count(e.Output), usd(e.Price, price.Input), usd(e.Price, price.Output), strings.Join(e.Can.Names(), " "), e.Status})
		}
		if format == "json" {
			return writeJSON(s.out, objects)
		}
		return columns(s.out, rows)
	}
	return cmd
}

func listProviders(s streams, format string) error {
	o := catalogue.Origin()
	rows := [][]string{{"PROVIDER", "MODELS"}}
	objects := []object{}
	for _, p := range catalogue.Providers() {
		n := len(catalogue.Names(p))
		rows = append(rows, []string{p, strconv.Itoa(n)})
		objects = append(objects, object{{"provider", p}, {"models", n}})
	}
	if format == "json" {
		return writeJSON(s.out, object{{"source", o.Source}, {"commit", o.Commit}, {"date", o.Date}, {"models", o.Models}, {"providers", objects}})
	}
	s.say("%d models of %d providers, facts of %s (%s, commit %s)", o.Models, o.Providers, o.Date, o.Source, o.Commit)
	return columns(s.out, rows)
}

func unknownProvider(name string) error {
	e := &exit{code: serve.Usage, err: fmt.Errorf("the catalogue has no provider %q", name), hints: []string{"`gwc models list` lists the providers"}}
	if best, ok := diag.Nearest(name, catalogue.Providers()); ok {
		e.hints = []string{fmt.Sprintf("did you mean %q?", best)}
	}
	return e
}

func count(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// usd is the usual price of a kind.
func usd(p *price.Price, k price.Kind) string {
	if p == nil {
		return "-"
	}
	femto, ok := p.Rate("", 0, k)
	if !ok {
		return "-"
	}
	return price.FormatRate(femto, k)
}

func newModelsShow(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "show PROVIDER/MODEL",
		Short: "Show what the catalogue knows of an upstream model",
		Args:  arguments(1, 1),
	}
	check := textOrJSON(cmd, &format)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := check(); err != nil {
			return err
		}
		provider, model, ok := strings.Cut(args[0], "/")
		if !ok || model == "" {
			return usage("%q is not PROVIDER/MODEL, such as openai/gpt-5", args[0])
		}
		if !slices.Contains(catalogue.Providers(), provider) {
			return unknownProvider(provider)
		}
		e, by, ok := catalogue.Lookup(provider, model)
		if !ok {
			err := &exit{code: serve.Usage, err: fmt.Errorf("the catalogue has no model %q of %s", model, provider), hints: []string{fmt.Sprintf("`gwc models list %s` lists its models", provider)}}
			if best, ok := catalogue.Nearest(provider, model); ok {
				err.hints = []string{fmt.Sprintf("did you mean %q?", provider+"/"+best)}
			}
			return err
		}
		if format == "json" {
			return writeJSON(s.out, append(object{{"match", string(by)}}, plainEntry(&e)...))
		}
		rows := [][]string{{"model", e.Name()}}
		add := func(name, value string) {
			if value != "" && value != "-" {
				rows = append(rows, []string{name, value})
			}
		}
		if by != catalogue.Exact {
			add("found by", fmt.Sprintf("%s name: the catalogue has no %s", by, args[0]))
		}
		add("aliases", strings.Join(catalogue.Aliases(&e), ", "))
		add("context", count(e.Context))
		add("longest input", count(e.MaxInput))
		add("longest output", count(e.Output))
		add("takes", strings.Join(e.In.Names(), ", "))
		add("gives", strings.Join(e.Out.Names(), ", "))
		add("can", strings.Join(e.Can.Names(), ", "))
		add("cannot", strings.Join(e.Cannot.Names(), ", "))
		add("status", e.Status)
		if p := e.Price; p != nil {
			rows = append(rows, tierRows(p)...)
			add("version", p.Version)
			add("source", p.Source)
		} else {
			add("price", "unknown")
		}
		add("updated", e.Updated)
		return columns(s.out, rows)
	}
	return cmd
}

// tierRows shows a price: a row for each tier, and one for what is paid by the piece.
func tierRows(p *price.Price) (rows [][]string) {
	var tokens, pieces []string
	for i, r := range p.Rates {
		text := r.Kind.String() + " " + price.FormatRate(r.Femto, r.Kind)
		if r.Kind.Beside() && r.Kind != price.Citation {
			pieces = append(pieces, text+" per "+r.Kind.Per())
		} else {
			tokens = append(tokens, text)
		}
		if i+1 < len(p.Rates) && p.Rates[i+1].Service == r.Service && p.Rates[i+1].Above == r.Above {
			continue
		}
		name := "price"
		switch {
		case r.Service != "" && r.Above > 0:
			name = fmt.Sprintf("%s above %d", r.Service, r.Above)
		case r.Service != "":
			name = "price of " + r.Service
		case r.Above > 0:
			name = fmt.Sprintf("price above %d", r.Above)
		}
		if len(tokens) > 0 {
			rows = append(rows, []string{name, strings.Join(tokens, ", ") + " (USD per million tokens)"})
		}
		if len(pieces) > 0 {
			rows = append(rows, []string{name, strings.Join(pieces, ", ") + " (USD)"})
		}
		tokens, pieces = nil, nil
	}
	return rows
}

func plainEntry(e *catalogue.Entry) object {
	list := func(l []string) []string { return append([]string{}, l...) }
	o := object{{"provider", e.Provider}, {"model", e.Model}, {"context", e.Context}, {"max_input", e.MaxInput}, {"output", e.Output},
		{"takes", list(e.In.Names())}, {"gives", list(e.Out.Names())}, {"can", list(e.Can.Names())}, {"cannot", list(e.Cannot.Names())},
		{"status", e.Status}, {"updated", e.Updated}}
	if p := e.Price; p != nil {
		rates := []object{}
		for _, r := range p.Rates {
			rates = append(rates, plainRate(r))
		}
		o = append(o, member{"price", object{{"version", p.Version}, {"source", p.Source}, {"date", p.Date}, {"rates", rates}}})
	}
	return o
}

// staleAfter is how old the facts of the catalogue may be before check says so.
const staleAfter = 180 * 24 * time.Hour

func newModelsCheck(s streams) *cobra.Command {
	var c compiling
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what the catalogue knows of each target of the repository's models",
		Long: `check compiles the repository and says of each target of its models which entry of the catalogue it is, what it
costs, in which service tiers it has a price, and what is wrong: unknown (the catalogue does not have it), unpriced, no
price of audio or images that it takes or makes, deprecated, retired. It also says where the catalogue itself is old. The
build warns of the same; under --strict anything wrong is exit code 1.`,
		Args: arguments(0, 0),
	}
	c.bind(cmd.Flags())
	cmd.Flags().Lookup("format").Usage = "write `FORMAT`: text or json"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format := "text"
		if len(c.formats) > 0 {
			format = c.formats[len(c.formats)-1]
		}
		if format != "text" && format != "json" {
			return usage("there is no format %q: the formats are text and json", format)
		}
		c.formats = nil
		_, now, err := c.check()
		if err != nil {
			return err
		}
		defer oneShot()()
		r, err := c.compile(cmd.Context(), now, "lint")
		if err != nil {
			return err
		}
		if r.Report.Failed() {
			return c.report(r, []form{{name: "text"}}, s.err, s)
		}
		checked, wrong := judge(r.Program, now)
		if format == "json" {
			err = writeJSON(s.out, checked)
		} else {
			rows := [][]string{{"MODEL", "TARGET", "CATALOGUE", "INPUT $/M", "OUTPUT $/M", "TIERS", "STATE"}}
			for _, o := range checked {
				rows = append(rows, []string{o.model, o.target, o.entry, usd(o.price, price.Input), usd(o.price, price.Output), cmp.Or(strings.Join(services(o.price), " "), "-"), cmp.Or(strings.Join(o.states, ", "), "-")})
			}
			err = columns(s.out, rows)
		}
		if err != nil {
			return err
		}
		if age, err := time.Parse(time.DateOnly, catalogue.Origin().Date); err == nil && now.Sub(age) > staleAfter {
			s.say("the catalogue is stale: its newest facts are of %s; a newer gwc brings newer ones", catalogue.Origin().Date)
			wrong++
		}
		s.say("%s, %s to look at", render.Count(len(checked), "target"), render.Count(wrong, "thing"))
		if wrong > 0 && c.strict {
			return &exit{code: serve.Invalid}
		}
		return nil
	}
	return cmd
}

// checkedTarget is what check says of one target.
type checkedTarget struct {
	model, target, entry string
	match                catalogue.Match
	own                  bool
	price                *price.Price
	states               []string
}

// MarshalJSON implements [json.Marshaler].
func (o checkedTarget) MarshalJSON() ([]byte, error) {
	out := object{{"model", o.model}, {"target", o.target}, {"entry", o.entry}, {"match", string(o.match)}, {"own", o.own}, {"states", append([]string{}, o.states...)}}
	if p := o.price; p != nil {
		out = append(out, member{"price", object{{"version", p.Version}, {"source", p.Source}, {"date", p.Date}, {"text", p.String()}, {"services", append([]string{}, services(p)...)}}})
	}
	return out.MarshalJSON()
}

// services are the service tiers that have a price.
func services(p *price.Price) (l []string) {
	if p == nil {
		return nil
	}
	for _, r := range p.Rates {
		if r.Service != "" && !slices.Contains(l, r.Service) {
			l = append(l, r.Service)
		}
	}
	return l
}

// lacking is what a model takes or makes, by its entry, that its price says nothing of: an exchange with it has no cost.
func lacking(e *catalogue.Entry, p *price.Price) []string {
	has := func(kinds ...price.Kind) bool {
		return slices.ContainsFunc(kinds, func(k price.Kind) bool { _, ok := p.Rate("", 0, k); return ok })
	}
	var u price.Usage
	if e.In&catalogue.Audio != 0 && !has(price.Second) {
		u.InputAudio = 1
	}
	if e.Out&catalogue.Audio != 0 && !has(price.Character) {
		u.OutputAudio = 1
	}
	if e.Out&catalogue.Image != 0 && !has(price.Image) {
		u.OutputImage = 1
	}
	return p.Of(&u).Missing.Append(nil)
}

// judge lists the targets of a linked program, and counts those of which something is to be said.
func judge(p *ir.Program, now time.Time) (list []checkedTarget, wrong int) {
	for i := range p.Models {
		m := &p.Models[i]
		for _, t := range m.Targets {
			k := &t.Known
			o := checkedTarget{model: m.Name, target: t.Provider.Name + "/" + t.Model, match: k.Match, own: k.Own, price: k.Price}
			on := func(day string) bool {
				at, err := time.Parse(time.DateOnly, day)
				return err == nil && !now.Before(at)
			}
			switch e := k.Entry; {
			case e == nil && k.Provider != "" && k.Price == nil:
				o.states = append(o.states, "unknown")
			case e != nil:
				o.entry = e.Name()
				if on(e.Retires) {
					o.states = append(o.states, "retired")
				} else if e.Status == "deprecated" || on(e.Deprecated) {
					o.states = append(o.states, "deprecated")
				}
			}
			if k.Price == nil {
				o.states = append(o.states, "unpriced")
			} else {
				if at, err := time.Parse(time.DateOnly, k.Price.Date); err == nil && k.PriceAt != nil && now.Sub(at) > 365*24*time.Hour {
					o.states = append(o.states, "stale")
				}
				if k.Entry != nil {
					for _, kind := range lacking(k.Entry, k.Price) {
						o.states = append(o.states, "no price of "+kind)
					}
				}
			}
			if len(o.states) > 0 {
				wrong++
			}
			list = append(list, o)
		}
	}
	return list, wrong
}
