package dialect_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// The property: whatever a caller asks for either arrives at the target, or the table of that pair says that it does not.
// Requests are made at random in each dialect of callers, translated for each target, and the target's body is read back: by
// that dialect's own reader of callers' requests, which shares no code with its encoder, or by a reading that was written
// for this test. Each side is broken down into facts by the neutral fields, and
//
//   - a fact that arrives otherwise has a row that says emulated or dropped; one that does not arrive at all has a row that
//     says dropped, or emulated with words to that effect; what was said in the conversation arrives always;
//   - what is dropped is named by the gateway among the losses of that request;
//   - what is refused has a row that says rejected, or emulated with words to that effect.
//
// So that the property cannot hold for want of cases, and rows do not outlive what they speak of, every row of every target
// must be seen to be true: lossless ones by a fact that arrives, the others by one that does not.

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
	var calls []string
	ids := map[string]string{} // what an id is made of is nobody's business, what it pairs is
	id := func(s string) string {
		if ids[s] == "" {
			ids[s] = fmt.Sprintf("#%d", len(ids)+1)
		}
		return ids[s]
	}
	var parts func(where string, list []dialect.Part)
	parts = func(where string, list []dialect.Part) {
		for i := range list {
			p := &list[i]
			word("cache_control", string(p.Cache))
			switch p.Kind {
			case dialect.Text, dialect.Refusal:
				// Where a text ends and the next begins is nothing that a model is asked, nor is white space between them.
				if text := strings.Join(strings.Fields(p.Text), " "); text != "" && !strings.HasPrefix(text, "From the result of the tool call ") {
					add(where, "%s", text)
				}
			case dialect.Image:
				if p.URL != "" {
					add("image", "%s", p.URL) // what it is, whoever fetches it finds out
				} else {
					add("image", "%s %s", p.MediaType, p.Data)
				}
				if p.Detail != "auto" {
					word("detail", p.Detail)
				}
			case dialect.Document:
				if p.URL != "" {
					add("document_url", "%s", p.URL)
				} else {
					add("document", "%s %s", p.MediaType, p.Data)
				}
				if p.Name != "document.pdf" { // which stands for no name, where a target wants one
					word("filename", p.Name)
				}
			case dialect.Audio:
				if p.URL != "" {
					add("audio_url", "%s", p.URL)
				} else {
					add("input_audio", "%s %s", p.MediaType, p.Data)
				}
			case dialect.Thinking:
				add("thinking_blocks", "%s %s", p.Text, p.Signature)
			case dialect.RedactedThinking:
				add("thinking_blocks", "redacted %s", p.Data)
			case dialect.ToolCall:
				calls = append(calls, fmt.Sprintf("call %s %s %s", id(p.ID), p.Name, canonicalJSON([]byte(p.Arguments))))
			case dialect.ToolResult:
				add("messages", "result %s", id(p.ID))
				parts("messages", p.Content)
				if p.IsError {
					add("is_error", "%s", id(p.ID))
				}
			}
		}
	}
	var rules []string
	for i := range r.System {
		rules = append(rules, strings.Fields(r.System[i].Text)...)
		word("cache_control", string(r.System[i].Cache))
	}
	word("system", strings.Join(rules, " "))
	role := dialect.Role(255)
	for _, m := range r.Messages {
		if r := m.Role; r == dialect.Assistant != (role == dialect.Assistant) || role == 255 {
			role = r
			add("messages", "%s:", map[bool]string{true: "assistant", false: "user"}[r == dialect.Assistant])
		}
		results := slices.Clone(m.Parts)
		slices.SortStableFunc(results, func(a, b dialect.Part) int { // what a turn begins with in every dialect
			first := func(p dialect.Part) int { return map[bool]int{true: 0, false: 1}[p.Kind == dialect.ToolResult] }
			return first(a) - first(b)
		})
		parts("messages", results)
		for _, c := range calls {
			add("messages", "%s", c)
		}
		calls = nil
		word("name", m.Name)
	}
	for _, t := range r.Tools {
		add("tools", "%s: %s %s", t.Name, t.Description, canonicalJSON(t.Parameters))
		word("cache_control", string(t.Cache))
		if t.Strict != nil && *t.Strict {
			add("strict", "%s", t.Name)
		}
	}
	if len(r.Tools) > 0 { // without tools there is nothing to choose from
		if r.ToolChoice.Mode != "auto" { // which is what happens anyway
			word("tool_choice", strings.TrimSpace(r.ToolChoice.Mode+" "+r.ToolChoice.Name))
		}
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
	if r.ThinkingBudget == nil {
		word("reasoning_effort", r.Reasoning)
	}
	integer("thinking", r.ThinkingBudget)
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
	if r.ServiceTier != "default" { // which is what happens anyway
		word("service_tier", r.ServiceTier)
	}
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
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return "not JSON: " + string(raw)
	}
	sorted, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(sorted)
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
		if m.maybe(12) {
			answer["content"], answer["refusal"] = nil, m.word("refusal")
		}
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
		list := []any{mark(object{"type": "function", "function": f})}
		if m.maybe(4) {
			list = append(list, object{"type": "function", "function": object{"name": "time", "parameters": object{"type": "object", "properties": object{}}}})
		}
		r["tools"] = list
		m.set(r, "tool_choice", one[any](m, "auto", "none", "required", object{"type": "function", "function": object{"name": "weather"}}))
		m.set(r, "parallel_tool_calls", false)
	}
	m.set(r, one(m, "max_tokens", "max_completion_tokens"), one(m, 8, 2000+m.IntN(9000)))
	m.set(r, "temperature", one(m, 0.2, 0.7, 1.5))
	m.set(r, "top_p", one(m, 0.9, 0.001))
	m.set(r, "top_k", one(m, 40, 600))
	m.set(r, "stop", m.stops())
	m.set(r, "stream", true)
	m.set(r, one(m, "user", "safety_identifier"), m.word(one(m, "user", "Zoë")))
	m.set(r, "reasoning_effort", one(m, "none", "minimal", "low", "medium", "high", "xhigh", "max"))
	schema := object{"name": "out", "schema": weatherSchema}
	m.set(schema, "strict", true)
	m.set(schema, "description", "what is wanted")
	m.set(r, "response_format", one(m, object{"type": "json_object"}, object{"type": "json_schema", "json_schema": schema}))
	m.set(r, "seed", one(m, 7, 5_000_000_000))
	m.set(r, "frequency_penalty", one(m, 0.5, -1))
	m.set(r, "presence_penalty", -0.5)
	m.set(r, "service_tier", one(m, "default", "flex", "priority", "scale"))
	m.set(r, "metadata", one(m, object{"team": "a"}, object{"team": "a|b"}))
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
			file := object{"type": "document", "source": one(m, object{"type": "base64", "media_type": "application/pdf", "data": m.base64()}, object{"type": "url", "url": "https://example.com/a.pdf"})}
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
	m.set(r, "top_p", one(m, 0.9, 0.001))
	m.set(r, "top_k", one(m, 40, 600))
	m.set(r, "stop_sequences", m.stops())
	m.set(r, "stream", true)
	m.set(r, "metadata", object{"user_id": m.word(one(m, "user", "Zoë"))})
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
			parts = append(parts, one(m, object{"inlineData": object{"mimeType": "audio/wav", "data": m.base64()}}, object{"fileData": object{"mimeType": "audio/wav", "fileUri": "https://example.com/a.wav"}}))
		}
		if m.maybe(12) {
			parts = append(parts, object{"fileData": object{"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf", "displayName": "a.pdf"}})
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
	if m.maybe(12) {
		config["responseModalities"] = []string{"TEXT", "IMAGE"}
	}
	if m.maybe(12) {
		config["speechConfig"] = object{"voiceConfig": object{"prebuiltVoiceConfig": object{"voiceName": "Kore"}}}
	}
	m.set(config, "thinkingConfig", one(m, object{"thinkingBudget": 2048}, object{"thinkingLevel": "LOW"}))
	r["generationConfig"] = config
	m.set(r, "serviceTier", one(m, "flex", "priority"))
	m.set(r, "labels", object{"team": "a"})
	return marshal(r)
}

