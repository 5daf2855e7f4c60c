package gemini

import (
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// taskTypes are the API's words for what vectors are for.
var taskTypes = map[string]string{
	"query": "RETRIEVAL_QUERY", "document": "RETRIEVAL_DOCUMENT", "similarity": "SEMANTIC_SIMILARITY",
	"classification": "CLASSIFICATION", "clustering": "CLUSTERING",
}

// EncodeEmbedding appends r as the body of POST …:batchEmbedContents, which names the model with each text.
//
// Source: BatchEmbedContentsRequest of the Gemini API.
func EncodeEmbedding(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	e := r.Embedding
	dst = append(dst, `{"requests":[`...)
	for i, s := range e.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(append(dst, `{"model":`...), "models/"+t.Model)
		dst = jsonscan.AppendString(append(dst, `,"content":{"parts":[{"text":`...), s)
		dst = append(dst, "}]}"...)
		if task := taskTypes[e.Task]; task != "" {
			dst = jsonscan.AppendString(append(dst, `,"taskType":`...), task)
		}
		if e.Dimensions != nil {
			dst = strconv.AppendInt(append(dst, `,"outputDimensionality":`...), *e.Dimensions, 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...), nil
}

// NewEmbeddingDecoder reads answers of …:batchEmbedContents: {"embeddings":[{"values":[…]}]}, and usageMetadata where the
// API sends it.
func NewEmbeddingDecoder() dialect.Decoder { return dialect.NewVectorDecoder(readVectors) }

func readVectors(body []byte, v *dialect.Vectors) (ok bool) {
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "embeddings" && c.Kind() == '[':
			ok = true
			for c.Enter(); c.More(); {
				v.List = append(v.List, member(&c, "values"))
			}
		case string(key) == "usageMetadata" && c.Kind() == '{':
			for c.Enter(); c.More(); {
				if string(c.Key()) != "promptTokenCount" {
					c.Skip()
				} else if n, number := c.Int(); number && n >= 0 {
					v.Usage = dialect.Usage{Input: n, Known: true}
				}
			}
		default:
			c.Skip()
		}
	}
	return ok
}

// member returns the raw value of a member of the object that comes next, nil where there is none.
func member(c *jsonscan.Cursor, name string) (raw []byte) {
	if c.Kind() != '{' {
		c.Skip()
		return nil
	}
	for c.Enter(); c.More(); {
		if string(c.Key()) == name {
			raw = c.Skip()
		} else {
			c.Skip()
		}
	}
	return raw
}

// EncodePrediction appends r as the body of POST …:predict, the form in which Vertex AI is asked for vectors.
//
// Source: "Text embeddings API" of Vertex AI's documentation.
func EncodePrediction(dst []byte, r *dialect.Request, _ *dialect.Target) ([]byte, *dialect.Error) {
	e := r.Embedding
	dst = append(dst, `{"instances":[`...)
	for i, s := range e.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(append(dst, `{"content":`...), s)
		if task := taskTypes[e.Task]; task != "" {
			dst = jsonscan.AppendString(append(dst, `,"task_type":`...), task)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if e.Dimensions != nil {
		dst = append(strconv.AppendInt(append(dst, `,"parameters":{"outputDimensionality":`...), *e.Dimensions, 10), '}')
	}
	return append(dst, '}'), nil
}

// NewPredictionDecoder reads answers of …:predict: {"predictions":[{"embeddings":{"values":[…],"statistics":
// {"token_count"}}}]}.
func NewPredictionDecoder() dialect.Decoder { return dialect.NewVectorDecoder(readPredictions) }

func readPredictions(body []byte, v *dialect.Vectors) (ok bool) {
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		if string(c.Key()) != "predictions" || c.Kind() != '[' {
			c.Skip()
			continue
		}
		ok = true
		for c.Enter(); c.More(); {
			var values []byte
			if raw := member(&c, "embeddings"); len(raw) > 0 && raw[0] == '{' {
				p := jsonscan.Over(raw)
				for p.Enter(); p.More(); {
					switch key := p.Key(); {
					case string(key) == "values":
						values = p.Skip()
					case string(key) == "statistics":
						if n, err := strconv.ParseFloat(string(member(&p, "token_count")), 64); err == nil && n >= 0 && n < 1<<40 {
							v.Usage.Input += int64(n)
							v.Usage.Known = true
						}
					default:
						p.Skip()
					}
				}
			}
			v.List = append(v.List, values)
		}
	}
	return ok
}

// DecodeEmbedding reads a body of embedContent, DecodeEmbeddings one of batchEmbedContents, for a target that is asked
// otherwise.
//
// Source: EmbedContentRequest of the Gemini API.
func DecodeEmbedding(body []byte) (*dialect.Request, *dialect.Error) {
	return decodeEmbedding(body, false)
}

