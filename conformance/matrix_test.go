package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/openai/openai-go/v3/option"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// goClient is an SDK of the matrix.
type goClient struct {
	dial func(t testing.TB, url, key string, over *http.Client) reader
	// passed are the kinds that speak the client's dialect.
	passed string
	own    string // kinds whose types of errors are the dialect's own
	// mask leaves what the client's dialect has a place for.
	mask func(want *reading)
	// types are the words for errors by status; where a kind passes its own through, they are the provider's.
	types map[int]string
	// overloaded is what the dialect makes of 503 and 529.
	overloaded int
}

var openAITypes = map[int]string{400: "invalid_request_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}

// goClients are the SDKs in Go, unmodified.
var goClients = map[string]goClient{
	"openai-go": {passed: "openai", own: "openai, responses, mistral", types: openAITypes, overloaded: 503, mask: func(*reading) {},
		dial: func(_ testing.TB, url, key string, over *http.Client) reader {
			return newOfficialGo(url, key, option.WithHTTPClient(over))
		}},
	"go-openai": {passed: "openai", own: "openai, responses, mistral", types: openAITypes, overloaded: 503, mask: func(want *reading) { want.Usage.Written = 0 },
		dial: func(_ testing.TB, url, key string, over *http.Client) reader { return newCommunityGo(url, key, over) }},
	"openai-go/completions": {passed: "openai, responses", own: "openai, responses, mistral", types: openAITypes, overloaded: 503, mask: func(want *reading) { want.Thinking = "" },
		dial: func(_ testing.TB, url, key string, over *http.Client) reader {
			return newCompletionsGo(url, key, option.WithHTTPClient(over))
		}},
	"openai-go/responses": {passed: "responses", own: "openai, responses, mistral", types: openAITypes, overloaded: 503, mask: func(*reading) {},
		dial: func(_ testing.TB, url, key string, over *http.Client) reader {
			return newResponsesGo(url, key, option.WithHTTPClient(over))
		}},
	"anthropic-sdk-go": {passed: "anthropic", own: "anthropic", overloaded: 529, mask: func(*reading) {},
		types: map[int]string{400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"},
		dial: func(_ testing.TB, url, key string, over *http.Client) reader {
			return newMessagesGo(url, key, anthropicoption.WithHTTPClient(over))
		}},
	"genai": {passed: "gemini", own: "gemini", overloaded: 503, mask: func(want *reading) { want.Usage.Written = 0 },
		types: map[int]string{400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"},
		dial: func(t testing.TB, url, key string, over *http.Client) reader {
			return generateOver(t, url, key, over)
		}},
}

// exception is a cell of the matrix, or several, that is not as the others. Fields that are empty stand for all; else they
// list names, or beginnings of them that end in "*".
type exception struct {
	clients, kinds, capabilities string
	// refused is a part of the message with which the gateway refuses the request, before any provider sees it: a loss
	// that the tables name. Where it is empty, the client has no way to ask, and the cell is left out.
	refused string
	why     string
}

const (
	noTools  = "a tool, parallel tools, one tool at a time, a needed tool, tool results, an image from a tool, thinking goes back"
	chatOnly = "openai-go, go-openai"
	talkers  = "openai-go, go-openai, openai-go/responses, anthropic-sdk-go, genai" // all but the legacy API
)

var exceptions = []exception{
	{clients: "openai-go/completions", capabilities: noTools + ", an image, a document, structured output, thinking", why: "the legacy API has a prompt and nothing else"},
	{clients: chatOnly, capabilities: "an image from a tool", why: "messages of the role tool are text"},
	{clients: "go-openai", capabilities: "a document", why: "the client has no parts with files"},
	{clients: "go-openai", capabilities: "one tool at a time", why: "the client leaves parallel_tool_calls out where it is false"},
	{clients: "genai", capabilities: "one tool at a time", why: "the API cannot ask for it"},
	{clients: "openai-go/*", capabilities: "embeddings", why: "the cells of openai-go are of the same client and the same path"},
	{clients: "anthropic-sdk-go", capabilities: "embeddings", why: "the client has none"},
	{clients: "openai-go, go-openai, genai", kinds: "anthropic, bedrock", capabilities: "embeddings", refused: "its provider has nothing of the kind", why: "these providers have no embeddings, or not behind the API that gwc speaks"},
	{kinds: "cohere, ollama", capabilities: "a filter", why: "the provider has no such ending"},
	{kinds: "responses", clients: "openai-go, go-openai, anthropic-sdk-go, genai", capabilities: "turns and parameters", refused: "stop", why: "the API has no stop sequences"},
	{clients: "openai-go/responses", capabilities: "turns and parameters", why: "the API has no stop sequences"},
	{kinds: "cohere, ollama", clients: "openai-go, openai-go/responses, anthropic-sdk-go", capabilities: "one tool at a time", refused: "parallel_tool_calls", why: "the provider cannot be limited"},
	{kinds: "ollama", clients: talkers, capabilities: "a needed tool", refused: "no call of a tool can be forced", why: "the provider has no such choice"},
	{kinds: "cohere, ollama", clients: "openai-go, openai-go/responses, anthropic-sdk-go, genai", capabilities: "a document", refused: "Documents are not supported", why: "the provider takes none"},
}

func named(list, name string) bool {
	return list == "" || slices.ContainsFunc(strings.Split(list, ", "), func(s string) bool {
		prefix, open := strings.CutSuffix(s, "*")
		return s == name || open && strings.HasPrefix(name, prefix)
	})
}

// cell is where a client, a kind of provider and a capability meet.
type cell struct {
	*testing.T
	m            *matrix
	client, kind string
	capability   string
	c            reader
	of           *goClient
	k            *provider
	wire         *wire
	refused      string // see exception
	stream       bool
}

// passes says whether the client's bytes pass through.
func (c *cell) passes() bool { return named(c.of.passed, c.kind) }

// matrix is the gateway between all clients and all kinds of providers.
type matrix struct {
	*rig.Gateway
	stand *stand
	judge *rig.Mock
	// expected are what the call records of requests must say, by id of the request.
	expected map[string]func(rig.Record) string
	sent     []sent
}

// sent is a request as a provider got it.
type sent struct {
	kind, capability, client, text string
	id                             string // of the request: its record tells what was lost
}

func startMatrix(t testing.TB) *matrix {
	m := &matrix{stand: startStand(t), judge: startMock(t), expected: map[string]func(rig.Record) string{}}
	var providing, models, names []string
	for _, kind := range sortedKeys(providers) {
		k := providers[kind]
		credential := `credentials: [{ref: "file:provider-key"}]`
		switch kind {
		case "bedrock":
			credential = `credentials: [{accessKeyId: "file:key-id", secretAccessKey: "file:provider-key"}]`
		case "ollama":
			credential = ""
		}
		providing = append(providing, fmt.Sprintf("\t%q: {%s, %s}", kind, strings.ReplaceAll(k.cue, "BASE", m.stand.URL+"/"+kind), credential))
		models = append(models, fmt.Sprintf("\t%q: targets: [{provider: %q, model: %q}]", kind, kind, k.model), fmt.Sprintf("\t%q: targets: [{provider: %q, model: %q}]", kind+"-thinks", kind, k.thinks))
		names = append(names, fmt.Sprintf("%q, %q", kind, kind+"-thinks"))
	}
	m.Gateway = serve(t, rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf("providers: {\n%s\n}\nmodels: {\n%s\n}\ntenants: acme: apps: web: {\n\tkeys: [{id: \"web-1\", hash: %q}]\n\tmodels: [%s]\n}\n",
			strings.Join(providing, "\n"), strings.Join(models, "\n"), hashOf(appKey), strings.Join(names, ", "))),
		"../run/provider-key": providerKey + "\n",
		"../run/key-id":       "AKIA" + "NOBODYSKEYATALL0" + "\n",
	}, rig.Options{})
	return m
}

// wire is a client's transport, which keeps what it sent and what came back.
type wire struct {
	mu     sync.Mutex
	body   []byte
	header http.Header
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body.Close()
		body = b
		r.Body = io.NopCloser(bytes.NewReader(b))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.body, w.header = body, nil
	if resp != nil {
		w.header = resp.Header
	}
	return resp, err
}

func (w *wire) last() ([]byte, http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body, w.header
}

// capability is something that clients do, with every kind of provider.
type capability struct {
	name  string
	run   func(*cell)
	steps []step // of a conversation
}

// talk is the capability to have a conversation, whole and streamed.
func talk(name string, steps ...step) capability {
	return capability{name, conversation(steps), steps}
}

// step is a call and its answer; before is what was read so far.
type step struct {
	request func(before []reading) request
	play    play
}

func asks(r request) func([]reading) request { return func([]reading) request { return r } }

// counts1 is usage whose every part is another number.
var counts1 = usage{In: 1000, Out: 120, Cached: 300, Written: 40, Reasoning: 50}

const oddText = "Ünïcödé «😀» \"quoted\" \\ back\nline\ttab   and <html> & more"

var (
	paris = idCall{"call_paris", "get_weather", `{"city":"Paris"}`}
	oslo  = idCall{"call_oslo", "get_weather", `{"city":"Oslo","unit":"C"}`}
)

const placeSchema = `{"type":"object","properties":{"city":{"type":"string"},"population":{"type":"integer"}},"required":["city","population"],"additionalProperties":false}`

// signature stands for what the kind seals its thinking with.
const signature = "the kind's"

var capabilities = []capability{
	talk("plain", step{asks(request{messages: user("Say hello")}), play{text: oddText, stop: "stop", usage: counts1}}),
	talk("turns and parameters", step{asks(request{temperature: new(0.5), stop: []string{"END", "stop here"}, maxTokens: 300, messages: []message{
		{role: "system", text: "Be brief."}, {role: "user", text: "Hi"}, {role: "assistant", text: "Hello"}, {role: "user", text: "What is new?"}}}),
		play{text: "Nothing.", stop: "stop", usage: usage{In: 20, Out: 3}}}),
	talk("a limit", step{asks(request{messages: user("count to 500"), maxTokens: 20}), play{text: "1, 2, 3", stop: "length", usage: counts1}}),
	talk("a filter", step{asks(request{messages: user("Say it")}), play{text: "I would", stop: "content_filter", usage: counts1}}),
	talk("a tool", step{asks(request{messages: user("weather in Paris?"), tools: true}), play{calls: []idCall{paris}, stop: "tool_calls", usage: counts1}}),
	talk("parallel tools", step{asks(request{messages: user("weather in Paris and Oslo?"), tools: true}),
		play{text: "I look.", calls: []idCall{paris, oslo}, stop: "tool_calls", usage: counts1}}),
	talk("one tool at a time", step{asks(request{messages: user("weather in Paris and Oslo?"), tools: true, parallel: new(false)}), play{calls: []idCall{paris}, stop: "tool_calls", usage: counts1}}),
	talk("a needed tool", step{asks(request{messages: user("Hello"), tools: true, choice: "required"}), play{calls: []idCall{paris}, stop: "tool_calls", usage: counts1}}),
	talk("tool results",
		step{asks(request{messages: user("weather in Paris and Oslo?"), tools: true}), play{text: "I look.", calls: []idCall{paris, oslo}, stop: "tool_calls", usage: counts1}},
		step{func(before []reading) request {
			return request{tools: true, messages: []message{{role: "user", text: "weather in Paris and Oslo?"}, turnOf(before[0]),
				{role: "tool", id: before[0].Calls[0].id, text: "21 C"}, {role: "tool", id: before[0].Calls[1].id, text: "no such station", failed: true}}}
		}, play{text: "21 C in Paris.", stop: "stop", usage: counts1}}),
	talk("an image", step{asks(request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + png}}}), play{text: "A pixel.", stop: "stop", usage: counts1}}),
	talk("a document", step{asks(request{messages: []message{{role: "user", text: "what is it?", document: pdf}}}), play{text: "A page.", stop: "stop", usage: counts1}}),
	talk("an image from a tool",
		step{asks(request{messages: user("weather in Paris?"), tools: true}), play{calls: []idCall{paris}, stop: "tool_calls", usage: counts1}},
		step{func(before []reading) request {
			return request{tools: true, messages: []message{{role: "user", text: "weather in Paris?"}, turnOf(before[0]), {role: "tool", id: before[0].Calls[0].id, text: "as seen here", image: "data:image/png;base64," + png}}}
		}, play{text: "A cloud.", stop: "stop", usage: counts1}}),
	talk("structured output", step{asks(request{messages: user("Which city?"), schema: placeSchema}), play{text: `{"city":"Paris","population":2048472}`, stop: "stop", usage: counts1}}),
	talk("thinking", step{asks(request{model: "-thinks", messages: user("Say why"), think: true, maxTokens: 4096}),
		play{thinking: "They ask why. «Because».", signature: signature, text: "Because.", stop: "stop", usage: counts1}}),
	talk("thinking goes back",
		step{asks(request{model: "-thinks", messages: user("weather in Paris?"), tools: true, think: true, maxTokens: 4096}),
			play{thinking: "I need the tool.", signature: signature, calls: []idCall{paris}, stop: "tool_calls", usage: counts1}},
		step{func(before []reading) request {
			return request{model: "-thinks", tools: true, think: true, maxTokens: 4096, messages: []message{{role: "user", text: "weather in Paris?"}, turnOf(before[0]), {role: "tool", id: before[0].Calls[0].id, text: "21 C"}}}
		}, play{thinking: "Now I know.", signature: signature, text: "21 C.", stop: "stop", usage: counts1}}),
	{name: "errors", run: refusals},
	{name: "an error in the stream", run: brokenStream("error")},
	{name: "a cut stream", run: brokenStream("cut")},
	{name: "cancelling a stream", run: cancellation(true)},
	{name: "cancelling an answer", run: cancellation(false)},
	{name: "embeddings", run: vectors},
}

