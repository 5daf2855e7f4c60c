package ollama

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// EncodeEmbedding appends r as the body of POST /api/embed.
func EncodeEmbedding(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	e := r.Embedding
	dst = jsonscan.AppendString(append(dst, `{"model":`...), t.Model)
	if e.Dimensions != nil {
		dst = strconv.AppendInt(append(dst, `,"dimensions":`...), *e.Dimensions, 10)
	}
	dst = append(dst, `,"input":[`...)
	for i, s := range e.Inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, s)
	}
	return append(dst, "]}"...), nil
}

// NewEmbeddingDecoder reads answers of POST /api/embed: {"model","embeddings":[[…]],"prompt_eval_count"}.
func NewEmbeddingDecoder() dialect.Decoder { return dialect.NewVectorDecoder(readVectors) }

func readVectors(body []byte, v *dialect.Vectors) (ok bool) {
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "model":
			if s := c.Skip(); len(s) > 1 && s[0] == '"' {
				text, _ := jsonscan.Unquote(s, nil)
				v.Model = string(text)
			}
		case string(key) == "embeddings" && c.Kind() == '[':
			ok = true
			for c.Enter(); c.More(); {
				v.List = append(v.List, c.Skip())
			}
		case string(key) == "prompt_eval_count":
			if n, number := c.Int(); number && n >= 0 {
				v.Usage = dialect.Usage{Input: n, Known: true}
			}
		default:
			c.Skip()
		}
	}
	return ok
}
