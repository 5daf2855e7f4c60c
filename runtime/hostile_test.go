package runtime

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// The matrix of bad answers: every caller's route × every kind of provider that serves it × streamed or whole × every way
// in which a provider can answer badly, through the whole data plane and over real sockets. Each cell holds the same: the
// caller gets an error of its own dialect whose status tells whose fault it is, or a stream that does not look whole; the
// record names model, provider, attempt and class; no credential leaves; and no connection that broke serves again.

// hostKind is one way to reach a provider, and a model of its own.
type hostKind struct {
	name     string
	provider artifact.Provider
	model    string // upstream
}

func hostKinds() []hostKind {
	return []hostKind{
		{"anthropic", artifact.Provider{Kind: "anthropic"}, "claude-sonnet-4-5"},
		{"azure", artifact.Provider{Kind: "azure-openai", APIVersion: "2024-10-21"}, "deployment"},
		{"bedrock", artifact.Provider{Kind: "bedrock", Region: "eu-central-1"}, "anthropic.claude-sonnet-4-5-v1:0"},
		{"cohere", artifact.Provider{Kind: "cohere"}, "command-a"},
		{"compatible", artifact.Provider{Kind: "openai-compatible", Vendor: "groq"}, "llama"},
		{"gemini", artifact.Provider{Kind: "gemini"}, "gemini-2.5-flash"},
		{"mistral", artifact.Provider{Kind: "mistral"}, "mistral-large"},
		{"mistral-thinks", artifact.Provider{Kind: "mistral"}, "magistral-medium"},
		{"ollama", artifact.Provider{Kind: "ollama"}, "llama3"},
		{"openai", artifact.Provider{Kind: "openai"}, "gpt-4o"},
		{"openai-responses", artifact.Provider{Kind: "openai", API: "responses"}, "gpt-4o"},
		{"vertex", artifact.Provider{Kind: "vertex", Project: "p", Location: "l"}, "gemini-2.5-flash"},
		{"vertex-claude", artifact.Provider{Kind: "vertex", Project: "p", Location: "l"}, "claude-sonnet-4-5"},
	}
}

// hostileSecret is in every credential of the matrix, so that one search finds any leak.
const hostileSecret = "obviously-" + "fake-credential"

// serviceAccount writes the key file of a service account whose tokens come from a server on this machine.
func serviceAccount(t testing.TB, dir string) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"`+hostileSecret+`","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@p.example", "private_key_id": "1", "token_uri": tokens.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	return writeSecret(t, dir, "account.json", string(b))
}

