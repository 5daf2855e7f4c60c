// Package pipeline decides and serves exchanges: route, caller, limit, then a flow. It is the [engine.Handler] of
// every listener engine, so that all of them behave the same.
//
// An exchange takes the snapshot that is current when its head arrives and keeps it. Flows are state machines that
// are pushed by two sides: the client (package engine) and the server behind (package upstream). Nothing in them
// waits; what is too long for a poller (scanning or translating a large body) runs on a goroutine without the
// exchange's mutex and comes back under it.
//
// There are two flows: [apiFlow] proxies an operation of an API or a provider's own path, bytes through; [chatFlow] collects an AI request,
// picks targets in turn, passes through or translates. What gwc answers by itself needs none.
//
// The call record and the metrics observe an exchange at its end; they never sit in its way.
package pipeline

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/clock"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/meter"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/runtime/telemetry"
	"github.com/gwc-dev/gwc/runtime/websocket"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

const (
	highWater   = 256 << 10              // bytes queued towards one side above which the other is paused
	inlineWork  = 64 << 10               // bodies up to this are scanned and translated where they arrive, also on a poller
	maxChat     = 32 << 20               // body of an AI request
	maxHeld     = 512 << 20              // AI request bodies that are held at a time in the whole process, small ones not counted
	maxAnswer   = 3 << 20                // body of an AI answer that has to be collected for translation; a connection's queue holds it
	maxError    = 64 << 10               // body of an AI error that is read
	keptBody    = 64 << 10               // request body kept so that an API call can be made again at another endpoint
	uploadPiece = 64 << 10               // an AI request's body is written in pieces of this size
	backOff     = 200 * time.Millisecond // before a target is called for the second time; doubles with each round
	statusGone  = 499                    // the client went away before the answer's head was sent (nginx's number)
)

// MaxBackOff is what a caller is made to wait at most before a target is called again, also where a provider asks for
// more.
const MaxBackOff = 2 * time.Second

// Pipeline serves exchanges on the current snapshot.
type Pipeline struct {
	snap           atomic.Pointer[snapshot.Snapshot]
	log            *calllog.Log // nil: no call log
	metrics        *telemetry.Metrics
	clock          *clock.Clock          // nil: the machine's
	observe        func(*calllog.Record) // nil: nobody
	unmatchedRoute *telemetry.Route
	inflight       atomic.Int64
	held           atomic.Int64 // bytes of AI request bodies over keptBody
	HoldAtMost     int64        // the bound of held; it is set before the first exchange
	panicked       func(v any, stack []byte)

	draining  atomic.Bool
	tunnelsMu sync.Mutex
	tunnels   map[*tunnelFlow]struct{} // that are open

	idPrefix [10]byte
	idNext   atomic.Uint64

	apis  sync.Pool
	chats sync.Pool
	plain sync.Pool
}

// New makes a pipeline without a snapshot: until [Pipeline.Swap] it answers 503. panicked is told of panics on the
// goroutines of the pipeline's own, which cost their exchange and not the process.
func New(log *calllog.Log, m *telemetry.Metrics, panicked func(v any, stack []byte)) *Pipeline {
	p := &Pipeline{HoldAtMost: maxHeld, log: log, metrics: m, unmatchedRoute: m.Route("unmatched"), panicked: panicked}
	var seed [6]byte
	rand.Read(seed[:])
	b := binary.BigEndian.Uint64(append([]byte{0, 0}, seed[:]...))
	for i := range p.idPrefix {
		p.idPrefix[i] = idAlphabet[b&31]
		b >>= 5
	}
	p.apis.New = func() any { return newAPIFlow(p) }
	p.chats.New = func() any { return newChatFlow(p) }
	p.plain.New = func() any { return &localFlow{exchange: exchange{p: p}} }
	return p
}

