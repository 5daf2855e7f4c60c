package openaichat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// lines writes the events of an answer, one a line.
func lines(stream bool, raw string) string {
	var d Decoder
	d.Reset(stream)
	var b strings.Builder
	emit := func(ev *dialect.Event) {
		if ev.Choice > 0 {
			fmt.Fprintf(&b, "%d: ", ev.Choice)
		}
		switch ev.Kind {
		case dialect.Start:
			fmt.Fprintf(&b, "start %s %s\n", ev.ID, ev.Model)
		case dialect.TextDelta:
			fmt.Fprintf(&b, "text %s\n", ev.Text)
		case dialect.RefusalDelta:
			fmt.Fprintf(&b, "refusal %s\n", ev.Text)
		case dialect.ThinkingDelta:
			fmt.Fprintf(&b, "thinking %d %s\n", ev.Index, ev.Text)
		case dialect.SignatureDelta:
			fmt.Fprintf(&b, "signature %d %s\n", ev.Index, ev.Text)
		case dialect.RedactedThinkingEvent:
			fmt.Fprintf(&b, "redacted %d %s\n", ev.Index, ev.Text)
		case dialect.ToolStart:
			fmt.Fprintf(&b, "call %d %s %s\n", ev.Index, ev.ID, ev.Name)
		case dialect.ToolDelta:
			fmt.Fprintf(&b, "args %d %s\n", ev.Index, ev.Text)
		case dialect.ToolEnd:
			fmt.Fprintf(&b, "called %d %s\n", ev.Index, ev.Text)
		case dialect.UsageEvent:
			fmt.Fprintf(&b, "usage %d %d\n", ev.Usage.Input, ev.Usage.Output)
		case dialect.Stop:
			fmt.Fprintf(&b, "stop %s\n", ev.StopReason)
		case dialect.ErrorEvent:
			fmt.Fprintf(&b, "error %d %s\n", ev.Err.Status, ev.Err.Message)
		case dialect.End:
			b.WriteString("end\n")
		}
	}
	d.Feed([]byte(raw), emit)
	d.Finish(emit)
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

// stream writes chunks, each with one choice of which the text is given, behind a head.
func stream(choices ...string) string {
	var b strings.Builder
	for _, c := range choices {
		fmt.Fprintf(&b, "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,%s}]}\n\n", c)
	}
	return b.String()
}

func TestAnswersOfServersThatDiffer(t *testing.T) {
	const stopped, finished = `"delta":{},"finish_reason":"stop"`, "data: [DONE]\n\n"
	for _, c := range []struct {
		name, raw string
		want      string
	}{
		{"whole calls with one index", stream(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}`,
			`"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}`, stopped) + finished,
			"start i m\ncall 0 a f\nargs 0 {\"x\":1}\ncalled 0\ncall 1 b f\nargs 1 {}\ncalled 1\nstop tool_calls\nend\n"},
		{"calls without index and id", stream(`"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{"}},{"function":{"arguments":"}"}},{"function":{"name":"g","arguments":{"a":[]}}}]}`, stopped) + finished,
			"start i m\ncall 0 call_0 f\nargs 0 {\nargs 0 }\ncalled 0\ncall 1 call_1 g\nargs 1 {\"a\":[]}\ncalled 1\nstop tool_calls\nend\n"},
		{"calls side by side", stream(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}}]}`,
			`"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`, `"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}`, `"delta":{},"finish_reason":"tool_calls"`) + finished,
			"start i m\ncall 0 a f\ncall 1 b g\nargs 1 {}\nargs 0 {}\ncalled 0\ncalled 1\nstop tool_calls\nend\n"},
		{"a call without arguments", stream(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`, `"delta":{},"finish_reason":"tool_calls"`) + finished,
			"start i m\ncall 0 a f\ncalled 0 {}\nstop tool_calls\nend\n"},
		{"the form before tools", stream(`"delta":{"function_call":{"name":"f","arguments":"{\"x\""}}`, `"delta":{"function_call":{"arguments":":1}"}}`, `"delta":{},"finish_reason":"function_call"`) + finished,
			"start i m\ncall 0 call_0 f\nargs 0 {\"x\"\nargs 0 :1}\ncalled 0\nstop tool_calls\nend\n"},
		{"thinking, then text", stream(`"delta":{"reasoning":"h"}`, `"delta":{"reasoning_content":"m"}`, `"delta":{"content":"a"}`, `"delta":{"reasoning":"n"}`, stopped) + finished,
			"start i m\nthinking 0 h\nthinking 0 m\ntext a\nthinking 1 n\nstop stop\nend\n"},
		{"thinking in parts", stream(`"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"h"}]},{"type":"text","text":"a"}]}`, stopped) + finished,
			"start i m\nthinking 0 h\ntext a\nstop stop\nend\n"},
		{"signed thinking of another gateway", stream(`"delta":{"reasoning_content":"h"}`, `"delta":{"thinking_blocks":[{"type":"thinking","thinking":"h","signature":"s"}]}`, `"delta":{"thinking_blocks":[{"type":"redacted_thinking","data":"r"}]}`, stopped) + finished,
			"start i m\nthinking 0 h\nsignature 0 s\nredacted 1 r\nstop stop\nend\n"},
		{"several choices", "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"},\"finish_reason\":\"stop\"},{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"length\"}]}\n\n" + finished,
			"start i m\n1: text no\ntext yes\nstop length\n1: stop stop\nend\n"},
		{"a choice that no API has", "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":1000000,\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"length\"}]}\n\n" + finished,
			"start i m\ntext yes\nstop length\nend\n"},
		{"usage behind the stop reason", stream(stopped) + "data: {\"id\":\"i\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n" + finished,
			"start i m\nusage 3 4\nstop stop\nend\n"},
		{"[DONE] is missing", stream(`"delta":{"content":"a"}`, stopped), "start i m\ntext a\nstop stop\nend\n"},
		{"the stream breaks off", stream(`"delta":{"content":"a"}`), "start i m\ntext a\nerror 502 The provider's stream ended before the answer was complete.\nend\n"},
		{"no stop reason", stream(`"delta":{"content":"a"}`) + finished, "start i m\ntext a\nerror 502 The provider's stream ended without a finish reason.\nend\n"},
		{"an error in the stream", stream(`"delta":{"content":"a"}`) + "data: {\"error\":{\"message\":\"busy\",\"code\":503}}\n\n" + finished, "start i m\ntext a\nerror 503 busy\nend\n"},
		{"an event that is no JSON", stream(`"delta":{"content":"a"}`) + "data: {\"id\":\n\n", "start i m\ntext a\nerror 502 The provider's stream holds an event that cannot be read.\nend\n"},
		{"nothing", "", "error 502 The provider's stream ended before the answer was complete.\nend\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(true, c.raw)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	for _, c := range []struct{ name, raw, want string }{
		{"a whole answer", `{"id":"i","model":"m","choices":[{"index":0,"message":{"content":null,"refusal":"no","thinking_blocks":[{"type":"thinking","thinking":"h","signature":"s"}],"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
			"start i m\nthinking 0 h\nsignature 0 s\nrefusal no\ncall 0 a f\nargs 0 {}\nusage 1 2\ncalled 0\nstop tool_calls\nend\n"},
		{"no choices", `{"id":"i","model":"m","choices":[]}`, "start i m\nerror 502 The provider's answer is not a complete chat completion.\nend\n"},
		{"no object", `[]`, "error 502 The provider's answer is not a complete chat completion.\nend\n"},
		{"cut short", `{"id":"i","cho`, "error 502 The provider's answer is not a complete chat completion.\nend\n"},
		{"an error with status 200", `{"error":"no"}`, "error 502 no\nend\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lines(false, c.raw)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsSentOfANeutralRequest(t *testing.T) {
	text := func(s string) dialect.Part { return dialect.Part{Kind: dialect.Text, Text: s} }
	r := &dialect.Request{
		System: []dialect.Part{text("be brief"), text("and kind")},
		Messages: []dialect.Message{
			{Parts: []dialect.Part{text("look"), {Kind: dialect.Image, MediaType: "image/png", Data: "AA=="}, {Kind: dialect.Document, MediaType: "application/pdf", Data: "BB=="}}},
			{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Thinking, Text: "hm", Signature: "s"}, text("calling"), {Kind: dialect.ToolCall, ID: "a", Name: "f", Arguments: "{}"}}},
			{Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "a", Content: []dialect.Part{text("ok"), {Kind: dialect.Image, URL: "https://example.com/i.png"}}}, text("go on")}},
		},
		Tools:      []dialect.ToolDef{{Name: "f", Parameters: []byte(`{"type":"object"}`), Strict: new(true)}},
		ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "f"}, Parallel: new(false),
		MaxTokens: new(int64(9)), Temperature: new(0.5), Reasoning: "max", Stop: []string{"\n"}, User: "u", Stream: true,
		Format: dialect.Format{Kind: "json_schema", Name: "n", Schema: []byte(`{}`)},
	}
	got, derr := EncodeRequest(nil, r, &dialect.Target{Model: "gpt-4o", MaxTokens: 4096})
	if derr != nil {
		t.Fatal(derr)
	}
	want := `{"model":"gpt-4o","messages":[{"role":"system","content":[{"type":"text","text":"be brief"},{"type":"text","text":"and kind"}]},` +
		`{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,BB=="}}]},` +
		`{"role":"assistant","content":"calling","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"a","content":"ok"},` +
		`{"role":"user","content":[{"type":"text","text":"From the result of the tool call a:"},{"type":"image_url","image_url":{"url":"https://example.com/i.png"}}]},` +
		`{"role":"user","content":[{"type":"text","text":"go on"}]}],` +
		`"max_completion_tokens":9,"temperature":0.5,"stop":["\n"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}],` +
		`"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},` +
		`"user":"u","stream":true,"stream_options":{"include_usage":true}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	got, _ = EncodeRequest(nil, r, &dialect.Target{Model: "openai/o3-mini"})
	if s := string(got); !strings.Contains(s, `"reasoning_effort":"xhigh"`) || strings.Contains(s, "temperature") {
		t.Errorf("for a model that reasons: %s", s)
	}
	for _, c := range []*dialect.Request{
		{Unsupported: []string{"tools.0.server_tools"}},
		{Stop: []string{"1", "2", "3", "4", "5"}},
	} {
		if _, derr := EncodeRequest(nil, c, &dialect.Target{Model: "m"}); derr == nil || derr.Status != 400 {
			t.Errorf("%+v is sent: %v", c, derr)
		}
	}
}

// FuzzDecoder holds the grammar of events for any bytes: one End, nothing behind it, calls opened before they go on.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(stream(`"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`, `"delta":{"content":"x"},"finish_reason":"stop"`)+"data: [DONE]\n\n"), true)
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"text":"t"}]}]},"finish_reason":"stop"}],"error":""}`), false)
	f.Fuzz(func(t *testing.T, raw []byte, streamed bool) {
		var d Decoder
		d.Reset(streamed)
		open := map[int]bool{}
		ended, stopped := false, false
		emit := func(ev *dialect.Event) {
			if ended {
				t.Fatalf("event %d behind the end", ev.Kind)
			}
			switch ev.Kind {
			case dialect.ToolStart:
				open[ev.Index] = true
			case dialect.ToolDelta, dialect.ToolEnd:
				if !open[ev.Index] {
					t.Fatalf("call %d is not open", ev.Index)
				}
				open[ev.Index] = ev.Kind == dialect.ToolDelta
			case dialect.Stop, dialect.ErrorEvent:
				stopped = true
			case dialect.End:
				ended = true
			}
		}
		d.Feed(raw, emit)
		d.Finish(emit)
		if !ended || !stopped {
			t.Fatalf("no end: ended %v, stopped %v", ended, stopped)
		}
	})
}

// FuzzEncodeRequest: what this dialect's decoder takes, its encoder gives back as one valid body, or refuses.
func FuzzEncodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"r"}],"stop":["a"],"response_format":{"type":"json_object"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, derr := DecodeRequest(body)
		if derr != nil {
			return
		}
		out, derr := EncodeRequest(nil, r, &dialect.Target{Model: "m"})
		if derr != nil {
			return
		}
		if err := jsonscan.CheckDepth(out, jsonscan.MaxDepth+8); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if r.Model != "" {
			if _, derr := DecodeRequest(out); derr != nil && jsonscan.Check(out) == nil {
				t.Fatalf("refused the second time: %+v in %s", derr, out)
			}
		}
	})
}
