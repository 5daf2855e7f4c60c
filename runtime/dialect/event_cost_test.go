package dialect_test

import (
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
)

// told is how a provider begins a stream of text, and goes on: what a steady state is made of.
type told struct {
	name    string
	decoder func() dialect.Decoder
	tap     func() dialect.Tap // nil: no caller speaks this dialect, so nothing passes
	begin   string
	piece   string
}

func tolds() []told {
	frame := func(name, v string) string {
		return string(eventstream.Append(nil, &eventstream.Frame{Type: []byte("event"), Name: []byte(name), Payload: []byte(v)}))
	}
	event := func(name, v string) string { return "event: " + name + "\ndata: " + v + "\n\n" }
	return []told{
		{"openai-chat", func() dialect.Decoder { return new(openaichat.Decoder) }, func() dialect.Tap { return new(openaichat.Tap) },
			`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n", benchChunk},
		{"openai-responses", func() dialect.Decoder { return new(openairesponses.Decoder) }, func() dialect.Tap { return new(openairesponses.Tap) },
			event("response.created", `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}}`) +
				event("response.output_item.added", `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","role":"assistant","status":"in_progress","content":[]}}`) +
				event("response.content_part.added", `{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`),
			event("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" a few more words","logprobs":[],"obfuscation":"x"}`)},
		{"anthropic", func() dialect.Decoder { return new(anthropic.Decoder) }, func() dialect.Tap { return new(anthropic.Tap) },
			event("message_start", `{"type":"message_start","message":{"model":"m","id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":4,"output_tokens":1}}}`) +
				event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
			event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few more words"}}`)},
		{"gemini", func() dialect.Decoder { return new(gemini.Decoder) }, func() dialect.Tap { return new(gemini.Tap) }, "",
			`data: {"candidates":[{"content":{"parts":[{"text":" a few more words"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5,"totalTokenCount":9},"modelVersion":"m","responseId":"r"}` + "\r\n\r\n"},
		{"cohere", func() dialect.Decoder { return new(cohere.Decoder) }, nil,
			event("message-start", `{"id":"c","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`) +
				event("content-start", `{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}`),
			event("content-delta", `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" a few more words"}}}}`)},
		{"ollama", func() dialect.Decoder { return new(ollama.Decoder) }, nil, "",
			`{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":" a few more words"},"done":false}` + "\n"},
		{"bedrock", func() dialect.Decoder { return new(bedrock.Decoder) }, nil, frame("messageStart", `{"role":"assistant"}`),
			frame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" a few more words"},"p":"abcdefgh"}`)},
	}
}

var callersEncoders = []struct {
	name string
	make func() dialect.Encoder
}{
	{"openai-chat", func() dialect.Encoder { return new(openaichat.Encoder) }},
	{"openai-responses", func() dialect.Encoder { return new(openairesponses.Encoder) }},
	{"openai-completions", func() dialect.Encoder { return new(openaicompletions.Encoder) }},
	{"anthropic", func() dialect.Encoder { return new(anthropic.Encoder) }},
	{"gemini", func() dialect.Encoder { return new(gemini.Encoder) }},
}

// steady begins a stream and returns what translates one more piece of it.
func steady(t testing.TB, from told, to func() dialect.Encoder) func() {
	d, e, out := from.decoder(), to(), make([]byte, 0, 64<<10)
	e.Reset(dialect.Opening{Stream: true, IncludeUsage: true, ID: "x", Created: 1700000000, Model: "smart"})
	d.Reset(true)
	emit := func(ev *dialect.Event) { out = e.Event(out, ev) }
	d.Feed([]byte(from.begin+from.piece), emit)
	if !strings.Contains(string(out), "words") && !strings.Contains(string(out), "hello") {
		t.Fatalf("a piece comes out as %q", out)
	}
	piece := []byte(from.piece)
	return func() {
		out = out[:0]
		d.Feed(piece, emit)
		if len(out) == 0 || e.Err() != nil {
			t.Fatal("a piece comes out as nothing: ", e.Err())
		}
	}
}

// TestAStreamedEventStaysInItsAllocationBudget: at most two allocations for a piece that is translated, by every pair of
// provider and caller, and none for one that passes. What grows with the whole answer (a Responses stream repeats it at its
// end) is less than one in a hundred pieces.
func TestAStreamedEventStaysInItsAllocationBudget(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	for _, from := range tolds() {
		for _, to := range callersEncoders {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				if n := testing.AllocsPerRun(1000, steady(t, from, to.make)); n > 2 {
					t.Errorf("%v allocations for a streamed event, want at most 2", n)
				}
			})
		}
		if from.tap == nil {
			continue
		}
		t.Run(from.name+" passes", func(t *testing.T) {
			tap, piece := from.tap(), []byte(from.piece)
			tap.Reset(true)
			tap.Feed([]byte(from.begin + from.piece))
			if n := testing.AllocsPerRun(1000, func() { tap.Feed(piece) }); n != 0 {
				t.Errorf("%v allocations for a streamed event, want none", n)
			}
		})
	}
}

// BenchmarkStreamedEvent is the CPU of one streamed event without its I/O; its budget is 2 µs.
func BenchmarkStreamedEvent(b *testing.B) {
	for _, from := range tolds() {
		for _, to := range callersEncoders {
			b.Run(from.name+"/"+to.name, func(b *testing.B) {
				one := steady(b, from, to.make)
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if n%10_000 == 9_999 { // what some callers are told again at the end must not grow without end
						one = steady(b, from, to.make)
					}
					one()
				}
			})
		}
		if from.tap != nil {
			b.Run(from.name+"/passes", func(b *testing.B) {
				tap, piece := from.tap(), []byte(from.piece)
				tap.Reset(true)
				tap.Feed([]byte(from.begin + from.piece))
				b.ReportAllocs()
				for b.Loop() {
					tap.Feed(piece)
				}
			})
		}
	}
}
