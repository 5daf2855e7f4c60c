package compiler_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"testing"
	"testing/fstest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

const promptPlatform = `package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
providers: openai: {kind: "openai", credentials: [{ref: "env:OPENAI_API_KEY"}]}
models: fast: targets: [{provider: "openai", model: "gpt-5-mini"}]
tenants: acme: apps: web: keys: [{id: "web-1", hash: "sha256:5f2b7c1f9f3f7c4a1d9f6c0e1b2a3948576655443322110ffeeddccbbaa99887"}]
`

const promptInCUE = `package gateway

partials: tone: text: "Be {{#short}}brief{{/short}}{{^short}}thorough{{/short}}."
prompts: mood: {
	owner: "acme", path: "/v1/mood", model: "fast", version: 2, description: "Says \"how\" it feels"
	inputs: {
		text: {maxLength: 100, pattern: "\\S"}
		short: {type: "boolean", default: true}
		tags: {items: {enum: ["a", "b"]}, maxItems: 3, default: []}
		photo: {type: "image", required: false}
		who: {fields: {name: {}, age: {type: "integer", minimum: 0, maximum: 150, required: false}}, required: false}
	}
	messages: [
		{role: "system", text: "{{>tone}}{{#tags}} [{{.}}]{{/tags}}{{#who}} {{name}}{{#age}} ({{age}}){{/age}}{{/who}}"},
		{role: "user", text: "{{text}}", images: ["photo"]},
	]
	output: {label!: enum: ["good", "bad"], score!: {type: "number", minimum: 0.5}, why?: {maxLength: 10}}
	examples: [{inputs: text: "Great!", output: {label: "good", score: 1}}]
	parameters: {temperature: 0.2, topP: 1, maxTokens: 50, stop: ["END"], reasoning: "low"}
	onInvalid: "repair"
	versions: "1": {model: "fast", inputs: text: {}, messages: [{role: "user", text: "{{text}}"}], stream: true}
	aliases: stable: 1
}
`

const promptInYAML = `partials:
  tone:
    text: "Be {{#short}}brief{{/short}}{{^short}}thorough{{/short}}."
prompts:
  mood:
    owner: acme
    path: /v1/mood
    model: fast
    version: 2
    description: 'Says "how" it feels'
    inputs:
      text: {maxLength: 100, pattern: '\S'}
      short: {type: boolean, default: true}
      tags: {items: {enum: [a, b]}, maxItems: 3, default: []}
      photo: {type: image, required: false}
      who:
        fields:
          name: {}
          age: {type: integer, minimum: 0, maximum: 150, required: false}
        required: false
    messages:
      - role: system
        text: "{{>tone}}{{#tags}} [{{.}}]{{/tags}}{{#who}} {{name}}{{#age}} ({{age}}){{/age}}{{/who}}"
      - {role: user, text: "{{text}}", images: [photo]}
    output:
      label: {enum: [good, bad]}
      score: {type: number, minimum: 0.5}
      why: {maxLength: 10, required: false}
    examples:
      - {inputs: {text: "Great!"}, output: {label: good, score: 1}}
    parameters: {temperature: 0.2, topP: 1, maxTokens: 50, stop: [END], reasoning: low}
    onInvalid: repair
    versions:
      "1": {model: fast, inputs: {text: {}}, messages: [{role: user, text: "{{text}}"}], stream: true}
    aliases: {stable: 1}
`

