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

func (p *position) name() string {
	if p.x.Corpus == "" {
		return p.x.Name // made by hand
	}
	return p.x.Corpus + "/" + p.x.Name
}

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

	in := &invoice{catalogue: string(text), totals: map[string]*big.Rat{}, counts: map[string]int{}}
	b := &in.b
	b.WriteString("# Recorded usages and what they cost. Prices are USD per million tokens or characters, or by the piece; products and\n" +
		"# sums USD, all of them exact.\n" +
		"# Generated: GWC_UPDATE=1 go test ./runtime/dialect -run TestTheGoldenInvoice\n")
	for _, p := range chosen {
		in.write(t, p)
	}
	totals, counts, stated, agree := in.totals, in.counts, in.stated, in.agree
	b.WriteString("\n# Totals of the above\n\n")
	n, all := 0, new(big.Rat)
	for _, provider := range slices.Sorted(maps.Keys(totals)) {
		fmt.Fprintf(b, "%-16s %4d usages  %s\n", provider, counts[provider], decimal(t, totals[provider]))
		n += counts[provider]
		all.Add(all, totals[provider])
	}
	fmt.Fprintf(b, "%-16s %4d usages  %s\n", "all", n, decimal(t, all))
	fmt.Fprintf(b, "\n%d answers state what they cost; %d of them state the same.\n", stated, agree)
	b.WriteString("\n# Usages of which the price is unknown: none of them costs 0\n\n")
	for _, line := range slices.Sorted(maps.Keys(unknown)) {
		fmt.Fprintf(b, "unknown %4d usages of %s\n", unknown[line], line)
	}
	b.WriteString("\n# Made by hand: what the recordings do not have\n")
	made := &invoice{catalogue: string(text), totals: map[string]*big.Rat{}, counts: map[string]int{}}
	for _, m := range handmade() {
		p := m.position(t)
		made.write(t, p)
	}
	b.WriteString(made.b.String())
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

// invoice is written position by position.
type invoice struct {
	b             strings.Builder
	catalogue     string // the text of models.txt
	totals        map[string]*big.Rat
	counts        map[string]int
	stated, agree int
}

// write writes a position, and holds the runtime's cost against it.
func (in *invoice) write(t *testing.T, p *position) {
	t.Helper()
	b := &in.b
	tiers, served := pricesOf(t, in.catalogue, p.entry.Name(), p.usage.Service, p.usage.Input)
	fmt.Fprintf(b, "\n%s\n  %s/%s", p.name(), p.provider, p.model)
	if p.entry.Name() != p.provider+"/"+p.model {
		fmt.Fprintf(b, " (price of %s)", p.entry.Name())
	}
	if p.byAnswer {
		b.WriteString(" (model by the answer)")
	}
	if p.usage.Service != "" {
		fmt.Fprintf(b, " (service %s)", p.usage.Service)
	}
	b.WriteString("\n")
	sum, priced := new(big.Rat), served
	var lacking []string
	if !served {
		lacking = []string{"service"}
		fmt.Fprintf(b, "  %-13s %7s   unknown\n", "service", p.usage.Service)
	}
	for _, part := range p.parts {
		of, rate := rateOf(tiers, part.under, p.usage.Input)
		if rate == "" || !served {
			priced = false
			if served {
				lacking = append(lacking, part.kind)
			}
			fmt.Fprintf(b, "  %-13s %7d × unknown\n", part.kind, part.n)
			continue
		}
		usd, ok := new(big.Rat).SetString(rate)
		if !ok {
			t.Fatalf("%s: price %q", p.entry.Name(), rate)
		}
		per := int64(1_000_000)
		if pieces[part.kind] {
			per = 1
		}
		product := usd.Mul(usd, big.NewRat(part.n, per))
		sum.Add(sum, product)
		fmt.Fprintf(b, "  %-13s %7d × %-6s = %s", part.kind, part.n, rate, decimal(t, product))
		if of != part.kind {
			fmt.Fprintf(b, " (price of %s)", of)
		}
		b.WriteString("\n")
	}
	got, seen := costOf(t, p)
	if !priced {
		b.WriteString("  cost          unknown\n")
		if missing := got.Missing.Append(nil); got.Known || !slices.Equal(missing, lacking) {
			t.Errorf("%s: costs %s by the runtime, and lacks the prices of %v; by hand those of %v", p.name(), got.Amount, missing, lacking)
		}
		return
	}
	fmt.Fprintf(b, "  cost          %s\n", decimal(t, sum))
	want := picos(sum)
	if want.Cmp(sum) != 0 {
		fmt.Fprintf(b, "  rounded       %s\n", decimal(t, want))
	}
	if !got.Known || got.Amount.String() != decimal(t, want) || got.Estimate {
		t.Errorf("%s: %s/%s costs %+v by the runtime, %s by hand; usage %+v", p.name(), p.provider, p.model, got, decimal(t, want), p.usage)
	}
	if said := statedCost(p.x); said != nil {
		if !seen.HasStated || seen.Stated.String() != decimal(t, cut(said)) {
			t.Errorf("%s: the runtime reads that it costs %s, the answer says %s", p.name(), seen.Stated, decimal(t, said))
		}
		off := new(big.Rat).Sub(said, want)
		verdict := "agrees"
		if in.stated++; new(big.Rat).Abs(off).Cmp(big.NewRat(1, 1e12)) > 0 {
			verdict = "differs by " + decimal(t, off)
		} else {
			in.agree++
		}
		fmt.Fprintf(b, "  stated        %s: %s\n", decimal(t, said), verdict)
	}
	if in.totals[p.provider] == nil {
		in.totals[p.provider] = new(big.Rat)
	}
	in.totals[p.provider].Add(in.totals[p.provider], want)
	in.counts[p.provider]++
}

