package pipeline

import (
	"bytes"
	"errors"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/form"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/promptrest"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// chatFlow serves a chat in the dialect of its route: it collects the request, checks it, and sends it to the model's
// targets in turn until one answers.
//
// A target that speaks the caller's dialect gets the caller's bytes with "model" replaced, and its answer goes back as
// it comes, with usage read aside. Any other is translated through the neutral model, anew for each attempt. Another target is
// tried only while the caller has got nothing: because providers report overload inside a stream that began with 200, the
// head of a translated stream is held back until its first piece of content, that of one which passes until its first
// event.
type chatFlow struct {
	exchange
	body    []byte // the request's, whole
	head    jsonscan.ChatHead
	scanErr error
	// Of a caller who speaks Anthropic's dialect: headers anthropic-version and anthropic-beta.
	apiVersion, beta []byte
	named            []byte // the model that the path names, where the body does not
	array            bool   // a stream is wanted as a JSON array
	contentType      []byte // the request's, where it is a form with files; else empty
	model            *snapshot.Model
	neutral          *dialect.Request // decoded once, when a target needs it
	asked
	passing

	target  *snapshot.Target
	kind    *kind   // of the target's provider
	serves  *served // the target's dialect
	secret  string  // the credential in use, so that no error of the provider can carry it back
	callee  callee
	signed  signer.Call
	awaited bool // the signer was waited for
	req     upstream.Request
	reqBuf  []byte
	path2   []byte
	up      []byte // the request's body for the target
	prepErr *dialect.Error
	call    *upstream.Call
	sentAt  time.Time
	upAt    int  // how much of up was written
	upEnd   bool // all of it

	turn      int            // targets looked at so far, refused ones included; the next is turn modulo their number
	made      int            // calls made: what retry.attempts counts
	refused   uint64         // targets, by index, that cannot express the request; at most 64 are told apart
	refusal   *dialect.Error // of the first of them
	failure   *dialect.Error // the last call's: the answer, if no other target gives a better one
	class     string         // its class
	failedAt  *snapshot.Target
	notBefore []time.Time // by target: until when it asked not to be called

	mode       answerMode
	status     int
	retryAfter string
	errorType  string // what a header says of an error
	errBody    []byte
	out        []byte
	received   int64 // bytes of a translated answer
	hide       bool  // the usage chunk that gwc asked for is hidden from the caller
	tap        dialect.Tap
	enc        dialect.Encoder
	dec        dialect.Decoder
	coders     [dialects]struct { // by dialect, kept from exchange to exchange
		tap dialect.Tap
		enc dialect.Encoder
		dec dialect.Decoder
	}
	rest    []byte         // of a large answer that is being written; it aliases out
	pouring bool           // rest is being written
	early   *dialect.Error // an error before any content
	late    *dialect.Error // an error after the head was sent

	usage  dialect.Usage // of the attempt, as far as the provider has told it
	pieces int64         // of a translated stream
	// What the exchange costs so far. charged: some attempt had a cost; unpriced: one used tokens without a price;
	// unsettled: one rests on a guess, or may have cost something that nobody knows of.
	cost                         price.Amount
	charged, unpriced, unsettled bool
	lacking                      price.Set // what has no price
	tier                         string    // the service tier that the answer's head names

	// Methods as values, bound once: each binding would be an allocation.
	emit                                            func(*dialect.Event)
	doScan, doScanned, doPrepare, doSend, doAttempt func()

	held     int64 // of the body, what is counted in Pipeline.held
	busy     bool  // a goroutine or timer works for the flow; it must not be reused
	left     bool  // the exchange is over while busy
	upPaused bool
}

var (
	headerVersion = []byte("anthropic-version")
	headerBeta    = []byte("anthropic-beta")
	// headerErrorType is where AWS says what an error is.
	headerErrorType = []byte("x-amzn-errortype")
	// headerRetryMS is where OpenAI and Azure say it, in milliseconds.
	headerRetryMS = []byte("retry-after-ms")
	// headerTier is where the Gemini API says which service tier it served with: bodies do not tell.
	headerTier = []byte("x-gemini-service-tier")
)

type answerMode uint8

const (
	answerError answerMode = iota
	answerPass
	answerTranslate
)

func newChatFlow(p *Pipeline) *chatFlow {
	f := &chatFlow{exchange: exchange{p: p}}
	f.emit = f.event
	f.doScan, f.doScanned, f.doPrepare, f.doSend, f.doAttempt = f.scan, f.scanned, f.prepare, f.send, f.attempt
	return f
}

func (f *chatFlow) recycle() {
	if f.busy {
		f.left = true
		return
	}
	f.release()
	f.clear()
	f.call, f.tap, f.enc, f.dec, f.neutral, f.model, f.target, f.kind, f.serves = nil, nil, nil, nil, nil, nil, nil, nil, nil
	f.callee, f.signed = callee{}, signer.Call{}
	f.early, f.late, f.prepErr, f.scanErr, f.secret, f.retryAfter, f.errorType = nil, nil, nil, nil, "", "", ""
	f.refusal, f.failure, f.failedAt = nil, nil, nil
	f.asked = asked{}
	if cap(f.body) > keptBody {
		f.body = nil
	}
	if cap(f.up) > keptBody {
		f.up = nil
	}
	if cap(f.out) > keptBody {
		f.out = nil
	}
	f.p.chats.Put(f)
}

func (f *chatFlow) run(q *engine.Request) engine.Exchange {
	f.body, f.errBody = f.body[:0], f.errBody[:0]
	f.busy, f.left, f.upPaused = false, false, false
	f.turn, f.made, f.refused, f.notBefore = 0, 0, 0, f.notBefore[:0]
	f.cost, f.charged, f.unpriced, f.unsettled, f.lacking = 0, false, false, false, 0
	f.awaited, f.pouring = false, false
	f.apiVersion, f.beta, f.contentType = f.apiVersion[:0], f.beta[:0], f.contentType[:0]
	f.array = f.r.Kind == f.speaks.streamKind && string(parameter(q.Query, "alt")) != "sse"
	if f.speaks.form {
		if ct := q.Get(http1.ContentType); form.Is(ct) {
			f.contentType = append(f.contentType, ct...)
		}
	}
	if f.speaks.id == anthropicMessages || f.speaks.id == anthropicCount {
		for i := range q.Fields {
			switch h := &q.Fields[i]; {
			case bytes.EqualFold(h.Name, headerVersion):
				f.apiVersion = append(f.apiVersion[:0], h.Value...)
			case bytes.EqualFold(h.Name, headerBeta):
				if len(f.beta) > 0 {
					f.beta = append(f.beta, ',')
				}
				f.beta = append(f.beta, h.Value...)
			}
		}
	}
	if q.Length > maxChat {
		f.refuseSize()
		return nothing{}
	}
	if q.Expect100 && q.Length != engine.NoBody {
		f.c.Interim(http.StatusContinue, nil)
	}
	return f
}

func (f *chatFlow) refuseSize() {
	f.fail(http.StatusRequestEntityTooLarge, "request", "the request's body is larger than "+strconv.Itoa(maxChat>>20)+" MiB")
	f.recycle()
}

// Body implements [engine.Exchange].
func (f *chatFlow) Body(b []byte) {
	f.rec.BytesIn += int64(len(b))
	if len(f.body)+len(b) > maxChat {
		f.refuseSize()
		return
	}
	f.body = append(f.body, b...)
	if n := int64(len(f.body)); n > keptBody {
		if f.p.held.Add(n-f.held) > f.p.HoldAtMost {
			f.held = n
			f.failWith(http.StatusServiceUnavailable, "overload", "the gateway holds as many large requests as it can; try again", []byte("Retry-After: 1\r\n"))
			f.recycle()
			return
		}
		f.held = n
	}
}

// release gives back what the body held.
func (f *chatFlow) release() {
	if f.held > 0 {
		f.p.held.Add(-f.held)
		f.held = 0
	}
}

// BodyEnd implements [engine.Exchange].
func (f *chatFlow) BodyEnd([]http1.Field) {
	f.do(f.doScan, f.doScanned)
}

// Flush implements [engine.Exchange].
func (f *chatFlow) Flush() {}

// do runs work and then, under the exchange's mutex, then: at once for bodies of usual size, else on a goroutine.
// work touches nothing but what belongs to the request's preparation.
func (f *chatFlow) do(work, then func()) {
	if len(f.body) <= inlineWork {
		work()
		then()
		return
	}
	f.busy = true
	mu := f.mu
	go func() {
		v, stack := caught(work)
		mu.Lock()
		defer mu.Unlock()
		defer f.contain()
		if v != nil {
			f.crash(v, stack)
			return
		}
		f.back(then)
	}()
}

// caught runs work and returns the panic that ended it, if one did.
func caught(work func()) (v any, stack []byte) {
	defer func() {
		if v = recover(); v != nil {
			stack = debug.Stack()
		}
	}()
	work()
	return nil, nil
}

// contain is deferred where the pipeline itself is the caller of a flow, with the exchange's mutex held: a panic ends
// the exchange and not the process.
func (f *chatFlow) contain() {
	if v := recover(); v != nil {
		f.crash(v, debug.Stack())
	}
}

// crash ends an exchange after a panic. The flow is not used again.
func (f *chatFlow) crash(v any, stack []byte) {
	f.release()
	f.exchange.crash(f.call, v, stack)
}

// crash ends an exchange after a panic, and its call if there is one.
func (x *exchange) crash(call *upstream.Call, v any, stack []byte) {
	defer func() { _ = recover() }() // what is broken may break again
	x.p.panicked(v, stack)
	if x.over {
		return
	}
	if call != nil {
		call.Cancel()
	}
	x.rec.Error = "internal"
	if !x.headOut {
		x.rec.Status = http.StatusInternalServerError
	}
	x.finish()
	x.c.Abort()
}

// later runs then under the exchange's mutex after d.
func (f *chatFlow) later(d time.Duration, then func()) {
	f.busy = true
	mu := f.mu
	f.p.clock.After(d, func() {
		mu.Lock()
		defer mu.Unlock()
		defer f.contain()
		f.back(then)
	})
}

func (f *chatFlow) back(then func()) {
	f.busy = false
	if f.left {
		f.left = false
		f.recycle()
		return
	}
	then()
}

func (f *chatFlow) scan() {
	if f.program != nil {
		f.readInputs()
		return
	}
	if len(f.contentType) > 0 {
		f.head, f.scanErr = scanForm(string(f.contentType), f.body)
		return
	}
	if f.scanErr = jsonscan.Chat(f.body, &f.head); f.r.Kind.InPath() {
		f.head.Model, f.head.HasModel, f.head.Stream = f.named, true, f.r.Kind == f.speaks.streamKind
	}
}

func (f *chatFlow) scanned() {
	if f.program != nil {
		f.ask()
		return
	}
	if f.scanErr != nil {
		e := &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: f.scanErr.Error()}
		var at *jsonscan.Error
		var field *form.Error
		switch {
		case errors.As(f.scanErr, &at):
			e.Param = at.Param
		case errors.As(f.scanErr, &field):
			e.Param = field.Param
		}
		f.refuse(e)
		return
	}
	if !f.head.HasModel {
		f.refuse(&dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "model", Message: "you must provide a model parameter"})
		return
	}
	f.rec.Stream = f.head.Stream
	m := f.s.Models[string(f.head.Model)]
	if m == nil || f.key != nil && !f.key.App.Models[m.Name] {
		f.noModel(string(f.head.Model))
		f.recycle()
		return
	}
	f.model = m
	f.rec.Model = m.Name
	f.attempt()
}

