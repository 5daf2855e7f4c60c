package mock

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// openAI is the OpenAI chat dialect (platform.openai.com/docs/api-reference/chat).
type openAI struct{}

func (openAI) credential(r *http.Request) (string, *refusal) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if key = strings.TrimSpace(key); !ok || key == "" {
		return "", &refusal{status: 401, typ: "invalid_request_error",
			message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."}
	}
	return key, nil
}

func (openAI) headers(h http.Header, id string, status int) {
	h.Set("Content-Type", "application/json")
	h.Set("X-Request-Id", id)
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Openai-Processing-Ms", "12")
	h.Set("X-Ratelimit-Limit-Requests", "500")
	remaining := "499"
	if status == http.StatusTooManyRequests {
		remaining = "0"
	}
	h.Set("X-Ratelimit-Remaining-Requests", remaining)
}

func (openAI) refuse(b *refusal) []byte {
	typ := b.typ
	switch {
	case b.status == 429:
		typ = "requests"
	case b.status >= 500:
		typ = "server_error"
	case b.status == 404 || b.status == 403 || b.status == 413:
		typ = "invalid_request_error"
	}
	return append(mustJSON(struct {
		Error openAIError `json:"error"`
	}{openAIError{b.message, typ, optional(b.param), optional(b.code)}}), '\n')
}

func (openAI) midstream() []byte {
	return []byte(`data: {"error":{"message":"The server had an error processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}` + "\n\n")
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// openAIRequest has every field that the API documents; another one is refused, as the API refuses it.
type openAIRequest struct {
	Model               string              `json:"model"`
	Messages            []openAIMessage     `json:"messages"`
	Tools               []openAITool        `json:"tools"`
	ToolChoice          jsontext.Value      `json:"tool_choice"`
	ParallelToolCalls   *bool               `json:"parallel_tool_calls"`
	MaxTokens           *int                `json:"max_tokens"`
	MaxCompletionTokens *int                `json:"max_completion_tokens"`
	Temperature         *float64            `json:"temperature"`
	TopP                *float64            `json:"top_p"`
	N                   *int                `json:"n"`
	Stop                oneOrMany           `json:"stop"`
	Stream              *bool               `json:"stream"`
	StreamOptions       *openAIStreamOption `json:"stream_options"`
	ResponseFormat      *openAIFormat       `json:"response_format"`
	ReasoningEffort     *string             `json:"reasoning_effort"`

	Audio                jsontext.Value `json:"audio"`
	FrequencyPenalty     *float64       `json:"frequency_penalty"`
	FunctionCall         jsontext.Value `json:"function_call"`
	Functions            jsontext.Value `json:"functions"`
	LogitBias            jsontext.Value `json:"logit_bias"`
	Logprobs             *bool          `json:"logprobs"`
	Metadata             jsontext.Value `json:"metadata"`
	Modalities           []string       `json:"modalities"`
	Prediction           jsontext.Value `json:"prediction"`
	PresencePenalty      *float64       `json:"presence_penalty"`
	PromptCacheKey       *string        `json:"prompt_cache_key"`
	PromptCacheRetention *string        `json:"prompt_cache_retention"`
	SafetyIdentifier     *string        `json:"safety_identifier"`
	Seed                 *int64         `json:"seed"`
	ServiceTier          *string        `json:"service_tier"`
	Store                *bool          `json:"store"`
	TopLogprobs          *int           `json:"top_logprobs"`
	User                 *string        `json:"user"`
	Verbosity            *string        `json:"verbosity"`
	WebSearchOptions     jsontext.Value `json:"web_search_options"`
}

type openAIStreamOption struct {
	IncludeUsage       bool  `json:"include_usage"`
	IncludeObfuscation *bool `json:"include_obfuscation"`
}

type openAIFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Schema      jsontext.Value `json:"schema"`
		Strict      *bool          `json:"strict"`
	} `json:"json_schema"`
}

