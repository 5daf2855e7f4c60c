package dialect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// geminiRecordings are the recorded calls of generateContent: of the corpus that the other tests use, and of three more.
func geminiRecordings(t *testing.T) (all []interaction) {
	t.Helper()
	for _, i := range recordings(t) {
		if strings.HasSuffix(i.path, ":generateContent") || strings.HasSuffix(i.path, ":streamGenerateContent") {
			all = append(all, i)
		}
	}
	root := filepath.Join(os.Getenv("GWC_CORPORA"), "recordings")
	var cassettes []string
	for _, pattern := range []string{"simonw-llm-gemini/tests/cassettes/*/*.yaml", "openllmetry/packages/opentelemetry-instrumentation-google-generativeai/tests/cassettes/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		cassettes = append(cassettes, files...)
	}
	for _, f := range cassettes {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Interactions []struct {
				Request  struct{ URI, Body string }
				Response struct {
					Status struct{ Code int }
					Body   struct{ String string }
				}
			}
		}
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for n, i := range doc.Interactions {
			u, err := url.Parse(i.Request.URI)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(u.Path, "enerateContent") {
				continue
			}
			body := i.Response.Body.String
			if z, err := gzip.NewReader(strings.NewReader(body)); err == nil {
				plain, err := io.ReadAll(z)
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				body = string(plain)
			}
			media := "application/json"
			if strings.HasSuffix(u.Path, ":streamGenerateContent") {
				media = "array"
			}
			all = append(all, interaction{fmt.Sprintf("%s#%d", filepath.Base(f), n), u.Host, u.Path, i.Request.Body, i.Response.Status.Code, media, body})
		}
	}
	fixtures, err := filepath.Glob(filepath.Join(root, "vercel-ai/packages/google/src/__fixtures__/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fixtures {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		i := interaction{name: filepath.Base(f), host: "fixture", path: ":generateContent", status: 200, mediaType: "application/json", answer: string(raw)}
		if strings.HasSuffix(f, ".chunks.txt") {
			i.mediaType, i.path = "text/event-stream", ":streamGenerateContent"
			var b strings.Builder
			for line := range bytes.Lines(raw) {
				if line = bytes.TrimSpace(line); len(line) > 0 {
					fmt.Fprintf(&b, "data: %s\r\n\r\n", line)
				}
			}
			i.answer = b.String()
		}
		all = append(all, i)
	}
	if len(all) < 90 {
		t.Fatalf("only %d recordings were found", len(all))
	}
	return all
}

// geminiDocs are the chunks of an answer.
func geminiDocs(t *testing.T, mediaType, answer string) (docs []string) {
	t.Helper()
	switch mediaType {
	case "text/event-stream":
		for line := range strings.Lines(answer) {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				docs = append(docs, data)
			}
		}
	case "array":
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(answer), &list); err != nil {
			t.Fatalf("%v in %s", err, answer)
		}
		for _, d := range list {
			docs = append(docs, string(d))
		}
	default:
		docs = []string{answer}
	}
	return docs
}

