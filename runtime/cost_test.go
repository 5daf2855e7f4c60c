package runtime

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// price gives each target a price: "gpt-0" costs 1.25 and 10 USD per million tokens, 0.125 cached, and half of it in
// batches; "gpt-1" ten times that of input; "claude-sonnet-4-5" what it costs.
func (r repo) price(a *artifact.Artifact) {
	usd := func(k price.Kind, micro uint64) price.Rate { return price.Rate{Kind: k, Femto: micro * 1000} }
	batch := func(r price.Rate) price.Rate { r.Service, r.Femto = "batch", r.Femto/2; return r }
	of := map[string]price.Price{
		"gpt-0": {Rates: []price.Rate{usd(price.Input, 1_250_000), usd(price.Output, 10_000_000), usd(price.CacheRead, 125_000),
			batch(usd(price.Input, 1_250_000)), batch(usd(price.Output, 10_000_000))}},
		"gpt-1":             {Rates: []price.Rate{usd(price.Input, 12_500_000), usd(price.Output, 10_000_000)}},
		"claude-sonnet-4-5": {Rates: []price.Rate{usd(price.Input, 3_000_000), usd(price.Output, 15_000_000), usd(price.CacheRead, 300_000), usd(price.CacheWrite, 3_750_000), usd(price.CacheWrite1h, 6_000_000)}},
	}
	if r.rates != nil {
		of["gpt-0"] = price.Price{Rates: r.rates}
	}
	for i := range a.Models {
		for _, t := range a.Models[i].Targets {
			if p, ok := of[t.Model]; ok {
				a.Prices = append(a.Prices, p.Identify())
			}
		}
	}
	slices.SortFunc(a.Prices, artifact.ComparePrices)
	for i := range a.Models {
		for j, t := range a.Models[i].Targets {
			if p, ok := of[t.Model]; ok {
				at, _ := slices.BinarySearchFunc(a.Prices, p.Identify(), artifact.ComparePrices)
				a.Models[i].Targets[j].Price = at + 1
			}
		}
	}
}

// charged is what a record says of money, as it stands in the file.
type charged struct {
	Cost     json.Number `json:"cost_usd"`
	Estimate bool        `json:"cost_estimate"`
	Price    string      `json:"price"`
	Stated   json.Number `json:"provider_cost_usd"`
	Unpriced []string    `json:"unpriced"`
	Units    price.Units `json:"units"`
	Tokens   *struct {
		Input, Output int64
		Estimate      bool
	} `json:"tokens"`
	Attempts []struct {
		Cost json.Number `json:"cost_usd"`
	} `json:"attempts"`
}

