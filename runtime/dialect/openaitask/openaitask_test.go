package openaitask

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

func read(stream bool, answer string, n int) dialect.Aside {
	var t Tap
	t.Reset(stream)
	for at := 0; at < len(answer); at += n {
		t.Feed([]byte(answer[at:min(at+n, len(answer))]))
	}
	t.Finish()
	return *t.Seen()
}

func TestTap(t *testing.T) {
	image := strings.Repeat("iVBORw0KGgo", 20000)
	for _, c := range []struct {
		name   string
		stream bool
		answer string
		want   dialect.Aside
	}{
		{"embeddings", false, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`,
			dialect.Aside{Model: "text-embedding-3-small", Done: true, Usage: dialect.Usage{Input: 8, Known: true}}},
		{"images", false, `{"created":1,"data":[{"b64_json":"` + image + `"}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":50}}}`,
			dialect.Aside{Done: true, Usage: dialect.Usage{Input: 50, Output: 50, InputImage: 40, OutputImage: 50, Known: true}}},
		{"a transcription by tokens", false, `{"text":"usage","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}`,
			dialect.Aside{Done: true, Usage: dialect.Usage{Input: 14, InputAudio: 14, Output: 45, Known: true}}},
		{"a transcription by duration", false, `{"text":"hi","usage":{"type":"duration","seconds":9}}`, dialect.Aside{Done: true, Usage: dialect.Usage{Units: price.Units{Seconds: 9}}}},
		{"a second that has begun counts", false, `{"text":"hi","usage":{"type":"duration","seconds":8.01}}`, dialect.Aside{Done: true, Usage: dialect.Usage{Units: price.Units{Seconds: 9}}}},
		{"tokens and seconds of Mistral", false, `{"text":"hi","usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"completion_tokens":635,"total_tokens":3264}}`, dialect.Aside{Done: true, Usage: dialect.Usage{Input: 4, Output: 635, Units: price.Units{Seconds: 203}, Known: true}}},
		{"the bytes of a sound", false, "ID3\x04\x00\"usage\":{\"prompt_tokens\":1}", dialect.Aside{}},
		{"text", false, "Hello there.", dialect.Aside{}},
		{"a streamed transcription", true, "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2,\"total_tokens\":5}}\n\n",
			dialect.Aside{Done: true, Pieces: 2, Usage: dialect.Usage{Input: 3, Output: 2, Known: true}}},
		{"a streamed transcription that breaks off after a segment", true, "data: {\"type\":\"transcript.text.segment.done\",\"text\":\"a\"}\n\n", dialect.Aside{Pieces: 1}},
		{"streamed images", true, "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"" + image + "\"}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"" + image + "\",\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}\n\n",
			dialect.Aside{Done: true, Pieces: 2, Usage: dialect.Usage{Input: 7, Output: 9, Known: true}}},
		{"an error in a stream", true, "data: {\"type\":\"error\",\"error\":{\"message\":\"m\",\"code\":\"c\"}}\n\n", dialect.Aside{Pieces: 1, Err: &dialect.Error{Message: "m", Code: "c"}}},
		{"a rerank of Cohere", false, `{"results":[],"id":"x","meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1,"input_tokens":4}}}`, dialect.Aside{Done: true, Usage: dialect.Usage{Input: 4, Units: price.Units{SearchUnits: 1}, Known: true}}},
		{"a body that breaks off", false, `{"usage":{"prompt_tokens":8},"data":[`, dialect.Aside{Usage: dialect.Usage{Input: 8, Known: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 13, 4096, len(c.answer)} {
				if diff := cmp.Diff(c.want, read(c.stream, c.answer, n)); diff != "" {
					t.Fatalf("pieces of %d: mismatch (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

func TestImagesAreCounted(t *testing.T) {
	image := strings.Repeat("iVBORw0KGgo", 20000)
	for _, c := range []struct {
		name   string
		stream bool
		answer string
		want   dialect.Usage
	}{
		{"by URL, without tokens", false, `{"created":1,"data":[{"url":"https://images.example/1","revised_prompt":"[{},{}]"},{"url":"https://images.example/2"}]}`, dialect.Usage{Units: price.Units{Images: 2}}},
		{"as data, before the tokens", false, `{"created":1,"data":[{"b64_json":"` + image + `"}],"usage":{"input_tokens":50,"output_tokens":60,"output_tokens_details":{"image_tokens":60}}}`,
			dialect.Usage{Input: 50, Output: 60, OutputImage: 60, Units: price.Units{Images: 1}, Known: true}},
		{"and behind them", false, `{"usage":{"input_tokens":50,"output_tokens":60},"data":[{"b64_json":"` + image + `"},{"b64_json":"a","more":[{},{"data":[{}]}]}]}`,
			dialect.Usage{Input: 50, Output: 60, Units: price.Units{Images: 2}, Known: true}},
		{"none", false, `{"created":1,"data":[]}`, dialect.Usage{}},
		{"in a stream, where pieces of one are none", true, "data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"a\"}\n\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"b\",\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}\n\n",
			dialect.Usage{Input: 7, Output: 9, Units: price.Units{Images: 1}, Known: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 13, 4096, len(c.answer)} {
				tap := NewImagesTap()
				tap.Reset(c.stream)
				for at := 0; at < len(c.answer); at += n {
					tap.Feed([]byte(c.answer[at:min(at+n, len(c.answer))]))
				}
				tap.Finish()
				if diff := cmp.Diff(c.want, tap.Seen().Usage); diff != "" {
					t.Fatalf("pieces of %d: mismatch (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

func TestCharactersOfASpeech(t *testing.T) {
	for body, want := range map[string]int64{
		`{"model":"tts-1","input":"Hello.","voice":"alloy"}`:   6,
		`{"input":"Gr\u00fc\u00dfe \ud83d\ude00","model":"m"}`: 7,
		`{"input":"Grüße 😀"}`:                                  7,
		`{"model":"tts-1"}`:                                    0,
		`{"input":["a"]}`:                                      0,
		`[]`:                                                   0,
		``:                                                     0,
	} {
		if got := Characters([]byte(body)); got != want {
			t.Errorf("%s: got %d, want %d", body, got, want)
		}
	}
}

func FuzzTap(f *testing.F) {
	f.Add(true, "data: {\"type\":\"x.done\",\"usage\":{\"input_tokens\":1}}\n\n")
	f.Add(false, `{"usage":{"prompt_tokens":1},"meta":{"billed_units":{}}}`)
	f.Fuzz(func(t *testing.T, stream bool, answer string) {
		one, all := read(stream, answer, 1), read(stream, answer, max(1, len(answer)))
		if diff := cmp.Diff(one, all); diff != "" {
			t.Fatalf("pieces matter (-one +all):\n%s", diff)
		}
	})
}
