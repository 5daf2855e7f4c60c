package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// The property: whatever a caller asks for either arrives at the target, or a row of the target's table says that it
// does not. Requests are made at random in each dialect of callers, translated for each target, and the target's body is
// read back by that dialect's own reader of callers' requests, which shares no code with its encoder. Each side is
// broken down into facts, and every fact that differs must have a row that says emulated or dropped. So that the
// property cannot hold for want of cases, every row that says lossless must be seen to hold at least once.

// factRows maps a fact of a request to the rows of the tables that speak of it, in the words of several dialects.
var factRows = map[string][]string{
	"text":                {"messages"},
	"system":              {"system"},
	"name":                {"name"},
	"tools":               {"tools"},
	"strict":              {"strict"},
	"tool_choice":         {"tool_choice"},
	"parallel_tool_calls": {"parallel_tool_calls", "disable_parallel_tool_use"},
	"tool_calls":          {"tool_calls"},
	"tool_result":         {"tool_result"},
	"is_error":            {"is_error"},
	"image":               {"image_url", "image"},
	"detail":              {"detail"},
	"document":            {"document"},
	"filename":            {"filename"},
	"input_audio":         {"input_audio"},
	"thinking_blocks":     {"thinking_blocks"},
	"cache_control":       {"cache_control"},
	"max_tokens":          {"max_tokens", "max_completion_tokens"},
	"temperature":         {"temperature"},
	"top_p":               {"top_p"},
	"top_k":               {"top_k"},
	"stop":                {"stop", "stop_sequences"},
	"stream":              {"stream"},
	"user":                {"user", "user_id", "safety_identifier"},
	"reasoning":           {"reasoning_effort", "thinking", "effort"},
	"response_format":     {"response_format", "format"},
	"n":                   {"n"},
	"seed":                {"seed"},
	"frequency_penalty":   {"frequency_penalty"},
	"presence_penalty":    {"presence_penalty"},
	"logprobs":            {"logprobs", "top_logprobs"},
	"logit_bias":          {"logit_bias"},
	"service_tier":        {"service_tier"},
	"metadata":            {"metadata"},
	"modalities":          {"modalities"},
	"audio":               {"audio"},
	"verbosity":           {"verbosity"},
}

// facts breaks a request down into what it says, by the names of factRows. What is not said has no fact.
func facts(r *dialect.Request) map[string]string {
	f := map[string]string{}
	add := func(name, format string, args ...any) { f[name] += fmt.Sprintf(format, args...) + "\n" }
	integer := func(name string, n *int64) {
		if n != nil {
			add(name, "%d", *n)
		}
	}
	number := func(name string, n *float64) {
		if n != nil {
			add(name, "%g", *n)
		}
	}
	word := func(name, s string) {
		if s != "" {
			add(name, "%s", s)
		}
	}
	var parts func(where string, list []dialect.Part)
	parts = func(where string, list []dialect.Part) {
		for i := range list {
			p := &list[i]
			word("cache_control", string(p.Cache))
			switch p.Kind {
			case dialect.Text, dialect.Refusal:
				add(where, "%s", p.Text)
			case dialect.Image:
				if p.URL != "" {
					add("image", "%s", p.URL) // what it is, whoever fetches it finds out
				} else {
					add("image", "%s %s", p.MediaType, p.Data)
				}
				word("detail", p.Detail)
			case dialect.Document:
				add("document", "%s %s", p.MediaType, p.Data)
				if p.Name != "document.pdf" { // which stands for no name, where a target wants one
					word("filename", p.Name)
				}
			case dialect.Audio:
				add("input_audio", "%s %s", p.MediaType, p.Data)
			case dialect.Thinking:
				add("thinking_blocks", "%s %s", p.Text, p.Signature)
			case dialect.RedactedThinking:
				add("thinking_blocks", "redacted %s", p.Data)
			case dialect.ToolCall:
				add("tool_calls", "%s %s %s", p.ID, p.Name, canonicalJSON([]byte(p.Arguments)))
			case dialect.ToolResult:
				add("tool_result", "%s", p.ID)
				parts("tool_result", p.Content)
				if p.IsError {
					add("is_error", "%s", p.ID)
				}
			}
		}
	}
	parts("system", r.System)
	for _, m := range r.Messages {
		parts("text", m.Parts)
		word("name", m.Name)
	}
	for _, t := range r.Tools {
		add("tools", "%s: %s %s", t.Name, t.Description, canonicalJSON(t.Parameters))
		word("cache_control", string(t.Cache))
		if t.Strict != nil {
			add("strict", "%s %t", t.Name, *t.Strict)
		}
	}
	if len(r.Tools) > 0 { // without tools there is nothing to choose from
		word("tool_choice", strings.TrimSpace(r.ToolChoice.Mode+" "+r.ToolChoice.Name))
		if r.Parallel != nil && !*r.Parallel && r.ToolChoice.Mode != "none" {
			add("parallel_tool_calls", "false")
		}
	}
	integer("max_tokens", r.MaxTokens)
	number("temperature", r.Temperature)
	number("top_p", r.TopP)
	integer("top_k", r.TopK)
	for _, s := range r.Stop {
		add("stop", "%q", s)
	}
	if r.Stream {
		add("stream", "true")
	}
	word("user", r.User)
	word("reasoning", r.Reasoning)
	integer("reasoning", r.ThinkingBudget)
	if g := &r.Format; g.Kind != "" {
		add("response_format", "%s %s %s %s", g.Kind, g.Name, g.Description, canonicalJSON(g.Schema))
		if g.Strict != nil {
			add("response_format", "%t", *g.Strict)
		}
	}
	integer("n", r.Choices)
	integer("seed", r.Seed)
	number("frequency_penalty", r.FrequencyPenalty)
	number("presence_penalty", r.PresencePenalty)
	integer("logprobs", r.Logprobs)
	word("logit_bias", canonicalJSON(r.LogitBias))
	word("service_tier", r.ServiceTier)
	word("metadata", canonicalJSON(r.Metadata))
	word("modalities", strings.Join(r.Modalities, " "))
	if r.Voice != nil {
		add("audio", "%s %s", r.Voice.Name, r.Voice.Format)
	}
	word("verbosity", r.Verbosity)
	return f
}

