package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// vendorRepo has a model for each kind of provider that is neither OpenAI nor Anthropic, in front of one mock.
func vendorRepo(mock string) rig.Repo {
	return rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: {
	strict: {kind: "openai-compatible", vendor: "deepseek", baseURL: "%[1]s/compatible/v1", credentials: [{ref: "file:provider-key"}]}
	cloud: {kind: "azure-openai", baseURL: "%[1]s", credentials: [{ref: "file:provider-key"}]}
	"cloud-v1": {kind: "azure-openai", baseURL: "%[1]s", apiVersion: "v1", credentials: [{ref: "file:provider-key"}]}
	cohere: {kind: "cohere", baseURL: "%[1]s", credentials: [{ref: "file:provider-key"}]}
	home: {kind: "ollama", baseURL: "%[1]s"}
}
models: {
	compatible: targets: [{provider: "strict", model: "deepseek-chat"}]
	azure: targets: [{provider: "cloud", model: "our-deployment"}]
	"azure-v1": targets: [{provider: "cloud-v1", model: "our-deployment"}]
	cohere: targets: [{provider: "cohere", model: "command-a-03-2025"}]
	ollama: targets: [{provider: "home", model: "llama3.2"}]
}
tenants: acme: apps: web: {
	keys: [{id: "web-1", hash: %[2]q}]
	models: ["compatible", "azure", "azure-v1", "cohere", "ollama"]
}
`, mock, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
	}
}

// TestChatsThroughEveryVendor runs the scenarios with every client against the kinds of providers that have a dialect or
// quirks of their own. What a kind cannot do is refused, and not half done.
func TestChatsThroughEveryVendor(t *testing.T) {
	m := startMock(t)
	g := serve(t, vendorRepo(m.URL), rig.Options{})
	off := false
	upstream := map[string]string{"compatible": "deepseek-chat", "azure": "our-deployment", "azure-v1": "our-deployment", "cohere": "command-a-03-2025", "ollama": "llama3.2"}
	for _, s := range []struct {
		name string
		request
		want    answer
		refused string // models that cannot
	}{
		{"plain text", request{messages: user("Say hello, world")}, answer{Text: "hello, world", Stop: "stop"}, ""},
		{"every kind of character", request{messages: user("Say «ü😀\"\\\t\u0001»")}, answer{Text: "«ü😀\"\\\t\u0001»", Stop: "stop"}, ""},
		{"system and several turns", request{messages: []message{{role: "system", text: "Be brief."}, {role: "user", text: "Hi"}, {role: "assistant", text: "Hello"}, {role: "user", text: "What is new?"}}},
			answer{Text: `This is MODEL. You said: "What is new?". My instructions are: "Be brief.". That was message 3 of our talk.`, Stop: "stop"}, ""},
		{"a limit of tokens", request{messages: user("count to 500"), maxTokens: 5}, answer{Text: "1, 2, 3", Stop: "length"}, ""},
		{"a stop sequence", request{messages: user("count to 9"), stop: []string{" 4"}}, answer{Text: "1, 2, 3,", Stop: "stop"}, ""},
		{"a tool", request{messages: user("weather in Paris?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}, ""},
		{"parallel tools", request{messages: user("weather in Paris and Oslo?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}, {"get_weather", `{"city":"Oslo"}`}}, Stop: "tool_calls"}, ""},
		{"no parallel tools", request{messages: user("weather in Paris and Oslo?"), tools: true, parallel: &off}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}, "cohere ollama"},
		{"a tool that is needed", request{messages: user("say hi to Rome"), tools: true, choice: "required"}, answer{Calls: []toolCall{{"get_weather", `{"city":"Rome"}`}}, Stop: "tool_calls"}, "ollama"},
		{"a tool that is not", request{messages: user("say weather"), tools: true, choice: "none"}, answer{Text: "weather", Stop: "stop"}, ""},
		{"an image", request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + png}}}, answer{Text: `This is MODEL. You said: "what is it?". I see 1 image: image/png of 70 bytes.`, Stop: "stop"}, "compatible"},
		{"an image by its URL", request{messages: []message{{role: "user", text: "what is it?", image: "https://example.com/a.png"}}}, answer{Text: `This is MODEL. You said: "what is it?". I see 1 image: https://example.com/a.png.`, Stop: "stop"}, "compatible ollama"},
	} {
		for _, client := range slices.Sorted(maps.Keys(callers)) {
			c := callers[client](g.URL, appKey)
			for model, name := range upstream {
				for _, stream := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/%s/stream=%v", client, model, s.name, stream), func(t *testing.T) {
						r, want := s.request, s.want
						r.model, r.stream = model, stream
						want.Text = strings.ReplaceAll(want.Text, "MODEL", name)
						got, _, err := c.call(t.Context(), r)
						if slices.Contains(strings.Fields(s.refused), model) {
							if refusal, ok := errors.AsType[refused](err); !ok || refusal.Status != 400 || refusal.Message == "" {
								t.Errorf("%+v, %v, want it refused", got, err)
							}
							return
						}
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
		}
	}
}

// TestToolResultsGoRoundAtVendors sends calls back with results: ids that were invented, or made to fit, still pair up.
func TestToolResultsGoRoundAtVendors(t *testing.T) {
	m := startMock(t)
	g := serve(t, vendorRepo(m.URL), rig.Options{})
	for client, dial := range callers {
		c := dial(g.URL, appKey)
		for _, model := range []string{"compatible", "azure", "cohere", "ollama"} {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%v", client, model, stream), func(t *testing.T) {
					r := request{model: model, messages: user("weather in Paris and Oslo?"), tools: true, stream: stream}
					_, ids, err := c.call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if len(ids) != 2 || ids[0].id == "" || ids[0].id == ids[1].id {
						t.Fatalf("calls %+v", ids)
					}
					r.messages = append(r.messages, message{role: "assistant", text: "I look.", calls: ids},
						message{role: "tool", id: ids[0].id, text: "21 C"}, message{role: "tool", id: ids[1].id, text: "4 C"})
					got, _, err := c.call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if want := "Here is what I found: get_weather gave 21 C; get_weather gave 4 C."; got.Text != want || got.Stop != "stop" {
						t.Errorf("got %+v, want %q", got, want)
					}
				})
			}
		}
	}
}

// TestVendorsFaultsKeepTheirStatus: errors, also in the middle of a stream, come in the caller's shape.
func TestVendorsFaultsKeepTheirStatus(t *testing.T) {
	m := startMock(t)
	g := serve(t, vendorRepo(m.URL), rig.Options{})
	for _, fault := range []struct {
		kind   string
		status int
	}{{"429", 429}, {"500", 500}, {"midstream-error", 0}, {"truncate", 0}} {
		for client, dial := range callers {
			for _, model := range []string{"compatible", "azure", "cohere", "ollama"} {
				t.Run(fmt.Sprintf("%s/%s/%s", fault.kind, client, model), func(t *testing.T) {
					if err := m.Fault(fault.kind); err != nil {
						t.Fatal(err)
					}
					defer m.Fault()
					a, _, err := dial(g.URL, appKey).call(t.Context(), request{model: model, messages: user("count to 30"), stream: true})
					if err == nil {
						t.Fatalf("it looks whole: %+v", a)
					}
					if refusal, ok := errors.AsType[refused](err); fault.status > 0 && (!ok || refusal.Status != fault.status || refusal.Message == "") {
						t.Errorf("got %v, want status %d", err, fault.status)
					}
				})
			}
		}
	}
}