// turnOf is the assistant's turn as the client itself keeps it.
func turnOf(r reading) message { return message{role: "assistant", turn: r.turn, calls: r.Calls} }

// TestMatrixOfGoClients runs every capability of every client against every kind of provider, streamed and not. A cell that
// is not as the others is an exception with its reason; one that is none and does not work fails. What each kind was sent,
// in its own form, is in testdata/upstream.
func TestMatrixOfGoClients(t *testing.T) {
	m := startMatrix(t)
	used := make([]bool, len(exceptions))
	for _, client := range sortedKeys(goClients) {
		for _, kind := range sortedKeys(providers) {
			t.Run(client+" at "+kind, func(t *testing.T) {
				for _, capability := range capabilities {
					c := &cell{m: m, client: client, kind: kind, capability: capability.name, of: new(goClients[client]), k: providers[kind], wire: &wire{}}
					left := false
					for i, e := range exceptions {
						if named(e.clients, client) && named(e.kinds, kind) && named(e.capabilities, capability.name) {
							used[i] = true
							c.refused, left = e.refused, e.refused == ""
						}
					}
					if left {
						continue
					}
					c.c = c.of.dial(t, m.URL, appKey, &http.Client{Transport: c.wire})
					t.Run(capability.name, func(t *testing.T) {
						c.T = t
						capability.run(c)
					})
				}
			})
		}
	}
	m.checkRecords(t)
	if t.Failed() {
		return
	}
	m.checkSent(t)
	for i, e := range exceptions {
		if !used[i] {
			t.Errorf("no cell is an exception by %+v", e)
		}
	}
}

