package openaichat

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

var (
	start    = dialect.Event{Kind: dialect.Start, ID: "msg_1", Model: "claude"}
	text     = dialect.Event{Kind: dialect.TextDelta, Text: "Hi \"there\"\n"}
	call     = dialect.Event{Kind: dialect.ToolStart, Index: 0, ID: "c1", Name: "f"}
	piece1   = dialect.Event{Kind: dialect.ToolDelta, Index: 0, Text: `{"a":`}
	piece2   = dialect.Event{Kind: dialect.ToolDelta, Index: 0, Text: `1}`}
	callEnd  = dialect.Event{Kind: dialect.ToolEnd, Index: 0}
	call2    = dialect.Event{Kind: dialect.ToolStart, Index: 1, ID: "c2", Name: "g"}
	callEnd2 = dialect.Event{Kind: dialect.ToolEnd, Index: 1, Text: `{}`}
	numbers  = dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 10, Output: 5, CacheRead: 4, CacheWrite: 3, Reasoning: 2, Known: true}}
	stop     = dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopEnd}
	calls    = dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopToolCalls}
	end      = dialect.Event{Kind: dialect.End}
	broken   = dialect.Event{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 529, Type: "overloaded_error", Message: "Overloaded"}}
	think1   = dialect.Event{Kind: dialect.ThinkingDelta, Index: 0, Text: "hm, "}
	think2   = dialect.Event{Kind: dialect.ThinkingDelta, Index: 0, Text: "yes"}
	signed   = dialect.Event{Kind: dialect.SignatureDelta, Index: 0, Text: "sig"}
	secret   = dialect.Event{Kind: dialect.RedactedThinkingEvent, Index: 1, Text: "xx"}
)

const (
	chunkHead  = `data: {"id":"id","object":"chat.completion.chunk","created":7,"model":"fast","choices":[{"index":0,"delta":`
	chunkTail  = `,"logprobs":null,"finish_reason":null}]}` + "\n\n"
	firstChunk = chunkHead + `{"role":"assistant","content":"","refusal":null}` + chunkTail
)

func lastChunk(reason string) string {
	return chunkHead + `{},"logprobs":null,"finish_reason":"` + reason + `"}]}` + "\n\n"
}

func TestStreamsAreWritten(t *testing.T) {
	for _, c := range []struct {
		name   string
		usage  bool
		events []dialect.Event
		want   string
	}{
		{"a text", false, []dialect.Event{start, text, numbers, stop, end},
			firstChunk + chunkHead + `{"content":"Hi \"there\"\n"}` + chunkTail + lastChunk("stop") + "data: [DONE]\n\n"},
		{"usage only where it is asked for", true, []dialect.Event{start, numbers, stop, end},
			strings.ReplaceAll(firstChunk+lastChunk("stop"), "}]}\n\n", `}],"usage":null}`+"\n\n") +
				`data: {"id":"id","object":"chat.completion.chunk","created":7,"model":"fast","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}` + "\n\ndata: [DONE]\n\n"},
		{"tool calls keep id and name to their first chunk", false, []dialect.Event{start, call, piece1, piece2, callEnd, call2, callEnd2, calls, end},
			firstChunk + chunkHead + `{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}` + chunkTail +
				chunkHead + `{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}` + chunkTail +
				chunkHead + `{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}` + chunkTail +
				chunkHead + `{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":""}}]}` + chunkTail +
				chunkHead + `{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}` + chunkTail +
				lastChunk("tool_calls") + "data: [DONE]\n\n"},
		{"thinking, its signature and a redacted block", false, []dialect.Event{start, think1, think2, signed, secret, stop, end},
			firstChunk + chunkHead + `{"reasoning_content":"hm, "}` + chunkTail + chunkHead + `{"reasoning_content":"yes"}` + chunkTail +
				chunkHead + `{"thinking_blocks":[{"type":"thinking","thinking":"hm, yes","signature":"sig"}]}` + chunkTail +
				chunkHead + `{"thinking_blocks":[{"type":"redacted_thinking","data":"xx"}]}` + chunkTail + lastChunk("stop") + "data: [DONE]\n\n"},
		{"a refusal", false, []dialect.Event{start, {Kind: dialect.RefusalDelta, Text: "no"}, {Kind: dialect.Stop, StopReason: dialect.StopFilter}, end},
			firstChunk + chunkHead + `{"refusal":"no"}` + chunkTail + lastChunk("content_filter") + "data: [DONE]\n\n"},
		{"an error is the end", false, []dialect.Event{start, text, broken, end},
			firstChunk + chunkHead + `{"content":"Hi \"there\"\n"}` + chunkTail + `data: {"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}` + "\n\n"},
		{"an error at once", false, []dialect.Event{broken, end}, `data: {"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}` + "\n\n"},
		{"nothing comes behind the end", false, []dialect.Event{start, stop, end, text, end, broken}, firstChunk + lastChunk("stop") + "data: [DONE]\n\n"},
		{"an end without a stop is an error", false, []dialect.Event{start, end}, firstChunk + `data: {"error":{"message":"The provider's answer ended without a stop reason.","type":"api_error","param":null,"code":null}}` + "\n\n"},
		{"empty deltas are nothing", false, []dialect.Event{start, {Kind: dialect.TextDelta}, {Kind: dialect.ToolDelta}, {Kind: dialect.ThinkingDelta}, stop, end}, firstChunk + lastChunk("stop") + "data: [DONE]\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEncoder(true, c.usage, "id", 7, "fast")
			var out []byte
			for i := range c.events {
				out = e.Event(out, &c.events[i])
			}
			if diff := cmp.Diff(strings.SplitAfter(c.want, "\n\n"), strings.SplitAfter(string(out), "\n\n")); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if !e.Done() {
				t.Error("not done")
			}
		})
	}
}