// refuse answers with an error in the caller's dialect and ends the exchange.
func (f *chatFlow) refuse(e *dialect.Error) {
	if f.rec.Error == "" {
		f.rec.Error = "request"
	}
	var extra []byte
	if e.RetryAfter != "" {
		extra = append(append(append(extra, "Retry-After: "...), e.RetryAfter...), '\r', '\n')
	}
	if f.target != nil {
		extra = append(extra, f.target.Header...)
	}
	f.answer(f.speaks.status(e), f.speaks.errorType(), extra, f.speaks.appendError(nil, e))
	f.recycle()
}

// attempt prepares the request for the target whose turn it is and sends it.
func (f *chatFlow) attempt() {
	f.target = &f.model.Targets[f.turn%len(f.model.Targets)]
	f.kind = kindOf(f.target.Provider.Provider, f.target.Model)
	f.serves = f.kind.serves(f.speaks)
	f.turn++
	f.do(f.doPrepare, f.doSend)
}

// prepare makes the body for the target.
func (f *chatFlow) prepare() {
	f.prepErr = nil
	f.hide = false
	f.rec.Losses = ""
	if f.serves == nil {
		if f.speaks.own != nil {
			return
		}
		f.prepErr = &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "model", Code: "unsupported_operation",
			Message: "the model cannot be used for this: its provider has nothing of the kind"}
		return
	}
	if f.serves.id == f.speaks.id {
		var edits [2]jsonscan.Edit
		n := 0
		if !f.r.Kind.InPath() && string(f.head.Model) != f.target.Model {
			if f.out = f.out[:0]; len(f.contentType) > 0 {
				f.out = append(f.out, f.target.Model...)
			} else {
				f.out = jsonscan.AppendString(f.out, f.target.Model)
			}
			edits[n] = f.head.ReplaceModel(f.out)
			n++
		}
		row := f.target.Provider.Row
		if f.head.Stream && f.speaks.asksUsage && (row == nil || !row.UsageAlways) {
			if e, needed := f.head.RequestUsage(f.body); needed {
				edits[n] = e
				n++
				f.hide = true
			}
		}
		if f.speaks.readdress != nil {
			f.up = f.speaks.readdress(f.up[:0], f.body, f.target.Model)
		} else {
			f.up = jsonscan.Splice(f.up[:0], f.body, edits[:n]...)
		}
		f.adapt()
		f.dress()
		return
	}
	if f.program != nil {
		f.neutral = f.wish() // what it says of the output depends on the target
	}
	if f.neutral == nil {
		if f.neutral, f.prepErr = f.speaks.decode(f.body); f.prepErr != nil {
			return
		}
		if f.r.Kind.InPath() {
			f.neutral.Model, f.neutral.Stream = f.model.Name, f.head.Stream
		}
	}
	to := &dialect.Target{Model: f.target.Model, MaxTokens: f.model.MaxTokens, Vendor: f.target.Provider.Row}
	var lost []string
	losses := f.serves.losses
	if f.target.Losses != nil && f.serves.id == openAIChat {
		losses = f.target.Losses
	}
	f.up, lost, f.prepErr = losses.Encode(f.serves.encode, f.up[:0], f.neutral, to, f.model.OnLoss != "")
	f.rec.Losses = strings.Join(lost, ",")
	f.adapt()
	f.dress()
}

