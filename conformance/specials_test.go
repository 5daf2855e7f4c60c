package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"google.golang.org/genai"
)

// What only one client can say is here; what all can is in the matrix.

// TestCompletionsThatNoConversationCanMake: what the legacy API asks for and a conversation cannot give is refused by its
// name at every kind that is translated to, and passes to OpenAI.
func TestCompletionsThatNoConversationCanMake(t *testing.T) {
	m := startMatrix(t)
	c := newCompletionsGo(m.URL, appKey)
	for name, s := range map[string]struct {
		set    func(*openai.CompletionNewParams)
		passes func(o) bool
		param  string
	}{
		"echo":        {func(p *openai.CompletionNewParams) { p.Echo = param.NewOpt(true) }, func(q o) bool { return q["echo"] == true }, "echo"},
		"a suffix":    {func(p *openai.CompletionNewParams) { p.Suffix = param.NewOpt("the end") }, func(q o) bool { return q["suffix"] == "the end" }, "suffix"},
		"the best of": {func(p *openai.CompletionNewParams) { p.BestOf = param.NewOpt[int64](3) }, func(q o) bool { return q["best_of"] == 3.0 }, "best_of"},
		"choices":     {func(p *openai.CompletionNewParams) { p.N = param.NewOpt[int64](2) }, func(q o) bool { return q["n"] == 2.0 }, "n"},
		"logprobs":    {func(p *openai.CompletionNewParams) { p.Logprobs = param.NewOpt[int64](2) }, func(q o) bool { return q["logprobs"] == 2.0 }, "logprobs"},
		"many prompts": {func(p *openai.CompletionNewParams) {
			p.Prompt.OfArrayOfStrings, p.Prompt.OfString = []string{"a", "b"}, param.Opt[string]{}
		}, func(q o) bool { return len(q["prompt"].([]any)) == 2 }, "prompt"},
		"tokens": {func(p *openai.CompletionNewParams) {
			p.Prompt.OfArrayOfTokens, p.Prompt.OfString = []int64{1, 2}, param.Opt[string]{}
		}, func(q o) bool { return len(q["prompt"].([]any)) == 2 }, "prompt"},
	} {
		for _, kind := range sortedKeys(providers) {
			t.Run(name+" at "+kind, func(t *testing.T) {
				p := c.params(request{model: kind, messages: user("Once upon")})
				s.set(&p)
				m.stand.answer(play{text: "a time", stop: "stop", usage: counts1})
				got, err := c.Completions.New(t.Context(), p)
				seen := m.stand.requests()
				if kind == "openai" || kind == "responses" {
					if err != nil || got.Choices[0].Text != "a time" || !s.passes(parsed(string(seen[0].body))) {
						t.Errorf("%v, sent %s", err, seen[0].body)
					}
					return
				}
				if name == "choices" && (kind == "gemini" || kind == "mistral") { // which have them
					q := parsed(string(seen[0].body))
					if n, _ := q["generationConfig"].(o); err != nil || q["n"] != 2.0 && n["candidateCount"] != 2.0 {
						t.Errorf("%v, sent %s", err, seen[0].body)
					}
					return
				}
				e, ok := errors.AsType[*openai.Error](err)
				if !ok || e.StatusCode != 400 || e.Type != "invalid_request_error" || !strings.Contains(e.Param, s.param) || len(seen) != 0 {
					t.Errorf("got %v, %d requests", err, len(seen))
				}
			})
		}
	}
}