// ask makes a call and judges what the provider got.
func (c *cell) ask(r request, p play) (reading, error, *asked) {
	c.Helper()
	r.stream = c.stream
	r.model = c.kind + r.model
	if r.maxTokens == 0 {
		r.maxTokens = 1000 // which one client must say
	}
	if p.signature != "" {
		p.signature = c.k.seal
	}
	c.m.stand.answer(p)
	got, err := c.c.read(c.Context(), r)
	seen := c.m.stand.requests()
	if len(seen) == 0 {
		return got, err, nil
	}
	if len(seen) > 1 {
		c.Fatalf("%d requests reached the provider", len(seen))
	}
	q := &seen[0]
	if p.failure == nil && p.broken == "" {
		c.judge(q)
	}
	return got, err, q
}

// judge has the mock of the kind look at a request, as strictly as the provider would.
func (c *cell) judge(q *asked) {
	c.Helper()
	if c.k.unjudged {
		return
	}
	r, err := http.NewRequestWithContext(c.Context(), "POST", c.m.judge.URL+q.target, bytes.NewReader(q.body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header = q.header.Clone()
	r.Header.Del("Content-Length")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		c.Errorf("the provider's mock refuses the request: %d %s, %v\n%s", resp.StatusCode, b, err, q.body)
	}
}

// conversation runs steps, whole and streamed.
func conversation(steps []step) func(*cell) {
	return func(c *cell) {
		var whole *asked
		for _, stream := range []bool{false, true} {
			c.stream = stream
			var before []reading
			for i, s := range steps {
				got, err, q := c.ask(s.request(before), s.play)
				if c.refused != "" && i == len(steps)-1 {
					e, ok := errors.AsType[refused](err)
					if !ok || e.Status != 400 || e.Type != c.of.types[400] || !strings.Contains(e.Message, c.refused) || q != nil {
						c.Fatalf("stream %v: got %v, %+v, want it refused for %q", stream, err, got, c.refused)
					}
					c.expect(func(r rig.Record) string { return compare("request", r["error"]) })
					break
				}
				if err != nil {
					c.Fatalf("stream %v, step %d: %v", stream, i, err)
				}
				want := reading{Text: s.play.text, Thinking: s.play.thinking, Calls: s.play.calls, Stop: s.play.stop, Usage: s.play.usage}
				c.k.mask(&want)
				told := want.Usage
				c.of.mask(&want)
				c.checkCalls(&want, &got)
				if d := cmp.Diff(want, got, cmp.AllowUnexported(idCall{}), cmpopts.IgnoreUnexported(reading{}), cmpopts.EquateEmpty()); d != "" {
					c.Errorf("stream %v, step %d: mismatch (-want +got)\n%s", stream, i, d)
				}
				c.record(q, s.play.stop, told)
				before = append(before, got)
				if i < len(steps)-1 {
					continue
				}
				if c.passes() {
					c.checkPassed(q)
				} else if !stream {
					whole = q
					_, header := c.wire.last()
					c.m.sent = append(c.m.sent, sent{c.kind, c.capability, c.client, q.text(), header.Get("X-Request-Id")})
				} else if d := cmp.Diff(unstreamed(whole), unstreamed(q)); d != "" {
					c.Errorf("streamed, the provider is asked another thing (-whole +stream)\n%s", d)
				}
			}
		}
	}
}

// checkCalls compares the ids of calls, which may be the gateway's where the provider gives none, and arguments, whose
// blanks are free.
func (c *cell) checkCalls(want, got *reading) {
	c.Helper()
	seen := map[string]bool{}
	want.Calls = slices.Clone(want.Calls)
	for i, k := range got.Calls {
		invents := c.kind == "ollama" || c.kind == "gemini" && !c.passes()
		if i >= len(want.Calls) {
			return
		}
		w := &want.Calls[i]
		if d := cmp.Diff(parsed(w.arguments), parsed(k.arguments)); d != "" {
			c.Errorf("arguments mismatch (-want +got)\n%s", d)
		}
		w.arguments = k.arguments
		switch {
		case c.kind == "gemini" && c.passes() && k.id == "": // as the provider has it
			w.id = ""
		case invents:
			if k.id == "" || seen[k.id] {
				c.Errorf("call %d has the id %q", i, k.id)
			}
			w.id = k.id
		}
		seen[k.id] = true
	}
}

// checkPassed compares what the provider got with what the client sent: the same but for the model, and for usage that is
// asked for.
func (c *cell) checkPassed(q *asked) {
	c.Helper()
	body, _ := c.wire.last()
	sent, got := parsed(string(body)), parsed(string(q.body))
	for _, m := range []o{sent, got} {
		delete(m, "model")
		delete(m, "stream_options")
	}
	if d := cmp.Diff(sent, got); d != "" {
		c.Errorf("the request did not pass as it was (-sent +received)\n%s", d)
	}
}

// unstreamed is a request without what makes it one for a stream.
func unstreamed(q *asked) o {
	m := parsed(string(q.body))
	delete(m, "stream")
	delete(m, "stream_options")
	return m
}

// text is a request as goldens have it: its keys in order, a line for each field and for each message.
func (q *asked) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s\n{\n", q.target)
	m := parsed(string(q.body))
	line := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			panic(err)
		}
		return strings.NewReplacer(pdf, "<PDF>", png, "<PNG>").Replace(strings.TrimSpace(b.String()))
	}
	for _, key := range sortedKeys(m) {
		if list, ok := m[key].([]any); ok {
			fmt.Fprintf(&b, "  %q: [\n", key)
			for _, v := range list {
				fmt.Fprintf(&b, "    %s\n", line(v))
			}
			b.WriteString("  ]\n")
			continue
		}
		fmt.Fprintf(&b, "  %q: %s\n", key, line(m[key]))
	}
	b.WriteString("}\n")
	return b.String()
}