func (m *maker) responses() []byte {
	r := object{"model": "m"}
	mark := func(o object) object {
		if m.maybe(8) {
			o["prompt_cache_breakpoint"] = object{"type": "ephemeral"}
		}
		return o
	}
	text := func(kind string) object { return mark(object{"type": "input_text", "text": m.word(kind)}) }
	m.set(r, "instructions", m.word("rule"))
	tools := m.maybe(2)
	var input []any
	if m.maybe(3) {
		input = append(input, object{"role": one(m, "system", "developer"), "content": one[any](m, m.word("rule"), []any{text("rule")})})
	}
	picture := func() object {
		image := object{"type": "input_image", "image_url": one(m, "https://example.com/a.png", "data:image/png;base64,"+m.base64())}
		m.set(image, "detail", "high")
		return mark(image)
	}
	for turn := range 1 + m.IntN(3) {
		content := []any{text("question")}
		if m.maybe(4) {
			content = append(content, picture())
		}
		if m.maybe(6) {
			file := object{"type": "input_file", "file_data": "data:application/pdf;base64," + m.base64()}
			if m.set(file, "filename", "a.pdf"); m.maybe(3) {
				file = object{"type": "input_file", "file_url": "https://example.com/a.pdf"}
			}
			content = append(content, mark(file))
		}
		input = append(input, object{"type": "message", "role": "user", "content": content})
		if m.maybe(4) {
			input = append(input, object{"type": "reasoning", "id": fmt.Sprintf("rs_%d", turn), "summary": []any{object{"type": "summary_text", "text": m.word("thought")}}, "encrypted_content": one(m, "c2VhbGVk", "gwc1:anthropic:c2VhbGVk")})
		}
		input = append(input, object{"type": "message", "role": "assistant", "content": []any{one(m, object{"type": "output_text", "text": m.word("answer")}, object{"type": "refusal", "refusal": m.word("refusal")})}})
		if tools && m.maybe(2) {
			for n := range 1 + m.IntN(2) {
				id := fmt.Sprintf("call_%d_%d", turn, n)
				input = append(input, object{"type": "function_call", "call_id": id, "name": "weather", "arguments": `{"city":"Oslo"}`})
			}
			for n := range len(input) {
				if call, ok := input[n].(object); ok && call["type"] == "function_call" && strings.HasPrefix(call["call_id"].(string), fmt.Sprintf("call_%d_", turn)) {
					said := []any{object{"type": "input_text", "text": m.word("cold")}}
					if m.maybe(4) {
						said = append(said, picture())
					}
					input = append(input, object{"type": "function_call_output", "call_id": call["call_id"], "output": one[any](m, m.word("cold"), said)})
				}
			}
		}
	}
	r["input"] = append(input, object{"role": "user", "content": m.word("question")})
	if tools {
		f := object{"type": "function", "name": "weather", "description": "tells it", "parameters": weatherSchema}
		m.set(f, "strict", true)
		r["tools"] = []any{f}
		m.set(r, "tool_choice", one[any](m, "auto", "none", "required", object{"type": "function", "name": "weather"}))
		m.set(r, "parallel_tool_calls", false)
	}
	m.set(r, "max_output_tokens", 2000+m.IntN(9000))
	m.set(r, "temperature", one(m, 0.2, 0.7, 1.5))
	m.set(r, "top_p", one(m, 0.9, 0.001))
	m.set(r, "stream", true)
	m.set(r, one(m, "user", "safety_identifier"), m.word(one(m, "user", "Zoë")))
	m.set(r, "reasoning", object{"effort": one(m, "none", "minimal", "low", "medium", "high", "xhigh", "max"), "summary": "auto"})
	schema := object{"type": "json_schema", "name": "out", "schema": weatherSchema}
	m.set(schema, "strict", true)
	m.set(schema, "description", "what is wanted")
	form := object{}
	m.set(form, "format", one(m, object{"type": "json_object"}, schema))
	m.set(form, "verbosity", "low")
	m.set(r, "text", form)
	m.set(r, "service_tier", one(m, "default", "flex", "priority", "scale"))
	m.set(r, "metadata", one(m, object{"team": "a"}, object{"team": "a|b"}))
	if m.maybe(8) {
		r["include"] = []string{"message.output_text.logprobs", "reasoning.encrypted_content"}
		m.set(r, "top_logprobs", 3)
	}
	return marshal(r)
}