// Rehearse makes a pipeline that has not begun live in the time of a clock, and tells observe of each exchange at its
// end, under the exchange's mutex and before its last answer byte. The record is valid during the call. Ids of requests
// are then the same each time.
func (p *Pipeline) Rehearse(c *clock.Clock, observe func(*calllog.Record)) {
	p.clock, p.observe = c, observe
	for i := range p.idPrefix {
		p.idPrefix[i] = '0'
	}
}

// Swap makes a snapshot the current one for exchanges that begin from now on.
func (p *Pipeline) Swap(s *snapshot.Snapshot) { p.snap.Store(s) }

// Snapshot returns the current snapshot; nil before the first.
func (p *Pipeline) Snapshot() *snapshot.Snapshot { return p.snap.Load() }

// Inflight is the number of exchanges that have begun and not ended.
func (p *Pipeline) Inflight() int64 { return p.inflight.Load() }

const idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// exchange is what every flow has. Flows embed it; it is reused after finish.
type exchange struct {
	p   *Pipeline
	c   engine.Client
	mu  *sync.Mutex
	s   *snapshot.Snapshot
	r   *snapshot.Route // nil: unmatched
	key *snapshot.Key
	rec calllog.Record

	start    time.Time
	over     bool
	speaks   *spoken // the dialect of the caller's errors; nil: problem details
	headOut  bool
	id       [64]byte
	idLen    int
	path     []byte // normal form; owned
	fields   []byte // scratch for header lines of the answer
	limited  meter.Result
	hasLimit bool
	pulse    *pulse // of a stream that is kept alive; nil elsewhere
}

// localFlow is an exchange that gwc answers by itself, at once.
type localFlow struct{ exchange }

func (x *localFlow) recycle() {
	x.clear()
	x.p.plain.Put(x)
}

// nothing is the Exchange of requests that were answered inside Begin: their flow has been given back by then.
type nothing struct{}

func (nothing) Body([]byte)           {}
func (nothing) BodyEnd([]http1.Field) {}
func (nothing) Flush()                {}
func (nothing) Drained()              {}
func (nothing) Gone(error)            {}

// Begin implements [engine.Handler]: it decides, and starts the flow that the decision asks for.
//
// Budget: no allocation for a request that is answered or proxied in steady state, apart from the upstream.Call.
func (p *Pipeline) Begin(c engine.Client, q *engine.Request) engine.Exchange {
	now := p.clock.Now()
	s := p.snap.Load()
	if s == nil {
		x := p.local(c, q, nil, now)
		x.fail(http.StatusServiceUnavailable, "internal", "no configuration is loaded")
		x.recycle()
		return nothing{}
	}
	var params match.Params
	path, bad := http1.NormalizePath(nil, q.Path)
	if bad != nil {
		x := p.local(c, q, s, now)
		x.rec.Path = clip(string(q.Path))
		x.fail(bad.Status, "request", bad.Reason)
		x.recycle()
		return nothing{}
	}
	v, outcome := s.Artifact.Table.Lookup(q.Host, q.Method, path, &params)
	if outcome != match.Found {
		x := p.local(c, q, s, now)
		x.rec.Path = clip(string(path))
		x.unmatched(outcome, &params)
		x.recycle()
		return nothing{}
	}
	r := &s.Routes[v]
	switch {
	case r.Kind == artifact.RouteAPI:
		f := p.apis.Get().(*apiFlow)
		f.begin(c, q, s, now)
		f.r = r
		f.path = append(f.path[:0], path...)
		if !f.admit(q) {
			f.recycle()
			return nothing{}
		}
		return f.run(q)
	case r.Kind == artifact.RoutePassthrough:
		f := p.apis.Get().(*apiFlow)
		f.begin(c, q, s, now)
		f.r, f.speaks = r, speaksAs(r.Provider.Kind)
		f.path = append(f.path[:0], path...)
		f.rec.Provider = r.Provider.Name
		if !f.admit(q) || !f.opened(q) {
			f.recycle()
			return nothing{}
		}
		if websocket.Asks(q.Head) {
			return f.tunnel(q)
		}
		return f.run(q)
	case r.Kind.Asks() || r.Kind == artifact.RoutePrompt:
		f := p.chats.Get().(*chatFlow)
		f.begin(c, q, s, now)
		f.r, f.speaks = r, speaks(r.Kind)
		f.named = f.named[:0]
		if r.Kind.InPath() {
			f.named = append(f.named, params.Value(path, 0)...)
		}
		if !f.ofGoogle(q) || !f.admit(q) || r.Prompt != nil && !f.beginPrompt(q) {
			f.recycle()
			return nothing{}
		}
		return f.run(q)
	case r.Kind == artifact.RoutePromptDocument:
		x := p.local(c, q, s, now)
		x.r, x.speaks = r, speaks(r.Kind)
		if x.admit(q) {
			x.document(q)
		}
		x.recycle()
		return nothing{}
	default:
		x := p.local(c, q, s, now)
		x.r, x.speaks = r, speaks(r.Kind)
		for i := range q.Fields {
			if bytes.EqualFold(q.Fields[i].Name, headerVersion) && x.speaks.id == openAIChat { // every client of that API sends it
				x.speaks = &spokenDialects[anthropicMessages]
			}
		}
		x.path = append(x.path[:0], path...)
		if x.ofGoogle(q) && x.admit(q) {
			x.models(path, &params)
		}
		x.recycle()
		return nothing{}
	}
}

