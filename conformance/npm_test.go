package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// npm returns the node that runs what lies in the folder npm. The packages are installed from the committed lock file
// where one that the test needs is missing.
func npm(t *testing.T, needs ...string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: node is not installed")
	}
	if slices.ContainsFunc(needs, func(name string) bool {
		_, err := os.Stat(filepath.Join("npm", "node_modules", filepath.FromSlash(name)))
		return err != nil
	}) {
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip("skipped: npm is not installed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		cmd.Dir = "npm"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("skipped: npm ci does not work here: %v: %s", err, out)
		}
	}
	return node
}

// npmModels are the models that the clients ask, with what their providers call them, and the kinds of those.
var npmModels = map[string]struct{ kind, name string }{
	"openai":  {"openai", "gpt-5-mini"},
	"claude":  {"anthropic", "claude-sonnet-4-5"},
	"gemini":  {"gemini", "gemini-2.5-flash"},
	"bedrock": {"bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
	"cohere":  {"cohere", "command-a-03-2025"},
}

// npmEmbedders are the models that make vectors.
var npmEmbedders = map[string]struct{ provider, name string }{
	"embed-openai": {"openai", "text-embedding-3-small"},
	"embed-gemini": {"gemini", "gemini-embedding-001"},
	"embed-cohere": {"cohere", "embed-v4.0"},
}

// heard is what a client made of an answer: the line that cases.mjs writes.
type heard struct {
	Client, Model, Name string
	Text                string   `json:",omitempty"`
	Calls               []string `json:",omitempty"`
	IDs                 bool     `json:",omitempty"` // each call has one of its own
	Stop                string   `json:",omitempty"`
	Usage, Thoughts     bool     `json:",omitempty"`
	Steps, Chunks       int      `json:",omitempty"`
	Parsed              string   `json:",omitempty"`
	Vectors             []bool   `json:",omitempty"`
	Counted, Failed     bool     `json:",omitempty"`

	Error  bool   `json:",omitempty"`
	Status int    `json:",omitempty"`
	Class  string `json:",omitempty"` // of the client's own class of errors
	Type   string `json:",omitempty"`
	After  string `json:",omitempty"` // Retry-After
	Thrown string `json:",omitempty"` // what was thrown that is no answer with a status
}

// npmWorld is a gateway in front of one mock of all kinds of providers, and of three that misbehave.
type npmWorld struct {
	*rig.Gateway
	slow *rig.Mock
}

func startNPM(t *testing.T) npmWorld {
	t.Helper()
	mock := func(args ...string) *rig.Mock {
		return startMock(t, append([]string{"--key", providerKey}, args...)...)
	}
	w := npmWorld{slow: mock("--chunks", "200", "--chunk-gap", "20ms")}
	var providers, models strings.Builder
	var names []string
	for prefix, m := range map[string]*rig.Mock{"": mock(), "limited-": mock("--fault", "429"), "broken-": mock("--fault", "midstream-error"), "slow-": w.slow} {
		for model, up := range npmModels {
			base, proof := m.URL, `credentials: [{ref: "file:provider-key"}]`
			switch up.kind {
			case "openai":
				base += "/v1"
			case "bedrock":
				proof = `region: "us-east-1", credentials: [{accessKeyId: "file:key-id", secretAccessKey: "file:provider-key"}]`
			}
			fmt.Fprintf(&providers, "%q: {kind: %q, baseURL: %q, %s}\n", prefix+model, up.kind, base, proof)
			fmt.Fprintf(&models, "%q: targets: [{provider: %q, model: %q}]\n", prefix+model, prefix+model, up.name)
			names = append(names, prefix+model)
		}
	}
	for model, up := range npmEmbedders {
		fmt.Fprintf(&models, "%q: targets: [{provider: %q, model: %q}]\n", model, up.provider, up.name)
		names = append(names, model)
	}
	asked, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	w.Gateway = serve(t, rig.Repo{
		"gateway.cue":         gatewayFile("", fmt.Sprintf("providers: {\n%s}\nmodels: {\n%s}\ntenants: acme: apps: web: {keys: [{id: \"web-1\", hash: %q}], models: %s}\n", &providers, &models, hashOf(appKey), asked)),
		"../run/provider-key": providerKey + "\n",
		"../run/key-id":       "AKIA" + "NOBODYSKEYATALL0" + "\n",
	}, rig.Options{})
	return w
}

// npmClients are the scripts, with the clients that each of them drives.
var npmClients = map[string][]string{
	"openai":    {"openai", "openai, responses"},
	"anthropic": {"anthropic"},
	"google":    {"google"},
	"vercel":    {"ai, openai-compatible", "ai, anthropic", "ai, google"},
	"langchain": {"langchain"},
}

// streamedToo are the cases that a client has streamed as well.
var streamedToo = map[string]bool{"plain": true, "turns": true, "tools": true, "parallel tools": true, "results": true, "results after thinking": true, "image": true,
	"length": true, "thinking": true, "structured": true, "structured by responseSchema": true, "structured by responseJsonSchema": true, "limited": true}

// npmWants is what a client is to hear of a model, by case. What a client, or the provider of a model, is not able to do
// has a line of its own here, with the reason.
func npmWants(client, model string) map[string]heard {
	up := npmModels[model]
	calls := []string{`get_weather{"city":"Paris"}`, `get_weather{"city":"Oslo"}`}
	answer := func(text string) heard { return heard{Text: text, IDs: true, Stop: "stop", Usage: true} }
	thinking := answer("why")
	thinking.Thoughts = up.kind != "openai" && up.kind != "cohere" // whose mocks do not show what they think
	want := map[string]heard{
		"plain":          answer("hello, world"),
		"turns":          answer("This is " + up.name + `. You said: "What is new?". My instructions are: "Be brief.". That was message 3 of our talk.`),
		"tools":          {Calls: calls[:1], IDs: true, Stop: "calls", Usage: true},
		"parallel tools": {Calls: calls, IDs: true, Stop: "calls", Usage: true},
		"results":        answer("Here is what I found: get_weather gave 20 C; get_weather gave 21 C."),
		"image":          answer("This is " + up.name + `. You said: "what is it?". I see 1 image: image/png of 70 bytes.`),
		"length":         {Text: "1, 2, 3", IDs: true, Stop: "length", Usage: true},
		"thinking":       thinking,
		"structured":     {Parsed: "string"},
		"limited":        {Error: true, Status: 429, After: "1"},
		"unknown model":  {Error: true, Status: 404},
		"unknown key":    {Error: true, Status: 401},
		"broken":         {Error: true},
		"cancelled":      {Chunks: 5},
	}
	change := func(name string, f func(*heard)) {
		h := want[name]
		f(&h)
		want[name] = h
	}
	// How the client tells errors apart: by the types of its dialect, by classes of its own.
	told := func(types, classes [3]string) {
		for i, name := range []string{"limited", "unknown model", "unknown key"} {
			change(name, func(h *heard) { h.Type, h.Class = types[i], classes[i] })
		}
		if model == "openai" && types[0] == "rate_limit_error" && client != "anthropic" {
			change("limited", func(h *heard) { h.Type = "requests" }) // the provider's own, which passes
		}
	}
	classes := [3]string{"limit", "model", "key"}
	switch client {
	case "openai":
		told([3]string{"rate_limit_error", "invalid_request_error", "authentication_error"}, classes)
	case "openai, responses":
		told([3]string{"rate_limit_error"}, classes)
		delete(want, "turns")
		delete(want, "unknown model")
		delete(want, "unknown key")
		change("thinking", func(h *heard) { h.Thoughts = up.kind != "cohere" }) // here OpenAI shows a summary
		change("length", func(h *heard) { h.Text = "1, 2, 3, 4, 5, 6, 7, 8," }) // the API takes no limit below 16
		change("cancelled", func(h *heard) { h.Chunks = 9 })
		want["stateful"] = heard{Error: true, Status: 400, Type: "invalid_request_error", Class: "other"} // no answer is kept
	case "anthropic":
		told([3]string{"rate_limit_error", "not_found_error", "authentication_error"}, classes)
		want["results after thinking"] = want["results"]
		want["count"] = heard{Counted: true}
	case "google":
		told([3]string{"RESOURCE_EXHAUSTED", "NOT_FOUND", "UNAUTHENTICATED"}, [3]string{})
		change("limited", func(h *heard) { h.After = "" }) // its errors have no headers
		want["count"] = heard{Counted: true}
		want["structured by responseSchema"], want["structured by responseJsonSchema"] = want["structured"], want["structured"]
		delete(want, "structured")
	case "langchain":
		told([3]string{"rate_limit_error", "invalid_request_error", "authentication_error"}, [3]string{})
		delete(want, "thinking") // it has no place for what a model thinks
	default: // Vercel's
		change("results", func(h *heard) { h.Steps = 2 })
		if client == "ai, google" && model == "gemini" {
			// The SDK sends results as objects, and the provider, whose dialect this is, gets them as they are.
			change("results", func(h *heard) {
				h.Text = `Here is what I found: get_weather gave {"name":"get_weather","content":"20 C"}; get_weather gave {"name":"get_weather","content":"21 C"}.`
			})
		}
		want["results after thinking"] = want["results"]
		if client == "ai, anthropic" && model == "cohere" {
			// For models that it does not know, the SDK asks for one call of a tool and no other; Cohere cannot promise that.
			want["structured"] = heard{Error: true, Status: 400}
		}
	}
	return want
}

// judge holds what a client heard of a model against what it was to hear. A case that is missing fails, and so does one that
// nobody knows.
func judge(t *testing.T, client, model string, got map[string]heard) {
	t.Helper()
	want := npmWants(client, model)
	for name := range maps.Clone(want) {
		if _, once := got[name+", streamed"]; once || streamedToo[name] {
			want[name+", streamed"] = want[name]
		}
	}
	if client == "openai" || client == "openai, responses" {
		if h, ok := want["thinking, streamed"]; ok && client == "openai" { // read as it comes, without the SDK's accumulator
			want["thinking, streamed"] = heard{Text: h.Text, Thoughts: h.Thoughts}
		}
		if client == "openai, responses" {
			delete(want, "results, streamed")
		}
	}
	for name, h := range got {
		switch {
		case name == "broken" && h.Error && (h.Thrown != "" && h.Type != "" || h.Status >= 500):
			got[name] = heard{Error: true}
		case h.Thrown != "":
			t.Errorf("%s: %s", name, h.Thrown)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}

// vectorsOf is what a client that asks for vectors is to hear.
func vectorsOf(client, model string) map[string]heard {
	both := []bool{true, true} // two of them, of numbers
	switch client {
	case "openai":
		return map[string]heard{"vectors": {Vectors: both, Usage: model != "embed-gemini"}, "numbers": {Vectors: both[:1]}} // Gemini gives no usage
	case "google", "ai, openai-compatible", "ai, google", "langchain":
		return map[string]heard{"vectors": {Vectors: both}}
	}
	return nil
}

// TestNPMClients runs the scripts in the folder npm: each client asks each model every question, streamed and not, and what
// it heard is held against what it was to hear. A case that a client does not have, or that nobody expects, fails.
func TestNPMClients(t *testing.T) {
	node := npm(t, "openai", "@anthropic-ai/sdk", "@google/genai", "ai", "@ai-sdk/openai-compatible", "@ai-sdk/anthropic", "@ai-sdk/google", "@langchain/openai")
	w := startNPM(t)
	cancelled, asked := 0, 0
	for script, clients := range npmClients {
		t.Run(script, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, script+".mjs", w.URL, appKey,
				strings.Join(slices.Sorted(maps.Keys(npmModels)), ","), strings.Join(slices.Sorted(maps.Keys(npmEmbedders)), ","))
			cmd.Dir = "npm"
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			got := map[string]map[string]map[string]heard{} // by client, model and case
			d := json.NewDecoder(bytes.NewReader(out))
			for d.More() {
				var h heard
				if err := d.Decode(&h); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				client, model, name := h.Client, h.Model, h.Name
				h.Client, h.Model, h.Name = "", "", ""
				asked++
				if name == "cancelled" {
					cancelled++
				}
				if got[client] == nil {
					got[client] = map[string]map[string]heard{}
				}
				if got[client][model] == nil {
					got[client][model] = map[string]heard{}
				}
				if _, twice := got[client][model][name]; twice {
					t.Errorf("%s asks %s: %q was told twice", client, model, name)
				}
				got[client][model][name] = h
			}
			for _, client := range clients {
				for model := range npmEmbedders {
					if d := cmp.Diff(vectorsOf(client, model), got[client][model]); d != "" {
						t.Errorf("%s asks %s: mismatch (-want +got)\n%s", client, model, d)
					}
				}
				for model := range npmModels {
					t.Run(client+" asks "+model, func(t *testing.T) {
						judge(t, client, model, got[client][model])
					})
				}
			}
		})
	}
	t.Logf("%d answers heard by clients of npm from %d kinds of provider", asked, len(npmModels))
	eventually(t, func() (bool, string) {
		s, err := w.slow.Stats()
		return err == nil && s.ClientGone == cancelled && s.Active == 0, fmt.Sprintf("%d streams were cancelled: the providers saw %+v", cancelled, s)
	})
}
