package pipeline

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/upstream"
)

// Answers with status 200 that are none: a page of a proxy, a compressed body, an error object, half of a JSON text. They
// are the provider's fault and are told as such, in the caller's dialect, as long as the caller has got nothing. For that
// the beginning of an answer that passes is held back: a whole one until it is complete or larger than keptBody, a stream
// until its first event is. What a provider sends to keep a connection alive (blanks, comments) is passed on at once.

// passing is what a chatFlow has of an answer that passes.
type passing struct {
	kept    []byte // bytes for the caller that are held back; their header lines are in fields
	keeping bool
	length  int64 // of the body as the caller will be told
	events  bool  // the answer is a stream
	object  bool  // the answer is a JSON object
	sniff   bool  // the first byte of a stream of events has not come
	mistake bool  // of an answerError: its status was 200, and it is something else than was asked for
}

// maxPassed bounds an answer that passes and is no file: one that never ends is cut there.
const maxPassed = dialect.MaxBody

// unfit tells why the head of an answer that reports success cannot be that of what was asked for; "" where it can.
func (f *chatFlow) unfit(h *http1.Head) string {
	switch h.Status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNonAuthoritativeInfo:
	default:
		return "answered with status " + strconv.Itoa(h.Status) + ", which has no whole answer"
	}
	if ce := h.Get(http1.ContentEncoding); len(ce) > 0 && !bytes.EqualFold(ce, []byte("identity")) {
		return "compressed its answer, which it was asked not to do"
	}
	kind, _, _ := bytes.Cut(h.Get(http1.ContentType), []byte(";"))
	kind = bytes.TrimSpace(kind)
	switch {
	case bytes.EqualFold(kind, []byte("text/html")):
		return "answered with a web page"
	case f.head.Stream || f.speaks.op == media && !f.speaks.object: // streams are told by their first byte
	case bytes.EqualFold(kind, eventStream), bytes.EqualFold(kind, []byte("application/x-ndjson")), bytes.EqualFold(kind, []byte("application/vnd.amazon.eventstream")):
		return "answered with a stream, which was not asked for"
	}
	return ""
}

// pass prepares for an answer that goes through as it comes.
func (f *chatFlow) pass(h *http1.Head, length int64) {
	f.mode = answerPass
	own := &f.coders[f.serves.id]
	if own.tap == nil {
		own.tap = f.speaks.tap()
	}
	ct := h.Get(http1.ContentType)
	f.tap = own.tap
	f.events = f.streams(ct)
	f.tap.Reset(f.events)
	if f.hide {
		length = engine.Unknown
	}
	f.length = length
	f.object = !f.events && (f.speaks.op != media || f.speaks.object)
	f.sniff = f.events && f.speaks.op == chat
	b := append(f.fields[:0], "Content-Type: "...)
	if len(ct) > 0 && !(f.object && !isJSON(ct)) {
		b = append(b, ct...)
	} else {
		b = append(b, applicationJSON...)
	}
	f.fields = append(b, '\r', '\n')
	f.keeping, f.kept = f.events || f.object, f.kept[:0]
	if !f.keeping {
		f.begun(f.fields, length)
	}
}

// keep holds the next bytes back, or lets all of them go.
func (f *chatFlow) keep(b []byte) {
	f.kept = append(f.kept, b...)
	switch {
	case !f.events:
		if len(f.kept) > keptBody {
			f.letGo()
		}
	default:
		seen := f.tap.Seen()
		if seen.Err != nil && seen.Pieces == 0 {
			f.call.Cancel()
			f.toldWithin(seen.Err)
		} else if seen.Pieces > 0 || len(f.kept) > keptBody || hasBlankLine(f.kept) {
			f.letGo()
		}
	}
}

// letGo begins the answer to the caller with what was held back.
func (f *chatFlow) letGo() {
	f.keeping = false
	f.begun(f.fields, f.length)
	f.rec.BytesOut += int64(len(f.kept))
	f.c.Write(f.kept)
	f.pulse.wrote(f.kept)
	if cap(f.kept) > keptBody {
		f.kept = nil
	}
}

// idles lets blanks go that keep a connection alive while a provider works on its answer.
func (f *chatFlow) idles() {
	if f.keeping && !f.events && len(f.kept) > 0 && len(bytes.TrimSpace(f.kept)) == 0 {
		f.letGo()
	}
}

// hasBlankLine reports whether the first block of a stream of events is complete.
func hasBlankLine(b []byte) bool {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\n' && b[i] != '\r' {
			continue
		}
		if b[i] == b[i+1] || b[i] == '\n' && b[i+1] == '\r' {
			return true
		}
	}
	return false
}

