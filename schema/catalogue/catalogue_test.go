package catalogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

func TestEveryLineIsSortedAndReads(t *testing.T) {
	before, n := "", 0
	names := map[string]bool{}
	for line := range strings.Lines(models[start():]) {
		key, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		provider, model, slash := strings.Cut(key, "/")
		if !ok || !slash || key <= before {
			t.Fatalf("line %q is malformed or out of order after %q", line, before)
		}
		e, err := parse(provider, model, rest)
		if err != nil {
			t.Error(err)
		}
		if e.Can&e.Cannot != 0 {
			t.Errorf("%s both can and cannot %v", key, (e.Can & e.Cannot).Names())
		}
		before = key
		names[provider] = true
		n++
	}
	o := Origin()
	if n != o.Models || len(names) != o.Providers || n < 1000 || len(names) < 40 {
		t.Errorf("%d models of %d providers; the head says %+v", n, len(names), o)
	}
	if o.Source == "" || o.Commit == "" || o.Licence == "" || len(o.Date) != 10 {
		t.Errorf("the head says %+v", o)
	}
	if got := Providers(); !slices.IsSorted(got) || len(got) != o.Providers {
		t.Errorf("%d providers are listed, sorted %v", len(got), slices.IsSorted(got))
	}
}

// TestGetAgreesWithALinearScan looks every name up, and a name beside every name.
func TestGetAgreesWithALinearScan(t *testing.T) {
	for e := range All() {
		got, ok := Get(e.Provider, e.Model)
		if !ok || got.Name() != e.Name() || got.Context != e.Context || (got.Price == nil) != (e.Price == nil) {
			t.Fatalf("%s: got %+v, %v", e.Name(), got, ok)
		}
		for _, other := range []string{e.Model + "\x00", e.Model[:len(e.Model)-1] + "\x01"} {
			if _, ok := Get(e.Provider, other); ok {
				t.Fatalf("%q was found", other)
			}
		}
	}
	for _, none := range []string{"", "!", "zzz", "~"} {
		if _, ok := Get(none, "x"); ok {
			t.Errorf("%q was found", none)
		}
	}
}

