package dialect_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaitask"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// invoiced is how many recorded usages stand on the golden invoice.
const invoiced = 240

// position is a recorded usage on the invoice.
type position struct {
	x        *recorded.Exchange
	read     func(*recorded.Exchange) dialect.Usage // what the runtime reads
	provider string                                 // by the catalogue's name
	model    string                                 // as it was asked for
	byAnswer bool                                   // the recording has no request: the model is the one that the answer names
	entry    catalogue.Entry
	usage    dialect.Usage // as the oracle reads it
	parts    []part
}

// part is a number of units that nothing else on the invoice counts.
type part struct {
	kind  string
	n     int64
	under []string // the kinds under which a price is looked for, the part's own first
}

func (p *position) name() string { return p.x.Corpus + "/" + p.x.Name }

// TestTheGoldenInvoice prices recorded usages of every provider that has any, and writes each sum out so that it can be
// done again by hand: testdata/invoice.golden. The tokens are those that an oracle reads in the provider's own words, the
// prices are the catalogue's text, the arithmetic is fractions; and what the runtime makes of the same recording, by its
// decoders and [price.Price.Of], is the same to the last digit. GWC_UPDATE=1 writes the file.
func TestTheGoldenInvoice(t *testing.T) {
	text, err := os.ReadFile("../../schema/catalogue/models.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]*position{}
	unknown := map[string]int{}
	for _, p := range positions(t) {
		switch {
		case p.entry.Price != nil:
			known[p.provider] = append(known[p.provider], p)
		case p.entry.Model != "":
			unknown[p.provider+"/"+p.model+": the catalogue has the model, and no price"]++
		case catalogue.HasProvider(p.provider):
			unknown[p.provider+"/"+p.model+": the catalogue does not have the model"]++
		default:
			unknown[p.provider+"/"+p.model+": the catalogue does not know the server"]++
		}
	}
	chosen := choose(known, invoiced)

	var b strings.Builder
	b.WriteString("# Recorded usages and what they cost. Prices are USD per million tokens, products and sums USD, all of them exact.\n" +
		"# Generated: GWC_UPDATE=1 go test ./runtime/dialect -run TestTheGoldenInvoice\n")
	totals, counts := map[string]*big.Rat{}, map[string]int{}
	stated, agree := 0, 0
	for _, p := range chosen {
		tiers := pricesOf(t, string(text), p.entry.Name())
		fmt.Fprintf(&b, "\n%s\n  %s/%s", p.name(), p.provider, p.model)
		if p.entry.Name() != p.provider+"/"+p.model {
			fmt.Fprintf(&b, " (price of %s)", p.entry.Name())
		}
		if p.byAnswer {
			b.WriteString(" (model by the answer)")
		}
		if p.usage.Service != "" {
			fmt.Fprintf(&b, " (service %s, at the usual price)", p.usage.Service)
		}
		b.WriteString("\n")
		sum, priced, guess := new(big.Rat), true, p.usage.Service != ""
		for _, part := range p.parts {
			of, rate := rateOf(tiers, part.under, p.usage.Input)
			if rate == "" {
				priced = false
				fmt.Fprintf(&b, "  %-13s %7d × unknown\n", part.kind, part.n)
				continue
			}
			usd, ok := new(big.Rat).SetString(rate)
			if !ok {
				t.Fatalf("%s: price %q", p.entry.Name(), rate)
			}
			product := usd.Mul(usd, big.NewRat(part.n, 1_000_000))
			sum.Add(sum, product)
			fmt.Fprintf(&b, "  %-13s %7d × %-6s = %s", part.kind, part.n, rate, decimal(t, product))
			if of != part.kind {
				fmt.Fprintf(&b, " (price of %s)", of)
				guess = guess || strings.HasSuffix(part.kind, "Audio")
			}
			b.WriteString("\n")
		}
		got := costOf(t, p)
		if !priced {
			b.WriteString("  cost          unknown\n")
			if got.Known {
				t.Errorf("%s: costs %s, and some part has no price", p.name(), got.Amount)
			}
			continue
		}
		fmt.Fprintf(&b, "  cost          %s\n", decimal(t, sum))
		want := picos(sum)
		if want.Cmp(sum) != 0 {
			fmt.Fprintf(&b, "  rounded       %s\n", decimal(t, want))
		}
		if !got.Known || got.Amount.String() != decimal(t, want) || got.Estimate != guess {
			t.Errorf("%s: %s/%s costs %+v by the runtime, %s (estimate: %v) by hand; usage %+v", p.name(), p.provider, p.model, got, decimal(t, want), guess, p.usage)
		}
		if said := statedCost(p.x); said != nil {
			off := new(big.Rat).Sub(said, want)
			verdict := "agrees"
			if stated++; new(big.Rat).Abs(off).Cmp(big.NewRat(1, 1e12)) > 0 {
				verdict = "differs by " + decimal(t, off)
			} else {
				agree++
			}
			fmt.Fprintf(&b, "  stated        %s: %s\n", decimal(t, said), verdict)
		}
		if totals[p.provider] == nil {
			totals[p.provider] = new(big.Rat)
		}
		totals[p.provider].Add(totals[p.provider], want)
		counts[p.provider]++
	}
	b.WriteString("\n# Totals of the above\n\n")
	n, all := 0, new(big.Rat)
	for _, provider := range slices.Sorted(maps.Keys(totals)) {
		fmt.Fprintf(&b, "%-16s %4d usages  %s\n", provider, counts[provider], decimal(t, totals[provider]))
		n += counts[provider]
		all.Add(all, totals[provider])
	}
	fmt.Fprintf(&b, "%-16s %4d usages  %s\n", "all", n, decimal(t, all))
	fmt.Fprintf(&b, "\n%d answers state what they cost; %d of them state the same.\n", stated, agree)
	b.WriteString("\n# Usages of which the price is unknown: none of them costs 0\n\n")
	for _, line := range slices.Sorted(maps.Keys(unknown)) {
		fmt.Fprintf(&b, "unknown %4d usages of %s\n", unknown[line], line)
	}
	if c := (*price.Price)(nil).Of(&price.Usage{Input: 1, Output: 1}); c.Known {
		t.Errorf("what has no price costs %s", c.Amount)
	}
	if n < 200 || len(totals) < 8 {
		t.Errorf("only %d usages of %d providers are on the invoice: %v", n, len(totals), counts)
	}
	golden := filepath.Join("testdata", "invoice.golden")
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff(string(raw), b.String()); d != "" {
		t.Errorf("mismatch (-want +got); GWC_UPDATE=1 writes it:\n%s", d)
	}
}

// positions are the recorded usages that an oracle can read: of chats, and of embeddings in OpenAI's dialect.
func positions(t *testing.T) (all []*position) {
	t.Helper()
	add := func(x *recorded.Exchange, read func(*recorded.Exchange) dialect.Usage, a answer) {
		u := a.Usage
		if !u.Known || u.Input+u.Output == 0 {
			return
		}
		p := &position{x: x, read: read, usage: u}
		if p.bill(a.Model); p.model == "" {
			return
		}
		if e, _, ok := catalogue.Lookup(p.provider, p.model); ok {
			p.entry = e
		}
		p.split()
		all = append(all, p)
	}
	for _, provided := range provided {
		if provided.name == recorded.Responses {
			continue // of the same provider's models as chat, under the same prices
		}
		usable, _ := recorded.Usable(t, provided.name)
		for _, x := range usable {
			if x.Host == "" && x.Dialect != recorded.Chat || madeToFail(x) != "" {
				continue // fixtures name no model, or some were made by hand
			}
			i := interactionOf(x)
			var a answer
			if len(tried(t, func(t testing.TB) { a = provided.read(t, &i) })) > 0 {
				continue // the matrix lists it
			}
			if x.Dialect == recorded.Cohere {
				a.Usage.BilledInput, a.Usage.BilledOutput = billedUnits(&i)
			}
			if x.Dialect == recorded.Chat {
				_, _, a.Model, _ = chatOracle(t, &i)
			}
			add(x, func(x *recorded.Exchange) (u dialect.Usage) {
				for _, ev := range decoded(provided.decoder(), x.Stream != recorded.Whole, x.Answer) {
					if ev.Kind == dialect.UsageEvent {
						u = ev.Usage
					}
				}
				return u
			}, a)
		}
	}
	for _, x := range recorded.Of(t, recorded.OpenAI) {
		if x.Operation != recorded.OpEmbed || x.Status != 200 || x.Excluded != "" {
			continue
		}
		var m struct {
			Model string
			Usage struct {
				Prompt int64 `json:"prompt_tokens"`
			}
		}
		if json.Unmarshal([]byte(x.Answer), &m) == nil {
			add(x, func(x *recorded.Exchange) dialect.Usage { // vectors in a form that only OpenAI has pass as they are
				var tap openaitask.Tap
				tap.Reset(false)
				tap.Feed([]byte(x.Answer))
				tap.Finish()
				return tap.Seen().Usage
			}, answer{Model: m.Model, Usage: dialect.Usage{Input: m.Usage.Prompt, Known: true}})
		}
	}
	return all
}

// bill finds who is to be paid, and for which model: what was asked for, in the request or in the path.
func (p *position) bill(answered string) {
	x := p.x
	if x.Host == "" {
		p.provider, p.model, p.byAnswer = x.Provider, answered, true
		return
	}
	kind := map[string]string{recorded.Messages: "anthropic", recorded.Gemini: "gemini", recorded.Converse: "bedrock", recorded.Cohere: "cohere", recorded.Ollama: "ollama"}[x.Dialect]
	p.provider = cmp.Or(catalogue.Provider(cmp.Or(kind, "openai"), "https://"+x.Host+x.Path), x.Provider)
	for _, before := range []string{"/models/", "/model/"} {
		if _, rest, ok := strings.Cut(x.Path, before); ok {
			if end := strings.LastIndexAny(rest, ":/"); end > 0 {
				p.model = rest[:end]
				return
			}
		}
	}
	var asked struct{ Model string }
	if json.Unmarshal([]byte(x.Request), &asked) == nil {
		p.model = asked.Model
	}
}

// split takes a usage apart into what is paid for apart.
func (p *position) split() {
	u := &p.usage
	add := func(n int64, under ...string) {
		if n > 0 {
			p.parts = append(p.parts, part{under[0], n, under})
		}
	}
	if u.BilledInput+u.BilledOutput > 0 { // Cohere charges for less than it reads
		add(u.BilledInput, "input")
		add(u.BilledOutput, "output")
		return
	}
	add(u.Input-u.CacheRead-u.CacheWrite-u.InputAudio, "input")
	add(u.CacheRead, "cacheRead", "input")
	add(u.CacheWrite-u.CacheWrite1h, "cacheWrite", "input")
	add(u.CacheWrite1h, "cacheWrite1h", "cacheWrite", "input")
	add(u.InputAudio, "inputAudio", "input")
	add(u.Output-u.Reasoning-u.OutputAudio, "output")
	add(u.Reasoning, "reasoning", "output")
	add(u.OutputAudio, "outputAudio", "output")
}

// choose takes the same number of positions from each provider as long as it has any, and within a provider from each
// of its models: first those of which the sum has the most parts. Of equal sums only one is taken.
func choose(known map[string][]*position, n int) (chosen []*position) {
	queues := map[string][]*position{}
	for provider, all := range known {
		models := map[string][]*position{}
		seen := map[string]bool{}
		for _, p := range all {
			if key := fmt.Sprint(p.entry.Name(), p.parts); !seen[key] {
				seen[key] = true
				models[p.model] = append(models[p.model], p)
			}
		}
		for _, l := range models {
			slices.SortFunc(l, func(a, b *position) int {
				return cmp.Or(cmp.Compare(len(b.parts), len(a.parts)), cmp.Compare(a.name(), b.name()))
			})
		}
		for round, found := 0, true; found; round++ {
			found = false
			for _, m := range slices.Sorted(maps.Keys(models)) {
				if round < len(models[m]) {
					queues[provider], found = append(queues[provider], models[m][round]), true
				}
			}
		}
	}
	for round, found := 0, true; found; round++ {
		found = false
		for _, provider := range slices.Sorted(maps.Keys(queues)) {
			if round < len(queues[provider]) && len(chosen) < n {
				chosen, found = append(chosen, queues[provider][round]), true
			}
		}
	}
	slices.SortFunc(chosen, func(a, b *position) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.model, b.model), cmp.Compare(a.name(), b.name()))
	})
	return chosen
}