// compare says how two values differ; "" where they do not.
func compare(want, got any) string {
	if d := cmp.Diff(want, got); d != "" {
		return "mismatch (-want +got)\n" + d
	}
	return ""
}

// expect notes what the record of the last call must say.
func (c *cell) expect(check func(rig.Record) string) {
	c.Helper()
	_, header := c.wire.last()
	id := header.Get("X-Request-Id")
	if id == "" {
		c.Fatalf("the answer has no X-Request-Id: %v", header)
	}
	where := fmt.Sprintf("%s at %s/%s, stream %v", c.client, c.kind, c.capability, c.stream)
	c.m.expected[id] = func(r rig.Record) string {
		if why := check(r); why != "" {
			return where + ": " + why + fmt.Sprintf("\nrecord %v", r)
		}
		return ""
	}
}

// record expects all that a record says of a call that went well.
func (c *cell) record(q *asked, stop string, told usage) {
	c.Helper()
	model, stream, kind := c.k.modelOf(q), c.stream, c.kind
	c.expect(func(r rig.Record) string {
		for _, field := range []string{"time", "artifact", "method", "path", "client", "bytes_in", "bytes_out", "duration_ms", "first_byte_ms", "upstream_ms"} {
			if r[field] == nil {
				return "there is no " + field
			}
		}
		tokens := o{"input": float64(told.In), "output": float64(told.Out)}
		for name, n := range map[string]int64{"cache_read": told.Cached, "cache_write": told.Written, "reasoning": told.Reasoning} {
			if n > 0 {
				tokens[name] = float64(n)
			}
		}
		if kind == "cohere" { // which says what it charges for beside what it counts
			tokens["billed_input"], tokens["billed_output"] = tokens["input"], tokens["output"]
		}
		attempts, _ := r["attempts"].([]any)
		if len(attempts) != 1 {
			return "attempts are not one"
		}
		attempt, _ := attempts[0].(o)
		got, _ := r["tokens"].(o)
		return compare(o{"status": 200.0, "provider": kind, "upstream_model": model, "stream": stream, "stop_reason": stop, "tokens": tokens, "tenant": "acme", "app": "web", "key": "web-1", "error": nil, "attempt": 200.0},
			o{"status": r["status"], "provider": r["provider"], "upstream_model": r["upstream_model"], "stream": r["stream"], "stop_reason": r["stop_reason"], "tokens": got, "tenant": r["tenant"], "app": r["app"], "key": r["key"], "error": r["error"], "attempt": attempt["status"]})
	})
}

