package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
)

// geminiRecordings are the recorded calls of generateContent.
func geminiRecordings(t *testing.T) []interaction {
	t.Helper()
	return interactions(recorded.Of(t, recorded.Gemini))
}

// geminiDocs are the chunks of an answer.
func geminiDocs(t testing.TB, mediaType, answer string) (docs []string) {
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
func readGemini(t testing.TB, mediaType, raw string) (a answer, ids bool) {
	t.Helper()
	ids = true
	for _, doc := range geminiDocs(t, mediaType, raw) {
		var c struct {
			Candidates []struct {
				Index   int
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
				case cand.Index > 0:
					a.other(cand.Index, &chatMessage{Content: &p.Text})
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
			if cand.Finish != "" && cand.Index == 0 {
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
func asGemini(t testing.TB, evs []dialect.Event, media string, o dialect.Opening) string {
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

// TestRecordedGeminiRequestsSurvive decodes every recorded request, encodes it again, and decodes that: the same. The
// other dialects take it as well.
func TestRecordedGeminiRequestsSurvive(t *testing.T) {
	done := 0
	excluded := map[string]string{}
	for _, i := range geminiRecordings(t) {
		if i.request == "" || i.status == 400 {
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
		if derr != nil && i.status == 400 {
			excluded[i.name] = "refused by its provider, too: " + derr.Message
			continue
		}
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