// promptsOf builds the prompts of a repository.
func promptsOf(t *testing.T, name, text string) *artifact.Artifact {
	t.Helper()
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fstest.MapFS{"gateway.cue": {Data: []byte(promptPlatform)}, name: {Data: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Artifact == nil || len(r.Report.All()) > 0 {
		t.Fatalf("findings: %+v", r.Report.All())
	}
	a, _, err := artifact.Decode(r.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPromptsInCUEAndYAMLAreTheSame(t *testing.T) {
	cue, yaml := promptsOf(t, "platform/prompts.cue", promptInCUE), promptsOf(t, "platform/prompts.yaml", promptInYAML)
	if d := cmp.Diff(cue.Prompts, yaml.Prompts); d != "" {
		t.Errorf("mismatch (-CUE +YAML)\n%s", d)
	}
}

func TestPromptsAreLoweredToWhatTheySay(t *testing.T) {
	a := promptsOf(t, "platform/prompts.cue", promptInCUE)
	s, err := prompt.Load(&a.Prompts[0], len(a.Tenants), len(a.Models), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := s.Program("latest")
	inputs, faults := g.Inputs([]byte(`{"text":"x {{short}}","tags":["b","a"],"who":{"name":"Ada","age":36},"photo":"https://a.example/p.png"}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := g.Render(inputs)
	if err != nil {
		t.Fatal(err)
	}
	want := []prompt.Rendered{
		{Role: "system", Text: "Be brief. [b] [a] Ada (36)"},
		{Role: "user", Text: "Great!", Same: true},
		{Role: "assistant", Text: `{"label":"good","score":1}`, Same: true},
		{Role: "user", Text: "x {{short}}", Images: []string{"https://a.example/p.png"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	if n := s.Default; n != 1 {
		t.Errorf("without a version, version %d answers; want the stable one", n)
	}
	if len(g.Version.Told) != 0 {
		t.Errorf("a model that can be held to a schema is told of it in words: %v", g.Version.Told)
	}
}

// one is a repository of one file, for the reader of documents.
type one struct{ data []byte }

func (o one) Data(path string) ([]byte, bool) { return o.data, path == "x.json" }
func (o one) Digest(path string) ([sha256.Size]byte, bool) {
	return sha256.Sum256(o.data), path == "x.json"
}
func (o one) Paths() iter.Seq[string] { return maps.Keys(map[string]bool{"x.json": true}) }

// TestPublishedDocumentsAreOpenAPI reads the documents of prompts with gwc's own reader and with another one.
func TestPublishedDocumentsAreOpenAPI(t *testing.T) {
	a := promptsOf(t, "platform/prompts.cue", promptInCUE)
	s, err := prompt.Load(&a.Prompts[0], len(a.Tenants), len(a.Models), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range s.Programs() {
		doc := s.Document(g)
		docs, report := openapi.Read(openapi.Input{Files: one{doc}, Wanted: []openapi.Wanted{{File: "x.json"}}})
		for _, d := range report.All() {
			t.Errorf("version %d: %s %s", g.Number, d.Code, d.Summary)
		}
		own := docs.ByFile["x.json"]
		if own == nil || len(own.Operations) != 1 || own.Operations[0].ID != "mood" || own.Operations[0].Method != "POST" || own.Operations[0].Path != "/v1/mood" {
			t.Fatalf("version %d: %+v", g.Number, own)
		}
		spec, err := openapi3.NewLoader().LoadFromData(doc)
		if err != nil {
			t.Fatal(err)
		}
		body := spec.Paths.Find("/v1/mood").Post.RequestBody.Value.Content["application/json"].Schema.Value
		for text, fits := range map[string]bool{`{"text":"abc"}`: true, `{}`: false, `{"text":1}`: false, `{"text":"abc","more":1}`: false} {
			v, faults := g.Inputs([]byte(text))
			if (len(faults) == 0) != fits {
				t.Errorf("version %d takes %s: %v %v", g.Number, text, v, faults)
			}
			var data any
			if err := json.Unmarshal([]byte(text), &data); err != nil {
				t.Fatal(err)
			}
			if err := body.VisitJSON(data); (err == nil) != fits {
				t.Errorf("version %d: its schema says of %s: %v", g.Number, text, err)
			}
		}
		answer := spec.Paths.Find("/v1/mood").Post.Responses.Value("200").Value
		if stream := answer.Content["text/event-stream"] != nil; stream != g.Stream {
			t.Errorf("version %d streams: %v", g.Number, stream)
		}
	}
}

// TestPromptsThatAreTooLargeSaySo holds that what an artifact would refuse is a finding, and not a bug.
func TestPromptsThatAreTooLargeSaySo(t *testing.T) {
	deep := "{}"
	for range 40 {
		deep = "{items: " + deep + "}"
	}
	many := ""
	for i := range 1100 {
		many += fmt.Sprintf("i%d: {}, ", i)
	}
	versions := ""
	for i := range 110 {
		versions += fmt.Sprintf(`"%d": {model: "fast", messages: [{role: "user", text: "x"}]}, `, i+2)
	}
	for name, body := range map[string]string{
		"types that are too deep": "inputs: x: " + deep,
		"too many types":          "output: {" + many + "}",
		"too many versions":       "versions: {" + versions + "}",
	} {
		text := "package gateway\n\nprompts: p: {owner: \"acme\", path: \"/v1/p\", model: \"fast\", messages: [{role: \"user\", text: \"x\"}]\n" + body + "\n}\n"
		r, err := compiler.Build(context.Background(), compiler.Options{FS: fstest.MapFS{"gateway.cue": {Data: []byte(promptPlatform)}, "platform/p.cue": {Data: []byte(text)}}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		said := false
		for _, d := range r.Report.All() {
			said = said || d.Code == "GWC2408"
		}
		if !said || r.Artifact != nil {
			t.Errorf("%s: %+v", name, r.Report.All())
		}
	}
}
