package rehearse

import "testing"

func TestAStandInAnswersForEachKindWhereItsAPIIs(t *testing.T) {
	for _, tt := range []struct{ kind, path, provider, at string }{
		{"openai", "/v1/chat/completions", "openai", "/v1/chat/completions"},
		{"openai", "/proxy/v1/completions", "openai", "/v1/completions"},
		{"openai-compatible", "/openai/v1/chat/completions", "openai", "/v1/chat/completions"},
		{"mistral", "/v1/embeddings", "openai", "/v1/embeddings"},
		{"anthropic", "/x/v1/messages", "anthropic", "/v1/messages"},
		{"azure-openai", "/x/openai/deployments/gpt-5/chat/completions", "azure-openai", "/openai/deployments/gpt-5/chat/completions"},
		{"azure-openai", "/openai/v1/chat/completions", "azure-openai", "/openai/v1/chat/completions"},
		{"azure-openai", "/openai/v1/responses", "", ""},
		{"cohere", "/v2/embed", "cohere", "/v2/embed"},
		{"cohere", "/v2/rerank", "", ""},
		{"ollama", "/api/chat", "ollama", "/api/chat"},
		{"bedrock", "/model/eu.a.b-v1%3A0/converse", "bedrock", "/model/eu.a.b-v1%3A0/converse"},
		{"bedrock", "/model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse-stream", "bedrock", "/model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse-stream"},
		{"bedrock", "/model/m/invoke", "", ""},
		{"gemini", "/x/v1beta/models/g:generateContent", "gemini", "/v1beta/models/g:generateContent"},
		{"vertex", "/v1/projects/a/locations/b/publishers/google/models/g:generateContent", "gemini", "/v1beta/models/g:generateContent"},
		{"vertex", "/v1/projects/a/locations/b/publishers/anthropic/models/c@1:rawPredict", "gemini", "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:rawPredict"},
		{"http", "/v1/chat/completions", "", ""},
	} {
		provider, at := standIn(tt.kind, tt.path)
		if at == "" {
			provider = ""
		}
		if provider != tt.provider || at != tt.at {
			t.Errorf("%s %s: %q %q, want %q %q", tt.kind, tt.path, provider, at, tt.provider, tt.at)
		}
	}
}