// DecodeEmbeddings: see [DecodeEmbedding].
func DecodeEmbeddings(body []byte) (*dialect.Request, *dialect.Error) {
	return decodeEmbedding(body, true)
}

func decodeEmbedding(body []byte, batch bool) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "INVALID_ARGUMENT", Message: "Invalid JSON payload received. " + err.Error()}
	}
	d := decoding{Reader: fields.Over(body), r: &dialect.Request{Embedding: &dialect.Embedding{}}}
	if batch {
		d.members(func(name string) {
			if name != "requests" {
				d.other()
				return
			}
			for ok := d.Array(); ok && d.More(); {
				d.embedding()
			}
		})
		if len(d.r.Embedding.Inputs) == 0 {
			d.Missing("requests")
		}
	} else {
		d.embedding()
	}
	if f := d.Fault(); f != nil {
		return nil, sentence(f)
	}
	return d.r, nil
}

// embedding reads one text of which a vector is wanted. All of a request are for the same and of one size, since other
// providers are told so once.
func (d *decoding) embedding() {
	e := d.r.Embedding
	first := len(e.Inputs) == 0
	text, has := "", false
	var dimensions *int64
	task := ""
	read := func(name string) bool {
		switch name {
		case "taskType":
			d.String(&task)
		case "outputDimensionality":
			d.int(&dimensions, 1)
		default:
			return false
		}
		return true
	}
	d.members(func(name string) {
		switch {
		case name == "content":
			has = true
			d.members(func(name string) {
				if name != "parts" {
					d.Skip() // its role
					return
				}
				for ok := d.Array(); ok && d.More(); {
					d.members(func(name string) {
						if name != "text" {
							d.other()
							return
						}
						var s string
						d.String(&s)
						text += s
					})
				}
			})
		case name == "model":
			d.Skip() // the one of the path
		case name == "embedContentConfig":
			d.members(func(name string) {
				if !read(name) {
					d.other()
				}
			})
		case !read(name):
			d.other()
		}
	})
	if !has {
		d.Missing("content")
		return
	}
	kind := ""
	for word, api := range taskTypes {
		if word != "" && api == task {
			kind = word
		}
	}
	if task != "" && task != "TASK_TYPE_UNSPECIFIED" && kind == "" {
		d.r.Unsupported = append(d.r.Unsupported, "taskType")
	}
	switch {
	case first:
		e.Task, e.Dimensions = kind, dimensions
	case e.Task != kind:
		d.FailIn("taskType", "", "it differs from the first request's, and the model's provider is told it once for all")
	case (e.Dimensions == nil) != (dimensions == nil) || dimensions != nil && *e.Dimensions != *dimensions:
		d.FailIn("outputDimensionality", "", "it differs from the first request's, and the model's provider is told it once for all")
	}
	e.Inputs = append(e.Inputs, text)
}

// EmbeddingsEncoder makes an answer of batchEmbedContents of events, or of embedContent where One is set.
type EmbeddingsEncoder struct {
	One     bool
	vectors []byte
	n       int
	usage   dialect.Usage
	err     *dialect.Error
	done    bool
}

var _ dialect.Encoder = (*EmbeddingsEncoder)(nil)

// Reset implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Reset(dialect.Opening) {
	*e = EmbeddingsEncoder{One: e.One, vectors: keep(e.vectors)}
}

// Event implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Event(dst []byte, ev *dialect.Event) []byte {
	switch ev.Kind {
	case dialect.VectorEvent:
		if e.n > 0 {
			e.vectors = append(e.vectors, ',')
		}
		e.n++
		e.vectors = append(append(append(e.vectors, `{"values":`...), ev.Text...), '}')
	case dialect.UsageEvent:
		e.usage = ev.Usage
	case dialect.ErrorEvent:
		e.err = ev.Err
	case dialect.End:
		e.done = true
	}
	return dst
}

// Body implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Body(dst []byte) []byte {
	if e.One {
		dst = append(append(dst, `{"embedding":`...), e.vectors...)
	} else {
		dst = append(append(append(dst, `{"embeddings":[`...), e.vectors...), ']')
	}
	if e.usage.Known {
		dst = append(append(dst, ',', '"'), `usageMetadata":`...)
		dst = dialect.AppendCount(dst, "promptTokenCount", e.usage.Input)
	}
	return append(dst, '}')
}

// Err implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Err() *dialect.Error { return e.err }

// Done implements [dialect.Encoder].
func (e *EmbeddingsEncoder) Done() bool { return e.done }
