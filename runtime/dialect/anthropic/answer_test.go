package anthropic

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// told writes an answer's events in this dialect: of a stream the data lines alone, shortened.
func told(stream bool, evs ...dialect.Event) string {
	var e Encoder
	e.Reset(dialect.Opening{Stream: stream, ID: "msg_1", Model: "smart"})
	var out []byte
	for i := range evs {
		out = e.Event(out, &evs[i])
	}
	if !stream {
		return string(e.Body(nil))
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			b.WriteString(data)
		}
	}
	return b.String()
}

var (
	began  = dialect.Event{Kind: dialect.Start, ID: "x", Model: "y"}
	ended  = dialect.Event{Kind: dialect.End}
	calls  = dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopToolCalls}
	counts = dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 100, Output: 20, CacheRead: 60, CacheWrite: 30, CacheWrite1h: 10, Reasoning: 5, Known: true}}
)

const (
	message = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"smart","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}` + "\n"
	over    = `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}` + "\n" + `{"type":"message_stop"}` + "\n"
)

func use(index int, id string) dialect.Event {
	return dialect.Event{Kind: dialect.ToolStart, Index: index, ID: id, Name: "f"}
}

func args(index int, s string) dialect.Event {
	return dialect.Event{Kind: dialect.ToolDelta, Index: index, Text: s}
}

func done(index int) dialect.Event { return dialect.Event{Kind: dialect.ToolEnd, Index: index} }

