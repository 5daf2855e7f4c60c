// Package mock is a stand-in for the servers behind a gateway: an OpenAI-like provider, an Anthropic-like provider,
// Google's Gemini API and a small HTTP API of pets, all in memory.
//
// What enters is a provider's HTTP request; what leaves is what that provider would send: the same JSON, the same
// event grammar in streams, the same error bodies. Requests are judged as strictly as the real servers judge them
// (unknown fields, turn order, unanswered tool calls, missing limits), so that a bad translation fails here and not
// in production. An answer is a pure function of the request body; only cached tokens depend on what came before,
// because prompt caches do.
//
// A request of either dialect is reduced to a [chat], answered by [compose], and the [answer] is written in the
// dialect that was asked. Faults are not mixed into the dialects: a fault is chosen when a request arrives and acts
// on the finished bytes (play.go).
//
// Recorded answers were refused as the content: they go stale, they answer only the questions that were recorded,
// and a tool's arguments would not fit the tool that the caller declared.
package mock

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Kinds of server that [Options.Provider] can name. The empty kind serves all of them on one address, by path.
const (
	OpenAI    = "openai"
	Anthropic = "anthropic"
	Gemini    = "gemini" // the Gemini API and Vertex AI
	HTTP      = "http"

	Compatible = "openai-compatible" // below /compatible/v1
	Azure      = "azure-openai"
	Cohere     = "cohere"
	Ollama     = "ollama"
	Bedrock    = "bedrock"
)

// kinds are those that [Options.Provider] can name.
var kinds = [...]string{OpenAI, Anthropic, Gemini, HTTP, Compatible, Azure, Cohere, Ollama, Bedrock}

// maxBody bounds a request body; the providers refuse around the same size.
const maxBody = 32 << 20

// Options say what to stand in for and how to behave. The zero value serves all kinds on [DefaultListen] without
// delay or fault.
type Options struct {
	Listen   string        // host:port; empty: [DefaultListen]
	Provider string        // one of the kinds above, or empty for all
	Latency  time.Duration // before the head of each answer
	Chunks   int           // text events in a streamed answer, the text being repeated as needed; 0: as the text has it
	ChunkGap time.Duration // between two events of a stream
	Faults   []Fault       // see [ParseFault]
	Key      string        // the only credential accepted; empty: any
	Models   []string      // the models that exist; empty: any name that could be one of this provider

	// Ready, if not nil, is called once with the bound address when connections are accepted.
	Ready func(net.Addr)
	// Now is the clock of "created" fields; nil: the wall clock.
	Now func() time.Time
}

// DefaultListen is where the quickstart expects the mock.
const DefaultListen = "127.0.0.1:4010"

// Serve answers until ctx ends, then closes every connection and returns nil. It returns an error only when it
// cannot listen or an option is wrong.
func Serve(ctx context.Context, o Options) error {
	h, err := New(o)
	if err != nil {
		return err
	}
	addr := o.Listen
	if addr == "" {
		addr = DefaultListen
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("mock: %w", err)
	}
	return serve(ctx, h, l, o.Ready)
}

func serve(ctx context.Context, h *Handler, l net.Listener, ready func(net.Addr)) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		// Handlers that wait (a stall, a timeout) end with the server.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   h.journal.connState,
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	if ready != nil {
		ready(l.Addr())
	}
	select {
	case err := <-done:
		return fmt.Errorf("mock: %w", err)
	case <-ctx.Done():
	}
	err := srv.Close()
	<-done
	return err
}

// Handler is the mock as an [http.Handler], for tests that bring their own server.
type Handler struct {
	o       Options
	mux     *http.ServeMux
	journal journal
	faults  faults
	prompts promptCache
	pets    pets
	shelf   shelf
	serial  atomic.Uint64
}

