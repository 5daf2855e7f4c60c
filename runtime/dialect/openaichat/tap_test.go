package openaichat

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// seen is what a tap has learnt.
type seen struct {
	Usage dialect.Usage
	Stop  dialect.StopReason
	Model string
	Done  bool
	Err   *dialect.Error
	Out   string
}

// through passes raw, cut at the given places, through a tap's filter.
func through(stream bool, raw string, cuts ...int) seen {
	var t Tap
	t.Reset(stream)
	var out []byte
	at := 0
	for _, end := range append(cuts, len(raw)) {
		piece := []byte(raw[at:end])
		out = t.Filter(out, piece)
		clear(piece)
		at = end
	}
	out = t.FilterEnd(out)
	return seen{t.Usage, t.Stop, t.Model, t.Done, t.Err, string(out)}
}

func chunk(choices, more string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt","choices":` + choices + more + "}\n\n"
}

func TestTapReadsStreams(t *testing.T) {
	const (
		hello    = `[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]`
		finish   = `[{"index":0,"delta":{},"finish_reason":"stop"}]`
		counts   = `,"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}`
		doneData = "data: [DONE]\n\n"
	)
	usage := dialect.Usage{Input: 10, Output: 5, CacheRead: 4, Reasoning: 2, Known: true}
	for _, c := range []struct {
		name, raw string
		hide      string // what the client does not see
		want      seen
	}{
		{"usage in a chunk of its own is hidden", chunk(hello, `,"usage":null`) + chunk(finish, `,"usage":null`) + chunk(`[]`, counts) + doneData, chunk(`[]`, counts),
			seen{Usage: usage, Stop: "stop", Model: "gpt", Done: true}},
		{"usage in the last chunk passes", chunk(hello, "") + chunk(finish, counts) + doneData, "", seen{Usage: usage, Stop: "stop", Model: "gpt", Done: true}},
		{"usage in every chunk: the last one counts", chunk(hello, `,"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}`) + chunk(finish, counts) + doneData, "", seen{Usage: usage, Stop: "stop", Model: "gpt", Done: true}},
		{"white space in the JSON", chunk(hello, ``) + chunk(`[ ]`, ` , "usage" : { "prompt_tokens" : 10 , "completion_tokens" : 5 } `) + doneData, chunk(`[ ]`, ` , "usage" : { "prompt_tokens" : 10 , "completion_tokens" : 5 } `),
			seen{Usage: dialect.Usage{Input: 10, Output: 5, Known: true}, Model: "gpt", Done: true}},
		{"a chunk without choices that is not usage passes", `data: {"model":"","choices":[],"prompt_filter_results":[]}` + "\n\n" + chunk(finish, "") + doneData, "", seen{Stop: "stop", Model: "gpt", Done: true}},
		{"text that looks like usage is text", chunk(`[{"index":0,"delta":{"content":"\"usage\":{\"prompt_tokens\":99}, \"finish_reason\":\"length\""},"finish_reason":null}]`, "") + chunk(`[{"index":0,"delta":{"content":"usage"}}]`, "") + chunk(finish, "") + doneData, "",
			seen{Stop: "stop", Model: "gpt", Done: true}},
		{"an error object", chunk(hello, "") + `data: {"error":{"message":"overloaded","type":"server_error","code":null}}` + "\n\n", "", seen{Model: "gpt", Err: &dialect.Error{Status: 502, Message: "overloaded", Type: "server_error"}}},
		{"an error with null is none", chunk(hello, `,"error":null`) + chunk(finish, "") + doneData, "", seen{Stop: "stop", Model: "gpt", Done: true}},
		{"an event named error", "event: error\ndata: {\"error\":{\"message\":\"x\"}}\n\n", "", seen{Err: &dialect.Error{Status: 502, Type: "api_error", Message: "x"}}},
		{"comments between events", ": ping\n\n" + chunk(hello, "") + ": ping\n\n" + chunk(`[]`, counts) + ": ping\n\n" + doneData, chunk(`[]`, counts), seen{Usage: usage, Model: "gpt", Done: true}},
		{"CRLF", strings.ReplaceAll(chunk(hello, "")+chunk(`[]`, counts)+doneData, "\n", "\r\n"), strings.ReplaceAll(chunk(`[]`, counts), "\n", "\r\n"), seen{Usage: usage, Model: "gpt", Done: true}},
		{"CR", strings.ReplaceAll(chunk(hello, "")+chunk(`[]`, counts)+doneData, "\n", "\r"), strings.ReplaceAll(chunk(`[]`, counts), "\n", "\r"), seen{Usage: usage, Model: "gpt", Done: true}},
		{"no space after the colon", strings.ReplaceAll(chunk(hello, "")+chunk(`[]`, counts)+doneData, "data: ", "data:"), strings.ReplaceAll(chunk(`[]`, counts), "data: ", "data:"), seen{Usage: usage, Model: "gpt", Done: true}},
		{"no blank line at the end", chunk(hello, "") + "data: [DONE]", "", seen{Model: "gpt", Done: true}},
		{"usage without a blank line at the end", chunk(hello, "") + strings.TrimSuffix(chunk(`[]`, counts), "\n\n"), strings.TrimSuffix(chunk(`[]`, counts), "\n\n"), seen{Usage: usage, Model: "gpt"}},
		{"cut in the middle", chunk(hello, "") + `data: {"choices":[],"usage":{"prompt_tok`, "", seen{Model: "gpt"}},
		{"malformed events pass", "data: {\"usage\":\n\nfoo\n\n\x00\xff\n\n" + chunk(finish, "") + doneData, "", seen{Stop: "stop", Model: "gpt", Done: true}},
		{"repeated names are read leniently", `data: {"model":"gpt","model":"x","choices":[{"finish_reason":"stop","finish_reason":"length"}]}` + "\n\n", "", seen{Stop: "length", Model: "gpt"}},
		{"Groq's numbers", chunk(hello, "") + chunk(finish, `,"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`) + doneData, "", seen{Stop: "stop", Model: "gpt", Done: true}},
		{"Moonshot's numbers", chunk(`[{"index":0,"delta":{},"finish_reason":"length","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}]`, "") + doneData, "", seen{Usage: dialect.Usage{Input: 3, Output: 4, Known: true}, Stop: "length", Model: "gpt", Done: true}},
		{"DeepSeek's numbers", chunk(finish, `,"usage":{"prompt_tokens":30,"completion_tokens":4,"total_tokens":34,"prompt_cache_hit_tokens":20,"prompt_cache_miss_tokens":10}`) + doneData, "", seen{Usage: dialect.Usage{Input: 30, Output: 4, CacheRead: 20, Known: true}, Stop: "stop", Model: "gpt", Done: true}},
		{"xAI's numbers", chunk(finish, `,"usage":{"prompt_tokens":30,"completion_tokens":4,"total_tokens":134,"completion_tokens_details":{"reasoning_tokens":100}}`) + doneData, "", seen{Usage: dialect.Usage{Input: 30, Output: 104, Reasoning: 100, Known: true}, Stop: "stop", Model: "gpt", Done: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Out = strings.Replace(c.raw, c.hide, "", 1)
			if c.name == "Groq's numbers" {
				c.want.Usage = dialect.Usage{Input: 3, Output: 4, Known: true}
			}
			for i := 0; i <= len(c.raw); i++ {
				if diff := cmp.Diff(c.want, through(true, c.raw, i)); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, diff)
				}
			}
			each := make([]int, len(c.raw))
			for i := range each {
				each[i] = i
			}
			if diff := cmp.Diff(c.want, through(true, c.raw, each...)); diff != "" {
				t.Fatalf("cut everywhere: mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTapReadsBodies(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`
	counted := dialect.Usage{Input: 10, Output: 5, Known: true}
	decoy := `"choices":[{"index":0,"message":{"content":"\\\"usage\":{\"prompt_tokens\":9}","usage":{"prompt_tokens":9},"model":"decoy","finish_reason":"length","x":[{"finish_reason":"length"}]},"finish_reason":"tool_calls"},{"finish_reason":"length"}]`
	for _, c := range []struct {
		name, raw string
		want      seen
	}{
		{"usage last", `{"id":"x","model":"gpt",` + decoy + `,` + usage + `}`, seen{Usage: counted, Stop: "tool_calls", Model: "gpt", Done: true}},
		{"usage first", `{` + usage + `,` + decoy + `,"model":"gpt"}`, seen{Usage: counted, Stop: "tool_calls", Model: "gpt", Done: true}},
		{"white space", " {\n \"usage\" : {\"prompt_tokens\" : 10 , \"completion_tokens\" : 5 }\n, \"model\" : \"gpt\" , \"choices\" : [ { \"finish_reason\" : \"stop\" } ] } \n", seen{Usage: counted, Stop: "stop", Model: "gpt", Done: true}},
		{"the reason is the choice's last member", `{"choices":[{"message":{},"finish_reason":"stop"}]}`, seen{Stop: "stop", Done: true}},
		{"null usage", `{"model":"gpt","usage":null,"choices":[]}`, seen{Model: "gpt", Done: true}},
		{"an error", `{"error":{"message":"bad","type":"t","code":"c"}}`, seen{Done: true, Err: &dialect.Error{Status: 502, Message: "bad", Type: "t", Code: "c"}}},
		{"an error that is a string", `{"error":"bad"}`, seen{Done: true, Err: &dialect.Error{Status: 502, Type: "api_error", Message: "bad"}}},
		{"cut off", `{"model":"gpt",` + usage, seen{Model: "gpt"}},
		{"cut off behind the usage", `{"model":"gpt",` + usage + `,"x`, seen{Usage: counted, Model: "gpt"}},
		{"not JSON", `<html>"usage":{"prompt_tokens":9}</html>`, seen{}},
		{"a list", `[{"usage":{"prompt_tokens":9},"model":"x"}]`, seen{Done: true}},
		{"brackets that do not fit", `}}]{"model":"x"}`, seen{}},
		{"a value that is too long is left out", `{"error":{"message":"` + strings.Repeat("x", (64<<10)) + `"},"model":"gpt"}`, seen{Model: "gpt", Done: true}},
		{"choices that are no list", `{"choices":{"a":{"finish_reason":"stop"}},"model":"gpt"}`, seen{Model: "gpt", Done: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Out = c.raw
			step := 1 + len(c.raw)/2000
			for i := 0; i <= len(c.raw); i += step {
				if diff := cmp.Diff(c.want, through(false, c.raw, i)); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, diff)
				}
			}
			each := make([]int, len(c.raw))
			for i := range each {
				each[i] = i
			}
			if diff := cmp.Diff(c.want, through(false, c.raw, each...)); diff != "" {
				t.Fatalf("cut everywhere: mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTapHoldsBackNoMoreThanAnEvent(t *testing.T) {
	var tap Tap
	tap.Reset(true)
	out := tap.Filter(nil, []byte(chunk(`[]`, "")))
	if string(out) != chunk(`[]`, "") {
		t.Errorf("a whole event is held back: %q", out)
	}
	if out := tap.Filter(nil, []byte(": ping\n\n")); string(out) != ": ping\n\n" {
		t.Errorf("a comment is held back: %q", out)
	}
	// An event without an end passes once it is too long, and nothing of it is lost or kept.
	var sent, got bytes.Buffer
	piece := []byte("data: " + strings.Repeat("x", 64<<10))
	for range 64 {
		sent.Write(piece)
		got.Write(tap.Filter(nil, piece))
		if len(tap.held) > tapEvent+2*len(piece) {
			t.Fatalf("%d bytes are held back", len(tap.held))
		}
		piece = piece[6:]
		piece = append([]byte("yyyyyy"), piece...)
	}
	if tail := "\n\n" + chunk(`[{"finish_reason":"stop"}]`, ""); true {
		sent.WriteString(tail)
		got.Write(tap.Filter(nil, []byte(tail)))
	}
	got.Write(tap.FilterEnd(nil))
	if !bytes.Equal(sent.Bytes(), got.Bytes()) {
		t.Error("bytes were lost or changed")
	}
	if tap.Stop != dialect.StopEnd {
		t.Error("the event behind the long one was not read")
	}
}

func cutsOf(seed uint64, n int) (cuts []int) {
	r := rand.New(rand.NewPCG(seed, 3))
	for at := r.IntN(8); at < n; at += 1 + r.IntN(16) {
		cuts = append(cuts, at)
	}
	return cuts
}

func FuzzTapIsTheSameForEveryCutting(f *testing.F) {
	f.Add(true, []byte(chunk(`[{"delta":{"content":"x"},"finish_reason":"stop"}]`, `,"usage":null`)+chunk(`[]`, `,"usage":{"prompt_tokens":1,"completion_tokens":2}`)+"data: [DONE]\r\n\r\n"), uint64(1))
	f.Add(true, []byte("\ufeff: c\r\rdata:{\"error\":\"x\"}\n\r\n"), uint64(2))
	f.Add(false, []byte(`{"model":"m","choices":[{"message":{"content":"\\\""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`), uint64(3))
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, seed uint64) {
		want := through(stream, string(raw))
		if diff := cmp.Diff(want, through(stream, string(raw), cutsOf(seed, len(raw))...)); diff != "" {
			t.Fatalf("mismatch (-want +got):\n%s", diff)
		}
		if !stream || !bytes.Contains(raw, []byte(`usage`)) && !bytes.Contains(raw, []byte(`\u`)) {
			if want.Out != string(raw) {
				t.Fatalf("%q came out as %q", raw, want.Out)
			}
		}
	})
}

func FuzzDecodeRequestNeverPanics(f *testing.F) {
	for _, s := range []string{`{"model":"m","messages":[{"role":"user","content":"x"}]}`, `{"messages":[{"content":[{}]}]}`, `{"tools":[{}],"tool_choice":{"type":"allowed_tools","allowed_tools":{}}}`,
		`{"stop":[""],"response_format":{"type":"json_schema","json_schema":{}}}`, `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}],"thinking_blocks":[{}]}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		if (r == nil) == (err == nil) {
			t.Fatalf("request %v, error %v", r, err)
		}
		if err != nil && (err.Status != 400 || err.Message == "") {
			t.Fatalf("%+v", err)
		}
	})
}

// TestReuseCarriesNothingOver uses one encoder and one tap for answers of different kinds.
func TestReuseCarriesNothingOver(t *testing.T) {
	e := NewEncoder(true, true, "a", 1, "m")
	for _, ev := range []dialect.Event{start, think1, call, piece1, numbers, broken, end} {
		e.Event(nil, &ev)
	}
	e.Reset(dialect.Opening{ID: "id", Created: 7, Model: "fast"})
	for _, ev := range []dialect.Event{start, think2, signed, text, stop, end} {
		e.Event(nil, &ev)
	}
	want := NewEncoder(false, false, "id", 7, "fast")
	for _, ev := range []dialect.Event{start, think2, signed, text, stop, end} {
		want.Event(nil, &ev)
	}
	if diff := cmp.Diff(string(want.Body(nil)), string(e.Body(nil))); diff != "" {
		t.Errorf("encoder: mismatch (-want +got):\n%s", diff)
	}
	var tap Tap
	tap.Reset(true)
	tap.Filter(nil, []byte(chunk(`[{"finish_reason":"stop"}]`, `,"usage":{"prompt_tokens":1}`)+`data: {"error":{"message":"x"}}`))
	tap.FilterEnd(nil)
	tap.Reset(false)
	raw := `{"model":"n","choices":[]}`
	out := tap.FilterEnd(tap.Filter(nil, []byte(raw)))
	got := seen{tap.Usage, tap.Stop, tap.Model, tap.Done, tap.Err, string(out)}
	if diff := cmp.Diff(seen{Model: "n", Done: true, Out: raw}, got); diff != "" {
		t.Errorf("tap: mismatch (-want +got):\n%s", diff)
	}
}
