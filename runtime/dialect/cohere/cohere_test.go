package cohere_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func decode(stream bool, raw string, cuts ...int) (got []dialect.Event) {
	d := new(cohere.Decoder)
	d.Reset(stream)
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	at := 0
	for _, end := range append(cuts, len(raw)) {
		d.Feed([]byte(raw[at:end]), emit)
		at = end
	}
	d.Finish(emit)
	return got
}

// tale says a sequence of events in a line each.
func tale(evs []dialect.Event) (lines []string) {
	names := map[dialect.EventKind]string{dialect.Start: "start", dialect.TextDelta: "text", dialect.ThinkingDelta: "thinking", dialect.ToolStart: "call", dialect.ToolDelta: "fragment",
		dialect.ToolEnd: "end of call", dialect.UsageEvent: "usage", dialect.Stop: "stop", dialect.ErrorEvent: "error", dialect.End: "end", dialect.CitationEvent: "citation"}
	for i := range evs {
		ev := &evs[i]
		line := names[ev.Kind]
		for _, s := range []string{ev.ID, ev.Name, ev.Text, string(ev.StopReason)} {
			if s != "" {
				line += " " + s
			}
		}
		if ev.Err != nil {
			line += " " + ev.Err.Message
		}
		lines = append(lines, line)
	}
	return lines
}

// sse writes events, each a JSON object, as a stream.
func sse(events ...string) string {
	return "data: " + strings.Join(events, "\n\ndata: ") + "\n\n"
}

func TestAnswers(t *testing.T) {
	const start = `{"id":"1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`
	const text = `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}}`
	const end = `{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":1.0,"output_tokens":2},"tokens":{"input_tokens":10,"output_tokens":3},"cached_tokens":4}}}`
	for _, c := range []struct {
		name   string
		stream bool
		raw    string
		want   []string
	}{
		{"thinking, text and [DONE]", true, sse(start, `{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":"a"}}}}`, `{"type":"content-end","index":0}`, `{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}`, text, end, "[DONE]"),
			[]string{"start 1", "thinking a", "text hi", "usage", "stop stop", "end"}},
		{"arguments that are null, none and cut", true, sse(start,
			`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c0","type":"function","function":{"name":"f","arguments":""}}}}}`, `{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"nu"}}}}}`, `{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"ll"}}}}}`, `{"type":"tool-call-end","index":0}`,
			`{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"g","arguments":""}}}}}`, `{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":" "}}}}}`, `{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"x\":"}}}}}`, `{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}`, `{"type":"tool-call-end","index":1}`,
			strings.Replace(end, "COMPLETE", "TOOL_CALL", 1)),
			[]string{"start 1", "call c0 f", "end of call {}", "call c1 g", `fragment  {"x":`, "fragment 1}", "end of call", "usage", "stop tool_calls", "end"}},
		{"a citation of two sources", true, sse(start, text, `{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"hi","sources":[{"type":"document","id":"d","document":{"title":"t","snippet":"s","url":"u"}},{"type":"tool","id":"c:0","tool_output":{"x":1}}]}}}}`, `{"type":"citation-end","index":0}`, end),
			[]string{"start 1", "text hi", "citation", "citation", "usage", "stop stop", "end"}},
		{"ended without message-end", true, sse(start, text), []string{"start 1", "text hi", "error The provider's stream ended before the answer was complete.", "end"}},
		{"[DONE] without message-end", true, sse(start, text, "[DONE]"), []string{"start 1", "text hi", "error The provider's stream ended before the answer was complete.", "end"}},
		{"failed at its end", true, sse(start, text, `{"type":"message-end","delta":{"finish_reason":"ERROR","error":"generation failed"}}`), []string{"start 1", "text hi", "error generation failed", "end"}},
		{"an error in the middle", true, sse(start, text, `{"message":"too busy"}`), []string{"start 1", "text hi", "error too busy", "end"}},
		{"a piece for a call that did not begin", true, sse(start, `{"type":"tool-call-delta","index":3,"delta":{"message":{"tool_calls":{"function":{"arguments":"x"}}}}}`), []string{"start 1", "error The provider's stream goes on with a call of a tool that has not begun.", "end"}},
		{"a body with everything", false, `{"id":"1","message":{"role":"assistant","content":[{"type":"thinking","thinking":"a"},{"type":"text","text":"b"}],"tool_plan":"p","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"null"}}]},"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":1,"output_tokens":1}}}`,
			[]string{"start 1", "thinking a", "text b", "text p", "call c f", "end of call {}", "usage", "stop tool_calls", "end"}},
		{"a body without its end", false, `{"id":"1","message":{"content":[]}}`, []string{"start 1", "error The provider's answer ended without a finish reason.", "end"}},
		{"a body that is an error", false, `{"id":"1","message":"no"}`, []string{"error no", "end"}},
		{"no JSON", false, `<html>`, []string{"error The provider's answer is not a complete message.", "end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			evs := decode(c.stream, c.raw)
			if diff := cmp.Diff(c.want, tale(evs)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			for i := range c.raw {
				if got := decode(c.stream, c.raw, i); !reflect.DeepEqual(evs, got) {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, cmp.Diff(evs, got))
				}
			}
		})
	}
}