func TestBodiesAreWritten(t *testing.T) {
	const head = `{"id":"id","object":"chat.completion","created":7,"model":"fast","choices":[{"index":0,"message":{"role":"assistant",`
	for _, c := range []struct {
		name   string
		events []dialect.Event
		want   string
	}{
		{"a text with usage", []dialect.Event{start, text, {Kind: dialect.TextDelta, Text: "!"}, numbers, stop, end},
			head + `"content":"Hi \"there\"\n!","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}`},
		{"tool calls alone have null content", []dialect.Event{start, call, piece1, call2, piece2, callEnd, callEnd2, calls, end},
			head + `"content":null,"refusal":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]}`},
		{"nothing at all is an empty text", []dialect.Event{start, {Kind: dialect.Stop, StopReason: dialect.StopLength}, end},
			head + `"content":"","refusal":null},"logprobs":null,"finish_reason":"length"}]}`},
		{"thinking", []dialect.Event{start, think1, think2, signed, secret, text, stop, end},
			head + `"content":"Hi \"there\"\n","refusal":null,"reasoning_content":"hm, yes","thinking_blocks":[{"type":"thinking","thinking":"hm, yes","signature":"sig"},{"type":"redacted_thinking","data":"xx"}]},"logprobs":null,"finish_reason":"stop"}]}`},
		{"a refusal", []dialect.Event{start, {Kind: dialect.RefusalDelta, Text: "no"}, {Kind: dialect.Stop, StopReason: dialect.StopFilter}, end},
			head + `"content":null,"refusal":"no"},"logprobs":null,"finish_reason":"content_filter"}]}`},
		{"an error", []dialect.Event{start, text, broken, end}, `{"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEncoder(false, false, "id", 7, "fast")
			for i := range c.events {
				if out := e.Event(nil, &c.events[i]); out != nil {
					t.Fatalf("event %d wrote %s", i, out)
				}
			}
			got := e.Body(nil)
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if !json.Valid(got) {
				t.Error("not JSON")
			}
		})
	}
}

// TestThinkingComesBackAsItWasGiven is the round of an extension field: what the encoder gives a client, the decoder
// takes back in the next turn.
func TestThinkingComesBackAsItWasGiven(t *testing.T) {
	e := NewEncoder(false, false, "id", 7, "fast")
	for _, ev := range []dialect.Event{start, think1, think2, signed, secret, call, callEnd2, calls, end} {
		e.Event(nil, &ev)
	}
	var answer struct {
		Choices []struct{ Message json.RawMessage }
	}
	if err := json.Unmarshal(e.Body(nil), &answer); err != nil {
		t.Fatal(err)
	}
	r, err := DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x"},` + string(answer.Choices[0].Message) + `]}`))
	if err != nil {
		t.Fatal(err.Message)
	}
	want := []dialect.Part{{Kind: dialect.Thinking, Text: "hm, yes", Signature: "sig"}, {Kind: dialect.RedactedThinking, Data: "xx", At: 1}, {Kind: dialect.ToolCall, ID: "c1", Name: "f"}}
	if diff := cmp.Diff(want, r.Messages[1].Parts); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestIDAndModelComeFromTheStartWhereNoneIsGiven(t *testing.T) {
	e := NewEncoder(false, false, "", 7, "")
	for _, ev := range []dialect.Event{start, stop, end} {
		e.Event(nil, &ev)
	}
	if got := string(e.Body(nil)); !strings.HasPrefix(got, `{"id":"msg_1","object":"chat.completion","created":7,"model":"claude"`) {
		t.Error(got)
	}
}
