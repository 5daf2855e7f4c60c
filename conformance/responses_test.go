package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// responsesGo is openai-go with the Responses API.
type responsesGo struct{ openai.Client }

func newResponsesGo(url, key string, more ...option.RequestOption) responsesGo {
	return responsesGo(newOfficialGo(url, key, more...))
}

func (c responsesGo) params(r request) responses.ResponseNewParams {
	p := responses.ResponseNewParams{Model: r.model}
	var in responses.ResponseInputParam
	for _, m := range r.messages {
		switch m.role {
		case "system":
			p.Instructions = param.NewOpt(m.text)
		case "tool":
			it := outputOf(m.id, m.text)
			if m.image != "" {
				it.OfFunctionCallOutput.Output = responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfResponseFunctionCallOutputItemArray: responses.ResponseFunctionCallOutputItemListParam{
					{OfInputText: &responses.ResponseInputTextContentParam{Text: m.text}}, {OfInputImage: &responses.ResponseInputImageContentParam{ImageURL: param.NewOpt(m.image)}}}}
			}
			in = append(in, it)
		case "assistant":
			if turn, ok := m.turn.(responses.ResponseInputParam); ok {
				in = append(in, turn...)
				continue
			}
			if m.text != "" {
				in = append(in, responses.ResponseInputItemParamOfMessage(m.text, responses.EasyInputMessageRoleAssistant))
			}
			for _, k := range m.calls {
				in = append(in, responses.ResponseInputItemParamOfFunctionCall(k.arguments, k.id, k.name))
			}
		default:
			if m.image == "" && m.document == "" {
				in = append(in, responses.ResponseInputItemParamOfMessage(m.text, responses.EasyInputMessageRoleUser))
				continue
			}
			content := responses.ResponseInputMessageContentListParam{responses.ResponseInputContentParamOfInputText(m.text)}
			if m.image != "" {
				content = append(content, responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{ImageURL: param.NewOpt(m.image), Detail: responses.ResponseInputImageDetailAuto}})
			}
			if m.document != "" {
				content = append(content, responses.ResponseInputContentUnionParam{OfInputFile: &responses.ResponseInputFileParam{
					Filename: param.NewOpt("paper.pdf"), FileData: param.NewOpt("data:application/pdf;base64," + m.document)}})
			}
			in = append(in, responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser))
		}
	}
	p.Input.OfInputItemList = in
	if r.tools {
		p.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "get_weather", Description: param.NewOpt("The weather of a city"), Parameters: parsed(weatherSchema), Strict: param.NewOpt(false)}}}
	}
	if r.choice != "" {
		p.ToolChoice.OfToolChoiceMode = param.NewOpt(responses.ToolChoiceOptions(r.choice))
	}
	if r.parallel != nil {
		p.ParallelToolCalls = param.NewOpt(*r.parallel)
	}
	if r.maxTokens > 0 {
		p.MaxOutputTokens = param.NewOpt(int64(r.maxTokens))
	}
	if r.temperature != nil {
		p.Temperature = param.NewOpt(*r.temperature)
	}
	if r.schema != "" {
		p.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "place", Strict: param.NewOpt(true), Schema: parsed(r.schema)}
	}
	if r.think {
		p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
		p.Include, p.Store = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}, param.NewOpt(false)
	}
	return p
}

// outputOf is what a function gave.
func outputOf(id, text string) responses.ResponseInputItemUnionParam {
	it := responses.ResponseInputItemParamOfFunctionCallOutput(text)
	it.OfFunctionCallOutput.CallID = param.NewOpt(id)
	return it
}

func (c responsesGo) call(ctx context.Context, r request) (answer, []idCall, error) {
	return answerOf(c.read(ctx, r))
}

