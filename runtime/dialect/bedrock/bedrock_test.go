package bedrock_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func decode(stream bool, raw string, cuts ...int) (got []dialect.Event) {
	d := new(bedrock.Decoder)
	d.Reset(stream)
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
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

// tale says a sequence of events in a line each.
func tale(evs []dialect.Event) (lines []string) {
	names := map[dialect.EventKind]string{dialect.Start: "start", dialect.TextDelta: "text", dialect.ThinkingDelta: "thinking", dialect.SignatureDelta: "signature",
		dialect.RedactedThinkingEvent: "redacted", dialect.ToolStart: "call", dialect.ToolDelta: "fragment", dialect.ToolEnd: "end of call",
		dialect.UsageEvent: "usage", dialect.Stop: "stop", dialect.ErrorEvent: "error", dialect.End: "end"}
	for i := range evs {
		ev := &evs[i]
		line := names[ev.Kind]
		for _, s := range []string{ev.ID, ev.Name, ev.Text, string(ev.StopReason), ev.StopSequence, string(ev.SignedBy)} {
			if s != "" {
				line += " " + s
			}
		}
		if ev.Err != nil {
			line += fmt.Sprintf(" %d %s", ev.Err.Status, ev.Err.Message)
		}
		lines = append(lines, line)
	}
	return lines
}

// frames writes events as a stream: each "name payload"; a name that ends in Exception is one.
func frames(events ...string) string {
	var b []byte
	for _, e := range events {
		name, payload, _ := strings.Cut(e, " ")
		kind := "event"
		switch {
		case strings.HasSuffix(name, "Exception"):
			kind = "exception"
		case name == "error":
			kind = "error"
		}
		f := eventstream.Frame{Type: []byte(kind), Name: []byte(name), Payload: []byte(payload)}
		if kind == "error" {
			f = eventstream.Frame{Type: []byte(kind), Name: []byte("InternalFailure"), Message: []byte(payload)}
		}
		b = eventstream.Append(b, &f)
	}
	return string(b)
}

const (
	start   = `messageStart {"role":"assistant","p":"abc"}`
	text    = `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"hi"},"p":"ab"}`
	textEnd = `contentBlockStop {"contentBlockIndex":0}`
	end     = `messageStop {"stopReason":"end_turn"}`
	meta    = `metadata {"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":12},"metrics":{"latencyMs":1}}`
)

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream bool
		raw    string
		want   []string
	}{
		{"a text", true, frames(start, text, textEnd, end, meta), []string{"start", "text hi", "stop stop", "usage", "end"}},
		{"usage before the end, and no start", true, frames(text, meta, end), []string{"start", "text hi", "usage", "stop stop", "end"}},
		{"thinking with its signature in pieces", true, frames(start, `contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}`,
			`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"ab"}}}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"cd"}}}`, textEnd,
			`contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"hi"}}`, end, meta),
			[]string{"start", "thinking hm", "signature abcd bedrock", "text hi", "stop stop", "usage", "end"}},
		{"redacted thinking in pieces", true, frames(start, `contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"YQ=="}}}`,
			`contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"YmM="}}}`, textEnd, end, meta),
			[]string{"start", "redacted YWJj bedrock", "stop stop", "usage", "end"}},
		{"calls side by side, one of them without arguments", true, frames(start, `contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"name":"f","toolUseId":"t1"}}}`,
			`contentBlockStart {"contentBlockIndex":2,"start":{"toolUse":{"name":"g","toolUseId":"t2"}}}`, `contentBlockDelta {"contentBlockIndex":2,"delta":{"toolUse":{"input":""}}}`,
			`contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":"}}}`, `contentBlockStop {"contentBlockIndex":2}`,
			`contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"1}"}}}`, `messageStop {"stopReason":"tool_use"}`, meta),
			[]string{"start", "call t1 f", "call t2 g", `fragment {"a":`, "end of call {}", "fragment 1}", "end of call", "stop tool_calls", "usage", "end"}},
		{"a stop sequence that the model tells", true, frames(start, text, `messageStop {"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"}}`, meta),
			[]string{"start", "text hi", "stop stop_sequence END", "usage", "end"}},
		{"a guardrail", true, frames(start, text, `messageStop {"stopReason":"guardrail_intervened"}`), []string{"start", "text hi", "stop content_filter", "end"}},
		{"the context is full", true, frames(start, text, `messageStop {"stopReason":"model_context_window_exceeded"}`), []string{"start", "text hi", "stop length", "end"}},
		{"a call that the provider could not read", true, frames(start, text, `messageStop {"stopReason":"malformed_tool_use"}`, meta),
			[]string{"start", "text hi", "error 502 The provider could not read what the model said (malformed_tool_use).", "end"}},
		{"a tool that the provider runs", true, frames(start, `contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"name":"s","toolUseId":"t","type":"server_tool_use"}}}`,
			`contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}`, textEnd, `contentBlockStart {"contentBlockIndex":1,"start":{"toolResult":{"toolUseId":"t"}}}`,
			`contentBlockDelta {"contentBlockIndex":1,"delta":{"toolResult":[{"text":"r"}]}}`, `contentBlockDelta {"contentBlockIndex":2,"delta":{"text":"hi"}}`, end),
			[]string{"start", "text hi", "stop stop", "end"}},
		{"an event and a delta that nobody knows", true, frames(start, `somethingNew {"a":1}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"newer":{}}}`, text, end), []string{"start", "text hi", "stop stop", "end"}},
		{"throttled before anything", true, frames(`throttlingException {"message":"Too many tokens, please wait."}`), []string{"error 429 Too many tokens, please wait.", "end"}},
		{"an exception in the middle", true, frames(start, text, `modelStreamErrorException {"message":"lost","originalStatusCode":500}`, end), []string{"start", "text hi", "error 502 lost", "end"}},
		{"an exception between the end and the usage", true, frames(start, text, end, `internalServerException {"message":"broke"}`), []string{"start", "text hi", "stop stop", "error 500 broke", "end"}},
		{"an exception without a message", true, frames(start, `serviceUnavailableException {}`), []string{"start", "error 503 The provider broke its answer off with an error.", "end"}},
		{"an exception that nobody knows", true, frames(start, `newException {"message":"new"}`), []string{"start", "error 500 new", "end"}},
		{"an error of the protocol", true, frames(start, `error it failed`), []string{"start", "error 500 it failed", "end"}},
		{"nothing behind the end", true, frames(start, text, end, meta, text, end), []string{"start", "text hi", "stop stop", "usage", "end"}},
		{"no usage", true, frames(start, text, end), []string{"start", "text hi", "stop stop", "end"}},
		{"ended in the middle", true, frames(start, text), []string{"start", "text hi", "error 502 The provider's stream ended before the answer was complete.", "end"}},
		{"ended in the middle of the usage", true, frames(start, text, end) + frames(meta)[:30], []string{"start", "text hi", "stop stop", "error 502 The provider's stream ended before the answer was complete.", "end"}},
		{"an empty stream", true, "", []string{"error 502 The provider's stream ended before the answer was complete.", "end"}},
		{"JSON instead of frames", true, `{"message":"not a stream"}`, []string{"error 502 The provider's stream is broken: an event has a wrong checksum or form.", "end"}},
		{"a wrong checksum", true, frames(start) + strings.Replace(frames(text), "hi", "ho", 1), []string{"start", "error 502 The provider's stream is broken: an event has a wrong checksum or form.", "end"}},
		{"an event that is not JSON", true, frames(start, `contentBlockDelta {"contentBlockIndex":`), []string{"start", "error 502 The provider's stream holds an event that cannot be read.", "end"}},
		{"a piece of a call that has not begun", true, frames(start, `contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"x"}}}`), []string{"start", "error 502 The provider's stream goes on with a content block that has not begun.", "end"}},
		{"a block that begins twice", true, frames(start, `contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"name":"f","toolUseId":"t1"}}}`, `contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"name":"f","toolUseId":"t2"}}}`),
			[]string{"start", "call t1 f", "error 502 The provider's stream begins a content block a second time.", "end"}},

		{"a body with everything", false, `{"metrics":{},"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"signature":"sig","text":"hm"}}},{"reasoningContent":{"redactedContent":"YWJj"}},{"text":"a"},{"toolUse":{"input":{"x":1},"name":"f","toolUseId":"t1"}},{"toolUse":{"name":"g","toolUseId":"t2","input":{}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2}}`,
			[]string{"start", "thinking hm", "signature sig bedrock", "redacted YWJj bedrock", "text a", "call t1 f", `end of call {"x":1}`, "call t2 g", "end of call {}", "usage", "stop tool_calls", "end"}},
		{"a body with citations", false, `{"output":{"message":{"content":[{"citationsContent":{"content":[{"text":"a"},{"text":"b"}],"citations":[{}]}}]}},"stopReason":"end_turn"}`,
			[]string{"start", "text a", "text b", "stop stop", "end"}},
		{"a body without its stop reason", false, `{"output":{"message":{"content":[]}}}`, []string{"error 502 The provider's answer is not a complete message.", "end"}},
		{"a body without its content", false, `{"stopReason":"end_turn"}`, []string{"error 502 The provider's answer is not a complete message.", "end"}},
		{"no JSON", false, `<html>`, []string{"error 502 The provider's answer is not a complete message.", "end"}},
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

// TestEveryFlippedBitIsTheProvidersFault: a stream with any one bit flipped ends with an error, and nothing of the broken
// frame is given on.
func TestEveryFlippedBitIsTheProvidersFault(t *testing.T) {
	first := frames(start)
	stream := first + frames(text, end)
	for i := len(first) * 8; i < (len(first)+len(frames(text)))*8; i++ {
		broken := []byte(stream)
		broken[i/8] ^= 1 << (i % 8)
		evs := decode(true, string(broken))
		if n := len(evs); n != 3 || evs[1].Kind != dialect.ErrorEvent || evs[1].Err.Status != 502 || evs[1].Err.Type != "api_error" {
			t.Fatalf("bit %d flipped: %v", i, tale(evs))
		}
	}
}

func TestInputTokensHoldTheCachedOnes(t *testing.T) {
	want := dialect.Usage{Input: 5 + 100 + 30, Output: 7, CacheRead: 100, CacheWrite: 30, CacheWrite1h: 10, Service: "priority", Known: true}
	usage := `"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":142,"cacheReadInputTokens":100,"cacheWriteInputTokens":30,"cacheDetails":[{"inputTokens":20,"ttl":"5m"},{"inputTokens":10,"ttl":"1h"}]},"serviceTier":{"type":"priority"}`
	for name, evs := range map[string][]dialect.Event{
		"streamed": decode(true, frames(start, end, "metadata {"+usage+"}")),
		"whole":    decode(false, `{"output":{"message":{"content":[]}},"stopReason":"end_turn",`+usage+`}`),
	} {
		got := dialect.Usage{}
		for _, ev := range evs {
			if ev.Kind == dialect.UsageEvent {
				got = ev.Usage
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", name, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	const refused = dialect.Refused
	for _, c := range []struct {
		name string
		in   dialect.ErrorAnswer
		want dialect.Error
	}{
		{"throttled", dialect.ErrorAnswer{Status: 429, Type: "ThrottlingException", RetryAfter: "3", Body: []byte(`{"message":"Too many requests"}`)},
			dialect.Error{Status: 429, Type: "rate_limit_error", Code: "ThrottlingException", Message: "Too many requests", RetryAfter: "3"}},
		{"a quota that is used up answers 400", dialect.ErrorAnswer{Status: 400, Body: []byte(`{"__type":"com.amazon.coral.service#ServiceQuotaExceededException","Message":"quota"}`)},
			dialect.Error{Status: 429, Type: "rate_limit_error", Code: "ServiceQuotaExceededException", Message: "quota"}},
		{"the type with an address", dialect.ErrorAnswer{Status: 400, Type: "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", Body: []byte(`{"message":"The provided model identifier is invalid."}`)},
			dialect.Error{Status: 400, Type: "invalid_request_error", Code: "ValidationException", Message: "The provided model identifier is invalid."}},
		{"the model's own failure", dialect.ErrorAnswer{Status: 424, Type: "ModelErrorException", Body: []byte(`{"message":"m"}`)},
			dialect.Error{Status: 502, Type: "api_error", Code: "ModelErrorException", Message: "m"}},
		{"the model took too long", dialect.ErrorAnswer{Status: 408, Type: "ModelTimeoutException", Body: []byte(`{"message":"m"}`)},
			dialect.Error{Status: 504, Type: "api_error", Code: "ModelTimeoutException", Message: "m"}},
		{"a wrong key", dialect.ErrorAnswer{Status: 403, Type: "UnrecognizedClientException", Body: []byte(`{"message":"The security token included in the request is invalid."}`)},
			dialect.Error{Status: 401, Type: "authentication_error", Code: "UnrecognizedClientException", Message: refused}},
		{"a wrong signature", dialect.ErrorAnswer{Status: 403, Type: "InvalidSignatureException", Body: []byte(`{"message":"The request signature we calculated does not match … The Canonical String …"}`)},
			dialect.Error{Status: 401, Type: "authentication_error", Code: "InvalidSignatureException", Message: refused}},
		{"a wrong clock", dialect.ErrorAnswer{Status: 403, Type: "InvalidSignatureException", Body: []byte(`{"message":"Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z (20261123T061500Z - 5 min.)"}`)},
			dialect.Error{Status: 401, Type: "authentication_error", Code: "clock_skew", Message: "The provider refused the gateway's signature: the gateway's clock is wrong by more than five minutes."}},
		{"a role that may not", dialect.ErrorAnswer{Status: 403, Type: "AccessDeniedException", Body: []byte(`{"Message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform: bedrock:InvokeModel"}`)},
			dialect.Error{Status: 403, Type: "permission_error", Code: "AccessDeniedException", Message: "The provider does not allow the gateway's account to use this model."}},
		{"a model without access", dialect.ErrorAnswer{Status: 403, Type: "AccessDeniedException", Body: []byte(`{"message":"You don't have access to the model with the specified model ID."}`)},
			dialect.Error{Status: 403, Type: "permission_error", Code: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."}},
		{"a load balancer", dialect.ErrorAnswer{Status: 503, Body: []byte(`<html>`)},
			dialect.Error{Status: 503, Type: "api_error", Message: "The provider answered with status 503 and no readable error."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(&c.want, bedrock.DecodeError(&c.in)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTargetsAreOneSegment(t *testing.T) {
	for _, c := range []struct {
		model  string
		stream bool
		want   string
	}{
		{"amazon.nova-micro-v1:0", false, "/model/amazon.nova-micro-v1%3A0/converse"},
		{"arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude", true, "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fus.anthropic.claude/converse-stream"},
		{"a b%é", false, "/model/a%20b%25%C3%A9/converse"},
	} {
		if got := string(bedrock.AppendTarget(nil, c.model, c.stream)); got != c.want {
			t.Errorf("%s: %s, want %s", c.model, got, c.want)
		}
	}
}

func TestRequests(t *testing.T) {
	chat := openaichat.DecodeRequest
	messages := anthropic.DecodeRequest
	const claude, old, nova = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-lite-v1:0"
	const tool = `{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}`
	for _, c := range []struct {
		name, model string
		decode      func([]byte) (*dialect.Request, *dialect.Error)
		max         int64
		in, want    string
	}{
		{"sampling", nova, chat, 0,
			`{"model":"x","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"max_tokens":5,"temperature":1.5,"top_p":0.5,"top_k":9,"stop":["a"],"user":"u-1","stream":true,"service_tier":"priority","reasoning_effort":"high"}`,
			`{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":5,"temperature":1,"topP":0.5,"stopSequences":["a"]},"additionalModelRequestFields":{"inferenceConfig":{"topK":9}},"serviceTier":{"type":"priority"},"requestMetadata":{"user":"u-1"}}`},
		{"nothing but a text", "unknown.model", chat, 0,
			`{"model":"x","messages":[{"role":"user","content":"hi"}],"top_k":9,"reasoning_effort":"high"}`,
			`{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`},
		{"the configuration's output limit", nova, chat, 77, `{"model":"x","messages":[{"role":"user","content":"hi"}]}`,
			`{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":77}}`},
		{"turns that do not alternate, and an assistant who begins", nova, chat, 0,
			`{"model":"x","messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":" "},{"role":"user","content":"c"},{"role":"assistant","content":"d "}]}`,
			`{"messages":[{"role":"user","content":[{"text":"."}]},{"role":"assistant","content":[{"text":"a"}]},{"role":"user","content":[{"text":"b"},{"text":"c"}]},{"role":"assistant","content":[{"text":"d"}]}]}`},
		{"calls, results and errors", claude, messages, 0,
			`{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"?"},{"role":"assistant","content":[{"type":"tool_use","id":"t:1","name":"f","input":{"a":[1]}},{"type":"tool_use","id":"t2","name":"f","input":{}}]},{"role":"user","content":[{"type":"text","text":"and"},{"type":"tool_result","tool_use_id":"t2","content":"bad","is_error":true},{"type":"tool_result","tool_use_id":"t:1"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"t_1_1b8sey1a7pttq","name":"f","input":{"a":[1]}}},{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t2","content":[{"text":"bad"}],"status":"error"}},{"toolResult":{"toolUseId":"t_1_1b8sey1a7pttq","content":[{"text":"(no output)"}]}},{"text":"and"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}},"inferenceConfig":{"maxTokens":9}}`},
		{"one call at most, of a named tool", claude, chat, 0,
			`{"model":"x","messages":[{"role":"user","content":"?"}],"tools":[` + tool + `],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}},"strict":true}}]},"additionalModelRequestFields":{"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}}`},
		{"no tool may be called", old, chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"tools":[` + tool + `],"tool_choice":"none"}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}]}`},
		{"no tool may be called any more", old, chat, 0,
			`{"model":"x","messages":[{"role":"user","content":"?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"g","arguments":""}}]},{"role":"tool","tool_call_id":"c1","content":"one"}]}`,
			`{"system":[{"text":"Do not call any tool."}],"messages":[{"role":"user","content":[{"text":"?"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"g","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"one"}]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"g","inputSchema":{"json":{"type":"object"}}}}]}}`},
		{"an image, a PDF and marks of the cache", claude, messages, 0,
			`{"model":"x","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},{"type":"document","title":"a/b.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QQ=="},"cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}]}`,
			`{"system":[{"text":"s"},{"cachePoint":{"type":"default","ttl":"1h"}}],"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"bytes":"QUJD"}}},{"document":{"format":"pdf","name":"a b pdf 1","source":{"bytes":"QQ=="}}},{"cachePoint":{"type":"default"}},{"text":"."}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}},{"cachePoint":{"type":"default"}}]},"inferenceConfig":{"maxTokens":9}}`},
		{"marks of the cache for a model without one", old, messages, 0,
			`{"model":"x","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"a"}]}`,
			`{"system":[{"text":"s"}],"messages":[{"role":"user","content":[{"text":"a"}]}],"inferenceConfig":{"maxTokens":9}}`},
		{"thinking, signed here, at Anthropic and elsewhere", claude, messages, 0,
			`{"model":"x","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"temperature":1,"messages":[{"role":"user","content":"?"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"gwc1:bedrock:s1"},{"type":"redacted_thinking","data":"gwc1:bedrock:YQ=="},{"type":"thinking","thinking":"b","signature":"s2"},{"type":"thinking","thinking":"c","signature":"gwc1:gemini:s3"},{"type":"redacted_thinking","data":"Yg=="},{"type":"text","text":"d"}]},{"role":"user","content":"!"}]}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"a","signature":"s1"}}},{"reasoningContent":{"redactedContent":"YQ=="}},{"reasoningContent":{"reasoningText":{"text":"b","signature":"s2"}}},{"text":"d"}]},{"role":"user","content":[{"text":"!"}]}],"inferenceConfig":{"maxTokens":9000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}}`},
		{"an effort without an output limit", claude, chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"reasoning_effort":"low","temperature":0.1}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"inferenceConfig":{"maxTokens":6144},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}}`},
		{"an effort of a newer Claude", "anthropic.claude-opus-4-6-v1", chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"reasoning_effort":"max"}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}}}`},
		{"an effort of Nova 2", "us.amazon.nova-2-lite-v1:0", chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"reasoning_effort":"xhigh"}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}}`},
		{"an effort of gpt-oss", "openai.gpt-oss-120b-1:0", chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"reasoning_effort":"minimal"}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"additionalModelRequestFields":{"reasoning_effort":"low"}}`},
		{"a schema, and stop sequences that Claude tells", claude, chat, 0, `{"model":"x","messages":[{"role":"user","content":"?"}],"stop":"x","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","title":"\""}}}}`,
			`{"messages":[{"role":"user","content":[{"text":"?"}]}],"inferenceConfig":{"stopSequences":["x"]},"additionalModelResponseFieldPaths":["/stop_sequence"],"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"title\":\"\\\"\"}","name":"n"}}}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, derr := c.decode([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			got, derr := bedrock.EncodeRequest(nil, r, &dialect.Target{Model: c.model, MaxTokens: c.max})
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
	for _, c := range []struct{ name, model, in, param string }{
		{"an image's URL", claude, `{"model":"x","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://p.example/a.png"}}]}]}`, "messages[0].content[1]"},
		{"an image of another kind", claude, `{"model":"x","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/tiff;base64,QQ=="}}]}]}`, "messages[0].content[0]"},
		{"one call at most", nova, `{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[` + tool + `],"parallel_tool_calls":false}`, "parallel_tool_calls"},
		{"any JSON object", claude, `{"model":"x","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}}`, "response_format"},
		{"a schema for a model without schemas", old, `{"model":"x","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}`, "response_format"},
		{"a call without its result", claude, `{"model":"x","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"b"}]}`, "messages"},
		{"a call without its result at the end", claude, `{"model":"x","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`, "messages"},
		{"arguments that are no object", claude, `{"model":"x","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]},{"role":"tool","tool_call_id":"c","content":"b"}]}`, "messages[1].tool_calls[0].function.arguments"},
		{"a tool whose schema is no object", claude, `{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"string"}}}]}`, "tools"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			if dst, derr := bedrock.EncodeRequest([]byte("before"), r, &dialect.Target{Model: c.model}); derr == nil || derr.Status != 400 || derr.Param != c.param || string(dst) != "before" {
				t.Errorf("error %+v, want 400 at %q", derr, c.param)
			}
		})
	}
}