func (p *Pipeline) local(c engine.Client, q *engine.Request, s *snapshot.Snapshot, now time.Time) *localFlow {
	x := p.plain.Get().(*localFlow)
	x.begin(c, q, s, now)
	return x
}

func clip(s string) string {
	if len(s) > 256 {
		return s[:256]
	}
	return s
}

// begin resets the exchange for a request.
func (x *exchange) begin(c engine.Client, q *engine.Request, s *snapshot.Snapshot, now time.Time) {
	x.c, x.mu, x.s, x.start = c, q.Mu, s, now
	x.r, x.key = nil, nil
	x.over, x.headOut, x.hasLimit, x.speaks = false, false, false, nil
	x.fields = x.fields[:0]
	x.rec = calllog.Record{}
	x.rec.Time = now
	x.rec.Client = q.Client
	x.rec.Method = methodName(q.Method)
	if s != nil {
		x.rec.Artifact = s.Digest
	}
	x.idLen = 0
	if id := q.Get(http1.XRequestID); len(id) > 0 && len(id) <= len(x.id) && plainID(id) {
		x.idLen = copy(x.id[:], id)
	} else {
		x.idLen = x.p.newID(x.id[:])
	}
	x.p.inflight.Add(1)
	x.p.metrics.Begin()
}

// newID writes a request id of 22 characters: ten of the process, twelve of a counter.
func (p *Pipeline) newID(b []byte) int {
	copy(b, p.idPrefix[:])
	n := p.idNext.Add(1)
	for i := 21; i >= 10; i-- {
		b[i] = idAlphabet[n&31]
		n >>= 5
	}
	return 22
}

func plainID(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' && c != ':' && c != '/' && c != '=' && c != '+' {
			return false
		}
	}
	return true
}

// methodName avoids a copy for the methods that exist.
func methodName(m []byte) string {
	switch string(m) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	case http.MethodPut:
		return http.MethodPut
	case http.MethodDelete:
		return http.MethodDelete
	case http.MethodPatch:
		return http.MethodPatch
	case http.MethodHead:
		return http.MethodHead
	case http.MethodOptions:
		return http.MethodOptions
	}
	if len(m) > 32 {
		m = m[:32]
	}
	return string(m)
}

