package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// A stand is a provider of every kind, told what to answer. `gwc mock` answers by what it is asked and judges requests;
// this one is for what a mock does not do by itself: given usage with its parts, thinking that is signed, a stream that
// fails after so many events, an error in a provider's own words. What it writes is made from the providers' documents and
// shares nothing with the gateway (Bedrock's frames are written by the AWS SDK).
type stand struct {
	URL string

	mu    sync.Mutex
	next  play
	seen  []asked
	begun chan struct{} // a request that shall hang does
	gone  chan struct{} // its caller went away
}

// play is an answer, told in the words of Chat Completions and in the usage of the design.
type play struct {
	thinking, signature string
	text                string
	calls               []idCall
	stop                string // "stop", "length", "tool_calls", "content_filter"
	usage               usage
	vectors             [][]float64

	failure *failure // in place of an answer, or in the stream's middle
	broken  string   // in the middle of the stream: "error" (the failure), "cut" (the connection ends), "hang" (until the caller is gone); before the head: "silence"
}

// failure is an error of a provider. A kind says it in its own words for the status; message is told as it is.
type failure struct {
	status     int
	message    string
	retryAfter string
}

// asked is a request as a provider got it.
type asked struct {
	kind, target string
	header       http.Header
	body         []byte
}

// provider is how one kind is configured and how it answers.
type provider struct {
	cue string // fields of the provider; BASE is its address
	// models: the plain one, and one that thinks.
	model, thinks string
	// answer is the body of an answer, or the events of a stream.
	answer func(q *asked, model string, stream bool, p *play) [][]byte
	media  string // of a stream
	error  func(k *provider, status int, message string) []byte
	inside func(f *failure, n int) []byte // the failure as the n-th event
	vector func(p *play) []byte
	// mask leaves what the kind tells.
	mask     func(want *reading)
	word     map[int]string // what it calls an error, by status
	types    map[int]string // the type, where that is another one
	unjudged bool           // the mock does not play it
	seal     string         // with which it seals its thinking: what the mock of the kind takes for its own
}