func (m *maker) completion() []byte {
	r := object{"model": "m", "prompt": one[any](m, m.word("question"), []any{m.word("question")})}
	m.set(r, "max_tokens", 2000+m.IntN(9000))
	m.set(r, "temperature", one(m, 0.2, 0.7, 1.5))
	m.set(r, "top_p", one(m, 0.9, 0.001))
	m.set(r, "stop", m.stops())
	m.set(r, "stream", true)
	m.set(r, "user", m.word("user"))
	m.set(r, "seed", one(m, 7, 5_000_000_000))
	m.set(r, "frequency_penalty", one(m, 0.5, -1))
	m.set(r, "presence_penalty", -0.5)
	if m.maybe(3) {
		m.set(r, "n", 2)
		m.set(r, "logit_bias", object{"5": -100})
	}
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
	name    string
	words   dialect.Words
	reading dialect.Losses // what the dialect's own reader makes of its words
	make    func(*maker) []byte
	read    readFunc
	same    string // the target whose dialect it is, who gets the caller's own bytes
}{
	{"openai-chat", openaichat.Words, nil, (*maker).chat, openaichat.DecodeRequest, "openai"},
	{"openai-responses", openairesponses.Words, openairesponses.CallerTable, (*maker).responses, openairesponses.DecodeRequest, "openai with responses"},
	{"openai-completions", openaicompletions.Words, openaicompletions.CallerTable, (*maker).completion, openaicompletions.DecodeRequest, ""},
	{"anthropic-messages", anthropic.Words, nil, (*maker).messages, anthropic.DecodeRequest, "anthropic"},
	{"gemini", gemini.Words, gemini.CallerTable, (*maker).contents, gemini.DecodeRequest, "gemini"},
}

