package dialect

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxLogprobs bounds the tokens of one list, and the alternatives of a token.
const maxLogprobs = 1 << 16

// ReadLogprobs reads a list of {"token","logprob","bytes","top_logprobs"}, the form that OpenAI's endpoints and Ollama
// share. raw is valid JSON; what is no such list gives nothing.
func ReadLogprobs(raw []byte) []Logprob { return readLogprobs(raw, true) }

func readLogprobs(raw []byte, top bool) (list []Logprob) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if c.Kind() != '{' || len(list) == maxLogprobs {
			c.Skip()
			continue
		}
		var l Logprob
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
	b = []byte{}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if n, ok := c.Int(); ok && n >= 0 && n < 256 && len(b) < 1024 {
			b = append(b, byte(n))
		}
	}
	return b
}