// pricesOf reads the prices of an entry in the catalogue's text, by threshold and kind.
func pricesOf(t *testing.T, text, name string) map[int64]map[string]string {
	t.Helper()
	_, line, ok := strings.Cut(text, "\n"+name+"\t")
	if !ok {
		t.Fatalf("the catalogue's text does not have %s", name)
	}
	line, _, _ = strings.Cut(line, "\n")
	_, prices, _ := strings.Cut(line, "price=")
	prices, _, _ = strings.Cut(prices, " ")
	tiers, above := map[int64]map[string]string{0: {}}, int64(0)
	for item := range strings.SplitSeq(prices, ",") {
		if rest, ok := strings.CutPrefix(item, ">"); ok {
			n, after, _ := strings.Cut(rest, ":")
			var err error
			if above, err = strconv.ParseInt(n, 10, 64); err != nil {
				t.Fatal(err)
			}
			tiers[above], item = map[string]string{}, after
		}
		kind, usd, _ := strings.Cut(item, ":")
		tiers[above][kind] = usd
	}
	return tiers
}

// rateOf is the price of the first kind that has one, in the highest tier that an exchange of so much input reaches;
// "" where none has.
func rateOf(tiers map[int64]map[string]string, kinds []string, input int64) (kind, usd string) {
	for _, k := range kinds {
		for _, above := range slices.Backward(slices.Sorted(maps.Keys(tiers))) {
			if usd := tiers[above][k]; usd != "" && (above == 0 || input > above) {
				return k, usd
			}
		}
	}
	return "", ""
}