// adapt makes a chat in OpenAI's dialect what the vendor behind the target takes.
func (f *chatFlow) adapt() {
	row := f.target.Provider.Row
	if row == nil || f.serves.id != openAIChat || f.prepErr != nil {
		return
	}
	f.out, f.prepErr = openaichat.Adapt(f.out[:0], f.up, row, f.target.Model)
	f.up, f.out = f.out, f.up
}

// dress makes the body what the kind of provider wants beyond the dialect.
func (f *chatFlow) dress() {
	if f.kind.body != nil && f.prepErr == nil {
		f.out = f.kind.body(f.out[:0], f.up)
		f.up, f.out = f.out, f.up
	}
}

// send starts the call.
func (f *chatFlow) send() {
	if f.prepErr != nil {
		f.skip()
		return
	}
	if f.serves == nil {
		f.answerOwn()
		return
	}
	t := f.target
	p := t.Provider
	f.sentAt = f.p.clock.Now()
	f.callee = callee{provider: p.Provider, dialect: f.serves.id, model: t.Model, stream: f.head.Stream, array: f.array && f.serves.id == f.speaks.id}
	f.path2 = f.kind.target(append(f.path2[:0], p.Prefix...), &f.callee)
	b := f.reqBuf[:0]
	b = append(b, "Content-Type: "...)
	if len(f.contentType) > 0 {
		b = append(b, f.contentType...)
	} else {
		b = append(b, applicationJSON...)
	}
	b = append(b, "\r\nAccept: "...)
	switch {
	case f.speaks.op == media:
		b = append(b, "*/*"...) // sounds and texts, too
	case f.head.Stream:
		b = append(b, f.serves.streams...)
	default:
		b = append(b, applicationJSON...)
	}
	b = append(b, "\r\nAccept-Encoding: identity\r\nUser-Agent: gwc\r\n"...)
	if f.serves.fields != nil {
		b = f.serves.fields(f, b)
	}
	f.signed = signer.Call{Method: http.MethodPost, Host: p.Pool.Host(), Target: f.path2, Body: f.up, Now: f.sentAt}
	b, secret, ok := p.Signer.Sign(b, &f.signed)
	if !ok {
		f.await(p.Signer)
		return
	}
	f.secret, f.awaited = secret, false
	b = append(b, p.Fields...)
	b = append(append(append(b, "x-request-id: "...), f.id[:f.idLen]...), '\r', '\n')
	f.reqBuf = b
	f.made++
	f.req = upstream.Request{Method: http.MethodPost, Target: f.path2, Host: p.Pool.Host(), Fields: b, Length: int64(len(f.up))}
	to := upstream.Timeouts{Connect: t.Timeouts.Connect, FirstByte: t.Timeouts.FirstByte, Idle: t.Timeouts.Idle}
	if t.Timeouts.Total > 0 {
		to.Deadline = f.sentAt.Add(t.Timeouts.Total)
	}
	f.began()
	f.upAt, f.upEnd = 0, false
	f.call = p.Pool.Start(f.mu, f, &f.req, to)
	f.upload()
}

