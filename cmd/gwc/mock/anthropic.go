package mock

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// anthropic is the Anthropic Messages dialect (docs.anthropic.com/en/api/messages).
type anthropic struct{}

func (anthropic) credential(r *http.Request) (string, *refusal) {
	key := r.Header.Get("X-Api-Key")
	if key == "" {
		key, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if key == "" {
		return "", &refusal{status: 401, typ: "authentication_error", message: "x-api-key header is required"}
	}
	if r.Header.Get("Anthropic-Version") == "" {
		return "", &refusal{status: 400, typ: "invalid_request_error", message: "anthropic-version: header is required"}
	}
	return key, nil
}

func (anthropic) headers(h http.Header, id string, status int) {
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", id)
	h.Set("Anthropic-Organization-Id", "00000000-0000-4000-8000-000000000000")
	h.Set("Anthropic-Ratelimit-Requests-Limit", "4000")
	remaining := "3999"
	if status == http.StatusTooManyRequests {
		remaining = "0"
	}
	h.Set("Anthropic-Ratelimit-Requests-Remaining", remaining)
}

// refuse uses the error types that the API documents for each status.
func (anthropic) refuse(b *refusal) []byte {
	typ := b.typ
	switch b.status {
	case 400:
		typ = "invalid_request_error"
	case 401:
		typ = "authentication_error"
	case 403:
		typ = "permission_error"
	case 404:
		typ = "not_found_error"
	case 413:
		typ = "request_too_large"
	case 429:
		typ = "rate_limit_error"
	case 529:
		typ = "overloaded_error"
	default:
		if b.status >= 500 {
			typ = "api_error"
		}
	}
	return mustJSON(struct {
		Type  string         `json:"type"`
		Error anthropicError `json:"error"`
	}{"error", anthropicError{typ, b.message}})
}

func (anthropic) midstream() []byte {
	return []byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")
}

type anthropicError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// anthropicRequest has every field that the API documents; another one is refused, as the API refuses it.
type anthropicRequest struct {
	Model         string             `json:"model"`
	Messages      []anthropicMessage `json:"messages"`
	System        anthropicContent   `json:"system"`
	MaxTokens     *int               `json:"max_tokens"`
	StopSequences []string           `json:"stop_sequences"`
	Stream        *bool              `json:"stream"`
	Temperature   *float64           `json:"temperature"`
	TopP          *float64           `json:"top_p"`
	TopK          *int               `json:"top_k"`
	Tools         []anthropicTool    `json:"tools"`
	ToolChoice    *struct {
		Type                   string `json:"type"`
		Name                   string `json:"name"`
		DisableParallelToolUse bool   `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	Thinking *struct {
		Type         string `json:"type"`
		BudgetTokens int    `json:"budget_tokens"`
		Display      string `json:"display"`
	} `json:"thinking"`
	Metadata *struct {
		UserID *string `json:"user_id"`
	} `json:"metadata"`
	OutputConfig *struct {
		Effort string `json:"effort"`
		Format *struct {
			Type   string         `json:"type"`
			Schema jsontext.Value `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`

	ServiceTier  *string        `json:"service_tier"`
	Container    jsontext.Value `json:"container"`
	CacheControl *anthropicMark `json:"cache_control"`
	InferenceGeo *string        `json:"inference_geo"`
}

type anthropicMessage struct {
	Role    string           `json:"role"`
	Content anthropicContent `json:"content"`
}

type anthropicMark struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type anthropicTool struct {
	Type                *string        `json:"type"`
	Name                string         `json:"name"`
	Description         *string        `json:"description"`
	InputSchema         jsontext.Value `json:"input_schema"`
	CacheControl        *anthropicMark `json:"cache_control"`
	Strict              *bool          `json:"strict"`
	EagerInputStreaming *bool          `json:"eager_input_streaming"`
}

// anthropicContent is a string or a list of blocks.
type anthropicContent struct {
	text   *string
	blocks []anthropicBlock
}

// anthropicBlock is every block in one; check says which fields each type has.
type anthropicBlock struct {
	Type         string            `json:"type"`
	Text         *string           `json:"text"`
	Source       *anthropicSource  `json:"source"`
	ID           *string           `json:"id"`
	Name         *string           `json:"name"`
	Input        jsontext.Value    `json:"input"`
	ToolUseID    *string           `json:"tool_use_id"`
	Content      *anthropicContent `json:"content"`
	IsError      *bool             `json:"is_error"`
	Thinking     *string           `json:"thinking"`
	Signature    *string           `json:"signature"`
	Data         *string           `json:"data"`
	CacheControl *anthropicMark    `json:"cache_control"`
	Citations    jsontext.Value    `json:"citations"`
	Title        *string           `json:"title"`
	Context      *string           `json:"context"`
}

type anthropicSource struct {
	Type      string  `json:"type"`
	MediaType *string `json:"media_type"`
	Data      *string `json:"data"`
	URL       *string `json:"url"`
}

func (c *anthropicContent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"':
		c.text = new(string)
		return json.UnmarshalDecode(dec, c.text)
	case '[':
		return json.UnmarshalDecode(dec, &c.blocks)
	}
	//lint:ignore ST1005 these are the provider's own words
	return errors.New("Input should be a valid list")
}

// list gives the blocks of a content, a string being one block of text.
func (c *anthropicContent) list() []anthropicBlock {
	if c.text != nil {
		return []anthropicBlock{{Type: "text", Text: c.text}}
	}
	return c.blocks
}

var (
	anthropicToolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	anthropicID       = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

// anthropicMessages is POST /v1/messages.
func (h *Handler) anthropicMessages(p *player, body []byte) *refusal {
	var q anthropicRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return anthropicUnreadable(err)
	}
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	if !h.exists(Anthropic, q.Model) {
		return noModel(Anthropic, q.Model)
	}
	a := compose(c, h.o.Chunks)
	if c.cacheable > 0 {
		c.cacheable = min(c.cacheable, a.input)
		if h.prompts.touch(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%v", q.Model, c.system, c.cacheable, c.tools)) {
			a.cacheRead = c.cacheable
		} else {
			a.cacheWrite = c.cacheable
		}
	}
	w := anthropicWriter{answer: a, model: q.Model}
	if q.Stream != nil && *q.Stream {
		p.stream(w.events())
		return nil
	}
	p.respond(200, w.body())
	return nil
}

func anthropicUnreadable(err error) *refusal {
	var se *json.SemanticError
	if !errors.As(err, &se) {
		return wrong("The request body is not valid JSON: %v", err)
	}
	at := dotted(se.JSONPointer, ".%s")
	if errors.Is(err, json.ErrUnknownName) {
		return wrong("%s: Extra inputs are not permitted", at)
	}
	return wrong("%s: Input should be of another type than %s", at, kindName(se.JSONKind))
}

func wrong(format string, args ...any) *refusal {
	return &refusal{status: 400, typ: "invalid_request_error", message: fmt.Sprintf(format, args...)}
}

// chat checks the request as the API does and reduces it.
func (q *anthropicRequest) chat(body []byte) (*chat, *refusal) {
	c := &chat{model: q.Model, choice: "auto", parallel: true, stops: q.StopSequences, seed: sha256.Sum256(body)}
	switch {
	case q.Model == "":
		return nil, wrong("model: Field required")
	case q.MaxTokens == nil:
		return nil, wrong("max_tokens: Field required")
	case *q.MaxTokens < 1:
		return nil, wrong("max_tokens: Input should be greater than or equal to 1")
	case q.Messages == nil:
		return nil, wrong("messages: Field required")
	case len(q.Messages) == 0:
		return nil, wrong("messages: at least one message is required")
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return nil, wrong("temperature: range: 0..1")
	case q.TopP != nil && (*q.TopP < 0 || *q.TopP > 1):
		return nil, wrong("top_p: range: 0..1")
	}
	c.maxTokens = *q.MaxTokens
	for _, s := range q.StopSequences {
		if strings.TrimSpace(s) == "" {
			return nil, wrong("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	if t := q.Thinking; t != nil {
		switch t.Type {
		case "disabled", "adaptive":
			c.thinking = t.Type == "adaptive"
		case "enabled":
			c.thinking = true
			if t.BudgetTokens < 1024 {
				return nil, wrong("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
			}
			if t.BudgetTokens >= c.maxTokens {
				return nil, wrong("`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size")
			}
			if q.Temperature != nil && *q.Temperature != 1 {
				return nil, wrong("`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important-considerations-when-using-extended-thinking")
			}
		default:
			return nil, wrong("thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'", t.Type)
		}
	}
	for i, b := range q.System.list() {
		if b.Type != "text" || b.Text == nil {
			return nil, wrong("system.%d.type: Input should be 'text'", i)
		}
		if *b.Text == "" && q.System.text == nil {
			return nil, wrong("system: text content blocks must be non-empty")
		}
		if c.system != "" {
			c.system += "\n"
		}
		c.system += *b.Text
		if b.CacheControl != nil {
			c.cacheable = len(pieces(c.system))
		}
	}
	if bad := q.tools(c); bad != nil {
		return nil, bad
	}
	if q.OutputConfig != nil && q.OutputConfig.Format != nil {
		if q.OutputConfig.Format.Type != "json_schema" {
			return nil, wrong("output_config.format.type: Input should be 'json_schema'")
		}
		if c.schema = object(q.OutputConfig.Format.Schema); c.schema == nil {
			return nil, wrong("output_config.format.schema: Field required")
		}
	}
	if bad := q.conversation(c); bad != nil {
		return nil, bad
	}
	return c, nil
}

