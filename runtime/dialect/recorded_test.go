package dialect_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
)

// provided are the dialects in which providers answer: our decoder, our tap where callers speak the dialect, too, our
// reader of errors, and an oracle that reads the same bytes with encoding/json.
var provided = []struct {
	name    string
	decoder func() dialect.Decoder
	tap     func() dialect.Tap
	errors  func(*dialect.ErrorAnswer) *dialect.Error
	read    func(testing.TB, *interaction) answer
}{
	{recorded.Chat, func() dialect.Decoder { return new(openaichat.Decoder) }, func() dialect.Tap { return new(openaichat.Tap) }, openaichat.DecodeError, recordedChat},
	{recorded.Messages, func() dialect.Decoder { return new(anthropic.Decoder) }, func() dialect.Tap { return new(anthropic.Tap) }, anthropic.DecodeError, readAnthropic},
	{recorded.Gemini, func() dialect.Decoder { return new(gemini.Decoder) }, func() dialect.Tap { return new(gemini.Tap) }, gemini.DecodeError, func(t testing.TB, i *interaction) answer {
		a, _ := readGemini(t, i.mediaType, i.answer)
		return a
	}},
	{recorded.Converse, func() dialect.Decoder { return new(bedrock.Decoder) }, nil, bedrock.DecodeError, readConverse},
	{recorded.Cohere, func() dialect.Decoder { return new(cohere.Decoder) }, nil, cohere.DecodeError, readCohere},
	{recorded.Ollama, func() dialect.Decoder { return new(ollama.Decoder) }, nil, ollama.DecodeError, readOllama},
	{recorded.Responses, func() dialect.Decoder { return new(openairesponses.Decoder) }, func() dialect.Tap { return new(openairesponses.Tap) }, openai.DecodeError, func(t testing.TB, i *interaction) answer {
		return responseOracle(t, i)
	}},
}

// callers are the dialects in which callers are answered, in each form: our encoder, and an oracle that reads what came
// out as a strict client would, and fails on anything that one would trip over. place takes from what was recorded
// what the dialect has no place for.
var callers = []struct {
	name  string
	as    func(t testing.TB, evs []dialect.Event) answer
	place func(want *answer)
}{
	{"openai-chat, streamed", asChat(true), func(a *answer) { a.Usage.CacheWrite1h = 0 }},
	{"openai-chat, whole", asChat(false), func(a *answer) { a.Usage.CacheWrite1h = 0 }},
	{"anthropic-messages, streamed", asMessages(true), textOnly},
	{"anthropic-messages, whole", asMessages(false), textOnly},
	{"gemini, whole", inGemini(0), geminiUsage},
	{"gemini, streamed", inGemini(1), geminiUsage},
	{"gemini, as an array", inGemini(2), geminiUsage},
	{"openai-responses, streamed", inResponses(true), responsesUsage},
	{"openai-responses, whole", inResponses(false), responsesUsage},
	{"openai-completions, streamed", asCompletion(true), textAlone},
	{"openai-completions, whole", asCompletion(false), textAlone},
}

// responsesUsage has no place for audio, and none for how long what was written to caches stays there. Further choices
// have none either.
func responsesUsage(a *answer) {
	textOnly(a)
	a.Usage.CacheWrite1h, a.Others = 0, nil
}

// textAlone is what is left of an answer in a dialect of text: its totals, and no word for calls.
func textAlone(a *answer) {
	a.Usage = dialect.Usage{Input: a.Usage.Input, Output: a.Usage.Output, Known: a.Usage.Known}
	a.Reasoning, a.Blocks, a.Tools, a.Others = "", nil, nil, nil
	if a.Stop == "tool_calls" || a.Stop == "function_call" {
		a.Stop = "stop"
	}
}

func inResponses(stream bool) func(testing.TB, []dialect.Event) answer {
	return func(t testing.TB, evs []dialect.Event) answer {
		got, failure := asResponse(t, evs, stream)
		if failure != "" {
			t.Fatal(failure)
		}
		return got
	}
}