// pieces are the kinds that are priced by the piece.
var pieces = map[string]bool{"image": true, "request": true, "webSearch": true, "fileSearch": true, "serverTool": true, "searchUnit": true, "second": true}

// positions are the recorded usages that an oracle can read: of chats, and of embeddings in OpenAI's dialect.
func positions(t *testing.T) (all []*position) {
	t.Helper()
	add := func(x *recorded.Exchange, read func(*recorded.Exchange) dialect.Usage, a answer) {
		u := a.Usage
		if !u.Known || u.Input+u.Output == 0 {
			return
		}
		u.Units = unitsOf(x)
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
	has := func(k price.Kind) bool { _, ok := p.entry.Price.Rate("", 0, k); return ok }
	if u.BilledInput+u.BilledOutput > 0 { // Cohere charges for less than it reads
		add(u.BilledInput, "input")
		add(u.BilledOutput, "output")
	} else {
		seen := u.InputImage
		if !has(price.InputImage) {
			seen = 0 // they are input as any
		}
		add(u.Input-u.CacheRead-u.CacheWrite-u.InputAudio-seen, "input")
		add(u.CacheRead, "cacheRead", "input")
		add(u.CacheWrite-u.CacheWrite1h, "cacheWrite", "input")
		add(u.CacheWrite1h, "cacheWrite1h", "cacheWrite", "input")
		add(u.InputAudio, "inputAudio")
		add(seen, "inputImage")
		add(u.Output-u.Reasoning-u.OutputAudio-u.OutputImage, "output")
		add(u.Reasoning, "reasoning", "output")
		add(u.OutputAudio, "outputAudio")
		if has(price.Image) {
			add(u.Units.Images, "image")
		} else {
			add(u.OutputImage, "outputImage")
		}
		if has(price.Citation) {
			add(u.Citation, "citation")
		}
	}
	add(u.Units.WebSearches, "webSearch")
	add(u.Units.FileSearches, "fileSearch")
	add(u.Units.ServerTools, "serverTool")
	add(u.Units.SearchUnits, "searchUnit")
	add(u.Units.Characters, "character")
	add(u.Units.Seconds, "second")
	if has(price.Request) {
		add(1, "request")
	}
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

// pricesOf reads the prices of an entry in the catalogue's text that hold for a service tier, by threshold and kind, and
// tells whether the tier has any. Pieces cost what they usually do where the tier does not say otherwise; of what costs
// more above a threshold that the exchange is beyond, a tier that does not say how much more has no price.
func pricesOf(t *testing.T, text, name, service string, input int64) (tiers map[int64]map[string]string, served bool) {
	t.Helper()
	_, line, ok := strings.Cut(text, "\n"+name+"\t")
	if !ok {
		t.Fatalf("the catalogue's text does not have %s", name)
	}
	line, _, _ = strings.Cut(line, "\n")
	_, prices, _ := strings.Cut(line, "price=")
	prices, _, _ = strings.Cut(prices, " ")
	tiers = map[int64]map[string]string{0: {}}
	type threshold struct {
		above int64
		kind  string
	}
	var dearer []threshold
	of, above := "", int64(0)
	for item := range strings.SplitSeq(prices, ",") {
		if strings.ContainsAny(item[:1], "@>") {
			head, after, _ := strings.Cut(item, ":")
			said, n, sized := strings.Cut(head, ">")
			of, above, item = strings.TrimPrefix(said, "@"), 0, after
			if sized {
				var err error
				if above, err = strconv.ParseInt(n, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		kind, usd, _ := strings.Cut(item, ":")
		if of == "" && above > 0 && input > above {
			dearer = append(dearer, threshold{above, kind})
		}
		if of != service && !(of == "" && pieces[kind]) {
			continue
		}
		served = served || of == service
		if tiers[above] == nil {
			tiers[above] = map[string]string{}
		}
		tiers[above][kind] = usd
	}
	for _, d := range dearer {
		if tiers[d.above][d.kind] == "" {
			delete(tiers[0], d.kind)
		}
	}
	return tiers, served
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

// costOf is what the runtime makes of a recording, and what it reads.
func costOf(t *testing.T, p *position) (price.Cost, dialect.Usage) {
	t.Helper()
	u := p.read(p.x)
	if !u.Known && !u.Units.Any() {
		t.Errorf("%s: the runtime reads no usage", p.name())
	}
	used := u.Priced()
	return p.entry.Price.Of(&used), u
}

// unitsOf is what an answer says of searches, in the provider's own words.
func unitsOf(x *recorded.Exchange) (u price.Units) {
	docs := []string{x.Answer}
	if x.Stream != recorded.Whole {
		docs = nil
		for line := range strings.Lines(x.Answer) {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				docs = append(docs, data)
			}
		}
	}
	type usage struct {
		Tools struct {
			Searches int64 `json:"web_search_requests"`
		} `json:"server_tool_use"`
		Sources int64 `json:"num_sources_used"`
		Queries int64 `json:"num_search_queries"`
	}
	type item struct {
		Type   string
		Action struct{ Type string }
	}
	for _, doc := range docs {
		var m struct {
			Candidates []struct {
				Grounding struct {
					Queries []string `json:"webSearchQueries"`
				} `json:"groundingMetadata"`
			}
			Usage    usage
			Output   []item
			Response struct{ Output []item }
		}
		if json.Unmarshal([]byte(doc), &m) != nil {
			continue
		}
		u.WebSearches = max(u.WebSearches, m.Usage.Tools.Searches, m.Usage.Sources, m.Usage.Queries)
		for _, c := range m.Candidates {
			u.WebSearches = max(u.WebSearches, int64(len(c.Grounding.Queries)))
		}
		var n price.Units
		for _, i := range append(m.Output, m.Response.Output...) {
			switch {
			case i.Type == "web_search_call" && i.Action.Type != "open_page" && i.Action.Type != "find_in_page":
				n.WebSearches++
			case i.Type == "file_search_call":
				n.FileSearches++
			case i.Type == "code_interpreter_call", i.Type == "image_generation_call":
				n.ServerTools++
			}
		}
		if n.Any() {
			u = n
		}
	}
	return u
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
			Usage struct {
				Cost  json.RawMessage
				Ticks json.Number `json:"cost_in_usd_ticks"`
			}
		}
		if json.Unmarshal([]byte(doc), &m) != nil {
			continue
		}
		text, of := string(m.Usage.Cost), big.NewRat(1, 1)
		if m.Usage.Ticks != "" {
			text, of = m.Usage.Ticks.String(), big.NewRat(1, 1e10)
		}
		if r, ok := new(big.Rat).SetString(text); ok && r.Sign() > 0 {
			said = r.Mul(r, of)
		}
	}
	return said
}

// cut takes the decimals behind the twelfth away.
func cut(r *big.Rat) *big.Rat {
	scaled := new(big.Rat).Mul(r, big.NewRat(1e12, 1))
	return new(big.Rat).SetFrac(new(big.Int).Quo(scaled.Num(), scaled.Denom()), big.NewInt(1e12))
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