type openAIMessage struct {
	Role         string           `json:"role"`
	Content      openAIContent    `json:"content"`
	Name         *string          `json:"name"`
	ToolCalls    []openAIToolCall `json:"tool_calls"`
	ToolCallID   *string          `json:"tool_call_id"`
	Refusal      *string          `json:"refusal"`
	Audio        jsontext.Value   `json:"audio"`
	FunctionCall jsontext.Value   `json:"function_call"`
	Annotations  jsontext.Value   `json:"annotations"`
}

type openAIToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type openAITool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description *string        `json:"description"`
		Parameters  jsontext.Value `json:"parameters"`
		Strict      *bool          `json:"strict"`
	} `json:"function"`
}

// openAIContent is a string, a list of parts, or null.
type openAIContent struct {
	text  *string
	parts []openAIPart
}

type openAIPart struct {
	Type     string  `json:"type"`
	Text     *string `json:"text"`
	Refusal  *string `json:"refusal"`
	ImageURL *struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
	InputAudio jsontext.Value `json:"input_audio"`
	File       jsontext.Value `json:"file"`
}

func (c *openAIContent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"':
		c.text = new(string)
		return json.UnmarshalDecode(dec, c.text)
	case '[':
		return json.UnmarshalDecode(dec, &c.parts)
	case 'n':
		_, err := dec.ReadToken()
		return err
	}
	return errors.New("expected a string or an array of objects")
}

// oneOrMany is a string or a list of them.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '"' {
		return json.UnmarshalDecode(dec, (*[]string)(o))
	}
	*o = []string{""}
	return json.UnmarshalDecode(dec, &(*o)[0])
}

var toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// openAIChat is POST /v1/chat/completions.
func (h *Handler) openAIChat(p *player, body []byte) *refusal {
	var q openAIRequest
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return openAIUnreadable(err)
	}
	c, bad := q.chat(body)
	if bad != nil {
		return bad
	}
	if !h.exists(OpenAI, q.Model) {
		return noModel(OpenAI, q.Model)
	}
	a := compose(c, h.o.Chunks)
	// Prompts of 1,024 tokens and more are cached by themselves, in steps of 128.
	if a.input >= 1024 && h.prompts.touch(fmt.Appendf(nil, "%s\x00%s\x00%v", q.Model, c.system, c.turns[0])) {
		a.cacheRead = a.input / 128 * 128
	}
	w := openAIWriter{answer: a, model: q.Model, created: h.o.Now().Unix(), choices: 1}
	if q.N != nil {
		w.choices = *q.N
	}
	if q.Stream != nil && *q.Stream {
		p.stream(w.events(q.StreamOptions != nil && q.StreamOptions.IncludeUsage))
		return nil
	}
	p.respond(200, w.body())
	return nil
}

// openAIUnreadable turns a decoding error into the API's words.
func openAIUnreadable(err error) *refusal {
	b := &refusal{status: 400, typ: "invalid_request_error"}
	var se *json.SemanticError
	if errors.As(err, &se) {
		b.param = dotted(se.JSONPointer, "[%s]")
		b.code, b.message = "invalid_type", fmt.Sprintf("Invalid type for '%s': got %s.", b.param, kindName(se.JSONKind))
		if errors.Is(err, json.ErrUnknownName) {
			b.code, b.message = "unknown_parameter", fmt.Sprintf("Unknown parameter: '%s'.", b.param)
		}
		return b
	}
	b.message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
	return b
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "something else"
}

// dotted writes a JSON pointer as a path such as messages[0].content, with index giving the form of a list index.
func dotted(p jsontext.Pointer, index string) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		if _, err := strconv.Atoi(tok); err == nil && b.Len() > 0 {
			fmt.Fprintf(&b, index, tok)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(tok)
	}
	return b.String()
}

func invalid(param, code, format string, args ...any) *refusal {
	return &refusal{status: 400, typ: "invalid_request_error", param: param, code: code, message: fmt.Sprintf(format, args...)}
}

