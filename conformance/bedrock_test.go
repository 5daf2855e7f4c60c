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

// bedrockRepo has one model at Bedrock, whose id has a colon. The mock verifies each call's signature by the secret.
func bedrockRepo(mock string) rig.Repo {
	return rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: aws: {kind: "bedrock", region: "us-east-1", baseURL: %q, credentials: [{accessKeyId: "file:key-id", secretAccessKey: "file:provider-key"}]}
models: bedrock: targets: [{provider: "aws", model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}]
tenants: acme: apps: web: {
	keys: [{id: "web-1", hash: %q}]
	models: ["bedrock"]
}
`, mock, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
		"../run/key-id":       "AKIA" + "NOBODYSKEYATALL0" + "\n",
	}
}

// TestChatsThroughBedrock runs the scenarios with every client against signed calls of Converse and ConverseStream.
func TestChatsThroughBedrock(t *testing.T) {
	m := startMock(t, "--provider", "bedrock", "--key", providerKey)
	g := serve(t, bedrockRepo(m.URL), rig.Options{})
	off := false
	for _, s := range []struct {
		name string
		request
		want    answer
		refused bool
	}{
		{"plain text", request{messages: user("Say hello, world")}, answer{Text: "hello, world", Stop: "stop"}, false},
		{"every kind of character", request{messages: user("Say «ü😀\"\\\t\u0001»")}, answer{Text: "«ü😀\"\\\t\u0001»", Stop: "stop"}, false},
		{"system and several turns", request{messages: []message{{role: "system", text: "Be brief."}, {role: "user", text: "Hi"}, {role: "assistant", text: "Hello"}, {role: "user", text: "What is new?"}}},
			answer{Text: `This is us.anthropic.claude-sonnet-4-5-20250929-v1:0. You said: "What is new?". My instructions are: "Be brief.". That was message 3 of our talk.`, Stop: "stop"}, false},
		{"a limit of tokens", request{messages: user("count to 500"), maxTokens: 5}, answer{Text: "1, 2, 3", Stop: "length"}, false},
		{"a stop sequence", request{messages: user("count to 9"), stop: []string{" 4"}}, answer{Text: "1, 2, 3,", Stop: "stop"}, false},
		{"a tool", request{messages: user("weather in Paris?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}, false},
		{"parallel tools", request{messages: user("weather in Paris and Oslo?"), tools: true}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}, {"get_weather", `{"city":"Oslo"}`}}, Stop: "tool_calls"}, false},
		{"no parallel tools", request{messages: user("weather in Paris and Oslo?"), tools: true, parallel: &off}, answer{Calls: []toolCall{{"get_weather", `{"city":"Paris"}`}}, Stop: "tool_calls"}, false},
		{"a tool that is needed", request{messages: user("say hi to Rome"), tools: true, choice: "required"}, answer{Calls: []toolCall{{"get_weather", `{"city":"Rome"}`}}, Stop: "tool_calls"}, false},
		{"a tool that is not", request{messages: user("say weather"), tools: true, choice: "none"}, answer{Text: "weather", Stop: "stop"}, false},
		{"an image", request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + png}}},
			answer{Text: `This is us.anthropic.claude-sonnet-4-5-20250929-v1:0. You said: "what is it?". I see 1 image: image/png of 70 bytes.`, Stop: "stop"}, false},
		{"an image by its URL", request{messages: []message{{role: "user", text: "what is it?", image: "https://example.com/a.png"}}}, answer{}, true},
	} {
		for _, client := range slices.Sorted(maps.Keys(callers)) {
			c := callers[client](g.URL, appKey)
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%v", client, s.name, stream), func(t *testing.T) {
					r := s.request
					r.model, r.stream = "bedrock", stream
					got, _, err := c.call(t.Context(), r)
					if s.refused {
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
					if d := cmp.Diff(s.want, got); d != "" {
						t.Errorf("mismatch (-want +got)\n%s", d)
					}
				})
			}
		}
	}
}

// TestBedrocksFaultsKeepTheirStatus: errors, also exceptions among the frames of a stream, come in the caller's shape; what
// a wrong key is told by AWS stays between AWS and the gateway.
func TestBedrocksFaultsKeepTheirStatus(t *testing.T) {
	m := startMock(t, "--provider", "bedrock", "--key", providerKey)
	g := serve(t, bedrockRepo(m.URL), rig.Options{})
	for client, dial := range callers {
		for _, fault := range []struct {
			kind   string
			status int
		}{{"429", 429}, {"500", 500}, {"midstream-error", 0}, {"truncate", 0}, {"bad-json", 0}} {
			t.Run(fault.kind+"/"+client, func(t *testing.T) {
				if err := m.Fault(fault.kind); err != nil {
					t.Fatal(err)
				}
				defer m.Fault()
				a, _, err := dial(g.URL, appKey).call(t.Context(), request{model: "bedrock", messages: user("count to 30"), stream: true})
				if err == nil {
					t.Fatalf("it looks whole: %+v", a)
				}
				if refusal, ok := errors.AsType[refused](err); fault.status > 0 && (!ok || refusal.Status != fault.status || refusal.Message == "") {
					t.Errorf("got %v, want status %d", err, fault.status)
				}
			})
		}
	}
	repo := bedrockRepo(m.URL)
	repo["../run/provider-key"] = "another/secret\n"
	g = serve(t, repo, rig.Options{})
	for client, dial := range callers {
		_, _, err := dial(g.URL, appKey).call(t.Context(), request{model: "bedrock", messages: user("hi")})
		refusal, ok := errors.AsType[refused](err)
		if !ok || !strings.Contains(refusal.Message, "refused the gateway's credentials") {
			t.Errorf("%s: a wrong key: %v", client, err)
		}
	}
}
