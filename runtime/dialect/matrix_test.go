package dialect_test

import (
	"encoding/json"
	"fmt"
	"reflect"
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

// recordedChat is the oracle for chat answers: a recording read with encoding/json, with the quirks of its host.
func recordedChat(t *testing.T, i *interaction) (a answer) {
	t.Helper()
	type message struct {
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
				Message, Delta *message
				Finish         string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(doc), &c); err != nil {
			t.Fatalf("%s: %v in %s", i.name, err, doc)
		}
		if len(c.Choices) == 0 {
			continue
		}
		if c.Choices[0].Finish != "" {
			a.Stop = c.Choices[0].Finish
		}
		m := c.Choices[0].Message
		if m == nil {
			m = c.Choices[0].Delta
		}
		if m == nil {
			continue
		}
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

// TestRecordedAnswersComeOutInEveryDialect decodes every recorded answer, encodes it in each dialect that callers
// speak, streamed and whole, and reads that with the dialect's oracle: the same text, thinking, calls, stop reason and
// usage as in the recording.
func TestRecordedAnswersComeOutInEveryDialect(t *testing.T) {
	count := map[string]int{}
	excluded := map[string]string{}
	for _, i := range recordings(t) {
		var d dialect.Decoder
		var read func(*testing.T, *interaction) answer
		switch {
		case i.anthropicAnswer():
			d, read = anthropic.NewDecoder(false), readAnthropic
		case i.chatAnswer():
			d, read = new(openaichat.Decoder), recordedChat
		default:
			continue
		}
		if why := i.unusable(); why != "" {
			excluded[i.name] = why
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			want := read(t, &i)
			evs := decoded(d, i.stream(), i.answer)
			checkGrammar(t, evs)
			for _, cuts := range cuttings(len(i.answer)) {
				if got := decoded(d, i.stream(), i.answer, cuts...); !reflect.DeepEqual(evs, got) {
					t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts, cmp.Diff(evs, got))
				}
			}
			for _, stream := range []bool{true, false} {
				o := dialect.Opening{Stream: stream, IncludeUsage: true, ID: "answer_1", Created: 1700000000, Model: "asked"}
				for name, e := range map[string]dialect.Encoder{"openai-chat": new(openaichat.Encoder), "anthropic-messages": new(anthropic.Encoder)} {
					e.Reset(o)
					var out []byte
					for n := range evs {
						out = e.Event(out, &evs[n])
					}
					if !e.Done() || e.Err() != nil {
						t.Fatalf("%s: done %v, error %+v", name, e.Done(), e.Err())
					}
					if !stream {
						out = e.Body(nil)
					}
					want := want
					want.Model = "asked"
					var got answer
					if name == "openai-chat" {
						var failure string
						if got, failure = readChat(t, stream, out); failure != "" {
							t.Fatal(failure)
						}
						want.Usage.CacheWrite1h = 0 // no place
						if want.Stop == "stop" && len(want.Tools) > 0 {
							want.Stop = "tool_calls"
						}
					} else {
						got = readMessages(t, stream, out)
						want.Tools = append([]tool(nil), want.Tools...)
						for n := range want.Tools { // ids that the dialect does not allow are changed
							if n < len(got.Tools) && strings.ContainsAny(want.Tools[n].ID, ".:") && strings.Trim(got.Tools[n].ID, idLetters) == "" && got.Tools[n].ID != "" {
								want.Tools[n].ID = got.Tools[n].ID
							}
						}
						if want.Stop == "stop" && len(want.Tools) > 0 || want.Stop == "function_call" {
							want.Stop = "tool_calls"
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, stream %v: mismatch (-want +got):\n%s", name, stream, diff)
					}
					count[fmt.Sprintf("%s → %s", i.host, name)]++
				}
			}
		})
	}
	report(t, fmt.Sprintf("answers by pair: %v", count), excluded)
	if len(count) < 20 {
		t.Errorf("only %d pairs were met", len(count))
	}
}

// readMessages reads an answer in the anthropic-messages dialect and fails on anything that a strict client would trip
// over: each event has its name, blocks follow each other, and every block is closed.
func readMessages(t *testing.T, stream bool, raw []byte) answer {
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
						m.Role = dialect.User
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
