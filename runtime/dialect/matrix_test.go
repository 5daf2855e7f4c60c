package dialect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// idLetters are what an id of a tool call in the anthropic-messages dialect is made of.
const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// recordedMessage is a message, or a delta of one, with all that vendors make of it.
type recordedMessage struct {
	Call             *struct{ Name, Arguments string } `json:"function_call"`
	Content          json.RawMessage
	Refusal          string
	Reasoning        json.RawMessage
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	ToolCalls        []struct {
		Index    *int
		ID       string
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	} `json:"tool_calls"`
}

// recordedChat is the oracle for chat answers: a recording read with encoding/json, with the quirks of its host.
func recordedChat(t testing.TB, i *interaction) (a answer) {
	t.Helper()
	docs := []string{i.answer}
	if i.stream() {
		docs = nil
		for line := range strings.Lines(i.answer) {
			if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:"); ok && strings.TrimSpace(data) != "[DONE]" {
				docs = append(docs, data)
			}
		}
	}
	arguments := map[int]string{}
	for _, doc := range docs {
		var c struct {
			Choices []struct {
				Index          int
				Message, Delta *recordedMessage
				Finish         string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(doc), &c); err != nil {
			t.Fatalf("%s: %v in %s", i.name, err, doc)
		}
		for _, ch := range c.Choices {
			m := ch.Message
			if m == nil {
				m = ch.Delta
			}
			switch text := ""; {
			case ch.Index > 0 && m != nil:
				if json.Unmarshal(m.Content, &text) == nil && m.Content != nil {
					a.other(ch.Index, &chatMessage{Content: &text})
				}
			case m != nil:
				takeChat(i, &a, m, arguments)
			}
			if ch.Index == 0 && ch.Finish != "" {
				if a.Stop = ch.Finish; a.Stop == "eos" { // Together
					a.Stop = "stop"
				}
			}
		}
	}
	for n := range a.Tools {
		if arguments[n] == "" {
			arguments[n] = "{}"
		}
		if err := json.Unmarshal([]byte(arguments[n]), &a.Tools[n].Arguments); err != nil {
			t.Fatalf("%s: arguments %q: %v", i.name, arguments[n], err)
		}
	}
	a.Usage, _, _, _ = chatOracle(t, i)
	a.Terminals = 1
	return a
}

// takeChat adds what a recorded message, or a piece of one, says.
func takeChat(i *interaction, a *answer, m *recordedMessage, arguments map[int]string) {
	text := ""
	if json.Unmarshal(m.Content, &text) == nil {
		a.Text += text
	} else {
		var parts []struct {
			Type, Text string
			Thinking   []struct{ Text string }
		}
		if json.Unmarshal(m.Content, &parts) == nil {
			for _, p := range parts {
				a.Text += p.Text
				for _, th := range p.Thinking {
					a.Reasoning += th.Text
				}
			}
		}
	}
	a.Text += m.Refusal
	for _, raw := range []json.RawMessage{m.Reasoning, m.ReasoningContent} {
		text := ""
		if json.Unmarshal(raw, &text) == nil && text != "" {
			a.Reasoning += text
			break
		}
	}
	for n, call := range m.ToolCalls {
		at := n
		if call.Index != nil && i.stream() {
			at = *call.Index
		}
		if call.ID != "" && (at >= len(a.Tools) || a.Tools[at].ID != call.ID) {
			at = len(a.Tools)
			a.Tools = append(a.Tools, tool{ID: call.ID, Name: call.Function.Name})
		}
		fragment := ""
		if json.Unmarshal(call.Function.Arguments, &fragment) != nil {
			fragment = string(call.Function.Arguments)
		}
		arguments[at] += fragment
	}
	if m.Call != nil {
		if m.Call.Name != "" {
			a.Tools = append(a.Tools, tool{Name: m.Call.Name})
		}
		arguments[len(a.Tools)-1] += m.Call.Arguments
	}
}

// decoded feeds an answer that is cut at the given places to a decoder.
func decoded(d dialect.Decoder, stream bool, raw string, cuts ...int) (got []dialect.Event) {
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	d.Reset(stream)
	at := 0
	for _, end := range append(cuts, len(raw)) {
		piece := []byte(raw[at:end])
		d.Feed(piece, emit)
		clear(piece)
		at = end
	}
	d.Finish(emit)
	return got
}

// readMessages reads an answer in the anthropic-messages dialect and fails on anything that a strict client would trip
// over: each event has its name, blocks follow each other, and every block is closed.
func readMessages(t testing.TB, stream bool, raw []byte) answer {
	t.Helper()
	i := interaction{name: "encoded", answer: string(raw)}
	if !stream {
		if err := jsonscan.Check(raw); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		return readAnthropic(t, &i)
	}
	i.mediaType = "text/event-stream"
	open, next, over := -1, 0, false
	for _, block := range strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
		head, data, ok := strings.Cut(block, "\ndata: ")
		name, named := strings.CutPrefix(head, "event: ")
		var ev struct {
			Type  string
			Index int
		}
		if !ok || !named || strings.Contains(data, "\n") || jsonscan.Check([]byte(data)) != nil || json.Unmarshal([]byte(data), &ev) != nil || ev.Type != name {
			t.Fatalf("no event of a stream: %q", block)
		}
		if over {
			t.Fatalf("%q behind the terminal event", block)
		}
		switch name {
		case "content_block_start":
			if open >= 0 || ev.Index != next {
				t.Fatalf("block %d begins while block %d is open and %d is the next", ev.Index, open, next)
			}
			open, next = ev.Index, next+1
		case "content_block_delta", "content_block_stop":
			if ev.Index != open {
				t.Fatalf("%s for block %d while %d is open", name, ev.Index, open)
			}
			if name == "content_block_stop" {
				open = -1
			}
		case "message_delta":
			if open >= 0 {
				t.Fatalf("message_delta while block %d is open", open)
			}
		case "message_stop", "error":
			over = true
		}
	}
	return readAnthropic(t, &i)
}

