package runtime

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact"
)

func TestWhatATargetCannotExpressIsDoneAboutByPolicy(t *testing.T) {
	const asks = `{"model":"m","n":3,"seed":1,"moderation":{"model":"x"},"messages":[{"role":"user","content":"hi"}]}`
	claude, _ := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, _ *http.Request) {
		if m["n"] != nil || m["seed"] != nil || m["moderation"] != nil {
			t.Errorf("the provider is sent %v", m)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"Hello."}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}`)
	})
	for _, tt := range []struct {
		policy string
		status int
		header string
		losses []any
	}{
		{"", 400, "", []any{"seed"}},
		{"allow", 200, "", []any{"moderation", "n", "seed"}},
		{"warn", 200, "moderation, n, seed", []any{"moderation", "n", "seed"}},
	} {
		t.Run("policy "+tt.policy, func(t *testing.T) {
			r := repo{openai: []string{claude}, anthropic: claude, calls: "calls"}
			a := r.artifact(t)
			m := artifact.Model{Name: "m", Strategy: "priority", Retry: artifact.Retry{Attempts: 1}, MaxTokens: 100, OnLoss: tt.policy}
			for i, p := range a.Providers {
				if p.Kind == "anthropic" {
					m.Targets = []artifact.Target{{Provider: i, Model: "c"}}
				}
			}
			at := 0
			for at < len(a.Models) && a.Models[at].Name < m.Name {
				at++
			}
			a.Models = append(a.Models[:at:at], append([]artifact.Model{m}, a.Models[at:]...)...)
			a.Apps[2].Models = []int{0, 1, 2}
			b, err := artifact.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			g := runBytes(t, b, Options{})
			resp, body := g.do(t, "POST", "/v1/chat/completions", asks)
			if resp.StatusCode != tt.status || resp.Header.Get("x-gwc-loss") != tt.header {
				t.Errorf("%d, x-gwc-loss %q: %s", resp.StatusCode, resp.Header.Get("x-gwc-loss"), body)
			}
			if rec := g.records(t, "calls", 1)[0]; fmt.Sprint(rec["losses"]) != fmt.Sprint(tt.losses) {
				t.Errorf("the record says that %v was lost, want %v", rec["losses"], tt.losses)
			}
		})
	}
}