// checkRecords compares all records with what was expected of them.
func (m *matrix) checkRecords(t *testing.T) {
	t.Helper()
	var list []rig.Record
	eventually(t, func() (bool, string) {
		var err error
		if list, err = m.Records(0); err != nil {
			return false, err.Error()
		}
		ids := map[string]bool{}
		for _, r := range list {
			ids[fmt.Sprint(r["request_id"])] = true
		}
		for id := range m.expected {
			if !ids[id] {
				return false, "no record of request " + id
			}
		}
		return true, ""
	})
	lost := map[string]string{}
	for _, r := range list {
		id := fmt.Sprint(r["request_id"])
		if check := m.expected[id]; check != nil {
			if why := check(r); why != "" {
				t.Error(why)
			}
		}
		if l, _ := r["losses"].([]any); l != nil {
			lost[id] = fmt.Sprintf("losses: %v\n", l)
		}
	}
	for i := range m.sent {
		m.sent[i].text += lost[m.sent[i].id]
	}
}

// checkSent compares what the kinds were sent with what they were sent before, which was looked at by eye: a file for each
// kind, with a section for each form of a request and the clients that make it.
func (m *matrix) checkSent(t *testing.T) {
	t.Helper()
	for _, kind := range sortedKeys(providers) {
		var b strings.Builder
		for _, capability := range capabilities {
			var texts []string
			clients := map[string][]string{}
			for _, s := range m.sent {
				if s.kind != kind || s.capability != capability.name {
					continue
				}
				if clients[s.text] == nil {
					texts = append(texts, s.text)
				}
				clients[s.text] = append(clients[s.text], s.client)
			}
			for _, text := range texts {
				fmt.Fprintf(&b, "-- %s: %s --\n%s", capability.name, strings.Join(clients[text], ", "), text)
			}
		}
		file := filepath.Join("testdata", "upstream", kind+".txt")
		if os.Getenv("GWC_UPDATE") != "" {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
			t.Errorf("%s: mismatch (-want +got)\n%s", file, d)
		}
	}
}

