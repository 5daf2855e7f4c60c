package dialect_test

import (
	"encoding/json"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// Readers of requests in dialects that no caller speaks, written by the providers' documents and for the property alone: they
// read what encoders of ours may write, with encoding/json, and are strict where a provider would be.

// strictly reads a JSON body whose members are all known.
func strictly(body []byte, to any) *dialect.Error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return &dialect.Error{Param: "body", Message: err.Error()}
	}
	return nil
}

type wireTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

func (t *wireTool) def() dialect.ToolDef {
	return dialect.ToolDef{Name: t.Function.Name, Description: t.Function.Description, Parameters: t.Function.Parameters}
}

// wireImage is the part of a data URL, or a URL.
func wireImage(url, detail string) dialect.Part {
	p := dialect.Part{Kind: dialect.Image, URL: url, Detail: detail}
	if data, ok := strings.CutPrefix(url, "data:"); ok {
		p.URL = ""
		p.MediaType, p.Data, _ = strings.Cut(data, ";base64,")
	}
	return p
}

// readCohereRequest reads POST /v2/chat.
func readCohereRequest(body []byte) (*dialect.Request, *dialect.Error) {
	var w struct {
		Model    string `json:"model"`
		Messages []struct {
			Role      string          `json:"role"`
			Content   json.RawMessage `json:"content"`
			ToolPlan  string          `json:"tool_plan"`
			CallID    string          `json:"tool_call_id"`
			ToolCalls []struct {
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		} `json:"messages"`
		Tools       []wireTool `json:"tools"`
		StrictTools *bool      `json:"strict_tools"`
		ToolChoice  string     `json:"tool_choice"`
		MaxTokens   *int64     `json:"max_tokens"`
		Temperature *float64   `json:"temperature"`
		P           *float64   `json:"p"`
		K           *int64     `json:"k"`
		Seed        *int64     `json:"seed"`
		Frequency   *float64   `json:"frequency_penalty"`
		Presence    *float64   `json:"presence_penalty"`
		Stop        []string   `json:"stop_sequences"`
		Format      *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"json_schema"`
		} `json:"response_format"`
		Thinking *struct {
			Type   string `json:"type"`
			Budget *int64 `json:"token_budget"`
		} `json:"thinking"`
		Stream bool `json:"stream"`
	}
	if err := strictly(body, &w); err != nil {
		return nil, err
	}
	r := &dialect.Request{Model: w.Model, ToolChoice: dialect.ToolChoice{Mode: strings.ToLower(w.ToolChoice)}, MaxTokens: w.MaxTokens, Temperature: w.Temperature, TopP: w.P, TopK: w.K, Seed: w.Seed,
		FrequencyPenalty: w.Frequency, PresencePenalty: w.Presence, Stop: w.Stop, Stream: w.Stream}
	for _, m := range w.Messages {
		var parts []dialect.Part
		text := ""
		switch {
		case m.Content == nil: // a turn that calls tools
		case json.Unmarshal(m.Content, &text) == nil:
			parts = append(parts, dialect.Part{Kind: dialect.Text, Text: text})
		default:
			var list []struct {
				Type, Text, Thinking string
				Image                struct{ URL, Detail string } `json:"image_url"`
			}
			if err := strictly(m.Content, &list); err != nil {
				return nil, err
			}
			for _, p := range list {
				switch p.Type {
				case "text":
					parts = append(parts, dialect.Part{Kind: dialect.Text, Text: p.Text})
				case "thinking":
					parts = append(parts, dialect.Part{Kind: dialect.Thinking, Text: p.Thinking})
				case "image_url":
					parts = append(parts, wireImage(p.Image.URL, p.Image.Detail))
				}
			}
		}
		switch m.Role {
		case "system":
			r.System = append(r.System, parts...)
		case "user":
			r.Messages = append(r.Messages, dialect.Message{Parts: parts})
		case "tool":
			r.Messages = append(r.Messages, dialect.Message{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: m.CallID, Content: parts}}})
		case "assistant":
			if m.ToolPlan != "" {
				parts = append(parts, dialect.Part{Kind: dialect.Text, Text: m.ToolPlan})
			}
			for _, c := range m.ToolCalls {
				parts = append(parts, dialect.Part{Kind: dialect.ToolCall, ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
			}
			r.Messages = append(r.Messages, dialect.Message{Role: dialect.Assistant, Parts: parts})
		}
	}
	for i := range w.Tools {
		t := w.Tools[i].def()
		t.Strict = w.StrictTools
		r.Tools = append(r.Tools, t)
	}
	if f := w.Format; f != nil {
		if r.Format.Kind = f.Type; f.Schema != nil {
			r.Format = dialect.Format{Kind: "json_schema", Schema: f.Schema}
		}
	}
	if th := w.Thinking; th != nil {
		if r.ThinkingBudget = th.Budget; th.Type == "disabled" {
			r.Reasoning = "none"
		} else {
			r.Reasoning = "on"
		}
	}
	return r, nil
}

// readOllamaRequest reads POST /api/chat.
func readOllamaRequest(body []byte) (*dialect.Request, *dialect.Error) {
	var w struct {
		Model    string `json:"model"`
		Messages []struct {
			Role      string   `json:"role"`
			Content   string   `json:"content"`
			Thinking  string   `json:"thinking"`
			Images    []string `json:"images"`
			ToolName  string   `json:"tool_name"`
			CallID    string   `json:"tool_call_id"`
			ToolCalls []struct {
				ID       string
				Function struct {
					Name      string
					Arguments json.RawMessage
				}
			} `json:"tool_calls"`
		} `json:"messages"`
		Tools    []wireTool      `json:"tools"`
		Format   json.RawMessage `json:"format"`
		Think    any             `json:"think"`
		Logprobs bool            `json:"logprobs"`
		Top      *int64          `json:"top_logprobs"`
		Options  struct {
			NumPredict  *int64   `json:"num_predict"`
			Seed        *int64   `json:"seed"`
			TopK        *int64   `json:"top_k"`
			Temperature *float64 `json:"temperature"`
			TopP        *float64 `json:"top_p"`
			Frequency   *float64 `json:"frequency_penalty"`
			Presence    *float64 `json:"presence_penalty"`
			Stop        []string `json:"stop"`
		} `json:"options"`
		Stream bool `json:"stream"`
	}
	if err := strictly(body, &w); err != nil {
		return nil, err
	}
	o := &w.Options
	r := &dialect.Request{Model: w.Model, MaxTokens: o.NumPredict, Seed: o.Seed, TopK: o.TopK, Temperature: o.Temperature, TopP: o.TopP, FrequencyPenalty: o.Frequency, PresencePenalty: o.Presence, Stop: o.Stop, Stream: w.Stream, Logprobs: w.Top}
	for _, m := range w.Messages {
		parts := []dialect.Part{{Kind: dialect.Text, Text: m.Content}}
		switch m.Role {
		case "system":
			r.System = append(r.System, parts...)
			continue
		case "tool":
			r.Messages = append(r.Messages, dialect.Message{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: m.CallID, Name: m.ToolName, Content: parts}}})
			continue
		}
		for _, data := range m.Images {
			parts = append(parts, dialect.Part{Kind: dialect.Image, MediaType: "image/png", Data: data}) // told by its bytes
		}
		if m.Thinking != "" {
			parts = append(parts, dialect.Part{Kind: dialect.Thinking, Text: m.Thinking})
		}
		for _, c := range m.ToolCalls {
			parts = append(parts, dialect.Part{Kind: dialect.ToolCall, ID: c.ID, Name: c.Function.Name, Arguments: string(c.Function.Arguments)})
		}
		role := dialect.User
		if m.Role == "assistant" {
			role = dialect.Assistant
		}
		r.Messages = append(r.Messages, dialect.Message{Role: role, Parts: parts})
	}
	for i := range w.Tools {
		r.Tools = append(r.Tools, w.Tools[i].def())
	}
	switch {
	case string(w.Format) == `"json"`:
		r.Format.Kind = "json_object"
	case w.Format != nil:
		r.Format = dialect.Format{Kind: "json_schema", Schema: w.Format}
	}
	switch level := w.Think.(type) {
	case string:
		r.Reasoning = level
	case bool:
		if r.Reasoning = "on"; !level {
			r.Reasoning = "none"
		}
	}
	return r, nil
}

type converseBlock struct {
	Text  string `json:"text"`
	Image *struct {
		Format string
		Source struct{ Bytes string }
	} `json:"image"`
	Audio *struct {
		Format string
		Source struct{ Bytes string }
	} `json:"audio"`
	Document *struct {
		Format, Name string
		Source       struct{ Bytes string }
	} `json:"document"`
	CachePoint *struct{ Type, TTL string } `json:"cachePoint"`
	Reasoning  *struct {
		Text     struct{ Text, Signature string } `json:"reasoningText"`
		Redacted string                           `json:"redactedContent"`
	} `json:"reasoningContent"`
	ToolUse *struct {
		ID    string `json:"toolUseId"`
		Name  string
		Input json.RawMessage
	} `json:"toolUse"`
	Result *struct {
		ID      string `json:"toolUseId"`
		Content []converseBlock
		Status  string
	} `json:"toolResult"`
}

func converseParts(blocks []converseBlock) (parts []dialect.Part) {
	for _, b := range blocks {
		switch {
		case b.Image != nil:
			parts = append(parts, dialect.Part{Kind: dialect.Image, MediaType: "image/" + b.Image.Format, Data: b.Image.Source.Bytes})
		case b.Audio != nil:
			parts = append(parts, dialect.Part{Kind: dialect.Audio, MediaType: "audio/" + b.Audio.Format, Data: b.Audio.Source.Bytes})
		case b.Document != nil:
			parts = append(parts, dialect.Part{Kind: dialect.Document, MediaType: "application/" + b.Document.Format, Data: b.Document.Source.Bytes, Name: b.Document.Name})
		case b.CachePoint != nil:
			mark := dialect.Cache5m
			if b.CachePoint.TTL == "1h" {
				mark = dialect.Cache1h
			}
			if n := len(parts); n > 0 {
				parts[n-1].Cache = mark
			}
		case b.Reasoning != nil && b.Reasoning.Redacted != "":
			parts = append(parts, dialect.Part{Kind: dialect.RedactedThinking, Data: b.Reasoning.Redacted})
		case b.Reasoning != nil:
			parts = append(parts, dialect.Part{Kind: dialect.Thinking, Text: b.Reasoning.Text.Text, Signature: b.Reasoning.Text.Signature})
		case b.ToolUse != nil:
			parts = append(parts, dialect.Part{Kind: dialect.ToolCall, ID: b.ToolUse.ID, Name: b.ToolUse.Name, Arguments: string(b.ToolUse.Input)})
		case b.Result != nil:
			parts = append(parts, dialect.Part{Kind: dialect.ToolResult, ID: b.Result.ID, Content: converseParts(b.Result.Content), IsError: b.Result.Status == "error"})
		default:
			parts = append(parts, dialect.Part{Kind: dialect.Text, Text: b.Text})
		}
	}
	return parts
}

// readConverseRequest reads POST /model/{id}/converse, with the models' own fields.
func readConverseRequest(body []byte) (*dialect.Request, *dialect.Error) {
	var w struct {
		System   []converseBlock `json:"system"`
		Messages []struct {
			Role    string          `json:"role"`
			Content []converseBlock `json:"content"`
		} `json:"messages"`
		ToolConfig struct {
			Tools []struct {
				Spec *struct {
					Name, Description string
					Schema            struct{ JSON json.RawMessage } `json:"inputSchema"`
					Strict            *bool
				} `json:"toolSpec"`
				CachePoint *struct{ Type, TTL string } `json:"cachePoint"`
			} `json:"tools"`
			Choice map[string]struct{ Name string } `json:"toolChoice"`
		} `json:"toolConfig"`
		Inference struct {
			MaxTokens   *int64   `json:"maxTokens"`
			Temperature *float64 `json:"temperature"`
			TopP        *float64 `json:"topP"`
			Stop        []string `json:"stopSequences"`
		} `json:"inferenceConfig"`
		More struct {
			Thinking *struct {
				Type   string `json:"type"`
				Budget *int64 `json:"budget_tokens"`
			} `json:"thinking"`
			OutputConfig struct {
				Effort string `json:"effort"`
			} `json:"output_config"`
			Reasoning struct {
				Type   string `json:"type"`
				Effort string `json:"maxReasoningEffort"`
			} `json:"reasoningConfig"`
			Effort    string `json:"reasoning_effort"`
			TopK      *int64 `json:"top_k"`
			K         *int64 `json:"k"`
			Inference struct {
				TopK *int64 `json:"topK"`
			} `json:"inferenceConfig"`
			Choice *struct {
				Type string `json:"type"`
				Name string `json:"name"`
				One  bool   `json:"disable_parallel_tool_use"`
			} `json:"tool_choice"`
		} `json:"additionalModelRequestFields"`
		Paths  []string `json:"additionalModelResponseFieldPaths"`
		Output *struct {
			Format struct {
				Type      string `json:"type"`
				Structure struct {
					JSON struct{ Schema, Name, Description string } `json:"jsonSchema"`
				} `json:"structure"`
			} `json:"textFormat"`
		} `json:"outputConfig"`
		Tier struct {
			Type string `json:"type"`
		} `json:"serviceTier"`
		Metadata map[string]string `json:"requestMetadata"`
	}
	if err := strictly(body, &w); err != nil {
		return nil, err
	}
	r := &dialect.Request{MaxTokens: w.Inference.MaxTokens, Temperature: w.Inference.Temperature, TopP: w.Inference.TopP, Stop: w.Inference.Stop, ServiceTier: w.Tier.Type}
	r.System = converseParts(w.System)
	if n := len(r.System); n > 0 && r.System[n-1].Text == "Do not call any tool." { // how a choice of none is said
		r.System = r.System[:n-1]
		r.ToolChoice.Mode = "none"
	}
	for _, m := range w.Messages {
		role := dialect.User
		if m.Role == "assistant" {
			role = dialect.Assistant
		}
		r.Messages = append(r.Messages, dialect.Message{Role: role, Parts: converseParts(m.Content)})
	}
	for _, t := range w.ToolConfig.Tools {
		if t.Spec == nil {
			if r.Tools[len(r.Tools)-1].Cache = dialect.Cache5m; t.CachePoint.TTL == "1h" {
				r.Tools[len(r.Tools)-1].Cache = dialect.Cache1h
			}
			continue
		}
		r.Tools = append(r.Tools, dialect.ToolDef{Name: t.Spec.Name, Description: t.Spec.Description, Parameters: t.Spec.Schema.JSON, Strict: t.Spec.Strict})
	}
	for kind, c := range w.ToolConfig.Choice {
		r.ToolChoice = dialect.ToolChoice{Mode: map[string]string{"auto": "auto", "any": "required", "tool": "tool"}[kind], Name: c.Name}
	}
	x := &w.More
	if c := x.Choice; c != nil {
		r.ToolChoice = dialect.ToolChoice{Mode: map[string]string{"auto": "auto", "any": "required", "tool": "tool"}[c.Type], Name: c.Name}
		if c.One {
			r.Parallel = new(bool)
		}
	}
	for _, k := range []*int64{x.TopK, x.K, x.Inference.TopK} {
		if k != nil {
			r.TopK = k
		}
	}
	switch {
	case x.Thinking != nil:
		if r.ThinkingBudget, r.Reasoning = x.Thinking.Budget, x.OutputConfig.Effort; r.Reasoning == "" {
			r.Reasoning = "on"
		}
	default:
		for _, e := range []string{x.OutputConfig.Effort, x.Reasoning.Effort, x.Effort} {
			if e != "" {
				r.Reasoning = e
			}
		}
	}
	if o := w.Output; o != nil {
		j := o.Format.Structure.JSON
		r.Format = dialect.Format{Kind: o.Format.Type, Name: j.Name, Description: j.Description, Schema: []byte(j.Schema)}
	}
	r.User = w.Metadata["user"]
	delete(w.Metadata, "user")
	if len(w.Metadata) > 0 {
		r.Metadata, _ = json.Marshal(w.Metadata)
	}
	return r, nil
}

// readVendor reads a chat as a vendor that speaks the dialect in a way of its own does: its names for things are OpenAI's
// again, and what it does not take must not stand in the body.
func readVendor(row *vendor.Row, model string) readFunc {
	return func(body []byte) (*dialect.Request, *dialect.Error) {
		var o map[string]any
		if err := json.Unmarshal(body, &o); err != nil {
			return nil, &dialect.Error{Message: err.Error()}
		}
		for name := range o {
			if _, lacks := row.Lacks(model, name); lacks {
				return nil, &dialect.Error{Param: name, Message: "the vendor does not take it"}
			}
		}
		back := map[string]string{}
		for from, to := range row.Rename {
			back[to] = from
		}
		for to, from := range back {
			if v, ok := o[to]; ok {
				o[from] = v
				delete(o, to)
			}
		}
		if th, ok := o["thinking"].(map[string]any); ok && row.Effort == vendor.EffortType {
			o["reasoning_effort"] = map[any]string{"enabled": "high", "disabled": "none"}[th["type"]]
			delete(o, "thinking")
		}
		if on, ok := o["enable_thinking"].(bool); ok && row.Effort == vendor.EffortSwitch {
			o["reasoning_effort"] = map[bool]string{true: "high", false: "none"}[on]
			delete(o, "enable_thinking")
		}
		if row.Required != "" && o["tool_choice"] == row.Required {
			o["tool_choice"] = "required"
		}
		messages, _ := o["messages"].([]any)
		for _, m := range messages {
			parts, _ := m.(map[string]any)["content"].([]any)
			for _, p := range parts {
				if part := p.(map[string]any); part["type"] == "document_url" {
					part["type"] = "file"
					part["file"] = map[string]any{"file_data": part["document_url"], "filename": part["document_name"]}
				}
			}
		}
		return openaichat.DecodeRequest(marshal(o))
	}
}