func (c responsesGo) read(ctx context.Context, r request) (reading, error) {
	p := c.params(r)
	if !r.stream {
		done, err := c.Responses.New(ctx, p)
		if err != nil {
			return reading{}, officialError(err)
		}
		return readResponse(done)
	}
	stream := c.Responses.NewStreaming(ctx, p)
	defer stream.Close()
	var got reading
	number := int64(0)
	var last *responses.Response
	for stream.Next() {
		ev := stream.Current()
		if ev.SequenceNumber != number || last != nil {
			return got, fmt.Errorf("event %d is %s with number %d", number, ev.Type, ev.SequenceNumber)
		}
		number++
		switch ev.Type {
		case "response.output_text.delta":
			got.Text += ev.Delta
		case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
			got.Thinking += ev.Delta
		case "error": // where the SDK takes it for an event
			e := ev.AsError()
			return got, refused{Code: e.Code, Message: e.Message}
		case "response.completed", "response.incomplete", "response.failed":
			last = new(ev.Response)
		}
	}
	if err := stream.Err(); err != nil {
		return got, officialError(err)
	}
	if last == nil {
		return got, errors.New("no terminal event")
	}
	a, err := readResponse(last)
	if err == nil && (a.Text != got.Text || a.Thinking != got.Thinking) {
		err = fmt.Errorf("deltas join to %q and %q, the response says %q and %q", got.Text, got.Thinking, a.Text, a.Thinking)
	}
	return a, err
}

// readResponse gives a response in the words of the other callers.
func readResponse(r *responses.Response) (a reading, err error) {
	u := r.Usage
	a = reading{Text: r.OutputText(), Stop: "stop", Usage: usage{In: u.InputTokens, Out: u.OutputTokens, Cached: u.InputTokensDetails.CachedTokens, Written: u.InputTokensDetails.CacheWriteTokens, Reasoning: u.OutputTokensDetails.ReasoningTokens}}
	if u.TotalTokens != u.InputTokens+u.OutputTokens {
		return a, fmt.Errorf("usage does not add up: %s", u.RawJSON())
	}
	if r.Status == "failed" || r.Error.Message != "" {
		return a, refused{Code: string(r.Error.Code), Message: r.Error.Message}
	}
	var turn responses.ResponseInputParam
	for _, it := range r.Output {
		turn = append(turn, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(it.RawJSON())))
		switch it.Type {
		case "message":
		case "reasoning":
			for _, s := range it.AsReasoning().Summary {
				a.Thinking += s.Text
			}
			for _, s := range it.AsReasoning().Content {
				a.Thinking += s.Text
			}
		case "function_call":
			call := it.AsFunctionCall()
			a.Calls = append(a.Calls, idCall{call.CallID, call.Name, call.Arguments})
			a.Stop = "tool_calls"
		default:
			return a, fmt.Errorf("an item of type %q", it.Type)
		}
	}
	a.turn = turn
	if r.Status == "incomplete" {
		a.Stop = map[string]string{"max_output_tokens": "length", "content_filter": "content_filter"}[r.IncompleteDetails.Reason]
	}
	return a, nil
}

