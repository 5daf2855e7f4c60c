package realtime_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/realtime"
)

// The first is the example of OpenAI's own document.
const (
	done = `{"event_id":"event_3132","type":"response.done","response":{"id":"resp_001","object":"realtime.response","status":"completed","status_details":null,` +
		`"output":[{"id":"msg_006","type":"message","role":"assistant","content":[{"type":"audio","transcript":"a \"usage\": {\"input_tokens\": 9}"}],"usage":{"input_tokens":7}}],` +
		`"usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,` +
		`"cached_tokens":64,"cached_tokens_details":{"text_tokens":60,"audio_tokens":4,"image_tokens":0}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}}}`
	created     = `{"type":"response.created","response":{"id":"resp_001","usage":null}}`
	cancelled   = ` { "type" : "response.done" , "response" : { "status" : "cancelled" , "usage" : { "input_tokens" : 10 , "output_tokens" : 2 } } } `
	failed      = `{"type":"response.done","response":{"status":"failed","usage":null}}`
	session     = `{"type":"session.created","session":{"id":"sess_1","model":"gpt-realtime","audio":{"input":{"transcription":{"model":"whisper-1"}}}}}`
	errorEvent  = `{"type":"error","error":{"type":"invalid_request_error","code":"x","message":"response.done"}}`
	transcribed = `{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"hi","usage":{"type":"tokens","total_tokens":48,"input_tokens":38,"output_tokens":10}}`

	setup    = `{"setup":{"model":"models/gemini-3.1-flash-live-preview","generationConfig":{"responseModalities":["AUDIO"]}}}`
	turn1    = `{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm","data":"AAAA"}}]}},"usageMetadata":{"promptTokenCount":143,"responseTokenCount":9,"totalTokenCount":152,"responseTokensDetails":[{"modality":"AUDIO","tokenCount":9}]}}`
	turn1End = `{"usageMetadata":{"promptTokenCount":143,"responseTokenCount":19,"totalTokenCount":162,"promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"modality":"AUDIO","tokenCount":43}],"responseTokensDetails":[{"modality":"AUDIO","tokenCount":19}]},"serverContent":{"turnComplete":true}}`
	turn2End = `{"serverContent":{"turnComplete":true},"usageMetadata":{"promptTokenCount":181,"responseTokenCount":24,"thoughtsTokenCount":6,"totalTokenCount":205}}`
)

func delta(n int) string {
	return `{"type":"response.output_audio.delta","response_id":"r","delta":"` + strings.Repeat("UklGRg\\/=", n) + `"}`
}

func TestSessionsAreReadAside(t *testing.T) {
	for name, test := range map[string]struct {
		client, server []string
		want           realtime.Seen
	}{
		"one answer, whose cached audio is not audio again": {
			server: []string{session, created, delta(100), done},
			want:   realtime.Seen{Model: "gpt-realtime", Usage: dialect.Usage{Input: 132, Output: 121, CacheRead: 64, InputAudio: 9, OutputAudio: 91, Known: true}},
		},
		"answers are summed": {
			server: []string{created, done, created, cancelled, created, done},
			want:   realtime.Seen{Usage: dialect.Usage{Input: 274, Output: 244, CacheRead: 128, InputAudio: 18, OutputAudio: 182, Known: true}},
		},
		"an answer without usage":    {server: []string{created, failed}},
		"an answer that did not end": {server: []string{created}, want: realtime.Seen{Open: 1}},
		"errors, transcriptions":     {server: []string{errorEvent, transcribed, errorEvent}, want: realtime.Seen{Errors: 2, Other: true}},
		"a Gemini session": {
			client: []string{setup, `{"setup":{"model":"another"}}`}, server: []string{`{"setupComplete":{}}`, turn1, turn1End, turn2End},
			want: realtime.Seen{Model: "models/gemini-3.1-flash-live-preview", Usage: dialect.Usage{Input: 324, Output: 49, Reasoning: 6, InputAudio: 43, OutputAudio: 19, Known: true}},
		},
		"what is no JSON": {client: []string{"\x00\xff"}, server: []string{"", "{", `{"type":"response.done","response":{"usage":{"input_tokens":1,}}}`, `[{"type":"error"}]`, `"type":"error"`, `{"a":{"type":"error"}}`}},
		"usage that is larger than any": {
			server: []string{`{"type":"response.done","response":{"usage":{"input_tokens":1,"x":"` + strings.Repeat("x", 5000) + `"}}}`},
			want:   realtime.Seen{Cut: true},
		},
		"names twice, the last counts": {
			server: []string{`{"type":"error","type":"response.done","response":{"usage":{"input_tokens":5}},"response":{"usage":{"input_tokens":3,"output_tokens":4}}}`},
			want:   realtime.Seen{Usage: dialect.Usage{Input: 3, Output: 4, Known: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1 << 20, 1, 3, 7, 64} {
				var tap realtime.Tap
				pieces := func(m string, feed func(b []byte, begins, ends bool)) {
					for at := 0; at == 0 || at < len(m); at += size {
						feed([]byte(m[at:min(at+size, len(m))]), at == 0, at+size >= len(m))
					}
				}
				for _, m := range test.client {
					pieces(m, tap.FromClient)
				}
				for _, m := range test.server {
					pieces(m, tap.FromServer)
				}
				if diff := cmp.Diff(&test.want, tap.Seen()); diff != "" {
					t.Fatalf("in pieces of %d: mismatch (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

func TestAudioCostsNoMemory(t *testing.T) {
	var tap realtime.Tap
	m := []byte(delta(100_000))
	tap.FromServer([]byte(done), true, true)
	if n := testing.AllocsPerRun(20, func() { tap.FromServer(m, true, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTap gives a message at once and in pieces.
func FuzzTap(f *testing.F) {
	for _, m := range []string{done, session, turn1End, errorEvent, `{"usage":"\"`, `{"response":{"usage":[{"}`} {
		f.Add([]byte(m), uint8(2))
	}
	f.Fuzz(func(t *testing.T, m []byte, size uint8) {
		var whole, pieces realtime.Tap
		whole.FromServer(m, true, true)
		n := int(size)%9 + 1
		for at := 0; at == 0 || at < len(m); at += n {
			pieces.FromServer(m[at:min(at+n, len(m))], at == 0, at+n >= len(m))
		}
		if diff := cmp.Diff(whole.Seen(), pieces.Seen()); diff != "" {
			t.Fatalf("mismatch (-whole +pieces):\n%s", diff)
		}
	})
}

func BenchmarkAudioDelta(b *testing.B) {
	var tap realtime.Tap
	m := []byte(delta(100))
	b.SetBytes(int64(len(m)))
	for b.Loop() {
		tap.FromServer(m, true, true)
	}
}
