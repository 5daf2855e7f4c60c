package conformance

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/respjson"
	"github.com/openai/openai-go/v3/shared"
	goopenai "github.com/sashabaranov/go-openai"
)

// officialGo is openai-go with Chat Completions.
type officialGo struct{ openai.Client }

func newOfficialGo(url, key string, more ...option.RequestOption) officialGo {
	return officialGo{openai.NewClient(append([]option.RequestOption{option.WithBaseURL(url + "/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)}, more...)...)}
}

// officialOver is the same on a connection of its own kind, which trusts the certificate of this run.
func officialOver(url, key string, http2 bool) officialGo {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.pool}, ForceAttemptHTTP2: http2}
	return newOfficialGo(url, key, option.WithHTTPClient(&http.Client{Transport: tr}))
}

func (c officialGo) params(r request) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: r.model}
	for _, m := range r.messages {
		switch m.role {
		case "system":
			p.Messages = append(p.Messages, openai.SystemMessage(m.text))
		case "tool":
			p.Messages = append(p.Messages, openai.ToolMessage(m.text, m.id))
		case "assistant":
			if turn, ok := m.turn.(openai.ChatCompletionMessageParamUnion); ok {
				p.Messages = append(p.Messages, turn)
				continue
			}
			p.Messages = append(p.Messages, assistantTurn(m.text, m.calls, nil))
		default:
			if m.image == "" && m.document == "" {
				p.Messages = append(p.Messages, openai.UserMessage(m.text))
				continue
			}
			parts := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(m.text)}
			if m.image != "" {
				parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: m.image}))
			}
			if m.document != "" {
				parts = append(parts, openai.FileContentPart(openai.ChatCompletionContentPartFileFileParam{
					Filename: param.NewOpt("paper.pdf"), FileData: param.NewOpt("data:application/pdf;base64," + m.document)}))
			}
			p.Messages = append(p.Messages, openai.UserMessage(parts))
		}
	}
	if r.tools {
		p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: "get_weather", Description: param.NewOpt("The weather of a city"), Parameters: parsed(weatherSchema)})}
	}
	if r.choice != "" {
		p.ToolChoice.OfAuto = param.NewOpt(r.choice)
	}
	if r.parallel != nil {
		p.ParallelToolCalls = param.NewOpt(*r.parallel)
	}
	if r.maxTokens > 0 {
		p.MaxTokens = param.NewOpt(int64(r.maxTokens))
	}
	if r.stop != nil {
		p.Stop.OfStringArray = r.stop
	}
	if r.temperature != nil {
		p.Temperature = param.NewOpt(*r.temperature)
	}
	if r.schema != "" {
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "place", Strict: param.NewOpt(true), Schema: parsed(r.schema)}}
	}
	if r.think {
		p.ReasoningEffort = shared.ReasoningEffortMedium
	}
	return p
}

// parsed is a JSON object as SDKs want schemas.
func parsed(object string) (m map[string]any) {
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		panic(err)
	}
	return m
}

// assistantTurn is a message of the assistant, with the blocks of thinking that the gateway adds to the dialect.
func assistantTurn(text string, calls []idCall, blocks []json.RawMessage) openai.ChatCompletionMessageParamUnion {
	a := openai.ChatCompletionAssistantMessageParam{}
	if text != "" {
		a.Content.OfString = param.NewOpt(text)
	}
	for _, k := range calls {
		a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
			ID: k.id, Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: k.name, Arguments: k.arguments}}})
	}
	if blocks != nil {
		a.SetExtraFields(map[string]any{"thinking_blocks": blocks})
	}
	return openai.ChatCompletionMessageParamUnion{OfAssistant: &a}
}