// chat checks the request as the API does and reduces it.
func (q *openAIRequest) chat(body []byte) (*chat, *refusal) {
	c := &chat{model: q.Model, choice: "auto", parallel: true, stops: q.Stop, seed: sha256.Sum256(body)}
	switch {
	case q.Model == "":
		return nil, invalid("", "", "you must provide a model parameter")
	case q.Messages == nil:
		return nil, invalid("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	case len(q.Messages) == 0:
		return nil, invalid("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case len(q.Stop) > 4:
		return nil, invalid("stop", "array_above_max_length", "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length %d instead.", len(q.Stop))
	case slices.Contains(q.Stop, ""):
		return nil, invalid("stop", "empty_string", "Invalid 'stop': empty string.")
	case q.MaxTokens != nil && q.MaxCompletionTokens != nil:
		return nil, invalid("max_tokens", "invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case q.N != nil && (*q.N < 1 || *q.N > 128):
		return nil, invalid("n", "", "Invalid 'n': expected a value from 1 to 128, but got %d instead.", *q.N)
	case q.StreamOptions != nil && (q.Stream == nil || !*q.Stream):
		return nil, invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for _, r := range []struct {
		name     string
		v        *float64
		low, top float64
	}{{"temperature", q.Temperature, 0, 2}, {"top_p", q.TopP, 0, 1}, {"frequency_penalty", q.FrequencyPenalty, -2, 2}, {"presence_penalty", q.PresencePenalty, -2, 2}} {
		if r.v != nil && *r.v > r.top {
			return nil, invalid(r.name, "decimal_above_max_value", "Invalid '%s': decimal above maximum value. Expected a value <= %g, but got %g instead.", r.name, r.top, *r.v)
		}
		if r.v != nil && *r.v < r.low {
			return nil, invalid(r.name, "decimal_below_min_value", "Invalid '%s': decimal below minimum value. Expected a value >= %g, but got %g instead.", r.name, r.low, *r.v)
		}
	}
	for _, limit := range []struct {
		name string
		v    *int
	}{{"max_tokens", q.MaxTokens}, {"max_completion_tokens", q.MaxCompletionTokens}} {
		if limit.v == nil {
			continue
		}
		if *limit.v < 1 {
			return nil, invalid(limit.name, "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= 1, but got %d instead.", limit.name, *limit.v)
		}
		c.maxTokens = *limit.v
	}
	if bad := q.tools(c); bad != nil {
		return nil, bad
	}
	if q.ParallelToolCalls != nil {
		if len(q.Tools) == 0 {
			return nil, invalid("parallel_tool_calls", "", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
		}
		c.parallel = *q.ParallelToolCalls
	}
	if f := q.ResponseFormat; f != nil {
		switch f.Type {
		case "text":
		case "json_object":
			if !strings.Contains(strings.ToLower(string(body)), "json") {
				return nil, invalid("messages", "", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
			}
			c.schema = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
		case "json_schema":
			if f.JSONSchema == nil || f.JSONSchema.Name == "" {
				return nil, invalid("response_format.json_schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema'.")
			}
			c.schema = object(f.JSONSchema.Schema)
			if c.schema == nil {
				c.schema = map[string]any{"type": "object"}
			}
		default:
			return nil, invalid("response_format.type", "invalid_value", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", f.Type)
		}
	}
	if bad := q.conversation(c); bad != nil {
		return nil, bad
	}
	effort := q.ReasoningEffort != nil && *q.ReasoningEffort != "none" && *q.ReasoningEffort != "minimal"
	c.thinking = effort
	return c, nil
}

func (q *openAIRequest) tools(c *chat) *refusal {
	if q.Tools != nil && len(q.Tools) == 0 {
		return invalid("tools", "empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	for i, t := range q.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		if t.Type != "function" {
			return invalid(at+".type", "invalid_value", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", t.Type)
		}
		if !toolName.MatchString(t.Function.Name) {
			return invalid(at+".function.name", "invalid_value", "Invalid '%s.function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
		}
		schema := object(t.Function.Parameters)
		if len(t.Function.Parameters) > 0 && (schema == nil || schema["type"] != "object") {
			return invalid(at+".function.parameters", "invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"'.", t.Function.Name)
		}
		if schema == nil {
			schema = map[string]any{"type": "object"}
		}
		u := tool{name: t.Function.Name, schema: schema, size: len(t.Function.Parameters) + len(t.Function.Name)}
		if t.Function.Description != nil {
			u.description = *t.Function.Description
			u.size += len(u.description)
		}
		c.tools = append(c.tools, u)
	}
	if len(q.ToolChoice) == 0 || string(q.ToolChoice) == "null" {
		return nil
	}
	if len(q.Tools) == 0 && string(q.ToolChoice) != `"none"` {
		return invalid("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	if q.ToolChoice.Kind() == '"' {
		if json.Unmarshal(q.ToolChoice, &c.choice) != nil || !slices.Contains([]string{"none", "auto", "required"}, c.choice) {
			return invalid("tool_choice", "invalid_value", "Invalid value: %s. Supported values are: 'none', 'auto', and 'required'.", q.ToolChoice)
		}
		return nil
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := json.Unmarshal(q.ToolChoice, &named, json.RejectUnknownMembers(true)); err != nil || named.Type != "function" {
		return invalid("tool_choice", "invalid_value", "Invalid value for 'tool_choice'.")
	}
	if !slices.ContainsFunc(c.tools, func(t tool) bool { return t.name == named.Function.Name }) {
		return invalid("tool_choice", "invalid_value", "Invalid value for 'tool_choice': function '%s' is not among 'tools'.", named.Function.Name)
	}
	c.choice, c.choiceName = "tool", named.Function.Name
	return nil
}

// conversation checks the messages: roles, parts, and that every tool call is answered right after it was made.
func (q *openAIRequest) conversation(c *chat) *refusal {
	open := map[string]bool{} // calls not answered yet
	unanswered := func() *refusal {
		var ids []string
		for id := range open {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return invalid("messages", "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
	}
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		if m.Role != "tool" && len(open) > 0 {
			return unanswered()
		}
		t := turn{role: m.Role}
		text, images, bad := m.Content.read(at, m.Role)
		if bad != nil {
			return bad
		}
		t.text, t.images = text, images
		empty := m.Content.text == nil && m.Content.parts == nil
		switch m.Role {
		case "system", "developer":
			if empty {
				return invalid(at+".content", "invalid_type", "Invalid value for 'content': expected a string, got null.")
			}
			if c.system != "" {
				c.system += "\n"
			}
			c.system += text
			continue
		case "user":
			if empty {
				return invalid(at+".content", "invalid_type", "Invalid value for 'content': expected a string, got null.")
			}
		case "assistant":
			if empty && len(m.ToolCalls) == 0 && m.Refusal == nil && len(m.FunctionCall) == 0 {
				return invalid(at+".content", "invalid_type", "Invalid value for 'content': expected a string, got null.")
			}
			if m.ToolCalls != nil && len(m.ToolCalls) == 0 {
				return invalid(at+".tool_calls", "empty_array", "Invalid '%s.tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.", at)
			}
			for k, tc := range m.ToolCalls {
				if tc.ID == "" || tc.Type != "function" || tc.Function.Name == "" {
					return invalid(fmt.Sprintf("%s.tool_calls[%d]", at, k), "missing_required_parameter", "Missing required parameter: '%s.tool_calls[%d].id', '.type' or '.function.name'.", at, k)
				}
				open[tc.ID] = true
				t.calls = append(t.calls, call{tc.ID, tc.Function.Name, tc.Function.Arguments})
			}
		case "tool":
			if m.ToolCallID == nil {
				return invalid(at+".tool_call_id", "missing_required_parameter", "Missing required parameter: '%s.tool_call_id'.", at)
			}
			if !open[*m.ToolCallID] {
				return invalid(at+".role", "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
			}
			delete(open, *m.ToolCallID)
			r := result{id: *m.ToolCallID, text: text}
			// All results of one turn are one turn, as the other dialect has it.
			if n := len(c.turns); n > 0 && c.turns[n-1].role == "tool" {
				c.turns[n-1].results = append(c.turns[n-1].results, r)
				continue
			}
			t.text, t.results = "", []result{r}
		case "":
			return invalid(at+".role", "missing_required_parameter", "Missing required parameter: '%s.role'.", at)
		default:
			return invalid(at+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
		c.turns = append(c.turns, t)
	}
	if len(open) > 0 {
		return unanswered()
	}
	if len(c.turns) == 0 {
		c.turns = []turn{{role: "user"}} // the API answers to a system message alone
	}
	return nil
}

// read returns the text and the images of a content.
func (k openAIContent) read(at, role string) (string, []string, *refusal) {
	if k.text != nil {
		return *k.text, nil, nil
	}
	if k.parts != nil && len(k.parts) == 0 {
		return "", nil, invalid(at+".content", "empty_array", "Invalid '%s.content': empty array. Expected an array with minimum length 1, but got an empty array instead.", at)
	}
	var texts, images []string
	for i, part := range k.parts {
		here := fmt.Sprintf("%s.content[%d]", at, i)
		switch {
		case part.Type == "text" && part.Text != nil:
			texts = append(texts, *part.Text)
		case part.Type == "refusal" && part.Refusal != nil && role == "assistant":
			texts = append(texts, *part.Refusal)
		case part.Type == "image_url" && part.ImageURL != nil && role == "user":
			d, ok := imageURL(part.ImageURL.URL)
			if !ok {
				return "", nil, invalid(here+".image_url.url", "invalid_image_url", "Invalid image URL or image data.")
			}
			images = append(images, d)
		case (part.Type == "input_audio" || part.Type == "file") && role == "user":
			texts = append(texts, "["+part.Type+"]")
		default:
			return "", nil, invalid(here, "invalid_value", "Invalid value: '%s' is not a content part that a message of role '%s' can have, or its field is missing.", part.Type, role)
		}
	}
	return strings.Join(texts, "\n"), images, nil
}

var imageTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// imageURL describes the image of a data: or https: URL, without fetching anything.
func imageURL(u string) (string, bool) {
	if strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") {
		return u, true
	}
	rest, ok := strings.CutPrefix(u, "data:")
	mediaType, data, ok2 := strings.Cut(rest, ";base64,")
	if !ok || !ok2 || !slices.Contains(imageTypes, mediaType) {
		return "", false
	}
	return imageData(mediaType, data)
}

func imageData(mediaType, data string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(b) == 0 {
		return "", false
	}
	return fmt.Sprintf("%s of %d bytes", mediaType, len(b)), true
}

// openAIWriter writes an answer in this dialect.
type openAIWriter struct {
	*answer
	model   string
	created int64
	choices int
}

type openAIUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
		AudioTokens  int `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens          int `json:"reasoning_tokens"`
		AudioTokens              int `json:"audio_tokens"`
		AcceptedPredictionTokens int `json:"accepted_prediction_tokens"`
		RejectedPredictionTokens int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
}

func (w *openAIWriter) usage() *openAIUsage {
	u := &openAIUsage{PromptTokens: w.input, CompletionTokens: w.output * w.choices}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	u.PromptDetails.CachedTokens = w.cacheRead
	u.CompletionDetails.ReasoningTokens = w.reasoning * w.choices
	return u
}

func (w *openAIWriter) finish() string {
	if w.stop == "stop_sequence" {
		return "stop"
	}
	return w.stop
}

type openAICall struct {
	Index    *int               `json:"index,omitempty"`
	ID       string             `json:"id,omitempty"`
	Type     string             `json:"type,omitempty"`
	Function openAICallFunction `json:"function"`
}

type openAICallFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

func (w *openAIWriter) body() []byte {
	type message struct {
		Role        string       `json:"role"`
		Content     *string      `json:"content"`
		ToolCalls   []openAICall `json:"tool_calls,omitempty"`
		Refusal     *string      `json:"refusal"`
		Annotations []string     `json:"annotations"`
	}
	type choice struct {
		Index        int     `json:"index"`
		Message      message `json:"message"`
		Logprobs     *int    `json:"logprobs"`
		FinishReason string  `json:"finish_reason"`
	}
	m := message{Role: "assistant", Annotations: []string{}}
	if w.calls == nil {
		m.Content = new(w.text())
	}
	for _, k := range w.calls {
		m.ToolCalls = append(m.ToolCalls, openAICall{ID: "call_" + k.id, Type: "function", Function: openAICallFunction{k.name, k.arguments}})
	}
	var choices []choice
	for i := range w.choices {
		choices = append(choices, choice{i, m, nil, w.finish()})
	}
	return append(mustJSON(struct {
		ID                string       `json:"id"`
		Object            string       `json:"object"`
		Created           int64        `json:"created"`
		Model             string       `json:"model"`
		Choices           []choice     `json:"choices"`
		Usage             *openAIUsage `json:"usage"`
		ServiceTier       string       `json:"service_tier"`
		SystemFingerprint string       `json:"system_fingerprint"`
	}{"chatcmpl-" + w.id, "chat.completion", w.created, w.model, choices, w.usage(), "default", "fp_mock"}), '\n')
}

// openAIDelta holds its members as raw JSON, because "absent", null and "" mean different things here.
type openAIDelta struct {
	Role      string         `json:"role,omitempty"`
	Content   jsontext.Value `json:"content,omitempty"`
	ToolCalls []openAICall   `json:"tool_calls,omitempty"`
	Refusal   jsontext.Value `json:"refusal,omitempty"`
}

// events are the chunks of a stream, each a whole server-sent event, ending with [DONE].
func (w *openAIWriter) events(includeUsage bool) [][]byte {
	type choice struct {
		Index        int         `json:"index"`
		Delta        openAIDelta `json:"delta"`
		Logprobs     *int        `json:"logprobs"`
		FinishReason *string     `json:"finish_reason"`
	}
	type chunk struct {
		ID                string         `json:"id"`
		Object            string         `json:"object"`
		Created           int64          `json:"created"`
		Model             string         `json:"model"`
		ServiceTier       string         `json:"service_tier"`
		SystemFingerprint string         `json:"system_fingerprint"`
		Choices           []choice       `json:"choices"`
		Usage             jsontext.Value `json:"usage,omitempty"`
	}
	var out [][]byte
	emit := func(choices []choice, usage jsontext.Value) {
		c := chunk{"chatcmpl-" + w.id, "chat.completion.chunk", w.created, w.model, "default", "fp_mock", choices, usage}
		out = append(out, fmt.Appendf(nil, "data: %s\n\n", mustJSON(c)))
	}
	var absent jsontext.Value
	if includeUsage {
		absent = jsontext.Value("null")
	}
	null := jsontext.Value("null")
	delta := func(i int, d openAIDelta, finish *string) { emit([]choice{{i, d, nil, finish}}, absent) }
	for i := range w.choices {
		if w.calls == nil {
			delta(i, openAIDelta{Role: "assistant", Content: jsontext.Value(`""`), Refusal: null}, nil)
		} else {
			delta(i, openAIDelta{Role: "assistant", Content: null, Refusal: null}, nil)
		}
	}
	for _, piece := range w.pieces {
		for i := range w.choices {
			delta(i, openAIDelta{Content: mustJSON(piece)}, nil)
		}
	}
	for n, k := range w.calls {
		for i := range w.choices {
			delta(i, openAIDelta{ToolCalls: []openAICall{{&n, "call_" + k.id, "function", openAICallFunction{k.name, ""}}}}, nil)
			for _, fragment := range pieces(k.arguments) {
				delta(i, openAIDelta{ToolCalls: []openAICall{{&n, "", "", openAICallFunction{"", fragment}}}}, nil)
			}
		}
	}
	for i := range w.choices {
		delta(i, openAIDelta{}, new(w.finish()))
	}
	if includeUsage {
		emit([]choice{}, mustJSON(w.usage()))
	}
	return append(out, []byte("data: [DONE]\n\n"))
}
