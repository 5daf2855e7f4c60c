package dialect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaitask"
)

// embedders are the dialects in which vectors are asked for.
var embedders = []struct {
	name            string
	encode          func([]byte, *dialect.Request, *dialect.Target) ([]byte, *dialect.Error)
	decoder         func() dialect.Decoder
	request, answer string
	input           int64 // tokens of the answer's usage
}{
	{"openai", openaitask.EncodeEmbeddings, openaitask.NewEmbeddingsDecoder,
		`{"model":"m","input":["a","b\n"],"encoding_format":"float","dimensions":3}`,
		`{"object":"list","data":[{"embedding":[1,2.5],"index":0},{"embedding":[-3e-1,4],"index":1}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}`, 5},
	{"cohere", cohere.EncodeEmbedding, cohere.NewEmbeddingDecoder,
		`{"model":"m","input_type":"search_query","embedding_types":["float"],"output_dimension":3,"texts":["a","b\n"]}`,
		`{"id":"x","embeddings":{"float":[[1,2.5],[-3e-1,4]]},"texts":["a","b"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":5}}}`, 5},
	{"ollama", ollama.EncodeEmbedding, ollama.NewEmbeddingDecoder,
		`{"model":"m","dimensions":3,"input":["a","b\n"]}`,
		`{"model":"m","embeddings":[[1,2.5],[-3e-1,4]],"total_duration":14143917,"prompt_eval_count":5}`, 5},
	{"gemini", gemini.EncodeEmbedding, gemini.NewEmbeddingDecoder,
		`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":3},{"model":"models/m","content":{"parts":[{"text":"b\n"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":3}]}`,
		`{"embeddings":[{"values":[1,2.5]},{"values":[-3e-1,4]}]}`, 0},
	{"vertex", gemini.EncodePrediction, gemini.NewPredictionDecoder,
		`{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"},{"content":"b\n","task_type":"RETRIEVAL_QUERY"}],"parameters":{"outputDimensionality":3}}`,
		`{"predictions":[{"embeddings":{"values":[1,2.5],"statistics":{"token_count":2,"truncated":false}}},{"embeddings":{"values":[-3e-1,4],"statistics":{"token_count":3.0}}}]}`, 5},
}

func TestVectorsInEveryDialect(t *testing.T) {
	three := int64(3)
	r := &dialect.Request{Model: "asked", Embedding: &dialect.Embedding{Inputs: []string{"a", "b\n"}, Dimensions: &three, Task: "query"}}
	for _, e := range embedders {
		t.Run(e.name, func(t *testing.T) {
			got, derr := e.encode([]byte("kept"), r, &dialect.Target{Model: "m"})
			if derr != nil {
				t.Fatal(derr)
			}
			if diff := cmp.Diff("kept"+e.request, string(got)); diff != "" {
				t.Errorf("request: mismatch (-want +got):\n%s", diff)
			}
			for _, n := range []int{1, 7, len(e.answer)} {
				var enc openaitask.EmbeddingsEncoder
				enc.Reset(dialect.Opening{Model: "m"})
				d := e.decoder()
				d.Reset(false)
				emit := func(ev *dialect.Event) { enc.Event(nil, ev) }
				for at := 0; at < len(e.answer); at += n {
					d.Feed([]byte(e.answer[at:min(at+n, len(e.answer))]), emit)
				}
				d.Finish(emit)
				usage := `{"prompt_tokens":5,"total_tokens":5}`
				if e.input == 0 {
					usage = `{"prompt_tokens":0,"total_tokens":0}`
				}
				want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,2.5]},{"object":"embedding","index":1,"embedding":[-3e-1,4]}],"model":"m","usage":` + usage + `}`
				if diff := cmp.Diff(want, string(enc.Body(nil))); diff != "" || enc.Err() != nil || !enc.Done() {
					t.Errorf("answer in pieces of %d: %v, mismatch (-want +got):\n%s", n, enc.Err(), diff)
				}
			}
		})
	}
}

// FuzzVectors holds that no answer makes a decoder panic or leaves it without an end.
func FuzzVectors(f *testing.F) {
	for i, e := range embedders {
		f.Add(i, e.answer)
		f.Add(i, `{"embeddings":[{}],"predictions":[{"embeddings":1}],"data":[{"index":9}]}`)
	}
	f.Fuzz(func(t *testing.T, which int, answer string) {
		d := embedders[uint(which)%uint(len(embedders))].decoder()
		d.Reset(false)
		ends, failed, vectors := 0, false, 0
		emit := func(ev *dialect.Event) {
			switch ev.Kind {
			case dialect.End:
				ends++
			case dialect.ErrorEvent:
				failed = true
			case dialect.VectorEvent:
				vectors++
			}
		}
		d.Feed([]byte(answer), emit)
		d.Finish(emit)
		if ends != 1 || failed == (vectors > 0) {
			t.Fatalf("%d ends, failed %v, %d vectors", ends, failed, vectors)
		}
	})
}
