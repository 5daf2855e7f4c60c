package anthropic

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// wire writes data lines as events, with the event field that the API sends.
func wire(data ...string) string {
	var b strings.Builder
	for _, d := range data {
		_, kind, _ := strings.Cut(d, `"type":"`)
		kind, _, _ = strings.Cut(kind, `"`)
		b.WriteString("event: " + kind + "\ndata: " + d + "\n\n")
	}
	return b.String()
}

func decode(stream bool, raw string, cuts ...int) (got []dialect.Event) {
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	d := NewDecoder(stream)
	at := 0
	for _, end := range append(cuts, len(raw)) {
		piece := []byte(raw[at:end])
		d.Feed(piece, emit)
		clear(piece)
		at = end
	}
	d.Finish(emit)
	d.Finish(emit)
	d.Feed([]byte(raw), emit)
	return got
}

const (
	begin     = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2},"output_tokens":1}}}`
	textStart = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	hello     = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé\"llo\" \ud83d\ude00"}}`
	stop0     = `{"type":"content_block_stop","index":0}`
	stop1     = `{"type":"content_block_stop","index":1}`
	endTurn   = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":25}}`
	stopAll   = `{"type":"message_stop"}`
	ping      = `{"type":"ping"}`
)

func ev(kind dialect.EventKind) dialect.Event { return dialect.Event{Kind: kind} }