// costOf is what the runtime makes of a recording.
func costOf(t *testing.T, p *position) price.Cost {
	t.Helper()
	u := p.read(p.x)
	if !u.Known {
		t.Errorf("%s: the runtime reads no usage", p.name())
	}
	if u.BilledInput+u.BilledOutput > 0 {
		return p.entry.Price.Of(&price.Usage{Input: u.BilledInput, Output: u.BilledOutput, Service: u.Service})
	}
	return p.entry.Price.Of(&price.Usage{Input: u.Input, Output: u.Output, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite, CacheWrite1h: u.CacheWrite1h,
		Reasoning: u.Reasoning, InputAudio: u.InputAudio, OutputAudio: u.OutputAudio, Service: u.Service})
}

// billedUnits are what Cohere says that it charges for.
func billedUnits(i *interaction) (input, output int64) {
	docs := []string{i.answer}
	if i.stream() {
		docs = nil
		for line := range strings.Lines(i.answer) {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				docs = append(docs, data)
			}
		}
	}
	type usage struct {
		Billed struct {
			Input  float64 `json:"input_tokens"`
			Output float64 `json:"output_tokens"`
		} `json:"billed_units"`
	}
	for _, doc := range docs {
		var m struct {
			Usage usage
			Delta json.RawMessage
		}
		var delta struct{ Usage usage }
		if json.Unmarshal([]byte(doc), &m) != nil {
			continue
		}
		_ = json.Unmarshal(m.Delta, &delta) // of most events it is something else
		for _, u := range []usage{m.Usage, delta.Usage} {
			if u.Billed.Input+u.Billed.Output > 0 {
				input, output = int64(u.Billed.Input), int64(u.Billed.Output)
			}
		}
	}
	return input, output
}