// began notes that an attempt has begun, and forgets the one before.
func (f *chatFlow) began() {
	f.rec.NAttempt++
	f.rec.Provider, f.rec.UpstreamModel = f.target.Provider.Name, f.target.Model
	f.status, f.retryAfter, f.errorType, f.tier, f.early, f.late = 0, "", "", "", nil, nil
	f.rec.Tokens, f.rec.HasTokens, f.rec.StopReason = calllog.Tokens{}, false, ""
	f.rec.Units, f.rec.HasStated, f.rec.Stated = price.Units{}, false, 0
	f.usage, f.pieces, f.rec.ServiceTier = dialect.Usage{}, 0, ""
	f.mode, f.errBody, f.received = answerError, f.errBody[:0], 0
	f.passing = passing{kept: f.kept[:0]}
}

// await comes back to send when the signer has what it needs. Where it has got nothing, the attempt has failed.
func (f *chatFlow) await(s signer.Signer) {
	if f.awaited { // it had what it needs a moment ago
		f.unsigned()
		return
	}
	f.busy, f.awaited = true, true
	mu := f.mu
	s.Await(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		defer f.contain()
		f.back(func() {
			if err != nil {
				f.unsigned()
				return
			}
			f.send()
		})
	})
}

// unsigned handles an attempt that came to nothing because the gateway could not get its credential. The reason is
// reported to whoever runs the gateway (see [signer.NewTokens]), and is none of the callers' business.
func (f *chatFlow) unsigned() {
	f.awaited = false
	f.made++
	f.began()
	f.done(0, "credential", "credential")
	f.again(f.model.RetryOn.Connect, &dialect.Error{Status: http.StatusBadGateway, Type: "api_error", Code: "upstream_credential",
		Message: "the gateway could not get its credential for the model's provider"}, "upstream_credential")
}

