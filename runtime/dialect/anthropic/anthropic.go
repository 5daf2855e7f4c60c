// Package anthropic is the dialect of Anthropic's Messages API, as callers and as providers speak it.
//
// Towards a provider a request in neutral form enters ([EncodeRequest]) and leaves as the body of POST /v1/messages; the
// answer's bytes enter a [Decoder], streamed or whole and in whatever pieces, and leave as neutral events; error
// answers enter [DecodeError]. From a caller a body enters [DecodeRequest] and leaves in neutral form; events enter an
// [Encoder] and leave as the events of a stream or as one message. Where both speak it, a [Tap] reads aside.
//
// Invariants of a request to a provider: turns alternate and the first is the user's; the results of a turn's tool calls come first
// in the next user turn, all of them and nothing else answered; thinking blocks come before the other blocks of their
// turn, unchanged; max_tokens is always there. What breaks them in a way that cannot be mended is refused here, with
// the place in the caller's body, rather than by the provider in words about a body that the caller never wrote.
// Invariants of an answer: exactly one End, whatever the bytes; usage in the inside convention (input includes the
// cached tokens, which Anthropic reports apart); tool arguments are whole JSON, "{}" where nothing was sent.
//
// What the API has no place for stands in [LossTable]. Marshalling structs was refused: the body is appended in one
// pass from the neutral parts, which costs a tenth.
//
// Sources: the Messages API reference, "Streaming messages", "Tool use", "Extended thinking", "Adaptive thinking",
// "Structured outputs" and "Prompt caching" of Anthropic's documentation.
package anthropic
