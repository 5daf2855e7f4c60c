package mock

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// vendors registers the servers that are neither OpenAI's nor Anthropic's. Their requests are read strictly in their own
// form, turned into OpenAI's, judged as OpenAI judges them, and answered in their own form again.
func (h *Handler) vendors(serves func(kind string) bool) {
	if serves(Compatible) {
		h.mux.HandleFunc("POST /compatible/v1/chat/completions", h.provide(openAI{}, h.compatibleChat))
	}
	if serves(Azure) {
		h.mux.HandleFunc("POST /openai/deployments/{deployment}/chat/completions", h.provide(azure{}, h.azureChat))
		h.mux.HandleFunc("POST /openai/v1/chat/completions", h.provide(azure{}, h.azureChat))
		h.mux.HandleFunc("POST /openai/deployments/{deployment}/embeddings", h.provide(azure{}, h.embeddings))
	}
	if serves(Cohere) {
		h.mux.HandleFunc("POST /v2/chat", h.provide(cohere{}, h.cohereChat))
		h.mux.HandleFunc("POST /v2/embed", h.provide(cohere{}, h.cohereEmbed))
	}
	if serves(Bedrock) {
		h.mux.HandleFunc("POST /model/{model}/converse", h.provide(bedrock{key: h.o.Key}, h.bedrockChat(false)))
		h.mux.HandleFunc("POST /model/{model}/converse-stream", h.provide(bedrock{key: h.o.Key}, h.bedrockChat(true)))
	}
	if serves(Ollama) {
		h.mux.HandleFunc("POST /api/chat", h.provide(ollama{}, h.ollamaChat))
		h.mux.HandleFunc("POST /api/embed", h.provide(ollama{}, h.ollamaEmbed))
	}
}

// compatibleChat is a server that speaks an old and strict form of Chat Completions, as DeepSeek's does: the limit of
// output is max_tokens, there is no role "developer" and no schema for answers, and one choice.
func (h *Handler) compatibleChat(p *player, body []byte) *refusal {
	var q openAIRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return openAIUnreadable(err)
	}
	switch {
	case q.MaxCompletionTokens != nil:
		return invalid("max_completion_tokens", "", "Unknown parameter: 'max_completion_tokens'.")
	case q.ResponseFormat != nil && q.ResponseFormat.Type == "json_schema":
		return invalid("response_format", "", "This response_format type is unavailable now")
	case q.N != nil:
		return invalid("n", "", "Unknown parameter: 'n'.")
	case q.Store != nil || len(q.Metadata) > 0 || len(q.LogitBias) > 0:
		return invalid("", "", "Unknown parameter: 'store', 'metadata' or 'logit_bias'.")
	}
	for i, m := range q.Messages {
		if m.Role == "developer" {
			return invalid(fmt.Sprintf("messages[%d].role", i), "", "Failed to deserialize the JSON body into the target type: messages[%d].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`", i)
		}
		if m.Refusal != nil || len(m.Annotations) > 0 {
			return invalid(fmt.Sprintf("messages[%d]", i), "", "messages[%d]: unknown field", i)
		}
	}
	return h.answerOpenAI(p, &q, body, Compatible, nil)
}

// answerOpenAI answers in OpenAI's form. first, where it is not nil, is the stream's first event.
func (h *Handler) answerOpenAI(p *player, q *openAIRequest, body []byte, kind string, first []byte) *refusal {
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	if !h.exists(kind, q.Model) {
		return noModel(OpenAI, q.Model)
	}
	w := openAIWriter{answer: compose(c, h.o.Chunks), model: q.Model, created: h.o.Now().Unix(), choices: 1}
	if q.Stream == nil || !*q.Stream {
		p.respond(200, w.body())
		return nil
	}
	events := w.events(q.StreamOptions != nil && q.StreamOptions.IncludeUsage)
	if first != nil {
		events = append([][]byte{first}, events...)
	}
	p.stream(events)
	return nil
}

// azure is OpenAI's dialect behind Azure's paths and credentials.
type azure struct{ openAI }

