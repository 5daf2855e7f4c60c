package pipeline

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/telemetry"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// apiFlow proxies one operation of an API, or a call of a provider's own path (passthrough.go): head rewritten, body bytes through, both ways at the pace of the slower side.
//
// Another endpoint is tried only while nothing can have been done twice: after a failure before any byte of the request
// was sent (no connection, or a pooled one that was closed already), or, for an idempotent method (RFC 9110 §9.2.2)
// without an answer byte, after a pooled connection turned out to be closed. A timeout is no such failure: it has used
// up what the caller wants to wait. And the request's body so far must still be at hand.
type apiFlow struct {
	exchange
	req      upstream.Request
	call     *upstream.Call
	endpoint int
	tried    uint64
	sentAt   time.Time
	reqBuf   []byte // header lines for the upstream
	target   []byte
	query    []byte
	kept     []byte // request body so far, while a retry could need it
	trailers []http1.Field
	keeping  bool
	ended    bool // the request is complete
	hasQuery bool
	paused   bool // the client's body is paused
	upPaused bool // the upstream's answer is paused

	provided
}

func newAPIFlow(p *Pipeline) *apiFlow { return &apiFlow{exchange: exchange{p: p}} }

// recycle gives the flow back. Nothing may hold it any more.
func (f *apiFlow) recycle() {
	if f.busy {
		f.left = true
		return
	}
	f.clear()
	f.call, f.trailers = nil, nil
	f.forget()
	if cap(f.kept) > keptBody {
		f.kept = nil
	}
	f.p.apis.Put(f)
}

func (f *apiFlow) run(q *engine.Request) engine.Exchange {
	f.tried, f.endpoint = 0, 0
	f.ended, f.paused, f.upPaused = false, false, false
	f.kept, f.keeping = f.kept[:0], q.Length != engine.NoBody
	f.query, f.hasQuery = append(f.query[:0], q.Query...), q.HasQuery
	if f.provider != nil {
		f.reqBuf = f.toProvider(f.reqBuf[:0], q)
	} else {
		f.reqBuf = f.forward(f.reqBuf[:0], q)
	}
	f.req = upstream.Request{Method: f.rec.Method, Fields: f.reqBuf, Length: q.Length}
	if f.socket != nil {
		f.req.Upgrade = "websocket"
	}
	if q.Expect100 && q.Length != engine.NoBody {
		f.c.Interim(http.StatusContinue, nil)
	}
	f.attempt() // an upstream has at least one endpoint
	return f
}

// forward writes the header lines that go to the upstream: end-to-end fields without the consumed key, and what tells
// the upstream about the client. gwc is the edge: forwarding fields of the client's own are replaced, not extended.
func (f *apiFlow) forward(b []byte, q *engine.Request) []byte {
	for i := range q.Fields {
		fl := &q.Fields[i]
		if fl.Hop || ourKey(f.s, fl) {
			continue
		}
		switch fl.ID {
		case http1.Host, http1.ContentLength, http1.TransferEncoding, http1.Expect, http1.XForwardedFor, http1.XForwardedProto,
			http1.XForwardedHost, http1.Forwarded, http1.XRequestID, http1.XGwc:
			continue
		}
		b = append(b, fl.Name...)
		b = append(b, ':', ' ')
		b = append(b, fl.Value...)
		b = append(b, '\r', '\n')
	}
	b = append(b, "X-Forwarded-For: "...)
	b = q.Client.Addr().Unmap().AppendTo(b)
	b = append(b, "\r\nX-Forwarded-Proto: http"...)
	if q.TLS {
		b = append(b, 's')
	}
	b = append(b, "\r\nX-Forwarded-Host: "...)
	b = append(b, q.Host...)
	b = append(b, "\r\nx-request-id: "...)
	b = append(b, f.id[:f.idLen]...)
	return append(b, '\r', '\n')
}

// attempt starts a call at the next endpoint. It reports false when there was none and the exchange is over.
func (f *apiFlow) attempt() bool {
	now := f.start
	if f.rec.NAttempt > 0 {
		now = f.p.clock.Now()
	}
	if f.rec.NAttempt >= calllog.MaxAttempts {
		return false
	}
	if f.provider != nil {
		return f.attemptProvider(now)
	}
	u := f.r.Upstream
	i := u.Pick(f.tried, now)
	if i < 0 {
		return false
	}
	if i < 64 {
		f.tried |= 1 << i
	}
	f.endpoint, f.sentAt = i, now
	e := &u.Endpoints[i]
	t := append(f.target[:0], e.Prefix...)
	t = append(t, f.path[len(f.r.API.BasePath):]...)
	if len(t) == 0 {
		t = append(t, '/')
	}
	if f.hasQuery {
		t = append(t, '?')
		t = append(t, f.query...)
	}
	f.target = t
	f.launch(e.Pool, &u.Timeouts, now)
	return true
}