func TestTokensFillTheContextAndBilledUnitsCostMoney(t *testing.T) {
	for _, c := range []struct {
		name, usage string
		want        dialect.Usage
	}{
		{"both", `{"billed_units":{"input_tokens":5,"output_tokens":2},"tokens":{"input_tokens":50,"output_tokens":20},"cached_tokens":7}`, dialect.Usage{Input: 50, Output: 20, CacheRead: 7, BilledInput: 5, BilledOutput: 2, Known: true}},
		{"billed units alone", `{"billed_units":{"input_tokens":5,"output_tokens":2}}`, dialect.Usage{Input: 5, Output: 2, Known: true}},
		{"tokens alone", `{"tokens":{"input_tokens":5,"output_tokens":2}}`, dialect.Usage{Input: 5, Output: 2, Known: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, ev := range decode(false, `{"id":"1","message":{"content":[]},"finish_reason":"COMPLETE","usage":`+c.usage+`}`) {
				if ev.Kind == dialect.UsageEvent {
					if diff := cmp.Diff(c.want, ev.Usage); diff != "" {
						t.Errorf("mismatch (-want +got):\n%s", diff)
					}
					return
				}
			}
			t.Error("no usage")
		})
	}
}

func TestCitationsCountFromTheAnswersFirstCharacter(t *testing.T) {
	raw := `{"id":"1","message":{"content":[{"type":"text","text":"Grüße. "},{"type":"text","text":"Two."}],"citations":[{"start":0,"end":3,"text":"Two","sources":[{"type":"document","id":"doc:0","document":{"title":"a","text":"b","url":"c"}}]}]},"finish_reason":"COMPLETE"}`
	var got []dialect.Citation
	for _, ev := range decode(false, raw) {
		if ev.Kind == dialect.CitationEvent {
			got = append(got, *ev.Citation)
		}
	}
	if diff := cmp.Diff([]dialect.Citation{{URL: "c", Title: "a", Text: "b", Start: 7, End: 10, Document: -1}}, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct{ name, model, in, want string }{
		{"sampling at its bounds", "command-r-08-2024",
			`{"model":"x","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0.5,"top_p":1,"top_k":900,"stop":"a","stream":true,"reasoning_effort":"high"}`,
			`{"model":"command-r-08-2024","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0.5,"p":0.99,"k":500,"stop_sequences":["a"],"stream":true}`},
		{"calls with a plan, results, and a named tool", "command-a-03-2025",
			`{"model":"x","messages":[{"role":"user","content":"?"},{"role":"assistant","content":"I will.","tool_calls":[{"id":"c1","type":"function","function":{"name":"a","arguments":""}}]},{"role":"tool","tool_call_id":"c1","content":"one"}],"tools":[{"type":"function","function":{"name":"a","strict":true}},{"type":"function","function":{"name":"b"}}],"tool_choice":{"type":"function","function":{"name":"a"}}}`,
			`{"model":"command-a-03-2025","messages":[{"role":"user","content":"?"},{"role":"assistant","tool_plan":"I will.","tool_calls":[{"id":"c1","type":"function","function":{"name":"a","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"one"}],"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{}}}}],"strict_tools":true,"tool_choice":"REQUIRED","stream":false}`},
		{"an image, a schema and an effort", "command-a-reasoning-08-2025",
			`{"model":"x","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},{"type":"image_url","image_url":{"url":"https://p.example/a.png"}}]},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"reasoning_effort":"low","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}`,
			`{"model":"command-a-reasoning-08-2025","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},{"type":"image_url","image_url":{"url":"https://p.example/a.png"}}]},{"role":"assistant","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}],"response_format":{"type":"json_object","json_schema":{"type":"object"}},"thinking":{"type":"enabled","token_budget":2048},"stream":false}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			got, derr := cohere.EncodeRequest(nil, r, &dialect.Target{Model: c.model})
			if derr != nil {
				t.Fatal(derr)
			}
			if err := jsonscan.Check(got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	for _, c := range []struct{ name, in, param string }{
		{"a PDF", `{"model":"x","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,QQ"}}]}]}`, "messages[0].content[0]"},
		{"six stop sequences", `{"model":"x","messages":[{"role":"user","content":"a"}],"stop":["a","b","c","d","e","f"]}`, "stop"},
		{"one call at most", `{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"a"}}],"parallel_tool_calls":false}`, "parallel_tool_calls"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			if dst, derr := cohere.EncodeRequest([]byte("before"), r, &dialect.Target{Model: "m"}); derr == nil || derr.Status != 400 || derr.Param != c.param || string(dst) != "before" {
				t.Errorf("error %+v, want 400 at %q", derr, c.param)
			}
		})
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(true, []byte(sse(`{"id":"1","type":"message-start"}`, `{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c0","function":{"name":"f","arguments":"n"}}}}}`, `{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}`)), 7)
	f.Add(false, []byte(`{"id":"1","message":{"content":[{"type":"text","text":"b"}],"citations":[{"start":1,"end":2,"sources":[{}]}],"tool_calls":[{}]},"finish_reason":"MAX_TOKENS"}`), 3)
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, cut int) {
		whole := decode(stream, string(raw))
		ends := 0
		for _, ev := range whole {
			if ev.Kind == dialect.End {
				ends++
			}
		}
		if ends != 1 || whole[len(whole)-1].Kind != dialect.End {
			t.Fatalf("%d ends: %v", ends, tale(whole))
		}
		if cut = min(max(cut, 0), len(raw)); !reflect.DeepEqual(whole, decode(stream, string(raw), cut)) {
			t.Fatalf("cut at %d it reads otherwise", cut)
		}
	})
}