func (azure) credential(r *http.Request) (string, *refusal) {
	if key := r.Header.Get("Api-Key"); key != "" {
		return key, nil
	}
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && key != "" {
		return key, nil
	}
	return "", &refusal{status: 401, typ: "invalid_request_error", code: "401", message: "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."}
}

func (h *Handler) azureChat(p *player, body []byte) *refusal {
	var q openAIRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return openAIUnreadable(err)
	}
	if deployment := p.r.PathValue("deployment"); deployment != "" {
		if p.r.URL.Query().Get("api-version") == "" {
			return &refusal{status: 404, typ: "invalid_request_error", code: "404", message: "Resource not found"}
		}
		q.Model = deployment
	}
	return h.answerOpenAI(p, &q, body, Azure, []byte(`data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`+"\n\n"))
}

// cohere is version 2 of Cohere's API (docs.cohere.com/reference/chat).
type cohere struct{ openAI }

func (cohere) headers(h http.Header, id string, _ int) {
	h.Set("Content-Type", "application/json")
	h.Set("X-Debug-Trace-Id", id)
}

func (cohere) refuse(b *refusal) []byte {
	return mustJSON(struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}{"00000000-0000-4000-8000-000000000000", b.message})
}

func (cohere) midstream() []byte {
	return []byte("event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"The server had an error while it answered\"}}\n\n")
}

// cohereRequest has every field that the API documents; another one is refused, as the API refuses it.
type cohereRequest struct {
	Model    string `json:"model"`
	Stream   bool   `json:"stream"`
	Messages []struct {
		Role       string           `json:"role"`
		Content    cohereContent    `json:"content"`
		ToolPlan   string           `json:"tool_plan"`
		ToolCalls  []openAIToolCall `json:"tool_calls"`
		ToolCallID *string          `json:"tool_call_id"`
		Citations  jsontext.Value   `json:"citations"`
	} `json:"messages"`
	Tools          []openAITool   `json:"tools"`
	ToolChoice     string         `json:"tool_choice"`
	StrictTools    *bool          `json:"strict_tools"`
	Documents      jsontext.Value `json:"documents"`
	CitationOption jsontext.Value `json:"citation_options"`
	ResponseFormat *struct {
		Type   string         `json:"type"`
		Schema jsontext.Value `json:"json_schema"`
	} `json:"response_format"`
	SafetyMode       *string  `json:"safety_mode"`
	MaxTokens        *int     `json:"max_tokens"`
	StopSequences    []string `json:"stop_sequences"`
	Temperature      *float64 `json:"temperature"`
	Seed             *int64   `json:"seed"`
	FrequencyPenalty *float64 `json:"frequency_penalty"`
	PresencePenalty  *float64 `json:"presence_penalty"`
	K                *int     `json:"k"`
	P                *float64 `json:"p"`
	Logprobs         *bool    `json:"logprobs"`
	Thinking         *struct {
		Type        string `json:"type"`
		TokenBudget *int   `json:"token_budget"`
	} `json:"thinking"`
	Priority *int `json:"priority"`
}

// cohereContent is a string or a list of parts, thinking included.
type cohereContent struct {
	openAIContent
}

func (c *cohereContent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' {
		return c.openAIContent.UnmarshalJSONFrom(dec)
	}
	var parts []struct {
		openAIPart
		Thinking *string `json:"thinking"`
	}
	if err := json.UnmarshalDecode(dec, &parts); err != nil {
		return err
	}
	c.parts = []openAIPart{}
	for _, p := range parts {
		if p.Type != "thinking" {
			c.parts = append(c.parts, p.openAIPart)
		}
	}
	return nil
}