// launch starts the call of an attempt, with what has come of the request's body.
func (f *apiFlow) launch(pool *upstream.Pool, t *artifact.Timeouts, now time.Time) {
	f.req.Target, f.req.Host = f.target, pool.Host()
	to := upstream.Timeouts{Connect: t.Connect, FirstByte: t.FirstByte, Idle: t.Idle}
	if d := t.Total; d > 0 {
		to.Deadline = now.Add(d)
	}
	if d := f.r.Timeout; d > 0 {
		if end := f.start.Add(d); to.Deadline.IsZero() || end.Before(to.Deadline) {
			to.Deadline = end
		}
	}
	f.rec.NAttempt++
	var r upstream.Receiver = f
	if f.socket != nil {
		r = f.socket
	}
	f.call = pool.Start(f.mu, r, &f.req, to)
	if len(f.kept) > 0 {
		f.call.Write(f.kept)
	}
	if f.ended {
		f.call.End(f.trailers)
	}
}

// done notes the end of an attempt.
func (f *apiFlow) done(status int, class string) {
	d := f.p.clock.Since(f.sentAt)
	f.rec.Upstream += d
	outcome := class
	if class == "" {
		outcome = telemetry.Outcome(status)
	}
	attempt := &f.rec.Attempts[f.rec.NAttempt-1]
	if f.provider != nil {
		*attempt = calllog.Attempt{Provider: f.provider.Name, Target: f.provider.Pool.Addr(), Status: status, Duration: d, Error: class}
		f.r.Target.Attempt(outcome, d)
		return
	}
	e := &f.r.Upstream.Endpoints[f.endpoint]
	*attempt = calllog.Attempt{Target: e.Pool.Addr(), Status: status, Duration: d, Error: class}
	e.Metrics.Attempt(outcome, d)
}

// Body implements [engine.Exchange].
func (f *apiFlow) Body(b []byte) {
	f.rec.BytesIn += int64(len(b))
	if f.busy { // no call yet: the client is paused, and this is what was read of it
		f.kept = append(f.kept, b...)
		return
	}
	if f.keeping {
		if len(f.kept)+len(b) <= keptBody {
			f.kept = append(f.kept, b...)
		} else {
			f.keeping, f.kept = false, f.kept[:0]
		}
	}
	f.call.Write(b)
}

// BodyEnd implements [engine.Exchange].
func (f *apiFlow) BodyEnd(trailers []http1.Field) {
	f.ended = true
	if f.provider != nil {
		trailers = nil // no provider takes any, and nobody has looked for credentials in them
	}
	if f.busy {
		return
	}
	if f.keeping {
		for i := range trailers {
			f.trailers = append(f.trailers, http1.Field{Name: bytes.Clone(trailers[i].Name), Value: bytes.Clone(trailers[i].Value)})
		}
	}
	f.call.End(trailers)
}

// Flush implements [engine.Exchange].
func (f *apiFlow) Flush() {
	if f.busy {
		return
	}
	f.call.Flush()
	if !f.paused && f.call.Queued() > highWater {
		f.paused = true
		f.c.PauseBody()
	}
}

// Gone implements [engine.Exchange].
func (f *apiFlow) Gone(err error) {
	f.gone(err)
	if f.call != nil {
		f.call.Cancel()
		f.done(f.answered(), "aborted")
	}
	f.finish()
	f.recycle()
}

// answered is the status of the upstream's answer, 0 where none has come.
func (f *apiFlow) answered() int {
	if f.headOut {
		return f.rec.Status
	}
	return 0
}

// gone notes in the record that the client ended the exchange.
func (x *exchange) gone(err error) {
	x.rec.Error = "client_abort"
	switch {
	case errors.Is(err, engine.ErrBody) || errors.Is(err, engine.ErrTimeout):
		x.rec.Error = "request"
	case errors.Is(err, engine.ErrPanic):
		x.rec.Error = "internal"
	}
	if !x.headOut {
		switch {
		case errors.Is(err, engine.ErrBody):
			x.rec.Status = http.StatusBadRequest
		case errors.Is(err, engine.ErrTimeout):
			x.rec.Status = http.StatusRequestTimeout
		default:
			x.rec.Status = statusGone
		}
	}
}

// Drained implements [engine.Exchange]: the client has taken what waited, so the answer may go on.
func (f *apiFlow) Drained() {
	if f.upPaused && f.c.Queued() == 0 {
		f.upPaused = false
		f.call.Resume()
	}
}

// RequestDrained implements [upstream.Receiver]: the upstream has taken what waited, so the request may go on.
func (f *apiFlow) RequestDrained() {
	if f.paused && f.call.Queued() == 0 {
		f.paused = false
		f.c.ResumeBody()
	}
}

