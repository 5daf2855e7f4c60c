package dialect

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// countDecoder is the [Decoder] of answers that say how many tokens a conversation has.
type countDecoder struct {
	Intake
	member string
}

var _ Decoder = (*countDecoder)(nil)

// NewCountDecoder returns a decoder for answers that have the number in the named member of an object.
func NewCountDecoder(member string) Decoder { return &countDecoder{member: member} }

// Feed implements [Decoder].
func (d *countDecoder) Feed(b []byte, emit func(*Event)) { d.Take(b, emit, func(func(*Event)) {}) }

// Finish implements [Decoder].
func (d *countDecoder) Finish(emit func(*Event)) {
	if d.Ended {
		return
	}
	if jsonscan.Valid(d.Body) != nil {
		d.Fail(emit, "The provider's answer is not valid JSON.")
		return
	}
	count, found := int64(0), false
	if c := jsonscan.Over(d.Body); c.Kind() == '{' {
		for c.Enter(); c.More(); {
			if string(c.Key()) != d.member {
				c.Skip()
			} else if n, ok := c.Int(); ok && n >= 0 {
				count, found = n, true
			}
		}
	}
	if !found {
		d.Fail(emit, "The provider's answer has no number of tokens.")
		return
	}
	d.Emit(emit, Event{Kind: Start})
	d.Emit(emit, Event{Kind: CountEvent, Count: count})
	d.Emit(emit, Event{Kind: Stop, StopReason: StopEnd})
	d.End(emit)
}

// countEncoder is the [Encoder] of such answers.
type countEncoder struct {
	member string
	count  int64
	err    *Error
	done   bool
}

var _ Encoder = (*countEncoder)(nil)

// NewCountEncoder returns an encoder of answers that have the number in the named member of an object.
func NewCountEncoder(member string) Encoder { return &countEncoder{member: member} }

// Reset implements [Encoder].
func (e *countEncoder) Reset(Opening) { *e = countEncoder{member: e.member} }

// Event implements [Encoder].
func (e *countEncoder) Event(dst []byte, ev *Event) []byte {
	switch ev.Kind {
	case CountEvent:
		e.count = ev.Count
	case ErrorEvent:
		e.err = ev.Err
	case End:
		e.done = true
	}
	return dst
}

// Body implements [Encoder].
func (e *countEncoder) Body(dst []byte) []byte { return AppendCount(dst, e.member, e.count) }

// Err implements [Encoder].
func (e *countEncoder) Err() *Error { return e.err }

// Done implements [Encoder].
func (e *countEncoder) Done() bool { return e.done }

// AppendCount appends an answer that has a number of tokens in the named member.
func AppendCount(dst []byte, member string, n int64) []byte {
	dst = jsonscan.AppendString(append(dst, '{'), member)
	return append(strconv.AppendInt(append(dst, ':'), n, 10), '}')
}