// TestRecordedRequestsSurviveTheNeutralForm decodes every recorded request, encodes it in the dialect that it came in,
// and decodes that again: what was in the neutral form the first time is in it the second time.
func TestRecordedRequestsSurviveTheNeutralForm(t *testing.T) {
	type coder struct {
		decode func([]byte) (*dialect.Request, *dialect.Error)
		encode func([]byte, *dialect.Request, *dialect.Target) ([]byte, *dialect.Error)
	}
	chat := coder{openaichat.DecodeRequest, openaichat.EncodeRequest}
	messages := coder{anthropic.DecodeRequest, anthropic.EncodeRequest}
	count := map[string]int{}
	excluded := map[string]string{}
	for _, i := range recordings(t) {
		var c coder
		other, name := messages, "openai-chat"
		switch {
		case i.anthropicAnswer() && i.host == "api.anthropic.com":
			c, other, name = messages, chat, "anthropic-messages"
		case i.chatAnswer():
			c = chat
		default:
			continue
		}
		if !json.Valid([]byte(i.request)) {
			excluded[i.name] = "request body is not JSON"
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			first, derr := c.decode([]byte(i.request))
			if derr != nil && i.status == 400 {
				excluded[i.name] = "refused by its provider, too: " + derr.Message
				return
			}
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			normal := func(r *dialect.Request) *dialect.Request {
				n := *r
				n.Unsupported, n.IncludeUsage, n.ThinkingBudget = nil, false, nil
				n.Messages = nil
				for _, m := range r.Messages {
					var parts []dialect.Part
					for _, p := range m.Parts {
						p.At, p.Cache, p.Detail = 0, "", ""
						p.Content = append([]dialect.Part(nil), p.Content...)
						for k := range p.Content {
							p.Content[k].At, p.Content[k].Cache = 0, ""
						}
						if name == "openai-chat" && (p.Kind == dialect.Thinking || p.Kind == dialect.RedactedThinking) {
							continue // no place in the dialect
						}
						if (p.Kind == dialect.Text || p.Kind == dialect.Refusal) && strings.TrimSpace(p.Text) == "" {
							continue
						}
						parts = append(parts, p)
					}
					if m.Role == dialect.Tool {
						m.Role, m.Name = dialect.User, ""
					}
					m.At = 0
					m.Parts = parts
					if last := len(n.Messages) - 1; last >= 0 && m.Name == "" && n.Messages[last].Role == m.Role && n.Messages[last].Name == "" {
						n.Messages[last].Parts = append(n.Messages[last].Parts, parts...)
						continue
					}
					n.Messages = append(n.Messages, m)
				}
				n.System = append([]dialect.Part(nil), r.System...)
				for k := range n.System {
					n.System[k].At, n.System[k].Cache = 0, ""
				}
				n.Tools = append([]dialect.ToolDef(nil), r.Tools...)
				for k := range n.Tools {
					n.Tools[k].Cache = ""
				}
				return &n
			}
			model := first.Model
			body, derr := c.encode(nil, first, &dialect.Target{Model: model, MaxTokens: 4096})
			if strings.Contains(strings.Join(first.Unsupported, " "), "server_tools") {
				if derr == nil {
					t.Fatal("server-side tools are lost without a word")
				}
				excluded[i.name] = derr.Message
				return
			}
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			second, derr := c.decode(body)
			if derr != nil {
				t.Fatalf("refused the second time: %s (%s)\n%s", derr.Message, derr.Param, body)
			}
			want, got := normal(first), normal(second)
			if want.MaxTokens == nil {
				got.MaxTokens = nil
			}
			if got.Temperature == nil && got.TopP == nil { // left out for models that reason
				want.Temperature, want.TopP = nil, nil
			}
			if got.Reasoning == "" { // left out for models that do not
				want.Reasoning = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s\n%s", diff, body)
			}
			// The other dialect takes it as well, and says the same in its own form.
			body, derr = other.encode(nil, first, &dialect.Target{Model: "model-of-today", MaxTokens: 4096})
			if derr != nil && noEqual(derr) {
				excluded[i.name] = derr.Message
				return
			}
			if derr != nil {
				t.Fatalf("refused by the other dialect: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			if _, derr = other.decode(body); derr != nil {
				t.Fatalf("the other dialect refuses what it encoded: %s (%s)\n%s", derr.Message, derr.Param, body)
			}
			count[name]++
		})
	}
	report(t, fmt.Sprintf("requests: %v", count), excluded)
	if count["openai-chat"] < 200 || count["anthropic-messages"] < 30 {
		t.Errorf("only %v requests were found", count)
	}
}