// refusals are errors of providers as clients show them.
func refusals(c *cell) {
	for _, status := range []int{400, 429, 500, 503, 529} {
		if status == 529 && c.kind != "anthropic" {
			continue // a word of Anthropic's alone
		}
		for _, c.stream = range []bool{false, true} {
			f := failure{status: status, message: fmt.Sprintf("The stand says %d «é».", status)}
			if status == 429 || status >= 503 {
				f.retryAfter = "7"
			}
			got, err, _ := c.ask(request{messages: user("hi")}, play{failure: &f})
			e, ok := errors.AsType[refused](err)
			if !ok {
				c.Fatalf("%d, stream %v: got %+v, %v", status, c.stream, got, err)
			}
			want := refused{Status: status, Message: f.message}
			if status == 503 || status == 529 {
				want.Status = c.of.overloaded
			}
			want.Type, want.Code = c.of.types[want.Status], e.Code
			if named(c.of.own, c.kind) {
				if want.Type = c.k.types[status]; want.Type == "" {
					want.Type = c.k.word[status]
				}
			}
			if d := cmp.Diff(want, e); d != "" {
				c.Errorf("%d, stream %v: mismatch (-want +got)\n%s", status, c.stream, d)
			}
			_, header := c.wire.last()
			if d := cmp.Diff(f.retryAfter, header.Get("Retry-After")); d != "" {
				c.Errorf("%d, stream %v: retry-after mismatch (-want +got)\n%s", status, c.stream, d)
			}
			c.expect(func(r rig.Record) string {
				return compare(o{"error": "upstream_status", "status": float64(want.Status)}, o{"error": r["error"], "status": r["status"]})
			})
		}
	}
}

