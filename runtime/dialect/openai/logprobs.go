package openai

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxLogprobs bounds the tokens of one list, and the alternatives of a token.
const maxLogprobs = 1 << 16

// ReadLogprobs reads a list of {"token","logprob","bytes","top_logprobs"}, the form that OpenAI's endpoints and Ollama
// share. raw is valid JSON; what is no such list gives nothing.
func ReadLogprobs(raw []byte) []dialect.Logprob { return readLogprobs(raw, true) }

func readLogprobs(raw []byte, top bool) (list []dialect.Logprob) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if c.Kind() != '{' || len(list) == maxLogprobs {
			c.Skip()
			continue
		}
		var l dialect.Logprob
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "token":
				if s := c.Skip(); len(s) > 1 && s[0] == '"' {
					text, _ := jsonscan.Unquote(s, nil)
					l.Token = string(text)
				}
			case "logprob":
				l.Logprob, _ = strconv.ParseFloat(string(c.Skip()), 64)
			case "bytes":
				l.Bytes = readBytes(c.Skip())
			case "top_logprobs":
				if raw := c.Skip(); top {
					l.Top = readLogprobs(raw, false)
				}
			default:
				c.Skip()
			}
		}
		list = append(list, l)
	}
	return list
}

func readBytes(raw []byte) (b []byte) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if n, ok := c.Int(); ok && n >= 0 && n < 256 && len(b) < 1024 {
			b = append(b, byte(n))
		}
	}
	return b
}

// AppendLogprobs appends a list in the same form.
func AppendLogprobs(dst []byte, list []dialect.Logprob) []byte {
	return appendLogprobs(dst, list, true)
}

func appendLogprobs(dst []byte, list []dialect.Logprob, top bool) []byte {
	dst = append(dst, '[')
	for i := range list {
		l := &list[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"token":`...)
		dst = jsonscan.AppendString(dst, l.Token)
		dst = append(dst, `,"logprob":`...)
		dst = strconv.AppendFloat(dst, l.Logprob, 'g', -1, 64)
		dst = append(dst, `,"bytes":`...)
		if l.Bytes == nil {
			dst = append(dst, "null"...)
		} else {
			for j, b := range l.Bytes {
				if j == 0 {
					dst = append(dst, '[')
				} else {
					dst = append(dst, ',')
				}
				dst = strconv.AppendInt(dst, int64(b), 10)
			}
			if len(l.Bytes) == 0 {
				dst = append(dst, '[')
			}
			dst = append(dst, ']')
		}
		if top {
			dst = append(dst, `,"top_logprobs":`...)
			dst = appendLogprobs(dst, l.Top, false)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendRange appends the members start_index and end_index to an object that is open.
func AppendRange(dst []byte, start, end int) []byte {
	dst = strconv.AppendInt(append(dst, `,"start_index":`...), int64(start), 10)
	return strconv.AppendInt(append(dst, `,"end_index":`...), int64(end), 10)
}