// TestResponsesThroughTheSDK: openai-go's Responses client against a target that passes and one that is translated,
// streamed and not.
func TestResponsesThroughTheSDK(t *testing.T) {
	w := startWorld(t)
	c := newResponsesGo(w.URL, appKey)
	off := false
	targets := map[string]string{"passed": "gpt-4o-mini", "translated": "claude-sonnet-4-5"}
	for name, s := range map[string]struct {
		request
		want answer
	}{
		"plain text": {request{messages: user("Say hello, world")}, answer{Text: "hello, world", Stop: "stop"}},
		"instructions and several turns": {request{messages: []message{{role: "system", text: "Be brief."}, {role: "user", text: "Hi"}, {role: "assistant", text: "Hello"}, {role: "user", text: "What is new?"}}},
			answer{Text: `This is MODEL. You said: "What is new?". My instructions are: "Be brief.". That was message 3 of our talk.`, Stop: "stop"}},
		"a limit of tokens": {request{messages: user("count to 500"), maxTokens: 16}, answer{Stop: "length"}},
		"a tool":            {request{messages: user("weather in Paris?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}},
		"parallel tools":    {request{messages: user("weather in Paris and Oslo?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}, {"get_weather", `{"city":"Oslo"}`}}, Stop: "tool_calls"}},
		"no parallel tools": {request{messages: user("weather in Paris and Oslo?"), tools: true, parallel: &off}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}},
		"a needed tool":     {request{messages: user("say hi to Rome"), tools: true, choice: "required"}, answer{Calls: []toolCall{{"get_weather", `{"city":"Rome"}`}}, Stop: "tool_calls"}},
		"an image":          {request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + png}}}, answer{Text: `This is MODEL. You said: "what is it?". I see 1 image: image/png of 70 bytes.`, Stop: "stop"}},
	} {
		for model, upstream := range targets {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%v", model, name, stream), func(t *testing.T) {
					r, want := s.request, s.want
					r.model, r.stream = model, stream
					got, ids, err := c.call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					want.Text = strings.ReplaceAll(want.Text, "MODEL", upstream)
					if want.Text != "" && got.Text != want.Text || got.Stop != want.Stop || fmt.Sprint(got.Calls) != fmt.Sprint(want.Calls) || !got.HasUsage {
						t.Fatalf("got %+v, want %+v", got, want)
					}
					if len(ids) == 0 || stream {
						return
					}
					r.messages = append(r.messages, message{role: "assistant", calls: ids})
					for _, k := range ids {
						r.messages = append(r.messages, message{role: "tool", id: k.id, text: "21 C"})
					}
					r.choice = ""
					if after, _, err := c.call(t.Context(), r); err != nil || !strings.Contains(after.Text, "21 C") {
						t.Errorf("after the results: %+v, %v", after, err)
					}
				})
			}
		}
	}
}

// TestResponsesKeepThinkingAndRefuseState: thinking that another provider signed comes back to it from a caller of
// Responses, and what the gateway does not keep is refused by name.
func TestResponsesKeepThinkingAndRefuseState(t *testing.T) {
	w := startWorld(t)
	c := newResponsesGo(w.URL, appKey)
	p := c.params(request{model: "translated", messages: user("weather in Paris?"), tools: true, maxTokens: 4000})
	p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortLow}
	thought, err := c.Responses.New(t.Context(), p)
	if err != nil || len(thought.Output) != 2 || thought.Output[0].Type != "reasoning" || !strings.HasPrefix(thought.Output[0].EncryptedContent, "gwc1:anthropic:") {
		t.Fatalf("%+v, %v", thought, err)
	}
	var in []json.RawMessage
	for _, it := range p.Input.OfInputItemList {
		raw, _ := json.Marshal(it)
		in = append(in, raw)
	}
	for _, it := range thought.Output {
		in = append(in, json.RawMessage(it.RawJSON()))
	}
	result, _ := json.Marshal(outputOf(thought.Output[1].CallID, "21 C"))
	in = append(in, result)
	again, err := c.Responses.New(t.Context(), p, option.WithJSONSet("input", in))
	if err != nil || !strings.Contains(again.OutputText(), "21 C") {
		t.Errorf("a thought that came back unchanged: %+v, %v", again, err)
	}

	p = c.params(request{model: "translated", messages: user("hi")})
	p.PreviousResponseID = param.NewOpt("resp_1")
	_, err = c.Responses.New(t.Context(), p)
	if got, ok := errors.AsType[refused](officialError(err)); !ok || got.Status != 400 || got.Code != "unsupported_parameter" || !strings.Contains(got.Message, "previous_response_id") {
		t.Errorf("state gave %v", err)
	}
	p.Model = "passed" // OpenAI's own business, and its stand-in keeps nothing
	_, err = c.Responses.New(t.Context(), p)
	if got, ok := errors.AsType[refused](officialError(err)); !ok || got.Status != 400 || got.Code != "previous_response_not_found" {
		t.Errorf("state that passes gave %v", err)
	}
	_, err = c.Responses.New(t.Context(), c.params(request{model: "unheard-of", messages: user("hi")}))
	if got, ok := errors.AsType[refused](officialError(err)); !ok || got.Status != 404 {
		t.Errorf("an unknown model gave %v", err)
	}
}
