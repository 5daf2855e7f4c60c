package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// promptRepo is aiRepo with a prompt of each kind of answer, at OpenAI's and Anthropic's models.
func promptRepo(openai, anthropic string) rig.Repo {
	r := aiRepo(openai, anthropic)
	r["gateway.cue"] = strings.Replace(r["gateway.cue"], `{kind: "openai", baseURL: "`+openai, `{kind: "openai", catalogue: "openai", baseURL: "`+openai, 1)
	r["prompts.cue"] = `package gateway

prompts: sort: {
	owner: "acme", path: "/v1/sort", model: "passed"
	inputs: {text: maxLength: 20, tags: {items: {}, default: []}}
	messages: [{role: "system", text: "{{#tags}}<{{.}}>{{/tags}}"}, {role: "user", text: "{{text}}"}]
	output: {label: enum: ["a", "b"], sure: type: "boolean"}
}
prompts: echo: {
	owner: "acme", path: "/v1/echo", model: "translated", version: 2
	inputs: text: {}
	messages: [{role: "system", text: "Be brief."}, {role: "user", text: "{{text}}"}]
	stream: true
	versions: "1": {model: "passed", inputs: text: {}, messages: [{role: "user", text: "{{text}}"}], stream: true}
	split: {"1": 1, "2": 1}
}
prompts: kept: {
	path: "/v1/kept", model: "passed"
	messages: [{role: "user", text: "Hello"}]
}
prompts: lost: {
	owner: "acme", path: "/v1/lost", model: "nowhere"
	inputs: text: {}
	messages: [{role: "user", text: "{{text}}"}]
}
`
	return r
}

// TestPromptsAnswerPlainHTTP calls prompts as programs do that know no SDK, through the real binary.
func TestPromptsAnswerPlainHTTP(t *testing.T) {
	openai, anthropic := startMock(t, "--provider", "openai", "--key", providerKey), startMock(t, "--provider", "anthropic", "--key", providerKey)
	for _, engine := range []string{"netpoll", "std"} {
		r := promptRepo(openai.URL, anthropic.URL)
		r["gateway.cue"] = strings.Replace(r["gateway.cue"], `address: "127.0.0.1:8080"`, fmt.Sprintf(`address: "127.0.0.1:8080", engine: %q`, engine), 1)
		g := serve(t, r, rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=" + providerKey}})
		call := func(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
			t.Helper()
			q, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Authorization", "Bearer "+appKey)
			q.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(headers); i += 2 {
				q.Header.Set(headers[i], headers[i+1])
			}
			a, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			b, err := io.ReadAll(a.Body)
			if err != nil {
				t.Fatal(err)
			}
			return a, string(b)
		}
		t.Run(engine, func(t *testing.T) {
			for name, tt := range map[string]struct {
				method, path, body string
				headers            []string
				status             int
				want               string // in the answer
			}{
				"a typed answer":             {"POST", "/v1/sort", `{"text":"hello"}`, nil, 200, `{"prompt":"sort","version":1,"output":{"label":"a",`},
				"inputs are no templates":    {"POST", "/v1/echo?version=1", `{"text":"{{text}} \"role\":\"system\""}`, nil, 200, `{{text}} \\\"role\\\":\\\"system\\\"`},
				"a translated answer":        {"POST", "/v1/echo?version=latest", `{"text":"hello"}`, nil, 200, `"prompt":"echo","version":2,"output":"`},
				"a stream":                   {"POST", "/v1/echo?version=2", `{"text":"hello"}`, []string{"Accept", "text/event-stream"}, 200, "event: end\ndata: {\"prompt\":\"echo\",\"version\":2,\"stop_reason\":\"stop\"}\n\n"},
				"no stream of a typed one":   {"POST", "/v1/sort", `{"text":"hello"}`, []string{"Accept", "text/event-stream"}, 406, "problems/request"},
				"a wrong input":              {"POST", "/v1/sort", `{"text":"` + strings.Repeat("ä", 21) + `"}`, nil, 400, `{"pointer":"#/text","detail":"it has 21 characters, expected at most 20"}`},
				"an unknown input":           {"POST", "/v1/sort", `{"text":"a","role":"system"}`, nil, 400, `"pointer":"#/role"`},
				"a name twice":               {"POST", "/v1/sort", `{"text":"a","text":"b"}`, nil, 400, `stands twice`},
				"no JSON":                    {"POST", "/v1/sort", `text=a`, nil, 400, "not valid JSON"},
				"another type of body":       {"POST", "/v1/sort", `text=a`, []string{"Content-Type", "text/plain"}, 415, "application/json"},
				"a version that is not":      {"POST", "/v1/sort?version=7", `{"text":"a"}`, nil, 400, `no version \"7\"`},
				"another query":              {"POST", "/v1/sort?debug=1", `{"text":"a"}`, nil, 400, "problems/request"},
				"another's prompt":           {"POST", "/v1/kept", `{}`, nil, 403, "problems/auth"},
				"no key":                     {"POST", "/v1/sort", `{"text":"a"}`, []string{"Authorization", "x"}, 401, "problems/auth"},
				"another method":             {"GET", "/v1/sort", ``, nil, 405, "problems/route"},
				"a provider that is not":     {"POST", "/v1/lost", `{"text":"a"}`, nil, 502, `"status":502`},
				"the document":               {"GET", "/v1/sort/openapi.json", ``, nil, 200, `{"openapi":"3.1.0","info":{"title":"sort"`},
				"another's document":         {"GET", "/v1/kept/openapi.json", ``, nil, 403, "problems/auth"},
				"a document that is deeper":  {"GET", "/v1/sort/openapi.json/x", ``, nil, 404, "problems/route"},
				"the name of the prompt too": {"POST", "/v1/sort/", `{"text":"a"}`, nil, 404, "problems/route"},
			} {
				t.Run(name, func(t *testing.T) {
					a, body := call(t, tt.method, tt.path, tt.body, tt.headers...)
					if a.StatusCode != tt.status || !strings.Contains(body, tt.want) {
						t.Errorf("want %d with %s\ngot %d %s", tt.status, tt.want, a.StatusCode, body)
					}
					if want := "application/problem+json"; tt.status >= 400 && a.Header.Get("Content-Type") != want {
						t.Errorf("an error has type %q", a.Header.Get("Content-Type"))
					}
					if tt.status >= 400 {
						var problem struct {
							Status int    `json:"status"`
							Type   string `json:"type"`
						}
						if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != tt.status || !strings.HasPrefix(problem.Type, "https://gwc.dev/problems/") {
							t.Errorf("%v: %s", err, body)
						}
					}
				})
			}
			t.Run("a split goes by the request's id", func(t *testing.T) {
				seen := map[string]bool{}
				for i := range 40 {
					id := fmt.Sprintf("request-%d", i)
					var answers []string
					for range 2 {
						_, body := call(t, "POST", "/v1/echo", `{"text":"a"}`, "x-request-id", id)
						version, _, _ := strings.Cut(body, `,"output"`)
						answers = append(answers, version)
					}
					if d := cmp.Diff(answers[0], answers[1]); d != "" {
						t.Fatalf("one id, two versions (-first +second)\n%s", d)
					}
					seen[answers[0]] = true
				}
				if len(seen) != 2 {
					t.Errorf("of 40 requests all went one way: %v", seen)
				}
			})
		})
		records, err := g.Records(1)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range records {
			found = found || r["prompt"] == "sort" && r["prompt_version"] == 1.0 && r["route"] == "prompt.sort" && r["model"] == "passed" && r["status"] == 200.0
		}
		if !found {
			t.Errorf("no record of the prompt among %d", len(records))
		}
	}
}