type lossTarget struct {
	name    string
	table   dialect.Losses // for the first of models, where they differ
	models  []string
	encode  dialect.EncodeFunc
	read    readFunc
	outside []string // rows of what is not in the body
	vendor  *vendor.Row
}

// lossTargets are the dialects that providers are asked in. Azure and Vertex are asked as OpenAI, Gemini and Anthropic are;
// vendors of OpenAI's dialect come on top, each by its row.
func lossTargets() (all []lossTarget) {
	all = []lossTarget{
		{"openai", openaichat.LossTable, []string{"gpt-4.1", "gpt-5"}, openaichat.EncodeRequest, openaichat.DecodeRequest, []string{"model", "include_usage", "name"}, nil}, // no other callers have names
		{"openai with responses", openairesponses.LossTable, []string{"gpt-4.1", "gpt-5"}, openairesponses.EncodeRequest, openairesponses.DecodeRequest, []string{"model", "include_usage"}, nil},
		{"anthropic", anthropic.LossTable, []string{"claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-opus-4-6"}, anthropic.EncodeRequest, anthropic.DecodeRequest, []string{"model", "include_usage"}, nil},
		{"gemini", gemini.LossTable, []string{"gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro-preview"}, gemini.EncodeRequest, gemini.DecodeRequest, []string{"model", "stream", "include_usage", "audio_url"}, nil}, // no other callers give sounds by address
		{"bedrock", bedrock.LossTable, []string{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-opus-4-6-v1", "amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "meta.llama3-3-70b-instruct-v1:0"}, bedrock.EncodeRequest, readConverseRequest, []string{"model", "stream", "include_usage"}, nil},
		{"cohere", cohere.LossTable, []string{"command-a-03-2025", "command-a-reasoning-08-2025"}, cohere.EncodeRequest, readCohereRequest, []string{"model", "include_usage"}, nil},
		{"ollama", ollama.LossTable, []string{"llama3.3", "gpt-oss:20b"}, ollama.EncodeRequest, readOllamaRequest, []string{"model", "include_usage"}, nil},
	}
	for _, row := range append(vendor.All(), *vendor.Mistral(), *vendor.Unknown()) {
		models := []string{"a-model", "openai/gpt-oss-120b"}
		for _, m := range row.Models {
			models = append(models, slices.Concat(m.Names, m.Prefixes)...)
		}
		all = append(all, lossTarget{"vendor " + row.Name, openaichat.LossTable, models, func(dst []byte, r *dialect.Request, to *dialect.Target) ([]byte, *dialect.Error) {
			body, err := openaichat.EncodeRequest(nil, r, to)
			if err != nil {
				return dst, err
			}
			return openaichat.Adapt(dst, body, &row, to.Model)
		}, nil, []string{"model", "include_usage"}, &row})
	}
	return all
}

