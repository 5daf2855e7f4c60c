package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"
	"github.com/google/go-cmp/cmp"
)

// messagesGo is anthropic-sdk-go. To it, model "passed" is the one that is translated.
type messagesGo struct{ anthropic.Client }

func newMessagesGo(url, key string, more ...option.RequestOption) messagesGo {
	return messagesGo{anthropic.NewClient(append([]option.RequestOption{option.WithBaseURL(url), option.WithAPIKey(key), option.WithMaxRetries(0)}, more...)...)}
}

func (c messagesGo) params(r request) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: anthropic.Model(r.model), MaxTokens: 1000, StopSequences: r.stop}
	if r.maxTokens > 0 {
		p.MaxTokens = int64(r.maxTokens)
	}
	var results []anthropic.ContentBlockParamUnion
	for i, m := range r.messages {
		switch m.role {
		case "system":
			p.System = append(p.System, anthropic.TextBlockParam{Text: m.text})
		case "tool":
			result := anthropic.NewToolResultBlock(m.id, m.text, m.failed)
			if m.image != "" {
				result.OfToolResult.Content = append(result.OfToolResult.Content, anthropic.ToolResultBlockParamContentUnion{OfImage: imageBlock(m.image).OfImage})
			}
			results = append(results, result)
			if i+1 == len(r.messages) || r.messages[i+1].role != "tool" {
				p.Messages = append(p.Messages, anthropic.NewUserMessage(results...))
				results = nil
			}
		case "assistant":
			if turn, ok := m.turn.(anthropic.MessageParam); ok {
				p.Messages = append(p.Messages, turn)
				continue
			}
			var blocks []anthropic.ContentBlockParamUnion
			if m.text != "" {
				blocks = append(blocks, anthropic.NewTextBlock(m.text))
			}
			for _, k := range m.calls {
				blocks = append(blocks, anthropic.NewToolUseBlock(k.id, json.RawMessage(k.arguments), k.name))
			}
			p.Messages = append(p.Messages, anthropic.NewAssistantMessage(blocks...))
		default:
			blocks := []anthropic.ContentBlockParamUnion{anthropic.NewTextBlock(m.text)}
			if m.image != "" {
				blocks = append(blocks, imageBlock(m.image))
			}
			if m.document != "" {
				d := anthropic.NewDocumentBlock(anthropic.Base64PDFSourceParam{Data: m.document})
				d.OfDocument.Title = param.NewOpt("paper.pdf")
				blocks = append(blocks, d)
			}
			p.Messages = append(p.Messages, anthropic.NewUserMessage(blocks...))
		}
	}
	if r.tools {
		var schema struct {
			Properties any
			Required   []string
		}
		json.Unmarshal([]byte(weatherSchema), &schema)
		p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "get_weather", Description: anthropic.String("The weather of a city"),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: schema.Properties, Required: schema.Required}}}}
	}
	switch r.choice {
	case "required":
		p.ToolChoice.OfAny = &anthropic.ToolChoiceAnyParam{}
	case "none":
		p.ToolChoice.OfNone = &anthropic.ToolChoiceNoneParam{}
	default:
		if r.parallel != nil {
			p.ToolChoice.OfAuto = &anthropic.ToolChoiceAutoParam{DisableParallelToolUse: param.NewOpt(!*r.parallel)}
		}
	}
	if r.temperature != nil {
		p.Temperature = param.NewOpt(*r.temperature)
	}
	if r.schema != "" {
		p.OutputConfig.Format.Schema = parsed(r.schema)
	}
	if r.think {
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(2048)
	}
	return p
}

// imageBlock is an image of a data: URL, or of another one.
func imageBlock(url string) anthropic.ContentBlockParamUnion {
	if media, data, ok := strings.Cut(strings.TrimPrefix(url, "data:"), ";base64,"); ok {
		return anthropic.NewImageBlockBase64(media, data)
	}
	return anthropic.NewImageBlock(anthropic.URLImageSourceParam{URL: url})
}

func (c messagesGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c messagesGo) read(ctx context.Context, r request) (reading, error) {
	p := c.params(r)
	if !r.stream {
		m, err := c.Messages.New(ctx, p)
		if err != nil {
			return reading{}, messagesError(err)
		}
		return readMessage(m)
	}
	stream := c.Messages.NewStreaming(ctx, p)
	defer stream.Close()
	var m anthropic.Message
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			return reading{}, err
		}
	}
	a, err := readMessage(&m)
	if stream.Err() != nil {
		return a, messagesError(stream.Err())
	}
	return a, err
}

