package dialect

import (
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

// maxErrorBody bounds an answer that is looked through for an error, in bytes.
const maxErrorBody = 64 << 10

// MaxBody bounds an answer that is not streamed, in bytes.
const MaxBody = 64 << 20

// Intake takes the bytes of one answer for a [Decoder]: the events of a stream one by one, or a whole body. Decoders
// embed it; what they emit goes through it, so that every answer has exactly one End and nothing behind it.
type Intake struct {
	Stream bool
	Ended  bool      // End was emitted
	SSE    sse.Event // the event that is being read
	Body   []byte    // what has come of an answer that is not streamed

	split sse.Splitter
	buf   []byte
	ev    Event
}

// Reset makes in ready for another answer and keeps its buffers, unless they have grown large.
func (in *Intake) Reset(stream bool) {
	*in = Intake{Stream: stream, split: in.split, Body: keep(in.Body), buf: keep(in.buf)}
	in.split.Reset(0)
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// Take takes the next piece and calls read for each event of a stream that it completes.
func (in *Intake) Take(b []byte, emit func(*Event), read func(emit func(*Event))) {
	if in.Ended {
		return
	}
	if !in.Stream {
		if len(in.Body)+len(b) > MaxBody {
			in.Body = nil
			in.Fail(emit, "The provider's answer is too long.")
			return
		}
		in.Body = append(in.Body, b...)
		return
	}
	for len(b) > 0 && !in.Ended {
		n, ok, err := in.split.Next(b, &in.SSE)
		if err != nil {
			in.Fail(emit, "An event of the provider's stream is too long.")
			return
		}
		if ok {
			read(emit)
		}
		b = b[n:]
	}
}

// Last reports whether the stream's end completes one more event, which is then in SSE: one that lacks its blank line
// alone, and not one that was cut.
func (in *Intake) Last(complete func(data []byte) bool) bool {
	return in.split.End(&in.SSE) && complete(in.SSE.Data)
}

// Emit passes an event on.
func (in *Intake) Emit(emit func(*Event), ev Event) {
	in.ev = ev
	emit(&in.ev)
}

// End emits the terminal event.
func (in *Intake) End(emit func(*Event)) {
	in.Ended = true
	in.Emit(emit, Event{Kind: End})
}

// Fail ends the answer with an error of the gateway's own: the provider's answer is not what it should be.
//
// Where a whole answer is an error after all, which came with status 200, it is told as what it is.
func (in *Intake) Fail(emit func(*Event), message string) {
	if !in.Stream && len(in.Body) > 0 && len(in.Body) <= maxErrorBody {
		if e, ok := ReadError(in.Body); ok {
			e.Status = http.StatusBadGateway
			if n, err := strconv.Atoi(e.Code); err == nil && 400 <= n && n <= 599 {
				e.Status = n
			}
			if e.Type == "" {
				e.Type = "api_error"
			}
			in.FailWith(emit, &e)
			return
		}
	}
	in.FailWith(emit, &Error{Status: http.StatusBadGateway, Type: "api_error", Code: codeUnusable, Message: message})
}

// FailWith ends the answer with an error.
func (in *Intake) FailWith(emit func(*Event), err *Error) {
	in.Emit(emit, Event{Kind: ErrorEvent, Err: err})
	in.End(emit)
}

// Text copies a raw JSON string; "" for anything else.
func (in *Intake) Text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	var s []byte
	s, in.buf = jsonscan.Unquote(raw, in.buf)
	return string(s)
}

// AnswerError makes the error of an answer with an error status from its body: it always has a message and a type,
// whatever the body holds. typeOf is the dialect's word for a status.
func AnswerError(a *ErrorAnswer, typeOf func(int) string) *Error {
	e, _ := ReadError(a.Body)
	e.Status, e.RetryAfter = a.Status, a.RetryAfter
	if e.Message == "" {
		e.Message = "The provider answered with status " + strconv.Itoa(a.Status) + " and no readable error."
	}
	if e.Type == "" {
		e.Type = typeOf(a.Status)
	}
	if a.Status == http.StatusUnauthorized {
		e.Message = Refused
	}
	return &e
}