// answerFields writes the header lines of an upstream's answer that go to the client.
func (f *apiFlow) answerFields(h *http1.Head, bodiless bool) []byte {
	b := f.fields[:0]
	for i := range h.Fields {
		fl := &h.Fields[i]
		if fl.Hop {
			continue
		}
		switch fl.ID {
		case http1.ContentLength:
			if !bodiless || h.Status == http.StatusNoContent { // RFC 9110 §8.6
				continue
			}
		case http1.TransferEncoding, http1.XRequestID, http1.XGwc:
			continue
		}
		value := fl.Value
		if f.provider != nil {
			if value = f.fromProvider(fl); value == nil {
				continue
			}
		}
		b = append(b, fl.Name...)
		b = append(b, ':', ' ')
		b = append(b, value...)
		b = append(b, '\r', '\n')
	}
	if f.provider != nil {
		b = append(append(append(b, "x-gwc-provider: "...), f.provider.Name...), '\r', '\n')
	}
	f.fields = f.head(b)
	return f.fields
}

// Interim implements [upstream.Receiver].
func (f *apiFlow) Interim(h *http1.Head) {
	if f.provider != nil {
		return // hints for pages of a site; a provider has none
	}
	var b []byte
	for i := range h.Fields {
		fl := &h.Fields[i]
		switch fl.ID {
		case http1.ContentLength, http1.TransferEncoding, http1.XRequestID, http1.XGwc:
			continue
		}
		if !fl.Hop {
			b = append(append(append(append(b, fl.Name...), ": "...), fl.Value...), "\r\n"...)
		}
	}
	f.c.Interim(h.Status, b)
}

// AnswerHead implements [upstream.Receiver].
func (f *apiFlow) AnswerHead(h *http1.Head, length int64) {
	bodiless := f.rec.Method == http.MethodHead || h.Status == http.StatusNoContent || h.Status == http.StatusNotModified
	if bodiless {
		length = engine.NoBody
	}
	f.rec.FirstByte = f.p.clock.Since(f.start)
	f.rec.Status = h.Status
	f.headOut = true
	f.masks = f.secret != "" && h.Status >= http.StatusBadRequest
	f.c.Start(h.Status, f.answerFields(h, bodiless), length)
}

// AnswerBody implements [upstream.Receiver].
func (f *apiFlow) AnswerBody(b []byte) {
	if f.masks {
		b = f.mask(b)
	}
	f.rec.BytesOut += int64(len(b))
	f.c.Write(b)
}

// AnswerFlush implements [upstream.Receiver].
func (f *apiFlow) AnswerFlush() {
	f.c.Flush()
	if !f.upPaused && f.c.Queued() > highWater {
		f.upPaused = true
		f.call.Pause()
	}
}

// AnswerEnd implements [upstream.Receiver].
func (f *apiFlow) AnswerEnd(trailers []http1.Field) {
	if f.provider != nil {
		trailers = nil // as those of the request
		f.unmask()
	}
	f.done(f.rec.Status, "")
	c := f.c
	f.finish()
	f.recycle()
	c.End(trailers)
}

// AnswerFail implements [upstream.Receiver].
func (f *apiFlow) AnswerFail(e *upstream.Failure) {
	class := e.Class.String()
	f.done(f.answered(), class)
	if f.headOut {
		f.rec.Error = errorClass(e.Class)
		c := f.c
		f.finish()
		f.recycle()
		c.Abort()
		return
	}
	again := e.Class == upstream.Connect || e.Class == upstream.Reset && (e.Unsent || e.Reused && idempotent(f.rec.Method))
	complete := f.keeping || f.req.Length == upstream.NoBody || f.rec.BytesIn == 0
	if again && complete {
		if e.Class == upstream.Reset && f.endpoint < 64 {
			f.tried &^= 1 << f.endpoint // the server is there: only its connection was old
		}
		if f.attempt() {
			return
		}
	}
	status, detail := failureAnswer(e.Class)
	f.fail(status, errorClass(e.Class), detail)
	f.recycle()
}

func idempotent(m string) bool {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

func errorClass(c upstream.Class) string {
	switch c {
	case upstream.Connect:
		return "connect"
	case upstream.Timeout:
		return "timeout"
	case upstream.Overflow:
		return "overflow"
	}
	return "upstream_protocol"
}

func failureAnswer(c upstream.Class) (int, string) {
	switch c {
	case upstream.Connect:
		return http.StatusBadGateway, "no connection to the upstream could be made"
	case upstream.Timeout:
		return http.StatusGatewayTimeout, "the upstream did not answer in time"
	case upstream.Overflow:
		return http.StatusBadGateway, "the upstream did not take the request's body"
	}
	return http.StatusBadGateway, "the upstream's answer could not be used"
}

var (
	_ engine.Exchange   = (*apiFlow)(nil)
	_ upstream.Receiver = (*apiFlow)(nil)
)