// TestEventsStayInTheirAllocationBudget: one allocation for a streamed delta, its text.
func TestEventsStayInTheirAllocationBudget(t *testing.T) {
	d := new(bedrock.Decoder)
	emit := func(*dialect.Event) {}
	one := []byte(frames(text))
	d.Reset(true)
	d.Feed([]byte(frames(start)), emit)
	if n := testing.AllocsPerRun(100, func() { d.Feed(one, emit) }); n > 1 {
		t.Errorf("%v allocations for a delta, want 1 at most", n)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(true, []byte(frames(start, text, textEnd, end, meta)), 7)
	f.Add(true, []byte(frames(start, `contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"name":"f","toolUseId":"t1"}}}`, `throttlingException {"message":"m"}`)), 70)
	f.Add(false, []byte(`{"output":{"message":{"content":[{"reasoningContent":{"reasoningText":{"text":"a"}}},{"toolUse":{}}]}},"stopReason":"tool_use"}`), 3)
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, cut int) {
		check(t, stream, raw, cut)
	})
}

// FuzzEvents gives the decoder events whose frames are right, whatever is in them: one a line.
func FuzzEvents(f *testing.F) {
	f.Add(strings.Join([]string{start, text, textEnd, end, meta}, "\n"), 9)
	f.Add(start+"\n"+`contentBlockDelta {"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"YQ=="}}}`+"\n"+`contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"a"}}}`, 80)
	f.Fuzz(func(t *testing.T, events string, cut int) {
		check(t, true, []byte(frames(strings.Split(events, "\n")...)), cut)
	})
}

