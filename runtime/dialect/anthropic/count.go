package anthropic

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeCount reads a body of POST /v1/messages/count_tokens: a request of the Messages API without a limit.
func DecodeCount(body []byte) (*dialect.Request, *dialect.Error) { return decodeRequest(body, true) }

// counted are the members of a request that its count is made of.
//
// Source: "Count tokens in a Message" of the API's reference.
var counted = map[string]bool{
	"cache_control": true, "messages": true, "model": true, "output_config": true, "system": true, "thinking": true, "tool_choice": true, "tools": true,
}

// EncodeCount appends r as a body of POST /v1/messages/count_tokens.
func EncodeCount(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	whole, bad := EncodeRequest(nil, r, t)
	if bad != nil {
		return dst, bad
	}
	sep := byte('{')
	c := jsonscan.Over(whole)
	for c.Enter(); c.More(); {
		key, value := c.Key(), []byte(nil)
		if value = c.Skip(); !counted[string(key)] {
			continue
		}
		dst = append(append(append(dst, sep, '"'), key...), `":`...)
		dst = append(dst, value...)
		sep = ','
	}
	return append(dst, '}'), nil
}

// CountMember is where answers have the number of tokens.
const CountMember = "input_tokens"
