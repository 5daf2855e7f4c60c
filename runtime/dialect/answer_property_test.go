package dialect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
)

// answered are the dialects in which callers are answered, each with what its answers have no place for. Legacy
// completions are read back by the reader of chat, whose choices have the same form but for the text.
var answered = []struct {
	name    string
	table   dialect.Losses
	encoder func() dialect.Encoder
	decoder func() dialect.Decoder
}{
	{"openai-chat", openaichat.AnswerTable, func() dialect.Encoder { return new(openaichat.Encoder) }, func() dialect.Decoder { return new(openaichat.Decoder) }},
	{"openai-responses", openairesponses.AnswerTable, func() dialect.Encoder { return new(openairesponses.Encoder) }, func() dialect.Decoder { return new(openairesponses.Decoder) }},
	{"openai-completions", openaicompletions.AnswerTable, func() dialect.Encoder { return new(openaicompletions.Encoder) }, func() dialect.Decoder { return new(openaichat.Decoder) }},
	{"anthropic-messages", anthropic.AnswerTable, func() dialect.Encoder { return new(anthropic.Encoder) }, func() dialect.Decoder { return new(anthropic.Decoder) }},
	{"gemini", gemini.AnswerTable, func() dialect.Encoder { return new(gemini.Encoder) }, func() dialect.Decoder { return new(gemini.Decoder) }},
}