// cohereChat is POST /v2/chat.
func (h *Handler) cohereChat(p *player, body []byte) *refusal {
	var in cohereRequest
	if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
		return &refusal{status: 422, message: "invalid request: " + openAIUnreadable(err).message}
	}
	if in.P != nil && (*in.P < 0.01 || *in.P > 0.99) {
		return &refusal{status: 400, message: "invalid request: p must be between 0.01 and 0.99 inclusive."}
	}
	q := openAIRequest{Model: in.Model, MaxTokens: in.MaxTokens, Temperature: in.Temperature, TopP: in.P}
	for _, m := range in.Messages {
		o := openAIMessage{Role: m.Role, Content: m.Content.openAIContent, ToolCalls: m.ToolCalls, ToolCallID: m.ToolCallID}
		if len(m.ToolCalls) > 0 {
			o.Content = openAIContent{}
			if m.ToolPlan != "" {
				o.Content.text = &m.ToolPlan
			}
		} else if m.ToolPlan != "" {
			return &refusal{status: 400, message: "invalid request: tool_plan stands beside tool_calls alone."}
		}
		q.Messages = append(q.Messages, o)
	}
	q.Tools = in.Tools
	switch in.ToolChoice {
	case "":
	case "REQUIRED", "NONE":
		q.ToolChoice = mustJSON(strings.ToLower(in.ToolChoice))
	default:
		return &refusal{status: 400, message: "invalid request: tool_choice must be one of REQUIRED, NONE."}
	}
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	c.stops = in.StopSequences
	if f := in.ResponseFormat; f != nil && f.Type == "json_object" {
		if c.schema = object(f.Schema); c.schema == nil {
			c.schema = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
		}
	}
	c.thinking = in.Thinking != nil && in.Thinking.Type == "enabled"
	if !h.exists(Cohere, in.Model) {
		return &refusal{status: 404, message: fmt.Sprintf("model '%s' not found, make sure the correct model ID was used and that you have access to the model.", in.Model)}
	}
	a := compose(c, h.o.Chunks)
	if in.Stream {
		p.stream(cohereEvents(a))
		return nil
	}
	p.respond(200, cohereBody(a))
	return nil
}

type cohereUsage struct {
	Billed cohereTokens `json:"billed_units"`
	Tokens cohereTokens `json:"tokens"`
}

type cohereTokens struct {
	Input  int `json:"input_tokens"`
	Output int `json:"output_tokens"`
}

// cohereCounts bills half of what was read: what the provider itself adds to a prompt is free.
func cohereCounts(a *answer) cohereUsage {
	return cohereUsage{cohereTokens{(a.input + 1) / 2, a.output}, cohereTokens{a.input, a.output}}
}