// New checks o and returns the handler that [Serve] would run.
func New(o Options) (*Handler, error) {
	if o.Provider != "" && !slices.Contains(kinds[:], o.Provider) {
		return nil, fmt.Errorf("mock: provider %q is none of %q", o.Provider, kinds)
	}
	if o.Chunks < 0 {
		return nil, fmt.Errorf("mock: chunks is %d, expected 0 or more", o.Chunks)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{o: o, mux: http.NewServeMux()}
	h.faults.set(o.Faults)
	h.pets.reset()
	serves := func(kind string) bool { return o.Provider == "" || o.Provider == kind }
	if serves(OpenAI) {
		h.mux.HandleFunc("POST /v1/chat/completions", h.provide(openAI{}, h.openAIChat))
		h.mux.HandleFunc("POST /v1/responses", h.provide(openAIResponses{}, h.responses))
		h.mux.HandleFunc("POST /v1/completions", h.provide(openAI{}, h.completions))
		h.tasks()
		h.files()
	}
	if serves(Anthropic) {
		h.mux.HandleFunc("POST /v1/messages", h.provide(anthropic{}, h.anthropicMessages))
		h.mux.HandleFunc("POST /v1/messages/count_tokens", h.provide(anthropic{}, h.anthropicCount))
	}
	if serves(OpenAI) || serves(Anthropic) {
		h.mux.HandleFunc("GET /v1/models", h.models)
		h.mux.HandleFunc("GET /v1/models/{model}", h.models)
	}
	h.vendors(serves)
	if serves(Gemini) {
		h.mux.HandleFunc("POST /v1beta/models/{call}", h.googleCall)
		h.mux.HandleFunc("GET /v1beta/models", h.provide(google{}, h.googleModels))
		h.mux.HandleFunc("GET /v1beta/models/{call}", h.provide(google{}, h.googleModels))
		h.mux.HandleFunc("POST /v1/projects/{project}/locations/{location}/publishers/google/models/{call}", h.googleCall)
		h.mux.HandleFunc("POST /v1/projects/{project}/locations/{location}/publishers/anthropic/models/{call}", h.vertexClaude)
		h.mux.HandleFunc("POST /token", h.plain(h.googleToken))
	}
	if serves(HTTP) {
		h.mux.HandleFunc("GET /pets", h.plain(h.pets.list))
		h.mux.HandleFunc("POST /pets", h.plain(h.pets.create))
		h.mux.HandleFunc("GET /pets/{petId}", h.plain(h.pets.get))
		h.mux.HandleFunc("PUT /pets/{petId}", h.plain(h.pets.replace))
		h.mux.HandleFunc("DELETE /pets/{petId}", h.plain(h.pets.remove))
		h.mux.HandleFunc("/echo", h.plain(echo))
		h.mux.HandleFunc("/echo/{rest...}", h.plain(echo))
	}
	h.mux.HandleFunc("GET /mock/stats", h.stats)
	h.mux.HandleFunc("GET /mock/requests", h.requests)
	h.mux.HandleFunc("PUT /mock/fault", h.putFault)
	h.mux.HandleFunc("DELETE /mock/fault", h.putFault)
	h.mux.HandleFunc("/", h.plain(h.unknown))
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/mock/") {
		h.mux.ServeHTTP(w, r)
		return
	}
	h.journal.begin(r)
	finished := false
	// A handler that ends its connection on purpose does so by panicking, so the count is kept in a defer.
	defer func() { h.journal.end(r, finished) }()
	h.mux.ServeHTTP(w, r)
	finished = true
}

// dialect is the part of a provider's behaviour that every endpoint of it shares.
type dialect interface {
	credential(*http.Request) (string, *refusal)
	refuse(*refusal) []byte           // the error body
	midstream() []byte                // the event of an answer that fails in the middle
	headers(http.Header, string, int) // what every answer carries, given a request id and a status
}

// refusal is a provider's error before it is written in the provider's shape.
type refusal struct {
	status           int
	typ, code, param string
	message          string
	retryAfter       string
}

// provide wraps an endpoint of a provider: fault, credential, body; then the endpoint.
func (h *Handler) provide(d dialect, endpoint func(*player, []byte) *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := &player{w: w, r: r, o: &h.o, fault: h.faults.take(), dialect: d, id: fmt.Sprintf("req_%012x", h.serial.Add(1)), journal: &h.journal}
		body, ok := p.open()
		if !ok {
			return
		}
		credential, bad := d.credential(r)
		if bad == nil && h.o.Key != "" && !same(credential, h.o.Key) {
			bad = &refusal{status: 401, typ: "invalid_request_error", code: "invalid_api_key", message: "Incorrect API key provided."}
		}
		p.run(bad, body, endpoint)
	}
}

// plain wraps an endpoint of the HTTP API, which has no dialect.
func (h *Handler) plain(endpoint func(*player, []byte) *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := &player{w: w, r: r, o: &h.o, fault: h.faults.take(), dialect: problem{}, id: fmt.Sprintf("req_%012x", h.serial.Add(1)), journal: &h.journal}
		body, ok := p.open()
		if !ok {
			return
		}
		p.run(nil, body, endpoint)
	}
}

func (h *Handler) unknown(p *player, _ []byte) *refusal {
	return &refusal{status: 404, typ: "not_found", message: fmt.Sprintf("no such path: %s %s", p.r.Method, p.r.URL.Path)}
}

// same compares credentials without telling by its duration how much of them agreed.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// exists says whether model is one that this server would know. Without a list every name passes, except those of
// the other providers' families (a request that was sent to the wrong place) and those that say they are missing.
func (h *Handler) exists(kind, model string) bool {
	if len(h.o.Models) > 0 {
		return slices.Contains(h.o.Models, model)
	}
	for _, word := range []string{"unknown", "missing", "nonexistent", "does-not-exist", "no-such"} {
		if strings.Contains(model, word) {
			return false
		}
	}
	claude := strings.HasPrefix(model, "claude-")
	gpt := strings.HasPrefix(model, "gpt-") || strings.HasPrefix(model, "o1") || strings.HasPrefix(model, "o3") || strings.HasPrefix(model, "o4")
	gemini := strings.HasPrefix(model, "gemini-")
	return model != "" && !(kind == OpenAI && (claude || gemini)) && !(kind == Anthropic && (gpt || gemini)) && !(kind == Gemini && (claude || gpt))
}