func writeSecret(t testing.TB, dir, name, text string) string {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

// hostileArtifact has a model and a prompt for each kind, named after it, all routes of the models' API, and an app that
// may use all of it.
func hostileArtifact(t testing.TB, upstream string, to artifact.Timeouts) []byte {
	t.Helper()
	dir := t.TempDir()
	key, account := writeSecret(t, dir, "key", hostileSecret), serviceAccount(t, dir)
	a := repo{calls: "calls"}.artifact(t)
	a.APIs, a.Routes, a.Upstreams = nil, nil, nil
	for i, k := range hostKinds() {
		p := k.provider
		p.Name, p.BaseURL, p.Timeouts = k.name, upstream, to
		switch p.Kind {
		case "vertex":
			p.Credentials = []string{account}
		case "bedrock":
			p.AWSKeys = []artifact.AWSKey{{AccessKeyID: key, SecretAccessKey: key}}
		case "ollama":
		default:
			p.Credentials = []string{key}
		}
		a.Providers = append(a.Providers, p)
		a.Models = append(a.Models, artifact.Model{Name: k.name, Strategy: "priority", Targets: []artifact.Target{{Provider: i, Model: k.model}}, Retry: artifact.Retry{Attempts: 1}, MaxTokens: 100})
		a.Apps[2].Models = append(a.Apps[2].Models, i)
		a.Prompts = append(a.Prompts, prompt.Prompt{Name: k.name, Owner: 0, Path: "/p/" + k.name, Visibility: "team", Default: 1, Versions: []prompt.Version{{
			Number: 1, Model: i, Stream: true, MaxTokens: 100,
			Types:    []prompt.Type{{Kind: prompt.Object, Fields: []prompt.Field{{Name: "text", Type: 1, Required: true}}}, {Kind: prompt.String}},
			Messages: []prompt.Message{{Role: "user", Ops: []prompt.Op{{Code: prompt.Print, Path: []int{0}}}}},
		}}})
	}
	for _, r := range artifact.AIRoutes() {
		a.Routes = append(a.Routes, artifact.Route{ID: r.ID, Kind: r.Kind, Method: r.Method, Path: r.Path, API: -1, Auth: "key"})
	}
	for i, p := range a.Prompts {
		a.Routes = append(a.Routes, artifact.Route{ID: "prompt." + p.Name, Kind: artifact.RoutePrompt, Method: "POST", Path: p.Path, API: -1, Auth: "key", Prompt: i})
	}
	slices.SortFunc(a.Routes, func(x, y artifact.Route) int { return strings.Compare(x.ID, y.ID) })
	var ps []match.Pattern
	for i, r := range a.Routes {
		ps = append(ps, match.Pattern{Method: r.Method, Path: r.Path, Value: uint32(i)})
	}
	var conflicts []match.Conflict
	if a.Table, conflicts = match.Build(ps); len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	b, err := artifact.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// caller is a route as its clients use it.
type caller struct {
	name    string
	kind    artifact.RouteKind
	streams bool
	// ask makes a request for a model.
	ask func(model string, stream bool) (path, contentType, body string)
	// fault reads an error as the dialect has it.
	fault func(body []byte) (message string, err error)
	// whole and told are what a stream holds that ended well, and one that tells of an error.
	whole, told string
}

func jsonCaller(path, rest string) func(string, bool) (string, string, string) {
	return func(model string, stream bool) (string, string, string) {
		body := fmt.Sprintf(`{"model":%q,%s`, model, rest)
		if stream {
			body += `,"stream":true`
		}
		return path, "application/json", body + "}"
	}
}

func formCaller(path string) func(string, bool) (string, string, string) {
	return func(model string, _ bool) (string, string, string) {
		return path, "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + model +
			"\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRIFF\r\n--b--\r\n"
	}
}

// openAIFault reads {"error":{"message","type","param","code"}}.
func openAIFault(body []byte) (string, error) {
	var e struct {
		Error *struct {
			Message, Type string
			Param, Code   *string
		}
	}
	if err := strictly(body, &e); err != nil || e.Error == nil || e.Error.Message == "" || e.Error.Type == "" {
		return "", fmt.Errorf("no error of OpenAI's: %v", err)
	}
	if e.Error.Param != nil {
		return e.Error.Message + " at " + *e.Error.Param, nil
	}
	return e.Error.Message, nil
}

func anthropicFault(body []byte) (string, error) {
	var e struct {
		Type  string
		Error *struct{ Type, Message string }
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Type != "error" || e.Error == nil || e.Error.Message == "" || e.Error.Type != "request_too_large" && !strings.HasSuffix(e.Error.Type, "_error") {
		return "", fmt.Errorf("no error of Anthropic's: %v", err)
	}
	return e.Error.Message, nil
}

func geminiFault(body []byte) (string, error) {
	var e struct {
		Error *struct {
			Code            int
			Message, Status string
			Details         []map[string]any
		}
	}
	if bytes.HasPrefix(body, []byte("[")) {
		body = bytes.Trim(body, "[]")
	}
	if err := strictly(body, &e); err != nil || e.Error == nil || e.Error.Message == "" || e.Error.Code < 400 || strings.ToUpper(e.Error.Status) != e.Error.Status || e.Error.Status == "" {
		return "", fmt.Errorf("no error of Google's: %v", err)
	}
	return e.Error.Message + fmt.Sprint(e.Error.Details), nil
}

func cohereFault(body []byte) (string, error) {
	var e struct{ Message string }
	if err := strictly(body, &e); err != nil || e.Message == "" {
		return "", fmt.Errorf("no error of Cohere's: %v", err)
	}
	return e.Message, nil
}

func problemFault(body []byte) (string, error) {
	var e struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal(body, &e); err != nil || !strings.HasPrefix(e.Type, "https://gwc.dev/problems/") || e.Title == "" || e.Status < 400 {
		return "", fmt.Errorf("no problem details: %v", err)
	}
	return e.Detail + string(body), nil
}

func strictly(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON text")
	}
	return nil
}

func callers() []caller {
	const turn = `"messages":[{"role":"user","content":"hi"}]`
	generate := func(model string, stream bool) (string, string, string) {
		method := ":generateContent"
		if stream {
			method = ":streamGenerateContent?alt=sse"
		}
		return "/v1beta/models/" + model + method, "application/json", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	}
	array := func(model string, stream bool) (string, string, string) {
		return "/v1beta/models/" + model + ":streamGenerateContent", "application/json", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	}
	return []caller{
		{"chat", artifact.RouteChat, true, jsonCaller("/v1/chat/completions", turn), openAIFault, "[DONE]", `"error":{`},
		{"responses", artifact.RouteResponses, true, jsonCaller("/v1/responses", `"input":"hi"`), openAIFault, "response.completed", "event: error|response.failed"},
		{"completions", artifact.RouteCompletions, true, jsonCaller("/v1/completions", `"prompt":"hi"`), openAIFault, "[DONE]", `"error":{`},
		{"messages", artifact.RouteMessages, true, jsonCaller("/v1/messages", `"max_tokens":100,`+turn), anthropicFault, "message_stop", "event: error"},
		{"generate", artifact.RouteGenerate, true, generate, geminiFault, `"finishReason"`, `"error":{`},
		{"generate as an array", artifact.RouteGenerateStream, true, array, geminiFault, `"finishReason"`, `"error":{`},
		{"prompt", artifact.RoutePrompt, true, func(model string, _ bool) (string, string, string) {
			return "/p/" + model, "application/json", `{"text":"hi"}`
		}, problemFault, "event: end", "event: error"},
		{"count_tokens", artifact.RouteCountTokens, false, jsonCaller("/v1/messages/count_tokens", turn), anthropicFault, "", ""},
		{"embeddings", artifact.RouteEmbeddings, false, jsonCaller("/v1/embeddings", `"input":"hi"`), openAIFault, "", ""},
		{"rerank", artifact.RouteRerank, false, jsonCaller("/v2/rerank", `"query":"a","documents":["b"]`), cohereFault, "", ""},
		{"images", artifact.RouteImages, false, jsonCaller("/v1/images/generations", `"prompt":"a"`), openAIFault, "", ""},
		{"image edits", artifact.RouteImageEdits, false, formCaller("/v1/images/edits"), openAIFault, "", ""},
		{"speech", artifact.RouteSpeech, false, jsonCaller("/v1/audio/speech", `"input":"a","voice":"b"`), openAIFault, "", ""},
		{"transcriptions", artifact.RouteTranscriptions, false, formCaller("/v1/audio/transcriptions"), openAIFault, "", ""},
		{"moderations", artifact.RouteModerations, false, jsonCaller("/v1/moderations", `"input":"a"`), openAIFault, "", ""},
	}
}

// good is what a provider answers well.
type good struct {
	dialect, media, body string
	events               []string // of a stream
	file                 bool     // a sound: any bytes are as good as others
}

func (g *good) stream() bool { return g.events != nil }

// answerTo is what a request to a provider is answered with. The dialect follows from the path.
func answerTo(path string, body []byte) good {
	asked := bytes.Contains(body, []byte(`"stream":true`))
	object := func(dialect, body string) good { return good{dialect: dialect, media: "application/json", body: body} }
	events := func(dialect, media string, list ...string) good {
		return good{dialect: dialect, media: media, events: list, body: strings.Join(list, "")}
	}
	const sse = "text/event-stream"
	data := func(v string) string { return "data: " + v + "\n\n" }
	event := func(name, v string) string { return "event: " + name + "\ndata: " + v + "\n\n" }
	has := func(s string) bool { return strings.Contains(path, s) }
	switch {
	case has("/chat/completions") && asked:
		return events("openai", sse, data(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"},"finish_reason":null}]}`),
			data(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}`),
			data(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`),
			data(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`), data("[DONE]"))
	case has("/chat/completions"):
		return object("openai", `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`)
	case has("/responses"):
		response := func(status, output, usage string) string {
			return `{"id":"resp_1","object":"response","created_at":1,"status":"` + status + `","model":"m","output":[` + output + `],"usage":` + usage + `}`
		}
		const item = `{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hello","annotations":[]}]}`
		const usage = `{"input_tokens":3,"output_tokens":2,"total_tokens":5}`
		if !asked {
			return object("responses", response("completed", item, usage))
		}
		return events("responses", sse, event("response.created", `{"type":"response.created","sequence_number":0,"response":`+response("in_progress", "", "null")+`}`),
			event("response.output_item.added", `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","role":"assistant","status":"in_progress","content":[]}}`),
			event("response.content_part.added", `{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`),
			event("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"hello"}`),
			event("response.output_text.done", `{"type":"response.output_text.done","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"text":"hello"}`),
			event("response.output_item.done", `{"type":"response.output_item.done","sequence_number":5,"output_index":0,"item":`+item+`}`),
			event("response.completed", `{"type":"response.completed","sequence_number":6,"response":`+response("completed", item, usage)+`}`))
	case has("/completions") && asked:
		return events("openai", sse, data(`{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"hello","finish_reason":null}]}`),
			data(`{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`), data("[DONE]"))
	case has("/completions"):
		return object("openai", `{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"hello","finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`)
	case has("/count_tokens"):
		return object("anthropic", `{"input_tokens":5}`)
	case has("/messages") && asked, has(":streamRawPredict"):
		return events("anthropic", sse, strings.SplitAfter(strings.TrimSuffix(claudeStream+claudeEnd, "\n\n"), "\n\n")...)
	case has("/messages"), has(":rawPredict"):
		return object("anthropic", `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":4}}`)
	case has(":streamGenerateContent"):
		one := `{"candidates":[{"content":{"role":"model","parts":[{"text":"hel"}]},"index":0}],"modelVersion":"m"}`
		two := `{"candidates":[{"content":{"role":"model","parts":[{"text":"lo"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},"modelVersion":"m"}`
		if has("alt=sse") {
			return events("gemini", sse, "data: "+one+"\r\n\r\n", "data: "+two+"\r\n\r\n")
		}
		return events("gemini", "application/json", "["+one, ",\r\n"+two, "\r\n]")
	case has(":generateContent"):
		return object("gemini", `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},"modelVersion":"m"}`)
	case has(":batchEmbedContents"):
		return object("gemini", `{"embeddings":[{"values":[0.5,0.25]}]}`)
	case has(":countTokens"):
		return object("gemini", `{"totalTokens":5}`)
	case has(":predict"):
		return object("gemini", `{"predictions":[{"embeddings":{"values":[0.5,0.25],"statistics":{"token_count":1,"truncated":false}}}]}`)
	case has("/v2/chat") && asked:
		return events("cohere", sse, event("message-start", `{"id":"c","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`),
			event("content-start", `{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}`),
			event("content-delta", `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hello"}}}}`),
			event("content-end", `{"type":"content-end","index":0}`),
			event("message-end", `{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":2},"tokens":{"input_tokens":3,"output_tokens":2}}}}`))
	case has("/v2/chat"):
		return object("cohere", `{"id":"c","message":{"role":"assistant","content":[{"type":"text","text":"hello"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":2},"tokens":{"input_tokens":3,"output_tokens":2}}}`)
	case has("/v2/embed"):
		return object("cohere", `{"id":"e","embeddings":{"float":[[0.5,0.25]]},"texts":["hi"],"meta":{"billed_units":{"input_tokens":1}}}`)
	case has("/rerank"):
		return object("cohere", `{"id":"r","results":[{"index":0,"relevance_score":0.5}],"meta":{"billed_units":{"search_units":1}}}`)
	case has("/api/chat") && asked:
		return events("ollama", "application/x-ndjson", `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"hel"},"done":false}`+"\n",
			`{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"lo"},"done":false}`+"\n",
			`{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`+"\n")
	case has("/api/chat"):
		return object("ollama", `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"hello"},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`)
	case has("/api/embed"):
		return object("ollama", `{"model":"m","embeddings":[[0.5,0.25]],"prompt_eval_count":1}`)
	case has("/converse-stream"):
		frame := func(name, v string) string {
			return string(eventstream.Append(nil, &eventstream.Frame{Type: []byte("event"), Name: []byte(name), Payload: []byte(v)}))
		}
		return events("bedrock", "application/vnd.amazon.eventstream", frame("messageStart", `{"role":"assistant"}`), frame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"}}`),
			frame("contentBlockStop", `{"contentBlockIndex":0}`), frame("messageStop", `{"stopReason":"end_turn"}`),
			frame("metadata", `{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5},"metrics":{"latencyMs":1}}`))
	case has("/converse"):
		return object("bedrock", `{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5},"metrics":{"latencyMs":1}}`)
	case has("/embeddings"):
		return object("openai", `{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]}],"usage":{"prompt_tokens":1,"total_tokens":1}}`)
	case has("/images"):
		return object("openai", `{"created":1,"data":[{"b64_json":"AAAA"}]}`)
	case has("/audio/speech"):
		return good{dialect: "openai", media: "audio/mpeg", body: "ID3sound", file: true}
	case has("/audio"):
		return good{dialect: "openai", media: "application/json", body: `{"text":"hello"}`, file: true}
	case has("/moderations"):
		return object("openai", `{"id":"m","model":"m","results":[{"flagged":false}]}`)
	}
	return good{dialect: "none"}
}

// errorObject is how a dialect says an error, of a status.
func errorObject(dialect, message string) string {
	switch dialect {
	case "anthropic":
		return `{"type":"error","error":{"type":"rate_limit_error","message":"` + message + `"}}`
	case "gemini":
		return `{"error":{"code":429,"message":"` + message + `","status":"RESOURCE_EXHAUSTED"}}`
	case "ollama":
		return `{"error":"` + message + `"}`
	case "cohere", "bedrock":
		return `{"message":"` + message + `"}`
	}
	return `{"error":{"message":"` + message + `","type":"rate_limit_error","param":null,"code":"429"}}`
}

// errorEvent is an error as an event of a stream.
func errorEvent(g *good, message string) string {
	switch g.dialect {
	case "ollama":
		return errorObject("ollama", message) + "\n"
	case "bedrock":
		return string(eventstream.Append(nil, &eventstream.Frame{Type: []byte("exception"), Name: []byte("throttlingException"), Payload: []byte(errorObject("bedrock", message))}))
	case "cohere":
		return "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"" + message + "\"}}\n\n"
	case "responses":
		return "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"" + message + "\",\"param\":null,\"sequence_number\":1}\n\n"
	case "anthropic":
		return "event: error\ndata: " + errorObject(g.dialect, message) + "\n\n"
	}
	if g.media == "application/json" { // an array
		return "," + errorObject(g.dialect, message)
	}
	return "data: " + errorObject(g.dialect, message) + "\n\n"
}

// then is what becomes of the connection after an answer.
type then int

const (
	shut then = iota // closed, as a server does that has said all
	stay             // the answer was whole by its framing: the connection may serve again
	hold             // nothing more comes
	drip             // the last piece is repeated every 20 ms
	pour             // the last piece is repeated without end
)

// badness is one way to answer badly.
type badness struct {
	name string
	// wire makes what is written. applies is false where it makes no sense for an answer.
	wire func(g *good) (wire string, after then, applies bool)
	// status is what the caller gets where it gets an error; 0: 502. A stream that has begun is 200 and does not look whole;
	// late tells that this is possible.
	status int
	late   bool
	fine   bool   // the answer may also come out whole
	says   string // in the message
	class  string // of the record; "": upstream_protocol
	few    bool   // slow or large: only where two callers meet two kinds
	check  func(resp *http.Response) error
}

func framed(status, media, fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s", status, media, fields, len(body), body)
}

func chunked(media, fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", media, fields, len(body), body)
}

// raw answers the same whatever was asked.
func rawAnswer(wire string, after then) func(*good) (string, then, bool) {
	return func(*good) (string, then, bool) { return wire, after, true }
}

func badAnswers() []badness {
	gz := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, s)
		w.Close()
		return b.String()
	}
	status := func(line, fields, body string) func(*good) (string, then, bool) {
		return rawAnswer(framed(line, "application/json", fields, body), stay)
	}
	cutAt := func(part float64, frame func(media, body string) (string, then)) func(*good) (string, then, bool) {
		return func(g *good) (string, then, bool) {
			n := max(1, int(float64(len(g.body))*part)) // a chunk of no bytes would be the end
			if part == 1 {
				n = len(g.body) - 2
				if g.stream() { // before the last event but one, which may be usage alone
					n = len(strings.Join(g.events[:max(1, len(g.events)-3)], ""))
				}
			}
			w, after := frame(g.media, g.body[:n])
			return w, after, !g.file
		}
	}
	whole := func(media, body string) (string, then) { return chunked(media, "", body) + "0\r\n\r\n", stay }
	broken := func(media, body string) (string, then) { return chunked(media, "", body), shut }
	short := func(media, body string) (string, then) {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", media, len(body)+1000, body), shut
	}
	list := []badness{
		{name: "something else than HTTP", wire: rawAnswer("220 smtp.example ESMTP\r\n", shut)},
		{name: "nothing", wire: rawAnswer("", shut)},
		{name: "half a head", wire: rawAnswer("HTTP/1.1 200 O", shut)},
		{name: "two lengths", wire: rawAnswer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", hold)},
		{name: "a head without end", wire: rawAnswer("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 100<<10), hold)},
		{name: "silence", wire: rawAnswer("", hold), status: 504, class: "timeout"},
		{name: "silence behind the head", wire: rawAnswer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", hold), status: 504, class: "timeout", late: true},
		{name: "a page with status 200", wire: rawAnswer(framed("200 OK", "text/html", "", "<html><body>Sign in</body></html>"), stay)},
		{name: "a page called JSON", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "", "<html><body>Sign in</body></html>"), stay, !g.file
		}},
		{name: "a page with status 502", wire: rawAnswer(framed("502 Bad Gateway", "text/html", "", "<html>nginx</html>"), stay), class: "upstream_status"},
		{name: "no content", wire: rawAnswer("HTTP/1.1 204 No Content\r\n\r\n", stay)},
		{name: "an empty body", wire: func(g *good) (string, then, bool) { return framed("200 OK", g.media, "", ""), stay, !g.file }},
		{name: "part of a file", wire: status("206 Partial Content", "Content-Range: bytes 0-1/9\r\n", "{}")},
		{name: "not modified", wire: rawAnswer("HTTP/1.1 304 Not Modified\r\n\r\n", stay), class: "upstream_status"},
		{name: "another protocol", wire: rawAnswer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", hold)},
		{name: "a redirect", wire: status("307 Temporary Redirect", "Location: /elsewhere\r\n", "{}"), class: "upstream_status"},
		{name: "a proxy that wants a password", wire: status("407 Proxy Authentication Required", "", "{}"), class: "upstream_status"},
		{name: "an interim answer first", fine: true, wire: func(g *good) (string, then, bool) {
			return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + framed("200 OK", g.media, "", g.body), stay, true
		}},
		{name: "gzip", says: "compressed", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "Content-Encoding: gzip\r\n", gz(g.body)), stay, true
		}},
		{name: "gzip without saying so", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "", gz(g.body)), stay, !g.file
		}},
		{name: "a stream where none was asked for", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", "text/event-stream", "", "data: {}\n\ndata: [DONE]\n\n"), stay, !g.stream() && !g.file
		}},
		{name: "an object where a stream was asked for", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", "application/json", "", `{"id":"c","object":"chat.completion","choices":[]}`), stay, g.stream() && g.dialect != "ollama"
		}},
		{name: "an error object where a stream was asked for", says: "too many", class: "upstream_status", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", "application/json", "", errorObject(g.dialect, "too many")), stay, g.stream() && g.dialect != "bedrock"
		}},
		{name: "an error object with status 200", says: "too many", class: "upstream_status", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", "application/json", "", errorObject(g.dialect, "too many")), stay, !g.stream() && !g.file && g.dialect != "responses" && !strings.Contains(g.body, "relevance_score")
		}},
		{name: "an error as the first event", says: "too many", class: "upstream_status", late: true, wire: func(g *good) (string, then, bool) {
			e := errorEvent(g, "too many")
			if strings.HasPrefix(e, ",") {
				e = "[" + e[1:] + "]"
			}
			return framed("200 OK", g.media, "", e), stay, g.stream()
		}},
		{name: "an error in the middle of a stream", says: "too many", class: "upstream_status", late: true, wire: func(g *good) (string, then, bool) {
			if !g.stream() {
				return "", 0, false
			}
			n := len(g.events) - 2
			if g.dialect == "bedrock" || g.dialect == "openai" || g.dialect == "ollama" || g.dialect == "gemini" {
				n = 1
			}
			return framed("200 OK", g.media, "", strings.Join(g.events[:n], "")+errorEvent(g, "too many")), stay, true
		}},
		{name: "NaN", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "", `{"id":NaN,`+strings.TrimPrefix(g.body, "{")), stay, !g.stream() && !g.file
		}},
		{name: "a thousand levels", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "", `{"id":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,`+strings.TrimPrefix(g.body, "{")), stay, !g.stream() && !g.file
		}},
		{name: "a list", wire: func(g *good) (string, then, bool) {
			return framed("200 OK", g.media, "", `[1,2]`), stay, !g.stream() && !g.file
		}},
		{name: "a chunk of a wrong size", wire: func(g *good) (string, then, bool) {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n%s\r\n0\r\n\r\n", g.media, g.body), hold, !g.file
		}, late: true},
		{name: "a wrong checksum", late: true, wire: func(g *good) (string, then, bool) {
			if g.dialect != "bedrock" || !g.stream() {
				return "", 0, false
			}
			b := []byte(g.body)
			b[len(g.events[0])+len(g.events[1])-1] ^= 1
			return framed("200 OK", g.media, "", string(b)), stay, true
		}},
		{name: "a wrong length of a frame", late: true, wire: func(g *good) (string, then, bool) {
			if g.dialect != "bedrock" || !g.stream() {
				return "", 0, false
			}
			b := []byte(g.body)
			b[len(g.events[0])] = 0x7f
			return framed("200 OK", g.media, "", string(b)), stay, true
		}},
		{name: "a stream that falls silent", status: 504, late: true, class: "timeout", wire: func(g *good) (string, then, bool) {
			return chunked(g.media, "", g.body[:len(g.body)/2]), hold, g.stream()
		}},
		{name: "comments without end", status: 504, late: true, class: "timeout", few: true, wire: func(g *good) (string, then, bool) {
			return chunked(g.media, "", ": busy\n\n"), drip, g.stream() && strings.HasPrefix(g.media, "text/")
		}},
		{name: "an object without end", few: true, late: true, wire: func(g *good) (string, then, bool) {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n{\"id\":\"", g.media), pour, !g.stream() && !g.file
		}},
		{name: "an event without end", few: true, late: true, class: "upstream_protocol|timeout", wire: func(g *good) (string, then, bool) {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\ndata: \"", g.media), pour, g.stream()
		}},
		{name: "no capacity, for 7 seconds", wire: status("429 Too Many Requests", "Retry-After: 7\r\n", `{"error":{"message":"slow down"}}`), status: 429, class: "upstream_status", check: retryAfter("7")},
		{name: "no capacity, until a date", wire: status("429 Too Many Requests", "Retry-After: Mon, 02 Jan 2040 15:04:05 GMT\r\n", ``), status: 429, class: "upstream_status", check: retryAfter("Mon, 02 Jan 2040 15:04:05 GMT")},
		{name: "no capacity, for milliseconds", wire: status("429 Too Many Requests", "retry-after-ms: 1500\r\n", ``), status: 429, class: "upstream_status", check: retryAfter("2")},
		{name: "overloaded", wire: status("529 Overloaded", "", ``), status: 529, class: "upstream_status"},
		{name: "a failure, compressed", wire: rawAnswer(framed("500 Oops", "application/json", "Content-Encoding: gzip\r\n", gz(`{"error":{"message":"oops"}}`)), stay), status: 500, class: "upstream_status"},
		{name: "a refusal that quotes the credential", wire: status("400 Bad Request", "", `{"error":{"message":"what is `+hostileSecret+`?"},"message":"what is `+hostileSecret+`?"}`), status: 400, class: "upstream_status"},
		{name: "a refused credential", wire: status("401 Unauthorized", "", `{"error":{"message":"Incorrect API key provided: `+hostileSecret+`"}}`), status: 401, class: "upstream_status"},
	}
	for _, part := range []float64{0.02, 0.4, 0.7, 1} {
		list = append(list,
			badness{name: fmt.Sprintf("cut at %v, as if it were whole", part), wire: cutAt(part, whole), late: true},
			badness{name: fmt.Sprintf("cut at %v, in a chunk", part), wire: cutAt(part, broken), late: true},
			badness{name: fmt.Sprintf("cut at %v, short of its length", part), wire: cutAt(part, short), late: true})
	}
	return list
}

