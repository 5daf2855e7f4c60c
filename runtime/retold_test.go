package runtime

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// TestAnswersThatClientsCannotReadAreToldAnew: the content of an answer of Mistral's models that think is a list, for which
// OpenAI's clients have a string. What passes to it passes; what comes back is told in the dialect, whole and streamed. A
// model that does not think answers as it does.
func TestAnswersThatClientsCannotReadAreToldAnew(t *testing.T) {
	const thought = `[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"yes"}]`
	host, _ := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, _ *http.Request) {
		content := thought
		if m["model"] == "mistral-large" {
			content = `"yes"`
		}
		if m["prompt_mode"] != "reasoning" {
			t.Errorf("what only the provider knows did not pass: %v", m)
		}
		if m["stream"] != true {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, content)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":%s},\"finish_reason\":null}]}\n\n", content)
		io.WriteString(w, "data: {\"id\":\"1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n")
	})
	g := runBytes(t, hostileArtifact(t, host, artifact.Timeouts{}), Options{})
	for model, retold := range map[string]bool{"mistral": false, "mistral-thinks": true} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", model, stream), func(t *testing.T) {
				resp, body := g.do(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":%v,"prompt_mode":"reasoning","messages":[{"role":"user","content":"well?"}]}`, model, stream))
				if resp.StatusCode != 200 || !strings.Contains(body, `"content":"yes"`) || strings.Contains(body, `"content":[`) {
					t.Fatalf("%d %s", resp.StatusCode, body)
				}
				if got := strings.Contains(body, `"reasoning_content":"hm"`); got != retold {
					t.Errorf("thinking is told: %v, want %v: %s", got, retold, body)
				}
				if stream && (strings.Count(body, "[DONE]") != 1 || retold && strings.Contains(body, `"prompt_tokens"`)) {
					t.Errorf("the stream's end: %s", body)
				}
			})
		}
	}
	for _, r := range g.records(t, "calls", 4) {
		if tokens, _ := r["tokens"].(map[string]any); tokens["input"] != 3.0 || tokens["output"] != 2.0 || r["stop_reason"] != "stop" || r["error"] != nil {
			t.Errorf("record %v", r)
		}
	}
}
