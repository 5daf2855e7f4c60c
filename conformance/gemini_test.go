package conformance

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// generateGo is genai, Google's own SDK.
type generateGo struct{ *genai.Client }

func newGenerateGo(t testing.TB, url, key string) generateGo {
	t.Helper()
	return generateOver(t, url, key, &http.Client{})
}

func generateOver(t testing.TB, url, key string, over *http.Client) generateGo {
	t.Helper()
	c, err := genai.NewClient(context.Background(), &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: url}, HTTPClient: over})
	if err != nil {
		t.Fatal(err)
	}
	return generateGo{c}
}

func (c generateGo) params(r request) (contents []*genai.Content, p *genai.GenerateContentConfig) {
	p = &genai.GenerateContentConfig{StopSequences: r.stop, MaxOutputTokens: int32(r.maxTokens)}
	names := map[string]string{}
	for _, m := range r.messages {
		content := &genai.Content{Role: "user"}
		switch m.role {
		case "system":
			p.SystemInstruction = genai.NewContentFromText(m.text, "user")
			continue
		case "tool":
			said := "output"
			if m.failed {
				said = "error"
			}
			part := genai.NewPartFromFunctionResponse(names[m.id], map[string]any{said: m.text})
			part.FunctionResponse.ID = m.id
			if m.image != "" {
				media, raw := dataOf(m.image)
				part.FunctionResponse.Parts = []*genai.FunctionResponsePart{{InlineData: &genai.FunctionResponseBlob{MIMEType: media, Data: raw}}}
			}
			if last := len(contents) - 1; last >= 0 && contents[last].Parts[0].FunctionResponse != nil {
				contents[last].Parts = append(contents[last].Parts, part)
				continue
			}
			content.Parts = []*genai.Part{part}
		case "assistant":
			content.Role = "model"
			for _, k := range m.calls {
				names[k.id] = k.name
			}
			if turn, ok := m.turn.(*genai.Content); ok {
				contents = append(contents, turn)
				continue
			}
			if m.text != "" {
				content.Parts = append(content.Parts, genai.NewPartFromText(m.text))
			}
			for _, k := range m.calls {
				content.Parts = append(content.Parts, &genai.Part{FunctionCall: &genai.FunctionCall{ID: k.id, Name: k.name, Args: parsed(k.arguments)}, ThoughtSignature: []byte("mock: this thought came back unchanged")})
			}
		default:
			content.Parts = append(content.Parts, genai.NewPartFromText(m.text))
			if media, raw := dataOf(m.image); raw != nil {
				content.Parts = append(content.Parts, genai.NewPartFromBytes(raw, media))
			} else if m.image != "" {
				content.Parts = append(content.Parts, genai.NewPartFromURI(m.image, "image/png"))
			}
			if m.document != "" {
				_, raw := dataOf("data:application/pdf;base64," + m.document)
				content.Parts = append(content.Parts, &genai.Part{InlineData: &genai.Blob{Data: raw, MIMEType: "application/pdf"}})
			}
		}
		contents = append(contents, content)
	}
	if r.tools {
		p.Tools = []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get_weather", Description: "The weather of a city", Parameters: &genai.Schema{
			Type: genai.TypeObject, Required: []string{"city"}, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString, Description: "The city"}, "unit": {Type: genai.TypeString, Enum: []string{"C", "F"}}}}}}}}
	}
	switch r.choice {
	case "required":
		p.ToolConfig = &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeAny}}
	case "none":
		p.ToolConfig = &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeNone}}
	}
	if r.temperature != nil {
		p.Temperature = new(float32(*r.temperature))
	}
	if r.schema != "" {
		p.ResponseMIMEType, p.ResponseJsonSchema = "application/json", parsed(r.schema)
	}
	if r.think {
		p.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: new(int32(2048))}
	}
	return contents, p
}

// dataOf is what a data: URL holds; nil for another one.
func dataOf(url string) (media string, raw []byte) {
	media, data, ok := strings.Cut(strings.TrimPrefix(url, "data:"), ";base64,")
	if !ok {
		return "", nil
	}
	raw, _ = base64.StdEncoding.DecodeString(data)
	return media, raw
}