func retryAfter(want string) func(*http.Response) error {
	return func(r *http.Response) error {
		if got := r.Header.Get("Retry-After"); got != want {
			return fmt.Errorf("Retry-After is %q, want %q", got, want)
		}
		return nil
	}
}

// badHost is a provider of every kind that answers as the request's id says: "n-<index of the badness>-…".
type badHost struct {
	t      *testing.T
	list   []badness
	url    string
	reused atomic.Int64
}

func newBadHost(t *testing.T, list []badness) *badHost {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &badHost{t: t, list: list, url: "http://" + ln.Addr().String()}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				done := make(chan struct{})
				defer close(done)
				wg.Go(func() {
					select {
					case <-quit:
						c.Close()
					case <-done:
					}
				})
				h.serve(c)
			})
		}
	})
	t.Cleanup(func() { close(quit); ln.Close(); wg.Wait() })
	return h
}

func (h *badHost) serve(c net.Conn) {
	br := bufio.NewReader(c)
	for served, spoilt := 0, ""; ; served++ {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if served > 0 {
			h.reused.Add(1)
		}
		if spoilt != "" {
			h.t.Errorf("a connection serves again that had answered with %s", spoilt)
		}
		if req.Header.Get("Accept-Encoding") != "identity" {
			h.t.Errorf("Accept-Encoding: %q", req.Header.Get("Accept-Encoding"))
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var n, serial int
		if _, err := fmt.Sscanf(req.Header.Get("X-Request-Id"), "n-%d-%d", &n, &serial); err != nil || strings.Contains(req.URL.Path, "elsewhere") {
			h.t.Errorf("a request that nobody made: %s %v", req.URL, req.Header)
			return
		}
		g := answerTo(req.URL.String(), body)
		if g.dialect == "none" {
			h.t.Errorf("no answer is known to %s", req.URL)
		}
		if n < 0 { // as well as can be
			io.WriteString(c, framed("200 OK", g.media, "", g.body))
			continue
		}
		wire, after, ok := h.list[n].wire(&g)
		if !ok {
			h.t.Errorf("%s is no answer to %s", h.list[n].name, req.URL)
		}
		c.SetWriteDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, wire); err != nil {
			return
		}
		switch after {
		case shut:
			return
		case stay:
		case hold:
			spoilt = h.list[n].name
		case drip:
			for err == nil {
				time.Sleep(20 * time.Millisecond)
				_, err = io.WriteString(c, "8\r\n: busy\n\n\r\n")
			}
			return
		case pour:
			for b := bytes.Repeat([]byte("x"), 64<<10); err == nil; {
				_, err = c.Write(b)
			}
			return
		}
	}
}

