package openairesponses

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

var (
	began   = dialect.Event{Kind: dialect.Start, ID: "up_1", Model: "up"}
	ended   = dialect.Event{Kind: dialect.End}
	counted = dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 10, CacheRead: 4, CacheWrite: 1, Output: 5, Reasoning: 2, Known: true}}
)

func stop(r dialect.StopReason) dialect.Event {
	return dialect.Event{Kind: dialect.Stop, StopReason: r}
}

// told encodes events into a stream and gives, by event, its type and what is left without the response object.
func told(evs ...dialect.Event) (lines []string) {
	var e Encoder
	e.Reset(dialect.Opening{Stream: true, ID: "resp_1", Created: 7, Model: "m"})
	var out []byte
	for i := range evs {
		out = e.Event(out, &evs[i])
	}
	for _, block := range strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
		_, data, _ := strings.Cut(block, "\ndata: ")
		if head, response, ok := strings.Cut(data, `,"response":`); ok {
			var r struct {
				Status string
				Output []any
				Usage  any
			}
			if err := json.Unmarshal([]byte(strings.TrimSuffix(response, "}")), &r); err != nil {
				panic(err)
			}
			data = head + fmt.Sprintf(" %s of %d, usage %v", r.Status, len(r.Output), r.Usage != nil)
		}
		lines = append(lines, data)
	}
	return lines
}