func (c officialGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c officialGo) read(ctx context.Context, r request) (reading, error) {
	p := c.params(r)
	var thought thoughts
	if !r.stream {
		done, err := c.Chat.Completions.New(ctx, p)
		if err != nil {
			return reading{}, officialError(err)
		}
		if len(done.Choices) == 1 {
			thought.add(done.Choices[0].Message.JSON.ExtraFields)
		}
		return readOfficial(done, &thought)
	}
	p.StreamOptions.IncludeUsage = param.NewOpt(true)
	stream := c.Chat.Completions.NewStreaming(ctx, p)
	defer stream.Close()
	var acc openai.ChatCompletionAccumulator
	var counts openai.CompletionUsage // whose parts the accumulator does not all add
	for stream.Next() {
		chunk := stream.Current()
		if !acc.AddChunk(chunk) {
			return reading{}, errors.New("the accumulator refused a chunk: " + chunk.RawJSON())
		}
		if len(chunk.Choices) == 1 {
			thought.add(chunk.Choices[0].Delta.JSON.ExtraFields)
		}
		if chunk.JSON.Usage.Valid() {
			counts = chunk.Usage
		}
	}
	acc.Usage = counts
	if err := stream.Err(); err != nil {
		a, _ := readOfficial(&acc.ChatCompletion, &thought)
		return a, officialError(err)
	}
	return readOfficial(&acc.ChatCompletion, &thought)
}

// thoughts collects what the gateway adds to messages and deltas.
type thoughts struct {
	text   string
	blocks []json.RawMessage
}

func (t *thoughts) add(fields map[string]respjson.Field) {
	var s string
	if f, ok := fields["reasoning_content"]; ok && json.Unmarshal([]byte(f.Raw()), &s) == nil {
		t.text += s
	}
	var list []json.RawMessage
	if f, ok := fields["thinking_blocks"]; ok && json.Unmarshal([]byte(f.Raw()), &list) == nil {
		t.blocks = append(t.blocks, list...)
	}
}

func officialError(err error) error {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return refused{e.StatusCode, e.Type, e.Code, e.Message}
	}
	return err
}

func readOfficial(done *openai.ChatCompletion, t *thoughts) (reading, error) {
	if len(done.Choices) != 1 {
		return reading{}, fmt.Errorf("%d choices", len(done.Choices))
	}
	m, u := done.Choices[0].Message, done.Usage
	a := reading{Text: m.Content, Thinking: t.text, Stop: done.Choices[0].FinishReason,
		Usage: usage{In: u.PromptTokens, Out: u.CompletionTokens, Cached: u.PromptTokensDetails.CachedTokens, Written: u.PromptTokensDetails.CacheWriteTokens, Reasoning: u.CompletionTokensDetails.ReasoningTokens}}
	if u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		return a, fmt.Errorf("usage does not add up: %s", u.RawJSON())
	}
	for _, k := range m.ToolCalls {
		a.Calls = append(a.Calls, idCall{k.ID, k.Function.Name, k.Function.Arguments})
	}
	a.turn = assistantTurn(a.Text, a.Calls, t.blocks)
	return a, nil
}

// communityGo is sashabaranov/go-openai.
type communityGo struct{ *goopenai.Client }

func newCommunityGo(url, key string, over ...*http.Client) communityGo {
	c := goopenai.DefaultConfig(key)
	c.BaseURL = url + "/v1"
	for _, h := range over {
		c.HTTPClient = h
	}
	return communityGo{goopenai.NewClientWithConfig(c)}
}