func (c generateGo) call(ctx context.Context, r request) (a answer, ids []idCall, err error) {
	return answerOf(c.read(ctx, r))
}

func (c generateGo) read(ctx context.Context, r request) (a reading, err error) {
	contents, p := c.params(r)
	turn := &genai.Content{Role: "model"}
	read := func(g *genai.GenerateContentResponse) error {
		if u := g.UsageMetadata; u != nil {
			a.Usage = usage{In: int64(u.PromptTokenCount + u.ToolUsePromptTokenCount), Out: int64(u.CandidatesTokenCount + u.ThoughtsTokenCount),
				Cached: int64(u.CachedContentTokenCount), Reasoning: int64(u.ThoughtsTokenCount)}
		}
		for _, m := range g.Candidates {
			if m.FinishReason != "" {
				a.Stop = map[genai.FinishReason]string{"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}[m.FinishReason]
			}
			if m.Content == nil {
				continue
			}
			for _, part := range m.Content.Parts {
				if part.Text != "" || part.FunctionCall != nil || part.ThoughtSignature != nil {
					turn.Parts = append(turn.Parts, part)
				}
				switch {
				case part.FunctionCall != nil:
					args, err := json.Marshal(part.FunctionCall.Args)
					if err != nil {
						return err
					}
					a.Calls = append(a.Calls, idCall{part.FunctionCall.ID, part.FunctionCall.Name, string(args)})
				case part.Thought:
					a.Thinking += part.Text
				default:
					a.Text += part.Text
				}
			}
		}
		return nil
	}
	if !r.stream {
		g, err := c.Models.GenerateContent(ctx, r.model, contents, p)
		if err != nil {
			return a, generateError(err)
		}
		if err := read(g); err != nil {
			return a, err
		}
	} else {
		for g, err := range c.Models.GenerateContentStream(ctx, r.model, contents, p) {
			if err != nil {
				return a, generateError(err)
			}
			if err := read(g); err != nil {
				return a, err
			}
		}
	}
	if a.Stop == "stop" && len(a.Calls) > 0 {
		a.Stop = "tool_calls"
	}
	a.turn = turn
	return a, nil
}

func (c generateGo) embed(ctx context.Context, model string, texts []string) (vectors [][]float64, in int64, err error) {
	var contents []*genai.Content
	for _, text := range texts {
		contents = append(contents, genai.NewContentFromText(text, "user"))
	}
	r, err := c.Models.EmbedContent(ctx, model, contents, nil)
	if err != nil {
		return nil, 0, generateError(err)
	}
	for _, e := range r.Embeddings {
		var v []float64
		for _, x := range e.Values {
			v = append(v, float64(x))
		}
		vectors = append(vectors, v)
	}
	return vectors, -1, nil
}

func generateError(err error) error {
	if e, ok := errors.AsType[genai.APIError](err); ok {
		if e.Status == "" || strings.Contains(e.Status, " ") {
			return fmt.Errorf("the error has not Google's shape: %+v", e)
		}
		return refused{e.Code, e.Status, e.Status, e.Message}
	}
	return err
}

// googleWorld is a gateway before a provider of each kind that speaks, or is asked in, another dialect.
type googleWorld struct {
	*rig.Gateway
	google, openai, anthropic *rig.Mock
}

func startGoogle(t testing.TB, mockArgs ...string) *googleWorld {
	t.Helper()
	w := &googleWorld{
		google:    startMock(t, append([]string{"--provider", "gemini"}, mockArgs...)...),
		openai:    startMock(t, append([]string{"--provider", "openai"}, mockArgs...)...),
		anthropic: startMock(t, append([]string{"--provider", "anthropic"}, mockArgs...)...),
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.MarshalIndent(map[string]string{"type": "service_account", "client_email": "gwc@conformance.example", "token_uri": w.google.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE" + " KEY", Bytes: der}))}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	w.Gateway = serve(t, rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: {
	google: {kind: "gemini", baseURL: %[1]q, credentials: [{ref: "file:provider-key"}]}
	cloud: {kind: "vertex", project: "conformance", location: "global", baseURL: %[1]q, credentials: [{serviceAccount: "file:account.json"}]}
	openai: {kind: "openai", baseURL: "%[2]s/v1", credentials: [{ref: "file:provider-key"}]}
	claude: {kind: "anthropic", baseURL: %[3]q, credentials: [{ref: "file:provider-key"}]}
}
models: {
	gemini: targets: [{provider: "google", model: "gemini-3-pro-preview"}]
	older: targets: [{provider: "google", model: "gemini-2.5-flash"}]
	vertex: targets: [{provider: "cloud", model: "gemini-2.5-pro"}]
	"vertex-claude": targets: [{provider: "cloud", model: "claude-haiku-4-5"}]
	openai: targets: [{provider: "openai", model: "gpt-4o-mini"}]
	claude: targets: [{provider: "claude", model: "claude-sonnet-4-5"}]
}
tenants: acme: apps: web: {
	keys: [{id: "web-1", hash: %[4]q}]
	models: ["gemini", "older", "vertex", "vertex-claude", "openai", "claude"]
}
`, w.google.URL, w.openai.URL, w.anthropic.URL, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
		"../run/account.json": string(account),
	}, rig.Options{})
	return w
}

// googleModels are the models with what their providers call them.
var googleModels = map[string]string{"gemini": "gemini-3-pro-preview", "older": "gemini-2.5-flash", "vertex": "gemini-2.5-pro", "vertex-claude": "claude-haiku-4-5", "openai": "gpt-4o-mini", "claude": "claude-sonnet-4-5"}

// TestGoogleThroughEverySDKAndTarget runs scenarios with Google's SDK against every kind of provider, and with the others
// against Google's: the answers must not depend on any of them, but for the name of the model.
func TestGoogleThroughEverySDKAndTarget(t *testing.T) {
	w := startGoogle(t)
	for range 2 { // before the others: the mock keeps the last requests
		if _, _, err := newGenerateGo(t, w.URL, appKey).call(t.Context(), request{model: "vertex", messages: user("hi")}); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := w.google.Requests(10)
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, q := range seen {
		targets = append(targets, q.Target)
	}
	const asked = "/v1/projects/conformance/locations/global/publishers/google/models/gemini-2.5-pro:generateContent"
	if d := cmp.Diff([]string{"/token", asked, asked}, targets); d != "" {
		t.Errorf("one token for all calls: mismatch (-want +got)\n%s", d)
	}
	scenarios := map[string]struct {
		request
		want answer
	}{
		"plain text":                        {request{messages: user("Say hello, world")}, answer{Text: "hello, world", Stop: "stop"}},
		"text with every kind of character": {request{messages: user("Say «ü😀\"\\\t»")}, answer{Text: "«ü😀\"\\\t»", Stop: "stop"}},
		"system and several turns": {request{messages: []message{{role: "system", text: "Be brief."}, {role: "user", text: "Hi"}, {role: "assistant", text: "Hello"}, {role: "user", text: "What is new?"}}},
			answer{Text: `This is MODEL. You said: "What is new?". My instructions are: "Be brief.". That was message 3 of our talk.`, Stop: "stop"}},
		"a limit of tokens":     {request{messages: user("count to 500"), maxTokens: 5}, answer{Text: "1, 2, 3", Stop: "length"}},
		"a stop sequence":       {request{messages: user("count to 9"), stop: []string{" 4"}}, answer{Text: "1, 2, 3,", Stop: "stop"}},
		"a tool":                {request{messages: user("weather in Paris?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}},
		"parallel tools":        {request{messages: user("weather in Paris and Oslo?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}, {"get_weather", `{"city":"Oslo"}`}}, Stop: "tool_calls"}},
		"a tool that is needed": {request{messages: user("say hi to Rome"), tools: true, choice: "required"}, answer{Calls: []toolCall{{"get_weather", `{"city":"Rome"}`}}, Stop: "tool_calls"}},
		"a tool that is not":    {request{messages: user("say weather"), tools: true, choice: "none"}, answer{Text: "weather", Stop: "stop"}},
		"an image":              {request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + png}}}, answer{Text: `This is MODEL. You said: "what is it?". I see 1 image: image/png of 70 bytes.`, Stop: "stop"}},
		"an image by its URL":   {request{messages: []message{{role: "user", text: "what is it?", image: "https://example.com/a.png"}}}, answer{Text: `This is MODEL. You said: "what is it?". I see 1 image: https://example.com/a.png.`, Stop: "stop"}},
	}
	for client, c := range map[string]caller{"genai": newGenerateGo(t, w.URL, appKey), "openai-go": newOfficialGo(w.URL, appKey), "anthropic": newMessagesGo(w.URL, appKey)} {
		for model, upstreamModel := range googleModels {
			if client != "genai" && (model == "openai" || model == "claude") {
				continue // covered by the clients' own tests
			}
			for name, s := range scenarios {
				for _, stream := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/stream=%v", client, model, name, stream), func(t *testing.T) {
						r, want := s.request, s.want
						r.model, r.stream = model, stream
						want.Text = strings.ReplaceAll(want.Text, "MODEL", upstreamModel)
						got, _, err := c.call(t.Context(), r)
						if err != nil {
							t.Fatal(err)
						}
						if !got.HasUsage || got.In == 0 || got.Out == 0 {
							t.Errorf("usage is missing: %+v", got)
						}
						got.In, got.Out, got.HasUsage = 0, 0, false
						if d := cmp.Diff(want, got); d != "" {
							t.Errorf("mismatch (-want +got)\n%s", d)
						}
					})
				}
			}
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/results/stream=%v", client, model, stream), func(t *testing.T) {
					r := request{model: model, messages: user("weather in Paris and Oslo?"), tools: true, stream: stream}
					_, ids, err := c.call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if len(ids) != 2 || ids[0].id == "" && (client != "genai" || model != "older" && model != "vertex") {
						t.Fatalf("calls %+v", ids)
					}
					if ids[0].id == "" {
						return // the provider gives none to callers of its own dialect, and the SDK's answer has none to repeat
					}
					r.messages = append(r.messages, message{role: "assistant", calls: ids},
						message{role: "tool", id: ids[0].id, text: "21 C"}, message{role: "tool", id: ids[1].id, text: "4 C"})
					got, _, err := c.call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if want := "Here is what I found: get_weather gave 21 C; get_weather gave 4 C."; got.Text != want {
						t.Errorf("got %q", got.Text)
					}
				})
			}
		}
	}
}