func TestPricesAreThoseOfTheVendors(t *testing.T) {
	for _, c := range []struct {
		provider, model string
		usage           price.Usage
		want            string
	}{
		{"openai", "gpt-5", price.Usage{Input: 1_000_000, Output: 1_000_000}, "11.25"},
		{"openai", "gpt-5-mini", price.Usage{Input: 1000, CacheRead: 1000}, "0.000025"},
		{"anthropic", "claude-sonnet-4-5", price.Usage{Input: 1000, CacheWrite: 1000, CacheWrite1h: 1000}, "0.006"},
		{"google", "gemini-2.5-pro", price.Usage{Input: 200_001}, "0.5000025"},
	} {
		e, ok := Get(c.provider, c.model)
		if !ok {
			t.Fatalf("there is no %s/%s", c.provider, c.model)
		}
		if got := e.Price.Of(&c.usage); got.Amount.String() != c.want || got.Estimate {
			t.Errorf("%s: %s %+v, want %s", e.Name(), got.Amount, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		name, provider, model string
		want                  string // "" none
		by                    Match
	}{
		{"as it is", "openai", "gpt-5", "openai/gpt-5", Exact},
		{"with a day that the catalogue has", "anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929", Exact},
		{"with a day that it has not", "openai", "gpt-5-2025-08-07", "openai/gpt-5", Dated},
		{"with the day of Vertex", "google-vertex", "claude-opus-4-1@20250805", "google-vertex/claude-opus-4-1@20250805", Exact},
		{"latest of a name", "openai", "gpt-5-latest", "openai/gpt-5", Latest},
		{"latest of dated names only", "anthropic", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet-20241022", Latest},
		{"a latest of its own", "google", "gemini-flash-latest", "google/gemini-flash-latest", Exact},
		{"what Gemini's paths put before", "google", "models/gemini-2.5-pro", "google/gemini-2.5-pro", Prefixed},
		{"case counts", "openai", "GPT-5", "", ""},
		{"another version is another model", "openai", "gpt-55", "", ""},
		{"four digits are no day", "openai", "gpt-4-9999", "", ""},
		{"a fine-tuned model is another model", "openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", "", ""},
		{"a day alone is no model", "openai", "-20250807", "", ""},
		{"nothing", "openai", "", "", ""},
		{"nobody", "", "gpt-5", "", ""},
		{"a model with a slash", "openrouter", "openai/gpt-5", "openrouter/openai/gpt-5", Exact},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, by, ok := Lookup(c.provider, c.model)
			if ok != (c.want != "") || ok && (e.Name() != c.want || by != c.by) {
				t.Errorf("got %s by %q, %v, want %s by %q", e.Name(), by, ok, c.want, c.by)
			}
		})
	}
}

func TestProvider(t *testing.T) {
	for _, c := range []struct{ kind, url, want string }{
		{"openai", "https://api.openai.com/v1", "openai"},
		{"openai", "https://API.OpenAI.com:443/v1/", "openai"},
		{"openai", "https://api.groq.com/openai/v1", "groq"},
		{"openai", "https://generativelanguage.googleapis.com/v1beta/openai", "google"},
		{"openai", "https://api.z.ai/api/paas/v4", "zai"},
		{"openai", "https://api.z.ai/api/coding/paas/v4", "zai-coding-plan"},
		{"openai", "https://acme.openai.azure.com/openai/v1", "azure"},
		{"openai", "https://.openai.azure.com", ""},
		{"anthropic", "https://api.anthropic.com", "anthropic"},
		{"anthropic", "https://api.minimax.io/anthropic", "minimax"},
		{"bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com", "amazon-bedrock"},
		{"vertex", "https://europe-west4-aiplatform.googleapis.com", "google-vertex"},
		{"vertex", "https://aiplatform.googleapis.com", "google-vertex"},
		{"openai", "https://mine.s3.amazonaws.com", ""},
		{"openai", "http://127.0.0.1:8000/v1", ""},
		{"openai", "https://llm.acme.example/v1", ""},
		{"openai", "https://api.openai.com.evil.example/v1", ""},
		{"openai", "", "openai"},
		{"gemini", "", "google"},
		{"ollama", "", ""},
		{"openai", "::", ""},
	} {
		if got := Provider(c.kind, c.url); got != c.want {
			t.Errorf("%s at %q: got %q, want %q", c.kind, c.url, got, c.want)
		}
	}
}

func TestAliases(t *testing.T) {
	e, _ := Get("anthropic", "claude-sonnet-4-5")
	if diff := cmp.Diff([]string{"claude-sonnet-4-5-20250929"}, Aliases(&e)); diff != "" {
		t.Errorf("mismatch (-want +got)\n%s", diff)
	}
}

func TestHasProvider(t *testing.T) {
	for _, p := range Providers() {
		if !HasProvider(p) || HasProvider(p+"x") || HasProvider(p[1:]) != slices.Contains(Providers(), p[1:]) {
			t.Errorf("%s is not told apart", p)
		}
	}
	if HasProvider("") || HasProvider("\t") {
		t.Error("nothing is a provider")
	}
}

func TestNearest(t *testing.T) {
	if got, ok := Nearest("openai", "gpt5-mini"); !ok || got != "gpt-5-mini" {
		t.Errorf("got %q, %v", got, ok)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"context=1 in=text out=text can=tools price=input:1,output:2,>10:input:3 date=2025-01-01",
		"price=input:1,input:1", "price=>-1:input:1", "can=", "in=text,,", "context=99999999999999999999", "price=:", "x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := parse("p", "m", line)
		if err == nil && e.Price != nil && e.Price.Check() != nil {
			t.Errorf("%q gives a price that does not pass: %v", line, e.Price.Check())
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := Lookup("openai", "gpt-5"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkProvider(b *testing.B) {
	for b.Loop() {
		Provider("openai", "https://api.openai.com/v1")
	}
}