func (c communityGo) params(r request) goopenai.ChatCompletionRequest {
	p := goopenai.ChatCompletionRequest{Model: r.model, MaxTokens: r.maxTokens, Stop: r.stop}
	for _, m := range r.messages {
		if turn, ok := m.turn.(goopenai.ChatCompletionMessage); ok {
			p.Messages = append(p.Messages, turn)
			continue
		}
		x := goopenai.ChatCompletionMessage{Role: m.role, Content: m.text, ToolCallID: m.id}
		if m.image != "" {
			x.Content = ""
			x.MultiContent = []goopenai.ChatMessagePart{{Type: goopenai.ChatMessagePartTypeText, Text: m.text},
				{Type: goopenai.ChatMessagePartTypeImageURL, ImageURL: &goopenai.ChatMessageImageURL{URL: m.image}}}
		}
		for _, k := range m.calls {
			x.ToolCalls = append(x.ToolCalls, goopenai.ToolCall{ID: k.id, Type: goopenai.ToolTypeFunction, Function: goopenai.FunctionCall{Name: k.name, Arguments: k.arguments}})
		}
		p.Messages = append(p.Messages, x)
	}
	if r.tools {
		p.Tools = []goopenai.Tool{{Type: goopenai.ToolTypeFunction, Function: &goopenai.FunctionDefinition{Name: "get_weather", Description: "The weather of a city", Parameters: json.RawMessage(weatherSchema)}}}
	}
	if r.choice != "" {
		p.ToolChoice = r.choice
	}
	if r.parallel != nil {
		p.ParallelToolCalls = *r.parallel
	}
	if r.temperature != nil {
		p.Temperature = float32(*r.temperature)
	}
	if r.schema != "" {
		p.ResponseFormat = &goopenai.ChatCompletionResponseFormat{Type: goopenai.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &goopenai.ChatCompletionResponseFormatJSONSchema{Name: "place", Strict: true, Schema: json.RawMessage(r.schema)}}
	}
	if r.think { // this client knows which models of OpenAI's take max_tokens no more
		p.ReasoningEffort = "medium"
		p.MaxCompletionTokens, p.MaxTokens = p.MaxTokens, 0
	}
	return p
}

func (c communityGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c communityGo) read(ctx context.Context, r request) (a reading, err error) {
	p := c.params(r)
	count := func(u *goopenai.Usage) {
		a.Usage = usage{In: int64(u.PromptTokens), Out: int64(u.CompletionTokens)}
		if d := u.PromptTokensDetails; d != nil {
			a.Usage.Cached = int64(d.CachedTokens)
		}
		if d := u.CompletionTokensDetails; d != nil {
			a.Usage.Reasoning = int64(d.ReasoningTokens)
		}
	}
	if !r.stream {
		done, err := c.CreateChatCompletion(ctx, p)
		if err != nil {
			return a, communityError(err)
		}
		if len(done.Choices) != 1 {
			return a, fmt.Errorf("%d choices", len(done.Choices))
		}
		m := done.Choices[0]
		a.Text, a.Thinking, a.Stop = m.Message.Content, m.Message.ReasoningContent, string(m.FinishReason)
		count(&done.Usage)
		for _, k := range m.Message.ToolCalls {
			a.Calls = append(a.Calls, idCall{k.ID, k.Function.Name, k.Function.Arguments})
		}
		a.turn = communityTurn(&a)
		return a, nil
	}
	p.Stream, p.StreamOptions = true, &goopenai.StreamOptions{IncludeUsage: true}
	stream, err := c.CreateChatCompletionStream(ctx, p)
	if err != nil {
		return a, communityError(err)
	}
	defer stream.Close()
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a, communityError(err)
		}
		if chunk.Usage != nil {
			count(chunk.Usage)
		}
		for _, choice := range chunk.Choices {
			a.Text += choice.Delta.Content
			a.Thinking += choice.Delta.ReasoningContent
			if choice.FinishReason != "" {
				a.Stop = string(choice.FinishReason)
			}
			for _, k := range choice.Delta.ToolCalls {
				if k.Index == nil {
					return a, errors.New("a fragment of a call has no index")
				}
				if *k.Index == len(a.Calls) {
					a.Calls = append(a.Calls, idCall{})
				}
				x := &a.Calls[*k.Index]
				x.id, x.name, x.arguments = x.id+k.ID, x.name+k.Function.Name, x.arguments+k.Function.Arguments
			}
		}
	}
	a.turn = communityTurn(&a)
	return a, nil
}