// readGemini is the oracle: an answer read with encoding/json and without regard for anything rare. ids tells whether
// every call has one.
func readGemini(t *testing.T, mediaType, raw string) (a answer, ids bool) {
	t.Helper()
	ids = true
	for _, doc := range geminiDocs(t, mediaType, raw) {
		var c struct {
			Candidates []struct {
				Content struct {
					Role  string
					Parts []struct {
						Text      string
						Thought   bool
						Signature string `json:"thoughtSignature"`
						Call      *struct {
							ID, Name string
							Args     any
						} `json:"functionCall"`
					}
				}
				Finish string `json:"finishReason"`
			}
			Usage *struct {
				Prompt     int64 `json:"promptTokenCount"`
				Tools      int64 `json:"toolUsePromptTokenCount"`
				Cached     int64 `json:"cachedContentTokenCount"`
				Candidates int64 `json:"candidatesTokenCount"`
				Thoughts   int64 `json:"thoughtsTokenCount"`
				Total      int64 `json:"totalTokenCount"`
			} `json:"usageMetadata"`
			Model string `json:"modelVersion"`
		}
		if err := json.Unmarshal([]byte(doc), &c); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		a.Model = c.Model
		if u := c.Usage; u != nil && u.Total > 0 {
			a.Usage = dialect.Usage{Input: u.Prompt + u.Tools, Output: u.Candidates + u.Thoughts, CacheRead: u.Cached, Reasoning: u.Thoughts, Known: true}
		}
		for _, cand := range c.Candidates {
			for _, p := range cand.Content.Parts {
				switch {
				case p.Call != nil:
					if p.Call.Args == nil {
						p.Call.Args = map[string]any{}
					}
					ids = ids && p.Call.ID != ""
					a.Tools = append(a.Tools, tool{p.Call.ID, p.Call.Name, p.Call.Args})
				case p.Thought:
					a.Reasoning += p.Text
					if p.Signature != "" {
						a.Blocks = append(a.Blocks, thinking{Type: "thinking", Signature: p.Signature})
					}
				default:
					a.Text += p.Text
				}
			}
			if cand.Finish != "" {
				a.Stop = map[string]string{"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}[cand.Finish]
				a.Terminals++
			}
		}
	}
	if a.Stop == "stop" && len(a.Tools) > 0 {
		a.Stop = "tool_calls"
	}
	return a, ids
}

// geminiForms are the forms that an answer of the dialect may have.
var geminiForms = []struct {
	media   string
	opening dialect.Opening
}{
	{"application/json", dialect.Opening{}},
	{"text/event-stream", dialect.Opening{Stream: true}},
	{"array", dialect.Opening{Stream: true, Array: true}},
}

// asGemini encodes an answer in one form of the dialect, and fails on anything that a strict client would trip over.
func asGemini(t *testing.T, evs []dialect.Event, media string, o dialect.Opening) string {
	t.Helper()
	var e gemini.Encoder
	o.ID, o.Model = "answer_1", "asked"
	e.Reset(o)
	var out []byte
	for n := range evs {
		out = e.Event(out, &evs[n])
	}
	if !e.Done() || e.Err() != nil {
		t.Fatalf("done %v, error %+v", e.Done(), e.Err())
	}
	switch media {
	case "application/json":
		out = e.Body(out)
	case "text/event-stream":
		events := strings.Split(strings.TrimSuffix(string(out), "\r\n\r\n"), "\r\n\r\n")
		for _, ev := range events {
			if !strings.HasPrefix(ev, "data: {") || strings.ContainsAny(ev, "\r\n") {
				t.Fatalf("not one data line: %q", ev)
			}
		}
	}
	for _, doc := range geminiDocs(t, media, string(out)) {
		if err := jsonscan.Check([]byte(strings.TrimSpace(doc))); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
	}
	return string(out)
}

// inPieces tells why a fixture is no test of translation: it holds arguments in pieces, which the gateway never asks for.
func inPieces(i *interaction) bool { return strings.Contains(i.answer, "willContinue") }

func TestRecordedGeminiAnswersComeOutInEveryDialect(t *testing.T) {
	count := map[string]int{}
	excluded := map[string]string{}
	for _, i := range geminiRecordings(t) {
		switch {
		case i.status != 200 || strings.Contains(i.name, "429"):
			excluded[i.name] = fmt.Sprintf("status %d", i.status)
			continue
		case inPieces(&i):
			excluded[i.name] = "arguments in pieces, which is not asked for; is reported as an error"
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			stream := i.mediaType != "application/json" && !strings.HasPrefix(i.mediaType, "application/json")
			media := "application/json"
			if stream {
				media = i.mediaType
			}
			want, ids := readGemini(t, media, i.answer)
			evs := decoded(new(gemini.Decoder), stream, i.answer)
			checkGrammar(t, evs)
			for _, cuts := range cuttings(len(i.answer)) {
				if got := decoded(new(gemini.Decoder), stream, i.answer, cuts...); !reflect.DeepEqual(evs, got) {
					t.Fatalf("cut at %v: mismatch (-want +got):\n%s", cuts, cmp.Diff(evs, got))
				}
			}
			tap := new(gemini.Tap)
			tap.Reset(stream)
			tap.Feed([]byte(i.answer))
			tap.Finish()
			if got := tap.Seen(); !got.Done || string(got.Stop) != want.Stop || got.Model != want.Model || got.Usage.Input != want.Usage.Input || got.Usage.Output != want.Usage.Output {
				t.Errorf("the tap has seen %+v of %+v", got, want)
			}
			want.Model, want.Terminals = "asked", 1
			same := func(name string, got answer) {
				want, got := want, got
				for n := range got.Tools {
					if got.Tools[n].ID == "" {
						t.Errorf("%s: call %d has no id", name, n)
					}
					if !ids && n < len(want.Tools) {
						got.Tools[n].ID = want.Tools[n].ID
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: mismatch (-want +got):\n%s", name, diff)
				}
				count[name]++
			}
			for _, stream := range []bool{true, false} {
				o := dialect.Opening{Stream: stream, IncludeUsage: true, ID: "answer_1", Created: 1700000000, Model: "asked"}
				for name, e := range map[string]dialect.Encoder{"openai-chat": new(openaichat.Encoder), "anthropic-messages": new(anthropic.Encoder)} {
					e.Reset(o)
					var out []byte
					for n := range evs {
						out = e.Event(out, &evs[n])
					}
					if !stream {
						out = e.Body(nil)
					}
					if name == "openai-chat" {
						got, failure := readChat(t, stream, out)
						if failure != "" {
							t.Fatal(failure)
						}
						same(name, got)
					} else {
						same(name, readMessages(t, stream, out))
					}
				}
			}
			for _, f := range geminiForms {
				got, _ := readGemini(t, f.media, asGemini(t, evs, f.media, f.opening))
				same("gemini "+f.media, got)
			}
		})
	}
	report(t, fmt.Sprintf("gemini's answers by dialect: %v", count), excluded)
}

// TestRecordedAnswersComeOutAsGemini is the other way round: what the other providers answered, in each form of the
// dialect.
func TestRecordedAnswersComeOutAsGemini(t *testing.T) {
	count := map[string]int{}
	excluded := map[string]string{}
	for _, i := range recordings(t) {
		var d dialect.Decoder
		var read func(*testing.T, *interaction) answer
		switch {
		case i.anthropicAnswer():
			d, read = anthropic.NewDecoder(false), readAnthropic
		case i.chatAnswer():
			d, read = new(openaichat.Decoder), recordedChat
		default:
			continue
		}
		if why := i.unusable(); why != "" {
			excluded[i.name] = why
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			want := read(t, &i)
			evs := decoded(d, i.stream(), i.answer)
			for _, f := range geminiForms {
				out := asGemini(t, evs, f.media, f.opening)
				got, _ := readGemini(t, f.media, out)
				want := want
				want.Model, want.Terminals = "asked", 1
				want.Usage.CacheWrite, want.Usage.CacheWrite1h = 0, 0 // no place
				if want.Stop == "stop" && len(want.Tools) > 0 || want.Stop == "function_call" {
					want.Stop = "tool_calls"
				}
				if len(want.Blocks) != len(got.Blocks) {
					t.Errorf("%d signed thoughts, want %d", len(got.Blocks), len(want.Blocks))
				}
				want.Blocks, got.Blocks = nil, nil
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: mismatch (-want +got):\n%s", f.media, diff)
				}
				// Its own decoder reads the same.
				again := decoded(new(gemini.Decoder), f.opening.Stream, out)
				checkGrammar(t, again)
				count[i.host+" → gemini "+f.media]++
			}
		})
	}
	report(t, fmt.Sprintf("answers as gemini: %v", count), excluded)
}

