// Package passthrough says which of a provider's own paths can be opened to apps, and which never can.
//
// Callers reach an opened path at /passthrough/{provider}/…, and what stands behind the provider's name goes to the
// provider as it is, below the provider's base URL. Patterns are path templates as everywhere in gwc
// ([github.com/gwc-dev/gwc/schema/artifact/match]): "/files", "/files/{id}/content", "/batches/{rest+}".
//
// A pattern and a kind of provider enter [Refused], a request's path enters [Never]; the reason why not leaves. The
// invariant: what gwc serves itself, where models are granted, limited and priced, has no second door. So the paths
// that ask models are closed, and so are those that make credentials, with which a caller would need no gateway, and
// those that carry other requests in their bodies. The compiler asks Refused for a clear error at build; the runtime
// asks Never again of each request, about the path as the most forgiving server would read it: decoded, in lower case,
// without empty segments. A list of the paths that may be opened was refused instead: providers add endpoints every
// month, and servers of one's own have others.
package passthrough

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// Root is what paths of callers begin with, before the provider's name.
const Root = "/passthrough/"

// WebSocket stands for a method in tables of opened paths: a GET that asks for an upgrade to WebSocket. No request has
// it as its method, since no route has.
const WebSocket = "WEBSOCKET"

// Methods are the methods that can be opened, in alphabetical order. HEAD goes with GET.
func Methods() []string { return []string{"DELETE", "GET", "PATCH", "POST", "PUT"} }

// Bodiless are the methods whose requests need no body, for providers to whom a body cannot be streamed because its
// signature has to come first.
func Bodiless() []string { return []string{"DELETE", "GET"} }

// SignsBody reports whether a kind of provider wants the body signed, before it is sent. Bedrock's Signature Version 4
// covers the body's hash; UNSIGNED-PAYLOAD is for S3 alone.
func SignsBody(kind string) bool { return kind == "bedrock" }

// The reasons why a path stays closed, as ends of a sentence.
const (
	AsksModel = "asks a model"
	MakesKeys = "gives out credentials"
	Wraps     = "carries other requests"
)

// closed is a group of paths that stay closed, in lower case. A path is closed at the root of a server and behind each
// of prefixes; at run time behind anything.
type closed struct {
	why     string
	reading bool // also for methods that only read
	paths   []string
}

// The tables are written from the providers' API references. A path that a server of one's own has besides is the
// platform's to keep closed, as all paths are that no app opens.
var groups = []closed{
	{AsksModel, false, []string{
		"/chat/completions", "/completions", "/responses", "/responses/compact", "/responses/input_tokens", "/embeddings", "/moderations", "/rerank",
		"/images/generations", "/images/edits", "/images/variations",
		"/audio/speech", "/audio/transcriptions", "/audio/translations",
		"/fim/completions", "/agents/completions", "/chat/moderations", "/ocr", "/classifications", "/edits", // Mistral, and what OpenAI had
		"/complete", "/messages/count_tokens", // Anthropic
		"/chat", "/generate", "/embed", "/embedding", "/completion", "/infill", "/score", "/pooling", "/classify", "/tokenize", "/summarize", // Cohere, Ollama, llama.cpp, vLLM
		"/models/{model}:generatecontent", "/models/{model}:streamgeneratecontent", "/models/{model}:embedcontent", "/models/{model}:batchembedcontents",
		"/models/{model}:counttokens", "/models/{model}:computetokens", "/models/{model}:generateanswer", "/models/{model}:predict", "/models/{model}:rawpredict",
		"/models/{model}:streamrawpredict", "/models/{model}:serverstreamingpredict",
		"/tunedmodels/{model}:generatecontent", "/tunedmodels/{model}:streamgeneratecontent",
		"/dynamic/{model}:generatecontent", "/dynamic/{model}:streamgeneratecontent",
		"/endpoints/{endpoint}:generatecontent", "/endpoints/{endpoint}:streamgeneratecontent", "/endpoints/{endpoint}:predict", "/endpoints/{endpoint}:rawpredict",
		"/endpoints/{endpoint}:streamrawpredict", "/endpoints/{endpoint}:serverstreamingpredict", "/endpoints/{endpoint}:counttokens",
		"/model/{model}/invoke", "/model/{model}/invoke-with-response-stream", "/model/{model}/converse", "/model/{model}/converse-stream",
		"/model/{model}/invoke-with-bidirectional-stream", "/model/{model}/count-tokens",
	}},
	{MakesKeys, true, []string{
		"/realtime/sessions", "/realtime/transcription_sessions", "/realtime/client_secrets", "/realtime/translations/client_secrets", "/realtime/calls",
		"/realtimeapi/sessions", "/chatkit/sessions", "/auth_tokens", "/auth/keys", "/keys", "/api_keys",
		"/organization/{rest+}", "/organizations/{rest+}",
	}},
	{Wraps, true, []string{"/$rpc/{rest+}"}},
}

