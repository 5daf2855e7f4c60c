package dialect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// readConverse is the oracle for Converse's answers: the SDK's decoder of frames, and encoding/json.
func readConverse(t testing.TB, i *interaction) (a answer) {
	t.Helper()
	type use struct {
		ID    string `json:"toolUseId"`
		Name  string
		Input json.RawMessage
	}
	type reasoning struct {
		Text, Signature string
		Redacted        string                            `json:"redactedContent"`
		Whole           *struct{ Text, Signature string } `json:"reasoningText"`
	}
	type piece struct {
		Text      string
		ToolUse   *use
		Reasoning *reasoning `json:"reasoningContent"`
	}
	type end struct {
		Reason string `json:"stopReason"`
		Usage  *struct {
			Input  int64 `json:"inputTokens"`
			Output int64 `json:"outputTokens"`
			Read   int64 `json:"cacheReadInputTokens"`
			Write  int64 `json:"cacheWriteInputTokens"`
		}
	}
	var pieces []piece // by block
	var last end
	if strings.Contains(i.mediaType, "eventstream") {
		r, at := strings.NewReader(i.answer), map[int]int{}
		for r.Len() > 0 {
			m, err := sdk.NewDecoder().Decode(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			var ev struct {
				Index int `json:"contentBlockIndex"`
				Start struct{ ToolUse *use }
				Delta struct {
					Text    *string
					ToolUse *struct{ Input string }
					Reason  *reasoning `json:"reasoningContent"`
				}
			}
			if err := json.Unmarshal(m.Payload, &ev); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(m.Payload, &last); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(fmt.Sprint(m.Headers.Get(":event-type")), "contentBlock") {
				continue
			}
			if _, ok := at[ev.Index]; !ok {
				at[ev.Index] = len(pieces)
				pieces = append(pieces, piece{})
			}
			p := &pieces[at[ev.Index]]
			if ev.Start.ToolUse != nil {
				p.ToolUse = ev.Start.ToolUse
			}
			if d := ev.Delta.ToolUse; d != nil {
				p.ToolUse.Input = append(p.ToolUse.Input, d.Input...)
			}
			if ev.Delta.Text != nil {
				p.Text += *ev.Delta.Text
			}
			if d := ev.Delta.Reason; d != nil {
				if p.Reasoning == nil {
					p.Reasoning = &reasoning{}
				}
				p.Reasoning.Text += d.Text
				p.Reasoning.Signature += d.Signature
				p.Reasoning.Redacted += d.Redacted
			}
		}
	} else {
		var m struct {
			Output struct {
				Message struct{ Content []piece }
			}
		}
		if err := json.Unmarshal([]byte(i.answer), &m); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(i.answer), &last); err != nil {
			t.Fatal(err)
		}
		pieces = m.Output.Message.Content
	}
	for _, p := range pieces {
		a.Text += p.Text
		if r := p.Reasoning; r != nil {
			if r.Whole != nil {
				r.Text, r.Signature = r.Whole.Text, r.Whole.Signature
			}
			a.Reasoning += r.Text
			switch {
			case r.Redacted != "":
				a.Blocks = append(a.Blocks, thinking{"redacted_thinking", "", "", "gwc1:bedrock:" + r.Redacted})
			case r.Signature != "":
				a.Blocks = append(a.Blocks, thinking{"thinking", r.Text, "gwc1:bedrock:" + r.Signature, ""})
			}
		}
		if u := p.ToolUse; u != nil {
			var v any
			if len(u.Input) == 0 {
				u.Input = json.RawMessage("{}")
			}
			if err := json.Unmarshal(u.Input, &v); err != nil {
				t.Fatalf("arguments %q: %v", u.Input, err)
			}
			a.Tools = append(a.Tools, tool{u.ID, u.Name, v})
		}
	}
	a.Stop = map[string]string{"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "guardrail_intervened": "content_filter", "content_filtered": "content_filter"}[last.Reason]
	a.Terminals, a.Model = 1, "asked"
	if u := last.Usage; u != nil {
		a.Usage = dialect.Usage{Input: u.Input + u.Read + u.Write, Output: u.Output, CacheRead: u.Read, CacheWrite: u.Write, Known: true}
	}
	return a
}