// TestRecordedGeminiRequestsSurvive decodes every recorded request, encodes it again, and decodes that: the same. The
// other dialects take it as well.
func TestRecordedGeminiRequestsSurvive(t *testing.T) {
	done := 0
	excluded := map[string]string{}
	for _, i := range geminiRecordings(t) {
		if i.request == "" {
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			first, derr := gemini.DecodeRequest([]byte(i.request))
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			model := i.path[strings.LastIndexByte(i.path, '/')+1 : strings.LastIndexByte(i.path, ':')]
			first.Model = model
			body, derr := gemini.EncodeRequest(nil, first, &dialect.Target{Model: model})
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			second, derr := gemini.DecodeRequest(body)
			if derr != nil {
				t.Fatalf("refused the second time: %s (%s)\n%s", derr.Message, derr.Param, body)
			}
			normal := func(r *dialect.Request) dialect.Request {
				n := *r
				n.Unsupported, n.Model, n.ThinkingBudget = nil, "", nil
				for k := range n.Tools { // a function that takes nothing is declared without a schema
					if bytes.Contains(n.Tools[k].Parameters, []byte(`"properties":{}`)) {
						n.Tools[k].Parameters = nil
					}
				}
				for m := range n.Messages {
					n.Messages[m].At = 0
					for p := range n.Messages[m].Parts {
						part := &n.Messages[m].Parts[p]
						if part.At = 0; part.Signature == "skip_thought_signature_validator" {
							part.Signature, part.SignedBy = "", ""
						}
					}
				}
				return n
			}
			if diff := cmp.Diff(normal(first), normal(second)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s\n%s", diff, body)
			}
			first.Model = "smart"
			for name, encode := range map[string]func([]byte, *dialect.Request, *dialect.Target) ([]byte, *dialect.Error){"anthropic": anthropic.EncodeRequest, "openai": openaichat.EncodeRequest} {
				if _, derr := encode(nil, first, &dialect.Target{Model: "model-of-today", MaxTokens: 4096}); derr != nil && first.Format.Kind != "json_object" {
					t.Errorf("refused by %s: %s (%s)\n%s", name, derr.Message, derr.Param, i.request)
				}
			}
			done++
		})
	}
	report(t, fmt.Sprintf("%d requests of gemini's", done), excluded)
}

