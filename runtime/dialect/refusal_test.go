package dialect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func TestWhatATargetCannotExpressIsRefusedOrLeftOutAndNamed(t *testing.T) {
	body := []byte(`{"model":"m","n":2,"seed":7,"logprobs":true,"logit_bias":{"5":-100},"moderation":{"model":"x"},"metadata":{"a":"b"},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
		"parallel_tool_calls":false,"messages":[{"role":"user","content":[{"type":"text","text":"hear"},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}`)
	for _, target := range []struct {
		name   string
		table  dialect.Losses
		encode func([]byte, *dialect.Request, *dialect.Target) ([]byte, *dialect.Error)
		lost   []string
	}{
		{"anthropic", anthropic.LossTable, anthropic.EncodeRequest, []string{"moderation", "n", "logprobs", "logit_bias", "seed", "metadata", "input_audio"}},
		{"gemini", gemini.LossTable, gemini.EncodeRequest, nil},
		{"bedrock", bedrock.LossTable, bedrock.EncodeRequest, nil},
		{"cohere", cohere.LossTable, cohere.EncodeRequest, nil},
		{"ollama", ollama.LossTable, ollama.EncodeRequest, nil},
		{"openai", openaichat.LossTable, openaichat.EncodeRequest, nil},
	} {
		t.Run(target.name, func(t *testing.T) {
			r, derr := openaichat.DecodeRequest(body)
			if derr != nil {
				t.Fatal(derr)
			}
			to := &dialect.Target{Model: "model-of-today", MaxTokens: 100}
			same, _ := target.table.Relieved(r, false)
			if same != r {
				t.Error("a request that is to be refused is changed")
			}
			_, refusal := target.encode(nil, r, to)
			left, lost := target.table.Relieved(r, true)
			for _, field := range lost {
				if fate := target.table.Of(field).Fate; fate != dialect.Dropped && fate != dialect.Rejected {
					t.Errorf("%s is said to be lost, and is %s", field, fate)
				}
			}
			if (left != r) != (refusal != nil) {
				t.Errorf("refused as %v, relieved: %v", refusal, left != r)
			}
			if _, _, derr := target.table.Encode(target.encode, nil, r, to, true); derr != nil {
				t.Errorf("what is left is refused: %s", derr.Message)
			}
			if again, rest := target.table.Relieved(left, true); again != left {
				t.Errorf("what is left loses %v", rest)
			}
			if target.lost != nil {
				if diff := cmp.Diff(target.lost, lost); diff != "" {
					t.Errorf("mismatch (-want +got):\n%s", diff)
				}
			}
			if len(r.Messages[0].Parts) != 2 || r.Choices == nil {
				t.Error("the caller's request was changed")
			}
		})
	}
}

func TestPlacesOfParts(t *testing.T) {
	m := dialect.Message{At: 2, Parts: []dialect.Part{{At: -1}, {At: 3}, {Kind: dialect.ToolResult, At: 1, Content: []dialect.Part{{At: 0}, {At: -1}}}, {Kind: dialect.ToolResult, At: -1, Content: []dialect.Part{{At: 4}}}}}
	for want, p := range map[string]*dialect.Part{
		"messages[2].content":               &m.Parts[0],
		"messages[2].content[3]":            &m.Parts[1],
		"messages[2].content[1]":            &m.Parts[2],
		"messages[2].content[1].content[0]": &m.Parts[2].Content[0],
		"messages[2].content[1].content":    &m.Parts[2].Content[1],
		"messages[2].content[4]":            &m.Parts[3].Content[0],
	} {
		if got := dialect.PartPlace(&m, p); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
