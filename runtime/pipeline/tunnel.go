package pipeline

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/dialect/realtime"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/runtime/websocket"
)

// tunnelFlow is a WebSocket through the gateway: a passthrough ([apiFlow]) up to the provider's answer, and if that is
// 101, frames both ways until either side ends it.
//
// The handshakes of both sides are the gateway's own: it judges the client's, makes one with a fresh key and its
// credentials for the provider, and proves its understanding of the client's key itself. Extensions are not passed on,
// so that frames can be read aside; what a message says is the peers' business, but for the few numbers of usage that
// package realtime looks for.
//
// What breaks the protocol is never passed on. Where the gateway ends a tunnel, for this or because it stops, both sides
// get a Close frame, at the end of a frame that may be under way.
type tunnelFlow struct {
	*apiFlow
	key     string   // of the handshake with the provider
	accept  [28]byte // proves that the client's was understood
	offered [][]byte // subprotocols, without those that carry a credential
	asked   string   // the model that the query names

	refused int // the status of an answer other than 101
	reason  []byte

	open     bool
	from, to websocket.Reader // what the client sends, and the provider
	piece    websocket.Piece
	tap      realtime.Tap
	scratch  []byte // to unmask

	near, far side // the client, the provider
	closing   bool // the gateway ends the tunnel as soon as it may
	ending    bool // one side has said Close: it waits for the other
	code      int
	why       string
}

// side is what is known of one end's life.
type side struct {
	heard  time.Time
	pinged bool // and nothing was heard since
	owes   bool // it has not answered the gateway's Ping
	closed bool // its Close frame has come
}

const (
	closeWait  = 5 * time.Second // how long a side may take to answer a Close frame
	maxRefusal = 64 << 10        // of a provider's refusal that is passed on
)

// pingText is the payload of the gateway's own Pings, by which it knows the answers.
var pingText = []byte("gwc")

// credentialProtocol begins the subprotocol in which browsers send a key to OpenAI, since they can set no header.
var credentialProtocol = []byte("openai-insecure-api-key.")

// protocolCredential returns the credential that a field of subprotocols carries.
func protocolCredential(value []byte) []byte {
	for p := range bytes.SplitSeq(value, []byte(",")) {
		if v, ok := bytes.CutPrefix(bytes.Trim(p, " \t"), credentialProtocol); ok {
			return v
		}
	}
	return nil
}

// tunnel goes on with an admitted request for a WebSocket at a path that is opened.
func (f *apiFlow) tunnel(q *engine.Request) engine.Exchange {
	bad := websocket.Check(q.Head, q.HTTP2)
	t := &tunnelFlow{apiFlow: f, key: websocket.NewKey()}
	credentials := 0
	for p := range websocket.Protocols(q.Head) {
		if bytes.HasPrefix(p, credentialProtocol) {
			credentials++
			continue
		}
		t.offered = append(t.offered, bytes.Clone(p))
	}
	switch {
	case bad == nil && credentials > 1:
		f.fail(http.StatusBadRequest, "request", "Sec-WebSocket-Protocol carries several credentials")
		f.recycle()
		return nothing{}
	case bad != nil:
		f.failWith(bad.Status, "request", bad.Reason, []byte(bad.Fields))
		f.recycle()
		return nothing{}
	case f.p.draining.Load():
		f.fail(http.StatusServiceUnavailable, "overload", "the gateway is stopping")
		f.recycle()
		return nothing{}
	}
	websocket.AppendAccept(t.accept[:0], q.Get(http1.SecWebSocketKey))
	for _, name := range [...]string{"model", "deployment"} {
		if v := parameter(q.Query, name); v != nil {
			t.asked = modelName(string(unescaped(nil, v)))
		}
	}
	f.rec.Model, f.rec.UpstreamModel, f.rec.Stream = t.asked, t.asked, true
	f.socket = t
	f.run(q)
	return t
}

// modelName is a model's name without the collection that Google writes before it.
func modelName(s string) string {
	if i := strings.LastIndex(s, "models/"); i >= 0 && (i == 0 || s[i-1] == '/') {
		return s[i+len("models/"):]
	}
	return s
}

