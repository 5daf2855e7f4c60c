package dialect_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// readOllama is the oracle for Ollama's answers, read with encoding/json.
func readOllama(t testing.TB, i *interaction) (a answer) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(i.answer))
	for d.More() {
		var m struct {
			Model   string
			Message struct {
				Content, Thinking string
				ToolCalls         []struct {
					ID       string
					Function struct {
						Name      string
						Arguments any
					}
				} `json:"tool_calls"`
			}
			Done   bool
			Reason string `json:"done_reason"`
			Prompt *int64 `json:"prompt_eval_count"`
			Eval   *int64 `json:"eval_count"`
		}
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		a.Text += m.Message.Content
		a.Reasoning += m.Message.Thinking
		for _, c := range m.Message.ToolCalls {
			a.Tools = append(a.Tools, tool{c.ID, c.Function.Name, c.Function.Arguments})
		}
		if m.Done {
			a.Stop, a.Terminals = m.Reason, a.Terminals+1
			if len(a.Tools) > 0 && a.Stop == "stop" {
				a.Stop = "tool_calls"
			}
			if m.Prompt != nil && m.Eval != nil {
				a.Usage = dialect.Usage{Input: *m.Prompt, Output: *m.Eval, Known: true}
			}
		}
	}
	return a
}

// readCohere is the oracle for Cohere's answers, read with encoding/json.
func readCohere(t testing.TB, i *interaction) (a answer) {
	t.Helper()
	type call struct {
		ID       string
		Function struct{ Name, Arguments string }
	}
	type content struct{ Text, Thinking string }
	type end struct {
		Reason string `json:"finish_reason"`
		Usage  struct {
			Tokens struct {
				Input  float64 `json:"input_tokens"`
				Output float64 `json:"output_tokens"`
			}
			Cached int64 `json:"cached_tokens"`
		}
	}
	var last end
	var calls []call
	if i.stream() {
		for line := range strings.Lines(i.answer) {
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok || strings.HasPrefix(data, "[DONE]") {
				continue
			}
			var ev struct {
				Type  string
				Delta json.RawMessage
			}
			if err := json.Unmarshal([]byte(data), &ev); err != nil {
				t.Fatal(err)
			}
			var d struct {
				Message struct {
					Content content
					Plan    string `json:"tool_plan"`
					Calls   call   `json:"tool_calls"`
				}
			}
			if ev.Type != "message-start" && ev.Delta != nil {
				_ = json.Unmarshal(ev.Delta, &d) // citations have another shape
			}
			a.Text += d.Message.Content.Text + d.Message.Plan
			a.Reasoning += d.Message.Content.Thinking
			switch ev.Type {
			case "tool-call-start":
				calls = append(calls, d.Message.Calls)
			case "tool-call-delta":
				calls[len(calls)-1].Function.Arguments += d.Message.Calls.Function.Arguments
			case "message-end":
				if err := json.Unmarshal(ev.Delta, &last); err != nil {
					t.Fatal(err)
				}
			}
		}
	} else {
		var m struct {
			Message struct {
				Content []content
				Plan    string `json:"tool_plan"`
				Calls   []call `json:"tool_calls"`
			}
		}
		if err := json.Unmarshal([]byte(i.answer), &m); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(i.answer), &last); err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Message.Content {
			a.Text += c.Text
			a.Reasoning += c.Thinking
		}
		a.Text += m.Message.Plan
		calls = m.Message.Calls
	}
	for _, c := range calls {
		var v any
		if c.Function.Arguments == "" || c.Function.Arguments == "null" {
			c.Function.Arguments = "{}"
		}
		if err := json.Unmarshal([]byte(c.Function.Arguments), &v); err != nil {
			t.Fatal(err)
		}
		a.Tools = append(a.Tools, tool{c.ID, c.Function.Name, v})
	}
	a.Stop = map[string]string{"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}[last.Reason]
	a.Terminals = 1
	a.Usage = dialect.Usage{Input: int64(last.Usage.Tokens.Input), Output: int64(last.Usage.Tokens.Output), CacheRead: last.Usage.Cached, Known: true}
	return a
}
