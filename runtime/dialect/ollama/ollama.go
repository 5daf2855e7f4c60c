// Package ollama is the dialect of Ollama's own API, POST /api/chat, as providers speak it.
//
// A neutral request enters ([EncodeRequest]) and leaves as a body of that API; the answer's bytes, one JSON object or a
// stream with an object on each line (application/x-ndjson), enter a [Decoder] and leave as neutral events. Errors enter
// [DecodeError]; one inside a stream is an object {"error"}.
//
// Invariants: a stream is whole only if an object said "done": true. A call of a tool without an id gets one that is made
// of the answer's own words, so that the same bytes give the same ids, and ids of different answers differ; when the
// caller sends the result back, the tool's name is found by that id, since the API knows results by name. Usage is only
// told where the server counted both the prompt and the answer: it leaves a count out where its cache saved it the work,
// and a zero would be a lie.
//
// Ollama's copy of OpenAI's API (/v1/chat/completions) was refused for this kind of provider: it takes no options such
// as num_predict, hides thinking and drops what it does not know without a word. Whoever wants it all the same uses the
// kind openai-compatible with the server's /v1.
package ollama