// unescaped appends the value of a query's parameter without its encoding; what is none stays as it is.
func unescaped(dst, v []byte) []byte {
	hex := func(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c|0x20) }
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(v) && hex(v[i+1]) >= 0 && hex(v[i+2]) >= 0:
			c = byte(hex(v[i+1])<<4 | hex(v[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// handshake appends the header lines that ask the provider for the WebSocket.
func (t *tunnelFlow) handshake(b []byte) []byte {
	b = append(append(b, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...), t.key...)
	sep := "\r\nSec-WebSocket-Protocol: "
	for _, p := range t.offered {
		b = append(append(b, sep...), p...)
		sep = ", "
	}
	return append(b, '\r', '\n')
}

// offers yields the subprotocols that the provider was offered.
func (t *tunnelFlow) offers(yield func([]byte) bool) {
	for _, p := range t.offered {
		if !yield(p) {
			return
		}
	}
}

// AnswerHead implements [upstream.Receiver].
func (t *tunnelFlow) AnswerHead(h *http1.Head, length int64) {
	f := t.apiFlow
	if h.Status != http.StatusSwitchingProtocols {
		t.refused = h.Status
		f.answerFields(h, false) // into f.fields
		if h.Get(http1.ContentEncoding) != nil {
			t.reason = make([]byte, maxRefusal+1) // nobody can see what is in it
		}
		return
	}
	protocol, err := websocket.CheckAnswer(h, t.key, t.offers)
	if err != nil {
		f.call.Cancel()
		f.done(h.Status, "protocol")
		f.fail(http.StatusBadGateway, "upstream_protocol", "the provider's answer to the WebSocket handshake cannot be used: "+err.Error())
		f.recycle()
		return
	}
	b := append(f.answerFields(h, true), "Upgrade: websocket\r\nSec-WebSocket-Accept: "...)
	b = append(append(b, t.accept[:]...), '\r', '\n')
	if protocol != nil {
		b = append(append(append(b, "Sec-WebSocket-Protocol: "...), protocol...), '\r', '\n')
	}
	f.fields = b
	f.rec.FirstByte = f.p.clock.Since(f.start)
	f.rec.Status = h.Status
	f.headOut, t.open = true, true
	t.from.Reset(true)
	now := f.p.clock.Now()
	t.near.heard, t.far.heard = now, now
	f.c.Start(h.Status, b, engine.Tunnel)
	// What was needed to come here is not kept: a tunnel may last for hours.
	f.reqBuf, f.target, f.query, f.fields, f.kept, f.home, f.signed, t.offered = nil, nil, nil, nil, nil, nil, signer.Call{}, nil
	f.req = upstream.Request{}
	f.p.metrics.Tunnel(1)
	f.p.enter(t)
	t.watch()
	if f.p.draining.Load() {
		t.end(websocket.GoingAway, "the gateway is stopping")
	}
	if !f.over {
		f.c.Flush() // the last: it may deliver what a hasty client has sent already
	}
}

// BodyEnd implements [engine.Exchange].
func (t *tunnelFlow) BodyEnd(trailers []http1.Field) { t.apiFlow.BodyEnd(trailers) }

// Body implements [engine.Exchange]: what the client sends.
func (t *tunnelFlow) Body(b []byte) {
	f := t.apiFlow
	f.rec.BytesIn += int64(len(b))
	t.near.heard, t.near.pinged = f.p.clock.Now(), false
	before := t.from.Messages()
	for len(b) > 0 && !f.over {
		n, err := t.from.Next(b, &t.piece)
		if err != nil {
			f.rec.Error = "request"
			t.shut("gateway", websocket.ProtocolError, err.Reason, websocket.GoingAway, "the client broke the protocol")
			return
		}
		b = b[n:]
		p := &t.piece
		if len(p.Out) == 0 || p.Op == websocket.Pong && t.near.answers(p) {
			continue
		}
		if t.tap.Client() && (p.Op == websocket.Text || p.Op == websocket.Binary) {
			t.readClient(p)
		}
		f.call.Write(p.Out)
		if p.Op == websocket.Close {
			t.saidClose(&t.near, &t.far, "client")
		}
	}
	f.p.metrics.Messages(true, t.from.Messages()-before)
}

// readClient shows the tap what the client sends, which is masked.
func (t *tunnelFlow) readClient(p *websocket.Piece) {
	if cap(t.scratch) < len(p.Out) {
		t.scratch = make([]byte, len(p.Out))
	}
	t.tap.FromClient(p.Plain(t.scratch[:cap(t.scratch)]), p.First, p.Last)
	if !t.tap.Client() {
		t.scratch = nil
	}
}

// answers reports whether a Pong is one to the gateway's own Ping, which the other side has not sent.
func (s *side) answers(p *websocket.Piece) bool {
	var b [4]byte
	if !s.owes || !bytes.Equal(p.Plain(b[:]), pingText) {
		return false
	}
	s.owes = false
	return true
}

// AnswerBody implements [upstream.Receiver]: what the provider sends, or why it refuses.
func (t *tunnelFlow) AnswerBody(b []byte) {
	f := t.apiFlow
	if !t.open {
		if room := maxRefusal + 1 - len(t.reason); room > 0 {
			t.reason = append(t.reason, b[:min(room, len(b))]...)
		}
		return
	}
	t.far.heard, t.far.pinged = f.p.clock.Now(), false
	before := t.to.Messages()
	for len(b) > 0 && !f.over {
		n, err := t.to.Next(b, &t.piece)
		if err != nil {
			f.rec.Error = "upstream_protocol"
			t.shut("gateway", websocket.InternalError, "the provider broke the protocol", websocket.ProtocolError, err.Reason)
			return
		}
		b = b[n:]
		p := &t.piece
		if len(p.Out) == 0 || p.Op == websocket.Pong && t.far.answers(p) {
			continue
		}
		if p.Op == websocket.Text || p.Op == websocket.Binary {
			t.tap.FromServer(p.Plain(p.Out), p.First, p.Last)
		}
		f.rec.BytesOut += int64(len(p.Out))
		f.c.Write(p.Out)
		switch {
		case p.Op == websocket.Close:
			t.saidClose(&t.far, &t.near, "provider")
		case t.closing && t.to.Boundary():
			t.end(t.code, t.why)
		}
	}
	f.p.metrics.Messages(false, t.to.Messages()-before)
}

// saidClose notes the Close frame of a side, which was passed on. When both have said it, the tunnel ends; till then
// the other one is waited for.
func (t *tunnelFlow) saidClose(s, other *side, who string) {
	s.closed = true
	code := t.from
	if who == "provider" {
		code = t.to
	}
	n, _ := code.Closed()
	t.closedBy(who, n)
	if other.closed {
		t.finish()
		t.c.End(nil)
		return
	}
	if t.ending {
		return
	}
	t.ending = true
	t.later(closeWait, func() {
		t.shut(who, n, "", n, "")
	})
}

// closedBy notes who was the first to close.
func (t *tunnelFlow) closedBy(who string, code int) {
	if t.rec.WSClose == 0 {
		t.rec.WSClose, t.rec.WSClosedBy = code, who
	}
}

// end closes the tunnel from the gateway's side, as soon as the frame is over that the provider may be sending, or when
// that takes too long.
func (t *tunnelFlow) end(code int, why string) {
	if !t.to.Boundary() {
		if !t.closing {
			t.later(closeWait, func() { t.shut("gateway", t.code, t.why, t.code, t.why) })
		}
		t.closing, t.code, t.why = true, code, why
		return
	}
	t.shut("gateway", code, why, code, why)
}

// cut is end for somebody who does not hold the exchange's mutex.
func (t *tunnelFlow) cut(code int, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.contain()
	if !t.over {
		t.end(code, why)
	}
}

// shut ends the tunnel now: with a Close frame to each side that can take one. A side that is in the middle of a frame
// sees its connection end there, which tells as much.
func (t *tunnelFlow) shut(who string, code int, why string, toProvider int, whyProvider string) {
	t.closedBy(who, code)
	t.hangUp(toProvider, whyProvider)
	if t.to.Boundary() && !t.far.closed {
		t.c.Write(closeFrame(code, why, nil))
	}
	t.finish()
	t.c.End(nil)
}

func closeFrame(code int, why string, mask *[4]byte) []byte {
	if code == websocket.NoCode {
		return websocket.AppendControl(nil, websocket.Close, nil, mask)
	}
	return websocket.AppendClose(nil, code, why, mask)
}

// hangUp ends the connection to the provider, with a Close frame where that is possible and not done yet.
func (t *tunnelFlow) hangUp(code int, why string) {
	if t.call == nil {
		return
	}
	switch {
	case t.near.closed:
		t.call.Close()
	case t.from.Boundary():
		var mask [4]byte
		rand.Read(mask[:])
		t.call.Write(closeFrame(code, why, &mask))
		t.call.Flush()
		t.call.Close()
	default:
		t.call.Cancel()
	}
}

// finish ends an open tunnel but for the client's connection: attempt, tokens, cost, record.
func (t *tunnelFlow) finish() {
	f := t.apiFlow
	if f.over {
		return
	}
	f.call.Close()
	class := ""
	switch f.rec.Error {
	case "upstream_protocol":
		class = "protocol"
	case "timeout", "connect", "overflow":
		class = f.rec.Error
	case "client_abort":
		class = "aborted"
	}
	f.p.leave(t)
	f.p.metrics.Tunnel(-1)
	f.done(http.StatusSwitchingProtocols, class)
	t.charge()
	f.finish()
}

// charge writes what the session has used into the record, and what that costs, where somebody has a price for the
// model.
func (t *tunnelFlow) charge() {
	f := t.apiFlow
	seen := t.tap.Seen()
	model := t.asked
	if model == "" {
		model = modelName(seen.Model)
	}
	if f.rec.UpstreamModel = model; f.rec.Model == "" {
		f.rec.Model = model
	}
	f.rec.Attempts[f.rec.NAttempt-1].Model = model
	u := &seen.Usage
	if !u.Known {
		return
	}
	guess := seen.Open > 0 || seen.Cut // an answer was under way: what it used was not told
	f.rec.HasTokens, f.rec.ServiceTier = true, u.Service
	f.rec.Tokens = calllog.Tokens{
		Input: u.Input, Output: u.Output, CacheRead: u.CacheRead, Reasoning: u.Reasoning, InputAudio: u.InputAudio, OutputAudio: u.OutputAudio,
		InputImage: u.InputImage, OutputImage: u.OutputImage, Estimate: guess,
	}
	target := f.s.Charged(f.provider, model, f.key.App)
	if target == nil {
		return
	}
	target.Metrics.Tokens(u.Input, u.Output, u.CacheRead, u.CacheWrite, u.Reasoning)
	used := u.Counted()
	used.Estimate = guess
	c := target.Price.Of(&used)
	f.rec.Unpriced = c.Missing
	if !c.Known || seen.Other { // what transcribed the input has a price of its own, which nobody knows here
		target.Metrics.Unpriced()
		return
	}
	target.Metrics.Cost(uint64(c.Amount), c.Estimate)
	f.rec.Cost, f.rec.HasCost, f.rec.CostEstimate, f.rec.Price = c.Amount, true, c.Estimate, target.Price.Version
}

// Flush implements [engine.Exchange].
func (t *tunnelFlow) Flush() { t.apiFlow.Flush() }

// Drained implements [engine.Exchange].
func (t *tunnelFlow) Drained() { t.apiFlow.Drained() }

// Gone implements [engine.Exchange].
func (t *tunnelFlow) Gone(err error) {
	if !t.open {
		t.apiFlow.Gone(err)
		return
	}
	switch {
	case t.closing: // it was cut, or had no patience
		t.closedBy("gateway", t.code)
	case t.rec.WSClose == 0:
		t.gone(err)
		t.closedBy("client", websocket.Abnormal)
	}
	t.hangUp(websocket.GoingAway, "the client has gone")
	t.finish()
}

// AnswerFlush implements [upstream.Receiver].
func (t *tunnelFlow) AnswerFlush() {
	if t.open && !t.over {
		t.apiFlow.AnswerFlush()
	}
}

// AnswerEnd implements [upstream.Receiver]: the provider has closed its connection, or said why it refuses.
func (t *tunnelFlow) AnswerEnd(trailers []http1.Field) {
	if !t.open {
		t.refuse()
		return
	}
	t.lost("upstream_protocol")
}

// AnswerFail implements [upstream.Receiver].
func (t *tunnelFlow) AnswerFail(e *upstream.Failure) {
	switch {
	case t.open:
		t.lost(errorClass(e.Class))
	case t.refused != 0:
		t.reason = t.reason[:0]
		t.refuse() // its body broke off, but what it said stands
	default:
		t.apiFlow.AnswerFail(e)
	}
}

// lost ends a tunnel whose provider has gone.
func (t *tunnelFlow) lost(class string) {
	if t.rec.WSClose == 0 {
		t.rec.Error = class
		t.closedBy("provider", websocket.Abnormal)
	}
	t.shut("provider", websocket.InternalError, "the provider's connection has ended", 0, "")
}

// refuse gives the client what the provider has answered in place of 101. The credential in use is removed from it.
func (t *tunnelFlow) refuse() {
	f := t.apiFlow
	f.done(t.refused, "status")
	if len(t.reason) > maxRefusal {
		f.fail(t.refused, "upstream_status", "the provider refused the WebSocket")
		f.recycle()
		return
	}
	body := t.reason
	if f.secret != "" {
		body = bytes.ReplaceAll(body, []byte(f.secret), []byte("[redacted]"))
	}
	f.rec.Error = "upstream_status"
	f.rec.FirstByte = f.p.clock.Since(f.start)
	f.rec.Status = t.refused
	f.rec.BytesOut = int64(len(body))
	f.headOut = true
	c := f.c
	c.Start(t.refused, f.fields, int64(len(body)))
	c.Write(body)
	f.finish()
	f.recycle()
	c.End(nil)
}

// later runs then, unless the tunnel is over by then.
func (t *tunnelFlow) later(d time.Duration, then func()) {
	mu := t.mu
	t.p.clock.After(d, func() {
		mu.Lock()
		defer mu.Unlock()
		defer t.contain()
		if !t.over {
			then()
		}
	})
}

// watch looks for silence: a side that was silent for the provider's idle timeout is sent a Ping, and one that does not
// answer for as long again is taken for dead. A side that is being held back, because the other one is slow, is not
// expected to speak.
func (t *tunnelFlow) watch() {
	idle := t.provider.Timeouts.Idle
	if idle <= 0 {
		return
	}
	t.later(idle, func() {
		now := t.p.clock.Now()
		switch silent := now.Sub(t.near.heard) >= idle && !t.paused; {
		case silent && t.near.pinged:
			t.rec.Error = "timeout"
			t.closedBy("client", websocket.Abnormal)
			t.shut("client", websocket.GoingAway, "", websocket.GoingAway, "the client is silent")
			return
		case silent && t.to.Boundary() && !t.far.closed:
			t.near.pinged, t.near.owes = true, true
			t.c.Write(websocket.AppendControl(nil, websocket.Ping, pingText, nil))
			t.c.Flush()
		}
		switch silent := now.Sub(t.far.heard) >= idle && !t.upPaused; {
		case silent && t.far.pinged:
			t.rec.Error = "timeout"
			t.closedBy("provider", websocket.Abnormal)
			t.shut("provider", websocket.InternalError, "the provider is silent", websocket.GoingAway, "")
			return
		case silent && t.from.Boundary() && !t.near.closed:
			t.far.pinged, t.far.owes = true, true
			var mask [4]byte
			rand.Read(mask[:])
			t.call.Write(websocket.AppendControl(nil, websocket.Ping, pingText, &mask))
			t.call.Flush()
		}
		t.watch()
	})
}

// enter adds an open tunnel to those that [Pipeline.CutTunnels] can reach.
func (p *Pipeline) enter(t *tunnelFlow) {
	p.tunnelsMu.Lock()
	defer p.tunnelsMu.Unlock()
	if p.tunnels == nil {
		p.tunnels = map[*tunnelFlow]struct{}{}
	}
	p.tunnels[t] = struct{}{}
}

func (p *Pipeline) leave(t *tunnelFlow) {
	p.tunnelsMu.Lock()
	defer p.tunnelsMu.Unlock()
	delete(p.tunnels, t)
}

// CutTunnels ends the open tunnels of the keys that which names, in both directions with a Close frame of that code and
// reason, and returns how many those were. It must not be called with an exchange's mutex held.
func (p *Pipeline) CutTunnels(which func(tenant, app, key string) bool, code int, reason string) int {
	p.tunnelsMu.Lock()
	list := make([]*tunnelFlow, 0, len(p.tunnels))
	for t := range p.tunnels {
		if which(t.apiFlow.key.App.Tenant, t.apiFlow.key.App.Name, t.apiFlow.key.ID) {
			list = append(list, t)
		}
	}
	p.tunnelsMu.Unlock()
	for _, t := range list {
		t.cut(code, reason)
	}
	return len(list)
}

// Drain ends all tunnels, now and as they are opened: their peers are told that the gateway goes away.
func (p *Pipeline) Drain() {
	p.draining.Store(true)
	p.CutTunnels(func(string, string, string) bool { return true }, websocket.GoingAway, "the gateway is stopping")
}

var (
	_ engine.Exchange   = (*tunnelFlow)(nil)
	_ upstream.Receiver = (*tunnelFlow)(nil)
)
