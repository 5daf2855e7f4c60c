package gemini

import (
	"bytes"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// appendJSONSchema appends a Schema of the API (a part of OpenAPI 3.0's) as JSON Schema: types in small letters,
// nullable as one more type, whole numbers that protobuf's JSON writes as strings as numbers. propertyOrdering is kept: readers
// ignore what they do not know.
//
// Members of properties are names, all else is keywords.
func appendJSONSchema(dst, raw []byte) []byte {
	c := jsonscan.Over(raw)
	if c.Kind() != '{' {
		return append(dst, raw...)
	}
	var kind []byte
	nullable := false
	dst = append(dst, '{')
	first := true
	var key, buf []byte
	name := func(s string) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = jsonscan.AppendString(dst, s)
		dst = append(dst, ':')
	}
	for c.Enter(); c.More(); {
		key, buf = c.KeyText(buf)
		word := canonical(string(key))
		value := c.Skip()
		if len(value) == 0 || value[0] == 'n' && word != "default" && word != "example" {
			continue
		}
		switch word {
		case "type":
			kind = value
		case "nullable":
			nullable = string(value) == "true"
		case "format":
			if string(value) != `"enum"` {
				name(word)
				dst = append(dst, value...)
			}
		case "items":
			name(word)
			dst = appendJSONSchema(dst, value)
		case "anyOf":
			name(word)
			dst = appendList(dst, value)
		case "properties":
			name(word)
			dst = appendProperties(dst, value)
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum", "maximum":
			name(word)
			dst = append(dst, bytes.Trim(value, `"`)...)
		default:
			name(word)
			dst = append(dst, value...)
		}
	}
	if t := strings.ToLower(text(kind)); t != "" && t != "type_unspecified" {
		name("type")
		if nullable {
			dst = append(dst, '[')
			dst = jsonscan.AppendString(dst, t)
			dst = append(dst, `,"null"]`...)
		} else {
			dst = jsonscan.AppendString(dst, t)
		}
	}
	return append(dst, '}')
}

func appendList(dst, raw []byte) []byte {
	c := jsonscan.Over(raw)
	if c.Kind() != '[' {
		return append(dst, raw...)
	}
	sep := byte('[')
	for c.Enter(); c.More(); {
		dst = append(dst, sep)
		sep = ','
		dst = appendJSONSchema(dst, c.Skip())
	}
	if sep == '[' {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

func appendProperties(dst, raw []byte) []byte {
	c := jsonscan.Over(raw)
	if c.Kind() != '{' {
		return append(dst, raw...)
	}
	sep := byte('{')
	for c.Enter(); c.More(); {
		dst = append(dst, sep, '"')
		sep = ','
		dst = append(dst, c.Key()...)
		dst = append(dst, '"', ':')
		dst = appendJSONSchema(dst, c.Skip())
	}
	if sep == '{' {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}