// exchange is one cell of the matrix.
type cell struct {
	caller caller
	host   hostKind
	bad    int // -1: none
	stream bool
	id     string
	began  bool // the caller got the head of a good answer
}

func (c *cell) String() string {
	return fmt.Sprintf("%s at %s, stream=%v, %d (%s)", c.caller.name, c.host.name, c.stream, c.bad, c.id)
}

// TestBadAnswersOfProviders plays the matrix.
func TestBadAnswersOfProviders(t *testing.T) {
	list := badAnswers()
	host := newBadHost(t, list)
	// Timeouts are told from each other by nothing but their length, so that one is enough.
	g := runBytes(t, hostileArtifact(t, host.url, artifact.Timeouts{Connect: 5 * time.Second, FirstByte: 700 * time.Millisecond, Idle: 700 * time.Millisecond, Total: 3 * time.Second}), Options{})
	var cells []cell
	for _, c := range callers() {
		for _, k := range hostKinds() {
			for _, stream := range []bool{false, true}[:1+b2i(c.streams)] {
				if c.kind == artifact.RouteGenerateStream && !stream {
					continue
				}
				target, _, ok := pipeline.Reach(&k.provider, k.model, c.kind, stream)
				if !ok {
					continue
				}
				if c.kind == artifact.RouteGenerateStream && (k.name == "gemini" || k.name == "vertex") {
					target = strings.TrimSuffix(target, "?alt=sse")
				}
				g := answerTo(target, []byte(fmt.Sprintf(`"stream":%v`, stream)))
				if g.dialect == "none" {
					t.Fatalf("%s at %s: no answer is known to %s", c.name, k.name, target)
				}
				for i := -1; i < len(list); i++ {
					if i >= 0 {
						if _, _, applies := list[i].wire(&g); !applies {
							continue
						}
					}
					if i >= 0 && list[i].few && !(slices.Contains([]string{"chat", "messages"}, c.name) && slices.Contains([]string{"openai", "anthropic"}, k.name)) {
						continue
					}
					if i >= 0 && (testing.Short() || raceEnabled) && (len(cells)+i)%5 != 0 && !list[i].few {
						continue
					}
					cells = append(cells, cell{caller: c, host: k, bad: i, stream: stream})
				}
			}
		}
	}
	before := heap()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	next := make(chan *cell)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for c := range next {
				if err := c.play(client, g.url, list); err != nil {
					name := "none"
					if c.bad >= 0 {
						name = list[c.bad].name
					}
					t.Errorf("%s, %s: %v", c, name, err)
				}
			}
		})
	}
	for i := range cells {
		cells[i].id = fmt.Sprintf("n-%d-%d", cells[i].bad, i)
		next <- &cells[i]
	}
	close(next)
	wg.Wait()
	t.Logf("%d cells; %d requests on a connection that had served", len(cells), host.reused.Load())
	if host.reused.Load() < int64(len(cells)/10) {
		t.Error("connections that are whole are not used again")
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	until(t, "no exchange is in flight", func() bool { return g.inflight(t) == 0 })
	records := map[string]map[string]any{}
	for _, r := range g.records(t, "calls", len(cells)) {
		records[r["request_id"].(string)] = r
	}
	for i := range cells {
		if c := &cells[i]; true {
			if err := c.judgeRecord(records[c.id], list); err != nil {
				name := "none"
				if c.bad >= 0 {
					name = list[c.bad].name
				}
				t.Errorf("%s, %s: %v: %v", c, name, err, records[c.id])
			}
		}
	}
	if s := g.log.String(); strings.Contains(s, "panic") || strings.Contains(s, hostileSecret) {
		t.Error(s)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// play asks and judges what the caller gets.
func (c *cell) play(client *http.Client, base string, list []badness) error {
	path, media, body := c.caller.ask(c.host.name, c.stream)
	req, err := http.NewRequest("POST", base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("x-api-key", testKey)
	req.Header.Set("X-Request-Id", c.id)
	if c.caller.kind == artifact.RoutePrompt && c.stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, readErr := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if len(got) == 1<<20 { // without end: wait for it to be cut
		_, readErr = io.Copy(io.Discard, resp.Body)
	}
	if c.host.name != "ollama" && strings.Contains(string(got), hostileSecret) || strings.Contains(fmt.Sprint(resp.Header), hostileSecret) {
		return errors.New("the credential is in the answer")
	}
	shown := func() string { return fmt.Sprintf("%d %v %.300q", resp.StatusCode, readErr, got) }
	looksWhole := readErr == nil && (!c.stream || strings.Contains(string(got), c.caller.whole))
	told := false
	for _, s := range strings.Split(c.caller.told, "|") {
		told = told || s != "" && strings.Contains(string(got), s)
	}
	if c.bad < 0 || list[c.bad].fine && resp.StatusCode == 200 {
		if resp.StatusCode != 200 || !looksWhole || told {
			return fmt.Errorf("a good answer comes out as %s", shown())
		}
		return nil
	}
	bad := list[c.bad]
	if resp.StatusCode == 200 {
		c.began = true
		switch {
		case !bad.late:
			return fmt.Errorf("passed as good: %s", shown())
		case told && strings.Contains(string(got), c.caller.whole) && c.caller.whole != "message_stop":
			return fmt.Errorf("an error and a good end: %s", shown())
		case !told && looksWhole && !(c.host.name != "bedrock" && strings.Contains(bad.name, "short of its length")):
			return fmt.Errorf("looks whole: %s", shown())
		}
		return nil
	}
	want := bad.status
	switch {
	case want == 0 && (bad.says == "too many" || bad.class == "upstream_status"):
		if resp.StatusCode >= 400 && (resp.StatusCode == 429 || resp.StatusCode >= 500) {
			want = resp.StatusCode
		}
	case want == 0:
		want = 502
	case want == 529 && !strings.HasPrefix(c.caller.name, "messages") && c.caller.name != "count_tokens":
		want = 503
	case c.caller.kind == artifact.RoutePrompt && (want == 400 || want == 401 || want == 500):
		want = 502
	}
	if bad.name == "silence behind the head" && c.caller.name == "speech" {
		want = resp.StatusCode
	}
	if resp.StatusCode != want {
		return fmt.Errorf("status %d, want %d: %s", resp.StatusCode, want, shown())
	}
	if readErr != nil {
		return fmt.Errorf("the error breaks off: %s", shown())
	}
	message, err := c.caller.fault(got)
	if err != nil {
		return fmt.Errorf("%w: %s", err, shown())
	}
	if media := resp.Header.Get("Content-Type"); media != "application/json" && media != "application/problem+json" {
		return fmt.Errorf("the error is called %q", media)
	}
	if resp.Header.Get("x-gwc-provider") != c.host.name {
		return fmt.Errorf("x-gwc-provider is %q", resp.Header.Get("x-gwc-provider"))
	}
	if (bad.class == "" || bad.class == "timeout") && !strings.Contains(message, c.host.name) {
		return fmt.Errorf("the provider is not named: %s", shown())
	}
	if bad.says != "" && c.caller.kind != artifact.RoutePrompt && !strings.Contains(message, bad.says) {
		return fmt.Errorf("it does not say %q: %s", bad.says, shown())
	}
	if bad.check != nil {
		return bad.check(resp)
	}
	return nil
}

// judgeRecord judges what the call log says of it.
func (c *cell) judgeRecord(r map[string]any, list []badness) error {
	if r == nil {
		return errors.New("no record")
	}
	attempts, _ := r["attempts"].([]any)
	if len(attempts) == 0 {
		return errors.New("no attempt")
	}
	for _, a := range attempts[:len(attempts)-1] { // on a connection that had just been closed, before anything was sent
		if a := a.(map[string]any); a["error"] != "protocol" || a["status"] != nil {
			return fmt.Errorf("%d attempts", len(attempts))
		}
	}
	a := attempts[len(attempts)-1].(map[string]any)
	if r["model"] != c.host.name || r["provider"] != c.host.name || r["upstream_model"] != c.host.model || a["provider"] != c.host.name || a["model"] != c.host.model || a["target"] == nil {
		return errors.New("model or provider is wrong")
	}
	if b, _ := json.Marshal(r); strings.Contains(string(b), hostileSecret) {
		return errors.New("it holds the credential")
	}
	if c.bad < 0 || list[c.bad].fine {
		if r["error"] != nil || r["status"] != 200.0 {
			return errors.New("a good exchange has an error")
		}
		return nil
	}
	bad := list[c.bad]
	if c.began && strings.Contains(bad.name, "short of its length") && r["error"] == nil {
		return nil // all was said
	}
	want := bad.class
	if want == "" {
		want = "upstream_protocol"
	}
	if class, _ := r["error"].(string); class == "" || !strings.Contains(want, class) {
		return fmt.Errorf("its class is %q, want %s", class, want)
	}
	if a["error"] == nil && !c.began {
		return errors.New("the attempt has no error")
	}
	return nil
}
