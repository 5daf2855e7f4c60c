package gemini

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
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