// asCompletion reads what comes out as a strict client of the legacy API does, whose objects have text where those of
// chat have messages.
func asCompletion(stream bool) func(testing.TB, []dialect.Event) answer {
	return func(t testing.TB, evs []dialect.Event) (a answer) {
		raw := encoded(t, new(openaicompletions.Encoder), stream, evs)
		docs := []string{string(raw)}
		if stream {
			docs = strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n")
		}
		for n, doc := range docs {
			if stream {
				data, ok := strings.CutPrefix(doc, "data: ")
				if !ok || strings.Contains(data, "\n") {
					t.Fatalf("not one data line: %q", doc)
				}
				if doc = data; data == "[DONE]" {
					if a.Terminals++; n != len(docs)-1 {
						t.Fatalf("%q behind the terminal event", docs[n+1])
					}
					continue
				}
			}
			var c struct {
				ID, Object, Model string
				Created           int64
				Choices           []struct {
					Text   *string
					Index  int
					Finish *string `json:"finish_reason"`
				}
				Usage *chatUsage
			}
			if err := json.Unmarshal([]byte(doc), &c); err != nil {
				t.Fatalf("%v in %s", err, doc)
			}
			if c.ID == "" || c.Object != "text_completion" || c.Created == 0 {
				t.Fatalf("incomplete head: %s", doc)
			}
			a.Model = c.Model
			for _, ch := range c.Choices {
				if ch.Text == nil {
					t.Fatalf("a choice without a text: %s", doc)
				}
				if ch.Index > 0 { // the readers of all dialects compare the first
					continue
				}
				a.Text += *ch.Text
				if ch.Finish != nil {
					if a.Stop != "" {
						t.Fatal("two finish reasons")
					}
					a.Stop = *ch.Finish
				}
			}
			if u := c.Usage; u != nil {
				if u.Total != u.Prompt+u.Completion {
					t.Errorf("total_tokens %d is not %d + %d", u.Total, u.Prompt, u.Completion)
				}
				a.Usage = dialect.Usage{Input: u.Prompt, Output: u.Completion, Known: true}
			}
		}
		if !stream {
			a.Terminals = 1
		}
		return a
	}
}

// textOnly is the usage of a dialect that has no audio.
func textOnly(a *answer) { a.Usage.InputAudio, a.Usage.OutputAudio = 0, 0 }

// geminiUsage says nothing of what was written to caches.
func geminiUsage(a *answer) {
	a.Usage.CacheWrite, a.Usage.CacheWrite1h = 0, 0
	textOnly(a)
}

func encoded(t testing.TB, e dialect.Encoder, stream bool, evs []dialect.Event) []byte {
	t.Helper()
	e.Reset(dialect.Opening{Stream: stream, IncludeUsage: true, ID: "answer_1", Created: 1700000000, Model: "asked"})
	var out []byte
	for n := range evs {
		out = e.Event(out, &evs[n])
	}
	if !e.Done() || e.Err() != nil {
		t.Fatalf("done %v, error %+v", e.Done(), e.Err())
	}
	if !stream {
		out = e.Body(nil)
	}
	return out
}

func asChat(stream bool) func(testing.TB, []dialect.Event) answer {
	return func(t testing.TB, evs []dialect.Event) answer {
		got, failure := readChat(t, stream, encoded(t, new(openaichat.Encoder), stream, evs))
		if failure != "" {
			t.Fatal(failure)
		}
		return got
	}
}

func asMessages(stream bool) func(testing.TB, []dialect.Event) answer {
	return func(t testing.TB, evs []dialect.Event) answer {
		return readMessages(t, stream, encoded(t, new(anthropic.Encoder), stream, evs))
	}
}

func inGemini(form int) func(testing.TB, []dialect.Event) answer {
	f := geminiForms[form]
	return func(t testing.TB, evs []dialect.Event) answer {
		got, _ := readGemini(t, f.media, asGemini(t, evs, f.media, f.opening))
		return got
	}
}

// probe collects the failures of one recording, so that a matrix can count them.
type probe struct {
	testing.TB
	failures []string
}

type given struct{} // up

func (p *probe) Helper()        {}
func (p *probe) Error(a ...any) { p.failures = append(p.failures, fmt.Sprint(a...)) }
func (p *probe) Errorf(f string, a ...any) {
	p.failures = append(p.failures, fmt.Sprintf(f, a...))
}
func (p *probe) Fatal(a ...any)            { p.Error(a...); panic(given{}) }
func (p *probe) Fatalf(f string, a ...any) { p.Errorf(f, a...); panic(given{}) }

