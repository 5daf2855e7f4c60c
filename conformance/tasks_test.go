package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	goopenai "github.com/sashabaranov/go-openai"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestTasksThroughSDKs asks for everything that is no conversation with OpenAI's own client.
func TestTasksThroughSDKs(t *testing.T) {
	w := startWorld(t)
	c := openai.NewClient(option.WithBaseURL(w.URL+"/v1"), option.WithAPIKey(appKey), option.WithMaxRetries(0))
	ctx := t.Context()

	t.Run("embeddings as numbers", func(t *testing.T) {
		r, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "passed", Dimensions: openai.Int(5), EncodingFormat: "float",
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two words"}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 2 || len(r.Data[1].Embedding) != 5 || r.Usage.PromptTokens != 3 {
			t.Errorf("got %s", r.RawJSON())
		}
	})
	t.Run("embeddings as another client packs them", func(t *testing.T) {
		cfg := goopenai.DefaultConfig(appKey)
		cfg.BaseURL = w.URL + "/v1"
		r, err := goopenai.NewClientWithConfig(cfg).CreateEmbeddings(ctx, goopenai.EmbeddingRequestStrings{Model: "passed", Input: []string{"a"}, EncodingFormat: goopenai.EmbeddingEncodingFormatBase64})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 1 || len(r.Data[0].Embedding) != 8 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("an image", func(t *testing.T) {
		r, err := c.Images.Generate(ctx, openai.ImageGenerateParams{Model: "passed", Prompt: "a red square"})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 1 || r.Data[0].B64JSON != png || r.Usage.OutputTokens != 100 {
			t.Errorf("got %s", r.RawJSON())
		}
	})
	t.Run("a streamed image", func(t *testing.T) {
		s := c.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Model: "passed", Prompt: "a red square"})
		var kinds []string
		for s.Next() {
			kinds = append(kinds, s.Current().Type)
		}
		if d := cmp.Diff([]string{"image_generation.partial_image", "image_generation.completed"}, kinds); d != "" || s.Err() != nil {
			t.Errorf("%v, mismatch (-want +got)\n%s", s.Err(), d)
		}
	})
	t.Run("an edited image, which is a form with a file", func(t *testing.T) {
		r, err := c.Images.Edit(ctx, openai.ImageEditParams{Model: "passed", Prompt: "make it blue", Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader("PNG"), "a.png", "image/png")}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 1 || r.Data[0].B64JSON != png {
			t.Errorf("got %s", r.RawJSON())
		}
	})
	t.Run("speech", func(t *testing.T) {
		r, err := c.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{Model: "passed", Input: "hello", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasSuffix(string(b), "hello") || r.Header.Get("Content-Type") != "audio/mpeg" {
			t.Errorf("got %q, %q, %v", b, r.Header.Get("Content-Type"), err)
		}
	})
	t.Run("a transcription of a large file", func(t *testing.T) {
		file := bytes.Repeat([]byte("RIFF\r\n--"), 100_000)
		r, err := c.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: "passed", File: openai.File(bytes.NewReader(file), "a.wav", "audio/wav")})
		if err != nil {
			t.Fatal(err)
		}
		if r.Text != fmt.Sprintf("A file of %d bytes named a.wav.", len(file)) {
			t.Errorf("got %s", r.RawJSON())
		}
	})
	t.Run("a streamed transcription", func(t *testing.T) {
		s := c.Audio.Transcriptions.NewStreaming(ctx, openai.AudioTranscriptionNewParams{Model: "passed", File: openai.File(strings.NewReader("x"), "a.wav", "audio/wav")})
		last := ""
		for s.Next() {
			last = s.Current().Text
		}
		if last != "A file of 1 bytes named a.wav." || s.Err() != nil {
			t.Errorf("got %q, %v", last, s.Err())
		}
	})
	t.Run("a moderation", func(t *testing.T) {
		r, err := c.Moderations.New(ctx, openai.ModerationNewParams{Model: "passed", Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("violence!")}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Results) != 1 || !r.Results[0].Flagged {
			t.Errorf("got %s", r.RawJSON())
		}
	})
	t.Run("what the model's provider has not", func(t *testing.T) {
		_, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "translated", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("a")}})
		if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || !strings.Contains(e.Message, "its provider has nothing of the kind") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("an unknown model in a form", func(t *testing.T) {
		_, err := c.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: "nobody", File: openai.File(strings.NewReader("x"), "a.wav", "audio/wav")})
		if err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("error %v", err)
		}
	})
	for model, estimate := range map[string]string{"translated": "", "passed": "tokens"} { // to Anthropic's client: the one that is passed, and the other
		t.Run("tokens of a conversation, counted by "+model, func(t *testing.T) {
			var res *http.Response
			m := newMessagesGo(w.URL, appKey)
			n, err := m.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: anthropic.Model(model), Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("one two three"))}}, anthropicoption.WithResponseInto(&res))
			if err != nil {
				t.Fatal(err)
			}
			if n.InputTokens < 3 || res.Header.Get("X-Gwc-Estimate") != estimate {
				t.Errorf("%d tokens, estimate %q", n.InputTokens, res.Header.Get("X-Gwc-Estimate"))
			}
		})
	}
	for _, path := range []string{"/v1/rerank", "/v2/rerank"} {
		t.Run("reranking at "+path, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(ctx, "POST", w.URL+path, strings.NewReader(`{"model":"passed","query":"red car","documents":["a blue house","a red car","red"],"top_n":2}`))
			req.Header.Set("Authorization", "Bearer "+appKey)
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var got struct{ Results []struct{ Index int } }
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != 200 || len(got.Results) != 2 || got.Results[0].Index != 1 {
				t.Errorf("%d %+v, %v", res.StatusCode, got, err)
			}
		})
	}
}