func TestStreamsBecomeEvents(t *testing.T) {
	started := dialect.Event{Kind: dialect.Start, ID: "msg_1", Model: "claude-x"}
	usage := func(out int64) dialect.Event {
		return dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 17, Output: out, CacheRead: 4, CacheWrite: 3, CacheWrite1h: 2, Known: true}}
	}
	words := func(s string) dialect.Event { return dialect.Event{Kind: dialect.TextDelta, Text: s} }
	stopped := func(r dialect.StopReason) dialect.Event { return dialect.Event{Kind: dialect.Stop, StopReason: r} }
	failed := func(status int, kind, message string) dialect.Event {
		e := &dialect.Error{Status: status, Type: kind, Message: message}
		if status == http.StatusBadGateway {
			e.Code = "upstream_protocol" // the gateway's own verdict
		}
		return dialect.Event{Kind: dialect.ErrorEvent, Err: e}
	}
	end := ev(dialect.End)
	const early = "The provider's stream ended before the answer was complete."
	for _, c := range []struct {
		name, raw string
		want      []dialect.Event
	}{
		{"a text", wire(begin, textStart, ping, hello, stop0, endTurn, stopAll), []dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), usage(25), stopped("stop"), end}},
		{"a text in its block's start", wire(begin, strings.Replace(textStart, `"text":""`, `"text":"x"`, 1), stop0, endTurn, stopAll), []dialect.Event{started, usage(1), words("x"), usage(25), stopped("stop"), end}},
		{"parallel calls: fragments, an empty fragment, none at all, input in the start", wire(begin,
			`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}`, stop0,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`, stop1,
			`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"c","name":"h","input":{"y":2}}}`, `{"type":"content_block_stop","index":2}`,
			`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":25}}`, stopAll),
			[]dialect.Event{started, usage(1), {Kind: dialect.ToolStart, ID: "a", Name: "f"}, {Kind: dialect.ToolDelta, Text: `{"x":`}, {Kind: dialect.ToolDelta, Text: `1}`}, {Kind: dialect.ToolEnd},
				{Kind: dialect.ToolStart, Index: 1, ID: "b", Name: "g"}, {Kind: dialect.ToolEnd, Index: 1, Text: "{}"},
				{Kind: dialect.ToolStart, Index: 2, ID: "c", Name: "h"}, {Kind: dialect.ToolEnd, Index: 2, Text: `{"y":2}`}, usage(25), stopped("tool_calls"), end}},
		{"calls whose blocks interleave", wire(begin,
			`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{}}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"b\":1}"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`, stop1, stop0, endTurn, stopAll),
			[]dialect.Event{started, usage(1), {Kind: dialect.ToolStart, ID: "a", Name: "f"}, {Kind: dialect.ToolStart, Index: 1, ID: "b", Name: "g"}, {Kind: dialect.ToolDelta, Index: 1, Text: `{"b":1}`}, {Kind: dialect.ToolDelta, Text: `{"a":1}`},
				{Kind: dialect.ToolEnd, Index: 1}, {Kind: dialect.ToolEnd}, usage(25), stopped("stop"), end}},
		{"thinking, signed in two pieces, and a redacted block", wire(begin,
			`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"ab"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"cd=="}}`, stop0,
			`{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xx"}}`, stop1, endTurn, stopAll),
			[]dialect.Event{started, usage(1), {Kind: dialect.ThinkingDelta, Text: "hm"}, {Kind: dialect.SignatureDelta, Text: "abcd==", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.RedactedThinkingEvent, Index: 1, Text: "xx", SignedBy: dialect.SignerAnthropic}, usage(25), stopped("stop"), end}},
		{"server-side tools and citations are left out", wire(begin, textStart, hello, `{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location"}}}`, stop0,
			`{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"q\":1}"}}`, stop1,
			`{"type":"content_block_start","index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"text","text":"no"}]}}`, `{"type":"content_block_stop","index":2}`, endTurn, stopAll),
			[]dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), usage(25), stopped("stop"), end}},
		{"numbers at the end replace those at the start, zeros do not", wire(begin, `{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":20,"cache_read_input_tokens":0,"cache_creation_input_tokens":null,"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}}`, stopAll),
			[]dialect.Event{started, usage(1), {Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 27, Output: 30, CacheRead: 4, CacheWrite: 3, CacheWrite1h: 2, Reasoning: 12, Known: true}}, stopped("length"), end}},
		{"a stop sequence", wire(begin, `{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"output_tokens":25}}`, stopAll),
			[]dialect.Event{started, usage(1), usage(25), {Kind: dialect.Stop, StopReason: dialect.StopSequence, StopSequence: "END"}, end}},
		{"an error in the stream (synthetic)", wire(begin, textStart, hello, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`),
			[]dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), failed(529, "overloaded_error", "Overloaded"), end}},
		{"an error at once (synthetic)", wire(`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`), []dialect.Event{failed(429, "rate_limit_error", "slow down"), end}},
		{"an error of something in front of the API (synthetic)", wire(begin) + "event: error\ndata: {\"message\":\"gone\"}\n\n", []dialect.Event{started, usage(1), failed(500, "api_error", "gone"), end}},
		{"nothing counts behind an error", wire(begin, `{"type":"error","error":{"type":"api_error","message":"x"}}`, hello, stopAll), []dialect.Event{started, usage(1), failed(500, "api_error", "x"), end}},
		{"a connection that breaks off (synthetic)", wire(begin, textStart, hello) + "event: content_block_delta\ndata: {\"type\":\"content_bl", []dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), failed(502, "api_error", early), end}},
		{"a connection that breaks off before anything", "", []dialect.Event{failed(502, "api_error", early), end}},
		{"only message_stop is missing", wire(begin, textStart, hello, stop0, endTurn), []dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), usage(25), stopped("stop"), end}},
		{"the last blank line is missing", strings.TrimRight(wire(begin, textStart, hello, stop0, endTurn, stopAll), "\n"), []dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), usage(25), stopped("stop"), end}},
		{"nothing counts behind message_stop", wire(begin, endTurn, stopAll, textStart, hello, endTurn, stopAll), []dialect.Event{started, usage(1), usage(25), stopped("stop"), end}},
		{"blocks that are still open at the stop are closed", wire(begin, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, endTurn, stopAll),
			[]dialect.Event{started, usage(1), {Kind: dialect.ToolStart, ID: "a", Name: "f"}, usage(25), {Kind: dialect.ToolEnd, Text: "{}"}, stopped("stop"), end}},
		{"the same message_start twice", wire(begin, begin, endTurn, stopAll), []dialect.Event{started, usage(1), usage(25), stopped("stop"), end}},
		{"a second message in the stream", wire(begin, textStart, hello, strings.Replace(begin, "msg_1", "msg_2", 1), hello, endTurn, stopAll),
			[]dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), failed(502, "api_error", "The provider's stream began a second message in the middle of the first."), end}},
		{"an event that is not JSON breaks the answer off", wire(begin, textStart, hello) + "data: {\"type\":\n\n" + wire(hello, endTurn, stopAll), []dialect.Event{started, usage(1), words("Hé\"llo\" 😀"), failed(502, "api_error", "The provider's stream holds an event that cannot be read."), end}},
		{"garbage and unknown types are passed over", "data: []\n\ndata: {}\n\n" + wire(`{"type":"new_thing","x":1}`, begin, `{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"lost"}}`, `{"type":"content_block_delta","index":0}`, endTurn, stopAll),
			[]dialect.Event{started, usage(1), usage(25), stopped("stop"), end}},
		{"no message_start", wire(textStart, hello, endTurn, stopAll), []dialect.Event{ev(dialect.Start), words("Hé\"llo\" 😀"), {Kind: dialect.UsageEvent, Usage: dialect.Usage{Output: 25, Known: true}}, stopped("stop"), end}},
		{"members in another order, CRLF, no event field", strings.ReplaceAll("data:{\"message\":{\"usage\":{\"output_tokens\":1,\"input_tokens\":17},\"model\":\"claude-x\",\"id\":\"msg_1\"},\"type\":\"message_start\"}\n\ndata:"+stopAll+"\n\n", "\n", "\r\n"),
			[]dialect.Event{started, {Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 17, Output: 1, Known: true}}, stopped("stop"), end}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := 0; i <= len(c.raw); i++ {
				if diff := cmp.Diff(c.want, decode(true, c.raw, i)); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, diff)
				}
			}
			each := make([]int, len(c.raw))
			for i := range each {
				each[i] = i
			}
			if diff := cmp.Diff(c.want, decode(true, c.raw, each...)); diff != "" {
				t.Fatalf("cut everywhere: mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStopReasonsAreMapped(t *testing.T) {
	for reason, want := range map[string]dialect.StopReason{"end_turn": "stop", "stop_sequence": "stop_sequence", "max_tokens": "length", "model_context_window_exceeded": "length",
		"tool_use": "tool_calls", "refusal": "content_filter", "pause_turn": "pause", "something_new": "stop"} {
		evs := decode(false, `{"type":"message","id":"m","model":"x","content":[],"stop_reason":"`+reason+`","usage":{"input_tokens":1,"output_tokens":1}}`)
		if got := evs[len(evs)-2]; got.Kind != dialect.Stop || got.StopReason != want {
			t.Errorf("%s becomes %+v, want %s", reason, got, want)
		}
	}
}

func TestBodiesBecomeEvents(t *testing.T) {
	started := dialect.Event{Kind: dialect.Start, ID: "msg_1", Model: "claude-x"}
	end := ev(dialect.End)
	incomplete := dialect.Event{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 502, Type: "api_error", Code: "upstream_protocol", Message: "The provider's answer is not a complete message."}}
	for _, c := range []struct {
		name, raw string
		want      []dialect.Event
	}{
		{"everything", `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"xx"},{"type":"text","text":"a","citations":[{}]},{"type":"server_tool_use","id":"s","name":"x","input":{}},{"type":"text","text":"b"},{"type":"tool_use","id":"c","name":"f","input":{ "x": [1] }},{"type":"tool_use","id":"d","name":"g","input":{}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":2}}`,
			[]dialect.Event{started, {Kind: dialect.ThinkingDelta, Text: "hm"}, {Kind: dialect.SignatureDelta, Text: "s", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.RedactedThinkingEvent, Index: 1, Text: "xx", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Text: "b"},
				{Kind: dialect.ToolStart, ID: "c", Name: "f"}, {Kind: dialect.ToolEnd, Text: `{ "x": [1] }`}, {Kind: dialect.ToolStart, Index: 1, ID: "d", Name: "g"}, {Kind: dialect.ToolEnd, Index: 1, Text: "{}"},
				{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 15, Output: 2, CacheRead: 5, Known: true}}, {Kind: dialect.Stop, StopReason: dialect.StopToolCalls}, end}},
		{"an error with status 200", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, []dialect.Event{{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 529, Type: "overloaded_error", Message: "Overloaded"}}, end}},
		{"cut off", `{"id":"msg_1","type":"message","content":[{"type":"text","te`, []dialect.Event{incomplete, end}},
		{"nothing", ``, []dialect.Event{incomplete, end}},
		{"HTML", `<html>`, []dialect.Event{incomplete, end}},
		{"another object", `{"ok":true}`, []dialect.Event{incomplete, end}},
		{"a list", `[]`, []dialect.Event{incomplete, end}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := 0; i <= len(c.raw); i++ {
				if diff := cmp.Diff(c.want, decode(false, c.raw, i)); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestErrorAnswersAreRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   dialect.Error
	}{
		{"429 (synthetic)", 429, `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit"},"request_id":"req_1"}`, dialect.Error{Status: 429, Type: "rate_limit_error", Message: "This request would exceed your organization's rate limit"}},
		{"529 (synthetic)", 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, dialect.Error{Status: 529, Type: "overloaded_error", Message: "Overloaded"}},
		{"400", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}`, dialect.Error{Status: 400, Type: "invalid_request_error", Message: "max_tokens: Field required"}},
		{"refused credentials are the gateway's", 401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, dialect.Error{Status: 401, Type: "authentication_error", Message: dialect.Refused}},
		{"something in front of the API", 502, "<html>Bad Gateway</html>", dialect.Error{Status: 502, Type: "api_error", Message: "The provider answered with status 502 and no readable error."}},
		{"too large, from the edge", 413, "", dialect.Error{Status: 413, Type: "request_too_large", Message: "The provider answered with status 413 and no readable error."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.RetryAfter = "12"
			if diff := cmp.Diff(&c.want, DecodeError(&dialect.ErrorAnswer{Status: c.status, RetryAfter: "12", Body: []byte(c.body)})); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooMuchIsAnError(t *testing.T) {
	count := 0
	var last dialect.Event
	emit := func(ev *dialect.Event) { count++; last = *ev }
	d := NewDecoder(true)
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = 'x'
	}
	for range 16 {
		d.Feed(piece, emit)
	}
	d.Finish(emit)
	if count != 2 || last.Kind != dialect.End {
		t.Errorf("%d events, the last one %+v", count, last)
	}
}

func FuzzDecoderEndsOnce(f *testing.F) {
	f.Add(true, []byte(wire(begin, textStart, hello, stop0, endTurn, stopAll)), uint64(1))
	f.Add(true, []byte(wire(begin, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, `{"type":"error","error":{"type":"x"}}`)), uint64(2))
	f.Add(true, []byte("data:{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\\ud83d\"}}\r\r"), uint64(3))
	f.Add(false, []byte(`{"type":"message","content":[{"type":"text","text":"x"},{"type":"tool_use","input":{}}],"stop_reason":null}`), uint64(4))
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, seed uint64) {
		want := decode(stream, string(raw))
		ends, stops := 0, 0
		for i, e := range want {
			switch e.Kind {
			case dialect.End:
				ends++
				if i != len(want)-1 {
					t.Fatalf("%d events behind End", len(want)-1-i)
				}
			case dialect.ErrorEvent:
				stops++
				if i != len(want)-2 || e.Err.Message == "" || e.Err.Status == 0 {
					t.Fatalf("event %d of %d: %+v", i, len(want), e.Err)
				}
			case dialect.Stop:
				stops++
			}
		}
		if ends != 1 || stops < 1 || stops > 2 {
			t.Fatalf("%d ends, %d stops and errors", ends, stops)
		}
		r := rand.New(rand.NewPCG(seed, 5))
		var cuts []int
		for at := r.IntN(8); at < len(raw); at += 1 + r.IntN(16) {
			cuts = append(cuts, at)
		}
		if diff := cmp.Diff(want, decode(stream, string(raw), cuts...)); diff != "" {
			t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts, diff)
		}
	})
}

func TestReuseCarriesNothingOver(t *testing.T) {
	d := NewDecoder(true)
	ignore := func(*dialect.Event) {}
	d.Feed([]byte(wire(begin, textStart, hello)+"data: {\"half"), ignore)
	d.Finish(ignore)
	for _, stream := range []bool{true, false} {
		raw := wire(begin, textStart, hello, stop0, endTurn, stopAll)
		if !stream {
			raw = `{"id":"m","type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}`
		}
		var got []dialect.Event
		emit := func(ev *dialect.Event) { got = append(got, *ev) }
		d.Reset(stream)
		d.Feed([]byte(raw), emit)
		d.Finish(emit)
		if diff := cmp.Diff(decode(stream, raw), got); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
	}
}

