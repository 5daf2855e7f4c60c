package dialect_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// TestEveryFieldOfTheAPIHasARow holds the tables against OpenAI's own document: each top-level field of a chat request
// is either read into the neutral model or has a row of its own in the target's loss table.
func TestEveryFieldOfTheAPIHasARow(t *testing.T) {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	raw, err := os.ReadFile(filepath.Join(root, "specs/openai/openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Ref        string   `yaml:"$ref"`
		AllOf      []schema `yaml:"allOf"`
		Properties map[string]yaml.Node
	}
	var doc struct {
		Components struct{ Schemas map[string]yaml.Node }
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	var collect func(s schema)
	collect = func(s schema) {
		if s.Ref != "" {
			node := doc.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
			var next schema
			if err := node.Decode(&next); err != nil {
				t.Fatal(err)
			}
			collect(next)
		}
		for _, part := range s.AllOf {
			collect(part)
		}
		for name := range s.Properties {
			fields[name] = true
		}
	}
	collect(schema{Ref: "#/components/schemas/CreateChatCompletionRequest"})
	if len(fields) < 30 {
		t.Fatalf("only %d fields were found: %v", len(fields), fields)
	}
	rows := map[string]dialect.Loss{}
	for _, l := range anthropic.LossTable {
		if _, twice := rows[l.Field]; twice || l.Why == "" {
			t.Errorf("%q stands twice or has no reason", l.Field)
		}
		rows[l.Field] = l
	}
	for name := range fields {
		if name == "messages" || name == "model" {
			continue
		}
		// A value of a type that no field has: fields that are read refuse it, the others are handed on by name.
		r, derr := openaichat.DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"` + name + `":[[{"?":1}]]}`))
		switch {
		case derr != nil && strings.HasPrefix(derr.Param, name):
		case derr != nil:
			t.Errorf("%s: %s (%s)", name, derr.Message, derr.Param)
		case len(r.Unsupported) != 1 || r.Unsupported[0] != name:
			t.Errorf("%s is swallowed: %v", name, r.Unsupported)
		case rows[name].Field == "":
			t.Errorf("%s has no row in the loss table", name)
		}
	}
	t.Logf("%d fields", len(fields))
}

// conversation draws a chat request that follows the API's rules in form, but not always in sense: turns in any order,
// results that are missing, late or early, blank texts, foreign ids.
func conversation(t *rapid.T) []byte {
	text := rapid.SampledFrom([]string{"", " ", "hello", "a \"quoted\"\nline ", "日本 😀"})
	id := rapid.SampledFrom([]string{"call_1", "call_2", "functions.f:0", "functions.f:1"})
	var messages []map[string]any
	n := rapid.IntRange(1, 8).Draw(t, "messages")
	var open []string
	for range n {
		switch rapid.SampledFrom([]string{"system", "user", "parts", "assistant", "call", "result"}).Draw(t, "kind") {
		case "system":
			messages = append(messages, map[string]any{"role": "system", "content": text.Draw(t, "text")})
		case "user":
			messages = append(messages, map[string]any{"role": "user", "content": text.Draw(t, "text")})
		case "parts":
			messages = append(messages, map[string]any{"role": "user", "content": []any{
				map[string]any{"type": "text", "text": text.Draw(t, "text")},
				map[string]any{"type": "image_url", "image_url": map[string]any{"url": "data:image/png;base64,AAAA"}},
				map[string]any{"type": "text", "text": text.Draw(t, "text"), "cache_control": map[string]any{"type": "ephemeral"}}}})
		case "assistant":
			messages = append(messages, map[string]any{"role": "assistant", "content": text.Draw(t, "text"), "thinking_blocks": []any{map[string]any{"type": "thinking", "thinking": "t", "signature": "s"}}})
		case "call":
			calls := []any{}
			open = rapid.SliceOfNDistinct(id, 1, 3, rapid.ID[string]).Draw(t, "ids")
			for _, id := range open {
				calls = append(calls, map[string]any{"id": id, "type": "function", "function": map[string]any{"name": "f", "arguments": rapid.SampledFrom([]string{"", "{}", `{"a":[1,{"b":null}]}`}).Draw(t, "arguments")}})
			}
			messages = append(messages, map[string]any{"role": "assistant", "content": text.Draw(t, "text"), "tool_calls": calls})
			for rapid.IntRange(0, 9).Draw(t, "answered") > 0 && len(open) > 0 {
				messages = append(messages, map[string]any{"role": "tool", "tool_call_id": open[0], "content": text.Draw(t, "text")})
				open = open[1:]
			}
		case "result":
			messages = append(messages, map[string]any{"role": "tool", "tool_call_id": id.Draw(t, "id"), "content": text.Draw(t, "text")})
		}
	}
	request := map[string]any{"model": "m", "messages": messages, "stream": rapid.Bool().Draw(t, "stream")}
	if rapid.Bool().Draw(t, "tools") {
		request["tools"] = []any{map[string]any{"type": "function", "function": map[string]any{"name": "f", "parameters": map[string]any{"properties": map[string]any{}}}}}
		request["tool_choice"] = rapid.SampledFrom([]string{"auto", "none", "required"}).Draw(t, "choice")
	}
	if effort := rapid.SampledFrom([]string{"", "low", "high"}).Draw(t, "effort"); effort != "" {
		request["reasoning_effort"] = effort
	}
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestConversationsComeOutValidOrRefused(t *testing.T) {
	valid, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		body := conversation(t)
		r, err := openaichat.DecodeRequest(body)
		if err != nil {
			t.Fatalf("%s (%s)\n%s", err.Message, err.Param, body)
		}
		for _, model := range []string{"claude-sonnet-4-5", "claude-opus-4-6"} {
			out, err := anthropic.EncodeRequest(nil, r, &dialect.Target{Model: model, MaxTokens: 4096})
			if err != nil {
				// Only a call without its result, or a result without its call, is a reason.
				if !strings.HasPrefix(err.Param, "messages") || !strings.Contains(err.Message, "tool") {
					t.Fatalf("%s (%s)\n%s", err.Message, err.Param, body)
				}
				refused++
				continue
			}
			valid++
			if _, err := checkAnthropicRequest(out); err != nil {
				t.Fatalf("%v\n%s\n%s", err, body, out)
			}
		}
	})
	if valid == 0 {
		t.Error("no conversation was valid")
	}
	t.Logf("%d valid, %d refused", valid, refused)
}

// TestAnswersComeOutWithOneEnd draws sequences of neutral events as decoders may give them.
func TestAnswersComeOutWithOneEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SampledFrom([]string{"a", "\"\\\n", "é😀", "\x00\x1f"})
		evs := []dialect.Event{{Kind: dialect.Start, ID: "x", Model: "y"}}
		want := answer{Model: "asked", Terminals: 1, Stop: "stop"}
		tools, thoughts := 0, 0
		for range rapid.IntRange(0, 8).Draw(rt, "steps") {
			s := words.Draw(rt, "words")
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				evs = append(evs, dialect.Event{Kind: dialect.TextDelta, Text: s})
				want.Text += s
			case 1:
				evs = append(evs, dialect.Event{Kind: dialect.ThinkingDelta, Index: thoughts, Text: s}, dialect.Event{Kind: dialect.ThinkingDelta, Index: thoughts, Text: "!"},
					dialect.Event{Kind: dialect.SignatureDelta, Index: thoughts, Text: s})
				want.Reasoning += s + "!"
				want.Blocks = append(want.Blocks, thinking{"thinking", s + "!", s, ""})
				thoughts++
			case 2:
				evs = append(evs, dialect.Event{Kind: dialect.ToolStart, Index: tools, ID: "id" + s, Name: "f"}, dialect.Event{Kind: dialect.ToolDelta, Index: tools, Text: `{"a`},
					dialect.Event{Kind: dialect.TextDelta, Text: s}, dialect.Event{Kind: dialect.ToolDelta, Index: tools, Text: `":1}`}, dialect.Event{Kind: dialect.ToolEnd, Index: tools})
				want.Text += s
				want.Tools = append(want.Tools, tool{"id" + s, "f", map[string]any{"a": 1.0}})
				tools++
			case 3:
				want.Usage = dialect.Usage{Input: 5, Output: int64(len(evs)), CacheRead: 2, Known: true}
				evs = append(evs, dialect.Event{Kind: dialect.UsageEvent, Usage: want.Usage})
			}
		}
		failed := rapid.Bool().Draw(rt, "failed")
		if failed {
			evs = append(evs, dialect.Event{Kind: dialect.ErrorEvent, Err: &dialect.Error{Message: "boom"}})
		} else {
			evs = append(evs, dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopEnd})
		}
		evs = append(evs, dialect.Event{Kind: dialect.End})
		for _, stream := range []bool{true, false} {
			e := openaichat.NewEncoder(stream, true, "id", 1, "asked")
			var out []byte
			for i := range evs {
				out = e.Event(out, &evs[i])
			}
			if !stream {
				out = e.Body(out)
			}
			got, failure := readChat(t, stream, out)
			if (failure == "boom") != failed || got.Terminals != 1 {
				rt.Fatalf("failure %q, %d terminal events", failure, got.Terminals)
			}
			if failed {
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("stream %v: mismatch (-want +got):\n%s", stream, diff)
			}
		}
	})
}