func startStand(t testing.TB) *stand {
	s := &stand{begun: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// answer sets what every request is answered from now on and forgets the requests before.
func (s *stand) answer(p play) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.seen = p, nil
}

// requests are those since answer was called.
func (s *stand) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, target, _ := strings.Cut(strings.TrimPrefix(r.URL.RequestURI(), "/"), "/")
	body, err := io.ReadAll(r.Body)
	k := providers[kind]
	if err != nil || k == nil {
		http.Error(w, "no such kind", http.StatusNotFound)
		return
	}
	q := asked{kind, "/" + target, r.Header.Clone(), body}
	s.mu.Lock()
	p := s.next
	s.seen = append(s.seen, q)
	s.mu.Unlock()
	if p.broken == "silence" {
		s.hang(r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if p.failure != nil && p.broken == "" {
		if p.failure.retryAfter != "" {
			w.Header().Set("Retry-After", p.failure.retryAfter)
		}
		if kind == "bedrock" {
			w.Header().Set("X-Amzn-Errortype", k.word[p.failure.status]+":http://internal.amazon.com/coral/com.amazon.bedrock/")
		}
		w.WriteHeader(p.failure.status)
		w.Write(k.error(k, p.failure.status, p.failure.message))
		return
	}
	if p.vectors != nil {
		w.Write(k.vector(&p))
		return
	}
	stream := strings.Contains(target, "tream") || bytes.Contains(body, []byte(`"stream":true`))
	parts := k.answer(&q, k.modelOf(&q), stream, &p)
	if stream {
		w.Header().Set("Content-Type", k.media)
	}
	flush := http.NewResponseController(w).Flush
	for i, part := range parts {
		if p.broken != "" && i == len(parts)/2 {
			switch p.broken {
			case "error":
				if strings.HasSuffix(target, "/completions") {
					k = providers["openai"]
				}
				w.Write(k.inside(p.failure, i))
				return
			case "hang":
				s.hang(r)
			}
			panic(http.ErrAbortHandler)
		}
		w.Write(part)
		flush()
	}
}

// hang waits until the caller is gone.
func (s *stand) hang(r *http.Request) {
	s.begun <- struct{}{}
	select {
	case <-r.Context().Done():
		s.gone <- struct{}{}
	case <-time.After(20 * time.Second):
	}
	panic(http.ErrAbortHandler)
}

// modelOf is the model that a request names, in its body or its path.
func (k *provider) modelOf(q *asked) string {
	if strings.Contains(q.target, k.thinks) || bytes.Contains(q.body, []byte(`"`+k.thinks+`"`)) {
		return k.thinks
	}
	return k.model
}

// fragments cuts a text where no provider would: every three bytes, but not inside a character.
func fragments(text string) (out []string) {
	for text != "" {
		n := min(3, len(text))
		for n < len(text) && text[n]&0xC0 == 0x80 {
			n++
		}
		out, text = append(out, text[:n]), text[n:]
	}
	return out
}

// o is a JSON object.
type o = map[string]any

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// sse is an event with the data v; named, if it has a type.
func sse(v o) []byte {
	if name, ok := v["type"].(string); ok {
		return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, encoded(v))
	}
	return fmt.Appendf(nil, "data: %s\n\n", encoded(v))
}

// raw is JSON as it stands.
func raw(s string) json.RawMessage { return json.RawMessage(s) }

const answerID = "0123456789"

// chatCounts are of Chat Completions and of the Responses API, under their own names.
func chatCounts(u usage, in, out string) o {
	return o{in: u.In, out: u.Out, "total_tokens": u.In + u.Out,
		in + "_details": o{"cached_tokens": u.Cached, "cache_write_tokens": u.Written}, out + "_details": o{"reasoning_tokens": u.Reasoning}}
}

var providers = map[string]*provider{
	"openai": {
		cue: `kind: "openai", api: "chat", baseURL: "BASE/v1"`, model: "gpt-4o-mini", thinks: "gpt-5", media: "text/event-stream",
		answer: chatAnswer,
		error: func(k *provider, status int, message string) []byte {
			return encoded(o{"error": o{"message": message, "type": k.types[status], "param": nil, "code": k.word[status]}})
		},
		types: openAIErrors, word: map[int]string{400: "invalid_value", 429: "rate_limit_exceeded", 500: "server_error", 503: "overloaded"},
		inside: func(f *failure, n int) []byte {
			return sse(o{"error": o{"message": f.message, "type": "server_error", "param": nil, "code": nil}})
		},
		vector: openAIVectors,
		mask:   func(want *reading) { want.Thinking = "" },
	},
	"responses": {
		seal: "gAAAAA" + hex.EncodeToString(sealOfReasoning[:]),
		cue:  `kind: "openai", api: "responses", baseURL: "BASE/v1"`, model: "gpt-4.1-mini", thinks: "gpt-5-mini", media: "text/event-stream",
		answer: responsesAnswer,
		error: func(k *provider, status int, message string) []byte {
			return encoded(o{"error": o{"message": message, "type": k.types[status], "param": nil, "code": k.word[status]}})
		},
		types: openAIErrors, word: map[int]string{400: "invalid_value", 429: "rate_limit_exceeded", 500: "server_error", 503: "overloaded"},
		inside: func(f *failure, n int) []byte {
			return sse(o{"type": "error", "code": "server_error", "message": f.message, "param": nil, "sequence_number": n})
		},
		vector: openAIVectors,
		mask:   func(*reading) {},
	},
	"anthropic": {
		seal: mockSeal,
		cue:  `kind: "anthropic", baseURL: "BASE"`, model: "claude-sonnet-4-5", thinks: "claude-sonnet-4-5", media: "text/event-stream",
		answer: messagesAnswer,
		error: func(k *provider, status int, message string) []byte {
			return encoded(o{"type": "error", "error": o{"type": k.word[status], "message": message}, "request_id": "req_1"})
		},
		word: map[int]string{400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error", 529: "overloaded_error"},
		inside: func(f *failure, n int) []byte {
			return sse(o{"type": "error", "error": o{"type": "overloaded_error", "message": f.message}})
		},
		mask: func(*reading) {},
	},
	"gemini": {
		seal: mockSeal,
		cue:  `kind: "gemini", baseURL: "BASE"`, model: "gemini-2.5-flash", thinks: "gemini-3-pro-preview", media: "text/event-stream",
		answer: geminiAnswer,
		error: func(k *provider, status int, message string) []byte {
			e := o{"code": status, "message": message, "status": k.word[status]}
			if status == 429 {
				e["details"] = []any{o{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}}
			}
			return encoded(o{"error": e})
		},
		word: map[int]string{400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"},
		inside: func(f *failure, n int) []byte {
			return sse(o{"error": o{"code": 503, "message": f.message, "status": "UNAVAILABLE"}})
		},
		vector: func(p *play) []byte {
			var list []any
			for _, v := range p.vectors {
				list = append(list, o{"values": v})
			}
			return encoded(o{"embeddings": list})
		},
		mask: func(want *reading) { want.Usage.Written = 0 },
	},
	"bedrock": {
		seal: mockSeal,
		cue:  `kind: "bedrock", region: "us-east-1", baseURL: "BASE"`, model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", thinks: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
		media: "application/vnd.amazon.eventstream", answer: converseAnswer,
		error: func(_ *provider, _ int, message string) []byte { return encoded(o{"message": message}) },
		word:  map[int]string{400: "ValidationException", 429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException"},
		inside: func(f *failure, n int) []byte {
			return awsFrame("exception", "modelStreamErrorException", o{"message": f.message, "originalStatusCode": 500})
		},
		mask: func(want *reading) { want.Usage.Reasoning = 0 },
	},
	"cohere": {
		cue: `kind: "cohere", baseURL: "BASE"`, model: "command-a-03-2025", thinks: "command-a-reasoning-08-2025", media: "text/event-stream",
		answer: cohereAnswer,
		error:  func(_ *provider, _ int, message string) []byte { return encoded(o{"id": answerID, "message": message}) },
		inside: func(f *failure, n int) []byte {
			return sse(o{"type": "message-end", "delta": o{"finish_reason": "ERROR", "error": f.message}})
		},
		vector: func(p *play) []byte {
			return encoded(o{"id": answerID, "embeddings": o{"float": p.vectors}, "texts": []any{}, "meta": o{"api_version": o{"version": "2"}, "billed_units": o{"input_tokens": p.usage.In}}})
		},
		mask: func(want *reading) { want.Usage.Written, want.Usage.Reasoning = 0, 0 },
	},
	"mistral": {
		cue: `kind: "mistral", baseURL: "BASE/v1"`, model: "mistral-large-latest", thinks: "magistral-medium-latest", media: "text/event-stream", unjudged: true,
		answer: mistralAnswer,
		error: func(k *provider, status int, message string) []byte {
			return encoded(o{"object": "error", "message": message, "type": k.types[status], "param": nil, "code": k.word[status]})
		},
		types: map[int]string{400: "invalid_request_error", 429: "rate_limited", 500: "internal_server_error", 503: "service_unavailable"}, word: map[int]string{400: "3051", 429: "1300", 500: "1000", 503: "1001"},
		inside: func(f *failure, n int) []byte {
			return sse(o{"object": "error", "message": f.message, "type": "internal_server_error", "param": nil, "code": "1000"})
		},
		vector: openAIVectors,
		mask:   func(want *reading) { want.Usage.Written, want.Usage.Reasoning = 0, 0 },
	},
	"ollama": {
		cue: `kind: "ollama", baseURL: "BASE"`, model: "llama3.2", thinks: "qwen3", media: "application/x-ndjson",
		answer: ollamaAnswer,
		error:  func(_ *provider, _ int, message string) []byte { return encoded(o{"error": message}) },
		inside: func(f *failure, n int) []byte { return append(encoded(o{"error": f.message}), '\n') },
		vector: func(p *play) []byte {
			return encoded(o{"model": "llama3.2", "embeddings": p.vectors, "prompt_eval_count": p.usage.In})
		},
		mask: func(want *reading) { want.Usage = usage{In: want.Usage.In, Out: want.Usage.Out} },
	},
}

// openAIErrors are types of errors as OpenAI says them.
var openAIErrors = map[int]string{400: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}

var (
	mockSeal        = base64.StdEncoding.EncodeToString([]byte("mock: this thought came back unchanged"))
	sealOfReasoning = sha256.Sum256([]byte("mock\x00rs_1"))
)

func openAIVectors(p *play) []byte {
	var list []any
	for i, v := range p.vectors {
		list = append(list, o{"object": "embedding", "index": i, "embedding": v})
	}
	return encoded(o{"object": "list", "data": list, "model": "text-embedding-3-small", "usage": o{"prompt_tokens": p.usage.In, "total_tokens": p.usage.In}})
}

// chatAnswer is POST /v1/chat/completions, and POST /v1/completions for those who ask for it.
func chatAnswer(q *asked, model string, stream bool, p *play) (out [][]byte) {
	legacy := strings.HasSuffix(q.target, "/v1/completions")
	object := func(name string, choice o, counts any) o {
		v := o{"id": "chatcmpl-" + answerID, "object": name, "created": 1764000000, "model": model, "service_tier": "default", "system_fingerprint": "fp_1", "usage": counts}
		v["choices"] = []any{}
		if choice != nil {
			choice["index"], choice["logprobs"] = 0, nil
			v["choices"] = []any{choice}
		}
		if legacy {
			v["object"] = "text_completion"
		}
		return v
	}
	counts := chatCounts(p.usage, "prompt_tokens", "completion_tokens")
	var calls []any
	for i, k := range p.calls {
		calls = append(calls, o{"index": i, "id": k.id, "type": "function", "function": o{"name": k.name, "arguments": k.arguments}})
	}
	if !stream {
		m := o{"role": "assistant", "content": nil, "refusal": nil, "annotations": []any{}}
		if p.text != "" {
			m["content"] = p.text
		}
		for _, k := range calls {
			delete(k.(o), "index")
			m["tool_calls"] = calls
		}
		choice := o{"message": m, "finish_reason": p.stop}
		if legacy {
			choice = o{"text": p.text, "finish_reason": p.stop}
		}
		return [][]byte{encoded(object("chat.completion", choice, counts))}
	}
	delta := func(d o, stop any) {
		choice := o{"delta": d, "finish_reason": stop}
		if legacy {
			choice = o{"text": d["content"], "finish_reason": stop}
			if d["content"] == nil {
				choice["text"] = ""
			}
		}
		out = append(out, sse(object("chat.completion.chunk", choice, nil)))
	}
	if !legacy {
		delta(o{"role": "assistant", "content": "", "refusal": nil}, nil)
	}
	for _, s := range fragments(p.text) {
		delta(o{"content": s}, nil)
	}
	for i, k := range p.calls {
		delta(o{"tool_calls": []any{o{"index": i, "id": k.id, "type": "function", "function": o{"name": k.name, "arguments": ""}}}}, nil)
		for _, s := range fragments(k.arguments) {
			delta(o{"tool_calls": []any{o{"index": i, "function": o{"arguments": s}}}}, nil)
		}
	}
	delta(o{}, p.stop)
	if bytes.Contains(q.body, []byte(`"include_usage":true`)) {
		out = append(out, sse(object("chat.completion.chunk", nil, counts)))
	}
	return append(out, []byte("data: [DONE]\n\n"))
}

// mistralAnswer is Mistral's POST /v1/chat/completions: OpenAI's, with thinking as a part of the content, and usage in the
// last chunk of a stream without being asked for.
func mistralAnswer(_ *asked, model string, stream bool, p *play) (out [][]byte) {
	counts := o{"prompt_tokens": p.usage.In, "completion_tokens": p.usage.Out, "total_tokens": p.usage.In + p.usage.Out, "prompt_tokens_details": o{"cached_tokens": p.usage.Cached}}
	object := func(name string, choice o) o {
		choice["index"] = 0
		return o{"id": answerID, "object": name, "created": 1764000000, "model": model, "choices": []any{choice}}
	}
	thought := func(text string) o { return o{"type": "thinking", "thinking": []any{o{"type": "text", "text": text}}} }
	stop := p.stop
	var calls []any
	for i, k := range p.calls {
		calls = append(calls, o{"id": k.id, "index": i, "function": o{"name": k.name, "arguments": k.arguments}})
	}
	if !stream {
		m := o{"role": "assistant", "content": p.text, "tool_calls": nil}
		if p.thinking != "" {
			m["content"] = []any{thought(p.thinking), o{"type": "text", "text": p.text}}
		}
		if calls != nil {
			m["tool_calls"] = calls
		}
		whole := object("chat.completion", o{"message": m, "finish_reason": stop})
		whole["usage"] = counts
		return [][]byte{encoded(whole)}
	}
	delta := func(d o) {
		out = append(out, sse(object("chat.completion.chunk", o{"delta": d, "finish_reason": nil})))
	}
	delta(o{"role": "assistant", "content": ""})
	for _, s := range fragments(p.thinking) {
		delta(o{"content": []any{thought(s)}})
	}
	for _, s := range fragments(p.text) {
		delta(o{"content": s})
	}
	last := o{"content": ""}
	if calls != nil { // whole, and in the last chunk
		last["tool_calls"] = calls
	}
	end := object("chat.completion.chunk", o{"delta": last, "finish_reason": stop})
	end["usage"] = counts
	return append(out, sse(end), []byte("data: [DONE]\n\n"))
}

// responsesAnswer is POST /v1/responses, and the legacy API beside it.
func responsesAnswer(q *asked, model string, stream bool, p *play) (out [][]byte) {
	if strings.HasSuffix(q.target, "/v1/completions") {
		return chatAnswer(q, model, stream, p)
	}
	status, why := "completed", any(nil)
	switch p.stop {
	case "length":
		status, why = "incomplete", o{"reason": "max_output_tokens"}
	case "content_filter":
		status, why = "incomplete", o{"reason": "content_filter"}
	}
	response := func(status string, items []any) o {
		r := o{"id": "resp_" + answerID, "object": "response", "created_at": 1764000000, "status": status, "error": nil, "incomplete_details": nil, "instructions": nil, "max_output_tokens": nil,
			"metadata": o{}, "model": model, "output": items, "parallel_tool_calls": true, "previous_response_id": nil, "service_tier": "default", "store": false, "temperature": nil, "text": o{"format": o{"type": "text"}},
			"tool_choice": "auto", "tools": []any{}, "top_p": nil, "truncation": "disabled", "usage": nil}
		if status != "in_progress" {
			r["incomplete_details"], r["usage"] = why, chatCounts(p.usage, "input_tokens", "output_tokens")
		}
		return r
	}
	items, n := []any{}, 0
	emit := func(kind string, m o) {
		m["type"], m["sequence_number"] = kind, n
		n++
		out = append(out, sse(m))
	}
	emit("response.created", o{"response": response("in_progress", []any{})})
	emit("response.in_progress", o{"response": response("in_progress", []any{})})
	add := func(begun, item o, between func(of func(o) o)) {
		emit("response.output_item.added", o{"output_index": len(items), "item": begun})
		between(func(m o) o {
			m["item_id"], m["output_index"] = item["id"], len(items)
			return m
		})
		emit("response.output_item.done", o{"output_index": len(items), "item": item})
		items = append(items, item)
	}
	if p.thinking != "" {
		part := o{"type": "summary_text", "text": p.thinking}
		add(o{"id": "rs_1", "type": "reasoning", "summary": []any{}, "encrypted_content": ""}, o{"id": "rs_1", "type": "reasoning", "summary": []any{part}, "encrypted_content": p.signature}, func(of func(o) o) {
			emit("response.reasoning_summary_part.added", of(o{"summary_index": 0, "part": o{"type": "summary_text", "text": ""}}))
			for _, s := range fragments(p.thinking) {
				emit("response.reasoning_summary_text.delta", of(o{"summary_index": 0, "delta": s}))
			}
			emit("response.reasoning_summary_text.done", of(o{"summary_index": 0, "text": p.thinking}))
			emit("response.reasoning_summary_part.done", of(o{"summary_index": 0, "part": part}))
		})
	}
	if p.text != "" {
		part := func(text string) o {
			return o{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
		}
		add(o{"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []any{}},
			o{"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": []any{part(p.text)}}, func(of func(o) o) {
				emit("response.content_part.added", of(o{"content_index": 0, "part": part("")}))
				for _, s := range fragments(p.text) {
					emit("response.output_text.delta", of(o{"content_index": 0, "delta": s, "logprobs": []any{}, "obfuscation": "abc"}))
				}
				emit("response.output_text.done", of(o{"content_index": 0, "text": p.text, "logprobs": []any{}}))
				emit("response.content_part.done", of(o{"content_index": 0, "part": part(p.text)}))
			})
	}
	for _, k := range p.calls {
		item := func(status, arguments string) o {
			return o{"id": "fc_" + k.id, "type": "function_call", "status": status, "call_id": k.id, "name": k.name, "arguments": arguments}
		}
		add(item("in_progress", ""), item("completed", k.arguments), func(of func(o) o) {
			for _, s := range fragments(k.arguments) {
				emit("response.function_call_arguments.delta", of(o{"delta": s}))
			}
			emit("response.function_call_arguments.done", of(o{"arguments": k.arguments, "name": k.name}))
		})
	}
	if !stream {
		return [][]byte{encoded(response(status, items))}
	}
	emit("response."+status, o{"response": response(status, items)})
	return out
}

// messagesAnswer is POST /v1/messages.
func messagesAnswer(_ *asked, model string, stream bool, p *play) (out [][]byte) {
	stop := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}[p.stop]
	u := o{"input_tokens": p.usage.In - p.usage.Cached - p.usage.Written, "cache_read_input_tokens": p.usage.Cached, "cache_creation_input_tokens": p.usage.Written,
		"cache_creation": o{"ephemeral_5m_input_tokens": p.usage.Written, "ephemeral_1h_input_tokens": 0}, "output_tokens": p.usage.Out, "output_tokens_details": o{"thinking_tokens": p.usage.Reasoning}, "service_tier": "standard"}
	var blocks, empty []any
	var deltas [][]o
	add := func(whole, begun o, of ...o) {
		blocks, empty, deltas = append(blocks, whole), append(empty, begun), append(deltas, of)
	}
	each := func(kind, name, text string) (list []o) {
		for _, s := range fragments(text) {
			list = append(list, o{"type": kind, name: s})
		}
		return list
	}
	if p.thinking != "" {
		add(o{"type": "thinking", "thinking": p.thinking, "signature": p.signature}, o{"type": "thinking", "thinking": "", "signature": ""},
			append(each("thinking_delta", "thinking", p.thinking), o{"type": "signature_delta", "signature": p.signature})...)
	}
	if p.text != "" {
		add(o{"type": "text", "text": p.text}, o{"type": "text", "text": ""}, each("text_delta", "text", p.text)...)
	}
	for _, k := range p.calls {
		add(o{"type": "tool_use", "id": k.id, "name": k.name, "input": raw(k.arguments)}, o{"type": "tool_use", "id": k.id, "name": k.name, "input": o{}},
			append([]o{{"type": "input_json_delta", "partial_json": ""}}, each("input_json_delta", "partial_json", k.arguments)...)...)
	}
	m := o{"id": "msg_" + answerID, "type": "message", "role": "assistant", "model": model, "content": blocks, "stop_reason": stop, "stop_sequence": nil, "usage": u}
	if !stream {
		return [][]byte{encoded(m)}
	}
	m["content"], m["stop_reason"] = []any{}, nil
	m["usage"] = o{"input_tokens": u["input_tokens"], "cache_read_input_tokens": p.usage.Cached, "cache_creation_input_tokens": p.usage.Written, "cache_creation": u["cache_creation"], "output_tokens": 1, "service_tier": "standard"}
	out = append(out, sse(o{"type": "message_start", "message": m}))
	for i := range blocks {
		out = append(out, sse(o{"type": "content_block_start", "index": i, "content_block": empty[i]}), sse(o{"type": "ping"}))
		for _, d := range deltas[i] {
			out = append(out, sse(o{"type": "content_block_delta", "index": i, "delta": d}))
		}
		out = append(out, sse(o{"type": "content_block_stop", "index": i}))
	}
	return append(out, sse(o{"type": "message_delta", "delta": o{"stop_reason": stop, "stop_sequence": nil}, "usage": u}), sse(o{"type": "message_stop"}))
}

// geminiAnswer is :generateContent and :streamGenerateContent.
func geminiAnswer(_ *asked, model string, stream bool, p *play) (out [][]byte) {
	stop := map[string]string{"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}[p.stop]
	counts := o{"promptTokenCount": p.usage.In, "cachedContentTokenCount": p.usage.Cached, "candidatesTokenCount": p.usage.Out - p.usage.Reasoning, "thoughtsTokenCount": p.usage.Reasoning, "totalTokenCount": p.usage.In + p.usage.Out}
	chunk := func(parts []any, finish string, counts o) o {
		c := o{"content": o{"role": "model", "parts": parts}, "index": 0}
		if finish != "" {
			c["finishReason"] = finish
		}
		return o{"candidates": []any{c}, "usageMetadata": counts, "modelVersion": model, "responseId": answerID}
	}
	var whole []any
	piece := func(part o) {
		out = append(out, sse(chunk([]any{part}, "", o{"promptTokenCount": p.usage.In, "totalTokenCount": p.usage.In})))
	}
	if p.thinking != "" {
		whole = append(whole, o{"text": p.thinking, "thought": true})
		for _, s := range fragments(p.thinking) {
			piece(o{"text": s, "thought": true})
		}
	}
	if p.text != "" {
		whole = append(whole, o{"text": p.text})
		for _, s := range fragments(p.text) {
			piece(o{"text": s})
		}
	}
	var calls []any
	for i, k := range p.calls {
		part := o{"functionCall": o{"id": k.id, "name": k.name, "args": raw(k.arguments)}}
		if model == "gemini-2.5-flash" { // whose calls have no ids
			part = o{"functionCall": o{"name": k.name, "args": raw(k.arguments)}}
		}
		if i == 0 && p.signature != "" {
			part["thoughtSignature"] = p.signature
		}
		calls = append(calls, part)
	}
	if calls != nil { // several in one chunk
		whole = append(whole, calls...)
		out = append(out, sse(chunk(calls, "", counts)))
	}
	if !stream {
		return [][]byte{encoded(chunk(whole, stop, counts))}
	}
	return append(out, sse(chunk([]any{o{"text": ""}}, stop, counts)))
}

// awsFrame is a frame of an AWS event stream, written by the AWS SDK.
func awsFrame(kind, name string, payload o) []byte {
	var m eventstream.Message
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Payload = encoded(payload)
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// converseAnswer is /model/{model}/converse and /converse-stream.
func converseAnswer(_ *asked, _ string, stream bool, p *play) (out [][]byte) {
	stop := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}[p.stop]
	counts := o{"inputTokens": p.usage.In - p.usage.Cached - p.usage.Written, "outputTokens": p.usage.Out, "totalTokens": p.usage.In + p.usage.Out, "cacheReadInputTokens": p.usage.Cached, "cacheWriteInputTokens": p.usage.Written}
	var content []any
	emit := func(name string, v o) { out = append(out, awsFrame("event", name, v)) }
	delta := func(v o) { emit("contentBlockDelta", o{"contentBlockIndex": len(content), "delta": v}) }
	end := func(block o) {
		emit("contentBlockStop", o{"contentBlockIndex": len(content)})
		content = append(content, block)
	}
	emit("messageStart", o{"role": "assistant"})
	if p.thinking != "" {
		for _, s := range fragments(p.thinking) {
			delta(o{"reasoningContent": o{"text": s}})
		}
		delta(o{"reasoningContent": o{"signature": p.signature}})
		end(o{"reasoningContent": o{"reasoningText": o{"text": p.thinking, "signature": p.signature}}})
	}
	if p.text != "" {
		for _, s := range fragments(p.text) {
			delta(o{"text": s})
		}
		end(o{"text": p.text})
	}
	for _, k := range p.calls {
		emit("contentBlockStart", o{"contentBlockIndex": len(content), "start": o{"toolUse": o{"toolUseId": k.id, "name": k.name}}})
		for _, s := range fragments(k.arguments) {
			delta(o{"toolUse": o{"input": s}})
		}
		end(o{"toolUse": o{"toolUseId": k.id, "name": k.name, "input": raw(k.arguments)}})
	}
	if !stream {
		return [][]byte{encoded(o{"output": o{"message": o{"role": "assistant", "content": content}}, "stopReason": stop, "usage": counts, "metrics": o{"latencyMs": 12}})}
	}
	emit("messageStop", o{"stopReason": stop})
	emit("metadata", o{"usage": counts, "metrics": o{"latencyMs": 12}})
	return out
}

// cohereAnswer is POST /v2/chat.
func cohereAnswer(_ *asked, _ string, stream bool, p *play) (out [][]byte) {
	stop := map[string]string{"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}[p.stop]
	counts := o{"billed_units": o{"input_tokens": p.usage.In, "output_tokens": p.usage.Out}, "tokens": o{"input_tokens": p.usage.In, "output_tokens": p.usage.Out}, "cached_tokens": p.usage.Cached}
	m := o{"role": "assistant"}
	var content, calls []any
	emit := func(kind string, index int, message o) {
		v := o{"type": kind, "index": index}
		if message != nil {
			v["delta"] = o{"message": message}
		}
		out = append(out, sse(v))
	}
	out = append(out, sse(o{"type": "message-start", "id": answerID, "delta": o{"message": o{"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{}}}}))
	for _, block := range []struct{ kind, text string }{{"thinking", p.thinking}, {"text", p.text}} {
		if block.text == "" {
			continue
		}
		emit("content-start", len(content), o{"content": o{"type": block.kind, block.kind: ""}})
		for _, s := range fragments(block.text) {
			emit("content-delta", len(content), o{"content": o{block.kind: s}})
		}
		emit("content-end", len(content), nil)
		content = append(content, o{"type": block.kind, block.kind: block.text})
		m["content"] = content
	}
	for i, k := range p.calls {
		call := func(arguments string) o {
			return o{"id": k.id, "type": "function", "function": o{"name": k.name, "arguments": arguments}}
		}
		emit("tool-call-start", i, o{"tool_calls": call("")})
		for _, s := range fragments(k.arguments) {
			emit("tool-call-delta", i, o{"tool_calls": o{"function": o{"arguments": s}}})
		}
		emit("tool-call-end", i, nil)
		calls = append(calls, call(k.arguments))
		m["tool_calls"] = calls
	}
	if !stream {
		return [][]byte{encoded(o{"id": answerID, "message": m, "finish_reason": stop, "usage": counts})}
	}
	return append(out, sse(o{"type": "message-end", "delta": o{"finish_reason": stop, "usage": counts}}))
}

// ollamaAnswer is POST /api/chat. Calls have no ids, as of servers before 2026.
func ollamaAnswer(_ *asked, model string, stream bool, p *play) (out [][]byte) {
	line := func(m o, more o) o {
		m["role"] = "assistant"
		v := o{"model": model, "created_at": "2025-11-24T16:00:00.123456789Z", "message": m, "done": false}
		for name, x := range more {
			v[name] = x
		}
		return v
	}
	end := o{"done": true, "done_reason": map[bool]string{true: "length", false: "stop"}[p.stop == "length"], "total_duration": 12, "load_duration": 1, "prompt_eval_count": p.usage.In, "prompt_eval_duration": 1, "eval_count": p.usage.Out, "eval_duration": 10}
	var calls []any
	for _, k := range p.calls {
		calls = append(calls, o{"function": o{"name": k.name, "arguments": raw(k.arguments)}})
	}
	if !stream {
		m := o{"content": p.text}
		if p.thinking != "" {
			m["thinking"] = p.thinking
		}
		if calls != nil {
			m["tool_calls"] = calls
		}
		return [][]byte{encoded(line(m, end))}
	}
	add := func(m, more o) { out = append(out, append(encoded(line(m, more)), '\n')) }
	for _, s := range fragments(p.thinking) {
		add(o{"content": "", "thinking": s}, nil)
	}
	for _, s := range fragments(p.text) {
		add(o{"content": s}, nil)
	}
	if calls != nil {
		add(o{"content": "", "tool_calls": calls}, nil)
	}
	add(o{"content": ""}, end)
	return out
}

// pdf is a document of one empty page, as good as any here.
var pdf = base64.StdEncoding.EncodeToString([]byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"))