// brokenStream is an answer that fails behind its head: what came before is read, and it is not taken for whole.
func brokenStream(how string) func(*cell) {
	return func(c *cell) {
		c.stream = true
		f := failure{message: "The stand fails «é»."}
		got, err, _ := c.ask(request{messages: user("hi")}, play{text: oddText, stop: "stop", usage: counts1, broken: how, failure: &f})
		if got.Text == "" || !strings.HasPrefix(oddText, got.Text) || got.Text == oddText {
			c.Errorf("what came before the break is %q", got.Text)
		}
		switch {
		case err == nil && got.Stop != "":
			c.Errorf("it looks whole: %+v", got)
		case how == "error" && err == nil:
			c.Errorf("the error is not told: %+v", got)
		case how == "error" && !strings.Contains(err.Error(), f.message):
			c.Errorf("the error is told as %v", err)
		}
		want := o{"error": map[string]string{"error": "upstream_status", "cut": "upstream_protocol"}[how], "estimate": true}
		begun := c.kind == "anthropic" || c.kind == "gemini" // which count the prompt at the beginning
		if begun {
			want["input"] = float64(counts1.In)
		}
		c.expect(func(r rig.Record) string {
			tokens, _ := r["tokens"].(o)
			got := o{"error": r["error"], "estimate": tokens["estimate"]}
			if begun {
				got["input"] = tokens["input"]
			}
			return compare(want, got)
		})
	}
}

