package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestGooglesVectorsAndCounts asks for vectors and for numbers of tokens with Google's SDK and at its paths: of the provider
// whose dialect it is, and of others.
func TestGooglesVectorsAndCounts(t *testing.T) {
	m := startMock(t, "--key", providerKey)
	g := serve(t, rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: {
	google: {kind: "gemini", baseURL: %[1]q, credentials: [{ref: "file:provider-key"}]}
	openai: {kind: "openai", baseURL: "%[1]s/v1", credentials: [{ref: "file:provider-key"}]}
	claude: {kind: "anthropic", baseURL: %[1]q, credentials: [{ref: "file:provider-key"}]}
	cohere: {kind: "cohere", baseURL: %[1]q, credentials: [{ref: "file:provider-key"}]}
}
models: {
	gemini: targets: [{provider: "google", model: "gemini-2.5-flash"}]
	gpt: targets: [{provider: "openai", model: "gpt-5-mini"}]
	claude: targets: [{provider: "claude", model: "claude-sonnet-4-5"}]
	"gemini-vectors": targets: [{provider: "google", model: "gemini-embedding-001"}]
	"openai-vectors": targets: [{provider: "openai", model: "text-embedding-3-small"}]
	"cohere-vectors": targets: [{provider: "cohere", model: "embed-v4.0"}]
}
tenants: acme: apps: web: {
	keys: [{id: "web-1", hash: %[2]q}]
	models: ["gemini", "gpt", "claude", "gemini-vectors", "openai-vectors", "cohere-vectors"]
}
`, m.URL, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
	}, rig.Options{})
	c := newGenerateGo(t, g.URL, appKey)

	var first [][]float32
	for _, model := range []string{"gemini-vectors", "openai-vectors", "cohere-vectors"} {
		size := int32(4)
		r, err := c.Models.EmbedContent(t.Context(), model, append(genai.Text("one"), genai.Text("two")...), &genai.EmbedContentConfig{TaskType: "RETRIEVAL_QUERY", OutputDimensionality: &size})
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		var vectors [][]float32
		for _, e := range r.Embeddings {
			vectors = append(vectors, e.Values)
		}
		if len(vectors) != 2 || len(vectors[0]) != 4 {
			t.Errorf("%s: vectors %v", model, vectors)
		}
		if first == nil {
			first = vectors
		} else if d := cmp.Diff(first, vectors); d != "" {
			t.Errorf("%s gives other vectors than the first (-want +got)\n%s", model, d)
		}
		status, _, body := post(t, g.URL+"/v1beta/models/"+model+":embedContent", appKey, fmt.Sprintf(`{"model":"models/%s","content":{"parts":[{"text":"one"}]}}`, model))
		if status != http.StatusOK || !strings.HasPrefix(body, `{"embedding":{"values":[`) {
			t.Errorf("%s: embedContent gave %d %s", model, status, body)
		}
	}
	if _, err := c.Models.EmbedContent(t.Context(), "claude", genai.Text("one"), nil); err == nil || !strings.Contains(err.Error(), "its provider has nothing of the kind") {
		t.Errorf("vectors of a provider without any: %v", err)
	}

	for model, estimate := range map[string]bool{"gemini": false, "claude": false, "gpt": true} {
		r, err := c.Models.CountTokens(t.Context(), model, genai.Text("How many tokens are these?"), nil)
		if err != nil || r.TotalTokens < 5 || r.TotalTokens > 20 {
			t.Errorf("%s: %+v, %v", model, r, err)
		}
		status, head, body := post(t, g.URL+"/v1beta/models/"+model+":countTokens", appKey, fmt.Sprintf(
			`{"generateContentRequest":{"model":"models/%s","systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"How many tokens are these?"}]}]}}`, model))
		if status != http.StatusOK || !strings.Contains(body, `"totalTokens":`) || (head.Get("X-Gwc-Estimate") == "tokens") != estimate {
			t.Errorf("%s: %d %s, estimate %q", model, status, body, head.Get("X-Gwc-Estimate"))
		}
	}
	// Anthropic's clients count the tokens of Google's models as well.
	status, head, body := post(t, g.URL+"/v1/messages/count_tokens", appKey, `{"model":"gemini","system":"Be brief.","messages":[{"role":"user","content":"How many tokens are these?"}]}`)
	if status != http.StatusOK || !strings.HasPrefix(body, `{"input_tokens":`) || head.Get("X-Gwc-Estimate") != "" {
		t.Errorf("%d %s, estimate %q", status, body, head.Get("X-Gwc-Estimate"))
	}
}
