package openaichat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// beside are the events of answers with more than text.
var beside = map[string][]dialect.Event{
	"two choices with calls": {
		{Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Choice: 1, Text: "b"},
		{Kind: dialect.ToolStart, Choice: 1, ID: "c", Name: "f"}, {Kind: dialect.ToolDelta, Choice: 1, Text: "{}"}, {Kind: dialect.ToolEnd, Choice: 1},
		{Kind: dialect.Stop, StopReason: dialect.StopLength}, {Kind: dialect.Stop, Choice: 1, StopReason: dialect.StopToolCalls},
	},
	"log probabilities": {
		{Kind: dialect.TextDelta, Text: "hi"},
		{Kind: dialect.LogprobsEvent, Logprobs: []dialect.Logprob{{Token: "hi", Logprob: -0.25, Bytes: []byte("hi"), Top: []dialect.Logprob{{Token: "ho", Logprob: -1.5}}}}},
		{Kind: dialect.Stop, StopReason: dialect.StopEnd},
	},
	"a sound": {
		{Kind: dialect.AudioDelta, ID: "audio_1", Data: "UklG", Text: "hello"},
		{Kind: dialect.Stop, StopReason: dialect.StopEnd},
	},
	"images": {
		{Kind: dialect.TextDelta, Text: "look"}, {Kind: dialect.ImageEvent, MediaType: "image/png", Data: "AAAA"}, {Kind: dialect.ImageEvent, URL: "https://x.test/a.png"},
		{Kind: dialect.Stop, StopReason: dialect.StopEnd},
	},
	"sources": {
		{Kind: dialect.TextDelta, Text: "so"},
		{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://x.test/", Title: "X", Start: 1, End: 2, Document: -1}},
		{Kind: dialect.Stop, StopReason: dialect.StopEnd},
	},
	"a call that Google signed": {
		{Kind: dialect.ToolStart, ID: "c", Name: "f", Signature: "sig", SignedBy: dialect.SignerGemini}, {Kind: dialect.ToolDelta, Text: "{}"}, {Kind: dialect.ToolEnd},
		{Kind: dialect.Stop, StopReason: dialect.StopToolCalls},
	},
}

func TestWhatStandsBesideTheTextGoesRound(t *testing.T) {
	var e Encoder
	var d Decoder
	for name, events := range beside {
		for _, stream := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/stream=%v", name, stream), func(t *testing.T) {
				want := append(append([]dialect.Event{{Kind: dialect.Start, ID: "i", Model: "m"}}, events...), dialect.Event{Kind: dialect.End})
				e.Reset(dialect.Opening{Stream: stream})
				var out []byte
				for i := range want {
					out = e.Event(out, &want[i])
				}
				if !stream {
					out = e.Body(nil)
				}
				if e.Err() != nil || !e.Done() {
					t.Fatalf("error %v, done %v", e.Err(), e.Done())
				}
				d.Reset(stream)
				var got []dialect.Event
				emit := func(ev *dialect.Event) { got = append(got, *ev) }
				for i := range out {
					d.Feed(out[i:i+1], emit)
				}
				d.Finish(emit)
				// Which choice's events come first is a matter of form.
				if diff := cmp.Diff(byChoice(want), byChoice(got)); diff != "" {
					t.Errorf("mismatch (-want +got):\n%s\n%s", diff, out)
				}
			})
		}
	}
}

func byChoice(events []dialect.Event) map[int][]dialect.Event {
	m := map[int][]dialect.Event{}
	for _, ev := range events {
		m[ev.Choice] = append(m[ev.Choice], ev)
	}
	return m
}

func TestASignatureGoesBackToGoogleAlone(t *testing.T) {
	body := `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"sig"}}}]},{"role":"tool","tool_call_id":"c","content":"ok"}]}`
	r, derr := DecodeRequest([]byte(body))
	if derr != nil {
		t.Fatal(derr)
	}
	for model, want := range map[string]bool{"gemini-3-pro": true, "google/gemini-2.5-flash": true, "gpt-5": false} {
		out, derr := EncodeRequest(nil, r, &dialect.Target{Model: model})
		if derr != nil {
			t.Fatal(derr)
		}
		if got := strings.Contains(string(out), `"thought_signature":"sig"`); got != want {
			t.Errorf("%s: sent %v, want %v: %s", model, got, want, out)
		}
	}
}
