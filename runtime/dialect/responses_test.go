package dialect_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// publishedResponse is the published shape of a response, as far as the tests read it.
type publishedResponse struct {
	ID, Object, Status, Model string
	Created                   float64 `json:"created_at"`
	Error                     *struct{ Code, Message string }
	Incomplete                *struct{ Reason string } `json:"incomplete_details"`
	Output                    []struct {
		ID, Type, Status, Name, Arguments string
		CallID                            string `json:"call_id"`
		Encrypted                         string `json:"encrypted_content"`
		Content                           []struct{ Type, Text, Refusal string }
		Summary                           []struct{ Text string }
	}
	Usage *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Total   int64 `json:"total_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
			Write  int64 `json:"cache_write_tokens"`
		} `json:"input_tokens_details"`
		OutDetails struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	}
}

// answer gives a response in the words of no dialect. Signatures are as callers of Responses see them.
func (r *publishedResponse) answer(t testing.TB) (a answer) {
	t.Helper()
	a.Model, a.Stop, a.Terminals = r.Model, map[string]string{"completed": "stop", "incomplete": "length", "failed": "error"}[r.Status], 1
	if r.Incomplete != nil && r.Incomplete.Reason == "content_filter" {
		a.Stop = "content_filter"
	}
	for _, it := range r.Output {
		switch it.Type {
		case "message":
			for _, c := range it.Content {
				a.Text += c.Text + c.Refusal
			}
		case "function_call":
			var v any
			if err := json.Unmarshal([]byte(it.Arguments), &v); err != nil && r.Status == "completed" {
				t.Errorf("arguments %q: %v", it.Arguments, err)
			}
			a.Tools = append(a.Tools, tool{it.CallID, it.Name, v})
			if a.Stop == "stop" {
				a.Stop = "tool_calls"
			}
		case "reasoning":
			text := ""
			for n, c := range it.Content {
				if n > 0 {
					text += "\n\n"
				}
				text += c.Text
			}
			if text == "" {
				for n, s := range it.Summary {
					if n > 0 {
						text += "\n\n"
					}
					text += s.Text
				}
			}
			a.Reasoning += text
			if it.Encrypted != "" {
				a.Blocks = append(a.Blocks, thinking{"thinking", text, it.Encrypted, it.ID})
			}
		}
	}
	if u := r.Usage; u != nil {
		a.Usage = dialect.Usage{Input: u.Input, Output: u.Output, CacheRead: u.Details.Cached, CacheWrite: u.Details.Write, Reasoning: u.OutDetails.Reasoning, Known: true}
		if u.Total != u.Input+u.Output {
			t.Errorf("total_tokens %d is not %d + %d", u.Total, u.Input, u.Output)
		}
	}
	return a
}

// responseOracle reads a recorded answer with encoding/json: a stream by its final response, which repeats it.
func responseOracle(t testing.TB, i *interaction) answer {
	t.Helper()
	var r publishedResponse
	encrypted := map[string]string{}
	doc := []byte(i.answer)
	if i.stream() {
		for line := range strings.Lines(i.answer) {
			data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:")
			if !ok {
				continue
			}
			var ev struct {
				Type     string
				Response json.RawMessage
				Item     struct {
					ID        string
					Encrypted string `json:"encrypted_content"`
				}
			}
			if err := json.Unmarshal([]byte(data), &ev); err != nil {
				t.Fatal(err)
			}
			switch ev.Type {
			case "response.completed", "response.incomplete", "response.failed":
				doc = ev.Response
			case "response.output_item.done":
				// The final response encrypts the same once more, into other text.
				encrypted[ev.Item.ID] = ev.Item.Encrypted
			}
		}
	}
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatal(err)
	}
	for n := range r.Output {
		if again := encrypted[r.Output[n].ID]; again != "" {
			r.Output[n].Encrypted = again
		}
	}
	return r.answer(t)
}

// checkResponseStream reads a stream of the Responses dialect as a strict client does and returns its final response.
func checkResponseStream(t testing.TB, valid *responseSchemas, raw []byte) (final publishedResponse, failure string) {
	t.Helper()
	type place struct {
		item    string
		content int
	}
	var (
		number    int64
		ids       []string // of items, by their place
		open      = map[int]bool{}
		text      = map[string]string{} // by item, and by kind of what is streamed
		kept      = map[string]string{}
		terminals int
		parts     = map[place]bool{}
		checked   = map[string]int{}
	)
	for _, block := range strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(block, "\n")
		name, isEvent := strings.CutPrefix(name, "event: ")
		data, isData := strings.CutPrefix(data, "data: ")
		if !ok || !isEvent || !isData || strings.Contains(data, "\n") {
			t.Fatalf("not an event line and a data line: %q", block)
		}
		if terminals > 0 {
			t.Fatalf("%q behind the terminal event", block)
		}
		var ev struct {
			Type      string
			Number    int64           `json:"sequence_number"`
			ItemID    string          `json:"item_id"`
			Index     int             `json:"output_index"`
			Content   int             `json:"content_index"`
			Response  json.RawMessage `json:"response"`
			Item      struct{ ID, Type, Status string }
			Delta     string
			Text      *string
			Refusal   *string
			Arguments *string
			Error     *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if checked[ev.Type]++; checked[ev.Type] <= 3 { // the hundredth piece of a text has the form of the third
			valid.check(t, ev.Type, []byte(data))
		}
		if ev.Type != name || ev.Number != number {
			t.Fatalf("event %d is %s with number %d: %s", number, name, ev.Number, data)
		}
		number++
		switch {
		case number == 1 && ev.Type != "response.created" && ev.Type != "error", number == 2 && ev.Type != "response.in_progress" && ev.Type != "error":
			t.Fatalf("event %d is %s", number-1, ev.Type)
		}
		switch ev.Type {
		case "response.completed", "response.incomplete", "response.failed":
			terminals++
			if err := json.Unmarshal(ev.Response, &final); err != nil {
				t.Fatal(err)
			}
		case "error":
			terminals++
			if ev.Error == nil || ev.Error.Message == "" {
				t.Fatalf("an error without its members where SDKs look: %s", data)
			}
			failure = ev.Error.Message
		case "response.output_item.added":
			if ev.Index != len(ids) || ev.Item.ID == "" || slices.Contains(ids, ev.Item.ID) {
				t.Fatalf("item %d is added as %d with id %q", len(ids), ev.Index, ev.Item.ID)
			}
			ids = append(ids, ev.Item.ID)
			open[ev.Index] = true
		case "response.output_item.done":
			if !open[ev.Index] || ids[ev.Index] != ev.Item.ID {
				t.Fatalf("item %d ends as %q", ev.Index, ev.Item.ID)
			}
			delete(open, ev.Index)
		case "response.created", "response.in_progress":
		default:
			if ev.Index >= len(ids) || ids[ev.Index] != ev.ItemID || !open[ev.Index] {
				t.Fatalf("an event of an item that is not open: %s", data)
			}
			at := place{ev.ItemID, ev.Content}
			switch ev.Type {
			case "response.content_part.added":
				parts[at] = true
			case "response.content_part.done":
				delete(parts, at)
			case "response.output_text.delta", "response.refusal.delta", "response.output_text.done", "response.refusal.done":
				if !parts[at] {
					t.Fatalf("an event of a part that is not open: %s", data)
				}
			}
			key := strings.TrimSuffix(strings.TrimSuffix(ev.Type, ".delta"), ".done") + fmt.Sprint(at)
			text[key] += ev.Delta
			for _, whole := range []*string{ev.Text, ev.Refusal, ev.Arguments} {
				if whole != nil {
					kept[key] = *whole
				}
			}
		}
	}
	if terminals != 1 || failure == "" && len(open) > 0 {
		t.Fatalf("%d terminal events, open items %v", terminals, open)
	}
	if failure == "" {
		for key, whole := range kept {
			if text[key] != whole {
				t.Errorf("%s: deltas join to %q, the whole is %q", key, text[key], whole)
			}
		}
		var have []string
		for _, it := range final.Output {
			have = append(have, it.ID)
		}
		if diff := cmp.Diff(ids, have); diff != "" {
			t.Errorf("items of the stream and of the final response: mismatch (-want +got):\n%s", diff)
		}
	}
	return final, failure
}

// responseSchemas are OpenAI's own schemas of responses and of their streams' events, by the event's type. Without the
// corpora there are none, and nothing is checked by them.
type responseSchemas struct {
	events   map[string]*openapi3.Schema
	response *openapi3.Schema
}

var publishedSchemas = sync.OnceValues(func() (*responseSchemas, error) {
	s := &responseSchemas{events: map[string]*openapi3.Schema{}}
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		return s, nil
	}
	raw, err := os.ReadFile(filepath.Join(root, "specs/openai/openapi.yaml"))
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	s.response = doc.Components.Schemas["Response"].Value
	for _, ref := range doc.Components.Schemas["ResponseStreamEvent"].Value.AnyOf {
		for _, kind := range ref.Value.Properties["type"].Value.Enum {
			s.events[kind.(string)] = ref.Value
		}
	}
	if len(s.events) < 40 {
		return nil, fmt.Errorf("only %d events are described", len(s.events))
	}
	return s, nil
})

func schemas(t testing.TB) *responseSchemas {
	t.Helper()
	s, err := publishedSchemas()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check holds an event, or a response ("") against its schema.
func (s *responseSchemas) check(t testing.TB, kind string, doc []byte) {
	t.Helper()
	if s.response == nil {
		return
	}
	schema := s.response
	if kind != "" {
		if schema = s.events[kind]; schema == nil {
			t.Fatalf("there is no event %q", kind)
		}
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	if err := schema.VisitJSON(v); err != nil {
		t.Fatalf("not the published shape: %s\n%.600v", doc, err)
	}
}

// asResponse encodes events into the Responses dialect, streamed and not, checks both and returns what they say.
func asResponse(t testing.TB, evs []dialect.Event, stream bool) (answer, string) {
	t.Helper()
	e := new(openairesponses.Encoder)
	e.Reset(dialect.Opening{Stream: stream, IncludeUsage: true, ID: "resp_1", Created: 1700000000, Model: "asked"})
	var out []byte
	for n := range evs {
		out = e.Event(out, &evs[n])
	}
	if !e.Done() {
		t.Fatal("the encoder is not done")
	}
	if stream {
		final, failure := checkResponseStream(t, schemas(t), out)
		if failure != "" {
			return answer{}, failure
		}
		return final.answer(t), ""
	}
	out = e.Body(nil)
	if err := e.Err(); err != nil {
		return answer{}, err.Message
	}
	schemas(t).check(t, "", out)
	var r publishedResponse
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r.answer(t), ""
}

// heard gives the events of an answer that is cut at the given places.
func heard(d dialect.Decoder, stream bool, raw string, cuts ...int) (got []dialect.Event) {
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	d.Reset(stream)
	at := 0
	for _, end := range append(cuts, len(raw)) {
		piece := []byte(raw[at:end])
		d.Feed(piece, emit)
		clear(piece) // an event that aliases its input shows
		at = end
	}
	d.Finish(emit)
	return got
}

// TestRecordedResponsesAreReadAndComeOutAgain: every recorded answer of the Responses API is read as it stands, cut
// anywhere, by the decoder and by the tap, and comes out of every encoder with the same content.
func TestRecordedResponsesAreReadAndComeOutAgain(t *testing.T) {
	found := map[string]int{}
	for _, i := range interactions(recorded.Of(t, recorded.Responses)) {
		if i.status != 200 {
			continue // the matrix reads errors
		}
		if strings.Count(i.answer, `"type":"response.created"`) > 1 {
			t.Logf("excluded: %s: several answers in one file", i.name)
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			want := responseOracle(t, &i)
			evs := heard(new(openairesponses.Decoder), i.stream(), i.answer)
			checkGrammar(t, evs)

			var tap openairesponses.Tap
			tap.Reset(i.stream())
			for n := range len(i.answer) {
				tap.Feed([]byte(i.answer[n : n+1]))
			}
			tap.Finish()
			seen := *tap.Seen()
			if usage := seen.Usage; usage.Known {
				usage.Service, usage.Units = "", price.Units{}
				if diff := cmp.Diff(want.Usage, usage); diff != "" {
					t.Errorf("the tap's usage: mismatch (-want +got):\n%s", diff)
				}
			} else if want.Usage.Known {
				t.Error("the tap knows no usage")
			}
			if !seen.Done || string(seen.Stop) != want.Stop || seen.Model != want.Model {
				t.Errorf("the tap saw the end %v, stop %q, model %q; want stop %q, model %q", seen.Done, seen.Stop, seen.Model, want.Stop, want.Model)
			}

			want.Model = "asked"
			if want.Stop == "error" {
				return
			}
			for _, stream := range []bool{true, false} {
				got, failure := asResponse(t, evs, stream)
				if failure != "" {
					t.Fatal(failure)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("stream %v: mismatch (-want +got):\n%s", stream, diff)
				}
				e := openaichat.NewEncoder(stream, true, "chatcmpl-1", 1700000000, "asked")
				var out []byte
				for n := range evs {
					out = e.Event(out, &evs[n])
				}
				if !stream {
					out = e.Body(nil)
				}
				chat, failure := readChat(t, stream, out)
				if failure != "" {
					t.Fatal(failure)
				}
				if chat.Text != want.Text && !strings.Contains(i.answer, `"refusal"`) || chat.Reasoning != want.Reasoning || chat.Stop != want.Stop || !reflect.DeepEqual(chat.Tools, want.Tools) {
					t.Errorf("as chat, stream %v: %+v, want %+v", stream, chat, want)
				}
				// What comes back from a caller of chat is OpenAI's reasoning again.
				if len(chat.Blocks) != len(want.Blocks) {
					t.Fatalf("%d blocks of thinking, want %d", len(chat.Blocks), len(want.Blocks))
				}
				for n, b := range chat.Blocks {
					by, signature := dialect.Unseal(dialect.SignerUnknown, b.Signature)
					if by != dialect.SignerOpenAI || signature != want.Blocks[n].Data+":"+want.Blocks[n].Signature {
						t.Errorf("block %d is signed %q", n, b.Signature)
					}
				}
			}
			for _, cuts := range someCuttings(len(i.answer)) {
				got := heard(new(openairesponses.Decoder), i.stream(), i.answer, cuts...)
				if !reflect.DeepEqual(got, evs) {
					t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts, cmp.Diff(evs, got))
				}
			}
			corpus, _, _ := strings.Cut(i.name, "/")
			found[corpus]++
		})
	}
	total := 0
	for _, corpus := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%4d of %s", found[corpus], corpus)
		total += found[corpus]
	}
	t.Logf("%d answers", total)
	if total < 120 {
		t.Errorf("only %d answers were found", total)
	}
}

// someCuttings are a few of the cuttings of n bytes: each byte alone, and two dozen places that differ by length.
func someCuttings(n int) (some [][]int) {
	all := cuttings(n)
	for k := 0; k < len(all); k += 1 + len(all)/24 {
		some = append(some, all[k])
	}
	return some
}