// TestGoogleKeepsThoughtsSchemasAndErrors covers what is peculiar to the dialect, through its own SDK.
func TestGoogleKeepsThoughtsSchemasAndErrors(t *testing.T) {
	w := startGoogle(t)
	c := newGenerateGo(t, w.URL, appKey)
	for model := range googleModels {
		t.Run("structured output of "+model, func(t *testing.T) {
			g, err := c.Models.GenerateContent(t.Context(), model, genai.Text("Paris"), &genai.GenerateContentConfig{ResponseMIMEType: "application/json",
				ResponseSchema: &genai.Schema{Type: genai.TypeObject, Required: []string{"city"}, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}}})
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ City string }
			if err := json.Unmarshal([]byte(g.Text()), &got); err != nil || got.City == "" {
				t.Errorf("got %q, %v", g.Text(), err)
			}
		})
		if model == "openai" {
			continue // its mock does not show its thoughts
		}
		t.Run("thinking of "+model, func(t *testing.T) {
			budget := int32(1024)
			p := &genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: &budget}, MaxOutputTokens: 4000}
			var thoughts, text string
			for g, err := range c.Models.GenerateContentStream(t.Context(), model, genai.Text("Say why"), p) {
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range g.Candidates[0].Content.Parts {
					if part.Thought {
						thoughts += part.Text
					} else {
						text += part.Text
					}
				}
			}
			if thoughts == "" || text != "why" {
				t.Errorf("thoughts %q, text %q", thoughts, text)
			}
		})
	}
	for name, e := range map[string]struct {
		key, model, fault string
		status            int
		word              string
	}{
		"an unknown key":          {key: "gwc_unknown", model: "gemini", status: 401, word: "UNAUTHENTICATED"},
		"no such model":           {key: appKey, model: "unheard-of", status: 404, word: "NOT_FOUND"},
		"429 passed":              {key: appKey, model: "gemini", fault: "429", status: 429, word: "RESOURCE_EXHAUSTED"},
		"429 of another provider": {key: appKey, model: "claude", fault: "429", status: 429, word: "RESOURCE_EXHAUSTED"},
		"529 of another provider": {key: appKey, model: "claude", fault: "529", status: 503, word: "UNAVAILABLE"},
		"a page for an answer":    {key: appKey, model: "vertex", fault: "html", status: 502, word: "UNAVAILABLE"},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, stream), func(t *testing.T) {
				if e.model == "vertex" { // so that the token is there already
					if _, _, err := c.call(t.Context(), request{model: "vertex", messages: user("hi")}); err != nil {
						t.Fatal(err)
					}
				}
				for _, m := range []*rig.Mock{w.google, w.anthropic} {
					if e.fault != "" {
						if err := m.Fault(e.fault); err != nil {
							t.Fatal(err)
						}
						defer m.Fault()
					}
				}
				_, _, err := newGenerateGo(t, w.URL, e.key).call(t.Context(), request{model: e.model, messages: user("hi"), stream: stream})
				got, ok := errors.AsType[refused](err)
				if !ok || got.Status != e.status || got.Code != e.word || got.Message == "" {
					t.Errorf("got %v, want %d %s", err, e.status, e.word)
				}
			})
		}
	}
}