// version appends the version of the Messages API that is spoken: the caller's, with the beta features that it asked
// for, where its bytes pass through.
func (f *chatFlow) version(b []byte) []byte {
	b = append(b, "anthropic-version: "...)
	if len(f.apiVersion) > 0 {
		b = append(b, f.apiVersion...)
	} else {
		b = append(b, "2023-06-01"...)
	}
	if len(f.beta) > 0 {
		b = append(append(b, "\r\nanthropic-beta: "...), f.beta...)
	}
	return append(b, '\r', '\n')
}

// upload writes the request's body at the pace at which the provider takes it.
func (f *chatFlow) upload() {
	for f.upAt < len(f.up) {
		if f.upAt > 0 && f.call.Queued() > highWater {
			return // RequestDrained goes on
		}
		n := min(len(f.up)-f.upAt, uploadPiece)
		f.call.Write(f.up[f.upAt : f.upAt+n])
		f.upAt += n
	}
	f.upEnd = true
	f.call.End(nil)
}

// skip passes over a target that cannot express the request. The caller hears of it only if no target can.
func (f *chatFlow) skip() {
	i := (f.turn - 1) % len(f.model.Targets)
	if i < 64 {
		f.refused |= 1 << i
	}
	if f.refusal == nil {
		f.refusal = f.prepErr
	}
	if n := f.rec.NAttempt; n < calllog.MaxAttempts {
		f.rec.Attempts[n] = calllog.Attempt{Provider: f.target.Provider.Name, Model: f.target.Model, Target: f.target.Provider.Pool.Addr(), Error: "request"}
		f.rec.NAttempt++
	}
	switch {
	case i < 64 && f.next():
	case f.failure != nil:
		f.giveUp()
	default:
		f.target = nil // none was called
		f.refuse(f.refusal)
	}
}

// giveUp answers with the error of the last call.
func (f *chatFlow) giveUp() {
	f.target = f.failedAt
	f.rec.Error = f.class
	f.scrub(f.failure)
	f.refuse(f.failure)
}

// done notes the end of an attempt.
func (f *chatFlow) done(status int, class, outcome string) {
	d := f.p.clock.Since(f.sentAt)
	f.rec.Upstream += d
	f.rec.Attempts[f.rec.NAttempt-1] = calllog.Attempt{
		Provider: f.target.Provider.Name, Model: f.target.Model, Target: f.target.Provider.Pool.Addr(), Status: status, Duration: d, Error: class,
	}
	f.target.Metrics.Attempt(outcome, d)
	f.charge(&f.rec.Attempts[f.rec.NAttempt-1], class)
}

// again starts another attempt where on and the model's retry allow one, or answers with e. class is the record's error
// class.
func (f *chatFlow) again(on bool, e *dialect.Error, class string) {
	f.failure, f.class, f.failedAt = e, class, f.target
	f.wait(e.RetryAfter)
	if !on || f.made >= f.model.Attempts || !f.next() {
		f.giveUp()
	}
}

// wait notes how long the target asked to be left alone (RFC 9110 §10.2.3: seconds or a date).
func (f *chatFlow) wait(value string) {
	if value == "" {
		return
	}
	var until time.Time
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		until = f.p.clock.Now().Add(time.Duration(s) * time.Second)
	} else if until, err = http.ParseTime(value); err != nil {
		return
	}
	for len(f.notBefore) < len(f.model.Targets) {
		f.notBefore = append(f.notBefore, time.Time{})
	}
	f.notBefore[(f.turn-1)%len(f.model.Targets)] = until
}

