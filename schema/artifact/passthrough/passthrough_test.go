package passthrough_test

import (
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

var kinds = []string{"openai", "openai-compatible", "azure-openai", "anthropic", "gemini", "vertex", "mistral", "cohere", "ollama", "bedrock"}

func TestPathsThatStayClosed(t *testing.T) {
	for _, x := range []struct{ kind, method, path, why string }{
		{"openai", "POST", "/chat/completions", passthrough.AsksModel},
		{"openai", "GET", "/chat/completions", ""}, // the list of those that are stored
		{"openai", "POST", "/chat/completions/chatcmpl-1", ""},
		{"openai", "POST", "/responses", passthrough.AsksModel},
		{"openai", "GET", "/responses/resp_1", ""},
		{"openai", "POST", "/responses/resp_1/cancel", ""},
		{"openai", passthrough.WebSocket, "/responses", passthrough.AsksModel},
		{"openai", passthrough.WebSocket, "/realtime", ""},
		{"openai", "POST", "/realtime/client_secrets", passthrough.MakesKeys},
		{"openai", "POST", "/realtime/calls", passthrough.MakesKeys},
		{"openai", "GET", "/organization/admin_api_keys", passthrough.MakesKeys},
		{"openai", "POST", "/threads/t/messages", ""},
		{"openai", "POST", "/threads/t/runs", ""},
		{"openai", "POST", "/batches", ""},
		{"openai", "POST", "/batch/jobs", ""},
		{"mistral", "POST", "/batch/jobs", ""},
		{"openai", "POST", "/v1/messages", passthrough.AsksModel},
		{"anthropic", "POST", "/v1/messages", passthrough.AsksModel},
		{"anthropic", "POST", "/v1/messages/count_tokens", passthrough.AsksModel},
		{"anthropic", "POST", "/v1/messages/batches", ""},
		{"anthropic", "POST", "/v1/complete", passthrough.AsksModel},
		{"gemini", "POST", "/v1beta/models/gemini-3:generateContent", passthrough.AsksModel},
		{"gemini", "POST", "/v1alpha/models/gemini-3:streamGenerateContent", passthrough.AsksModel},
		{"gemini", "POST", "/v1beta/models/gemini-3:batchGenerateContent", ""},
		{"gemini", "POST", "/v1beta/openai/chat/completions", passthrough.AsksModel},
		{"gemini", "GET", "/v1beta/models/gemini-3", ""},
		{"gemini", "POST", "/v1alpha/auth_tokens", passthrough.MakesKeys},
		{"gemini", "POST", "/batch/generativelanguage/v1beta", passthrough.Wraps},
		{"gemini", "POST", "/$rpc/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent", passthrough.Wraps},
		{"gemini", "POST", "/upload/v1beta/files", ""},
		{"vertex", "POST", "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:rawPredict", passthrough.AsksModel},
		{"vertex", "POST", "/v1/projects/p/locations/l/endpoints/1:predict", passthrough.AsksModel},
		{"vertex", "POST", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", passthrough.AsksModel},
		{"vertex", "POST", "/v1/projects/p/locations/l/batchPredictionJobs", ""},
		{"bedrock", "POST", "/model/arn:aws:bedrock:eu-central-1:1:inference-profile%2Fx/converse", passthrough.AsksModel},
		{"bedrock", "GET", "/async-invoke/arn:aws:bedrock:eu-central-1:1:async-invoke%2Fx", ""},
		{"azure-openai", "POST", "/openai/deployments/gpt-5/Chat/Completions", passthrough.AsksModel},
		{"azure-openai", "POST", "/openai/files", ""},
		{"ollama", "POST", "/api/generate", passthrough.AsksModel},
		{"ollama", "POST", "/api/pull", ""},
		{"openai-compatible", "POST", "/some/proxy/v1/embeddings", passthrough.AsksModel},
		{"openai", "GET", "/files/a%2Fb", "can be read in more than one way"},
		{"openai", "GET", "/files/a%25b", "can be read in more than one way"},
		{"openai", "GET", "/files//b", "can be read in more than one way"},
		{"openai", "POST", "/embeddings/", passthrough.AsksModel},
		{"openai", "POST", "/embeddings;v=1", passthrough.AsksModel},
		{"openai", "POST", "/embeddings%3Bv=1", passthrough.AsksModel},
	} {
		if got := passthrough.Never(x.kind, x.method, []byte(x.path)); got != x.why {
			t.Errorf("%s %s of %s: %q, want %q", x.method, x.path, x.kind, got, x.why)
		}
	}
}

func TestPathsAtWhichModelsAreAskedByOtherMeans(t *testing.T) {
	for _, x := range []struct {
		pattern, method, want string
	}{
		{"/batches", "POST", "/batches"}, {"/batches/{id}", "POST", ""}, {"/batches", "GET", ""}, {"/v1/messages/batches", "POST", "/v1/messages/batches"},
		{"/threads/{rest+}", "POST", "/threads/runs"}, {"/files/{rest+}", "POST", ""}, {"/realtime", passthrough.WebSocket, "/realtime"},
		{"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent", passthrough.WebSocket, "/ws/…"}, {"/events", passthrough.WebSocket, ""},
	} {
		if got := passthrough.Asks([]string{x.method}, x.pattern); got != x.want {
			t.Errorf("%s %s: %q, want %q", x.method, x.pattern, got, x.want)
		}
	}
}

// FuzzRefusedPatternsTakeWhatStaysClosed holds that a pattern is refused for a path that it takes and that is closed, and
// that one without parameters is refused exactly if its path is closed.
func FuzzRefusedPatternsTakeWhatStaysClosed(f *testing.F) {
	for _, s := range []string{"/files", "/files/{id}", "/{rest+}", "/v1/{rest+}", "/{a}/{b}", "/v1beta/models/{m}:{verb}", "/chat/{x}", "/batch/{x+}", "/model/{id}/invoke", "/realtime/{x}", "/a%2Fb", "/{a}-{b}/completions", "/x;y", "/Files/"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, pattern string, changes bool) {
		n, err := match.Normal(match.Pattern{Method: "GET", Path: pattern})
		if err != nil || strings.Contains(n.Path, "//") {
			return
		}
		method := "GET"
		if changes {
			method = "POST"
		}
		for _, kind := range kinds {
			at, why := passthrough.Refused(kind, []string{method}, n.Path)
			if why == "" {
				if !strings.Contains(n.Path, "{") && passthrough.Never(kind, method, []byte(n.Path)) != "" {
					t.Fatalf("%q of %s builds, and is never passed on", n.Path, kind)
				}
				continue
			}
			if _, ok := match.Meet(strings.ToLower(n.Path), at); !ok && at != n.Path && at != strings.ToLower(n.Path) {
				t.Fatalf("%q of %s is refused for %q, which it does not take", n.Path, kind, at)
			}
			if passthrough.Never(kind, method, []byte(at)) == "" {
				t.Fatalf("%q of %s is refused for %q, which is not closed", n.Path, kind, at)
			}
		}
	})
}

func BenchmarkRefused(b *testing.B) {
	for b.Loop() {
		if _, why := passthrough.Refused("gemini", []string{"GET", "POST"}, "/v1beta/files/{id}"); why != "" {
			b.Fatal(why)
		}
	}
}

// Budget: judging a request takes two small allocations at most.
func TestNeverAllocatesLittle(t *testing.T) {
	path := []byte("/v1/projects/p/locations/l/batchPredictionJobs/12345678901234567890")
	if n := testing.AllocsPerRun(100, func() {
		if passthrough.Never("vertex", "POST", path) != "" {
			t.Error("closed")
		}
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