// TestGooglesPaths covers what SDKs do not do: arrays in place of events, keys in URLs, the lists of models.
func TestGooglesPaths(t *testing.T) {
	w := startGoogle(t)
	const body = `{"contents":[{"role":"user","parts":[{"text":"Say a b"}]}],"generation_config":{"max_output_tokens":50}}`
	for _, model := range []string{"gemini", "claude"} {
		status, head, got := post(t, w.URL+"/v1beta/models/"+model+":streamGenerateContent", appKey, body)
		var list []struct {
			Candidates []struct {
				Content struct{ Parts []struct{ Text string } }
			}
		}
		if err := json.Unmarshal([]byte(got), &list); err != nil || status != 200 || len(list) < 2 || !strings.HasPrefix(head.Get("Content-Type"), "application/json") {
			t.Errorf("%s: status %d, %v, head %v: %s", model, status, err, head, got)
		}
		text := ""
		for _, c := range list {
			for _, p := range c.Candidates[0].Content.Parts {
				text += p.Text
			}
		}
		if text != "a b" {
			t.Errorf("%s: text %q", model, text)
		}
	}
	status, _, got := post(t, w.URL+"/v1beta/models/gemini:generateContent?key="+appKey, "", body)
	if status != 401 || !strings.Contains(got, "x-goog-api-key") || strings.Contains(got, appKey) {
		t.Errorf("a key in the URL gave %d: %s", status, got)
	}
	c := newGenerateGo(t, w.URL, appKey)
	page, err := c.Models.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range page.Items {
		names[m.Name] = true
	}
	if len(names) != len(googleModels) || !names["models/gemini"] {
		t.Errorf("models %v", names)
	}
	if m, err := c.Models.Get(t.Context(), "gemini", nil); err != nil || m.Name != "models/gemini" {
		t.Errorf("model %+v, %v", m, err)
	}
}

// TestGooglesCallerHangsUp: a caller that ends its stream ends the provider's.
func TestGooglesCallerHangsUp(t *testing.T) {
	w := startGoogle(t, "--chunks", "200", "--chunk-gap", "20ms")
	for _, m := range []struct {
		model string
		mock  *rig.Mock
	}{{"gemini", w.google}, {"claude", w.anthropic}} {
		ctx, cancel := context.WithCancel(t.Context())
		for _, err := range newGenerateGo(t, w.URL, appKey).Models.GenerateContentStream(ctx, m.model, genai.Text("count to 100"), &genai.GenerateContentConfig{MaxOutputTokens: 4000}) {
			if err != nil {
				t.Fatalf("%s: %v", m.model, err)
			}
			break
		}
		cancel()
		eventually(t, func() (bool, string) {
			s, err := m.mock.Stats()
			return err == nil && s.Active == 0 && s.ClientGone == 1, fmt.Sprintf("%s: %+v, %v", m.model, s, err)
		})
	}
}
