package dialect_test

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// TestRecordedAnswersCostWhatTheirUsageSays prices every recorded answer twice: as the runtime does, by what the tap reads
// and whole numbers of femto-USD; and by fractions straight from the provider's own words and the catalogue's text.
func TestRecordedAnswersCostWhatTheirUsageSays(t *testing.T) {
	stated, equal := 0, 0 // of answers in which the provider itself states what they cost
	priced, left := map[string]int{}, map[string]int{}
	for _, i := range recordings(t) {
		if i.unusable() != "" || !i.anthropicAnswer() && !i.chatAnswer() {
			continue
		}
		raw := rawUsage(t, &i)
		if raw == nil {
			left["no usage in the answer"]++
			continue
		}
		kind := "openai"
		if i.anthropicAnswer() {
			kind = "anthropic"
		}
		provider := catalogue.Provider(kind, "https://"+i.host+i.path)
		var asked struct{ Model string }
		if json.Unmarshal([]byte(i.request), &asked) != nil || asked.Model == "" {
			left["no model in the request"]++
			continue
		}
		e, _, ok := catalogue.Lookup(provider, asked.Model)
		if !ok || e.Price == nil {
			left["no price of "+provider+"/"+asked.Model]++
			continue
		}
		var tap dialect.Tap = new(openaichat.Tap)
		if kind == "anthropic" {
			tap = new(anthropic.Tap)
		}
		tap.Reset(i.stream())
		tap.Feed([]byte(i.answer))
		tap.Finish()
		u := tap.Seen().Usage
		used := u.Counted()
		got := e.Price.Of(&used)
		want := fractions(raw, kind, e.Price, u.Service)
		have, _ := new(big.Rat).SetString(got.Amount.String())
		if off := new(big.Rat).Sub(want, have); !got.Known || off.Abs(off).Cmp(big.NewRat(1, 2_000_000_000_000)) > 0 {
			t.Errorf("%s: %s/%s costs %s (%+v), by its usage %s: %v", i.name, provider, asked.Model, got.Amount, got, want.FloatString(15), raw)
		}
		if got.Estimate {
			t.Errorf("%s: the cost is an estimate: %v", i.name, raw)
		}
		if got.Amount == 0 && !e.Price.Free() {
			t.Errorf("%s: a call that was answered costs nothing: %v", i.name, raw)
		}
		priced[provider]++
		if said, ok := raw["cost"].(float64); ok && said > 0 {
			stated++
			if f, _ := have.Float64(); f > said*0.999999 && f < said*1.000001 {
				equal++
			} else {
				t.Logf("%s: %s/%s costs %s, and %g by the provider", i.name, provider, asked.Model, got.Amount, said)
			}
		}
	}
	t.Logf("%d of %d answers that state what they cost state the same", equal, stated)
	n := 0
	for p, k := range priced {
		t.Logf("%4d of %s", k, p)
		n += k
	}
	for why, k := range left {
		t.Logf("%4d not priced: %s", k, why)
	}
	if equal < 110 {
		t.Errorf("only %d answers cost what the provider states", equal)
	}
	if n < 150 || len(priced) < 4 {
		t.Errorf("only %d answers of %d providers were priced", n, len(priced))
	}
}

// rawUsage returns the usage of an answer in the provider's own words. Of a stream, later numbers replace earlier ones.
func rawUsage(t *testing.T, i *interaction) map[string]any {
	t.Helper()
	docs := []string{i.answer}
	if i.stream() {
		docs = nil
		for line := range strings.Lines(strings.ReplaceAll(i.answer, "\r", "")) {
			if data, ok := strings.CutPrefix(line, "data:"); ok && !strings.Contains(data, "[DONE]") {
				docs = append(docs, data)
			}
		}
	}
	var usage map[string]any
	take := func(v any) {
		if m, ok := v.(map[string]any); ok {
			if usage == nil {
				usage = map[string]any{}
			}
			for k, v := range m {
				if n, number := v.(float64); !number || n != 0 || usage[k] == nil {
					usage[k] = v
				}
			}
		}
	}
	for _, d := range docs {
		var m map[string]any
		if json.Unmarshal([]byte(d), &m) != nil {
			continue
		}
		if message, ok := m["message"].(map[string]any); ok {
			take(message["usage"])
		}
		if groq, ok := m["x_groq"].(map[string]any); ok && m["usage"] == nil {
			take(groq["usage"])
		}
		take(m["usage"])
	}
	return usage
}

// fractions prices a usage from its own words, kind by kind.
func fractions(usage map[string]any, kind string, p *price.Price, service string) *big.Rat {
	number := func(path ...string) *big.Rat {
		var v any = usage
		for _, name := range path {
			m, ok := v.(map[string]any)
			if !ok {
				return new(big.Rat)
			}
			v = m[name]
		}
		f, ok := v.(float64)
		if !ok {
			return new(big.Rat)
		}
		return new(big.Rat).SetInt64(int64(f))
	}
	rate := func(kinds ...price.Kind) *big.Rat {
		for _, k := range kinds {
			if i := slices.IndexFunc(p.Rates, func(r price.Rate) bool {
				return (r.Service == service || k.Piece() && r.Service == "") && r.Above == 0 && r.Kind == k
			}); i >= 0 {
				usd, _ := new(big.Rat).SetString(price.FormatRate(p.Rates[i].Femto, k))
				if k.Piece() {
					return usd
				}
				return usd.Quo(usd, big.NewRat(1_000_000, 1))
			}
		}
		return new(big.Rat)
	}
	sum := new(big.Rat)
	add := func(n *big.Rat, r *big.Rat) { sum.Add(sum, new(big.Rat).Mul(n, r)) }
	add(number("server_tool_use", "web_search_requests"), rate(price.WebSearch))
	if kind == "anthropic" {
		hour := number("cache_creation", "ephemeral_1h_input_tokens")
		add(number("input_tokens"), rate(price.Input))
		add(number("cache_read_input_tokens"), rate(price.CacheRead, price.Input))
		add(new(big.Rat).Sub(number("cache_creation_input_tokens"), hour), rate(price.CacheWrite, price.Input))
		add(hour, rate(price.CacheWrite1h, price.CacheWrite, price.Input))
		add(number("output_tokens"), rate(price.Output))
		return sum
	}
	cached := number("prompt_tokens_details", "cached_tokens")
	if cached.Sign() == 0 {
		cached = number("prompt_cache_hit_tokens")
	}
	written := number("prompt_tokens_details", "cache_write_tokens")
	plain := new(big.Rat).Sub(number("prompt_tokens"), cached)
	heard, spoken := number("prompt_tokens_details", "audio_tokens"), number("completion_tokens_details", "audio_tokens")
	plain.Sub(plain, heard)
	add(plain.Sub(plain, written), rate(price.Input))
	add(heard, rate(price.InputAudio))
	add(spoken, rate(price.OutputAudio))
	add(cached, rate(price.CacheRead, price.Input))
	add(written, rate(price.CacheWrite, price.Input))
	said, thought := number("completion_tokens"), number("completion_tokens_details", "reasoning_tokens")
	if total := number("total_tokens"); thought.Cmp(said) > 0 || thought.Sign() > 0 && total.Cmp(new(big.Rat).Add(number("prompt_tokens"), new(big.Rat).Add(said, thought))) == 0 {
		said.Add(said, thought) // xAI, and Vercel for Gemini, count reasoning beside the completion
	}
	add(said.Sub(said, spoken).Sub(said, thought), rate(price.Output))
	add(thought, rate(price.Reasoning, price.Output))
	return sum
}
