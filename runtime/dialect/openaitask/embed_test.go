package openaitask

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

func TestDecodeEmbeddings(t *testing.T) {
	three := int64(3)
	for _, c := range []struct {
		name, body string
		want       *dialect.Request
		param      string
		code       string
	}{
		{"one text", `{"model":"m","input":"a","encoding_format":"base64"}`, &dialect.Request{Model: "m", Embedding: &dialect.Embedding{Inputs: []string{"a"}, Base64: true}}, "", ""},
		{"several texts", `{"model":"m","input":["a","b"],"dimensions":3,"user":"u"}`, &dialect.Request{Model: "m", User: "u", Embedding: &dialect.Embedding{Inputs: []string{"a", "b"}, Dimensions: &three}}, "", ""},
		{"what has no place", `{"model":"m","input":"a","extra":1}`, &dialect.Request{Model: "m", Embedding: &dialect.Embedding{Inputs: []string{"a"}}, Unsupported: []string{"extra"}}, "", ""},
		{"tokens", `{"model":"m","input":[1,2]}`, nil, "input[0]", "unsupported_parameter"},
		{"lists of tokens", `{"model":"m","input":[[1,2]]}`, nil, "input[0]", "unsupported_parameter"},
		{"nothing", `{"model":"m","input":[]}`, nil, "input", "empty_array"},
		{"no input", `{"model":"m"}`, nil, "input", "missing_required_parameter"},
		{"a number", `{"model":"m","input":5}`, nil, "input", "invalid_type"},
		{"an unknown encoding", `{"model":"m","input":"a","encoding_format":"hex"}`, nil, "encoding_format", "invalid_value"},
		{"too many", `{"model":"m","input":[` + strings.Repeat(`"a",`, MaxInputs) + `"a"]}`, nil, "input[2048]", "array_above_max_length"},
		{"no JSON", `{`, nil, "", "invalid_json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeEmbeddings([]byte(c.body))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if c.want == nil && (err == nil || err.Param != c.param || err.Code != c.code || err.Status != 400) {
				t.Errorf("error %+v, want param %q and code %q", err, c.param, c.code)
			}
		})
	}
}

// embedded sends an answer through the decoder and the encoder.
func embedded(answer string, n int, o dialect.Opening) (string, *dialect.Error) {
	d := NewEmbeddingsDecoder()
	var e EmbeddingsEncoder
	d.Reset(false)
	e.Reset(o)
	emit := func(ev *dialect.Event) { e.Event(nil, ev) }
	for at := 0; at < len(answer); at += n {
		d.Feed([]byte(answer[at:min(at+n, len(answer))]), emit)
	}
	d.Finish(emit)
	if !e.Done() {
		panic("the answer has no end")
	}
	return string(e.Body(nil)), e.Err()
}

const answered = `{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.25,-1e-3]},{"object":"embedding","index":0,"embedding":[1,2]}],"model":"theirs","usage":{"prompt_tokens":8,"total_tokens":8}}`

func TestVectorsComeOutAsTheyCame(t *testing.T) {
	for _, n := range []int{1, 5, len(answered)} {
		got, err := embedded(answered, n, dialect.Opening{Model: "ours"})
		// They come out in the order of the inputs.
		want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,2]},{"object":"embedding","index":1,"embedding":[0.25,-1e-3]}],"model":"ours","usage":{"prompt_tokens":8,"total_tokens":8}}`
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("%v, mismatch (-want +got):\n%s", err, diff)
		}
	}
}

func TestVectorsInBase64(t *testing.T) {
	got, derr := embedded(answered, 100, dialect.Opening{Model: "m", Base64: true})
	var a struct{ Data []struct{ Embedding string } }
	if err := json.Unmarshal([]byte(got), &a); err != nil || derr != nil {
		t.Fatal(err, derr)
	}
	raw, err := base64.StdEncoding.DecodeString(a.Data[1].Embedding)
	if err != nil {
		t.Fatal(err)
	}
	var v []float32
	for ; len(raw) > 0; raw = raw[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	if diff := cmp.Diff([]float32{0.25, -1e-3}, v); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestAnAnswerThatIsNoneIsTheProvidersFault(t *testing.T) {
	for _, answer := range []string{``, `{`, `[]`, `{}`, `{"data":{}}`, `{"data":[1]}`, `{"data":[{"embedding":"x"}]}`, `{"data":[{"index":-1,"embedding":[]}]}`} {
		if _, err := embedded(answer, 1, dialect.Opening{}); err == nil || err.Status != 502 {
			t.Errorf("%s: error %+v", answer, err)
		}
	}
	if _, err := embedded(`{"data":[{"embedding":["x"]}]}`, 1, dialect.Opening{Base64: true}); err == nil || err.Status != 502 {
		t.Errorf("a word in a vector: error %+v", err)
	}
}

func FuzzEmbeddings(f *testing.F) {
	f.Add(answered, true)
	f.Add(`{"model":"m","input":["a"]}`, false)
	f.Fuzz(func(t *testing.T, text string, packed bool) {
		body, err := embedded(text, 7, dialect.Opening{Base64: packed})
		if err == nil && !json.Valid([]byte(body)) {
			t.Fatalf("not JSON: %s", body)
		}
		if r, err := DecodeEmbeddings([]byte(text)); err == nil {
			up, err := EncodeEmbeddings(nil, r, &dialect.Target{Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			again, err := DecodeEmbeddings(up)
			if err != nil {
				t.Fatalf("%v in %s", err, up)
			}
			if diff := cmp.Diff(r.Embedding.Inputs, again.Embedding.Inputs); diff != "" {
				t.Fatalf("mismatch (-want +got):\n%s", diff)
			}
		}
	})
}
