package openaitask

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// MaxInputs bounds the texts of one request, as OpenAI does.
const MaxInputs = 2048

// DecodeEmbeddings reads a body of POST /v1/embeddings for a target that is asked otherwise. Inputs that are lists of
// tokens are refused: another vendor's model has other tokens.
func DecodeEmbeddings(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, openai.Invalid("", "invalid_json", "We could not parse the JSON body of your request: "+err.Error()+".")
	}
	d := fields.Over(body)
	e := &dialect.Embedding{}
	r := &dialect.Request{Embedding: e}
	encoding, has := "", false
	for ok := d.Object(); ok && d.More(); {
		switch key := string(d.Key()); key {
		case "model":
			d.String(&r.Model)
		case "input":
			has = true
			embeddingInputs(d, e)
		case "dimensions":
			d.Int(&e.Dimensions, 1)
		case "encoding_format":
			d.Enum(&encoding, "float", "base64")
		case "user":
			d.String(&r.User)
		default:
			if string(d.RawOrNull()) != "null" {
				r.Unsupported = append(r.Unsupported, key)
			}
		}
	}
	switch {
	case !has:
		d.Missing("input")
	case len(e.Inputs) == 0:
		d.FailIn("input", "empty_array", "Invalid '$': empty array. Expected at least one input.")
	}
	if f := d.Fault(); f != nil {
		return nil, openai.FaultError(f)
	}
	e.Base64 = encoding == "base64"
	return r, nil
}

func embeddingInputs(d *fields.Reader, e *dialect.Embedding) {
	if d.Kind() == '"' {
		e.Inputs = make([]string, 1)
		d.String(&e.Inputs[0])
		return
	}
	for ok := d.Array(); ok && d.More(); {
		if k := d.Kind(); k == '[' || k == '-' || '0' <= k && k <= '9' {
			d.Fail("unsupported_parameter", "Invalid '$': lists of tokens are understood by OpenAI's own models only; send texts.")
			return
		}
		text := ""
		d.String(&text)
		if len(e.Inputs) == MaxInputs {
			d.Fail("array_above_max_length", "Invalid '$': at most "+strconv.Itoa(MaxInputs)+" inputs are taken at once.")
			return
		}
		e.Inputs = append(e.Inputs, text)
	}
}

// EncodeEmbeddings appends r as the body of POST /embeddings. Vectors are asked for as numbers.
func EncodeEmbeddings(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	e := r.Embedding
	dst = append(dst, `{"model":`...)
	dst = jsonscan.AppendString(dst, t.Model)
	dst = append(dst, `,"input":`...)
	dst = AppendTexts(dst, e.Inputs)
	dst = append(dst, `,"encoding_format":"float"`...)
	if e.Dimensions != nil {
		dst = strconv.AppendInt(append(dst, `,"dimensions":`...), *e.Dimensions, 10)
	}
	if r.User != "" {
		dst = jsonscan.AppendString(append(dst, `,"user":`...), r.User)
	}
	return append(dst, '}'), nil
}

// AppendTexts appends a JSON list of strings.
func AppendTexts(dst []byte, texts []string) []byte {
	dst = append(dst, '[')
	for i, s := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, s)
	}
	return append(dst, ']')
}

// NewEmbeddingsDecoder reads answers of POST /embeddings.
func NewEmbeddingsDecoder() dialect.Decoder { return dialect.NewVectorDecoder(readVectors) }

func readVectors(body []byte, v *dialect.Vectors) bool {
	c := jsonscan.Over(body)
	var data []byte
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "model":
			if s := c.Skip(); len(s) > 1 && s[0] == '"' {
				text, _ := jsonscan.Unquote(s, nil)
				v.Model = string(text)
			}
		case "data":
			data = c.Skip()
		case "usage":
			v.Usage, _ = Usage(c.Skip())
		default:
			c.Skip()
		}
	}
	if len(data) == 0 || data[0] != '[' {
		return false
	}
	l := jsonscan.Over(data)
	l.Enter()
	for at := int64(0); l.More(); at++ {
		if l.Kind() != '{' {
			return false
		}
		index, vector := at, []byte(nil)
		for l.Enter(); l.More(); {
			switch string(l.Key()) {
			case "index":
				if n, ok := l.Int(); ok {
					index = n
				}
			case "embedding":
				vector = l.Skip()
			default:
				l.Skip()
			}
		}
		if index < 0 || index >= MaxInputs {
			return false
		}
		for len(v.List) <= int(index) {
			v.List = append(v.List, nil)
		}
		v.List[index] = vector
	}
	return true
}

// EmbeddingsEncoder makes an answer of POST /v1/embeddings of events.
type EmbeddingsEncoder struct {
	o       dialect.Opening
	vectors []byte
	n       int
	usage   dialect.Usage
	err     *dialect.Error
	done    bool
}

var _ dialect.Encoder = (*EmbeddingsEncoder)(nil)

// Reset implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Reset(o dialect.Opening) {
	v := e.vectors[:0]
	if cap(v) > 64<<10 {
		v = nil // a batch of vectors is rare, and large
	}
	*e = EmbeddingsEncoder{o: o, vectors: v}
}

// Event implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done {
		return dst
	}
	switch ev.Kind {
	case dialect.Start:
		if e.o.Model == "" {
			e.o.Model = ev.Model
		}
	case dialect.VectorEvent:
		if e.n > 0 {
			e.vectors = append(e.vectors, ',')
		}
		e.n++
		e.vectors = strconv.AppendInt(append(e.vectors, `{"object":"embedding","index":`...), int64(ev.Index), 10)
		e.vectors = append(e.vectors, `,"embedding":`...)
		if !e.o.Base64 {
			e.vectors = append(e.vectors, ev.Text...)
		} else if packed, ok := AppendPacked(e.vectors, ev.Text); ok {
			e.vectors = packed
		} else {
			e.err = &dialect.Error{Status: http.StatusBadGateway, Type: "api_error", Message: "A vector of the provider's answer is no list of numbers."}
		}
		e.vectors = append(e.vectors, '}')
	case dialect.UsageEvent:
		e.usage = ev.Usage
	case dialect.ErrorEvent:
		e.err = ev.Err
	case dialect.End:
		e.done = true
	}
	return dst
}

// AppendPacked appends a JSON list of numbers as a JSON string: base64 of little-endian float32.
func AppendPacked(dst []byte, list string) (out []byte, ok bool) {
	c := jsonscan.Over([]byte(list))
	if c.Kind() != '[' {
		return dst, false
	}
	var raw []byte
	for c.Enter(); c.More(); {
		f, err := strconv.ParseFloat(string(c.Skip()), 32)
		if err != nil {
			return dst, false
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"'), true
}

// Body implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Body(dst []byte) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	dst = append(dst, e.vectors...)
	dst = append(dst, `],"model":`...)
	dst = jsonscan.AppendString(dst, e.o.Model)
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), e.usage.Input, 10)
	return append(strconv.AppendInt(append(dst, `,"total_tokens":`...), e.usage.Input+e.usage.Output, 10), `}}`...)
}

// Err implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Err() *dialect.Error { return e.err }

// Done implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Done() bool { return e.done }