// passedThrough is the vendor as callers of its dialect see it: their bytes arrive, but for what its row says.
func (to *lossTarget) passedThrough(body []byte) *lossTarget {
	p := *to
	p.table = nil
	p.encode = func(dst []byte, r *dialect.Request, target *dialect.Target) ([]byte, *dialect.Error) {
		return openaichat.Adapt(dst, body, to.vendor, target.Model)
	}
	return &p
}

// tableFor is the table by which a model of the target is asked.
func (to *lossTarget) tableFor(model string) dialect.Losses {
	if to.vendor == nil {
		return to.table
	}
	table := openaichat.VendorTable(to.vendor, model)
	if to.table == nil {
		table = openaichat.VendorLosses(to.vendor, model)
		for _, w := range openaichat.Words { // what the row does not mention stays as it is
			if !slices.ContainsFunc(table, func(l dialect.Loss) bool { return l.Field == w.Field || l.Field == w.Is }) {
				table = append(table, dialect.Loss{Field: w.Field, Fate: dialect.Lossless, Why: "same"})
			}
		}
	}
	return table
}

// seen is what the property has met: the neutral fields that arrived at a target, and those that did not.
type seen struct {
	pairs, requests int
	held, lost      map[string]bool // target + " " + field
}

// admits tells whether the words of a row say that something may not arrive, or may be refused.
func admits(why string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(why, w) })
}

var (
	wordsOfAbsence = []string{"left out", "dropped", "lost", "cannot", "no equal"}
	wordsOfRefusal = []string{"refuse", "at most", "no equal", "cannot"}
)

// checkLosses translates one request made from a seed for each target.
func checkLosses(t *testing.T, seed uint64, targets []lossTarget, met *seen) {
	for _, from := range lossCallers {
		m := &maker{Rand: rand.New(rand.NewPCG(seed, 4))}
		body := from.make(m)
		r, derr := from.read(body)
		if derr != nil {
			t.Fatalf("%s, seed %d: the maker's request is refused: %s: %s\n%s", from.name, seed, derr.Param, derr.Message, body)
		}
		if len(r.Unsupported) > 0 {
			t.Fatalf("%s, seed %d: the maker's request holds %v\n%s", from.name, seed, r.Unsupported, body)
		}
		met.requests++
		asked := facts(r)
		for i := range targets {
			to := &targets[i]
			if to.name == from.same {
				continue
			}
			if from.same == "openai" && to.vendor != nil {
				to = to.passedThrough(body)
			}
			model := to.models[m.IntN(len(to.models))]
			met.pairs++
			checkPair(t, fmt.Sprintf("%s → %s (%s), seed %d", from.name, to.name, model, seed), r, asked, to, model, dialect.Between(from.words, from.reading, to.tableFor(model)), from.words, met)
		}
	}
}

// rowFor is the row of a pair's table that speaks of a neutral field.
func rowFor(words dialect.Words, pair dialect.Losses, field string, r *dialect.Request) (row dialect.Loss, ok bool) {
	for n, w := range words {
		if w.Is == field && (!ok || row.Fate == dialect.Lossless) {
			row, ok = pair[n], true
		}
	}
	return row, ok
}

