package gemini_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

func TestEmbeddingsOfCallers(t *testing.T) {
	four := int64(4)
	for _, c := range []struct {
		name, body string
		batch      bool
		want       dialect.Request
		fault      string
	}{
		{"one text", `{"model":"models/m","content":{"role":"user","parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":4}`, false,
			dialect.Request{Embedding: &dialect.Embedding{Inputs: []string{"ab"}, Task: "query", Dimensions: &four}}, ""},
		{"a batch, in the other spelling", `{"requests":[{"content":{"parts":[{"text":"a"}]},"task_type":"CLUSTERING","output_dimensionality":"4"},{"content":{"parts":{"text":"b"}},"taskType":"CLUSTERING","outputDimensionality":4}]}`, true,
			dialect.Request{}, "Invalid value at 'requests[1].content.parts': it must be an array, not an object."},
		{"a batch", `{"requests":[{"content":{"parts":[{"text":"a"}]},"task_type":"CLUSTERING"},{"content":{"parts":[{"text":"b"}]},"taskType":"CLUSTERING"}]}`, true,
			dialect.Request{Embedding: &dialect.Embedding{Inputs: []string{"a", "b"}, Task: "clustering"}}, ""},
		{"what others have no place for", `{"content":{"parts":[{"text":"a"}]},"taskType":"FACT_VERIFICATION","title":"t"}`, false,
			dialect.Request{Embedding: &dialect.Embedding{Inputs: []string{"a"}}, Unsupported: []string{"title", "taskType"}}, ""},
		{"a config of its own", `{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{"outputDimensionality":4}}`, false,
			dialect.Request{Embedding: &dialect.Embedding{Inputs: []string{"a"}, Dimensions: &four}}, ""},
		{"sizes that differ", `{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"outputDimensionality":4}]}`, true,
			dialect.Request{}, "Invalid value at 'requests[1].outputDimensionality': it differs from the first request's, and the model's provider is told it once for all."},
		{"no content", `{}`, false, dialect.Request{}, "Invalid value at 'content': the field is required."},
		{"no requests", `{"requests":[]}`, true, dialect.Request{}, "Invalid value at 'requests': the field is required."},
		{"no JSON", `{`, false, dialect.Request{}, "Invalid JSON payload received. invalid JSON at byte 1: the text ends inside an object or array"},
	} {
		t.Run(c.name, func(t *testing.T) {
			decode := gemini.DecodeEmbedding
			if c.batch {
				decode = gemini.DecodeEmbeddings
			}
			got, bad := decode([]byte(c.body))
			if bad != nil {
				if bad.Message != c.fault {
					t.Errorf("fault %q, want %q", bad.Message, c.fault)
				}
				return
			}
			if d := cmp.Diff(&c.want, got); d != "" || c.fault != "" {
				t.Errorf("no fault %q; mismatch (-want +got)\n%s", c.fault, d)
			}
		})
	}
}

func TestCountsOfCallers(t *testing.T) {
	const contents = `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	var all []*dialect.Request
	for _, body := range []string{`{` + contents + `}`, `{"generateContentRequest":{"model":"models/m",` + contents + `}}`, `{"generate_content_request":{` + contents + `}}`} {
		r, bad := gemini.DecodeCount([]byte(body))
		if bad != nil {
			t.Fatalf("%s: %v", body, bad)
		}
		all = append(all, r)
	}
	for _, r := range all[1:] {
		if d := cmp.Diff(all[0], r); d != "" {
			t.Errorf("mismatch (-first +other)\n%s", d)
		}
	}
	got, bad := gemini.EncodeCount(nil, all[0], &dialect.Target{Model: "m"})
	if want := `{"generateContentRequest":{"model":"models/m",` + contents + `}}`; bad != nil || string(got) != want {
		t.Errorf("sent %s, %v, want %s", got, bad, want)
	}
	got, bad = gemini.EncodeVertexCount(nil, all[0], &dialect.Target{Model: "m"})
	if want := `{` + contents + `}`; bad != nil || string(got) != want {
		t.Errorf("sent to Vertex AI %s, %v, want %s", got, bad, want)
	}
}

func TestReaddressNamesTheTarget(t *testing.T) {
	for body, want := range map[string]string{
		`{"model":"models/ours","content":{"model":1}}`:                   `{"model":"models/m","content":{"model":1}}`,
		`{"requests":[{"model":"models/ours","content":{}},{ "x" : 1 }]}`: `{"requests":[{"model":"models/m","content":{}},{"x":1}]}`,
		`{"requests":[]}`: `{"requests":[]}`,
		`{"generateContentRequest":{"model":"models/ours","contents":[{"parts":[{"text":"model"}]}]}}`: `{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"model"}]}]}}`,
		`{}`:             `{}`,
		`{"requests":3}`: `{"requests":3}`,
		`[{"model":1}]`:  `[{"model":1}]`,
	} {
		if got := gemini.Readdress(nil, []byte(body), "m"); string(got) != want {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
}

// FuzzEmbeddingsAndCounts: whatever a caller sends is refused or read, and what passes with another model's name is JSON.
func FuzzEmbeddingsAndCounts(f *testing.F) {
	f.Add([]byte(`{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}]}`))
	f.Add([]byte(`{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"a"}]}]}}`))
	f.Add([]byte(`{"content":{"parts":[{"text":"a"}]},"outputDimensionality":"3"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		gemini.DecodeCount(body)
		gemini.DecodeEmbedding(body)
		if r, bad := gemini.DecodeEmbeddings(body); bad == nil && len(r.Embedding.Inputs) == 0 {
			t.Error("a request without inputs is taken")
		}
		if jsonscan.Check(body) == nil {
			if out := gemini.Readdress(nil, body, `m"`); jsonscan.Valid(out) != nil {
				t.Errorf("%s became %s", body, out)
			}
		}
	})
}