func (g *running) charged(t *testing.T) (c charged) {
	t.Helper()
	g.records(t, "calls", 1)
	files, _ := filepath.Glob(filepath.Join(g.dir, "calls", "*.ndjson"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (g *running) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(g.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheRecordSaysWhatAnExchangeCost(t *testing.T) {
	json := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	openAI := func(rest string) string {
		return json(`{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]` + rest + `}`)
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	whole := func(events string) string { return head + "Connection: close\r\n\r\n" + events }
	cut := func(events string) string {
		return head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(events), events)
	}
	piece := func(s string) string {
		return `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"` + s + `"},"finish_reason":null}]}` + "\n\n"
	}
	const (
		stop     = `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
		done     = "data: [DONE]\n\n"
		usage    = `data: {"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":500,"prompt_tokens_details":{"cached_tokens":800}}}` + "\n\n"
		overload = "HTTP/1.1 529 Overloaded\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	)
	claude := func(usage string) string {
		return json(`{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":` + usage + `}`)
	}
	lacks := map[string][]string{ // what the record says has no price
		"a service tier without one is unknown, and not the usual one's": {"service"},
		"nor is one of which nobody has heard":                           {"service"},
		"searches without a price are unknown":                           {"webSearch"},
		"without a price the cost is unknown, and not 0":                 {"input", "output"},
	}
	for _, tt := range []struct {
		name     string
		model    string
		stream   bool
		answers  []string // of the first target and the second
		unpriced bool
		want     string // "" no cost
		estimate bool
		attempts []string // costs of attempts
	}{
		{"cached input of OpenAI is not paid twice", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":500,"prompt_tokens_details":{"cached_tokens":800}}`)}, false, "0.00535", false, []string{""}},
		{"one token is exact", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1,"completion_tokens":0}`)}, false, "0.00000125", false, []string{""}},
		{"reasoning is not paid twice", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110,"completion_tokens_details":{"reasoning_tokens":90}}`)}, false, "0.0010125", false, []string{""}},
		{"a service tier with a price of its own", "fast", false, []string{openAI(`,"service_tier":"batch","usage":{"prompt_tokens":1000,"completion_tokens":500}`)}, false, "0.003125", false, []string{""}},
		{"a service tier without one is unknown, and not the usual one's", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":500},"service_tier":"priority"`)}, false, "", false, []string{""}},
		{"nor is one of which nobody has heard", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":500},"service_tier":"turbo"`)}, false, "", false, []string{""}},
		{"the usual one has many names", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":500},"service_tier":"on_demand"`)}, false, "0.00625", false, []string{""}},
		{"searches without a price are unknown", "smart", false, []string{claude(`{"input_tokens":1000,"output_tokens":100,"server_tool_use":{"web_search_requests":2}}`)}, false, "", false, []string{""}},
		{"fetches cost nothing but their tokens", "smart", false, []string{claude(`{"input_tokens":1000,"output_tokens":100,"server_tool_use":{"web_search_requests":0,"web_fetch_requests":2}}`)}, false, "0.0045", false, []string{""}},
		{"a stream, by its last chunk", "fast", true, []string{whole(piece("he") + piece("llo") + stop + usage + done)}, false, "0.00535", false, []string{""}},
		{"a stream without usage is estimated by its pieces", "fast", true, []string{whole(piece("he") + piece("llo") + stop + done)}, false, "0.00005375", true, []string{""}},
		{"a stream that breaks off settles on what was seen", "fast", true, []string{cut(piece("he") + piece("llo"))}, false, "0.00004375", true, []string{""}},
		{"a body without usage is estimated by its length", "fast", false, []string{openAI("")}, false, "0.00039375", true, []string{""}},
		{"cached input of Anthropic stands beside its input", "smart", false, []string{claude(`{"input_tokens":1000,"cache_read_input_tokens":4000,"cache_creation_input_tokens":5000,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":2000},"output_tokens":100}`)}, false, "0.02895", false, []string{""}},
		{"a translated stream that breaks off: its input is known, its output is a guess", "smart", true, []string{cut(claudeStream)}, false, "0.000045", true, []string{""}},
		{"refused attempts cost nothing", "fast", false, []string{overload, openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":1}`)}, false, "0.01251", false, []string{"", "0.01251"}},
		{"an attempt that was cut may have cost something", "fast", false, []string{"HTTP/1.1 200 O", openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":1}`)}, false, "0.01251", true, []string{"", "0.01251"}},
		{"nothing is charged where nobody answered", "fast", false, []string{overload}, false, "", false, []string{""}},
		{"without a price the cost is unknown, and not 0", "fast", false, []string{openAI(`,"usage":{"prompt_tokens":1000,"completion_tokens":1}`)}, true, "", false, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := repo{calls: "calls", priced: !tt.unpriced, timeouts: artifact.Timeouts{Connect: time.Second, FirstByte: 2 * time.Second, Idle: 2 * time.Second}}
			for _, a := range tt.answers {
				r.openai = append(r.openai, cutServer(t, func(int) string { return a }))
			}
			if tt.model == "smart" {
				r.anthropic, r.openai = r.openai[0], nil
			}
			g := run(t, r, Options{})
			body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, tt.model, tt.stream)
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(body))
			req.Header.Set("x-api-key", testKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body) // some break off
			resp.Body.Close()
			c := g.charged(t)
			if string(c.Cost) != tt.want || c.Estimate != tt.estimate || (c.Price != "") != (tt.want != "") {
				t.Errorf("the record has cost_usd %s, estimate %v, price %q, tokens %+v; want %q, %v", c.Cost, c.Estimate, c.Price, c.Tokens, tt.want, tt.estimate)
			}
			var attempts []string
			for _, a := range c.Attempts {
				attempts = append(attempts, string(a.Cost))
			}
			if !slices.Equal(attempts, tt.attempts) {
				t.Errorf("attempts cost %q, want %q", attempts, tt.attempts)
			}
			metrics := g.metrics(t)
			if has := strings.Contains(metrics, "gwc_cost_usd_total{"); has != (tt.want != "") {
				t.Errorf("gwc_cost_usd_total is shown: %v", has)
			}
			if diff := cmp.Diff(lacks[tt.name], c.Unpriced); diff != "" {
				t.Errorf("unpriced: mismatch (-want +got)\n%s", diff)
			}
			if has := strings.Contains(metrics, "gwc_unpriced_total{"); has != (lacks[tt.name] != nil) {
				t.Errorf("gwc_unpriced_total is shown: %v", has)
			}
		})
	}
}

// TestTheRecordSaysWhatIsPaidByThePiece asks for what is no conversation, and holds units and costs in the record.
func TestTheRecordSaysWhatIsPaidByThePiece(t *testing.T) {
	const micro = 1_000_000_000 // femto-USD
	image := []price.Rate{{Kind: price.Image, Femto: 40_000 * micro}}
	tokens := []price.Rate{{Kind: price.Input, Femto: 5 * micro}, {Kind: price.Output, Femto: 10 * micro}, {Kind: price.InputImage, Femto: 8 * micro}, {Kind: price.OutputImage, Femto: 32 * micro}}
	for _, tt := range []struct {
		name, path, body, answer string
		rates                    []price.Rate
		units                    price.Units
		cost                     string // "" unknown
		unpriced                 []string
		stated                   string
	}{
		{"images, of which no tokens are told", "/v1/images/generations", `{"model":"fast","prompt":"a"}`, `{"created":1,"data":[{"url":"https://i.example/1"},{"url":"https://i.example/2"}]}`, image,
			price.Units{Images: 2}, "0.08", nil, ""},
		{"images that nobody has a price for", "/v1/images/generations", `{"model":"fast","prompt":"a"}`, `{"created":1,"data":[{"url":"https://i.example/1"}]}`, tokens,
			price.Units{Images: 1}, "", []string{"image"}, ""},
		{"images by their tokens", "/v1/images/generations", `{"model":"fast","prompt":"a"}`, `{"created":1,"data":[{"b64_json":"aGk="}],"usage":{"input_tokens":10,"output_tokens":1000,"input_tokens_details":{"text_tokens":10},"output_tokens_details":{"image_tokens":1000}}}`, tokens,
			price.Units{Images: 1}, "0.03205", nil, ""},
		{"speech by the character, which gwc counts", "/v1/audio/speech", `{"model":"fast","input":"Grüße 😀","voice":"alloy"}`, "", []price.Rate{{Kind: price.Character, Femto: 15 * micro}},
			price.Units{Characters: 7}, "0.000105", nil, ""},
		{"speech that is not paid by the character is not counted", "/v1/audio/speech", `{"model":"fast","input":"Hello","voice":"alloy"}`, "", tokens,
			price.Units{}, "", nil, ""},
		{"a reranking by search units", "/v2/rerank", `{"model":"fast","query":"q","documents":["a"]}`, `{"id":"r","results":[],"meta":{"billed_units":{"search_units":2}}}`, []price.Rate{{Kind: price.SearchUnit, Femto: 2_000 * micro}},
			price.Units{SearchUnits: 2}, "0.004", nil, ""},
		{"a reranking without a price", "/v2/rerank", `{"model":"fast","query":"q","documents":["a"]}`, `{"id":"r","results":[],"meta":{"billed_units":{"search_units":2}}}`, tokens,
			price.Units{SearchUnits: 2}, "", []string{"searchUnit"}, ""},
		{"what the provider itself says stands beside it", "/v1/chat/completions", chatBody, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"cost":6.1e-05}}`, tokens,
			price.Units{}, "0.00006", nil, "0.000061"},
		{"and is no cost where none is known", "/v1/chat/completions", chatBody, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":1,"cost_in_usd_ticks":610000,"num_sources_used":1}}`, tokens,
			price.Units{WebSearches: 1}, "", []string{"webSearch"}, "0.000061"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind := "application/json"
			if tt.answer == "" {
				kind, tt.answer = "audio/mpeg", "ID3 of a sound"
			}
			up := cutServer(t, func(int) string {
				return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", kind, len(tt.answer), tt.answer)
			})
			g := run(t, repo{calls: "calls", priced: true, rates: tt.rates, openai: []string{up}}, Options{})
			req, _ := http.NewRequest("POST", g.url+tt.path, strings.NewReader(tt.body))
			req.Header.Set("x-api-key", testKey)
			req.Header.Set("content-type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, b)
			}
			resp.Body.Close()
			c := g.charged(t)
			if diff := cmp.Diff(tt.units, c.Units); diff != "" {
				t.Errorf("units: mismatch (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.unpriced, c.Unpriced); diff != "" {
				t.Errorf("unpriced: mismatch (-want +got)\n%s", diff)
			}
			if string(c.Cost) != tt.cost || c.Estimate || string(c.Stated) != tt.stated {
				t.Errorf("cost_usd %q (estimate: %v), provider_cost_usd %q; want %q, %q", c.Cost, c.Estimate, c.Stated, tt.cost, tt.stated)
			}
		})
	}
}