// next goes on to the next target that can express the request: at once to one that was not called yet, after a pause
// to one that was, and not at all where it asks for longer than a caller would wait. It reports false when there is
// none.
func (f *chatFlow) next() bool {
	if f.rec.NAttempt >= calllog.MaxAttempts {
		return false
	}
	n := len(f.model.Targets)
	for range n {
		i := f.turn % n
		if i < 64 && f.refused&(1<<i) != 0 {
			f.turn++
			continue
		}
		round := f.turn / n
		if round == 0 {
			f.attempt()
			return true
		}
		d := min(backOff<<(round-1), MaxBackOff)
		if i < len(f.notBefore) {
			asked := f.p.clock.Until(f.notBefore[i])
			if asked > MaxBackOff {
				f.turn++
				continue
			}
			d = max(d, asked)
		}
		f.later(d, f.doAttempt)
		return true
	}
	return false
}

// Gone implements [engine.Exchange].
func (f *chatFlow) Gone(err error) {
	f.gone(err)
	if f.call != nil {
		f.call.Cancel()
		if !f.busy {
			f.observe()
			if f.settled() {
				// It had everything: clients hang up at [DONE], before the last chunk of the transfer has come.
				f.rec.Error = ""
				f.done(f.status, "", "ok")
			} else {
				f.done(f.status, "aborted", "aborted")
			}
		}
	}
	f.finish()
	f.recycle()
}

// Drained implements [engine.Exchange].
func (f *chatFlow) Drained() {
	if f.pouring {
		f.pour()
		return
	}
	if f.upPaused && f.c.Queued() == 0 {
		f.upPaused = false
		f.call.Resume()
	}
}

// RequestDrained implements [upstream.Receiver].
func (f *chatFlow) RequestDrained() {
	if !f.upEnd {
		f.upload()
	}
}

// Interim implements [upstream.Receiver].
func (f *chatFlow) Interim(*http1.Head) {}

// AnswerHead implements [upstream.Receiver].
func (f *chatFlow) AnswerHead(h *http1.Head, length int64) {
	f.status = h.Status
	f.retryAfter = string(h.Get(http1.RetryAfter))
	if h.Status < 200 || h.Status > 299 {
		f.mode = answerError
		for i := range h.Fields {
			switch field := &h.Fields[i]; {
			case bytes.EqualFold(field.Name, headerErrorType):
				f.errorType = string(field.Value)
			case f.retryAfter == "" && bytes.EqualFold(field.Name, headerRetryMS):
				f.retryAfter = secondsOf(field.Value)
			}
		}
		return
	}
	if why := f.unfit(h); why != "" {
		f.unusable(why)
		return
	}
	if f.target.Provider.Kind == "gemini" {
		for i := range h.Fields {
			if field := &h.Fields[i]; bytes.EqualFold(field.Name, headerTier) {
				f.tier = dialect.ServiceNamed(field.Value)
			}
		}
	}
	if f.serves.id == f.speaks.id && !f.retold() {
		f.pass(h, length)
		return
	}
	f.sniff = f.head.Stream && f.serves.streams == "text/event-stream"
	f.mode = answerTranslate
	enc, dec := &f.coders[f.speaks.id].enc, &f.coders[f.serves.id].dec
	if *enc == nil {
		*enc = f.speaks.encoder()
	}
	if *dec == nil {
		*dec = f.serves.decoder()
	}
	f.enc, f.dec = *enc, *dec
	opening := dialect.Opening{
		Stream: f.head.Stream, Array: f.array, IncludeUsage: f.head.IncludeUsage, Model: f.model.Name, Created: f.start.Unix(),
		ID: f.speaks.answerID + string(f.id[:f.idLen]),
	}
	if r := f.neutral; r != nil { // nil where the request passed as it was
		opening.Base64, opening.Echo = r.Embedding != nil && r.Embedding.Base64, r.Echo
	}
	f.enc.Reset(opening)
	if e, ok := f.enc.(*promptrest.Encoder); ok {
		e.Bind(f.program)
	}
	if d, ok := f.dec.(*openaichat.Decoder); ok {
		d.Tags = f.target.Provider.Row != nil && f.target.Provider.Row.ThinkTags
	}
	f.dec.Reset(f.head.Stream)
	f.out = f.out[:0]
}

// retold reports whether an answer is translated though the request passed: where the vendor's answers are beyond what
// clients of the dialect can read.
func (f *chatFlow) retold() bool {
	row := f.target.Provider.Row
	return row != nil && row.ThinkParts && f.speaks.id == openAIChat && vendor.Thinks(f.target.Model)
}