// TestResponsesStateAndToolsAreRefusedByName: what OpenAI keeps or runs for its callers passes to it and is refused elsewhere.
func TestResponsesStateAndToolsAreRefusedByName(t *testing.T) {
	m := startMatrix(t)
	c := newResponsesGo(m.URL, appKey)
	for name, s := range map[string]struct {
		set   func(*responses.ResponseNewParams)
		param string
	}{
		"an earlier response":    {func(p *responses.ResponseNewParams) { p.PreviousResponseID = param.NewOpt("resp_0") }, "previous_response_id"},
		"work in the background": {func(p *responses.ResponseNewParams) { p.Background = param.NewOpt(true) }, "background"},
		"a conversation":         {func(p *responses.ResponseNewParams) { p.Conversation.OfString = param.NewOpt("conv_0") }, "conversation"},
		"a stored prompt":        {func(p *responses.ResponseNewParams) { p.Prompt = responses.ResponsePromptParam{ID: "pmpt_0"} }, "prompt"},
		"a search of the web": {func(p *responses.ResponseNewParams) {
			p.Tools = []responses.ToolUnionParam{{OfWebSearch: &responses.WebSearchToolParam{Type: "web_search"}}}
		}, "tools[0]"},
		"a tool without a schema": {func(p *responses.ResponseNewParams) {
			p.Tools = []responses.ToolUnionParam{{OfCustom: &responses.CustomToolParam{Name: "free"}}}
		}, "tools[0]"},
	} {
		for _, kind := range []string{"anthropic", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai", "responses"} {
			t.Run(name+" at "+kind, func(t *testing.T) {
				p := c.params(request{model: kind, messages: user("hi")})
				s.set(&p)
				m.stand.answer(play{text: "ok", stop: "stop", usage: counts1})
				got, err := c.Responses.New(t.Context(), p)
				seen := m.stand.requests()
				if kind == "responses" {
					if err != nil || got.OutputText() != "ok" {
						t.Errorf("%v", err)
					}
					return
				}
				e, ok := errors.AsType[*openai.Error](err)
				if !ok || e.StatusCode != 400 || !strings.HasPrefix(e.Param, s.param) || e.Message == "" || len(seen) != 0 {
					t.Errorf("got %v, want it refused for %q; %d requests", err, s.param, len(seen))
				}
			})
		}
	}
}

// TestResponsesHeldAsJSON: the other form of structured output, and an input that is a string.
func TestResponsesHeldAsJSON(t *testing.T) {
	w := startWorld(t)
	c := newResponsesGo(w.URL, appKey)
	got, err := c.Responses.New(t.Context(), responses.ResponseNewParams{Model: "passed", Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("Which city, as JSON?")},
		Text: responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}}}})
	var answer o
	if err != nil || json.Unmarshal([]byte(got.OutputText()), &answer) != nil {
		t.Errorf("%v, %v", got, err)
	}
	_, err = c.Responses.New(t.Context(), responses.ResponseNewParams{Model: "translated", Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("Which city, as JSON?")},
		Text: responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}}}})
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || !strings.Contains(e.Message, "json_object") {
		t.Errorf("a provider that has no such form: %v", err)
	}
}

// TestChoicesOfEveryClient: several answers at once where the provider has them, refused by name where it has not.
func TestChoicesOfEveryClient(t *testing.T) {
	w := startGoogle(t)
	g, c := newGenerateGo(t, w.URL, appKey), newOfficialGo(w.URL, appKey)
	for _, model := range []string{"gemini", "vertex", "openai", "claude", "vertex-claude"} {
		has := !strings.Contains(model, "claude")
		t.Run("genai at "+model, func(t *testing.T) {
			config := &genai.GenerateContentConfig{CandidateCount: 2}
			got, err := g.Models.GenerateContent(t.Context(), model, genai.Text("Say hi"), config)
			if !has {
				e, ok := errors.AsType[refused](generateError(err))
				if !ok || e.Status != 400 || e.Type != "INVALID_ARGUMENT" || !strings.Contains(e.Message, "one choice per request") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(got.Candidates) != 2 || got.Candidates[1].Index != 1 || got.Candidates[0].Content.Parts[0].Text != "hi" || got.Candidates[1].Content.Parts[0].Text != "hi" {
				t.Fatalf("%v %+v", err, got)
			}
			texts := map[int32]string{}
			for chunk, err := range g.Models.GenerateContentStream(t.Context(), model, genai.Text("Say hi"), config) {
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range chunk.Candidates {
					if k.Content != nil {
						for _, p := range k.Content.Parts {
							texts[k.Index] += p.Text
						}
					}
				}
			}
			if d := cmp.Diff(map[int32]string{0: "hi", 1: "hi"}, texts); d != "" {
				t.Errorf("mismatch (-want +got)\n%s", d)
			}
		})
		t.Run("openai-go at "+model, func(t *testing.T) {
			p := c.params(request{model: model, messages: user("Say hi")})
			p.N = param.NewOpt[int64](2)
			got, err := c.Chat.Completions.New(t.Context(), p)
			if !has {
				if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "n" {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(got.Choices) != 2 || got.Choices[1].Index != 1 || got.Choices[1].Message.Content != "hi" {
				t.Errorf("%v %+v", err, got)
			}
		})
	}
}

// TestAChatOfGooglesClient: the SDK keeps the history itself, in the pieces in which a stream came, and gives calls back
// without ids where it got none.
func TestAChatOfGooglesClient(t *testing.T) {
	w := startGoogle(t)
	g := newGenerateGo(t, w.URL, appKey)
	for _, model := range slices.Sorted(maps.Keys(googleModels)) {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", model, stream), func(t *testing.T) {
				_, config := g.params(request{tools: true, maxTokens: 1000})
				chat, err := g.Chats.Create(t.Context(), model, config, nil)
				if err != nil {
					t.Fatal(err)
				}
				say := func(parts ...*genai.Part) (text string, calls []*genai.FunctionCall) {
					add := func(r *genai.GenerateContentResponse) {
						for _, k := range r.Candidates {
							if k.Content == nil {
								continue
							}
							for _, p := range k.Content.Parts {
								if p.FunctionCall != nil {
									calls = append(calls, p.FunctionCall)
								} else if !p.Thought {
									text += p.Text
								}
							}
						}
					}
					if !stream {
						r, err := chat.Send(t.Context(), parts...)
						if err != nil {
							t.Fatal(err)
						}
						add(r)
						return text, calls
					}
					for r, err := range chat.SendStream(t.Context(), parts...) {
						if err != nil {
							t.Fatal(err)
						}
						add(r)
					}
					return text, calls
				}
				if text, _ := say(genai.NewPartFromText("count to 12")); text != counted(12) {
					t.Fatalf("got %q", text)
				}
				_, calls := say(genai.NewPartFromText("weather in Paris and Oslo?"))
				if len(calls) != 2 {
					t.Fatalf("%d calls", len(calls))
				}
				var results []*genai.Part
				for i, k := range calls {
					results = append(results, &genai.Part{FunctionResponse: &genai.FunctionResponse{ID: k.ID, Name: k.Name, Response: o{"output": fmt.Sprint(20+i, " C")}}})
				}
				if text, _ := say(results...); text != "Here is what I found: get_weather gave 20 C; get_weather gave 21 C." {
					t.Errorf("got %q", text)
				}
			})
		}
	}
}