func canonicalJSON(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "not JSON: " + string(raw)
	}
	return b.String()
}

type object = map[string]any

// maker makes requests of callers.
type maker struct {
	*rand.Rand
	words int
}

func (m *maker) maybe(of int) bool { return m.IntN(of) == 0 }

func (m *maker) word(kind string) string {
	m.words++
	return fmt.Sprintf("%s %d", kind, m.words)
}

func (m *maker) base64() string { return []string{"aGVsbG8=", "d29ybGQh", "Z3djIGdhdGU="}[m.IntN(3)] }

func (m *maker) set(o object, name string, value any) {
	if m.maybe(4) {
		o[name] = value
	}
}

func one[T any](m *maker, of ...T) T { return of[m.IntN(len(of))] }

func (m *maker) stops() []string {
	s := []string{"END", "STOP", "\n\nHuman:", "###", "four", "five"}
	if m.maybe(8) {
		return s
	}
	return s[:1+m.IntN(4)]
}

var weatherSchema = object{"type": "object", "properties": object{"city": object{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false}

func (m *maker) chat() []byte {
	r := object{"model": "m"}
	mark := func(o object) object {
		if m.maybe(6) {
			o["cache_control"] = one(m, object{"type": "ephemeral"}, object{"type": "ephemeral", "ttl": "1h"})
		}
		return o
	}
	text := func(kind string) object { return mark(object{"type": "text", "text": m.word(kind)}) }
	var messages []any
	if m.maybe(2) {
		messages = append(messages, object{"role": one(m, "system", "developer"), "content": one[any](m, m.word("rule"), []any{text("rule")})})
	}
	tools := m.maybe(2)
	for turn := range 1 + m.IntN(3) {
		content := []any{text("question")}
		if m.maybe(4) {
			image := object{"url": one(m, "https://example.com/a.png", "data:image/png;base64,"+m.base64())}
			m.set(image, "detail", "high")
			content = append(content, object{"type": "image_url", "image_url": image})
		}
		if m.maybe(6) {
			content = append(content, object{"type": "file", "file": object{"filename": "a.pdf", "file_data": "data:application/pdf;base64," + m.base64()}})
		}
		if m.maybe(10) {
			content = append(content, object{"type": "input_audio", "input_audio": object{"data": m.base64(), "format": one(m, "wav", "mp3")}})
		}
		user := object{"role": "user", "content": content}
		if len(content) == 1 && m.maybe(2) {
			user["content"] = m.word("question")
		}
		if m.maybe(8) {
			user["name"] = "ann"
		}
		messages = append(messages, user)
		answer := object{"role": "assistant", "content": m.word("answer")}
		if m.maybe(4) {
			answer["thinking_blocks"] = []any{object{"type": "thinking", "thinking": m.word("thought"), "signature": "c2lnbmVk"}}
		}
		if tools && m.maybe(2) {
			id := fmt.Sprintf("call_%d", turn)
			answer["tool_calls"] = []any{object{"id": id, "type": "function", "function": object{"name": "weather", "arguments": `{"city":"Oslo"}`}}}
			result := object{"role": "tool", "tool_call_id": id, "content": m.word("cold")}
			m.set(result, "is_error", true)
			messages = append(messages, answer, result)
			continue
		}
		messages = append(messages, answer)
	}
	r["messages"] = append(messages, object{"role": "user", "content": m.word("question")})
	if tools {
		f := object{"name": "weather", "description": "tells it", "parameters": weatherSchema}
		m.set(f, "strict", true)
		r["tools"] = []any{mark(object{"type": "function", "function": f})}
		m.set(r, "tool_choice", one[any](m, "auto", "none", "required", object{"type": "function", "function": object{"name": "weather"}}))
		m.set(r, "parallel_tool_calls", false)
	}
	m.set(r, one(m, "max_tokens", "max_completion_tokens"), 2000+m.IntN(9000))
	m.set(r, "temperature", one(m, 0.2, 0.7, 1.5))
	m.set(r, "top_p", 0.9)
	m.set(r, "top_k", 40)
	m.set(r, "stop", m.stops())
	m.set(r, "stream", true)
	m.set(r, one(m, "user", "safety_identifier"), m.word("user"))
	m.set(r, "reasoning_effort", one(m, "none", "minimal", "low", "medium", "high", "xhigh", "max"))
	schema := object{"name": "out", "schema": weatherSchema}
	m.set(schema, "strict", true)
	m.set(schema, "description", "what is wanted")
	m.set(r, "response_format", one(m, object{"type": "json_object"}, object{"type": "json_schema", "json_schema": schema}))
	m.set(r, "seed", one(m, 7, 5_000_000_000))
	m.set(r, "frequency_penalty", 0.5)
	m.set(r, "presence_penalty", -0.5)
	m.set(r, "service_tier", one(m, "default", "flex", "priority"))
	m.set(r, "metadata", object{"team": "a"})
	m.set(r, "verbosity", "low")
	if m.maybe(3) { // what many targets refuse: not always, so that all else is seen as well
		m.set(r, "n", 2)
		m.set(r, "logit_bias", object{"5": -100})
		if m.maybe(4) {
			r["logprobs"] = true
			m.set(r, "top_logprobs", 3)
		}
		if m.maybe(4) {
			r["modalities"] = []string{"text", "audio"}
			r["audio"] = object{"voice": "alloy", "format": "wav"}
		}
	}
	return marshal(r)
}

func (m *maker) messages() []byte {
	budget := 1024 + m.IntN(1000)
	r := object{"model": "m", "max_tokens": 2100 + m.IntN(9000)}
	mark := func(o object) object {
		if m.maybe(6) {
			o["cache_control"] = one(m, object{"type": "ephemeral"}, object{"type": "ephemeral", "ttl": "1h"})
		}
		return o
	}
	text := func(kind string) object { return mark(object{"type": "text", "text": m.word(kind)}) }
	picture := func() object {
		return mark(object{"type": "image", "source": one(m, object{"type": "url", "url": "https://example.com/a.png"}, object{"type": "base64", "media_type": "image/png", "data": m.base64()})})
	}
	m.set(r, "system", one[any](m, m.word("rule"), []any{text("rule"), text("rule")}))
	tools := m.maybe(2)
	var messages []any
	var next []any
	for turn := range 1 + m.IntN(3) {
		content := append(next, text("question"))
		next = nil
		if m.maybe(4) {
			content = append(content, picture())
		}
		if m.maybe(6) {
			file := object{"type": "document", "source": object{"type": "base64", "media_type": "application/pdf", "data": m.base64()}}
			m.set(file, "title", "a.pdf")
			content = append(content, mark(file))
		}
		messages = append(messages, object{"role": "user", "content": content})
		var answer []any
		if m.maybe(3) {
			answer = append(answer, object{"type": "thinking", "thinking": m.word("thought"), "signature": "c2lnbmVk"})
		}
		if m.maybe(8) {
			answer = append(answer, object{"type": "redacted_thinking", "data": "c2VhbGVk"})
		}
		answer = append(answer, text("answer"))
		if tools && m.maybe(2) {
			id := fmt.Sprintf("toolu_%d", turn)
			answer = append(answer, mark(object{"type": "tool_use", "id": id, "name": "weather", "input": object{"city": "Oslo"}}))
			said := []any{object{"type": "text", "text": m.word("cold")}}
			if m.maybe(3) {
				said = append(said, picture())
			}
			result := object{"type": "tool_result", "tool_use_id": id, "content": said}
			m.set(result, "is_error", true)
			next = []any{mark(result)}
		}
		messages = append(messages, object{"role": "assistant", "content": answer})
	}
	r["messages"] = append(messages, object{"role": "user", "content": append(next, text("question"))})
	if tools {
		f := object{"name": "weather", "description": "tells it", "input_schema": weatherSchema}
		m.set(f, "strict", true)
		r["tools"] = []any{mark(f)}
		choice := one(m, object{"type": "auto"}, object{"type": "any"}, object{"type": "tool", "name": "weather"})
		m.set(choice, "disable_parallel_tool_use", true)
		m.set(r, "tool_choice", choice)
	}
	m.set(r, "temperature", one(m, 0.2, 0.7, 1))
	m.set(r, "top_p", 0.9)
	m.set(r, "top_k", 40)
	m.set(r, "stop_sequences", m.stops())
	m.set(r, "stream", true)
	m.set(r, "metadata", object{"user_id": m.word("user")})
	m.set(r, "thinking", one(m, object{"type": "enabled", "budget_tokens": budget}, object{"type": "disabled"}))
	output := object{}
	m.set(output, "effort", one(m, "low", "medium", "high", "xhigh", "max"))
	m.set(output, "format", object{"type": "json_schema", "schema": weatherSchema})
	m.set(r, "output_config", output)
	return marshal(r)
}

func (m *maker) contents() []byte {
	r, config := object{}, object{}
	if m.maybe(2) {
		r["systemInstruction"] = object{"parts": []any{object{"text": m.word("rule")}}}
	}
	tools := m.maybe(2)
	var contents, next []any
	for turn := range 1 + m.IntN(3) {
		parts := append(next, object{"text": m.word("question")})
		next = nil
		if m.maybe(4) {
			parts = append(parts, one(m, object{"inlineData": object{"mimeType": "image/png", "data": m.base64()}}, object{"fileData": object{"fileUri": "https://example.com/a.png", "mimeType": "image/png"}}))
		}
		if m.maybe(8) {
			parts = append(parts, object{"inlineData": object{"mimeType": "application/pdf", "data": m.base64()}})
		}
		if m.maybe(12) {
			parts = append(parts, object{"inlineData": object{"mimeType": "audio/wav", "data": m.base64()}})
		}
		contents = append(contents, object{"role": "user", "parts": parts})
		var answer []any
		if m.maybe(3) {
			answer = append(answer, object{"text": m.word("thought"), "thought": true, "thoughtSignature": "c2lnbmVk"})
		}
		answer = append(answer, object{"text": m.word("answer")})
		if tools && m.maybe(2) {
			id := fmt.Sprintf("call_%d", turn)
			answer = append(answer, object{"functionCall": object{"id": id, "name": "weather", "args": object{"city": "Oslo"}}})
			next = []any{object{"functionResponse": object{"id": id, "name": "weather", "response": object{one(m, "output", "error"): m.word("cold")}}}}
		}
		contents = append(contents, object{"role": "model", "parts": answer})
	}
	r["contents"] = append(contents, object{"role": "user", "parts": append(next, object{"text": m.word("question")})})
	if tools {
		r["tools"] = []any{object{"functionDeclarations": []any{object{"name": "weather", "description": "tells it", "parametersJsonSchema": weatherSchema}}}}
		choice := object{"mode": one(m, "AUTO", "ANY", "NONE")}
		if choice["mode"] == "ANY" && m.maybe(2) {
			choice["allowedFunctionNames"] = []string{"weather"}
		}
		m.set(r, "toolConfig", object{"functionCallingConfig": choice})
	}
	m.set(config, "maxOutputTokens", 2000+m.IntN(9000))
	m.set(config, "temperature", one(m, 0.2, 1.5))
	m.set(config, "topP", 0.9)
	m.set(config, "topK", 40)
	m.set(config, "stopSequences", m.stops()[:1])
	m.set(config, "seed", 7)
	m.set(config, "frequencyPenalty", 0.5)
	m.set(config, "presencePenalty", -0.5)
	if m.maybe(3) {
		m.set(config, "candidateCount", 2)
		if m.maybe(3) {
			config["responseLogprobs"], config["logprobs"] = true, 3
		}
	}
	if m.maybe(3) {
		config["responseMimeType"] = "application/json"
		m.set(config, "responseJsonSchema", weatherSchema)
	}
	m.set(config, "thinkingConfig", one(m, object{"thinkingBudget": 2048}, object{"thinkingLevel": "LOW"}))
	r["generationConfig"] = config
	m.set(r, "serviceTier", one(m, "flex", "priority"))
	m.set(r, "labels", object{"team": "a"})
	return marshal(r)
}

func marshal(o object) []byte {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // of what the maker makes everything is JSON
	}
	return raw
}

type readFunc = func([]byte) (*dialect.Request, *dialect.Error)

var lossCallers = []struct {
	name string
	make func(*maker) []byte
	read readFunc
}{
	{"openai-chat", (*maker).chat, openaichat.DecodeRequest},
	{"anthropic-messages", (*maker).messages, anthropic.DecodeRequest},
	{"gemini", (*maker).contents, gemini.DecodeRequest},
}

var lossTargets = []struct {
	name    string
	table   dialect.Losses
	models  []string
	encode  dialect.EncodeFunc
	read    readFunc
	outside []string // rows of what is not in the body
}{
	{"openai", openaichat.LossTable, []string{"gpt-4.1", "gpt-5"}, openaichat.EncodeRequest, openaichat.DecodeRequest, []string{"model"}},
	{"anthropic", anthropic.LossTable, []string{"claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-opus-4-6"}, anthropic.EncodeRequest, anthropic.DecodeRequest, []string{"model", "include_usage"}},
	{"gemini", gemini.LossTable, []string{"gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro-preview"}, gemini.EncodeRequest, gemini.DecodeRequest, []string{"model", "stream", "include_usage", "document_url"}},
}

// checkLosses translates one request made from a seed for each target, and notes in held the facts that arrived.
func checkLosses(t *testing.T, seed uint64, held map[string]map[string]bool) {
	for _, from := range lossCallers {
		m := &maker{Rand: rand.New(rand.NewPCG(seed, 4))}
		body := from.make(m)
		r, derr := from.read(body)
		if derr != nil {
			t.Fatalf("%s, seed %d: the maker's request is refused: %s: %s\n%s", from.name, seed, derr.Param, derr.Message, body)
		}
		asked := facts(r)
		for _, to := range lossTargets {
			model := to.models[m.IntN(len(to.models))]
			sent, derr := to.encode(nil, r, &dialect.Target{Model: model, MaxTokens: 0})
			if derr != nil {
				field := derr.Param
				if asked["input_audio"] != "" && strings.HasPrefix(field, "messages[") {
					field = "input_audio" // which is refused by its place
				}
				if to.table.Of(field).Fate != dialect.Rejected && derr.Code != "too_many_stop_sequences" && derr.Code != "unsupported_value" {
					t.Errorf("%s → %s (%s), seed %d: '%s' is refused, and its row says %s: %s", from.name, to.name, model, seed, derr.Param, to.table.Of(derr.Param).Fate, derr.Message)
				}
				continue
			}
			back, derr := to.read(sent)
			if to.name == "gemini" && back != nil {
				back.Stream = r.Stream // which stands in the path
			}
			if derr != nil {
				t.Errorf("%s → %s (%s), seed %d: the target cannot read what it gets: %s: %s\n%s", from.name, to.name, model, seed, derr.Param, derr.Message, sent)
				continue
			}
			arrived := facts(back)
			for name, want := range asked {
				if arrived[name] == want {
					held[to.name][name] = true
					continue
				}
				if !mayDiffer(to.table, name) {
					t.Errorf("%s → %s (%s), seed %d: a loss of %s that is in no row, mismatch (-asked +arrived):\n%s", from.name, to.name, model, seed, name, cmp.Diff(want, arrived[name]))
				}
			}
		}
	}
}

// mayDiffer tells whether a row admits that a fact does not arrive as it was.
func mayDiffer(table dialect.Losses, fact string) bool {
	return slices.ContainsFunc(table, func(l dialect.Loss) bool {
		return slices.Contains(factRows[fact], l.Field) && (l.Fate == dialect.Emulated || l.Fate == dialect.Dropped)
	})
}

func emptyHeld() map[string]map[string]bool {
	held := map[string]map[string]bool{}
	for _, to := range lossTargets {
		held[to.name] = map[string]bool{}
	}
	return held
}

func TestNothingIsLostThatIsNotInTheTable(t *testing.T) {
	held := emptyHeld()
	for seed := range uint64(300) {
		if checkLosses(t, seed, held); t.Failed() && seed > 20 {
			return
		}
	}
	for _, to := range lossTargets {
		for _, row := range to.table {
			if row.Fate != dialect.Lossless || slices.Contains(to.outside, row.Field) {
				continue
			}
			seen := false
			for fact, rows := range factRows {
				seen = seen || slices.Contains(rows, row.Field) && held[to.name][fact]
			}
			if !seen {
				t.Errorf("%s: the row of %s says lossless, and no request showed it", to.name, row.Field)
			}
		}
	}
}

func FuzzLosses(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkLosses(t, seed, emptyHeld()) })
}
