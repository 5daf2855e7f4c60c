// Package bedrock is the dialect of Amazon Bedrock's Converse API, as the provider speaks it: POST /model/{id}/converse,
// and /converse-stream, whose answer is an AWS event stream (package eventstream).
//
// A neutral request enters ([EncodeRequest]) and leaves as a body of that API; the answer's bytes enter a [Decoder] and
// leave as neutral events; errors enter [DecodeError]. The model stands in the path ([AppendTarget]), encoded as AWS
// wants it; the call has to be signed with that very path (package signer).
//
// What the API has and others have not is decided so:
//   - What it has no field for goes into additionalModelRequestFields, in the words of the model's own maker. Which
//     words these are is known by the model's name (models.go); a model that is not known gets none.
//   - messageStop makes a stream whole. Usage follows in a metadata event and is waited for; a stream that ends between
//     the two is whole, with unknown usage.
//   - A broken frame, or an exception that comes as a frame, ends the answer with an error, wherever it stands.
//   - A tool that must not be called (tool_choice none) is left out; where the conversation has called it, the API insists
//     on its declaration, and a sentence of the system text forbids calls.
//   - Answers with images, guard content and results of the provider's own tools do not occur: no request asks for them.
//
// InvokeModel was refused: it takes and gives the body of each maker's own API, and that is a dialect for each.
package bedrock