// tried runs f and returns what failed.
func tried(t testing.TB, f func(testing.TB)) []string {
	p := &probe{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(given{}) {
				p.failures = append(p.failures, fmt.Sprintf("panic: %v", r))
			}
		}()
		f(p)
	}()
	return p.failures
}

// explained are the recordings whose answer does not come out as it was recorded, and why that is right. They count as
// failures in the matrix.
var explained = map[string]string{
	"simonw-llm/test_tools_streaming/test_tools_streaming_variant_a.yaml#0": "the stream says [DONE] without a finish reason: is reported as an answer that broke off",
	"simonw-llm/test_tools_streaming/test_tools_streaming_variant_b.yaml#0": "the stream says [DONE] without a finish reason: is reported as an answer that broke off",
}

// capabilities tells what a recording shows, beside its being an answer.
func capabilities(x *recorded.Exchange, a *answer) (all []string) {
	all = []string{"plain"}
	for _, c := range []struct {
		name string
		is   bool
	}{
		{"stream", x.Stream != recorded.Whole},
		{"tools", len(a.Tools) > 0},
		{"parallel tools", len(a.Tools) > 1},
		{"images", strings.Contains(x.Request, `"image_url"`) || strings.Contains(x.Request, `"type":"image"`) || strings.Contains(x.Request, `"inlineData"`) || strings.Contains(x.Request, `"input_image"`)},
		{"structured", strings.Contains(x.Request, `"response_format"`) || strings.Contains(x.Request, `"json_schema"`) || strings.Contains(x.Request, `"responseJsonSchema"`) || strings.Contains(x.Request, `"responseSchema"`) || strings.Contains(x.Request, `"output_format"`)},
		{"thinking", a.Reasoning != "" || len(a.Blocks) > 0},
		{"usage", a.Usage.Known},
	} {
		if c.is {
			all = append(all, c.name)
		}
	}
	return all
}

var capabilityNames = []string{"plain", "stream", "tools", "parallel tools", "images", "structured", "thinking", "usage", "errors"}

// cutsOf gives ways to cut n bytes: every byte alone, and some at random; with GWC_FULL set every single place of
// short answers, and 200 random ways.
func cutsOf(n int) (all [][]int) {
	each := make([]int, n)
	for i := range each {
		each[i] = i
	}
	all = append(all, each)
	random := 4
	if os.Getenv("GWC_FULL") != "" {
		random = 200
		for i := 0; n <= 4096 && i < n; i++ {
			all = append(all, []int{i})
		}
	}
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for range random {
		var cuts []int
		for at := r.IntN(1 + n/8); at < n; at += 1 + r.IntN(1+n/8) {
			cuts = append(cuts, at)
		}
		all = append(all, cuts)
	}
	return all
}