// TestRecordedRequestsGoToGemini encodes the recorded requests of the other dialects, and reads what comes out.
func TestRecordedRequestsGoToGemini(t *testing.T) {
	done := 0
	excluded := map[string]string{}
	for _, i := range recordings(t) {
		decode := openaichat.DecodeRequest
		switch {
		case i.anthropicAnswer() && i.host == "api.anthropic.com":
			decode = anthropic.DecodeRequest
		case !i.chatAnswer():
			continue
		}
		if !json.Valid([]byte(i.request)) {
			excluded[i.name] = "request body is not JSON"
			continue
		}
		r, derr := decode([]byte(i.request))
		if derr != nil {
			t.Errorf("%s: %s", i.name, derr.Message)
			continue
		}
		body, derr := gemini.EncodeRequest(nil, r, &dialect.Target{Model: "gemini-3-pro-preview"})
		if derr != nil {
			if len(r.Unsupported) == 0 {
				t.Errorf("%s: refused: %s (%s)", i.name, derr.Message, derr.Param)
			}
			excluded[i.name] = derr.Message
			continue
		}
		again, derr := gemini.DecodeRequest(body)
		if derr != nil {
			t.Errorf("%s: it refuses what it encoded: %s (%s)\n%s", i.name, derr.Message, derr.Param, body)
			continue
		}
		if len(again.Tools) != len(r.Tools) || again.ToolChoice != r.ToolChoice {
			t.Errorf("%s: %d tools and choice %v of %d and %v", i.name, len(again.Tools), again.ToolChoice, len(r.Tools), r.ToolChoice)
		}
		done++
	}
	report(t, fmt.Sprintf("%d requests of others", done), excluded)
	if done < 200 {
		t.Errorf("only %d requests were found", done)
	}
}
