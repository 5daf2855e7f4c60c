package rehearse

import (
	"net/url"
	"strings"

	"github.com/gwc-dev/gwc/cmd/gwc/mock"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// standIn says which stand-in of `gwc mock` answers for a provider of a kind at an escaped path, and at which escaped
// path of its own; "" where none does. A provider's baseURL may put anything before the path that its kind adds.
//
// Mistral and the vendors of openai-compatible are played by OpenAI's stand-in, which takes what most of them take: what
// a vendor's row leaves out or refuses has been done before the call.
func standIn(kind, path string) (provider, at string) {
	switch kind {
	case mock.OpenAI, mock.Compatible, "mistral":
		for _, kept := range []string{"/files", "/batches", "/fine_tuning/jobs"} { // what a passthrough reaches
			if at := strings.LastIndex(path, kept); at >= 0 && (len(path) == at+len(kept) || path[at+len(kept)] == '/') {
				return mock.OpenAI, "/v1" + path[at:]
			}
		}
		return mock.OpenAI, ownPath(path)
	case mock.Anthropic:
		return mock.Anthropic, ownPath(path)
	case mock.Azure:
		if i := strings.Index(path, "/openai/deployments/"); i >= 0 && endsInOneOf(path, "/chat/completions", "/embeddings") {
			return mock.Azure, path[i:]
		}
		if strings.HasSuffix(path, "/openai/v1/chat/completions") {
			return mock.Azure, "/openai/v1/chat/completions"
		}
	case mock.Cohere:
		return mock.Cohere, endsIn(path, "/v2/chat", "/v2/embed")
	case mock.Ollama:
		return mock.Ollama, endsIn(path, "/api/chat", "/api/embed")
	case mock.Bedrock:
		if i := strings.LastIndex(path, "/model/"); i >= 0 && endsInOneOf(path, "/converse", "/converse-stream") {
			return mock.Bedrock, path[i:]
		}
	case mock.Gemini:
		if i := strings.Index(path, "/v1beta/models/"); i >= 0 {
			return mock.Gemini, path[i:]
		}
	case "vertex":
		if _, call, ok := strings.Cut(path, "/publishers/google/models/"); ok {
			return mock.Gemini, "/v1beta/models/" + call
		}
		if _, call, ok := strings.Cut(path, "/publishers/anthropic/models/"); ok {
			return mock.Gemini, "/v1/projects/p/locations/l/publishers/anthropic/models/" + call
		}
	}
	return "", ""
}

// ownPath is the path of OpenAI's or Anthropic's API that a path ends in.
func ownPath(path string) string {
	own := ""
	for _, r := range artifact.AIRoutes() {
		// The longest: /chat/completions ends as /completions does.
		if r.Asks && len(r.Path) > len(own) && strings.HasSuffix(path, strings.TrimPrefix(r.Path, "/v1")) {
			own = r.Path
		}
	}
	return own
}

// endsIn is the one of some paths that a path ends in, or "".
func endsIn(path string, ends ...string) string {
	for _, end := range ends {
		if strings.HasSuffix(path, end) {
			return end
		}
	}
	return ""
}

func endsInOneOf(path string, ends ...string) bool { return endsIn(path, ends...) != "" }

// setPath gives a URL an escaped path: a model's name may have an escaped "/" or ":" in it, which is no separator.
func setPath(u *url.URL, escaped string) bool {
	plain, err := url.PathUnescape(escaped)
	u.Path, u.RawPath = plain, escaped
	return err == nil
}
