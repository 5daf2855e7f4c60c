package gemini

import (
	"net/http"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// CountMember is where answers of countTokens have the number.
const CountMember = "totalTokens"

// DecodeCount reads a body of countTokens: contents alone, a whole request below generateContentRequest, or, as Vertex AI
// has it, the members of a request side by side.
//
// Source: CountTokensRequest of the Gemini API and of Vertex AI.
func DecodeCount(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "INVALID_ARGUMENT", Message: "Invalid JSON payload received. " + err.Error()}
	}
	c := jsonscan.Over(body)
	if c.Kind() != '{' {
		return DecodeRequest(body)
	}
	for c.Enter(); c.More(); {
		if canonical(string(c.Key())) == "generateContentRequest" {
			return DecodeRequest(c.Skip())
		}
		c.Skip()
	}
	return DecodeRequest(body)
}

// EncodeCount appends r as a body of countTokens of the Gemini API.
func EncodeCount(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	whole, bad := EncodeRequest(nil, r, t)
	if bad != nil {
		return dst, bad
	}
	dst = jsonscan.AppendString(append(dst, `{"generateContentRequest":{"model":`...), "models/"+t.Model)
	return append(appendMembers(dst, whole, ','), "}}"...), nil
}

// EncodeVertexCount appends r as a body of countTokens of Vertex AI, whose members stand side by side.
func EncodeVertexCount(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	whole, bad := EncodeRequest(nil, r, t)
	if bad != nil {
		return dst, bad
	}
	return append(appendMembers(dst, whole, '{', "contents", "systemInstruction", "tools", "generationConfig"), '}'), nil
}

// appendMembers appends the members of an object, all or those that are named, sep before the first.
func appendMembers(dst, object []byte, sep byte, names ...string) []byte {
	c := jsonscan.Over(object)
	for c.Enter(); c.More(); {
		key := c.Key()
		value := c.Skip()
		take := len(names) == 0
		for _, name := range names {
			take = take || string(key) == name
		}
		if !take {
			continue
		}
		dst = append(append(append(dst, sep, '"'), key...), `":`...)
		dst = append(dst, value...)
		sep = ','
	}
	return dst
}

// Readdress appends a body of embedContent, batchEmbedContents or countTokens with the target's model in the places where
// such bodies repeat the one of their path.
func Readdress(dst, body []byte, model string) []byte {
	name := jsonscan.AppendString(nil, "models/"+model)
	var object func(dst, raw []byte, depth int) []byte
	object = func(dst, raw []byte, depth int) []byte {
		c := jsonscan.Over(raw)
		switch {
		case c.Kind() == '[' && depth == 1:
			sep := byte('[')
			for c.Enter(); c.More(); {
				dst = object(append(dst, sep), c.Skip(), depth)
				sep = ','
			}
			if sep == '[' {
				dst = append(dst, sep)
			}
			return append(dst, ']')
		case c.Kind() != '{':
			return append(dst, raw...)
		}
		sep := byte('{')
		for c.Enter(); c.More(); {
			key := c.Key()
			value := c.Skip()
			dst = append(append(append(dst, sep, '"'), key...), `":`...)
			switch member := canonical(string(key)); {
			case member == "model":
				dst = append(dst, name...)
			case depth == 0 && (member == "requests" || member == "generateContentRequest"):
				dst = object(dst, value, 1)
			default:
				dst = append(dst, value...)
			}
			sep = ','
		}
		if sep == '{' {
			dst = append(dst, sep)
		}
		return append(dst, '}')
	}
	return object(dst, body, 0)
}
