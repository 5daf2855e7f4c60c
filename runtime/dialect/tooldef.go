package dialect

import (
	"bytes"
	"unicode"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// AppendSchema appends a tool's parameters for a provider that wants them to say that they are an object.
func AppendSchema(dst []byte, t *ToolDef) ([]byte, *Error) {
	raw := bytes.TrimSpace(t.Parameters)
	if len(raw) == 0 {
		return append(dst, `{"type":"object","properties":{}}`...), nil
	}
	c := jsonscan.Over(raw)
	members := 0
	var key, buf []byte
	for c.Enter(); c.More(); members++ {
		key, buf = c.KeyText(buf)
		value := c.Skip()
		if string(key) != "type" {
			continue
		}
		if kind := string(value); kind[0] == '"' && kind != `"object"` {
			return dst, Refuse("tools", "invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"', got 'type: %s'.", t.Name, kind)
		}
		return append(dst, raw...), nil
	}
	dst = append(dst, `{"type":"object"`...)
	if members > 0 {
		dst = append(dst, ',')
	}
	return append(dst, raw[1:]...), nil
}

// Blank reports whether a text is nothing but white space, which some providers refuse.
func Blank(s string) bool {
	for _, r := range s {
		if !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}