// admit checks the caller against the route: key, expiry, limits. It answers and reports false where the request
// must not go on.
func (x *exchange) admit(q *engine.Request) bool {
	if x.r.Auth != "none" {
		key, reason := x.authenticate(q)
		if key == nil {
			x.p.metrics.AuthFailed(reason)
			x.unauthorized(reason)
			return false
		}
		x.key = key
	}
	if x.key == nil || x.key.App.Limits == nil {
		return true
	}
	x.limited = x.key.App.Limits.Take(x.start.UnixNano())
	x.hasLimit = true
	if !x.limited.Allowed {
		x.p.metrics.Limited()
		x.rec.Limit = x.limited.Text()
		x.fail(http.StatusTooManyRequests, "limit", "the app's request limit is used up: "+x.limited.Text()) // head adds Retry-After
		return false
	}
	return true
}

// credentialOf returns the credential that a field carries, if it is one of the places of a key: the three of requests,
// and a subprotocol, since browsers can set no field of a WebSocket's handshake.
func credentialOf(f *http1.Field) []byte {
	switch f.ID {
	case http1.XAPIKey, http1.XGoogAPIKey:
		return f.Value
	case http1.SecWebSocketProtocol:
		return protocolCredential(f.Value)
	case http1.Authorization:
		const bearer = "bearer "
		if len(f.Value) > len(bearer) {
			for i := range len(bearer) {
				c := f.Value[i]
				if 'A' <= c && c <= 'Z' {
					c |= 0x20
				}
				if c != bearer[i] {
					return nil
				}
			}
			v := f.Value[len(bearer):]
			for len(v) > 0 && v[0] == ' ' {
				v = v[1:]
			}
			return v
		}
	}
	return nil
}

// keyPrefix begins every key that gwc makes.
const keyPrefix = "gwc_"

// ourKey tells whether a field carries a key of this gateway, or what looks like one: unknown, expired, revoked, or
// sent to a route that asks for none. Such a field is not forwarded, since the server behind has no business with it.
func ourKey(s *snapshot.Snapshot, f *http1.Field) bool {
	switch f.ID {
	case http1.Authorization, http1.XAPIKey, http1.XGoogAPIKey:
	default:
		return false
	}
	if i := bytes.Index(f.Value, []byte(keyPrefix)); i == 0 || i > 0 && (f.Value[i-1] == ' ' || f.Value[i-1] == '\t') {
		return true
	}
	v := credentialOf(f)
	return len(v) > 0 && s.Keys[sha256.Sum256(v)] != nil
}

// authenticate finds the key. A request may carry other credentials (for the server behind), but two that are
// different keys of this gateway are refused: which one counts must not depend on who reads.
func (x *exchange) authenticate(q *engine.Request) (*snapshot.Key, string) {
	var found *snapshot.Key
	reason := "missing"
	for i := range q.Fields {
		v := credentialOf(&q.Fields[i])
		if len(v) == 0 {
			continue
		}
		k := x.s.Keys[sha256.Sum256(v)]
		if k == nil {
			if found == nil {
				reason = "unknown"
			}
			continue
		}
		if found != nil && found != k {
			return nil, "ambiguous"
		}
		found = k
		q.Fields[i].Hop = true // consumed: it is not forwarded
	}
	if found == nil {
		return nil, reason
	}
	if found.Expires != 0 && x.start.Unix() >= found.Expires {
		return nil, "expired"
	}
	return found, ""
}

// head appends the lines that every answer of gwc carries.
func (x *exchange) head(f []byte) []byte {
	f = append(f, "x-request-id: "...)
	f = append(f, x.id[:x.idLen]...)
	f = append(f, '\r', '\n')
	if x.s != nil {
		f = append(f, x.s.Header...)
	}
	if x.hasLimit {
		f = x.limited.AppendFields(f)
	}
	return f
}