// statedCost is what an answer itself says that it cost, in the digits that it says it in; nil if it says nothing.
func statedCost(x *recorded.Exchange) (said *big.Rat) {
	docs := []string{x.Answer}
	if x.Stream != recorded.Whole {
		docs = nil
		for line := range strings.Lines(x.Answer) {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				docs = append(docs, data)
			}
		}
	}
	for _, doc := range docs {
		var m struct {
			Usage struct{ Cost json.Number }
		}
		if json.Unmarshal([]byte(doc), &m) == nil {
			if r, ok := new(big.Rat).SetString(m.Usage.Cost.String()); ok && r.Sign() > 0 {
				said = r
			}
		}
	}
	return said
}

// picos rounds to twelve decimals, half to even.
func picos(r *big.Rat) *big.Rat {
	scaled := new(big.Rat).Mul(r, big.NewRat(1e12, 1))
	q, rest := new(big.Int).QuoRem(scaled.Num(), scaled.Denom(), new(big.Int))
	switch half := rest.Lsh(rest, 1).Cmp(scaled.Denom()); {
	case half > 0, half == 0 && q.Bit(0) == 1:
		q.Add(q, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(q, big.NewInt(1e12))
}

// decimal writes a fraction as the exact decimal that it is.
func decimal(t *testing.T, r *big.Rat) string {
	t.Helper()
	digits, exact := r.FloatPrec()
	if !exact {
		t.Fatalf("%s is no decimal", r)
	}
	return r.FloatString(digits)
}