func messagesError(err error) error {
	if e, ok := errors.AsType[*anthropic.Error](err); ok {
		var body struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if json.Unmarshal([]byte(e.RawJSON()), &body); body.Type != "error" || body.Error.Type == "" {
			return fmt.Errorf("the error has not Anthropic's shape: %s", e.RawJSON())
		}
		return refused{e.StatusCode, body.Error.Type, body.Error.Type, body.Error.Message}
	}
	return err
}

// readMessage gives an answer in the words of the other callers.
func readMessage(m *anthropic.Message) (a reading, err error) {
	u := m.Usage
	a = reading{turn: m.ToParam(), Usage: usage{In: u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens, Out: u.OutputTokens,
		Cached: u.CacheReadInputTokens, Written: u.CacheCreationInputTokens, Reasoning: u.OutputTokensDetails.ThinkingTokens}}
	a.Stop = map[anthropic.StopReason]string{"": "", "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}[m.StopReason]
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			a.Text += b.Text
		case "thinking":
			a.Thinking += b.Thinking
		case "redacted_thinking":
		case "tool_use":
			a.Calls = append(a.Calls, idCall{b.ID, b.Name, string(b.Input)})
		default:
			return a, fmt.Errorf("a block of type %q", b.Type)
		}
	}
	return a, nil
}

// TestMessagesKeepWhatOnlyAnthropicHas: where caller and target speak the same dialect nothing is lost, beta features,
// caching marks and signed thinking included; where they do not, what has no equal is refused by name.
func TestMessagesKeepWhatOnlyAnthropicHas(t *testing.T) {
	w := startWorld(t)
	c := newMessagesGo(w.URL, appKey)
	p := c.params(request{model: "translated", messages: user("weather in Paris?"), tools: true, maxTokens: 2000})
	p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	thought, err := c.Messages.New(t.Context(), p, option.WithHeader("anthropic-beta", "context-1m-2025-08-07"))
	if err != nil || len(thought.Content) != 2 || thought.Content[0].Type != "thinking" || thought.Content[0].Signature == "" {
		t.Fatalf("%+v, %v", thought, err)
	}
	seen, err := w.anthropic.Requests(1)
	if err != nil {
		t.Fatal(err)
	}
	h := seen[0].Header
	if h.Get("Anthropic-Beta") != "context-1m-2025-08-07" || h.Get("Anthropic-Version") == "" || h.Get("X-Api-Key") != hashOf(providerKey) {
		t.Errorf("the provider saw %v", h)
	}
	p.Messages = append(p.Messages, thought.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(thought.Content[1].ID, "21 C", false)))
	if _, err := c.Messages.New(t.Context(), p); err != nil {
		t.Errorf("a thought that came back unchanged is refused: %v", err)
	}

	p = c.params(request{model: "passed", messages: user("hi")})
	p.Tools = []anthropic.ToolUnionParam{{OfWebSearchTool20250305: &anthropic.WebSearchTool20250305Param{}}}
	_, err = c.Messages.New(t.Context(), p)
	got, ok := errors.AsType[refused](messagesError(err))
	if !ok || got.Status != 400 || got.Code != "invalid_request_error" || !strings.Contains(got.Message, "tools.0.server_tools") {
		t.Errorf("a server-side tool gave %v", err)
	}
	_, err = c.Messages.New(t.Context(), anthropic.MessageNewParams{Model: "passed", MaxTokens: 10, Messages: []anthropic.MessageParam{{Role: "tool"}}})
	if got, ok := errors.AsType[refused](messagesError(err)); !ok || got.Status != 400 || !strings.Contains(got.Message, "messages.0.role") {
		t.Errorf("a wrong role gave %v", err)
	}
}

// TestModelsForAnthropicsClient covers GET /v1/models and GET /v1/models/{model} in Anthropic's shape.
func TestModelsForAnthropicsClient(t *testing.T) {
	w := startWorld(t)
	c := newMessagesGo(w.URL, narrowKey)
	page, err := c.Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range page.Data {
		names = append(names, m.ID+" "+string(m.Type))
	}
	if d := cmp.Diff([]string{"passed model"}, names); d != "" || page.HasMore || page.FirstID != "passed" {
		t.Errorf("mismatch (-want +got)\n%s %+v", d, page)
	}
	if m, err := c.Models.Get(t.Context(), "passed", anthropic.ModelGetParams{}); err != nil || m.ID != "passed" {
		t.Errorf("model %+v, %v", m, err)
	}
	_, err = c.Models.Get(t.Context(), "unheard-of", anthropic.ModelGetParams{})
	if got, ok := errors.AsType[refused](messagesError(err)); !ok || got.Status != 404 || got.Code != "not_found_error" {
		t.Errorf("an unknown model gave %v", err)
	}
}
