package dialect_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// converses reads the recorded exchanges with Bedrock's Converse API: cassettes of two projects, and fixtures of a third
// with one event a line, which are put into frames. Those whose status is not 200 come as well.
func converses(t *testing.T) (all []interaction) {
	t.Helper()
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	for _, folder := range []string{
		"openllmetry/packages/opentelemetry-instrumentation-bedrock/tests",
		"otel-python-contrib/instrumentation/opentelemetry-instrumentation-botocore/tests",
	} {
		err := filepath.Walk(filepath.Join(root, "recordings", folder), func(f string, _ os.FileInfo, err error) error {
			if err != nil || filepath.Ext(f) != ".yaml" {
				return err
			}
			raw, err := os.ReadFile(f)
			if err != nil || !strings.Contains(string(raw), "/converse") {
				return err
			}
			var doc struct {
				Interactions []struct {
					Request  struct{ URI, Body string }
					Response struct {
						Body    struct{ String string }
						Status  struct{ Code int }
						Headers map[string]any
					}
				}
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			for n, i := range doc.Interactions {
				u, err := url.Parse(i.Request.URI)
				if err != nil {
					return err
				}
				if !strings.HasSuffix(u.Path, "/converse") && !strings.HasSuffix(u.Path, "/converse-stream") {
					continue
				}
				media := "application/json"
				if strings.Contains(fmt.Sprint(i.Response.Headers), "amazon.eventstream") {
					media = "application/vnd.amazon.eventstream"
				}
				all = append(all, interaction{fmt.Sprintf("%s#%d", filepath.Base(f), n), u.Host, u.Path, i.Request.Body, i.Response.Status.Code, media, i.Response.Body.String})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range fixtures(t, "amazon-bedrock/src") {
		if strings.HasSuffix(i.name, ".chunks.txt") {
			var b []byte
			for line := range strings.Lines(i.answer) {
				var event map[string]json.RawMessage
				data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
				if !ok {
					continue
				}
				if err := json.Unmarshal([]byte(data), &event); err != nil {
					t.Fatalf("%s: %v", i.name, err)
				}
				for name, payload := range event {
					b = eventstream.Append(b, &eventstream.Frame{Type: []byte("event"), Name: []byte(name), Payload: payload})
				}
			}
			i.mediaType, i.answer = "application/vnd.amazon.eventstream", string(b)
		}
		all = append(all, i)
	}
	return all
}

// readConverse is the oracle for Converse's answers: the SDK's decoder of frames, and encoding/json.
func readConverse(t *testing.T, i *interaction) (a answer) {
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

// TestRecordedConverseAnswersComeOutInEveryDialect decodes the recorded answers of Bedrock, cut in many ways, and reads
// them again in each dialect that callers speak, streamed and whole.
func TestRecordedConverseAnswersComeOutInEveryDialect(t *testing.T) {
	streams, bodies, calls, thoughts, failures := 0, 0, 0, 0, 0
	d := new(bedrock.Decoder)
	for _, i := range converses(t) {
		t.Run(i.name, func(t *testing.T) {
			if i.status != 200 {
				failures++
				if e := bedrock.DecodeError(&dialect.ErrorAnswer{Status: i.status, Body: []byte(i.answer)}); e.Status != i.status || e.Message == "" || strings.Contains(e.Message, "readable") {
					t.Errorf("status %d reads as %+v", i.status, e)
				}
				return
			}
			stream := strings.Contains(i.mediaType, "eventstream")
			want := readConverse(t, &i)
			evs := decoded(d, stream, i.answer)
			checkGrammar(t, evs)
			cuts := cuttings(len(i.answer))
			for n := 0; n < len(cuts); n += 1 + len(cuts)/60 {
				if got := decoded(d, stream, i.answer, cuts[n]...); !reflect.DeepEqual(evs, got) {
					t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts[n], cmp.Diff(evs, got))
				}
			}
			if stream {
				streams++
			} else {
				bodies++
			}
			if len(want.Tools) > 0 {
				calls++
			}
			if want.Reasoning != "" {
				thoughts++
			}
			for _, stream := range []bool{true, false} {
				for name, e := range map[string]dialect.Encoder{"openai-chat": new(openaichat.Encoder), "anthropic-messages": new(anthropic.Encoder)} {
					e.Reset(dialect.Opening{Stream: stream, IncludeUsage: true, ID: "answer_1", Created: 1700000000, Model: "asked"})
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
					var got answer
					if name == "openai-chat" {
						var failure string
						if got, failure = readChat(t, stream, out); failure != "" {
							t.Fatal(failure)
						}
					} else {
						got = readMessages(t, stream, out)
					}
					if !want.Usage.Known {
						got.Usage = dialect.Usage{}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, stream %v: mismatch (-want +got):\n%s", name, stream, diff)
					}
				}
			}
		})
	}
	t.Logf("%d streams, %d bodies, %d with calls, %d with thinking, %d errors", streams, bodies, calls, thoughts, failures)
	if streams < 35 || bodies < 30 || calls < 20 || thoughts < 2 || failures < 2 {
		t.Errorf("only %d streams, %d bodies, %d with calls, %d with thinking and %d errors were found", streams, bodies, calls, thoughts, failures)
	}
}
