package mock

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/signer"
)

// bedrock is the Converse API of Amazon Bedrock. Calls must be signed; with a key given to the mock, which is then the
// secret access key, their signatures are verified over the bytes that came.
type bedrock struct{ key string }

// credential reads no key: the endpoint verifies the signature, which is over the body, too.
func (b bedrock) credential(*http.Request) (string, *refusal) { return b.key, nil }

func (bedrock) headers(h http.Header, id string, status int) {
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Requestid", id)
	if kind := bedrockError(status); kind != "" {
		h.Set("X-Amzn-Errortype", kind+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	}
}

func bedrockError(status int) string {
	switch {
	case status == 403:
		return "InvalidSignatureException"
	case status == 404:
		return "ResourceNotFoundException"
	case status == 429:
		return "ThrottlingException"
	case status == 503:
		return "ServiceUnavailableException"
	case status >= 500:
		return "InternalServerException"
	case status >= 400:
		return "ValidationException"
	}
	return ""
}

func (bedrock) refuse(b *refusal) []byte { return mustJSON(map[string]string{"message": b.message}) }

func (bedrock) midstream() []byte {
	return eventstream.Append(nil, &eventstream.Frame{Type: []byte("exception"), Name: []byte("modelStreamErrorException"), Payload: []byte(`{"message":"The server had an error while it answered"}`)})
}

// signed verifies the signature of a call, as far as a key was given.
func (h *Handler) signed(p *player, body []byte) *refusal {
	auth := p.r.Header.Get("Authorization")
	_, rest, ok := strings.Cut(auth, "AWS4-HMAC-SHA256 Credential=")
	scope := strings.SplitN(rest, "/", 4)
	if !ok || len(scope) != 4 || !strings.HasPrefix(scope[3], "bedrock/aws4_request,") {
		return &refusal{status: 403, message: "Missing Authentication Token"}
	}
	if h.o.Key == "" {
		return nil
	}
	call := signer.Call{Method: p.r.Method, Host: p.r.Host, Target: []byte(p.r.RequestURI), Body: body, Now: h.o.Now()}
	if wrong := signer.VerifySigV4(&call, p.r.Header.Get, scope[2], "bedrock", scope[0], h.o.Key); wrong != "" {
		return &refusal{status: 403, message: strings.ToUpper(wrong[:1]) + wrong[1:]}
	}
	return nil
}

type bedrockMedia struct {
	Format string `json:"format"`
	Name   string `json:"name"`
	Source struct {
		Bytes string `json:"bytes"`
	} `json:"source"`
}

type bedrockBlock struct {
	Text     *string       `json:"text"`
	Image    *bedrockMedia `json:"image"`
	Document *bedrockMedia `json:"document"`
	ToolUse  *struct {
		ID    string         `json:"toolUseId"`
		Name  string         `json:"name"`
		Input jsontext.Value `json:"input"`
	} `json:"toolUse"`
	ToolResult *struct {
		ID      string         `json:"toolUseId"`
		Content []bedrockBlock `json:"content"`
		Status  string         `json:"status"`
	} `json:"toolResult"`
	Reasoning  jsontext.Value `json:"reasoningContent"`
	CachePoint jsontext.Value `json:"cachePoint"`
}

// bedrockRequest has the fields that the API documents and the gateway may send; another one is refused, as the API
// refuses it.
type bedrockRequest struct {
	System   []bedrockBlock `json:"system"`
	Messages []struct {
		Role    string         `json:"role"`
		Content []bedrockBlock `json:"content"`
	} `json:"messages"`
	Inference struct {
		MaxTokens   *int     `json:"maxTokens"`
		Temperature *float64 `json:"temperature"`
		TopP        *float64 `json:"topP"`
		Stop        []string `json:"stopSequences"`
	} `json:"inferenceConfig"`
	ToolConfig *struct {
		Tools []struct {
			Spec *struct {
				Name        string  `json:"name"`
				Description *string `json:"description"`
				Schema      struct {
					JSON jsontext.Value `json:"json"`
				} `json:"inputSchema"`
				Strict *bool `json:"strict"`
			} `json:"toolSpec"`
			CachePoint jsontext.Value `json:"cachePoint"`
		} `json:"tools"`
		Choice *struct {
			Auto *struct{} `json:"auto"`
			Any  *struct{} `json:"any"`
			Tool *struct {
				Name string `json:"name"`
			} `json:"tool"`
		} `json:"toolChoice"`
	} `json:"toolConfig"`
	Additional struct {
		Thinking   map[string]any `json:"thinking"`
		ToolChoice *struct {
			Type string `json:"type"`
			Name string `json:"name"`
			One  bool   `json:"disable_parallel_tool_use"`
		} `json:"tool_choice"`
		TopK   *int           `json:"top_k"`
		Output jsontext.Value `json:"output_config"`
	} `json:"additionalModelRequestFields"`
	Paths  []string `json:"additionalModelResponseFieldPaths"`
	Output *struct {
		Format struct {
			Type      string `json:"type"`
			Structure struct {
				Schema struct {
					Schema      string `json:"schema"`
					Name        string `json:"name"`
					Description string `json:"description"`
				} `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
	} `json:"outputConfig"`
	ServiceTier jsontext.Value    `json:"serviceTier"`
	Metadata    map[string]string `json:"requestMetadata"`
}

func malformed(format string, args ...any) *refusal {
	return &refusal{status: 400, message: fmt.Sprintf(format, args...)}
}

// bedrockChat is POST /model/{model}/converse and /converse-stream. The model comes unescaped.
func (h *Handler) bedrockChat(stream bool) func(*player, []byte) *refusal {
	return func(p *player, body []byte) *refusal {
		if bad := h.signed(p, body); bad != nil {
			return bad
		}
		var in bedrockRequest
		if err := json.Unmarshal(body, &in, json.RejectUnknownMembers(true)); err != nil {
			return malformed("%s", openAIUnreadable(err).message)
		}
		model := p.r.PathValue("model")
		q, bad := in.openAI(model)
		if bad != nil {
			return bad
		}
		c, bad := q.chat(body)
		if bad != nil {
			return malformed("%s", bad.message)
		}
		c.stops = in.Inference.Stop
		if t := in.Additional.ToolChoice; t != nil && t.One {
			c.parallel = false
		}
		c.thinking = in.Additional.Thinking["type"] == "enabled" || in.Additional.Thinking["type"] == "adaptive"
		if in.Output != nil {
			if c.schema = object([]byte(in.Output.Format.Structure.Schema.Schema)); c.schema == nil {
				return malformed("The schema of outputConfig.textFormat is not a JSON object.")
			}
		}
		if !h.exists(Bedrock, model) {
			return &refusal{status: 400, message: "The provided model identifier is invalid."}
		}
		w := bedrockWriter{compose(c, h.o.Chunks), len(in.Paths) > 0}
		if !stream {
			p.respond(200, w.body())
			return nil
		}
		p.mediaType = "application/vnd.amazon.eventstream"
		p.stream(w.frames())
		return nil
	}
}

// openAI says a request in OpenAI's form, after it was judged as the API judges it.
func (in *bedrockRequest) openAI(model string) (*openAIRequest, *refusal) {
	q := &openAIRequest{Model: model, MaxTokens: in.Inference.MaxTokens, Temperature: in.Inference.Temperature, TopP: in.Inference.TopP}
	if t := in.Inference.Temperature; t != nil && *t > 1 {
		return nil, malformed("Value '%g' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1", *t)
	}
	for _, b := range in.System {
		if b.Text != nil {
			q.Messages = append(q.Messages, openAIMessage{Role: "system", Content: openAIContent{text: b.Text}})
		}
	}
	tools := false
	for i, m := range in.Messages {
		if want := [...]string{"user", "assistant"}[i%2]; m.Role != want {
			return nil, malformed("A conversation must alternate between user and assistant roles: messages.%d is of %q.", i, m.Role)
		}
		if len(m.Content) == 0 {
			return nil, malformed("The content field in the Message object at messages.%d is empty.", i)
		}
		o := openAIMessage{Role: m.Role}
		for j, b := range m.Content {
			at := fmt.Sprintf("messages.%d.content.%d", i, j)
			switch {
			case b.Text != nil:
				if strings.TrimSpace(*b.Text) == "" {
					return nil, malformed("The text field in the ContentBlock object at %s is blank. Add text to the text field, and try again.", at)
				}
				o.Content.parts = append(o.Content.parts, openAIPart{Type: "text", Text: b.Text})
			case b.Image != nil:
				if _, err := base64.StdEncoding.DecodeString(b.Image.Source.Bytes); err != nil {
					return nil, malformed("The image at %s is not base64.", at)
				}
				part := openAIPart{Type: "image_url"}
				part.ImageURL = &struct {
					URL    string `json:"url"`
					Detail string `json:"detail"`
				}{URL: "data:image/" + b.Image.Format + ";base64," + b.Image.Source.Bytes}
				o.Content.parts = append(o.Content.parts, part)
			case b.ToolUse != nil:
				if object(b.ToolUse.Input) == nil {
					return nil, malformed("The format of the value at %s.toolUse.input is invalid. Provide a json object for the field and try again.", at)
				}
				tools = true
				call := openAIToolCall{ID: b.ToolUse.ID, Type: "function"}
				call.Function.Name, call.Function.Arguments = b.ToolUse.Name, string(b.ToolUse.Input)
				o.ToolCalls = append(o.ToolCalls, call)
			case b.ToolResult != nil:
				tools = true
				var text string
				for _, c := range b.ToolResult.Content {
					if c.Text != nil {
						text += *c.Text
					}
				}
				id := b.ToolResult.ID
				q.Messages = append(q.Messages, openAIMessage{Role: "tool", ToolCallID: &id, Content: openAIContent{text: &text}})
			}
		}
		if len(o.Content.parts) > 0 || len(o.ToolCalls) > 0 {
			q.Messages = append(q.Messages, o)
		}
	}
	if in.ToolConfig == nil {
		if tools {
			return nil, malformed("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
		}
		return q, nil
	}
	for _, t := range in.ToolConfig.Tools {
		if t.Spec == nil {
			continue
		}
		tool := openAITool{Type: "function"}
		tool.Function.Name, tool.Function.Description, tool.Function.Parameters = t.Spec.Name, t.Spec.Description, t.Spec.Schema.JSON
		q.Tools = append(q.Tools, tool)
	}
	mode, name := "auto", ""
	if c := in.ToolConfig.Choice; c != nil && c.Any != nil {
		mode = "required"
	} else if c != nil && c.Tool != nil {
		mode, name = "tool", c.Tool.Name
	}
	if t := in.Additional.ToolChoice; t != nil {
		mode, name = map[string]string{"auto": "auto", "any": "required", "tool": "tool"}[t.Type], t.Name
	}
	q.ToolChoice = mustJSON(mode)
	if mode == "tool" {
		q.ToolChoice = mustJSON(map[string]any{"type": "function", "function": map[string]any{"name": name}})
	}
	return q, nil
}

type bedrockWriter struct {
	*answer
	told bool // the stop sequence was asked for
}

// ending is what stands at the end of an answer in both its forms.
func (w *bedrockWriter) ending() map[string]any {
	out := map[string]any{"stopReason": map[string]string{"stop": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "tool_calls": "tool_use"}[w.stop]}
	if w.told && w.stopSequence != "" {
		out["additionalModelResponseFields"] = map[string]any{"stop_sequence": w.stopSequence}
	}
	return out
}

// usage counts input without what the cache held.
func (w *bedrockWriter) usage() map[string]any {
	return map[string]any{"inputTokens": w.input - w.cacheRead - w.cacheWrite, "outputTokens": w.output, "totalTokens": w.input + w.output,
		"cacheReadInputTokens": w.cacheRead, "cacheWriteInputTokens": w.cacheWrite}
}

const bedrockSignature = "c2lnbmVkLWJ5LXRoZS1tb2Nr"

func (w *bedrockWriter) body() []byte {
	var content []any
	if w.thinking != nil {
		content = append(content, map[string]any{"reasoningContent": map[string]any{"reasoningText": map[string]any{"text": strings.Join(w.thinking, ""), "signature": bedrockSignature}}})
	}
	if text := w.text(); text != "" {
		content = append(content, map[string]any{"text": text})
	}
	for _, k := range w.calls {
		content = append(content, map[string]any{"toolUse": map[string]any{"toolUseId": "tooluse_" + k.id, "name": k.name, "input": jsontext.Value(k.arguments)}})
	}
	if content == nil {
		content = []any{}
	}
	out := w.ending()
	out["output"] = map[string]any{"message": map[string]any{"role": "assistant", "content": content}}
	out["usage"], out["metrics"] = w.usage(), map[string]any{"latencyMs": 12}
	return mustJSON(out)
}

func (w *bedrockWriter) frames() (out [][]byte) {
	emit := func(name string, v map[string]any) {
		v["p"] = "abcdefgh"[:len(out)%8] // padding, as the service adds it
		out = append(out, eventstream.Append(nil, &eventstream.Frame{Type: []byte("event"), Name: []byte(name), Payload: mustJSON(v)}))
	}
	index := 0
	delta := func(v any) {
		emit("contentBlockDelta", map[string]any{"contentBlockIndex": index, "delta": v})
	}
	end := func() {
		emit("contentBlockStop", map[string]any{"contentBlockIndex": index})
		index++
	}
	emit("messageStart", map[string]any{"role": "assistant"})
	if w.thinking != nil {
		for _, piece := range w.thinking {
			delta(map[string]any{"reasoningContent": map[string]any{"text": piece}})
		}
		delta(map[string]any{"reasoningContent": map[string]any{"signature": bedrockSignature}})
		end()
	}
	if len(w.pieces) > 0 {
		for _, piece := range w.pieces {
			delta(map[string]any{"text": piece})
		}
		end()
	}
	for _, k := range w.calls {
		emit("contentBlockStart", map[string]any{"contentBlockIndex": index, "start": map[string]any{"toolUse": map[string]any{"toolUseId": "tooluse_" + k.id, "name": k.name}}})
		for _, fragment := range pieces(k.arguments) {
			delta(map[string]any{"toolUse": map[string]any{"input": fragment}})
		}
		end()
	}
	emit("messageStop", w.ending())
	emit("metadata", map[string]any{"usage": w.usage(), "metrics": map[string]any{"latencyMs": 12}})
	return out
}