func FuzzRequestsComeOutValidOrRefused(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"x"}],"max_tokens":5,"stop":["a"],"reasoning_effort":"high"}`,
		`{"model":"m","messages":[{"role":"assistant","content":"a "},{"role":"assistant","content":null,"tool_calls":[{"id":"a.b","type":"function","function":{"name":"f","arguments":"{\"x\":[1]}"}}]},{"role":"user","content":""},{"role":"tool","tool_call_id":"a.b","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}]}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":" "},{"type":"image_url","image_url":{"url":"x"},"cache_control":{"ttl":"1h"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"t\u0079pe":"object"}}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`,
		`{"model":"m","messages":[{"role":"assistant","content":"x","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"}]}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"a":1}}},"temperature":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openaichat.DecodeRequest(body)
		if err != nil {
			return
		}
		for _, model := range []string{"claude-sonnet-4-5", "claude-opus-4-6", "claude-3-haiku-20240307"} {
			out, err := anthropic.EncodeRequest(nil, r, &dialect.Target{Model: model, MaxTokens: 4096})
			if err != nil {
				if err.Status != 400 || err.Message == "" || err.Param == "" {
					t.Fatalf("%+v", err)
				}
				continue
			}
			if _, err := checkAnthropicRequest(out); err != nil {
				t.Fatalf("%v\n%s\n%s", err, body, out)
			}
		}
	})
}