// google are closed for Google's kinds: their /batch takes whole requests.
var google = closed{Wraps, true, []string{"/batch", "/batch/{rest+}"}}

// messages is closed where the Messages API stands, and not where OpenAI's threads and conversations have messages.
var messages = []string{"/messages", "/v1/messages", "/anthropic/messages", "/anthropic/v1/messages", "/api/v1/messages", "/openai/v1/messages"}

// prefixes are what servers are known to have before the paths of [groups], when a base URL does not hold it.
var prefixes = []string{
	"", "/v1", "/v2", "/v1beta", "/v1alpha", "/v1beta1", "/api", "/api/v1", "/api/v2", "/openai", "/openai/v1", "/v1beta/openai", "/compatibility/v1", "/compat/v1",
	"/inference/v1", "/anthropic", "/anthropic/v1", "/openai/deployments/{d}", "/deployments/{d}", "/engines/{e}", "/v1/engines/{e}",
	"/v1/projects/{p}/locations/{l}/publishers/{pub}", "/v1/projects/{p}/locations/{l}", "/v1/projects/{p}/locations/{l}/endpoints/{e}",
	"/v1beta1/projects/{p}/locations/{l}/publishers/{pub}", "/v1beta1/projects/{p}/locations/{l}", "/v1beta1/projects/{p}/locations/{l}/endpoints/{e}",
}

func of(kind string) []closed {
	if kind == "gemini" || kind == "vertex" {
		return append(slices.Clip(groups), google)
	}
	return groups
}

// behind are the templates of some paths behind each of [prefixes], parsed.
func behind(paths []string) (list []match.Template) {
	for _, p := range paths {
		for _, prefix := range prefixes {
			t, err := match.Parse(prefix + p)
			if err != nil {
				panic("passthrough: " + prefix + p + ": " + err.Error()) // the tables are constants
			}
			list = append(list, t)
		}
	}
	return list
}

// parsed are the tables, parsed once: a repository may open thousands of paths.
var parsed = sync.OnceValue(func() (t struct {
	groups                      [][]match.Template // as in groups
	google                      []match.Template
	messages, indirect, sockets []match.Template
}) {
	for _, g := range groups {
		t.groups = append(t.groups, behind(g.paths))
	}
	t.google, t.indirect, t.sockets = behind(google.paths), behind(indirect), behind(sockets)
	for _, p := range messages {
		m, err := match.Parse(p)
		if err != nil {
			panic("passthrough: " + err.Error())
		}
		t.messages = append(t.messages, m)
	}
	return t
})

// meets returns the first path that a pattern has in common with some templates.
func meets(pattern match.Template, with []match.Template) string {
	for _, t := range with {
		if at, ok := pattern.Meet(t); ok {
			return at
		}
	}
	return ""
}

// Refused returns why a pattern cannot be opened at a kind of provider for a set of methods, WebSocket among them, and a
// path that shows it: a path that stays closed and that the pattern would take. why is "" where the pattern can be
// opened. The pattern is one that match.Check accepts. About 50 µs.
func Refused(kind string, methods []string, pattern string) (path, why string) {
	pattern = strings.ToLower(pattern)
	p, err := match.Parse(pattern)
	if err != nil {
		return "", ""
	}
	changes := slices.ContainsFunc(methods, func(m string) bool { return m != "GET" && m != "DELETE" })
	tables := parsed()
	for i, g := range groups {
		if g.reading || changes {
			if at := meets(p, tables.groups[i]); at != "" {
				return at, g.why
			}
		}
	}
	if kind == "gemini" || kind == "vertex" {
		if at := meets(p, tables.google); at != "" {
			return at, google.why
		}
	}
	if changes {
		if at := meets(p, tables.messages); at != "" {
			return at, AsksModel
		}
	}
	if !strings.Contains(pattern, "{") { // where it leads is known to the last byte
		verb := "GET"
		if changes {
			verb = "POST"
		}
		if why := Never(kind, verb, []byte(pattern)); why != "" {
			return pattern, why
		}
	}
	return "", ""
}

