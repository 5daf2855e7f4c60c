package openaicompletions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

func TestAPromptIsATurnOfTheUser(t *testing.T) {
	turn := []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: "once", At: -1}}}}
	for _, c := range []struct {
		name, body string
		want       dialect.Request
	}{
		{"a string", `{"model":"m","prompt":"once"}`, dialect.Request{Messages: turn}},
		{"a list of one", `{"model":"m","prompt":["once"],"stop":"x","n":1,"stream":true,"stream_options":{"include_usage":true},"seed":-1,"presence_penalty":1,"user":"u"}`,
			dialect.Request{Messages: turn, Stop: []string{"x"}, Choices: new(int64(1)), Stream: true, IncludeUsage: true, Seed: new(int64(-1)), PresencePenalty: new(1.0), User: "u"}},
		{"what says nothing", `{"model":"m","prompt":"once","echo":false,"best_of":1,"suffix":null,"logprobs":null}`, dialect.Request{Messages: turn}},
		{"what cannot be asked for", `{"model":"m","prompt":["a","once"],"echo":true,"best_of":2,"suffix":"s","logprobs":1}`,
			dialect.Request{Messages: turn, Unsupported: []string{"prompt.prompts", "completion_logprobs", "echo", "suffix", "best_of"}}},
		{"tokens", `{"model":"m","prompt":[1,2]}`, dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, At: -1}}}}, Unsupported: []string{"prompt.tokens"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest([]byte(c.body))
			if err != nil {
				t.Fatal(err.Message)
			}
			c.want.Model, c.want.MaxTokens = "m", new(int64(16))
			if diff := cmp.Diff(&c.want, r); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			for _, path := range r.Unsupported {
				if l := (dialect.Losses{}).Of(path); l.Fate != dialect.Rejected {
					t.Errorf("%s is %s", path, l.Fate)
				}
			}
		})
	}
	for body, param := range map[string]string{`{"prompt":"x"}`: "model", `{"model":"m"}`: "prompt", `{"model":"m","prompt":1}`: "prompt", `{"model":"m","prompt":[]}`: "prompt", `{"model":"m","prompt":"x","n":0}`: "n"} {
		if _, err := DecodeRequest([]byte(body)); err == nil || err.Param != param || err.Status != 400 {
			t.Errorf("%s: %+v", body, err)
		}
	}
}

func TestEventsBecomeTextCompletions(t *testing.T) {
	evs := []dialect.Event{{Kind: dialect.Start, ID: "x"}, {Kind: dialect.ThinkingDelta, Text: "h"}, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 3, Output: 2, Known: true}},
		{Kind: dialect.Stop, StopReason: dialect.StopLength}, {Kind: dialect.End}}
	choices := []dialect.Event{{Kind: dialect.Start, ID: "x"}, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Choice: 1, Text: "b"}, {Kind: dialect.TextDelta, Text: "c"},
		{Kind: dialect.Stop, Choice: 1, StopReason: dialect.StopLength}, {Kind: dialect.Stop, StopReason: dialect.StopEnd}, {Kind: dialect.End}}
	const head = `{"id":"cmpl-1","object":"text_completion","created":7,"model":"m","choices":[`
	const usage = `"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`
	for _, c := range []struct {
		name string
		o    dialect.Opening
		evs  []dialect.Event
		want string
	}{
		{"a body", dialect.Opening{}, evs, head + `{"text":"a","index":0,"logprobs":null,"finish_reason":"length"}],` + usage},
		{"a stream", dialect.Opening{Stream: true}, evs, "data: " + head + `{"text":"a","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\ndata: " + head + `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n"},
		{"a stream with usage", dialect.Opening{Stream: true, IncludeUsage: true}, evs, "data: " + head + `{"text":"a","index":0,"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\ndata: " + head +
			`{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"usage":null}` + "\n\ndata: " + head + `],` + usage + "\n\ndata: [DONE]\n\n"},
		{"a stream that breaks off", dialect.Opening{Stream: true}, append(evs[:3:3], dialect.Event{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 502, Type: "api_error", Message: "gone"}}, evs[5]),
			"data: " + head + `{"text":"a","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\n" + `data: {"error":{"message":"gone","type":"api_error","param":null,"code":null}}` + "\n\n"},
		{"several choices in a body", dialect.Opening{}, choices, head + `{"text":"ac","index":0,"logprobs":null,"finish_reason":"stop"},{"text":"b","index":1,"logprobs":null,"finish_reason":"length"}]}`},
		{"several choices in a stream", dialect.Opening{Stream: true}, choices, "data: " + head + `{"text":"a","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\ndata: " + head + `{"text":"b","index":1,"logprobs":null,"finish_reason":null}]}` + "\n\ndata: " + head +
			`{"text":"c","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\ndata: " + head + `{"text":"","index":1,"logprobs":null,"finish_reason":"length"}]}` + "\n\ndata: " + head + `{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"},
		{"a choice beyond all sense", dialect.Opening{}, []dialect.Event{{Kind: dialect.Start}, {Kind: dialect.TextDelta, Choice: 1 << 30, Text: "x"}, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.Stop, StopReason: dialect.StopEnd}, {Kind: dialect.End}},
			head + `{"text":"a","index":0,"logprobs":null,"finish_reason":"stop"}]}`},
		{"no stop reason", dialect.Opening{}, append(evs[:3:3], evs[5]), `{"error":{"message":"The provider's answer ended without a stop reason.","type":"api_error","param":null,"code":null}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.ID, c.o.Created, c.o.Model = "cmpl-1", 7, "m"
			var e Encoder
			e.Reset(dialect.Opening{})
			for i := range choices { // of another answer, of which nothing stays
				e.Event(nil, &choices[i])
			}
			e.Reset(c.o)
			var out []byte
			for i := range c.evs {
				out = e.Event(out, &c.evs[i])
			}
			if !c.o.Stream {
				out = e.Body(nil)
			}
			if diff := cmp.Diff(c.want, string(out)); diff != "" || !e.Done() {
				t.Errorf("done %v, mismatch (-want +got):\n%s", e.Done(), diff)
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","prompt":["a"],"stop":["x"],"logit_bias":{"1":2}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		if err != nil {
			if err.Status != 400 || err.Message == "" {
				t.Fatalf("%+v", err)
			}
			return
		}
		if jsonscan.Check(body) != nil || len(r.Messages) != 1 || strings.Contains(r.Model, "\x00") && !strings.Contains(string(body), `\u0000`) {
			t.Fatalf("%s became %+v", body, r)
		}
	})
}
