package pipeline

import (
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact"
)

func TestRequestTargetsOfKinds(t *testing.T) {
	for _, c := range []struct {
		name       string
		p          artifact.Provider
		model      string
		route      artifact.RouteKind
		want       string
		translated bool
	}{
		{"a deployment and a version", artifact.Provider{Kind: "azure-openai", APIVersion: "2024-10-21"}, "our-4o", artifact.RouteChat, "/openai/deployments/our-4o/chat/completions?api-version=2024-10-21", false},
		{"a deployment whose name would leave its place", artifact.Provider{Kind: "azure-openai", APIVersion: "2024-10-21"}, "a/../b?c#d%", artifact.RouteChat, "/openai/deployments/a%2F..%2Fb%3Fc%23d%25/chat/completions?api-version=2024-10-21", false},
		{"Azure's API without versions", artifact.Provider{Kind: "azure-openai", APIVersion: "v1"}, "our-4o", artifact.RouteMessages, "/openai/v1/chat/completions", true},
		{"what comes next of it", artifact.Provider{Kind: "azure-openai", APIVersion: "preview"}, "our-4o", artifact.RouteEmbeddings, "/openai/v1/embeddings?api-version=preview", false},
		{"Mistral", artifact.Provider{Kind: "mistral"}, "m", artifact.RouteChat, "/chat/completions", false},
		{"Cohere's chat", artifact.Provider{Kind: "cohere"}, "m", artifact.RouteChat, "/v2/chat", true},
		{"Cohere's rerank", artifact.Provider{Kind: "cohere"}, "m", artifact.RouteRerank, "/v2/rerank", false},
		{"Ollama", artifact.Provider{Kind: "ollama"}, "m", artifact.RouteMessages, "/api/chat", true},
		{"a compatible server", artifact.Provider{Kind: "openai-compatible", Vendor: "groq"}, "m", artifact.RouteChat, "/chat/completions", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, translated, ok := Reach(&c.p, c.model, c.route, false)
			if got != c.want || translated != c.translated || !ok {
				t.Errorf("got %q, translated %v, %v; want %q, %v", got, translated, ok, c.want, c.translated)
			}
		})
	}
	if _, _, ok := Reach(&artifact.Provider{Kind: "ollama"}, "m", artifact.RouteImages, false); ok {
		t.Error("Ollama makes images")
	}
}