// foreign looks at the first byte of what should be a stream of events, and reports whether it cannot be one: it is a JSON
// text or a page. (A line of a stream begins with the name of one of four fields, or with a colon.) Streams of Google's may
// be arrays.
func (f *chatFlow) foreign(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return false
	}
	f.sniff = false
	return b[0] == '{' || b[0] == '<' || b[0] == '[' && f.serves.id != geminiGenerate
}

// mistaken reads an answer to its end that is not what was asked for: it may tell of an error.
func (f *chatFlow) mistaken() {
	f.mode, f.mistake, f.keeping = answerError, true, false
}

// mistakenEnd ends such an answer.
func (f *chatFlow) mistakenEnd() {
	if told, ok := dialect.ReadError(f.errBody); ok && told.Message != "" {
		f.status = http.StatusBadGateway
		f.toldWithin(f.decodeError())
		return
	}
	f.unusable("answered with something else than the stream that was asked for")
}

// toldWithin handles an error that came inside of an answer with status 200: it has the status that it names, or 502.
func (f *chatFlow) toldWithin(e *dialect.Error) {
	f.mode = answerError
	if e.Status < 400 || e.Status > 599 || e.Status == http.StatusBadGateway {
		e.Status = http.StatusBadGateway
		if n, err := strconv.Atoi(e.Code); err == nil && 400 <= n && n <= 599 {
			e.Status = n
		}
	}
	f.providerError(e)
}

// passed ends an answer that passed.
func (f *chatFlow) passed() {
	f.observe()
	seen := f.tap.Seen()
	if f.keeping {
		f.kept = append(f.kept, f.out...)
		f.out = f.out[:0]
		switch {
		case seen.Err != nil && seen.Stop == "" && !(f.events && seen.Pieces > 0):
			f.toldWithin(seen.Err)
			return
		case f.object && !isObject(f.kept):
			f.unusable("answered with something that is not JSON")
			return
		case f.events && !seen.Done && seen.Stop == "" && f.speaks.op == chat:
			f.unusable("ended its stream before the first event")
			return
		}
		f.letGo()
	}
	f.sendOut() // what the filter still held
	switch {
	case f.events && seen.Err != nil: // which has been passed on
		f.end("status")
	case f.events && !seen.Done && (f.head.Stream || f.speaks.op == chat):
		f.rec.Error = "upstream_protocol" // it ended without its terminal event
		if seen.Stop == "" && f.speaks.op == chat {
			f.cut("protocol")
			return
		}
		f.end("protocol")
	case f.object && f.rec.BytesOut > keptBody && !seen.Done:
		f.rec.Error = "upstream_protocol" // its end is not the end of a JSON text
		f.cut("protocol")
	default:
		f.end("")
	}
}

// isObject reports whether b is one JSON object.
func isObject(b []byte) bool {
	t := bytes.TrimLeft(b, " \t\r\n")
	return len(t) > 0 && t[0] == '{' && jsonscan.Valid(t) == nil
}

// cut ends an answer that has begun and is not whole, so that nobody takes it for a whole one.
func (f *chatFlow) cut(class string) {
	f.done(f.status, class, class)
	c := f.c
	f.finish()
	f.recycle()
	c.Abort()
}

// unusable handles an answer that is none, of which the caller has got nothing: another attempt where the model's retry
// allows one after a failure of the provider, or an error. what follows the provider's name in a sentence.
func (f *chatFlow) unusable(what string) {
	f.call.Cancel() // if it has not ended
	f.mode = answerError
	f.done(f.status, upstream.Protocol.String(), upstream.Protocol.String())
	f.again(f.model.RetryOn.ServerError, f.faulty(http.StatusBadGateway, "upstream_protocol", "the provider "+what), "upstream_protocol")
}

// faulty is the error of an attempt whose answer cannot be used: it names the provider.
func (f *chatFlow) faulty(status int, class, message string) *dialect.Error {
	return &dialect.Error{Status: status, Type: "api_error", Code: class, Message: f.blaming(message)}
}

// blaming names the provider in a sentence about it.
func (f *chatFlow) blaming(message string) string {
	return strings.Replace(message, "he provider", "he provider "+strconv.Quote(f.target.Provider.Name), 1)
}

// secondsOf makes whole seconds of a header with milliseconds; "" for what is none.
func secondsOf(value []byte) string {
	ms, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(ms >= 0 && ms < 1e12) {
		return ""
	}
	return strconv.FormatInt((int64(ms)+999)/1000, 10)
}
