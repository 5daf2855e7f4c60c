package pipeline

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// forgiving is what the most forgiving server could make of a path: decoded as often as it can be, "\" for "/", without
// parameters, dot segments, empty segments, a slash at its end and upper case.
func forgiving(p string) string {
	for range 5 {
		if q, err := url.PathUnescape(p); err == nil {
			p = q
		}
	}
	parts := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	for i := range parts {
		parts[i], _, _ = strings.Cut(parts[i], ";")
	}
	return strings.ToLower(path.Clean(strings.Join(parts, "/")))
}

// FuzzNoPathAsksAModel sends any path as if everything were opened: whatever a server reads in what is passed on, it is no
// path that asks a model, nor one that gives out credentials.
func FuzzNoPathAsksAModel(f *testing.F) {
	for _, s := range []string{"/files", "/chat/completions", "/Chat/Completions/", "/x//chat/./completions", "/chat%2Fcompletions", "/chat%252fcompletions", "/a/%2e%2e/responses", "/v1/messages;x=1",
		"/chat;a/completions;b", "/v1beta/models/g:generateContent", "/v1beta/models/g%3AgenerateContent", "/realtime/client_secrets", "/model/a%2Fb/converse", "/%63hat/completions", "/batches", "*", "/v1\\messages"} {
		f.Add(s, "POST")
	}
	t, _ := match.Build([]match.Pattern{{Method: "POST", Path: "/{rest+}"}, {Method: "GET", Path: "/{rest+}"}})
	ends := []string{"/chat/completions", "/completions", "/responses", "/embeddings", "/images/generations", "/audio/speech", "/moderations", "/rerank", ":generatecontent", ":streamgeneratecontent", ":embedcontent",
		":predict", ":rawpredict", "/converse", "/invoke", "/api/chat", "/api/generate"}
	keys := []string{"/realtime/sessions", "/realtime/client_secrets", "/auth_tokens", "/realtime/calls"}
	f.Fuzz(func(tt *testing.T, raw, method string) {
		p, bad := http1.NormalizePath(nil, []byte(raw))
		if bad != nil {
			return
		}
		for _, kind := range artifact.ProviderKinds() {
			status, why, _ := passthrough.Decide(&t, kind, method, false, p)
			if status != 0 {
				if why == "" || status < 400 {
					tt.Fatalf("%d %q", status, why)
				}
				continue
			}
			read := forgiving(string(p))
			hits := func(list []string) bool {
				return slices.ContainsFunc(list, func(end string) bool {
					if end[0] == ':' || end == "/converse" || end == "/invoke" { // behind the name of a model
						return strings.HasSuffix(read, end) && (strings.Contains(read, "/models/") || strings.Contains(read, "/model/")) && !strings.HasSuffix(read, "/models/"+end) && !strings.HasSuffix(read, "/model"+end)
					}
					return strings.HasSuffix(read, end)
				})
			}
			if method == "POST" && (hits(ends) || read == "/messages" || read == "/v1/messages") || hits(keys) {
				tt.Fatalf("%s %q of %s passes as %q, which is read as %q", method, raw, kind, p, read)
			}
		}
	})
}

