package mock

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// openAIResponses is OpenAI's Responses API (platform.openai.com/docs/api-reference/responses). It keeps no answers: a
// previous_response_id is one that it does not know.
type openAIResponses struct{ openAI }

func (openAIResponses) midstream() []byte {
	return []byte("event: error\n" + `data: {"type":"error","sequence_number":99,"error":{"type":"server_error","code":"server_error","message":"The server had an error processing your request. Sorry about that!","param":null}}` + "\n\n")
}

// responsesRequest has every field that the API documents; another one is refused, as the API refuses it.
type responsesRequest struct {
	Model             string          `json:"model"`
	Input             responsesInput  `json:"input"`
	Instructions      *string         `json:"instructions"`
	Tools             []responsesTool `json:"tools"`
	ToolChoice        jsontext.Value  `json:"tool_choice"`
	ParallelToolCalls *bool           `json:"parallel_tool_calls"`
	MaxOutputTokens   *int            `json:"max_output_tokens"`
	Temperature       *float64        `json:"temperature"`
	TopP              *float64        `json:"top_p"`
	Stream            *bool           `json:"stream"`
	Include           []string        `json:"include"`
	PreviousID        *string         `json:"previous_response_id"`
	Text              *struct {
		Format *struct {
			Type        string         `json:"type"`
			Name        string         `json:"name"`
			Description string         `json:"description"`
			Schema      jsontext.Value `json:"schema"`
			Strict      *bool          `json:"strict"`
		} `json:"format"`
		Verbosity *string `json:"verbosity"`
	} `json:"text"`
	Reasoning *struct {
		Effort          *string `json:"effort"`
		Summary         *string `json:"summary"`
		GenerateSummary *string `json:"generate_summary"`
	} `json:"reasoning"`

	Background           *bool          `json:"background"`
	ContextManagement    jsontext.Value `json:"context_management"`
	Conversation         jsontext.Value `json:"conversation"`
	MaxToolCalls         *int           `json:"max_tool_calls"`
	Metadata             jsontext.Value `json:"metadata"`
	Moderation           jsontext.Value `json:"moderation"`
	Prompt               jsontext.Value `json:"prompt"`
	PromptCacheKey       *string        `json:"prompt_cache_key"`
	PromptCacheOptions   jsontext.Value `json:"prompt_cache_options"`
	PromptCacheRetention *string        `json:"prompt_cache_retention"`
	SafetyIdentifier     *string        `json:"safety_identifier"`
	ServiceTier          *string        `json:"service_tier"`
	Store                *bool          `json:"store"`
	StreamOptions        jsontext.Value `json:"stream_options"`
	TopLogprobs          *int           `json:"top_logprobs"`
	Truncation           *string        `json:"truncation"`
	User                 *string        `json:"user"`
}

type responsesTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"`
	Description *string        `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	Strict      *bool          `json:"strict"`
}

// responsesInput is a string, which is one message of the user, or a list of items.
type responsesInput []responsesItem

func (in *responsesInput) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '"' {
		return json.UnmarshalDecode(dec, (*[]responsesItem)(in))
	}
	item := responsesItem{Role: "user", Content: responsesContent{text: new(string)}}
	*in = responsesInput{item}
	return json.UnmarshalDecode(dec, item.Content.text)
}

type responsesItem struct {
	Type      string           `json:"type"`
	Role      string           `json:"role"`
	Content   responsesContent `json:"content"`
	ID        *string          `json:"id"`
	Status    *string          `json:"status"`
	Phase     *string          `json:"phase"`
	CallID    string           `json:"call_id"`
	Name      string           `json:"name"`
	Arguments string           `json:"arguments"`
	Output    responsesContent `json:"output"`
	Summary   []responsesPart  `json:"summary"`
	Encrypted *string          `json:"encrypted_content"`
}

// responsesContent is a string, a list of parts, or null.
type responsesContent struct {
	text  *string
	parts []responsesPart
}

type responsesPart struct {
	Type        string         `json:"type"`
	Text        *string        `json:"text"`
	Refusal     *string        `json:"refusal"`
	ImageURL    string         `json:"image_url"`
	Detail      string         `json:"detail"`
	FileData    string         `json:"file_data"`
	FileURL     string         `json:"file_url"`
	FileID      *string        `json:"file_id"`
	Filename    string         `json:"filename"`
	Annotations jsontext.Value `json:"annotations"`
	Logprobs    jsontext.Value `json:"logprobs"`
}

func (c *responsesContent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
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

// responses is POST /v1/responses.
func (h *Handler) responses(p *player, body []byte) *refusal {
	var q responsesRequest
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
	if a.input >= 1024 && h.prompts.touch(fmt.Appendf(nil, "%s\x00%s\x00%v", q.Model, c.system, c.turns[0])) {
		a.cacheRead = a.input / 128 * 128
	}
	w := responsesWriter{answer: a, q: &q, created: h.o.Now().Unix()}
	w.compose()
	if q.Stream != nil && *q.Stream {
		p.stream(w.events())
		return nil
	}
	p.respond(200, append(mustJSON(w.response(w.status(), w.items)), '\n'))
	return nil
}

// chat checks the request as the API does and reduces it.
func (q *responsesRequest) chat(body []byte) (*chat, *refusal) {
	c := &chat{model: q.Model, choice: "auto", parallel: true, seed: sha256.Sum256(body)}
	switch {
	case q.Model == "":
		return nil, invalid("model", "missing_required_parameter", "Missing required parameter: 'model'.")
	case q.PreviousID != nil:
		return nil, invalid("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", *q.PreviousID)
	case q.Input == nil:
		return nil, invalid("input", "missing_required_parameter", "Missing required parameter: 'input'.")
	case q.MaxOutputTokens != nil && *q.MaxOutputTokens < 16:
		return nil, invalid("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", *q.MaxOutputTokens)
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 2):
		return nil, invalid("temperature", "decimal_above_max_value", "Invalid 'temperature': expected a value from 0 to 2.")
	case q.TopP != nil && (*q.TopP < 0 || *q.TopP > 1):
		return nil, invalid("top_p", "decimal_above_max_value", "Invalid 'top_p': expected a value from 0 to 1.")
	}
	if q.MaxOutputTokens != nil {
		c.maxTokens = *q.MaxOutputTokens
	}
	if q.Instructions != nil {
		c.system = *q.Instructions
	}
	if q.ParallelToolCalls != nil {
		c.parallel = *q.ParallelToolCalls
	}
	if bad := q.tools(c); bad != nil {
		return nil, bad
	}
	if q.Text != nil && q.Text.Format != nil {
		switch f := q.Text.Format; f.Type {
		case "text":
		case "json_object":
			c.schema = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
		case "json_schema":
			if c.schema = object(f.Schema); f.Name == "" || c.schema == nil {
				return nil, invalid("text.format", "missing_required_parameter", "Missing required parameter: 'text.format.name' or '.schema'.")
			}
		default:
			return nil, invalid("text.format.type", "invalid_value", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", f.Type)
		}
	}
	if r := q.Reasoning; r != nil && r.Effort != nil {
		c.thinking = *r.Effort != "none" && *r.Effort != "minimal"
	}
	return c, q.conversation(c)
}

func (q *responsesRequest) tools(c *chat) *refusal {
	for i, t := range q.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		switch {
		case t.Type != "function":
			return invalid(at+".type", "invalid_value", "Invalid value: '%s'. This server has functions only.", t.Type)
		case !toolName.MatchString(t.Name):
			return invalid(at+".name", "invalid_value", "Invalid '%s.name': expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
		}
		schema := object(t.Parameters)
		if len(t.Parameters) > 0 && (schema == nil || schema["type"] != "object") {
			return invalid(at+".parameters", "invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"'.", t.Name)
		}
		u := tool{name: t.Name, schema: schema, size: len(t.Parameters) + len(t.Name)}
		if t.Description != nil {
			u.description = *t.Description
			u.size += len(u.description)
		}
		c.tools = append(c.tools, u)
	}
	if len(q.ToolChoice) == 0 || string(q.ToolChoice) == "null" {
		return nil
	}
	if q.ToolChoice.Kind() == '"' {
		if json.Unmarshal(q.ToolChoice, &c.choice) != nil || !slices.Contains([]string{"none", "auto", "required"}, c.choice) {
			return invalid("tool_choice", "invalid_value", "Invalid value: %s. Supported values are: 'none', 'auto', and 'required'.", q.ToolChoice)
		}
		return nil
	}
	var named struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(q.ToolChoice, &named, json.RejectUnknownMembers(true)); err != nil || named.Type != "function" ||
		!slices.ContainsFunc(c.tools, func(t tool) bool { return t.name == named.Name }) {
		return invalid("tool_choice", "invalid_value", "Tool choice 'function' not found in 'tools' parameter.")
	}
	c.choice, c.choiceName = "tool", named.Name
	return nil
}

// conversation checks the items: roles, parts, and that calls and their outputs belong together.
func (q *responsesRequest) conversation(c *chat) *refusal {
	made, answered := map[string]bool{}, map[string]bool{}
	last := func(role string) *turn {
		if n := len(c.turns); n == 0 || c.turns[n-1].role != role {
			c.turns = append(c.turns, turn{role: role})
		}
		return &c.turns[len(c.turns)-1]
	}
	for i, item := range q.Input {
		at := fmt.Sprintf("input[%d]", i)
		switch item.Type {
		case "", "message":
			text, images, bad := item.Content.read(at+".content", item.Role)
			if bad != nil {
				return bad
			}
			switch item.Role {
			case "system", "developer":
				if c.system != "" {
					c.system += "\n"
				}
				c.system += text
			case "user":
				c.turns = append(c.turns, turn{role: "user", text: text, images: images})
			case "assistant":
				last("assistant").text += text
			default:
				return invalid(at+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", item.Role)
			}
		case "function_call":
			if item.CallID == "" || item.Name == "" {
				return invalid(at, "missing_required_parameter", "Missing required parameter: '%s.call_id' or '.name'.", at)
			}
			made[item.CallID] = true
			t := last("assistant")
			t.calls = append(t.calls, call{item.CallID, item.Name, item.Arguments})
		case "function_call_output":
			if !made[item.CallID] {
				return invalid("input", "", "No tool call found for function call output with call_id %s.", item.CallID)
			}
			text, images, bad := item.Output.read(at+".output", "user")
			if bad != nil {
				return bad
			}
			answered[item.CallID] = true
			t := last("tool")
			t.results = append(t.results, result{id: item.CallID, text: text, images: len(images)})
		case "reasoning":
			if item.ID == nil || item.Encrypted != nil && *item.Encrypted != encrypted(*item.ID) {
				return invalid(at, "invalid_encrypted_content", "The encrypted content for item %s could not be verified.", at)
			}
			last("assistant")
		default:
			return invalid(at, "invalid_value", "Invalid value: '%s'.", item.Type)
		}
	}
	for id := range made {
		if !answered[id] {
			return invalid("input", "", "No tool output found for function call %s.", id)
		}
	}
	if len(c.turns) == 0 {
		c.turns = []turn{{role: "user"}}
	}
	return nil
}

// encrypted is what an item of reasoning holds for the API alone: it is bound to the item's id.
func encrypted(id string) string {
	return fmt.Sprintf("gAAAAA%x", sha256.Sum256([]byte("mock\x00"+id)))
}

// read returns the text and the images of a content.
func (k responsesContent) read(at, role string) (string, []string, *refusal) {
	switch {
	case k.text != nil:
		return *k.text, nil, nil
	case k.parts == nil:
		return "", nil, invalid(at, "missing_required_parameter", "Missing required parameter: '%s'.", at)
	}
	var texts, images []string
	for i, part := range k.parts {
		here := fmt.Sprintf("%s[%d]", at, i)
		assistant := role == "assistant"
		switch {
		case part.Type == "input_text" && part.Text != nil && !assistant, part.Type == "output_text" && part.Text != nil && assistant:
			texts = append(texts, *part.Text)
		case part.Type == "refusal" && part.Refusal != nil && assistant:
			texts = append(texts, *part.Refusal)
		case part.Type == "input_image" && role == "user":
			d, ok := imageURL(part.ImageURL)
			if !ok {
				return "", nil, invalid(here+".image_url", "invalid_image_url", "Invalid image URL or image data.")
			}
			images = append(images, d)
		case part.Type == "input_file" && role == "user":
			texts = append(texts, "["+part.Type+"]")
		default:
			return "", nil, invalid(here, "invalid_value", "Invalid value: '%s' is not a content part that a message of role '%s' can have, or its field is missing.", part.Type, role)
		}
	}
	return strings.Join(texts, "\n"), images, nil
}

// responsesWriter writes an answer in this dialect.
type responsesWriter struct {
	*answer
	q       *responsesRequest
	created int64
	items   []responsesOutput
}

// responsesOutput is an item of "output". Members that are nil are left out.
type responsesOutput struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Status    string         `json:"status,omitzero"`
	Role      string         `json:"role,omitzero"`
	Content   *[]outputText  `json:"content,omitzero"`
	CallID    string         `json:"call_id,omitzero"`
	Name      string         `json:"name,omitzero"`
	Arguments *string        `json:"arguments,omitzero"`
	Summary   *[]summaryText `json:"summary,omitzero"`
	Encrypted *string        `json:"encrypted_content,omitzero"`
}

type outputText struct {
	Type        string   `json:"type"`
	Text        string   `json:"text"`
	Annotations []string `json:"annotations"`
	Logprobs    []string `json:"logprobs"`
}

type summaryText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// compose makes the items.
func (w *responsesWriter) compose() {
	if len(w.thinking) > 0 {
		it := responsesOutput{ID: "rs_" + w.id, Type: "reasoning", Summary: &[]summaryText{}}
		if w.q.Reasoning.Summary != nil {
			it.Summary = &[]summaryText{{"summary_text", strings.Join(w.thinking, "")}}
		}
		if slices.Contains(w.q.Include, "reasoning.encrypted_content") {
			it.Encrypted = new(encrypted(it.ID))
		}
		w.items = append(w.items, it)
	}
	if w.calls == nil {
		w.items = append(w.items, responsesOutput{ID: "msg_" + w.id, Type: "message", Status: w.status(), Role: "assistant", Content: &[]outputText{{"output_text", w.text(), []string{}, []string{}}}})
	}
	for _, k := range w.calls {
		w.items = append(w.items, responsesOutput{ID: "fc_" + k.id, Type: "function_call", Status: "completed", CallID: "call_" + k.id, Name: k.name, Arguments: new(k.arguments)})
	}
}

func (w *responsesWriter) status() string {
	if w.stop == "length" {
		return "incomplete"
	}
	return "completed"
}

// response is the response object.
func (w *responsesWriter) response(status string, items []responsesOutput) map[string]any {
	q := w.q
	r := map[string]any{"id": "resp_" + w.id, "object": "response", "created_at": w.created, "status": status, "error": nil, "incomplete_details": nil, "instructions": q.Instructions,
		"max_output_tokens": q.MaxOutputTokens, "metadata": map[string]any{}, "model": q.Model, "output": items, "parallel_tool_calls": q.ParallelToolCalls == nil || *q.ParallelToolCalls,
		"previous_response_id": nil, "service_tier": "default", "store": q.Store == nil || *q.Store, "temperature": q.Temperature, "tool_choice": "auto", "tools": []any{}, "top_p": q.TopP, "truncation": "disabled", "usage": nil}
	if items == nil {
		r["output"] = []any{}
	}
	if status == "incomplete" {
		r["incomplete_details"] = map[string]any{"reason": "max_output_tokens"}
	}
	if status != "in_progress" {
		r["usage"] = map[string]any{"input_tokens": w.input, "input_tokens_details": map[string]any{"cached_tokens": w.cacheRead}, "output_tokens": w.output,
			"output_tokens_details": map[string]any{"reasoning_tokens": w.reasoning}, "total_tokens": w.input + w.output}
	}
	return r
}

// events are those of a stream, each a whole server-sent event.
func (w *responsesWriter) events() (out [][]byte) {
	type members map[string]any
	emit := func(kind string, m members) {
		m["type"], m["sequence_number"] = kind, len(out)
		out = append(out, fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, mustJSON(m)))
	}
	emit("response.created", members{"response": w.response("in_progress", nil)})
	emit("response.in_progress", members{"response": w.response("in_progress", nil)})
	for i, it := range w.items {
		of := func(more members) members {
			more["item_id"], more["output_index"] = it.ID, i
			return more
		}
		begun := it
		switch it.Type {
		case "message":
			begun.Status, begun.Content = "in_progress", &[]outputText{}
		case "function_call":
			begun.Status, begun.Arguments = "in_progress", new("")
		case "reasoning":
			begun.Summary, begun.Encrypted = &[]summaryText{}, nil
		}
		emit("response.output_item.added", members{"output_index": i, "item": begun})
		switch it.Type {
		case "message":
			text := (*it.Content)[0]
			emit("response.content_part.added", of(members{"content_index": 0, "part": outputText{"output_text", "", []string{}, []string{}}}))
			for _, piece := range w.pieces {
				emit("response.output_text.delta", of(members{"content_index": 0, "delta": piece, "logprobs": []any{}}))
			}
			emit("response.output_text.done", of(members{"content_index": 0, "text": text.Text, "logprobs": []any{}}))
			emit("response.content_part.done", of(members{"content_index": 0, "part": text}))
		case "function_call":
			for _, fragment := range pieces(*it.Arguments) {
				emit("response.function_call_arguments.delta", of(members{"delta": fragment}))
			}
			emit("response.function_call_arguments.done", of(members{"arguments": *it.Arguments, "name": it.Name}))
		case "reasoning":
			for _, s := range *it.Summary {
				emit("response.reasoning_summary_part.added", of(members{"summary_index": 0, "part": summaryText{"summary_text", ""}}))
				for _, piece := range w.thinking {
					emit("response.reasoning_summary_text.delta", of(members{"summary_index": 0, "delta": piece}))
				}
				emit("response.reasoning_summary_text.done", of(members{"summary_index": 0, "text": s.Text}))
				emit("response.reasoning_summary_part.done", of(members{"summary_index": 0, "part": s}))
			}
		}
		emit("response.output_item.done", members{"output_index": i, "item": it})
	}
	emit("response."+w.status(), members{"response": w.response(w.status(), w.items)})
	return out
}

// completions is POST /v1/completions, the legacy API: a prompt is a message of the user.
func (h *Handler) completions(p *player, body []byte) *refusal {
	var q struct {
		Model            string              `json:"model"`
		Prompt           oneOrMany           `json:"prompt"`
		MaxTokens        *int                `json:"max_tokens"`
		Stop             oneOrMany           `json:"stop"`
		Stream           *bool               `json:"stream"`
		StreamOptions    *openAIStreamOption `json:"stream_options"`
		Temperature      *float64            `json:"temperature"`
		TopP             *float64            `json:"top_p"`
		N                *int                `json:"n"`
		BestOf           *int                `json:"best_of"`
		Echo             *bool               `json:"echo"`
		Suffix           *string             `json:"suffix"`
		Logprobs         *int                `json:"logprobs"`
		LogitBias        jsontext.Value      `json:"logit_bias"`
		FrequencyPenalty *float64            `json:"frequency_penalty"`
		PresencePenalty  *float64            `json:"presence_penalty"`
		Seed             *int64              `json:"seed"`
		User             *string             `json:"user"`
	}
	if err := json.Unmarshal(body, &q, json.RejectUnknownMembers(true)); err != nil {
		return openAIUnreadable(err)
	}
	switch {
	case len(q.Prompt) != 1:
		return invalid("prompt", "invalid_value", "This server takes one prompt, got %d.", len(q.Prompt))
	case !h.exists(OpenAI, q.Model):
		return noModel(OpenAI, q.Model)
	}
	c := &chat{model: q.Model, choice: "auto", maxTokens: 16, stops: q.Stop, seed: sha256.Sum256(body), turns: []turn{{role: "user", text: q.Prompt[0]}}}
	if q.MaxTokens != nil {
		c.maxTokens = *q.MaxTokens
	}
	w := openAIWriter{answer: compose(c, h.o.Chunks), model: q.Model, created: h.o.Now().Unix(), choices: 1}
	object := func(text string, finish any, usage any, choices bool) map[string]any {
		list := []any{}
		if choices {
			list = append(list, map[string]any{"text": text, "index": 0, "logprobs": nil, "finish_reason": finish})
		}
		return map[string]any{"id": "cmpl-" + w.id, "object": "text_completion", "created": w.created, "model": w.model, "choices": list, "usage": usage}
	}
	if q.Stream == nil || !*q.Stream {
		p.respond(200, append(mustJSON(object(w.text(), w.finish(), w.usage(), true)), '\n'))
		return nil
	}
	var events [][]byte
	emit := func(v any) { events = append(events, fmt.Appendf(nil, "data: %s\n\n", mustJSON(v))) }
	for _, piece := range w.pieces {
		emit(object(piece, nil, nil, true))
	}
	emit(object("", w.finish(), nil, true))
	if q.StreamOptions != nil && q.StreamOptions.IncludeUsage {
		emit(object("", nil, w.usage(), false))
	}
	p.stream(append(events, []byte("data: [DONE]\n\n")))
	return nil
}
