package openaitask

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
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
		{"a transcription by duration", false, `{"text":"hi","usage":{"type":"duration","seconds":9}}`, dialect.Aside{Done: true}},
		{"the bytes of a sound", false, "ID3\x04\x00\"usage\":{\"prompt_tokens\":1}", dialect.Aside{}},
		{"text", false, "Hello there.", dialect.Aside{}},
		{"a streamed transcription", true, "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2,\"total_tokens\":5}}\n\n",
			dialect.Aside{Done: true, Pieces: 2, Usage: dialect.Usage{Input: 3, Output: 2, Known: true}}},
		{"a streamed transcription that breaks off after a segment", true, "data: {\"type\":\"transcript.text.segment.done\",\"text\":\"a\"}\n\n", dialect.Aside{Pieces: 1}},
		{"streamed images", true, "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"" + image + "\"}\n\nevent: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"" + image + "\",\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}\n\n",
			dialect.Aside{Done: true, Pieces: 2, Usage: dialect.Usage{Input: 7, Output: 9, Known: true}}},
		{"an error in a stream", true, "data: {\"type\":\"error\",\"error\":{\"message\":\"m\",\"code\":\"c\"}}\n\n", dialect.Aside{Pieces: 1, Err: &dialect.Error{Message: "m", Code: "c"}}},
		{"a rerank of Cohere", false, `{"results":[],"id":"x","meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1,"input_tokens":4}}}`, dialect.Aside{Done: true, Usage: dialect.Usage{Input: 4, Known: true}}},
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