// answer sends a complete answer of gwc's own and ends the exchange.
func (x *exchange) answer(status int, contentType string, extra, body []byte) {
	f := append(x.fields[:0], "Content-Type: "...)
	f = append(f, contentType...)
	f = append(f, "\r\nDate: "...)
	f = x.start.UTC().AppendFormat(f, http.TimeFormat)
	f = append(f, '\r', '\n')
	f = append(f, extra...)
	f = x.head(f)
	x.fields = f
	x.rec.FirstByte = x.p.clock.Since(x.start)
	x.headOut = true
	x.rec.Status = status
	c := x.c
	c.Start(status, f, int64(len(body)))
	c.Write(body)
	if x.rec.Method != http.MethodHead {
		x.rec.BytesOut += int64(len(body))
	}
	x.finish()
	c.End(nil)
}

// finish writes the record and the metrics. It comes once, before the Client's last call, which may begin the next
// exchange of the connection.
func (x *exchange) finish() {
	if x.over {
		return
	}
	x.over = true
	x.rec.BytesOut += x.pulse.end()
	x.pulse = nil
	x.rec.Duration = x.p.clock.Since(x.start)
	x.rec.RequestID = unsafeString(x.id[:x.idLen])
	route := x.p.unmatchedRoute
	if x.r != nil {
		x.rec.Route = x.r.ID
		x.rec.Operation = x.r.Operation
		x.rec.Path = x.r.Path
		if x.r.Provider != nil { // the route says nothing of it
			x.rec.Path = clip(string(x.path))
		}
		if x.r.API != nil {
			x.rec.API = x.r.API.Name
		}
		route = x.r.Metrics
	}
	if x.key != nil {
		x.rec.Key = x.key.ID
		x.rec.App = x.key.App.Name
		x.rec.Tenant = x.key.App.Tenant
	}
	route.Observe(x.rec.Status, x.rec.Duration, x.rec.FirstByte, x.rec.BytesIn, x.rec.BytesOut)
	if x.p.log != nil {
		x.p.log.Append(&x.rec)
	}
	if x.p.observe != nil {
		x.p.observe(&x.rec)
	}
	x.p.inflight.Add(-1)
	x.p.metrics.End()
}

// clear drops what would keep memory alive in a pooled flow.
func (x *exchange) clear() {
	x.c, x.mu, x.s, x.r, x.key = nil, nil, nil, nil, nil
	x.path = x.path[:0]
}

func (x *exchange) unmatched(outcome match.Outcome, params *match.Params) {
	if outcome == match.MethodNotAllowed {
		extra := append([]byte("Allow: "), x.s.Artifact.Table.AppendAllow(nil, params)...)
		extra = append(extra, '\r', '\n')
		x.failWith(http.StatusMethodNotAllowed, "route", "the path exists, but not for this method", extra)
	} else {
		x.fail(http.StatusNotFound, "route", "no route takes this host and path")
	}
}

// models answers GET /v1/models and /v1/models/{model}, which OpenAI's and Anthropic's APIs have both.
func (x *exchange) models(path []byte, params *match.Params) {
	app := x.key
	if x.r.Kind.Models() {
		list := app.App.List
		switch x.speaks.id {
		case anthropicMessages:
			list = app.App.Page
		case geminiGenerate:
			list = app.App.Resources
		}
		x.answer(http.StatusOK, "application/json", nil, list)
		return
	}
	name := params.Value(path, 0)
	if m := x.s.Models[string(name)]; m != nil && app.App.Models[string(name)] {
		x.rec.Model = m.Name
		card := m.Card
		switch x.speaks.id {
		case anthropicMessages:
			card = m.Entry
		case geminiGenerate:
			card = m.Resource
		}
		x.answer(http.StatusOK, "application/json", nil, append(card[:len(card):len(card)], '\n'))
		return
	}
	x.noModel(string(name))
}

func (x *exchange) unauthorized(reason string) {
	text := map[string]string{
		"missing":   "no key was given: send it as Authorization: Bearer, x-api-key or x-goog-api-key",
		"unknown":   "the key is not known",
		"expired":   "the key has expired",
		"ambiguous": "the request carries several different keys",
	}[reason]
	x.failWith(http.StatusUnauthorized, "auth", text, []byte("WWW-Authenticate: Bearer realm=\"gwc\"\r\n"))
}