// fieldAt is the neutral field that a refusal is about: by its name, or by what stands at its place in the conversation.
func fieldAt(e *dialect.Error, r *dialect.Request) string {
	name := e.Param[strings.LastIndexByte(e.Param, '.')+1:]
	if field := dialect.Neutrally(name); field != "" && !strings.HasPrefix(e.Param, "messages") {
		return field
	}
	for _, p := range strings.Split(e.Param, ".") {
		if field := dialect.Neutrally(p); field != "" && field != "messages" {
			return field
		}
	}
	kinds := map[dialect.PartKind]string{dialect.Image: "image", dialect.Document: "document", dialect.Audio: "input_audio"}
	for i := range r.Messages {
		m := &r.Messages[i]
		for j := range m.Parts {
			at := []*dialect.Part{&m.Parts[j]}
			for k := range m.Parts[j].Content {
				at = append(at, &m.Parts[j].Content[k])
			}
			for _, p := range at {
				switch field := kinds[p.Kind]; {
				case field == "" || dialect.PartPlace(m, p) != e.Param && !strings.HasPrefix(e.Param, dialect.PartPlace(m, p)+"."):
				case p.URL != "" && p.Kind == dialect.Document:
					return "document_url"
				case p.URL != "" && p.Kind == dialect.Audio:
					return "audio_url"
				default:
					return field
				}
			}
		}
	}
	return e.Param
}

func checkPair(t *testing.T, name string, r *dialect.Request, asked map[string]string, to *lossTarget, model string, pair dialect.Losses, words dialect.Words, met *seen) {
	t.Helper()
	target := &dialect.Target{Model: model, Vendor: to.vendor}
	sent, lost, derr := to.tableFor(model).Encode(to.encode, nil, r, target, false)
	if derr != nil {
		field := fieldAt(derr, r)
		row, ok := rowFor(words, pair, field, r)
		if !ok || row.Fate != dialect.Rejected && !(row.Fate == dialect.Emulated && admits(row.Why, wordsOfRefusal...)) {
			t.Errorf("%s: '%s' is refused, and the row of %s says %s, %s: %s", name, derr.Param, field, row.Fate, row.Why, derr.Message)
		}
		if met.lost[to.name+" "+field] = true; strings.HasPrefix(field, "document") {
			met.lost[to.name+" filename"] = true
		}
		return
	}
	read := to.read
	if to.vendor != nil {
		read = readVendor(to.vendor, model)
	}
	back, derr := read(sent)
	if derr != nil {
		t.Errorf("%s: the target cannot read what it gets: %s: %s\n%s", name, derr.Param, derr.Message, sent)
		return
	}
	if slices.Contains(to.outside, "stream") {
		back.Stream = r.Stream
	}
	arrived := facts(back)
	for field, want := range asked {
		got := arrived[field]
		if field == "thinking" && got == "" {
			got = arrived["reasoning_effort"] // an effort instead of a budget
		}
		if got == want {
			met.held[to.name+" "+field] = true
			continue
		}
		met.lost[to.name+" "+field] = true
		diff := func() string { return cmp.Diff(want, got) }
		row, ok := rowFor(words, pair, field, r)
		switch {
		case !ok:
			t.Errorf("%s: a loss of %s, for which the caller's dialect has no word, mismatch (-asked +arrived):\n%s", name, field, diff())
		case field == "messages", field == "system":
			t.Errorf("%s: the conversation arrives otherwise, mismatch (-asked +arrived):\n%s\n%s", name, diff(), sent)
		case row.Fate == dialect.Lossless, row.Fate == dialect.Rejected:
			t.Errorf("%s: a loss of %s, whose row says %s, mismatch (-asked +arrived):\n%s", name, field, row.Fate, diff())
		case row.Fate == dialect.Dropped && got != "":
			t.Errorf("%s: the row of %s says dropped, mismatch (-asked +arrived):\n%s", name, field, diff())
		case row.Fate == dialect.Emulated && got == "" && !admits(row.Why, wordsOfAbsence...):
			t.Errorf("%s: %s does not arrive, and its row says emulated: %s", name, field, row.Why)
		case row.Fate == dialect.Dropped && to.table != nil && !slices.ContainsFunc(lost, func(f string) bool { return dialect.Neutrally(f) == field }):
			t.Errorf("%s: %s is dropped, and the losses that are told are %v", name, field, lost)
		}
	}
	for _, name2 := range lost {
		if field := dialect.Neutrally(name2); to.table != nil && arrived[field] != "" && arrived[field] == asked[field] {
			t.Errorf("%s: %s is told as lost, and arrives", name, name2)
		}
	}
}

func newSeen() *seen { return &seen{held: map[string]bool{}, lost: map[string]bool{}} }