// TestRecordedAnswersComeOutInEveryDialect uses every recording that can be used, in three ways: what our decoder reads
// in its own dialect, and what a tap reads aside while it passes, is what the oracle reads; what comes out in each dialect
// of callers says the same; and so does the answer that arrives in pieces, however it is cut. docs/recordings.md holds
// what passes by provider, dialect and capability; GWC_UPDATE=1 writes it, GWC_FULL=1 cuts at more places.
func TestRecordedAnswersComeOutInEveryDialect(t *testing.T) {
	m := matrix{cells: map[string]*cell{}, excluded: map[string]string{}, failed: map[string]string{}}
	for _, p := range provided {
		for _, x := range recorded.Of(t, p.name) {
			name := x.Corpus + "/" + x.Name
			row := x.Provider + " | " + p.name
			switch {
			case x.Operation != recorded.OpChat:
				continue
			case x.Excluded != "":
				m.excluded[name] = x.Excluded
				continue
			}
			if why := madeToFail(x); why != "" {
				m.excluded[name] = why
				continue
			}
			i := interactionOf(x)
			if x.Status != 200 {
				failures := tried(t, func(t testing.TB) {
					e := p.errors(&dialect.ErrorAnswer{Status: x.Status, Body: []byte(x.Answer)})
					if e == nil || e.Status < 400 || e.Message == "" {
						t.Errorf("status %d is read as %+v: %s", x.Status, e, x.Answer)
						return
					}
					for by, append := range map[string]func([]byte, *dialect.Error) []byte{"openai-chat": openaichat.AppendError, "anthropic-messages": anthropic.AppendError, "gemini": gemini.AppendError, "openai-responses and openai-completions": openai.AppendError} {
						if body := append(nil, e); !json.Valid(body) {
							t.Errorf("in %s: %s", by, body)
						}
					}
				})
				m.count(t, row, []string{"errors"}, name, failures)
				continue
			}
			var want answer
			failures := tried(t, func(t testing.TB) { want = p.read(t, &i) })
			if len(failures) > 0 {
				m.excluded[name] = "not an answer of the dialect: " + strings.Join(failures, "; ")
				continue
			}
			stream := x.Stream != recorded.Whole
			failures = tried(t, func(t testing.TB) {
				evs := decoded(p.decoder(), stream, x.Answer)
				checkGrammar(t, evs)
				for n, ev := 0, 0; ev < len(evs); ev++ { // ids that were invented
					if evs[ev].Kind == dialect.ToolStart && n < len(want.Tools) {
						if want.Tools[n].ID == "" {
							want.Tools[n].ID = evs[ev].ID
						}
						n++
					}
				}
				for _, cuts := range cutsOf(len(x.Answer)) {
					if got := decoded(p.decoder(), stream, x.Answer, cuts...); !reflect.DeepEqual(evs, got) {
						t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts, cmp.Diff(evs, got))
					}
				}
				if p.tap != nil {
					tap := p.tap()
					tap.Reset(stream)
					tap.Feed([]byte(x.Answer))
					tap.Finish()
					seen := tap.Seen()
					if got, want := seen.Usage, want.Usage; !seen.Done || seen.Err != nil || got.Known != want.Known || got.Input != want.Input || got.Output != want.Output || got.CacheRead != want.CacheRead || got.Reasoning != want.Reasoning {
						t.Errorf("the tap has seen %+v, want %+v", seen, want)
					}
				}
				for _, c := range callers {
					same(t, c.name, want, c.as(t, evs), c.place)
				}
			})
			m.count(t, row, capabilities(x, &want), name, failures)
		}
	}
	m.report(t)
}

// madeToFail tells why a fixture that somebody made by hand is no answer.
func madeToFail(x *recorded.Exchange) string {
	switch {
	case x.Dialect == recorded.Responses && strings.Count(x.Answer, `"type":"response.created"`) > 1:
		return "several answers in one file"
	case x.Corpus != "vercel-ai":
		return ""
	case strings.Contains(x.Answer, "willContinue"):
		return "arguments in pieces, which the gateway never asks for; is reported as an error"
	case strings.HasSuffix(x.Name, "spliced-message-start.chunks.txt"), strings.HasSuffix(x.Name, "duplicate-message-start.chunks.txt"):
		return "made by hand: holds two messages in one; is reported as an error"
	}
	return ""
}

// same compares what came out in a dialect of callers with what was recorded.
func same(t testing.TB, by string, want, got answer, place func(*answer)) {
	t.Helper()
	want.Model, want.Terminals = "asked", 1
	place(&want)
	want.Usage.Service = "" // stands beside the usage
	if len(want.Tools) > 0 && (want.Stop == "stop" && got.Stop == "tool_calls" || want.Stop == "function_call") {
		want.Stop = "tool_calls" // said otherwise by some, and in calls that came before the server's own tools were done
	}
	if strings.HasPrefix(by, "anthropic") {
		want.Others = nil // no place for further choices
	}
	if (want.Usage == dialect.Usage{Known: true}) && strings.HasPrefix(by, "gemini") {
		want.Usage.Known = false // it says nothing of 0
	}
	want.Tools = slices.Clone(want.Tools)
	for n := range want.Tools { // ids that the dialect does not allow are changed
		if n < len(got.Tools) && strings.Trim(want.Tools[n].ID, idLetters) != "" && got.Tools[n].ID != "" && strings.Trim(got.Tools[n].ID, idLetters) == "" {
			want.Tools[n].ID = got.Tools[n].ID
		}
	}
	if !want.Usage.Known {
		want.Usage, got.Usage = dialect.Usage{}, dialect.Usage{}
	}
	got.Blocks, want.Blocks = opened(t, got.Blocks), opened(t, want.Blocks)
	if len(want.Blocks) == 0 || strings.HasPrefix(by, "gemini") && len(want.Blocks) == len(got.Blocks) { // sealed there
		want.Blocks, got.Blocks = nil, nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: mismatch (-want +got):\n%s", by, diff)
	}
}