// answerOf makes the events of an answer.
func (m *maker) answerOf() (evs []dialect.Event) {
	add := func(ev dialect.Event) { evs = append(evs, ev) }
	add(dialect.Event{Kind: dialect.Start, ID: "answer_1", Model: "m"})
	thoughts, tools := 0, 0
	if m.maybe(3) {
		add(dialect.Event{Kind: dialect.ThinkingDelta, Index: thoughts, Text: m.word("thought")})
		if m.maybe(2) {
			add(dialect.Event{Kind: dialect.SignatureDelta, Index: thoughts, Text: "c2lnbmVk", SignedBy: one(m, dialect.SignerAnthropic, dialect.SignerGemini, dialect.SignerBedrock)})
		}
		thoughts++
	}
	if m.maybe(6) {
		add(dialect.Event{Kind: dialect.RedactedThinkingEvent, Index: thoughts, Text: "c2VhbGVk", SignedBy: dialect.SignerAnthropic})
	}
	text := m.word("Hello")
	add(dialect.Event{Kind: dialect.TextDelta, Text: text})
	if m.maybe(5) {
		add(dialect.Event{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://example.com/a", Title: "A", End: 5, Document: -1}})
	}
	if m.maybe(5) {
		add(dialect.Event{Kind: dialect.LogprobsEvent, Logprobs: []dialect.Logprob{{Token: text, Logprob: -0.5}}})
	}
	if m.maybe(8) {
		add(dialect.Event{Kind: dialect.ImageEvent, MediaType: "image/png", Data: "aGVsbG8="})
	}
	if m.maybe(8) {
		add(dialect.Event{Kind: dialect.AudioDelta, ID: "audio_1", MediaType: "audio/wav", Data: "aGVsbG8=", Text: "spoken"})
	}
	stop := one(m, dialect.StopEnd, dialect.StopLength, dialect.StopFilter)
	if m.maybe(3) {
		stop = dialect.StopToolCalls
		for range 1 + m.IntN(2) {
			add(dialect.Event{Kind: dialect.ToolStart, Index: tools, ID: fmt.Sprintf("call_%d", tools), Name: "weather"})
			add(dialect.Event{Kind: dialect.ToolDelta, Index: tools, Text: `{"city":`})
			add(dialect.Event{Kind: dialect.ToolDelta, Index: tools, Text: `"Oslo"}`})
			add(dialect.Event{Kind: dialect.ToolEnd, Index: tools})
			tools++
		}
	}
	if m.maybe(8) && stop == dialect.StopEnd {
		stop = dialect.StopSequence
	}
	if m.maybe(6) && tools == 0 {
		add(dialect.Event{Kind: dialect.RefusalDelta, Text: m.word("no")})
	}
	if m.maybe(6) {
		add(dialect.Event{Kind: dialect.TextDelta, Choice: 1, Text: m.word("other")})
		add(dialect.Event{Kind: dialect.Stop, Choice: 1, StopReason: dialect.StopEnd})
	}
	seq := ""
	if stop == dialect.StopSequence {
		seq = "END"
	}
	add(dialect.Event{Kind: dialect.Stop, StopReason: stop, StopSequence: seq})
	u := dialect.Usage{Input: 100, Output: 50, Known: true}
	for _, n := range []*int64{&u.CacheRead, &u.CacheWrite, &u.Reasoning, &u.InputAudio, &u.OutputAudio} {
		if m.maybe(3) {
			*n = int64(1 + m.IntN(9))
		}
	}
	if u.CacheWrite > 1 && m.maybe(2) {
		u.CacheWrite1h = u.CacheWrite - 1
	}
	add(dialect.Event{Kind: dialect.UsageEvent, Usage: u})
	add(dialect.Event{Kind: dialect.End})
	return evs
}

// said breaks an answer down into what it says, by the names of the tables.
func said(evs []dialect.Event) map[string]string {
	f := map[string]string{}
	add := func(name, format string, args ...any) { f[name] += fmt.Sprintf(format, args...) }
	number := func(name string, n int64) {
		if n > 0 {
			add(name, "%d", n)
		}
	}
	for _, ev := range evs {
		if ev.Choice > 0 {
			if ev.Kind == dialect.TextDelta {
				add("choices", "%s", ev.Text)
			}
			continue
		}
		switch ev.Kind {
		case dialect.TextDelta:
			add("text", "%s", ev.Text)
		case dialect.RefusalDelta:
			add("refusal", "%s", ev.Text)
		case dialect.ThinkingDelta:
			add("thinking", "%s", ev.Text)
		case dialect.SignatureDelta:
			by, signature := dialect.Unseal(ev.SignedBy, ev.Text)
			add("signature", "%s by %s", signature, by)
		case dialect.RedactedThinkingEvent:
			_, data := dialect.Unseal(ev.SignedBy, ev.Text)
			add("redacted_thinking", "%s", data)
		case dialect.ToolStart:
			add("tool_calls", "%s %s ", ev.ID, ev.Name)
		case dialect.ToolDelta, dialect.ToolEnd:
			add("tool_calls", "%s", strings.ReplaceAll(ev.Text, " ", ""))
		case dialect.CitationEvent:
			add("citations", "%s %s", ev.Citation.URL, ev.Citation.Title)
		case dialect.LogprobsEvent:
			for _, l := range ev.Logprobs {
				add("logprobs", "%s %g", l.Token, l.Logprob)
			}
		case dialect.AudioDelta:
			add("audio", "%s", ev.Data)
		case dialect.ImageEvent:
			add("images", "%s", ev.Data)
		case dialect.Stop:
			add("stop", "%s", map[dialect.StopReason]dialect.StopReason{dialect.StopSequence: dialect.StopEnd}[ev.StopReason])
			if ev.StopReason != dialect.StopSequence {
				f["stop"] = string(ev.StopReason)
			} else {
				f["stop"] = string(dialect.StopEnd)
				f["stop_sequence"] = ev.StopSequence
			}
		case dialect.UsageEvent:
			u := ev.Usage
			for _, name := range []string{"usage", "cache_read", "cache_write", "cache_write_1h", "reasoning_tokens", "audio_tokens"} {
				delete(f, name)
			}
			add("usage", "%d %d", u.Input, u.Output)
			number("cache_read", u.CacheRead)
			number("cache_write", u.CacheWrite)
			number("cache_write_1h", u.CacheWrite1h)
			number("reasoning_tokens", u.Reasoning)
			number("audio_tokens", u.InputAudio+u.OutputAudio)
		}
	}
	return f
}

// TestNothingOfAnAnswerIsLostThatIsNotInTheTable: answers with everything that the neutral model carries are encoded in each
// dialect of callers, streamed and whole, and read back; what differs has a row, and every row is met.
func TestNothingOfAnAnswerIsLostThatIsNotInTheTable(t *testing.T) {
	const answers = 400
	met := map[string]bool{}
	for seed := range uint64(answers) {
		evs := (&maker{Rand: rand.New(rand.NewPCG(seed, 5))}).answerOf()
		want := said(evs)
		for _, in := range answered {
			for _, stream := range []bool{true, false} {
				e := in.encoder()
				e.Reset(dialect.Opening{Stream: stream, IncludeUsage: true, ID: "answer_1", Created: 1700000000, Model: "asked"})
				var out []byte
				for n := range evs {
					out = e.Event(out, &evs[n])
				}
				if !stream {
					out = e.Body(nil)
				}
				if in.name == "openai-completions" { // as chat, whose pieces stand in delta.content
					out = []byte(strings.ReplaceAll(strings.ReplaceAll(string(out), `{"text":`, map[bool]string{true: `{"delta":{"content":`, false: `{"message":{"role":"assistant","content":`}[stream]), `,"index":`, `},"index":`))
				}
				got := said(decoded(in.decoder(), stream, string(out)))
				for _, field := range []string{"text", "refusal", "thinking", "signature", "redacted_thinking", "tool_calls", "citations", "logprobs", "audio", "images", "choices", "stop", "stop_sequence", "usage", "cache_read", "cache_write", "cache_write_1h", "reasoning_tokens", "audio_tokens"} {
					if got[field] == want[field] {
						continue
					}
					at := slices.IndexFunc(in.table, func(l dialect.Loss) bool { return l.Field == field })
					if at < 0 || in.table[at].Fate == dialect.Dropped && got[field] != "" {
						t.Errorf("%s, stream %v, seed %d: a loss of %s that is in no row, mismatch (-answered +heard):\n%s\n%s", in.name, stream, seed, field, cmp.Diff(want[field], got[field]), out)
						continue
					}
					met[in.name+" "+field] = true
				}
			}
		}
		if t.Failed() && seed > 10 {
			return
		}
	}
	rows := 0
	for _, in := range answered {
		for _, l := range in.table {
			if rows++; !met[in.name+" "+l.Field] {
				t.Errorf("%s: the row of %s says %s (%s), and no answer showed it", in.name, l.Field, l.Fate, l.Why)
			}
		}
	}
	t.Logf("%d answers in %d dialects, streamed and whole; %d rows", answers, len(answered), rows)
}