func TestNothingIsLostThatIsNotInTheTable(t *testing.T) {
	met := newSeen()
	targets := lossTargets()
	const vendors = 6 // at a time: they differ little
	dialects := slices.IndexFunc(targets, func(to lossTarget) bool { return to.vendor != nil })
	for seed := range uint64(400) {
		some := slices.Clone(targets[:dialects])
		for k := range vendors {
			some = append(some, targets[dialects+(int(seed)*vendors+k)%(len(targets)-dialects)])
		}
		if checkLosses(t, seed, some, met); t.Failed() && seed > 20 {
			return
		}
	}
	for _, to := range targets[:dialects] {
		for _, row := range to.table {
			field := dialect.Neutrally(row.Field)
			if field == "" || slices.Contains(to.outside, row.Field) || field == "messages" || field == "system" {
				continue // what one dialect alone has is another test's
			}
			if row.Fate == dialect.Lossless && !met.held[to.name+" "+field] {
				t.Errorf("%s: the row of %s says lossless, and no request showed it", to.name, row.Field)
			}
			if row.Fate != dialect.Lossless && !strings.HasSuffix(row.Why, "is not told") /* by the answer */ && !met.lost[to.name+" "+field] {
				t.Errorf("%s: the row of %s says %s (%s), and no request showed it", to.name, row.Field, row.Fate, row.Why)
			}
		}
	}
	t.Logf("%d conversations in %d dialects, %d translations to %d targets", met.requests, len(lossCallers), met.pairs, len(targets))
}

// TestEveryWordHasARowAtEveryTarget: tables are complete for what callers can say, and no row stands twice.
func TestEveryWordHasARowAtEveryTarget(t *testing.T) {
	for _, to := range lossTargets() {
		rows := map[string]bool{}
		for _, row := range to.table {
			if rows[row.Field] || row.Why == "" {
				t.Errorf("%s: %q stands twice or has no reason", to.name, row.Field)
			}
			rows[row.Field] = true
		}
		for _, from := range lossCallers {
			if to.name == from.same || from.same == "openai" && to.vendor != nil {
				continue // the caller's own bytes
			}
			for n, row := range dialect.Between(from.words, from.reading, to.table) {
				if w := from.words[n]; row.Why == "" || row.Why == "not a field of the API" || row.Field != w.Field {
					t.Errorf("%s → %s: '%s' (%s) has no row", from.name, to.name, w.Field, w.Is)
				}
			}
		}
	}
}

func FuzzLosses(f *testing.F) {
	f.Add(uint64(1))
	targets := lossTargets()
	f.Fuzz(func(t *testing.T, seed uint64) { checkLosses(t, seed, targets, newSeen()) })
}

// TestWhatOneDialectAloneHasIsRefusedOrTold: what has no place in the neutral model never arrives, so that at every target
// it is refused, and left out by name where losses are accepted; or left out by name.
func TestWhatOneDialectAloneHasIsRefusedOrTold(t *testing.T) {
	n := 0
	for _, to := range lossTargets() {
		for _, from := range lossCallers {
			if to.name == from.same || from.same == "openai" && to.vendor != nil {
				continue
			}
			table := to.tableFor(to.models[0])
			pair := dialect.Between(from.words, from.reading, table)
			for i, w := range from.words {
				if w.Is != "" {
					continue
				}
				n++
				for _, accept := range []bool{false, true} {
					r := &dialect.Request{Model: "m", Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: "x", At: -1}}}}, Unsupported: []string{"somewhere[0]." + w.Field}}
					_, lost, err := table.Encode(to.encode, nil, r, &dialect.Target{Model: to.models[0], Vendor: to.vendor}, accept)
					told := slices.Contains(lost, w.Field)
					switch {
					case pair[i].Fate == dialect.Rejected && !accept && err != nil && strings.HasSuffix(err.Param, w.Field):
					case pair[i].Fate == dialect.Rejected && accept && err == nil && told:
					case pair[i].Fate == dialect.Dropped && err == nil && told:
					default:
						t.Errorf("%s → %s: '%s' is %s (%s); with losses accepted %v it gives %+v, and %v is told", from.name, to.name, w.Field, pair[i].Fate, pair[i].Why, accept, err, lost)
					}
				}
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d words of one dialect alone were tried", n)
	}
}
