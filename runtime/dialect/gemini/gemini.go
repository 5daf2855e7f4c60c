// Package gemini is the dialect of Google's generateContent, as the Gemini API and Vertex AI serve it and as callers
// speak it.
//
// Towards a provider a request in neutral form enters ([EncodeRequest]) and leaves as the body of
// models/{model}:generateContent or :streamGenerateContent; the answer's bytes enter a [Decoder], whole, as server-sent
// events (alt=sse) or as a JSON array (without), and leave as neutral events; error answers enter [DecodeError]. From a
// caller a body enters [DecodeRequest], in either spelling that protobuf's JSON allows (systemInstruction and
// system_instruction), and leaves in neutral form; events enter an [Encoder] and leave as one answer, as events or as
// an array. Where both speak it, a [Tap] reads aside.
//
// Model and streaming are not in this dialect's bodies but in its paths: whoever calls [DecodeRequest] sets them.
//
// Invariants of a request to a provider: turns alternate, the results of a turn's calls stand together at the beginning of the
// next one, each under the name of the function that it belongs to; what Gemini has signed goes back where it stood, and
// nothing that others signed does. Invariants of an answer: exactly one End; calls are whole and have ids that are the
// same however the answer was cut; a stream that ends without a finishReason is an error, because the dialect has no
// other terminal event.
//
// Signatures (thoughtSignature) are bytes in base64 here. What another provider signed goes to a caller of this dialect
// as the base64 of the sealed form (see [dialect.Seal]); redacted thinking as an empty thought whose signature is the
// base64 of "gwc1:redacted:" and the sealed data.
//
// Decoding into the SDK's structs was refused: they hold maps, cost a multiple, and say nothing of places.
//
// Sources: the Gemini API reference (generateContent, Content, Schema, "Thinking", "Thought signatures", "Function
// calling", "Grounding"), Vertex AI's GenerateContentResponse, google.rpc.Status and error_details.proto, the JSON mapping of
// protocol buffers, and the types of google.golang.org/genai.
package gemini

import (
	"encoding/base64"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

// redactedMark begins the sealed data of redacted thinking.
const redactedMark = "gwc1:redacted:"

// seal gives a signature as callers of this dialect get it.
func seal(by dialect.Signer, signature string) string {
	sealed := dialect.Seal(dialect.SignerGemini, by, signature)
	if by == dialect.SignerUnknown && !isBase64(signature) {
		sealed = "gwc1::" + signature // the name of nobody: the field must be base64 all the same
	}
	if sealed == signature {
		return signature
	}
	return base64.StdEncoding.EncodeToString([]byte(sealed))
}

// sealRedacted is [seal] for the data of redacted thinking.
func sealRedacted(by dialect.Signer, data string) string {
	return base64.StdEncoding.EncodeToString([]byte(redactedMark + string(by) + ":" + data))
}

// unseal undoes [seal] and [sealRedacted].
func unseal(s string) (by dialect.Signer, signature string, redacted bool) {
	// "gwc" and all that follows it in base64 begins with these four letters.
	if !strings.HasPrefix(s, "Z3dj") {
		return dialect.SignerGemini, s, false
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return dialect.SignerGemini, s, false
	}
	text := string(raw)
	if rest, ok := strings.CutPrefix(text, redactedMark); ok {
		if name, data, ok := strings.Cut(rest, ":"); ok {
			return dialect.Signer(name), data, true
		}
	}
	if rest, ok := strings.CutPrefix(text, "gwc1::"); ok {
		return dialect.SignerUnknown, rest, false
	}
	if by, signature = dialect.Unseal("", text); by != "" {
		return by, signature, false
	}
	return dialect.SignerGemini, s, false
}

func isBase64(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}