// begun starts the answer to the caller; b are its first header lines.
func (f *chatFlow) begun(b []byte, length int64) {
	if f.head.Stream {
		b = append(b, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"...)
	}
	b = f.told(append(b, f.target.Header...))
	f.fields = f.exchange.head(b)
	f.headOut = true
	f.rec.Status = http.StatusOK
	f.rec.FirstByte = f.p.clock.Since(f.start)
	f.c.Start(http.StatusOK, f.fields, length)
	if f.model.KeepAlive > 0 && f.head.Stream && !f.array && length == engine.Unknown && (f.mode == answerTranslate || f.events) {
		f.pulse = startPulse(f.mu, f.c, f.p.clock, f.model.KeepAlive)
	}
}

// told appends the header that names what of the request was lost, where the model's policy wants it told.
func (f *chatFlow) told(b []byte) []byte {
	if f.rec.Losses == "" || f.model.OnLoss != "warn" {
		return b
	}
	names := strings.ReplaceAll(strings.ReplaceAll(f.rec.Losses, ",", ", "), "…", "...")
	return append(append(append(b, "x-gwc-loss: "...), names...), "\r\n"...)
}

// event takes the events of a translated answer.
func (f *chatFlow) event(ev *dialect.Event) {
	switch ev.Kind {
	case dialect.UsageEvent:
		if ev.Usage.Known {
			f.usage = ev.Usage
		}
	case dialect.TextDelta, dialect.ThinkingDelta, dialect.ToolDelta, dialect.RefusalDelta:
		f.pieces++
	case dialect.Stop:
		f.rec.StopReason = string(ev.StopReason)
	case dialect.ErrorEvent:
		if !f.headOut {
			f.early = ev.Err
			return
		}
		f.late = ev.Err
		f.scrub(ev.Err)
	}
	if f.early != nil {
		return
	}
	f.out = f.enc.Event(f.out, ev)
	if !f.head.Stream || ev.Kind == dialect.Start || ev.Kind == dialect.UsageEvent {
		return
	}
	if !f.headOut {
		kind := "Content-Type: text/event-stream; charset=utf-8\r\n"
		if f.array {
			kind = "Content-Type: application/json; charset=utf-8\r\n"
		}
		f.begun(append(f.fields[:0], kind...), engine.Unknown)
	}
}

// AnswerBody implements [upstream.Receiver].
func (f *chatFlow) AnswerBody(b []byte) {
	if f.sniff && f.mode != answerError && f.foreign(b) {
		f.mistaken()
	}
	switch f.mode {
	case answerError:
		f.errBody = append(f.errBody, b[:min(len(b), maxError-len(f.errBody))]...)
		if len(f.errBody) == maxError {
			f.call.Cancel() // nobody wants to hear more of it
			f.errorEnd()
		}
	case answerPass:
		if f.hide {
			f.out = f.tap.Filter(f.out[:0], b)
			b = f.out
		} else {
			f.tap.Feed(b)
		}
		if f.keeping {
			f.keep(b)
			return
		}
		f.rec.BytesOut += int64(len(b))
		f.c.Write(b)
		f.pulse.wrote(b)
		if f.object && f.rec.BytesOut > maxPassed {
			f.call.Cancel()
			f.rec.Error = "upstream_protocol"
			f.cut("protocol")
		}
	case answerTranslate:
		if f.received += int64(len(b)); f.received > maxAnswer && !f.head.Stream && f.speaks.op != embed {
			f.call.Cancel()
			f.failed(upstream.Protocol)
			return
		}
		if f.speaks.op == embed && !f.holds(len(b)) {
			return
		}
		f.dec.Feed(b, f.emit)
		if f.early != nil {
			f.call.Cancel()
			f.providerError(f.early)
			return
		}
		f.sendOut()
		if f.late != nil {
			f.call.Cancel() // after an error nothing follows, whatever the provider does with its connection
			f.endTranslated()
		}
	}
}

// sendOut gives what the encoder has written to the caller.
func (f *chatFlow) sendOut() {
	if f.headOut && len(f.out) > 0 {
		f.rec.BytesOut += int64(len(f.out))
		f.c.Write(f.out)
		f.pulse.wrote(f.out)
		f.out = f.out[:0]
	}
}

// AnswerFlush implements [upstream.Receiver].
func (f *chatFlow) AnswerFlush() {
	if !f.headOut {
		if f.mode == answerPass {
			f.idles()
		}
		if !f.headOut {
			return
		}
	}
	f.c.Flush()
	if !f.upPaused && f.c.Queued() > highWater {
		f.upPaused = true
		f.call.Pause()
	}
}

// AnswerEnd implements [upstream.Receiver].
func (f *chatFlow) AnswerEnd([]http1.Field) {
	switch f.mode {
	case answerError:
		f.errorEnd()
	case answerPass:
		f.passed()
	case answerTranslate:
		f.dec.Finish(f.emit)
		if f.early != nil {
			f.providerError(f.early)
			return
		}
		if !f.head.Stream {
			f.done(f.status, "", "ok")
			if f.program != nil {
				f.judged()
				return
			}
			f.pourAnswer(f.enc.Body(f.out[:0]))
			return
		}
		f.endTranslated()
	}
}

// errorEnd handles an answer that is an error, once its body is known.
func (f *chatFlow) errorEnd() {
	if f.mistake {
		f.mistakenEnd()
		return
	}
	f.providerError(f.decodeError())
}

// endTranslated ends a translated stream, after its last event was encoded.
func (f *chatFlow) endTranslated() {
	f.sendOut()
	class := ""
	if f.late != nil {
		class, f.rec.Error = "status", "upstream_status"
		if f.late.Unusable() {
			class, f.rec.Error = "protocol", "upstream_protocol"
		}
	}
	f.end(class)
}

// end completes an answer that has begun.
func (f *chatFlow) end(class string) {
	outcome := "ok"
	if class != "" {
		outcome = "protocol"
	}
	f.done(f.status, class, outcome)
	c := f.c
	f.finish()
	f.recycle()
	c.End(nil)
}

// observe takes what the tap has read aside.
func (f *chatFlow) observe() {
	if f.mode != answerPass {
		return
	}
	if f.hide {
		f.out = f.tap.FilterEnd(f.out[:0])
	} else {
		f.tap.Finish()
		f.out = f.out[:0]
	}
	seen := f.tap.Seen()
	f.usage = seen.Usage
	f.rec.StopReason = string(seen.Stop)
	if seen.Err != nil {
		f.rec.Error = "upstream_status"
	}
}

func (f *chatFlow) decodeError() *dialect.Error {
	return f.serves.decodeError(&dialect.ErrorAnswer{Status: f.status, RetryAfter: f.retryAfter, Type: f.errorType, Body: f.errBody})
}

// scrub removes the credential in use from what a provider says.
func (f *chatFlow) scrub(e *dialect.Error) {
	if f.secret != "" {
		for _, s := range []*string{&e.Message, &e.Type, &e.Code, &e.Param} {
			*s = strings.ReplaceAll(*s, f.secret, "[redacted]")
		}
	}
}

// providerError handles an error answer of the provider: another attempt, or the error in the caller's dialect.
func (f *chatFlow) providerError(e *dialect.Error) {
	outcome, class, on := "4xx", "status", false
	switch {
	case e.Status == http.StatusTooManyRequests:
		outcome, on = "429", f.model.RetryOn.RateLimited
	case e.Status >= 500:
		outcome, on = "5xx", f.model.RetryOn.ServerError
	}
	if e.Unusable() {
		class, outcome = "protocol", "protocol"
		e.Message = f.blaming(e.Message)
	}
	f.done(e.Status, class, outcome)
	f.again(on, e, "upstream_"+class)
}

// AnswerFail implements [upstream.Receiver].
func (f *chatFlow) AnswerFail(e *upstream.Failure) {
	if f.headOut {
		f.rec.Error = errorClass(e.Class)
		if f.mode == answerTranslate {
			if f.enc.Done() { // all has been said: only the connection ended badly
				f.rec.Error = ""
				f.end("")
				return
			}
			f.dec.Finish(f.emit) // tells the caller in its own dialect that the answer broke off
			f.sendOut()
			f.end(e.Class.String())
			return
		}
		f.observe()
		f.rec.Error = errorClass(e.Class)
		f.cut(e.Class.String())
		return
	}
	if f.mode == answerPass {
		f.mode, f.keeping = answerError, false // what was held back is forgotten
	}
	if f.status >= 400 {
		f.providerError(f.decodeError()) // its body broke off, but what it said stands
		return
	}
	if e.Unsent && e.Class == upstream.Reset && f.rec.NAttempt < calllog.MaxAttempts-1 {
		// A connection of the pool was closed before anything was sent: this attempt was none.
		unsettled := f.unsettled
		f.done(0, e.Class.String(), e.Class.String())
		f.unsettled = unsettled
		f.made--
		f.turn--
		f.attempt()
		return
	}
	f.failed(e.Class)
}

// failed handles an attempt that gave no answer.
func (f *chatFlow) failed(c upstream.Class) {
	f.done(f.status, c.String(), c.String())
	on := f.model.RetryOn.Connect
	if c == upstream.Timeout {
		on = f.model.RetryOn.Timeout
	}
	status, detail := failureAnswer(c)
	class := errorClass(c)
	f.again(on, f.faulty(status, class, strings.Replace(detail, "upstream", "provider", 1)), class)
}

var (
	_ engine.Exchange   = (*chatFlow)(nil)
	_ upstream.Receiver = (*chatFlow)(nil)
)
