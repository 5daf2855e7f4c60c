package dialect

import "github.com/gwc-dev/gwc/runtime/dialect/jsonscan"

// Vectors is an answer to an [Embedding], as a dialect reads it. List holds the vectors in the order of the inputs, each
// a JSON list of numbers.
type Vectors struct {
	Model string
	Usage Usage
	List  [][]byte
}

// VectorDecoder is the [Decoder] of answers that hold vectors. Such an answer is never streamed; read takes a whole body
// that is a valid JSON object, and reports false where it holds no vectors.
type VectorDecoder struct {
	Intake
	read func(body []byte, v *Vectors) bool
}

var _ Decoder = (*VectorDecoder)(nil)

// NewVectorDecoder returns a decoder for a dialect.
func NewVectorDecoder(read func(body []byte, v *Vectors) bool) *VectorDecoder {
	return &VectorDecoder{read: read}
}

// Feed implements [Decoder].
func (d *VectorDecoder) Feed(b []byte, emit func(*Event)) { d.Take(b, emit, func(func(*Event)) {}) }

// Finish implements [Decoder].
func (d *VectorDecoder) Finish(emit func(*Event)) {
	if d.Ended {
		return
	}
	if jsonscan.Valid(d.Body) != nil {
		d.Fail(emit, "The provider's answer is not valid JSON.")
		return
	}
	if c := jsonscan.Over(d.Body); c.Kind() != '{' {
		d.Fail(emit, "The provider's answer is not an object.")
		return
	}
	var v Vectors
	ok := d.read(d.Body, &v)
	for _, raw := range v.List {
		ok = ok && len(raw) > 0 && raw[0] == '['
	}
	if !ok || len(v.List) == 0 {
		d.Fail(emit, "The provider's answer has no list of vectors.")
		return
	}
	d.Emit(emit, Event{Kind: Start, Model: v.Model})
	if v.Usage.Known {
		d.Emit(emit, Event{Kind: UsageEvent, Usage: v.Usage})
	}
	for i, raw := range v.List {
		d.Emit(emit, Event{Kind: VectorEvent, Index: i, Text: string(raw)})
	}
	d.Emit(emit, Event{Kind: Stop, StopReason: StopEnd})
	d.End(emit)
}