func TestEventsBecomeStreams(t *testing.T) {
	head := []string{`{"type":"response.created","sequence_number":0 in_progress of 0, usage false`, `{"type":"response.in_progress","sequence_number":1 in_progress of 0, usage false`}
	for _, c := range []struct {
		name string
		evs  []dialect.Event
		want []string
	}{
		{"text and then a refusal are two parts of one message", []dialect.Event{began, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.RefusalDelta, Text: "n"}, counted, stop("stop"), ended}, []string{
			`{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1_0","type":"message","status":"in_progress","role":"assistant","content":[]}}`,
			`{"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}`,
			`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1_0","output_index":0,"content_index":0,"delta":"a","logprobs":[]}`,
			`{"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1_0","output_index":0,"content_index":0,"text":"a","logprobs":[]}`,
			`{"type":"response.content_part.done","sequence_number":6,"item_id":"msg_1_0","output_index":0,"content_index":0,"part":{"type":"output_text","text":"a","annotations":[],"logprobs":[]}}`,
			`{"type":"response.content_part.added","sequence_number":7,"item_id":"msg_1_0","output_index":0,"content_index":1,"part":{"type":"refusal","refusal":""}}`,
			`{"type":"response.refusal.delta","sequence_number":8,"item_id":"msg_1_0","output_index":0,"content_index":1,"delta":"n"}`,
			`{"type":"response.refusal.done","sequence_number":9,"item_id":"msg_1_0","output_index":0,"content_index":1,"refusal":"n"}`,
			`{"type":"response.content_part.done","sequence_number":10,"item_id":"msg_1_0","output_index":0,"content_index":1,"part":{"type":"refusal","refusal":"n"}}`,
			`{"type":"response.output_item.done","sequence_number":11,"output_index":0,"item":{"id":"msg_1_0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]},{"type":"refusal","refusal":"n"}]}}`,
			`{"type":"response.completed","sequence_number":12 completed of 1, usage true`}},
		{"signed thinking is an item with its summary", []dialect.Event{began, {Kind: dialect.ThinkingDelta, Text: "h"}, {Kind: dialect.SignatureDelta, Text: "Eq", SignedBy: dialect.SignerAnthropic}, stop("stop"), ended}, []string{
			`{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_1_0","type":"reasoning","summary":[]}}`,
			`{"type":"response.reasoning_summary_part.added","sequence_number":3,"item_id":"rs_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}`,
			`{"type":"response.reasoning_summary_text.delta","sequence_number":4,"item_id":"rs_1_0","output_index":0,"summary_index":0,"delta":"h"}`,
			`{"type":"response.reasoning_summary_text.done","sequence_number":5,"item_id":"rs_1_0","output_index":0,"summary_index":0,"text":"h"}`,
			`{"type":"response.reasoning_summary_part.done","sequence_number":6,"item_id":"rs_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"h"}}`,
			`{"type":"response.output_item.done","sequence_number":7,"output_index":0,"item":{"id":"rs_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"h"}],"encrypted_content":"gwc1:anthropic:Eq"}}`,
			`{"type":"response.completed","sequence_number":8 completed of 1, usage false`}},
		{"calls side by side are items of their own", []dialect.Event{began, {Kind: dialect.ToolStart, ID: "c0", Name: "f"}, {Kind: dialect.ToolStart, Index: 1, ID: "c1", Name: "g"}, {Kind: dialect.ToolDelta, Index: 1, Text: "1"}, {Kind: dialect.ToolDelta, Text: "0"},
			{Kind: dialect.ToolEnd, Index: 1}, {Kind: dialect.ToolEnd}, stop("tool_calls"), ended}, []string{
			`{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"fc_1_0","type":"function_call","status":"in_progress","call_id":"c0","name":"f","arguments":""}}`,
			`{"type":"response.output_item.added","sequence_number":3,"output_index":1,"item":{"id":"fc_1_1","type":"function_call","status":"in_progress","call_id":"c1","name":"g","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","sequence_number":4,"item_id":"fc_1_1","output_index":1,"delta":"1"}`,
			`{"type":"response.function_call_arguments.delta","sequence_number":5,"item_id":"fc_1_0","output_index":0,"delta":"0"}`,
			`{"type":"response.function_call_arguments.done","sequence_number":6,"item_id":"fc_1_1","output_index":1,"name":"g","arguments":"1"}`,
			`{"type":"response.output_item.done","sequence_number":7,"output_index":1,"item":{"id":"fc_1_1","type":"function_call","status":"completed","call_id":"c1","name":"g","arguments":"1"}}`,
			`{"type":"response.function_call_arguments.done","sequence_number":8,"item_id":"fc_1_0","output_index":0,"name":"f","arguments":"0"}`,
			`{"type":"response.output_item.done","sequence_number":9,"output_index":0,"item":{"id":"fc_1_0","type":"function_call","status":"completed","call_id":"c0","name":"f","arguments":"0"}}`,
			`{"type":"response.completed","sequence_number":10 completed of 2, usage false`}},
		{"a source counts from the part's beginning", []dialect.Event{began, {Kind: dialect.TextDelta, Text: "日本"}, {Kind: dialect.RefusalDelta, Text: "n"}, {Kind: dialect.TextDelta, Text: "abc"},
			{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://x", Title: "X", Start: 3, End: 5}}, stop("stop"), ended}, nil},
		{"an error ends it, in both of the forms that are looked for", []dialect.Event{began, {Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 503, Type: "overloaded_error", Message: "busy"}}, ended}, []string{
			`{"type":"error","sequence_number":2,"code":null,"message":"busy","param":null,"error":{"message":"busy","type":"server_error","param":null,"code":"overloaded_error"}}`}},
		{"no stop reason is an error", []dialect.Event{began, ended}, []string{
			`{"type":"error","sequence_number":2,"code":null,"message":"The provider's answer ended without a stop reason.","param":null,"error":{"message":"The provider's answer ended without a stop reason.","type":"api_error","param":null,"code":null}}`}},
		{"the limit", []dialect.Event{began, stop("length"), ended}, []string{`{"type":"response.incomplete","sequence_number":2 incomplete of 0, usage false`}},
		{"a failure of the model", []dialect.Event{began, stop("error"), ended}, []string{`{"type":"response.failed","sequence_number":2 failed of 0, usage false`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := told(c.evs...)
			if c.want == nil {
				const want = `"annotation_index":0,"annotation":{"type":"url_citation","start_index":1,"end_index":3,"url":"https://x","title":"X"}}`
				if all := strings.Join(got, "\n"); !strings.Contains(all, want) || !strings.Contains(all, `"content_index":2`) {
					t.Errorf("no %s in\n%s", want, all)
				}
				return
			}
			if diff := cmp.Diff(append(head, c.want...), got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAResponseRepeatsItsRequest(t *testing.T) {
	r, err := DecodeRequest([]byte(`{"model":"m","input":"x","instructions":"be brief","temperature":0.5,"max_output_tokens":20,"metadata":{"a":"b"},"user":"u","tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],
		"tool_choice":{"type":"function","name":"f"},"reasoning":{"effort":"low"},"text":{"format":{"type":"json_schema","name":"n","schema":{}}}}`))
	if err != nil {
		t.Fatal(err.Message)
	}
	var e Encoder
	e.Reset(dialect.Opening{ID: "resp_1", Created: 7, Model: "m", Echo: r.Echo})
	evs := []dialect.Event{began, counted, stop("length"), ended}
	for i := range evs {
		e.Event(nil, &evs[i])
	}
	const want = `{"id":"resp_1","object":"response","created_at":7,"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"model":"m","output":[],` +
		`"background":false,"instructions":"be brief","max_output_tokens":20,"metadata":{"a":"b"},"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":"low","summary":null},"store":false,` +
		`"temperature":0.5,"text":{"format":{"type":"json_schema","name":"n","schema":{}}},"tool_choice":{"type":"function","name":"f"},"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":null}],` +
		`"top_p":null,"truncation":"disabled","user":"u","usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}}`
	if diff := cmp.Diff(want, string(e.Body(nil))); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func read(stream bool, raw string, cuts ...int) (got []dialect.Event) {
	var d Decoder
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

func TestStreamsBecomeEvents(t *testing.T) {
	start := dialect.Event{Kind: dialect.Start, ID: "resp_1", Model: "gpt"}
	broken := func(status int, kind, code, message string) []dialect.Event {
		return []dialect.Event{start, {Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: status, Type: kind, Code: code, Message: message}}, ended}
	}
	const created = `{"type":"response.created","response":{"id":"resp_1","model":"gpt","status":"in_progress","output":[]}}`
	completed := func(status, more string) string {
		return `{"type":"response.` + status + `","response":{"id":"resp_1","model":"gpt","status":"` + status + `"` + more + `}}`
	}
	for _, c := range []struct {
		name  string
		lines []string
		want  []dialect.Event
	}{
		{"an end without its final event", []string{created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}`, `{"type":"response.output_text.delta","output_index":0,"delta":"a"}`},
			append([]dialect.Event{start, {Kind: dialect.TextDelta, Text: "a"}}, broken(502, "api_error", "upstream_protocol", "The provider's stream ended before the answer was complete.")[1:]...)},
		{"what is told as a whole only", []string{created, `{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"a"}]}}`,
			`{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}`, completed("completed", "")},
			[]dialect.Event{start, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.ToolStart, ID: "c", Name: "f"}, {Kind: dialect.ToolDelta, Text: "{}"}, {Kind: dialect.ToolEnd}, stop("tool_calls"), ended}},
		{"a call without arguments", []string{created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}`,
			`{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}`, completed("completed", "")},
			[]dialect.Event{start, {Kind: dialect.ToolStart, ID: "c", Name: "f"}, {Kind: dialect.ToolEnd, Text: "{}"}, stop("tool_calls"), ended}},
		{"a call that the limit cut", []string{created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f"}}`, `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a"}`,
			completed("incomplete", `,"incomplete_details":{"reason":"max_output_tokens"}`)},
			[]dialect.Event{start, {Kind: dialect.ToolStart, ID: "c", Name: "f"}, {Kind: dialect.ToolDelta, Text: `{"a`}, {Kind: dialect.ToolEnd}, stop("length"), ended}},
		{"summaries are set apart", []string{created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`, `{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0}`,
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"a"}`, `{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1}`,
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"b"}`, `{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","encrypted_content":"gA"}}`, completed("completed", "")},
			[]dialect.Event{start, {Kind: dialect.ThinkingDelta, ID: "rs_1", Text: "a"}, {Kind: dialect.ThinkingDelta, ID: "rs_1", Text: "\n\n"}, {Kind: dialect.ThinkingDelta, ID: "rs_1", Text: "b"},
				{Kind: dialect.SignatureDelta, ID: "rs_1", Text: "rs_1:gA", SignedBy: dialect.SignerOpenAI}, stop("stop"), ended}},
		{"a source and log probabilities", []string{created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}`, `{"type":"response.content_part.added","output_index":0}`,
			`{"type":"response.output_text.delta","output_index":0,"delta":"日","logprobs":[{"token":"日","logprob":-0.5,"bytes":[230],"top_logprobs":[{"token":"x","logprob":-2}]}]}`,
			`{"type":"response.output_text.annotation.added","output_index":0,"annotation":{"type":"url_citation","url":"https://x","title":"X","start_index":0,"end_index":1}}`, completed("completed", "")},
			[]dialect.Event{start, {Kind: dialect.TextDelta, Text: "日"}, {Kind: dialect.LogprobsEvent, Logprobs: []dialect.Logprob{{Token: "日", Logprob: -0.5, Bytes: []byte{230}, Top: []dialect.Logprob{{Token: "x", Logprob: -2}}}}},
				{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://x", Title: "X", End: 1, Document: -1}}, stop("stop"), ended}},
		{"a filter", []string{created, completed("incomplete", `,"incomplete_details":{"reason":"content_filter"}`)}, []dialect.Event{start, stop("content_filter"), ended}},
		{"a failure", []string{created, completed("failed", `,"error":{"code":"rate_limit_exceeded","message":"slow"}`)}, broken(429, "api_error", "rate_limit_exceeded", "slow")},
		{"an error as the document has it", []string{created, `{"type":"error","code":"server_error","message":"oops","param":null,"sequence_number":3}`}, broken(502, "api_error", "server_error", "oops")},
		{"an error as the API sends it", []string{created, `{"type":"error","sequence_number":2,"error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"long","param":"input"}}`},
			[]dialect.Event{start, {Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 400, Type: "invalid_request_error", Code: "context_length_exceeded", Message: "long", Param: "input"}}, ended}},
		{"what is not JSON", []string{created, `{"type":`}, broken(502, "api_error", "upstream_protocol", "The provider's stream holds an event that cannot be read.")},
		{"nothing behind the end counts", []string{created, completed("completed", ""), `{"type":"error","message":"late"}`}, []dialect.Event{start, stop("stop"), ended}},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := "data: " + strings.Join(c.lines, "\n\ndata: ") + "\n\n"
			if diff := cmp.Diff(c.want, read(true, raw)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			for cut := range len(raw) {
				if got := read(true, raw, cut); !reflect.DeepEqual(got, c.want) {
					t.Fatalf("cut at %d: %+v", cut, got)
				}
			}
		})
	}
	for _, raw := range []string{"", "null", "[]", "{}", "<html>", `{"object":"response","id":"x"`, `{"object":"response","status":"in_progress","output":[]}`, `{"status":"queued","id":"x","output":[]}`} {
		got := read(false, raw)
		if n := len(got); n < 2 || got[n-2].Kind != dialect.ErrorEvent || got[n-2].Err.Status != 502 || got[n-1].Kind != dialect.End {
			t.Errorf("%q: %+v", raw, got)
		}
	}
}

// FuzzAnswer: whatever a provider sends, there is one end, the cuts do not matter, and what the encoder makes of it is one
// stream with one terminal event.
func FuzzAnswer(f *testing.F) {
	f.Add(true, []byte("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"in_progress\"}}\n\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":\"rs_1\"}}\n\n"+
		"data: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"delta\":\"a\"}\n\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":\"rs_1\",\"encrypted_content\":\"x\"}}\n\n"+
		"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n"), 40)
	f.Add(false, []byte(`{"id":"r","object":"response","model":"m","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"u","start_index":0,"end_index":1}]}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"image_generation_call","result":"AAAA"}],"usage":{"input_tokens":1,"output_tokens":2}}`), 9)
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, cut int) {
		evs := read(stream, string(raw))
		if n := len(evs); n == 0 || evs[n-1].Kind != dialect.End {
			t.Fatalf("no end: %+v", evs)
		}
		if cut >= 0 && cut < len(raw) && !reflect.DeepEqual(evs, read(stream, string(raw), cut)) {
			t.Fatalf("cut at %d: %+v", cut, evs)
		}
		for _, s := range []bool{true, false} {
			var e Encoder
			e.Reset(dialect.Opening{Stream: s, ID: "resp_1", Created: 1, Model: "m"})
			var out []byte
			for i := range evs {
				out = e.Event(out, &evs[i])
			}
			if !e.Done() {
				t.Fatal("not done")
			}
			if !s {
				if out = e.Body(nil); !json.Valid(out) {
					t.Fatalf("not JSON: %s", out)
				}
				continue
			}
			terminals := 0
			for n, block := range strings.Split(strings.TrimSuffix(string(out), "\n\n"), "\n\n") {
				_, data, _ := strings.Cut(block, "\ndata: ")
				var ev struct {
					Type   string
					Number int `json:"sequence_number"`
				}
				if err := json.Unmarshal([]byte(data), &ev); err != nil || ev.Number != n || terminals > 0 {
					t.Fatalf("event %d: %v: %q", n, err, block)
				}
				switch ev.Type {
				case "response.completed", "response.incomplete", "response.failed", "error":
					terminals++
				}
			}
			if terminals != 1 {
				t.Fatalf("%d terminal events: %s", terminals, out)
			}
		}
		var tap Tap
		tap.Reset(stream)
		tap.Feed(raw)
		tap.Finish()
	})
}

// TestStreamedEventsCostLittle holds the budget: none for a tap, at most two allocations for a translated delta.
func TestStreamedEventsCostLittle(t *testing.T) {
	delta := []byte("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"hello \",\"logprobs\":[],\"obfuscation\":\"xxxxxxx\"}\n\n")
	var tap Tap
	tap.Reset(true)
	if n := testing.AllocsPerRun(200, func() { tap.Feed(delta) }); n > 0 {
		t.Errorf("the tap allocates %v times", n)
	}
	var d Decoder
	var e Encoder
	d.Reset(true)
	e.Reset(dialect.Opening{Stream: true, ID: "resp_1", Model: "m"})
	e.text = make([]byte, 0, 1<<20)
	out := make([]byte, 0, 1<<16)
	emit := func(ev *dialect.Event) { out = e.Event(out[:0], ev) }
	d.Feed([]byte("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"status\":\"in_progress\"}}\n\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"message\"}}\n\n"), emit)
	d.Feed(delta, emit)
	if n := testing.AllocsPerRun(200, func() { d.Feed(delta, emit) }); n > 2 {
		t.Errorf("a translated delta allocates %v times", n)
	}
}