// TestSourcesAndSearchesAreTold reads what an answer cites, in a stream and whole, and what the provider's own tools cost.
func TestSourcesAndSearchesAreTold(t *testing.T) {
	const (
		web  = `{"type":"web_search_result_location","url":"https://x.test/","title":"X","cited_text":"so it is","encrypted_index":"e"}`
		page = `{"type":"page_location","document_index":1,"document_title":"D","cited_text":"there","start_page_number":1,"end_page_number":2}`
		used = `"usage":{"input_tokens":10,"output_tokens":5,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}}`
	)
	want := []dialect.Event{
		{Kind: dialect.TextDelta, Text: "ü: "}, {Kind: dialect.TextDelta, Text: "yes"},
		{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://x.test/", Title: "X", Text: "so it is", Start: 3, End: 6, Document: -1}},
		{Kind: dialect.CitationEvent, Citation: &dialect.Citation{Title: "D", Text: "there", Start: 3, End: 6, Document: 1}},
	}
	streamed := "data: " + strings.Join([]string{
		`{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":10,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ü: "}}`, stop0,
		`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"","citations":[]}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":` + web + `}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"yes"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":` + page + `}}`, stop1,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},` + used + `}`, stopAll,
	}, "\n\ndata: ") + "\n\n"
	whole := `{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"ü: "},{"type":"text","text":"yes","citations":[` + web + "," + page + `]}],"stop_reason":"end_turn",` + used + `}`
	for name, got := range map[string][]dialect.Event{"streamed": decode(true, streamed), "whole": decode(false, whole)} {
		t.Run(name, func(t *testing.T) {
			var told []dialect.Event
			var u dialect.Usage
			for _, e := range got {
				switch e.Kind {
				case dialect.TextDelta, dialect.CitationEvent:
					told = append(told, e)
				case dialect.UsageEvent:
					u = e.Usage
				}
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if u.Units.WebSearches != 2 || u.Output != 5 {
				t.Errorf("usage %+v", u)
			}
		})
	}
}
