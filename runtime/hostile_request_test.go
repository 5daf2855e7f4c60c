package runtime

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// badRequest is one way to ask badly. body makes it of a good one; "" where it does not apply.
type badRequest struct {
	name   string
	body   func(c *caller, good string) string
	status int
	says   []string // one of these is in the message
}

func badRequests() []badRequest {
	instead := func(s string) func(*caller, string) string { return func(*caller, string) string { return s } }
	first := func(member string) func(*caller, string) string { // a member in front of the others
		return func(_ *caller, good string) string { return "{" + member + "," + strings.TrimPrefix(good, "{") }
	}
	return []badRequest{
		{"nothing", instead(""), 400, []string{"empty", "object"}},
		{"no JSON", instead("hello"), 400, []string{"byte 0", "JSON"}},
		{"a list", instead("[1]"), 400, []string{"object"}},
		{"half of it", func(_ *caller, good string) string { return good[:len(good)-2] }, 400, []string{"byte", "JSON"}},
		{"bytes behind it", func(_ *caller, good string) string { return good + "{}" }, 400, []string{"byte", "JSON"}},
		{"NaN", first(`"temperature":NaN`), 400, []string{"byte", "JSON"}},
		{"invalid UTF-8", first(`"user":"` + "\xff" + `"`), 400, []string{"UTF-8"}},
		{"half a surrogate pair", first(`"user":"\ud800"`), 400, []string{"surrogate", "byte"}},
		{"a name twice", first(`"x":1,"x":2`), 400, []string{"twice", "repeated", "duplicate", `"x"`}},
		{"a name twice, written otherwise", first(`"x":1,"\u0078":2`), 400, []string{"twice", "repeated", "duplicate", `"x"`}},
		{"a name twice, further down", first(`"x":[{"y":1,"y":2}]`), 400, []string{"twice", "repeated", "duplicate", `"y"`}},
		{"a thousand levels", first(`"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), 400, []string{"nested", "deep"}},
		{"a thousand levels of objects", first(`"x":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)), 400, []string{"nested", "deep"}},
	}
}