func check(t *testing.T, stream bool, raw []byte, cut int) {
	whole := decode(stream, string(raw))
	ends, stops := 0, 0
	for i, ev := range whole {
		switch ev.Kind {
		case dialect.End:
			ends++
		case dialect.Stop:
			stops++
		case dialect.ErrorEvent:
			if i != len(whole)-2 || ev.Err.Message == "" || ev.Err.Status < 400 {
				t.Fatalf("error %+v is event %d of %d", ev.Err, i, len(whole))
			}
		}
	}
	if ends != 1 || stops > 1 || whole[len(whole)-1].Kind != dialect.End {
		t.Fatalf("%d ends, %d stops: %v", ends, stops, tale(whole))
	}
	if cut = min(max(cut, 0), len(raw)); !reflect.DeepEqual(whole, decode(stream, string(raw), cut)) {
		t.Fatalf("cut at %d it reads otherwise", cut)
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add(400, "ValidationException:http://x/", []byte(`{"message":"m"}`))
	f.Add(403, "", []byte(`{"__type":"a#AccessDeniedException","Message":"arn:"}`))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		e := bedrock.DecodeError(&dialect.ErrorAnswer{Status: status, Type: kind, Body: bytes.Clone(body)})
		if e.Message == "" || e.Type == "" {
			t.Fatalf("%+v", e)
		}
	})
}
