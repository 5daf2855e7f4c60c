package conformance

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestImagesAndSoundsAtEveryKind asks each kind of provider for images, speech, texts of sounds and moderation with OpenAI's
// client: they pass to kinds that have the endpoint, at that kind's own path, and are refused by name at all others.
func TestImagesAndSoundsAtEveryKind(t *testing.T) {
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.URL.Path)
		if !strings.Contains(string(body), "upstream-model") && !strings.Contains(r.URL.Path, "/upstream-model/") {
			t.Errorf("the model is not the provider's: %s %.200q", r.URL.Path, body)
		}
		w.Header().Set("Content-Type", "application/json")
		switch path.Base(r.URL.Path) {
		case "generations", "edits":
			fmt.Fprintf(w, `{"created":1,"data":[{"b64_json":%q}],"usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105,"input_tokens_details":{"text_tokens":5,"image_tokens":0}}}`, png)
		case "speech":
			w.Header().Set("Content-Type", "audio/mpeg")
			io.WriteString(w, "ID3 spoken")
		case "transcriptions", "translations":
			io.WriteString(w, `{"text":"what was said","usage":{"type":"tokens","input_tokens":7,"output_tokens":3,"total_tokens":10}}`)
		case "moderations":
			io.WriteString(w, `{"id":"modr-1","model":"m","results":[{"flagged":true,"categories":{"violence":true},"category_scores":{"violence":0.9},"category_applied_input_types":{}}]}`)
		}
	}))
	defer srv.Close()
	kinds := map[string]string{
		"openai": `kind: "openai", baseURL: "HOST/v1"`, "responses": `kind: "openai", api: "responses", baseURL: "HOST/v1"`, "compatible": `kind: "openai-compatible", baseURL: "HOST/v1"`,
		"azure": `kind: "azure-openai", baseURL: "HOST"`, "mistral": `kind: "mistral", baseURL: "HOST/v1"`, "anthropic": `kind: "anthropic", baseURL: "HOST"`, "gemini": `kind: "gemini", baseURL: "HOST"`,
		"cohere": `kind: "cohere", baseURL: "HOST"`, "ollama": `kind: "ollama", baseURL: "HOST"`,
	}
	var providing, models, names []string
	for _, kind := range sortedKeys(kinds) {
		credential := `, credentials: [{ref: "file:provider-key"}]`
		if kind == "ollama" {
			credential = ""
		}
		providing = append(providing, fmt.Sprintf("\t%s: {%s%s}", kind, strings.ReplaceAll(kinds[kind], "HOST", srv.URL), credential))
		models = append(models, fmt.Sprintf("\t%s: targets: [{provider: %q, model: \"upstream-model\"}]", kind, kind))
		names = append(names, fmt.Sprintf("%q", kind))
	}
	g := serve(t, rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf("providers: {\n%s\n}\nmodels: {\n%s\n}\ntenants: acme: apps: web: {\n\tkeys: [{id: \"web-1\", hash: %q}]\n\tmodels: [%s]\n}\n",
			strings.Join(providing, "\n"), strings.Join(models, "\n"), hashOf(appKey), strings.Join(names, ", "))),
		"../run/provider-key": providerKey + "\n",
	}, rig.Options{})
	c := openai.NewClient(option.WithBaseURL(g.URL+"/v1"), option.WithAPIKey(appKey), option.WithMaxRetries(0))
	sound := func() io.Reader { return openai.File(strings.NewReader("RIFF"), "a.wav", "audio/wav") }
	for task, s := range map[string]struct {
		ask  func(model string) (string, error)
		want string
		at   []string // kinds that have it
	}{
		"an image": {func(model string) (string, error) {
			r, err := c.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: model, Prompt: "a square"})
			if err != nil || len(r.Data) != 1 || r.Usage.OutputTokens != 100 {
				return "", err
			}
			return r.Data[0].B64JSON, nil
		}, png, []string{"openai", "responses", "compatible", "azure"}},
		"an edited image": {func(model string) (string, error) {
			raw, _ := base64.StdEncoding.DecodeString(png)
			r, err := c.Images.Edit(t.Context(), openai.ImageEditParams{Model: model, Prompt: "blue", Image: openai.ImageEditParamsImageUnion{OfFile: openai.File(strings.NewReader(string(raw)), "a.png", "image/png")}})
			if err != nil || len(r.Data) != 1 {
				return "", err
			}
			return r.Data[0].B64JSON, nil
		}, png, []string{"openai", "responses", "compatible", "azure"}},
		"speech": {func(model string) (string, error) {
			r, err := c.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{Model: model, Input: "hello", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}})
			if err != nil {
				return "", err
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			return string(b), err
		}, "ID3 spoken", []string{"openai", "responses", "compatible", "azure"}},
		"a transcription": {func(model string) (string, error) {
			r, err := c.Audio.Transcriptions.New(t.Context(), openai.AudioTranscriptionNewParams{Model: model, File: sound()})
			if err != nil {
				return "", err
			}
			return r.Text, nil
		}, "what was said", []string{"openai", "responses", "compatible", "azure", "mistral"}},
		"a translation": {func(model string) (string, error) {
			r, err := c.Audio.Translations.New(t.Context(), openai.AudioTranslationNewParams{Model: model, File: sound()})
			if err != nil {
				return "", err
			}
			return r.Text, nil
		}, "what was said", []string{"openai", "responses", "compatible", "azure"}},
		"a moderation": {func(model string) (string, error) {
			r, err := c.Moderations.New(t.Context(), openai.ModerationNewParams{Model: model, Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("violence!")}})
			if err != nil || len(r.Results) != 1 {
				return "", err
			}
			return fmt.Sprint(r.Results[0].Flagged), nil
		}, "true", []string{"openai", "responses", "compatible", "mistral"}},
	} {
		for _, kind := range sortedKeys(kinds) {
			t.Run(task+" at "+kind, func(t *testing.T) {
				seen = nil
				got, err := s.ask(kind)
				if !slices.Contains(s.at, kind) {
					e, ok := errors.AsType[*openai.Error](err)
					if !ok || e.StatusCode != 400 || !strings.Contains(e.Message, "its provider has nothing of the kind") || len(seen) != 0 {
						t.Errorf("got %q, %v; asked at %v", got, err, seen)
					}
					return
				}
				want := "/v1/"
				if kind == "azure" {
					want = "/openai/deployments/upstream-model/"
				}
				if err != nil || got != s.want || len(seen) != 1 || !strings.HasPrefix(seen[0], want) {
					t.Errorf("got %q, %v; asked at %v, want it below %s", got, err, seen, want)
				}
			})
		}
	}
}