// TestBadRequestsOfCallers: what is no JSON, or what two readers could understand differently, is the caller's fault at
// every route and for every kind of provider, told in the caller's dialect; and no provider hears of it.
func TestBadRequestsOfCallers(t *testing.T) {
	host := newBadHost(t, nil)
	g := runBytes(t, hostileArtifact(t, host.url, artifact.Timeouts{Connect: 5 * time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second}), Options{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	n, prompts := 0, 0
	// ask sends a body that no provider may hear of: its id is one that the provider takes for an error.
	ask := func(c *caller, path, media, body string) (*http.Response, []byte) {
		req, err := http.NewRequest("POST", g.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", media)
		req.Header.Set("x-api-key", testKey)
		req.Header.Set("X-Request-Id", "bad")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if c.kind == artifact.RoutePrompt {
			prompts++
		}
		return resp, b
	}
	for _, c := range callers() {
		for _, k := range hostKinds() {
			if _, _, ok := pipeline.Reach(&k.provider, k.model, c.kind, false); !ok {
				continue
			}
			for _, stream := range []bool{false, true}[:1+b2i(c.streams)] {
				path, media, good := c.ask(k.name, stream)
				if strings.HasPrefix(media, "multipart") {
					continue
				}
				for _, bad := range badRequests() {
					resp, b := ask(&c, path, media, bad.body(&c, good))
					message, err := c.fault(b)
					said := false
					for _, s := range bad.says {
						said = said || strings.Contains(message, s)
					}
					if resp.StatusCode != bad.status || err != nil || !said {
						t.Errorf("%s at %s, %s: %d %.300s, %v", c.name, k.name, bad.name, resp.StatusCode, b, err)
					}
				}
			}
		}
		// Once for each route: what does not depend on the provider.
		if c.kind == artifact.RoutePrompt {
			continue
		}
		path, media, good := c.ask("opnai", false)
		resp, b := ask(&c, path, media, good)
		if message, err := c.fault(b); resp.StatusCode != 404 || err != nil || !strings.Contains(message, `did you mean "openai"?`) {
			t.Errorf("%s, a model that is misspelt: %d %s, %v", c.name, resp.StatusCode, b, err)
		}
		// Its length alone is announced: a client that goes on to send may find the connection closed first.
		conn, br := g.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nx-api-key: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, testKey, media, 33<<20))
		n++
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if message, err := c.fault(b); resp.StatusCode != 413 || err != nil || !strings.Contains(message, "32 MiB") {
			t.Errorf("%s, 33 MB: %d %.200s, %v", c.name, resp.StatusCode, b, err)
		}
		if !strings.HasPrefix(media, "multipart") {
			continue
		}
		const part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n"
		for name, form := range map[string]string{
			"ten thousand parts":   strings.Repeat(part, 10_000) + "--b--\r\n",
			"a header without end": "--b\r\nX: " + strings.Repeat("x", 1<<20), "no end": part, "no boundary": "hello", "nothing": "",
			"two models":       strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai\r\n", 2) + "--b--\r\n",
			"a form in a form": "--b\r\nContent-Disposition: form-data; name=\"model\"; filename=\"x\"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n--c--\r\n--b--\r\n",
		} {
			resp, b := ask(&c, path, media, form)
			if _, err := c.fault(b); resp.StatusCode != 400 || err != nil {
				t.Errorf("%s, a form with %s: %d %.200s, %v", c.name, name, resp.StatusCode, b, err)
			}
		}
	}
	// What is well-formed and wrong is told with its place, wherever the request has to be understood.
	for _, tt := range []struct{ caller, model, body, place string }{
		{"chat", "anthropic", `"messages":"hi"`, "messages"},
		{"chat", "anthropic", `"messages":[1]`, "messages[0]"},
		{"chat", "bedrock", `"messages":[{"role":"wizard","content":"hi"}]`, "messages[0].role"},
		{"chat", "cohere", `"messages":[{"role":"user","content":5}]`, "messages[0].content"},
		{"chat", "gemini", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":5}]}]`, "messages[0].content[0].image_url"},
		{"chat", "ollama", `"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":"x"}}]`, "tools[0].function.parameters"},
		{"chat", "vertex", `"messages":[{"role":"user","content":"hi"}],"max_tokens":"many"`, "max_tokens"},
		{"messages", "openai", `"max_tokens":9,"messages":[{"role":"wizard","content":"hi"}]`, "messages.0.role"},
		{"messages", "cohere", `"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":"x"}]`, "tools.0.input_schema"},
		{"messages", "gemini", `"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":5}]}]`, "messages.0.content.0"},
		{"responses", "anthropic", `"input":[{"role":"wizard","content":"hi"}]`, "input[0].role"},
		{"responses", "bedrock", `"input":5`, "input"},
		{"completions", "anthropic", `"prompt":{}`, "prompt"},
		{"generate", "openai", `"contents":[{"role":"wizard","parts":[{"text":"hi"}]}]`, "contents[0].role"},
		{"generate", "anthropic", `"contents":[{"role":"user","parts":[{"text":5}]}]`, "contents[0].parts[0].text"},
		{"embeddings", "cohere", `"input":{}`, "input"},
	} {
		for _, c := range callers() {
			if c.name != tt.caller {
				continue
			}
			path, media, _ := c.ask(tt.model, false)
			body := fmt.Sprintf(`{"model":%q,%s}`, tt.model, tt.body)
			if c.kind == artifact.RouteGenerate {
				body = "{" + tt.body + "}"
			}
			resp, b := ask(&c, path, media, body)
			if message, err := c.fault(b); resp.StatusCode != 400 || err != nil || !strings.Contains(message, tt.place) {
				t.Errorf("%s at %s, %s: %d %s, %v; the place is %s", tt.caller, tt.model, tt.body, resp.StatusCode, b, err, tt.place)
			}
		}
	}
	for _, r := range g.records(t, "calls", n) {
		if r["error"] != "request" || r["status"] == 200.0 {
			t.Fatalf("record %v", r)
		}
	}
	if host.reused.Load() > 0 || bytes.Contains([]byte(g.log.String()), []byte("panic")) {
		t.Error(g.log.String())
	}
	t.Logf("%d requests, %d of them of prompts", n, prompts)
}