func (q *anthropicRequest) tools(c *chat) *refusal {
	names := map[string]bool{}
	for i, t := range q.Tools {
		if t.Type != nil && *t.Type != "custom" {
			return wrong("tools.%d: Input tag '%s' found using 'type' does not match any of the expected tags of this mock: 'custom'", i, *t.Type)
		}
		at := fmt.Sprintf("tools.%d.custom", i)
		if !anthropicToolName.MatchString(t.Name) {
			return wrong("%s.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", at)
		}
		if names[t.Name] {
			return wrong("tools: Tool names must be unique.")
		}
		names[t.Name] = true
		schema := object(t.InputSchema)
		switch {
		case len(t.InputSchema) == 0:
			return wrong("%s.input_schema: Field required", at)
		case schema == nil:
			return wrong("%s.input_schema: Input should be a valid dictionary", at)
		case schema["type"] == nil:
			return wrong("%s.input_schema.type: Field required", at)
		case schema["type"] != "object":
			return wrong("%s.input_schema.type: Input should be 'object'", at)
		}
		u := tool{name: t.Name, schema: schema, size: len(t.Name) + len(t.InputSchema)}
		if t.Description != nil {
			u.description = *t.Description
			u.size += len(u.description)
		}
		c.tools = append(c.tools, u)
	}
	if q.ToolChoice == nil {
		return nil
	}
	k := q.ToolChoice
	if len(q.Tools) == 0 {
		return wrong("tool_choice: tool_choice may only be specified while providing tools")
	}
	c.parallel = !k.DisableParallelToolUse
	switch k.Type {
	case "auto", "none":
		c.choice = k.Type
	case "any":
		c.choice = "required"
	case "tool":
		c.choice, c.choiceName = "tool", k.Name
		if !names[k.Name] {
			return wrong("tool_choice.tool.name: Tool '%s' not found in provided tools", k.Name)
		}
	default:
		return wrong("tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'", k.Type)
	}
	if c.thinking && (c.choice == "required" || c.choice == "tool") {
		return wrong("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// conversation checks the turns. It is stricter than the API in one thing: neighbours of one role, which the API
// joins, are refused, because a translation that leaves them is a translation that did not think of turns.
func (q *anthropicRequest) conversation(c *chat) *refusal {
	var open []string // tool uses of the turn before
	sofar := len(pieces(c.system))
	for i, m := range q.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			if m.Role == "system" {
				return wrong("messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter, not \"system\" as an input message role.")
			}
			return wrong("messages.%d.role: Input should be 'user' or 'assistant'", i)
		}
		if i == 0 && m.Role != "user" {
			return wrong("messages: first message must use the \"user\" role")
		}
		if i > 0 && q.Messages[i-1].Role == m.Role {
			return wrong("messages: roles must alternate between \"user\" and \"assistant\", but found multiple %q roles in a row", m.Role)
		}
		if m.Content.text == nil && m.Content.blocks == nil {
			return wrong("messages.%d.content: Field required", i)
		}
		last := i == len(q.Messages)-1
		blocks := m.Content.list()
		if len(blocks) == 0 || m.Content.text != nil && *m.Content.text == "" {
			if !(last && m.Role == "assistant") {
				return wrong("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
			}
		}
		t := turn{role: m.Role}
		var uses []string
		answered := map[string]bool{}
		for k, b := range blocks {
			at := fmt.Sprintf("messages.%d.content.%d", i, k)
			switch b.Type {
			case "text":
				if b.Text == nil {
					return wrong("%s.text.text: Field required", at)
				}
				if *b.Text == "" && m.Content.text == nil {
					return wrong("messages: text content blocks must be non-empty")
				}
				if t.text != "" {
					t.text += "\n"
				}
				t.text += *b.Text
				sofar += len(pieces(*b.Text))
			case "image":
				d, bad := b.image(at)
				if bad != nil {
					return bad
				}
				if m.Role != "user" {
					return wrong("%s: image blocks are only permitted in user messages", at)
				}
				t.images = append(t.images, d)
				sofar += 85
			case "document":
				t.text += "[document]"
			case "tool_use":
				if m.Role != "assistant" {
					return wrong("messages.%d: `tool_use` blocks can only be in `assistant` messages", i)
				}
				if b.ID == nil || !anthropicID.MatchString(*b.ID) {
					return wrong("%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
				}
				if slices.Contains(uses, *b.ID) {
					return wrong("messages.%d: `tool_use` ids must be unique", i)
				}
				if b.Name == nil || !anthropicToolName.MatchString(*b.Name) {
					return wrong("%s.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", at)
				}
				if b.Input.Kind() != '{' {
					return wrong("%s.tool_use.input: Input should be a valid dictionary", at)
				}
				uses = append(uses, *b.ID)
				t.calls = append(t.calls, call{*b.ID, *b.Name, string(b.Input)})
				sofar += len(pieces(string(b.Input)))
			case "tool_result":
				r, bad := b.result(at)
				if bad != nil {
					return bad
				}
				if m.Role != "user" || !slices.Contains(open, r.id) || answered[r.id] {
					return wrong("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", at, r.id)
				}
				if k > 0 && blocks[k-1].Type != "tool_result" {
					return wrong("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, r.id)
				}
				answered[r.id] = true
				t.results = append(t.results, r)
				sofar += len(pieces(r.text))
			case "thinking":
				if m.Role != "assistant" || b.Thinking == nil || b.Signature == nil {
					return wrong("%s.thinking.signature: Field required", at)
				}
				if *b.Signature != thinkingSignature {
					return wrong("%s: Invalid `signature` in `thinking` block", at)
				}
			case "redacted_thinking":
				if b.Data == nil {
					return wrong("%s.redacted_thinking.data: Field required", at)
				}
			default:
				return wrong("%s: Input tag '%s' found using 'type' does not match any of the expected tags: 'document', 'image', 'redacted_thinking', 'text', 'thinking', 'tool_result', 'tool_use'", at, b.Type)
			}
			if b.CacheControl != nil {
				if b.CacheControl.Type != "ephemeral" {
					return wrong("%s.cache_control.type: Input should be 'ephemeral'", at)
				}
				c.cacheable = sofar
			}
		}
		for _, id := range open {
			if !answered[id] {
				return wrong("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i-1, id)
			}
		}
		open = uses
		if last && m.Role == "assistant" {
			if len(uses) > 0 {
				return wrong("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", i, uses[0])
			}
			if strings.TrimRight(t.text, " \n\t") != t.text {
				return wrong("messages: final assistant content cannot end with trailing whitespace")
			}
		}
		c.turns = append(c.turns, t)
	}
	return nil
}

func (b *anthropicBlock) image(at string) (string, *refusal) {
	s := b.Source
	if s == nil {
		return "", wrong("%s.image.source: Field required", at)
	}
	switch s.Type {
	case "base64":
		if s.MediaType == nil || !slices.Contains(imageTypes, *s.MediaType) {
			return "", wrong("%s.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'", at)
		}
		if s.Data == nil {
			return "", wrong("%s.image.source.base64.data: Field required", at)
		}
		d, ok := imageData(*s.MediaType, *s.Data)
		if !ok {
			return "", wrong("%s.image.source.base64: invalid base64 data", at)
		}
		return d, nil
	case "url":
		if s.URL == nil || !strings.HasPrefix(*s.URL, "https://") && !strings.HasPrefix(*s.URL, "http://") {
			return "", wrong("%s.image.source.url.url: Only HTTPS URLs are supported.", at)
		}
		return *s.URL, nil
	}
	return "", wrong("%s.image.source: Input tag '%s' found using 'type' does not match any of the expected tags: 'base64', 'file', 'url'", at, s.Type)
}

func (b *anthropicBlock) result(at string) (result, *refusal) {
	if b.ToolUseID == nil {
		return result{}, wrong("%s.tool_result.tool_use_id: Field required", at)
	}
	r := result{id: *b.ToolUseID, failed: b.IsError != nil && *b.IsError}
	if b.Content == nil {
		return r, nil
	}
	for k, sub := range b.Content.list() {
		here := fmt.Sprintf("%s.tool_result.content.%d", at, k)
		switch {
		case sub.Type == "text" && sub.Text != nil:
			r.text += *sub.Text
		case sub.Type == "image":
			if _, bad := sub.image(here); bad != nil {
				return r, bad
			}
			r.images++
		case sub.Type == "document":
			r.text += "[document]"
		default:
			return r, wrong("%s: Input tag '%s' found using 'type' does not match any of the expected tags: 'document', 'image', 'text'", here, sub.Type)
		}
	}
	return r, nil
}

// thinkingSignature signs every thought of the mock; a thought that comes back with another one was tampered with.
var thinkingSignature = base64.StdEncoding.EncodeToString([]byte("mock: this thought came back unchanged"))

// anthropicWriter writes an answer in this dialect.
type anthropicWriter struct {
	*answer
	model string
}

type anthropicUsage struct {
	InputTokens   int `json:"input_tokens"`
	CacheCreation int `json:"cache_creation_input_tokens"`
	CacheRead     int `json:"cache_read_input_tokens"`
	Creation      struct {
		FiveMinutes int `json:"ephemeral_5m_input_tokens"`
		OneHour     int `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	OutputTokens int    `json:"output_tokens"`
	ServiceTier  string `json:"service_tier"`
}

// usage counts in this dialect's convention: input_tokens is what was neither read from nor written to the cache.
func (w *anthropicWriter) usage(output int) anthropicUsage {
	u := anthropicUsage{InputTokens: w.input - w.cacheRead - w.cacheWrite, CacheCreation: w.cacheWrite, CacheRead: w.cacheRead, OutputTokens: output, ServiceTier: "standard"}
	u.Creation.FiveMinutes = w.cacheWrite
	return u
}

func (w *anthropicWriter) reason() string {
	switch w.stop {
	case "stop":
		return "end_turn"
	case "length":
		return "max_tokens"
	case "tool_calls":
		return "tool_use"
	}
	return w.stop
}

type anthropicText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type anthropicToolUse struct {
	Type  string         `json:"type"`
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Input jsontext.Value `json:"input"`
}

type anthropicThinking struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type anthropicAnswer struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []any          `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        anthropicUsage `json:"usage"`
}

func (w *anthropicWriter) body() []byte {
	m := anthropicAnswer{ID: "msg_" + w.id, Type: "message", Role: "assistant", Model: w.model, Content: []any{},
		StopReason: new(w.reason()), StopSequence: optional(w.stopSequence), Usage: w.usage(w.output)}
	if w.thinking != nil {
		m.Content = append(m.Content, anthropicThinking{"thinking", strings.Join(w.thinking, ""), thinkingSignature})
	}
	if text := w.text(); text != "" {
		m.Content = append(m.Content, anthropicText{"text", text})
	}
	for _, k := range w.calls {
		m.Content = append(m.Content, anthropicToolUse{"tool_use", "toolu_" + k.id, k.name, jsontext.Value(k.arguments)})
	}
	return mustJSON(m)
}

// events are the stream's events from message_start to message_stop, each whole.
func (w *anthropicWriter) events() [][]byte {
	var out [][]byte
	emit := func(name string, v any) {
		out = append(out, fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, mustJSON(v)))
	}
	type delta = map[string]any
	start := anthropicAnswer{ID: "msg_" + w.id, Type: "message", Role: "assistant", Model: w.model, Content: []any{}, Usage: w.usage(1)}
	emit("message_start", struct {
		Type    string          `json:"type"`
		Message anthropicAnswer `json:"message"`
	}{"message_start", start})
	index := 0
	block := func(first any, deltas []delta) {
		emit("content_block_start", struct {
			Type         string `json:"type"`
			Index        int    `json:"index"`
			ContentBlock any    `json:"content_block"`
		}{"content_block_start", index, first})
		if index == 0 {
			emit("ping", delta{"type": "ping"})
		}
		for _, d := range deltas {
			emit("content_block_delta", struct {
				Type  string `json:"type"`
				Index int    `json:"index"`
				Delta delta  `json:"delta"`
			}{"content_block_delta", index, d})
		}
		emit("content_block_stop", struct {
			Type  string `json:"type"`
			Index int    `json:"index"`
		}{"content_block_stop", index})
		index++
	}
	if w.thinking != nil {
		var d []delta
		for _, s := range w.thinking {
			d = append(d, delta{"type": "thinking_delta", "thinking": s})
		}
		block(anthropicThinking{"thinking", "", ""}, append(d, delta{"type": "signature_delta", "signature": thinkingSignature}))
	}
	if len(w.pieces) > 0 {
		var d []delta
		for _, s := range w.pieces {
			d = append(d, delta{"type": "text_delta", "text": s})
		}
		block(anthropicText{"text", ""}, d)
	}
	for _, k := range w.calls {
		// An empty first fragment is what the API sends; for {} it sends no other.
		d := []delta{{"type": "input_json_delta", "partial_json": ""}}
		if k.arguments != "{}" {
			for _, s := range pieces(k.arguments) {
				d = append(d, delta{"type": "input_json_delta", "partial_json": s})
			}
		}
		block(anthropicToolUse{"tool_use", "toolu_" + k.id, k.name, jsontext.Value("{}")}, d)
	}
	emit("message_delta", struct {
		Type  string         `json:"type"`
		Delta delta          `json:"delta"`
		Usage anthropicUsage `json:"usage"`
	}{"message_delta", delta{"stop_reason": w.reason(), "stop_sequence": optional(w.stopSequence)}, w.usage(w.output)})
	emit("message_stop", delta{"type": "message_stop"})
	return out
}