func cohereFinish(a *answer) string {
	return map[string]string{"stop": "COMPLETE", "stop_sequence": "STOP_SEQUENCE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}[a.stop]
}

func cohereBody(a *answer) []byte {
	type part struct {
		Type     string `json:"type"`
		Text     string `json:"text,omitempty"`
		Thinking string `json:"thinking,omitempty"`
	}
	type message struct {
		Role      string           `json:"role"`
		Content   []part           `json:"content,omitempty"`
		ToolCalls []map[string]any `json:"tool_calls,omitempty"`
	}
	m := message{Role: "assistant"}
	if a.thinking != nil {
		m.Content = append(m.Content, part{Type: "thinking", Thinking: strings.Join(a.thinking, "")})
	}
	if a.calls == nil {
		m.Content = append(m.Content, part{Type: "text", Text: a.text()})
	}
	for _, k := range a.calls {
		m.ToolCalls = append(m.ToolCalls, map[string]any{"id": k.name + "_" + k.id, "type": "function", "function": map[string]any{"name": k.name, "arguments": k.arguments}})
	}
	return mustJSON(struct {
		ID      string      `json:"id"`
		Message message     `json:"message"`
		Finish  string      `json:"finish_reason"`
		Usage   cohereUsage `json:"usage"`
	}{a.id, m, cohereFinish(a), cohereCounts(a)})
}

func cohereEvents(a *answer) (out [][]byte) {
	emit := func(kind string, v map[string]any) {
		v["type"] = kind
		out = append(out, fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, mustJSON(v)))
	}
	message := func(name string, v any) map[string]any {
		return map[string]any{"message": map[string]any{name: v}}
	}
	emit("message-start", map[string]any{"id": a.id, "delta": map[string]any{"message": map[string]any{"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{}}}})
	block := 0
	for _, run := range []struct {
		kind   string
		pieces []string
	}{{"thinking", a.thinking}, {"text", a.pieces}} {
		if len(run.pieces) == 0 {
			continue
		}
		emit("content-start", map[string]any{"index": block, "delta": message("content", map[string]any{"type": run.kind, run.kind: ""})})
		for _, piece := range run.pieces {
			emit("content-delta", map[string]any{"index": block, "delta": message("content", map[string]any{run.kind: piece})})
		}
		emit("content-end", map[string]any{"index": block})
		block++
	}
	for n, k := range a.calls {
		emit("tool-call-start", map[string]any{"index": n, "delta": message("tool_calls", map[string]any{"id": k.name + "_" + k.id, "type": "function", "function": map[string]any{"name": k.name, "arguments": ""}})})
		for _, fragment := range pieces(k.arguments) {
			emit("tool-call-delta", map[string]any{"index": n, "delta": message("tool_calls", map[string]any{"function": map[string]any{"arguments": fragment}})})
		}
		emit("tool-call-end", map[string]any{"index": n})
	}
	emit("message-end", map[string]any{"delta": map[string]any{"finish_reason": cohereFinish(a), "usage": cohereCounts(a)}})
	return append(out, []byte("data: [DONE]\n\n"))
}

// ollama is the API of Ollama (docs/api.md of ollama/ollama). It wants no credentials.
type ollama struct{}

func (ollama) credential(*http.Request) (string, *refusal) { return "", nil }

func (ollama) headers(h http.Header, _ string, _ int) {
	h.Set("Content-Type", "application/json; charset=utf-8")
}

func (ollama) refuse(b *refusal) []byte {
	return mustJSON(struct {
		Error string `json:"error"`
	}{b.message})
}

func (ollama) midstream() []byte {
	return []byte(`{"error":"an error was encountered while running the model: The server had an error"}` + "\n")
}

type ollamaRequest struct {
	Model    string `json:"model"`
	Stream   *bool  `json:"stream"`
	Messages []struct {
		Role      string   `json:"role"`
		Content   string   `json:"content"`
		Thinking  string   `json:"thinking"`
		Images    []string `json:"images"`
		ToolCalls []struct {
			ID       string `json:"id"`
			Function struct {
				Index     *int           `json:"index"`
				Name      string         `json:"name"`
				Arguments map[string]any `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
		ToolName   string `json:"tool_name"`
		ToolCallID string `json:"tool_call_id"`
	} `json:"messages"`
	Tools       []openAITool   `json:"tools"`
	Format      jsontext.Value `json:"format"`
	Think       jsontext.Value `json:"think"`
	KeepAlive   jsontext.Value `json:"keep_alive"`
	Logprobs    bool           `json:"logprobs"`
	TopLogprobs int            `json:"top_logprobs"`
	Options     struct {
		NumPredict       *int     `json:"num_predict"`
		NumCtx           *int     `json:"num_ctx"`
		Seed             *int64   `json:"seed"`
		TopK             *int     `json:"top_k"`
		TopP             *float64 `json:"top_p"`
		Temperature      *float64 `json:"temperature"`
		FrequencyPenalty *float64 `json:"frequency_penalty"`
		PresencePenalty  *float64 `json:"presence_penalty"`
		Stop             []string `json:"stop"`
	} `json:"options"`
}

// ollamaChat is POST /api/chat.
func (h *Handler) ollamaChat(p *player, body []byte) *refusal {
	var in ollamaRequest
	if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
		return &refusal{status: 400, message: openAIUnreadable(err).message}
	}
	q := openAIRequest{Model: in.Model, MaxTokens: in.Options.NumPredict, Temperature: in.Options.Temperature, TopP: in.Options.TopP, Tools: in.Tools}
	for i, m := range in.Messages {
		o := openAIMessage{Role: m.Role, Content: openAIContent{text: &m.Content}}
		if len(m.Images) > 0 {
			o.Content = openAIContent{parts: []openAIPart{{Type: "text", Text: &m.Content}}}
			for _, data := range m.Images {
				raw, err := base64.StdEncoding.DecodeString(data)
				if err != nil {
					return &refusal{status: 400, message: fmt.Sprintf("illegal base64 data in messages[%d].images", i)}
				}
				part := openAIPart{Type: "image_url"}
				part.ImageURL = &struct {
					URL    string `json:"url"`
					Detail string `json:"detail"`
				}{URL: "data:" + http.DetectContentType(raw) + ";base64," + data}
				o.Content.parts = append(o.Content.parts, part)
			}
		}
		for n, k := range m.ToolCalls {
			if k.ID == "" {
				k.ID = fmt.Sprintf("call_%d_%d", i, n)
			}
			call := openAIToolCall{ID: k.ID, Type: "function"}
			call.Function.Name, call.Function.Arguments = k.Function.Name, string(mustJSON(k.Function.Arguments))
			o.ToolCalls = append(o.ToolCalls, call)
		}
		if m.Role == "tool" {
			if m.ToolName == "" {
				return &refusal{status: 400, message: fmt.Sprintf("messages[%d] lacks tool_name", i)}
			}
			o.ToolCallID = &m.ToolCallID
		}
		q.Messages = append(q.Messages, o)
	}
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	c.stops = in.Options.Stop
	if f := string(in.Format); f == `"json"` {
		c.schema = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
	} else if len(f) > 2 {
		c.schema = object(in.Format)
	}
	c.thinking = len(in.Think) > 0 && string(in.Think) != "false"
	if !h.exists(Ollama, in.Model) {
		return &refusal{status: 404, message: fmt.Sprintf("model '%s' not found", in.Model)}
	}
	a := compose(c, h.o.Chunks)
	w := ollamaWriter{a, in.Model, h.o.Now().UTC().Format(time.RFC3339Nano)}
	if in.Stream != nil && !*in.Stream {
		p.respond(200, w.last(strings.Join(a.thinking, ""), a.text(), a.calls))
		return nil
	}
	p.mediaType = "application/x-ndjson"
	p.stream(w.lines())
	return nil
}

type ollamaWriter struct {
	*answer
	model, created string
}

type ollamaMessage struct {
	Role      string           `json:"role"`
	Content   string           `json:"content"`
	Thinking  string           `json:"thinking,omitempty"`
	ToolCalls []map[string]any `json:"tool_calls,omitempty"`
}

// message writes calls without ids, as servers before 2026 do.
func (w *ollamaWriter) message(thinking, text string, calls []call) ollamaMessage {
	m := ollamaMessage{Role: "assistant", Content: text, Thinking: thinking}
	for _, k := range calls {
		m.ToolCalls = append(m.ToolCalls, map[string]any{"function": map[string]any{"name": k.name, "arguments": object([]byte(k.arguments))}})
	}
	return m
}

func (w *ollamaWriter) lines() (out [][]byte) {
	line := func(m ollamaMessage) {
		out = append(out, append(mustJSON(map[string]any{"model": w.model, "created_at": w.created, "message": m, "done": false}), '\n'))
	}
	for _, piece := range w.thinking {
		line(w.message(piece, "", nil))
	}
	for _, piece := range w.pieces {
		line(w.message("", piece, nil))
	}
	if w.calls != nil {
		line(w.message("", "", w.calls)) // all of them at once
	}
	return append(out, append(w.last("", "", nil), '\n'))
}

func (w *ollamaWriter) last(thinking, text string, calls []call) []byte {
	reason := "stop"
	if w.stop == "length" {
		reason = "length"
	}
	return mustJSON(map[string]any{"model": w.model, "created_at": w.created, "message": w.message(thinking, text, calls), "done": true, "done_reason": reason,
		"total_duration": 12000000, "load_duration": 1000000, "prompt_eval_count": w.input, "prompt_eval_duration": 1000000, "eval_count": w.output, "eval_duration": 10000000})
}
