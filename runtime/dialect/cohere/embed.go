package cohere

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxTexts is how many texts the API takes at once.
const maxTexts = 96

// EncodeEmbedding appends r as the body of POST /v2/embed. The API wants to know what vectors are for; where the caller
// did not say, they are taken to be stored and searched.
func EncodeEmbedding(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	e := r.Embedding
	if len(e.Inputs) > maxTexts {
		return dst, dialect.Refuse("input", "array_above_max_length", "This model's provider takes %d inputs at once, the request has %d.", maxTexts, len(e.Inputs))
	}
	task := "search_document"
	switch e.Task {
	case "query":
		task = "search_query"
	case "classification", "clustering":
		task = e.Task
	}
	dst = jsonscan.AppendString(append(dst, `{"model":`...), t.Model)
	dst = append(append(append(dst, `,"input_type":"`...), task...), `","embedding_types":["float"]`...)
	if e.Dimensions != nil {
		dst = strconv.AppendInt(append(dst, `,"output_dimension":`...), *e.Dimensions, 10)
	}
	dst = append(dst, `,"texts":[`...)
	for i, s := range e.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, s)
	}
	return append(dst, "]}"...), nil
}

// NewEmbeddingDecoder reads answers of POST /v2/embed: {"embeddings":{"float":[[…]]},"meta":{"billed_units":
// {"input_tokens"}}}.
func NewEmbeddingDecoder() dialect.Decoder { return dialect.NewVectorDecoder(readVectors) }

func readVectors(body []byte, v *dialect.Vectors) (ok bool) {
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "embeddings" && c.Kind() == '{':
			for c.Enter(); c.More(); {
				if string(c.Key()) != "float" || c.Kind() != '[' {
					c.Skip()
					continue
				}
				ok = true
				for c.Enter(); c.More(); {
					v.List = append(v.List, c.Skip())
				}
			}
		case string(key) == "meta" && c.Kind() == '{':
			for c.Enter(); c.More(); {
				if string(c.Key()) != "billed_units" || c.Kind() != '{' {
					c.Skip()
					continue
				}
				for c.Enter(); c.More(); {
					if string(c.Key()) != "input_tokens" {
						c.Skip()
						continue
					}
					if n, number := c.Int(); number && n >= 0 {
						v.Usage = dialect.Usage{Input: n, Known: true}
					}
				}
			}
		default:
			c.Skip()
		}
	}
	return ok
}