// TestVectorsThroughEveryKind asks for the vectors of the same texts from each kind of provider that has them: they are
// the same, whatever the form in which the provider gives them.
func TestVectorsThroughEveryKind(t *testing.T) {
	m := startMock(t)
	g := serve(t, rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: {
	openai: {kind: "openai", baseURL: "%[1]s/v1", credentials: [{ref: "file:provider-key"}]}
	azure: {kind: "azure-openai", baseURL: "%[1]s", credentials: [{ref: "file:provider-key"}]}
	cohere: {kind: "cohere", baseURL: "%[1]s", credentials: [{ref: "file:provider-key"}]}
	ollama: {kind: "ollama", baseURL: "%[1]s"}
	gemini: {kind: "gemini", baseURL: "%[1]s", credentials: [{ref: "file:provider-key"}]}
}
models: {
	openai: targets: [{provider: "openai", model: "text-embedding-3-small"}]
	azure: targets: [{provider: "azure", model: "our-embeddings"}]
	cohere: targets: [{provider: "cohere", model: "embed-v4.0"}]
	ollama: targets: [{provider: "ollama", model: "nomic-embed-text"}]
	gemini: targets: [{provider: "gemini", model: "gemini-embedding-001"}]
}
tenants: acme: apps: web: {
	keys: [{id: "web-1", hash: %[2]q}]
	models: ["openai", "azure", "cohere", "ollama", "gemini"]
}
`, m.URL, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
	}, rig.Options{})
	c := openai.NewClient(option.WithBaseURL(g.URL+"/v1"), option.WithAPIKey(appKey), option.WithMaxRetries(0))
	var want [][]float64
	for _, model := range []string{"openai", "azure", "cohere", "ollama", "gemini"} {
		t.Run(model, func(t *testing.T) {
			r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: model, Dimensions: openai.Int(16),
				Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two words"}}})
			if err != nil {
				t.Fatal(err)
			}
			var got [][]float64
			for i, d := range r.Data {
				if d.Index != int64(i) {
					t.Errorf("vector %d has index %d", i, d.Index)
				}
				got = append(got, d.Embedding)
			}
			if want == nil {
				want = got
			}
			if d := cmp.Diff(want, got); d != "" || len(got) != 2 || len(got[0]) != 16 {
				t.Errorf("%d vectors, mismatch (-want +got)\n%s", len(got), d)
			}
			if r.Usage.PromptTokens == 0 && model != "gemini" {
				t.Errorf("no usage: %s", r.RawJSON())
			}
		})
	}
	t.Run("a large batch", func(t *testing.T) {
		texts := make([]string, 96)
		for i := range texts {
			texts[i] = fmt.Sprint("text ", i)
		}
		r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "cohere", Dimensions: openai.Int(3072),
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 96 || len(r.Data[95].Embedding) != 3072 || len(r.RawJSON()) < 2<<20 {
			t.Errorf("%d vectors in %d bytes", len(r.Data), len(r.RawJSON()))
		}
	})
	t.Run("more than the provider takes", func(t *testing.T) {
		_, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "cohere",
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: make([]string, 97)}})
		if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "input" {
			t.Errorf("error %v", err)
		}
	})
}