func TestAnAnswerInEvents(t *testing.T) {
	block := func(i, id string) string {
		return `{"type":"content_block_start","index":` + i + `,"content_block":{"type":"tool_use","id":"` + id + `","name":"f","input":{}}}` + "\n"
	}
	piece := func(i, s string) string {
		return `{"type":"content_block_delta","index":` + i + `,"delta":{"type":"input_json_delta","partial_json":"` + s + `"}}` + "\n"
	}
	stop := func(i string) string { return `{"type":"content_block_stop","index":` + i + `}` + "\n" }
	for _, c := range []struct {
		name string
		evs  []dialect.Event
		want string
	}{
		{"calls one after the other", []dialect.Event{began, use(0, "a"), args(0, "1"), done(0), use(1, "b"), args(1, "2"), done(1), calls, ended},
			message + block("0", "a") + piece("0", "1") + stop("0") + block("1", "b") + piece("1", "2") + stop("1") + over},
		{"calls side by side: the second waits", []dialect.Event{began, use(0, "a"), use(1, "b"), args(1, "2"), args(0, "1"), done(1), args(0, "3"), done(0), calls, ended},
			message + block("0", "a") + piece("0", "1") + piece("0", "3") + stop("0") + block("1", "b") + piece("1", "2") + stop("1") + over},
		{"calls that the stop ends", []dialect.Event{began, use(0, "a"), use(1, "b"), calls, ended},
			message + block("0", "a") + stop("0") + block("1", "b") + stop("1") + over},
		{"a call that is gone back to is an error", []dialect.Event{began, use(0, "a"), {Kind: dialect.TextDelta, Text: "t"}, args(0, "1"), done(0), calls, ended},
			message + block("0", "a") + stop("0") + `{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}` + "\n" +
				`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"t"}}` + "\n" +
				`{"type":"error","error":{"type":"api_error","message":"The provider's stream went back to a call that was at its end."}}` + "\n"},
		{"an error ends it", []dialect.Event{began, {Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 503, Message: "busy"}}, ended},
			message + `{"type":"error","error":{"type":"overloaded_error","message":"busy"}}` + "\n"},
		{"no stop reason is an error", []dialect.Event{began, ended},
			message + `{"type":"error","error":{"type":"api_error","message":"The provider's answer ended without a stop reason."}}` + "\n"},
		{"usage is told at the end, cached tokens apart", []dialect.Event{began, {Kind: dialect.Stop, StopReason: dialect.StopSequence, StopSequence: "\n\n"}, counts, ended},
			message + `{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"\n\n"},"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,` +
				`"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}` + "\n" + `{"type":"message_stop"}` + "\n"},
		{"thinking that another provider signed bears its name", []dialect.Event{began, {Kind: dialect.ThinkingDelta, Text: "hm"}, {Kind: dialect.SignatureDelta, Text: "s", SignedBy: dialect.SignerOpenAI}, calls, ended},
			message + `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}` + "\n" +
				`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}` + "\n" +
				`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"gwc1:openai:s"}}` + "\n" + stop("0") + over},
		{"signed and redacted thinking", []dialect.Event{began, {Kind: dialect.ThinkingDelta, Text: "hm"}, {Kind: dialect.SignatureDelta, Text: "s"}, {Kind: dialect.RedactedThinkingEvent, Index: 1, Text: "r"}, calls, ended},
			message + `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}` + "\n" +
				`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}` + "\n" +
				`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}` + "\n" + stop("0") +
				`{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"r"}}` + "\n" + stop("1") + over},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(true, c.evs...)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAnswerInOneBody(t *testing.T) {
	got := told(false, began, dialect.Event{Kind: dialect.ThinkingDelta, Text: "hm"}, dialect.Event{Kind: dialect.TextDelta, Text: "a"}, dialect.Event{Kind: dialect.TextDelta, Text: "b"},
		use(0, "x.1"), use(1, "b"), args(1, `{"n":2}`), args(0, ""), done(0), done(1), counts, calls, ended)
	want := `{"id":"msg_1","type":"message","role":"assistant","model":"smart","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"ab"},` +
		`{"type":"tool_use","id":` + string(appendID(nil, "x.1")) + `,"name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{"n":2}}],"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if got := told(false, began, use(0, "a"), args(0, `{"n":`), done(0), calls, ended); !strings.Contains(got, `"type":"error"`) {
		t.Errorf("arguments that are cut short came out as %s", got)
	}
	if got := told(false, began, dialect.Event{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 429, Message: "slow down"}}, ended); got != `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}` {
		t.Errorf("an error came out as %s", got)
	}
}

func TestARequestThatIsWrongNamesThePlace(t *testing.T) {
	const ok = `"model":"m","max_tokens":10,`
	for _, c := range []struct{ body, message string }{
		{`[]`, "The request body must be a JSON object."},
		{`{"model":"m","model":"n"}`, `The request body is not valid JSON: invalid JSON at byte 13: `},
		{`{"max_tokens":1,"messages":[]}`, "model: Field required"},
		{`{"model":"m","messages":[{"role":"user","content":"x"}]}`, "max_tokens: Field required"},
		{`{` + ok + `"messages":[]}`, "messages: at least one message is required"},
		{`{"model":"m","max_tokens":0,"messages":[]}`, "max_tokens: Input should be at least 1, not 0"},
		{`{` + ok + `"messages":[{"role":"system","content":"x"}]}`, "messages.0.role: Input should be 'user' or 'assistant', not 'system'"},
		{`{` + ok + `"messages":[{"role":"user"}]}`, "messages.0.content: Field required"},
		{`{` + ok + `"messages":[{"role":"user","content":[{"type":"text"}]}]}`, "messages.0.content.0.text: Field required"},
		{`{` + ok + `"messages":[{"role":"user","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}]}`, "messages.0.content.0.type: Input tag 'tool_use' is not expected here"},
		{`{` + ok + `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"AA"}}]}]}`, "messages.0.content.0.source.media_type: Field required"},
		{`{` + ok + `"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f"}]}`, "tools.0.input_schema: Field required"},
		{`{` + ok + `"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"tool","name":"g"}}`, "tool_choice.name: Tool 'g' not found in provided tools"},
		{`{` + ok + `"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":2000}}`, "thinking.budget_tokens: `max_tokens` must be greater"},
		{`{` + ok + `"messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"json_schema"}}}`, "output_config.format.schema: Field required"},
		{`{` + ok + `"messages":[{"role":"user","content":"x"}],"temperature":1.5}`, "temperature: Input should be from 0 to 1, not 1.5"},
	} {
		_, err := DecodeRequest([]byte(c.body))
		if err == nil {
			t.Errorf("%s is taken", c.body)
			continue
		}
		got := err.Message
		if err.Param != "" {
			got = err.Param + ": " + got
		}
		if !strings.HasPrefix(got, c.message) || err.Status != 400 {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.message)
		}
	}
}

// FuzzDecodeRequest: whatever is taken can be encoded for this dialect's API or is refused with a place.
func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","max_tokens":10,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"a","name":"f","input":{"n":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":{"type":"url","url":"u"}}]}]}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"},"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}}`))
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"citations":{"enabled":true}}]}],"mcp_servers":[{}],"cache_control":{"type":"ephemeral","ttl":"1h"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, derr := DecodeRequest(body)
		if derr != nil {
			if derr.Status != 400 || derr.Message == "" {
				t.Fatalf("%+v", derr)
			}
			return
		}
		out, derr := EncodeRequest(nil, r, &dialect.Target{Model: "claude-sonnet-4-5"})
		if derr != nil {
			return
		}
		if err := jsonscan.Check(out); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	})
}

// FuzzTap: no bytes that pass harm a Tap, and it learns the same however they are cut.
func FuzzTap(f *testing.F) {
	f.Add([]byte("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":3}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), 7, true)
	f.Add([]byte(`{"type":"message","model":"m","stop_reason":"max_tokens","usage":{"input_tokens":1,"output_tokens":2}}`), 3, false)
	f.Fuzz(func(t *testing.T, b []byte, cut int, stream bool) {
		var whole, pieces Tap
		whole.Reset(stream)
		whole.Feed(b)
		whole.Finish()
		pieces.Reset(stream)
		at := 0
		if len(b) > 0 {
			at = (cut%len(b) + len(b)) % len(b)
		}
		out := pieces.Filter(nil, b[:at])
		out = pieces.FilterEnd(pieces.Filter(out, b[at:]))
		if string(out) != string(b) {
			t.Fatalf("%q came out as %q", b, out)
		}
		if diff := cmp.Diff(whole.Aside, pieces.Aside); diff != "" {
			t.Fatalf("cut at %d: mismatch (-whole +pieces):\n%s", at, diff)
		}
	})
}
