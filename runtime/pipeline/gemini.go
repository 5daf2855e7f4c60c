package pipeline

import (
	"bytes"
	"net/http"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// geminiMethod appends the model and the method of Google's paths behind their collection. A stream comes as events, or as
// the array that the caller of the same dialect asked for.
func geminiMethod(dst []byte, c *callee) []byte {
	dst = appendSegment(dst, c.model)
	switch {
	case c.dialect == geminiEmbed:
		return append(dst, ":batchEmbedContents"...)
	case c.dialect == geminiEmbedOne:
		return append(dst, ":embedContent"...)
	case c.dialect == geminiCount, c.dialect == vertexCount:
		return append(dst, ":countTokens"...)
	case c.dialect == vertexEmbed:
		return append(dst, ":predict"...)
	case !c.stream:
		return append(dst, ":generateContent"...)
	case c.array:
		return append(dst, ":streamGenerateContent"...)
	}
	return append(dst, ":streamGenerateContent?alt=sse"...)
}

// vertexModels appends the path of a publisher's models in Vertex AI.
func vertexModels(dst []byte, c *callee, publisher string) []byte {
	dst = append(append(dst, "/v1/projects/"...), c.provider.Project...)
	dst = append(append(dst, "/locations/"...), c.provider.Location...)
	return append(append(append(dst, "/publishers/"...), publisher...), "/models/"...)
}

// vertexBody makes a request of the Messages API what Vertex AI takes: the model is in the path alone, and the body says
// the API's version.
func vertexBody(dst, body []byte) []byte {
	dst = append(dst, `{"anthropic_version":"vertex-2023-10-16"`...)
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		key := c.Key()
		value := c.Skip()
		if string(key) == "model" || string(key) == "anthropic_version" {
			continue
		}
		dst = append(append(dst, `,"`...), key...)
		dst = append(append(dst, `":`...), value...)
	}
	return append(dst, '}')
}

// appendSegment appends a name as one segment of a path (RFC 3986 §3.3).
func appendSegment(dst []byte, name string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(name); i++ {
		switch b := name[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == '_', b == '~', b == '@':
			dst = append(dst, b)
		default:
			dst = append(dst, '%', hex[b>>4], hex[b&15])
		}
	}
	return dst
}

// googleEmbeddings are asked for vectors in Google's form.
func googleEmbeddings(id dialectID, route artifact.RouteKind) spoken {
	s := task(id, embed, false, route)
	s.google, s.object, s.readdress = true, true, gemini.Readdress
	s.appendError, s.status = gemini.AppendError, gemini.ClientStatus
	s.tap = func() dialect.Tap { return new(gemini.Tap) }
	if s.decode = gemini.DecodeEmbeddings; id == geminiEmbedOne {
		s.decode = gemini.DecodeEmbedding
	}
	s.encoder = func() dialect.Encoder { return &gemini.EmbeddingsEncoder{One: id == geminiEmbedOne} }
	return s
}

// googleCounts ask how many tokens a conversation has, as Google's clients do. Where no target counts, the gateway guesses,
// and says so in a header.
func googleCounts() spoken {
	s := task(geminiCount, count, false, artifact.RouteGoogleCount)
	s.google, s.object, s.readdress = true, true, gemini.Readdress
	s.appendError, s.status = gemini.AppendError, gemini.ClientStatus
	s.decode = gemini.DecodeCount
	s.encoder = func() dialect.Encoder { return dialect.NewCountEncoder(gemini.CountMember) }
	s.own = guess(gemini.CountMember)
	return s
}

func googleCount() dialect.Decoder { return dialect.NewCountDecoder(gemini.CountMember) }

// keyInURL tells whether a query carries a key, as Google's API allows. URLs are logged by everything on their way, so it
// is not taken from there.
func keyInURL(query []byte) bool { return parameter(query, "key") != nil }

// parameter is the value of a query's parameter as it is written, nil where there is none.
func parameter(query []byte, name string) []byte {
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		if key, value, ok := bytes.Cut(pair, []byte("=")); ok && string(key) == name {
			return value
		}
	}
	return nil
}

// ofGoogle answers what is peculiar to Google's paths before anything else is looked at. ok is false where the exchange
// has been answered.
func (x *exchange) ofGoogle(q *engine.Request) (ok bool) {
	if !x.speaks.google || !keyInURL(q.Query) {
		return true
	}
	x.p.metrics.AuthFailed("url")
	x.rec.Error = "auth"
	x.answer(http.StatusUnauthorized, "application/json", []byte("WWW-Authenticate: Bearer realm=\"gwc\"\r\n"), x.speaks.appendError(nil, &dialect.Error{
		Status: http.StatusUnauthorized, Type: "UNAUTHENTICATED", Code: "key_in_url",
		Message: "a key in the URL is not taken, since URLs are logged on their way: send it in the header x-goog-api-key",
	}))
	return false
}