// FuzzQueriesCarryNoCredential holds that what is left of a query names no credential, and keeps the rest in its order.
func FuzzQueriesCarryNoCredential(f *testing.F) {
	for _, s := range []string{"", "key=a", "a=1&key=b&c=3", "KEY=a", "%6bey=a", "k%65y", "&&", "access_token&x", "%24httpMethod=POST", "purpose=batch&limit=20", "key[]=1", "api-version=1", "%zz=1", "a=%"} {
		f.Add(s)
	}
	azure := &artifact.Provider{Kind: "azure-openai", APIVersion: "2024-10-21"}
	f.Fuzz(func(t *testing.T, raw string) {
		got := PassedQuery(&artifact.Provider{Kind: "gemini"}, raw)
		rest := strings.TrimPrefix(got, "?")
		var want []string
		for pair := range strings.SplitSeq(raw, "&") {
			name, _, _ := strings.Cut(pair, "=")
			if n, err := url.QueryUnescape(name); err == nil {
				name = n
			}
			switch strings.ToLower(name) {
			case "key", "access_token", "api_key", "apikey", "api-key", "oauth_token", "subscription-key", "$httpmethod", "$httpheaders":
				if slices.Contains(strings.Split(rest, "&"), pair) {
					t.Fatalf("%q leaves %q", raw, got)
				}
			default:
				want = append(want, pair)
			}
		}
		// Each pair that is left was there, in that order.
		i := 0
		for pair := range strings.SplitSeq(rest, "&") {
			for i < len(want) && want[i] != pair {
				i++
			}
			if i == len(want) && pair != "" {
				t.Fatalf("%q became %q", raw, got)
			}
		}
		if q := PassedQuery(azure, raw); !strings.Contains(strings.ToLower(q), "version") {
			t.Fatalf("%q goes to Azure as %q", raw, q)
		}
	})
}

// FuzzURLsOfAnswers holds that a URL of the provider never stays, and another never becomes the gateway's.
func FuzzURLsOfAnswers(f *testing.F) {
	const base, home = "https://vendor.example/v1", "http://gateway.example/passthrough/vendor"
	for _, s := range []string{base + "/files", base, "/v1/files", "/v2/files", "//evil.example/v1/files", "https://vendor.example.evil/v1/files", "<" + base + "/a>; rel=next", "https://vendor.example/v10/files", "", "files/1"} {
		f.Add(s)
	}
	flow := &apiFlow{provided: provided{provider: &snapshot.Provider{Provider: &artifact.Provider{BaseURL: base}, Prefix: "/v1"}, home: []byte(home)}}
	f.Fuzz(func(t *testing.T, value string) {
		got := string(flow.homeward([]byte(value)))
		if got != value && !strings.Contains(got, home) {
			t.Fatalf("%q became %q", value, got)
		}
		if strings.HasPrefix(value, "//") && got != value && !strings.Contains(value, base) {
			t.Fatalf("%q of another host became %q", value, got)
		}
	})
}

func TestHeadersThatDoNotGoToAProvider(t *testing.T) {
	flow := &apiFlow{provided: provided{provider: &snapshot.Provider{Provider: &artifact.Provider{Kind: "openai", Headers: []artifact.Header{{Name: "x-team", Value: "a"}}}}}}
	for name, withheld := range map[string]bool{
		"authorization": true, "Authorization": true, "X-Api-Key": true, "x-goog-api-key": true, "Api-Key": true, "cookie": true, "proxy-authorization": true,
		"OpenAI-Organization": true, "openai-project": true, "x-goog-user-project": true, "X-Amz-Security-Token": true, "x-amz-date": true,
		"x-http-method-override": true, "X-Original-URL": true, "X-Rewrite-URL": true, "x-forwarded-prefix": true, "via": true, "X-Team": true, "host": true, "Content-Length": true, "transfer-encoding": true, "expect": true,
		"ocp-apim-subscription-key": true, "X-Gwc-Anything": true,
		"openai-beta": false, "anthropic-beta": false, "anthropic-version": false, "x-goog-upload-command": false, "content-type": false, "range": false, "if-none-match": false,
		"x-stainless-lang": false, "idempotency-key": false, "accept": false, "content-encoding": false, "x-teams": false,
	} {
		var h http1.Head
		line := name + ": 1\r\n"
		if !strings.EqualFold(name, "host") {
			line = "Host: a\r\n" + line
		}
		if name == "transfer-encoding" {
			line = "Host: a\r\nTransfer-Encoding: chunked\r\n"
		}
		if _, err := h.ParseRequest([]byte("POST / HTTP/1.1\r\n"+line+"\r\n"), http1.Limits{}); err != nil {
			t.Fatal(name, err)
		}
		if got := flow.withheld(&h.Fields[len(h.Fields)-1]); got != withheld {
			t.Errorf("%s: withheld is %v", name, got)
		}
	}
}
