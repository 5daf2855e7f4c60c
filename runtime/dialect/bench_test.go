package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// benchRequest is a chat request of about 2 KB with turns, a tool and settings.
func benchRequest(stream bool) []byte {
	b := []byte(`{"model":"smart","messages":[{"role":"system","content":"You are a careful assistant. Answer briefly."}`)
	for i := 0; len(b) < 1500; i++ {
		b = fmt.Appendf(b, `,{"role":%q,"content":"Turn %d. The quick brown fox jumps over the lazy dog, and then it says \"hello\" to everybody in the room.\nA second line follows with some more words in it, as people write them when they ask for help with a task."}`, [2]string{"user", "assistant"}[i%2], i)
	}
	return fmt.Appendf(b, `,{"role":"user","content":"And now?"}],"temperature":0.7,"max_tokens":512,"stream":%v,"stream_options":{"include_usage":true},"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather at a place","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Name of the city"},"unit":{"type":"string","enum":["c","f"]}},"required":["city"],"additionalProperties":false}}}],"user":"u-1"}`, stream)
}

const benchBody = `{"model":"claude-sonnet-4-5-20250929","id":"msg_01SZKz6DEhWnfZcxPQDQz49Y","type":"message","role":"assistant","content":[{"type":"text","text":"The weather in Paris is mild today: about eighteen degrees, with a light wind from the west and hardly a cloud in the sky.\n\nIf you go out in the evening, take a coat along; it will cool down to nine degrees after sunset, as it does at this time of the year."},{"type":"tool_use","id":"toolu_01D7FLrfh4GYq7yT1ULFeyMV","name":"get_weather","input":{"city":"Paris","unit":"c"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":412,"cache_creation_input_tokens":0,"cache_read_input_tokens":1024,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":92,"service_tier":"standard"}}`

func benchStream(deltas int) string {
	var b strings.Builder
	event := func(name, data string) { fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", name, data) }
	event("message_start", `{"type":"message_start","message":{"model":"claude-sonnet-4-5-20250929","id":"msg_01SZKz6DEhWnfZcxPQDQz49Y","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":412,"cache_creation_input_tokens":0,"cache_read_input_tokens":1024,"output_tokens":1}}}`)
	event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	for range deltas {
		event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few more words"}}`)
	}
	event("content_block_stop", `{"type":"content_block_stop","index":0}`)
	event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":92}}`)
	event("message_stop", `{"type":"message_stop"}`)
	return b.String()
}

// BenchmarkTranslatedChat is the whole work of translation for a call that is not streamed: request and answer. Its
// budget is 25 µs of CPU.
func BenchmarkTranslatedChat(b *testing.B) {
	request, body := benchRequest(false), []byte(benchBody)
	var up, down []byte
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := openaichat.DecodeRequest(request)
		if err != nil {
			b.Fatal(err)
		}
		if up, err = anthropic.EncodeRequest(up[:0], r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096}); err != nil {
			b.Fatal(err)
		}
		e := openaichat.NewEncoder(false, false, "chatcmpl-1", 1700000000, "smart")
		emit := func(ev *dialect.Event) { down = e.Event(down, ev) }
		d := anthropic.NewDecoder(false)
		d.Feed(body, emit)
		d.Finish(emit)
		down = e.Body(down[:0])
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	request := benchRequest(true)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := openaichat.DecodeRequest(request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRequest(b *testing.B) {
	r, err := openaichat.DecodeRequest(benchRequest(true))
	if err != nil {
		b.Fatal(err)
	}
	var up []byte
	b.ReportAllocs()
	for b.Loop() {
		if up, err = anthropic.EncodeRequest(up[:0], r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTranslatedEvent is one streamed delta, from the provider's bytes to the client's.
func BenchmarkTranslatedEvent(b *testing.B) {
	const deltas = 100
	stream := []byte(benchStream(deltas))
	var out []byte
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%deltas != 1 {
			continue
		}
		out = out[:0]
		e := openaichat.NewEncoder(true, true, "chatcmpl-1", 1700000000, "smart")
		emit := func(ev *dialect.Event) { out = e.Event(out, ev) }
		d := anthropic.NewDecoder(true)
		d.Feed(stream, emit)
		d.Finish(emit)
	}
}

// TestTranslationStaysInItsAllocationBudget: two allocations for a streamed event; the text is one of them.
func TestTranslationStaysInItsAllocationBudget(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	out := make([]byte, 0, 1<<20)
	cost := func(deltas int) float64 {
		stream := []byte(benchStream(deltas))
		return testing.AllocsPerRun(20, func() {
			out = out[:0]
			e := openaichat.NewEncoder(true, true, "chatcmpl-1", 1700000000, "smart")
			emit := func(ev *dialect.Event) { out = e.Event(out, ev) }
			d := anthropic.NewDecoder(true)
			d.Feed(stream, emit)
			d.Finish(emit)
		})
	}
	if per := (cost(1100) - cost(100)) / 1000; per > 2 {
		t.Errorf("%.2f allocations per streamed event, want at most 2", per)
	}
}

const benchChunk = `data: {"id":"chatcmpl-9xYz","object":"chat.completion.chunk","created":1777319932,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}],"usage":null,"obfuscation":"Qm9wZ1"}` + "\n\n"

// TestTapAllocatesNothingPerEvent is the budget of pass-through streams and bodies.
func TestTapAllocatesNothingPerEvent(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	var tap openaichat.Tap
	chunk, out := []byte(benchChunk), make([]byte, 0, 1<<16)
	tap.Reset(true)
	tap.Feed(chunk) // learns the model
	if n := testing.AllocsPerRun(100, func() { tap.Feed(chunk) }); n != 0 {
		t.Errorf("Feed: %v allocations per event, want 0", n)
	}
	out = tap.Filter(out[:0], chunk[:100])
	out = tap.Filter(out[:0], chunk[100:])
	if n := testing.AllocsPerRun(100, func() {
		out = tap.Filter(out[:0], chunk[:100])
		out = tap.Filter(out, chunk[100:])
	}); n != 0 {
		t.Errorf("Filter: %v allocations per event, want 0", n)
	}
	body := []byte(`{"id":"x","model":"m","choices":[{"index":0,"message":{"content":"` + strings.Repeat("some words and \\n ", 500) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`)
	tap.Reset(false)
	tap.Feed(body)
	if n := testing.AllocsPerRun(100, func() {
		tap.Reset(false)
		tap.Feed(body)
	}); n > 1 {
		t.Errorf("body: %v allocations, want at most 1 (the model's name)", n)
	}
}

func BenchmarkTapFeed(b *testing.B) {
	var tap openaichat.Tap
	chunk := []byte(benchChunk)
	tap.Reset(true)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		tap.Feed(chunk)
	}
}

func BenchmarkTapFilter(b *testing.B) {
	var tap openaichat.Tap
	chunk := []byte(benchChunk)
	var out []byte
	tap.Reset(true)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		out = tap.Filter(out[:0], chunk)
	}
}

func BenchmarkTapBody(b *testing.B) {
	var tap openaichat.Tap
	body := []byte(`{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("some words and \\n ", 100) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		tap.Reset(false)
		tap.Feed(body)
	}
}