// communityTurn is the assistant's turn. The client gives no type to a call whose provider gave it none.
func communityTurn(a *reading) goopenai.ChatCompletionMessage {
	m := goopenai.ChatCompletionMessage{Role: "assistant", Content: a.Text, ReasoningContent: a.Thinking}
	for _, k := range a.Calls {
		m.ToolCalls = append(m.ToolCalls, goopenai.ToolCall{ID: k.id, Type: goopenai.ToolTypeFunction, Function: goopenai.FunctionCall{Name: k.name, Arguments: k.arguments}})
	}
	return m
}

func communityError(err error) error {
	if e, ok := errors.AsType[*goopenai.APIError](err); ok {
		code := ""
		if e.Code != nil {
			code = fmt.Sprint(e.Code)
		}
		return refused{e.HTTPStatusCode, e.Type, code, e.Message}
	}
	return err
}

// completionsGo is openai-go with the legacy Completions API: a conversation of one turn and nothing but text.
type completionsGo struct{ openai.Client }

func newCompletionsGo(url, key string, more ...option.RequestOption) completionsGo {
	return completionsGo(newOfficialGo(url, key, more...))
}

func (c completionsGo) params(r request) openai.CompletionNewParams {
	var text []string
	for _, m := range r.messages {
		text = append(text, m.text)
	}
	p := openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(r.model), Prompt: openai.CompletionNewParamsPromptUnion{OfString: param.NewOpt(strings.Join(text, "\n"))}}
	if r.maxTokens > 0 {
		p.MaxTokens = param.NewOpt(int64(r.maxTokens))
	}
	if r.stop != nil {
		p.Stop.OfStringArray = r.stop
	}
	if r.temperature != nil {
		p.Temperature = param.NewOpt(*r.temperature)
	}
	return p
}

func (c completionsGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c completionsGo) read(ctx context.Context, r request) (a reading, err error) {
	p := c.params(r)
	add := func(done openai.Completion) error {
		if u := done.Usage; u.TotalTokens > 0 {
			a.Usage = usage{In: u.PromptTokens, Out: u.CompletionTokens, Cached: u.PromptTokensDetails.CachedTokens, Written: u.PromptTokensDetails.CacheWriteTokens, Reasoning: u.CompletionTokensDetails.ReasoningTokens}
		}
		if done.Object != "text_completion" || done.ID == "" || done.Created == 0 {
			return fmt.Errorf("an object without its head: %s", done.RawJSON())
		}
		for _, choice := range done.Choices {
			a.Text += choice.Text
			if choice.FinishReason != "" {
				a.Stop = string(choice.FinishReason)
			}
		}
		return nil
	}
	if !r.stream {
		done, err := c.Completions.New(ctx, p)
		if err != nil {
			return a, officialError(err)
		}
		return a, add(*done)
	}
	p.StreamOptions.IncludeUsage = param.NewOpt(true)
	stream := c.Completions.NewStreaming(ctx, p)
	defer stream.Close()
	for stream.Next() {
		if err := add(stream.Current()); err != nil {
			return a, err
		}
	}
	return a, officialError(stream.Err())
}

// sortedKeys are the keys of a table in an order that does not change.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (c officialGo) embed(ctx context.Context, model string, texts []string) (vectors [][]float64, in int64, err error) {
	r, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}})
	if err != nil {
		return nil, 0, officialError(err)
	}
	for i, d := range r.Data {
		if d.Index != int64(i) {
			return nil, 0, fmt.Errorf("vector %d has the index %d", i, d.Index)
		}
		vectors = append(vectors, d.Embedding)
	}
	return vectors, r.Usage.PromptTokens, nil
}

func (c communityGo) embed(ctx context.Context, model string, texts []string) (vectors [][]float64, in int64, err error) {
	r, err := c.CreateEmbeddings(ctx, goopenai.EmbeddingRequestStrings{Model: goopenai.EmbeddingModel(model), Input: texts})
	if err != nil {
		return nil, 0, communityError(err)
	}
	for _, d := range r.Data {
		v := make([]float64, len(d.Embedding))
		for i, x := range d.Embedding {
			v[i] = float64(x)
		}
		vectors = append(vectors, v)
	}
	return vectors, int64(r.Usage.PromptTokens), nil
}