// TestDocumentsAndSealedThinkingOfAnthropicsClient: a PDF that a tool gave, and thinking that is hidden even from the caller.
func TestDocumentsAndSealedThinkingOfAnthropicsClient(t *testing.T) {
	m := startMatrix(t)
	c := newMessagesGo(m.URL, appKey)
	for kind, want := range map[string]string{"bedrock": `"toolResult":{"content":[{"text":"here"},{"document":`, "gemini": `"application/pdf"`, "openai": `"file_data"`, "responses": `"input_file"`, "cohere": "", "ollama": "", "mistral": `"document_url"`} {
		t.Run("a document from a tool at "+kind, func(t *testing.T) {
			p := c.params(request{model: kind, tools: true, messages: []message{{role: "user", text: "weather?"}, {role: "assistant", calls: []idCall{paris}}, {role: "tool", id: paris.id, text: "here"}}})
			result := p.Messages[2].Content[0].OfToolResult
			result.Content = append(result.Content, anthropic.ToolResultBlockParamContentUnion{OfDocument: &anthropic.DocumentBlockParam{Source: anthropic.DocumentBlockParamSourceUnion{OfBase64: &anthropic.Base64PDFSourceParam{Data: pdf}}}})
			m.stand.answer(play{text: "ok", stop: "stop", usage: counts1})
			_, err := c.Messages.New(t.Context(), p)
			seen := m.stand.requests()
			if want == "" {
				if e, ok := errors.AsType[refused](messagesError(err)); !ok || e.Status != 400 || !strings.Contains(e.Message, "messages[2].content[0].content[1]") || len(seen) != 0 {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if body := string(encoded(parsed(string(seen[0].body)))); !strings.Contains(body, want) || !strings.Contains(body, pdf) {
				t.Errorf("sent %s", body)
			}
		})
	}
	t.Run("thinking that is hidden comes back to its signer and to nobody else", func(t *testing.T) {
		for _, kind := range []string{"anthropic", "bedrock", "gemini", "openai", "responses"} {
			p := c.params(request{model: kind, tools: true, messages: []message{{role: "user", text: "weather?"}, {role: "assistant", calls: []idCall{paris}}, {role: "tool", id: paris.id, text: "21 C"}}})
			p.Messages[1].Content = append([]anthropic.ContentBlockParamUnion{anthropic.NewRedactedThinkingBlock("aGlkZGVu")}, p.Messages[1].Content...)
			p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
			p.MaxTokens = 3000
			m.stand.answer(play{text: "ok", stop: "stop", usage: counts1})
			if _, err := c.Messages.New(t.Context(), p); err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			if got := strings.Contains(string(m.stand.requests()[0].body), "aGlkZGVu"); got != (kind == "anthropic") {
				t.Errorf("%s: it is sent: %v", kind, got)
			}
		}
	})
}