// cancellation is a caller that goes away in the middle of a stream, or before the head of an answer.
func cancellation(stream bool) func(*cell) {
	return func(c *cell) {
		c.stream = stream
		how := "silence"
		if stream {
			how = "hang"
		}
		c.m.stand.answer(play{text: oddText, stop: "stop", broken: how})
		ctx, cancel := context.WithCancel(c.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := c.c.read(ctx, request{model: c.kind, messages: user("hi"), stream: stream})
			done <- err
		}()
		<-c.m.stand.begun
		if stream {
			eventually(c, func() (bool, string) {
				_, header := c.wire.last()
				return header != nil, "the head of the stream does not come"
			})
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			c.Errorf("the client says %v", err)
		}
		<-c.m.stand.gone
		if stream {
			c.expect(func(r rig.Record) string { return compare("client_abort", r["error"]) })
		}
	}
}

// embedder is a client that has vectors. in is the usage, -1 where the client does not show it.
type embedder interface {
	embed(ctx context.Context, model string, texts []string) (vectors [][]float64, in int64, err error)
}

// vectors asks for the vectors of two texts.
func vectors(c *cell) {
	e, ok := c.c.(embedder)
	if !ok {
		c.Fatal("the client cannot ask for vectors, and no exception says so")
	}
	want := [][]float64{{0.5, -0.25, 1}, {0, 0.125, -1}}
	c.m.stand.answer(play{vectors: want, usage: usage{In: 12}})
	got, in, err := e.embed(c.Context(), c.kind, []string{"one", "two words"})
	if c.refused != "" {
		if e, ok := errors.AsType[refused](err); !ok || e.Status != 400 || !strings.Contains(e.Message, c.refused) {
			c.Errorf("got %v, want it refused for %q", err, c.refused)
		}
		return
	}
	if err != nil {
		c.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		c.Errorf("mismatch (-want +got)\n%s", d)
	}
	if in != 12 && in >= 0 && c.kind != "gemini" {
		c.Errorf("usage is %d", in)
	}
	q := &c.m.stand.requests()[0]
	c.judge(q)
	if !c.passes() {
		_, header := c.wire.last()
		c.m.sent = append(c.m.sent, sent{c.kind, c.capability, c.client, q.text(), header.Get("X-Request-Id")})
	}
}