// Never returns why a request must not pass, whatever is opened; "" where nothing is against it. path is what stands
// behind the provider's name, in the normal form of package http1; method may be [WebSocket].
//
// The path is read as the most forgiving server would read it. What such servers disagree on is refused: encoded
// percent signs, empty segments, and encoded slashes but for Bedrock, whose resources have names with slashes.
func Never(kind, method string, path []byte) (why string) {
	const unclear = "can be read in more than one way"
	var room [256]byte
	p := room[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			switch c = unhex(path[i+1])<<4 | unhex(path[i+2]); c {
			case '%':
				return unclear
			case '/':
				if kind != "bedrock" {
					return unclear
				}
			}
			i += 2
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c == '/' && len(p) > 0 && p[len(p)-1] == '/' {
			return unclear
		}
		p = append(p, c)
	}
	whole := strings.TrimSuffix(string(p), "/")
	if at := strings.IndexByte(whole, ';'); at >= 0 { // servlet containers take ";x" off each segment
		parts := strings.Split(whole, "/")
		for i := range parts {
			parts[i], _, _ = strings.Cut(parts[i], ";")
		}
		whole = strings.Join(parts, "/")
	}
	changes := method != "GET" && method != "HEAD" && method != "DELETE"
	for _, g := range of(kind) {
		if !g.reading && !changes {
			continue
		}
		for _, t := range g.paths {
			if ends(whole, t) {
				return g.why
			}
		}
	}
	if changes && slices.Contains(messages, whole) {
		return AsksModel
	}
	return ""
}

// Decide says what becomes of a request: 0 where it is passed on, else the status of the answer, with the reason and for
// 405 the methods that there are. t is the table of what is opened to the app at the provider, for WebSocket where
// socket says that the request asks for that; nil: nothing is. path is as for [Never].
func Decide(t *match.Table, kind, method string, socket bool, path []byte) (status int, why, allow string) {
	var params match.Params
	outcome := match.NotFound
	if t != nil {
		_, outcome = t.Lookup(nil, []byte(method), path, &params)
	}
	switch outcome {
	case match.NotFound:
		return http.StatusNotFound, "the provider has no such path, or it is not opened to this app", ""
	case match.MethodNotAllowed:
		return http.StatusMethodNotAllowed, "the path is opened to this app, but not for this method", string(t.AppendAllow(nil, &params))
	}
	if socket {
		method = WebSocket
	}
	if why := Never(kind, method, path); why != "" {
		return http.StatusForbidden, "the path is never passed through: it " + why, ""
	}
	return 0, "", ""
}

// ends reports whether a path ends as a template of [groups] says, behind any segments.
func ends(path, template string) bool {
	if t, ok := strings.CutSuffix(template, "/{rest+}"); ok {
		return strings.HasPrefix(path, t+"/") || strings.Contains(path, t+"/") || strings.HasSuffix(path, t)
	}
	open := strings.IndexByte(template, '{')
	if open < 0 {
		return strings.HasSuffix(path, template)
	}
	// One parameter: what stands before it, then anything but nothing, then what stands behind it. A name may hold
	// slashes, where it was encoded.
	before, after := template[:open], template[strings.IndexByte(template, '}')+1:]
	rest, ok := strings.CutSuffix(path, after)
	if !ok {
		return false
	}
	at := strings.Index(rest, before)
	return at >= 0 && len(rest) > at+len(before)
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

// indirect are paths at which a model is asked by other means than gwc's own paths: of any model that the account has,
// later, or as long as a connection lasts. They can be opened; it is the platform's decision.
var indirect = []string{
	"/batches", "/messages/batches", "/batch/jobs", "/batchpredictionjobs", // files of requests
	"/threads/runs", "/threads/{thread}/runs", "/conversations", "/conversations/{id}", "/interactions", "/evals/{id}/runs", // conversations that the provider keeps
	"/videos", "/models/{model}:batchgeneratecontent", "/models/{model}:predictlongrunning", "/fine_tuning/jobs",
}

// sockets are the same for WebSocket.
var sockets = []string{"/realtime", "/responses"}

// Asks returns a path that a pattern takes and at which models are asked by other means, or "": batches, runs of
// assistants, realtime. methods are those that are opened, or [WebSocket].
func Asks(methods []string, pattern string) string {
	p, err := match.Parse(strings.ToLower(pattern))
	switch socket := slices.Contains(methods, WebSocket); {
	case err != nil || !socket && !slices.Contains(methods, "POST"):
		return ""
	case !socket:
		return meets(p, parsed().indirect)
	}
	if _, ok := match.Meet(pattern, "/ws/{rest+}"); ok { // Google's Live API
		return "/ws/…"
	}
	return meets(p, parsed().sockets)
}