// opened gives blocks of thinking with the signatures that their makers know: the gateway's seals are taken off, and items of
// Responses are read as a caller of Responses sends them back.
func opened(t testing.TB, blocks []thinking) (back []thinking) {
	t.Helper()
	for _, b := range blocks {
		if b.Type != "thinking" || b.Data == "" {
			_, b.Signature = dialect.Unseal(dialect.SignerUnknown, b.Signature)
			_, b.Data = dialect.Unseal(dialect.SignerUnknown, b.Data)
			back = append(back, b)
			continue
		}
		item := map[string]any{"type": "reasoning", "id": b.Data, "summary": []any{}, "encrypted_content": b.Signature}
		if b.Thinking != "" {
			item["summary"] = []any{map[string]any{"type": "summary_text", "text": b.Thinking}}
		}
		raw, err := json.Marshal(map[string]any{"model": "m", "input": []any{map[string]any{"role": "user", "content": "x"}, item}})
		if err != nil {
			t.Fatal(err)
		}
		r, derr := openairesponses.DecodeRequest(raw)
		if derr != nil {
			t.Fatalf("an item of thinking does not come back: %s", derr.Message)
		}
		for _, m := range r.Messages {
			for _, p := range m.Parts {
				switch p.Kind {
				case dialect.Thinking:
					back = append(back, thinking{"thinking", p.Text, p.Signature, ""})
				case dialect.RedactedThinking:
					back = append(back, thinking{"redacted_thinking", "", "", p.Data})
				}
			}
		}
	}
	return back
}

type cell struct{ pass, all int }

// matrix counts what passes by provider and dialect, and by capability.
type matrix struct {
	cells            map[string]*cell
	excluded, failed map[string]string
	pass, all        int
}

func (m *matrix) count(t *testing.T, row string, capabilities []string, name string, failures []string) {
	if m.all++; len(failures) == 0 {
		m.pass++
		if explained[name] != "" {
			t.Errorf("%s passes: it needs no explanation", name)
		}
	} else {
		m.failed[name] = explained[name]
		if explained[name] == "" {
			t.Errorf("%s: %s", name, strings.Join(failures, "\n"))
		}
	}
	for _, c := range capabilities {
		key := row + " | " + c
		if m.cells[key] == nil {
			m.cells[key] = new(cell)
		}
		if m.cells[key].all++; len(failures) == 0 {
			m.cells[key].pass++
		}
	}
}

func (m *matrix) report(t *testing.T) {
	t.Helper()
	const file, mark = "../../docs/recordings.md", "<!-- generated from the recordings -->\n"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(raw), mark)
	if !ok {
		t.Fatalf("%s has lost its mark", file)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n%d of %d usable recordings pass (%d.%02d %%).\n\n| provider | dialect |", head, mark, m.pass, m.all, 100*m.pass/m.all, 10000*m.pass/m.all%100)
	for _, c := range capabilityNames {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(capabilityNames)) + "\n")
	rows := map[string]bool{}
	for key := range m.cells {
		rows[key[:strings.LastIndex(key, " | ")]] = true
	}
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "| %s |", row)
		for _, c := range capabilityNames {
			if n := m.cells[row+" | "+c]; n == nil {
				b.WriteString(" – |")
			} else {
				fmt.Fprintf(&b, " %d/%d |", n.pass, n.all)
			}
		}
		b.WriteString("\n")
	}
	list := func(title string, names map[string]string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if len(names) == 0 {
			b.WriteString("None.\n")
		}
		for _, n := range slices.Sorted(maps.Keys(names)) {
			fmt.Fprintf(&b, "- `%s`: %s\n", n, strings.ReplaceAll(names[n], "\n", " "))
		}
	}
	list("Failures", m.failed)
	list("Exclusions", m.excluded)
	t.Log(b.String()[len(head)+len(mark):])
	if 100*m.pass < 99*m.all {
		t.Errorf("%d of %d recordings pass: fewer than 99 %%", m.pass, m.all)
	}
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), string(raw)); diff != "" && !t.Failed() {
		t.Errorf("mismatch (-want +got); GWC_UPDATE=1 writes it:\n%s", diff)
	}
}
