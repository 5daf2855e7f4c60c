package openai

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// AppendLogprobs appends a list of {"token","logprob","bytes","top_logprobs"}; see [dialect.ReadLogprobs].
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
