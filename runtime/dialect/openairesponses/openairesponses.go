// Package openairesponses is the dialect of OpenAI's Responses API, as callers and as providers speak it.
//
// For a caller's translated call a request enters ([DecodeRequest]) and leaves in neutral form; neutral events enter
// ([Encoder]) and leave as the numbered events of a stream, from response.created to one terminal event, or as one
// response. Towards a provider a neutral request enters ([EncodeRequest]) and the answer's bytes leave as neutral events
// ([Decoder]). For a call that is passed through to a provider of the same dialect the bytes of the answer enter ([Tap])
// and leave untouched, while usage, stop reason and model are read aside.
//
// The gateway keeps nothing between two calls. What OpenAI keeps for its callers (previous_response_id, conversation,
// background, stored prompts, references to items) is refused by name where a request is translated, and passes where
// its bytes pass.
//
// Thinking is a reasoning item: its text is the item's summary, and who signed it stands in encrypted_content. What
// OpenAI encrypted is there as it came; what another provider signed is there as "gwc1:<provider>:<signature>", and a
// redacted block as "gwc1:<provider>:redacted:<data>" (see [dialect.Seal]). An item that comes back unchanged restores
// the block for the provider that made it, and is left out for any other. To callers of other dialects the signature of a
// reasoning item is "gwc1:openai:<id of the item>:<encrypted_content>", because OpenAI binds the one to the other.
// encrypted_content is always there, whether "include" asks for it or not: a stateless conversation cannot go on without.
//
// Invariants: a request is checked as a whole before anything of it is read; what the neutral model has no place for is
// handed on by name, never lost in silence; sequence numbers rise by one from 0; an item keeps its id and its place from
// its first event to the final response, which holds all items; an answer has exactly one terminal event and nothing
// after it. An answer that breaks off ends with an "error" event, at which the SDKs raise an exception, and never with
// response.completed.
//
// Answering with the neutral request's own values where the API repeats the request (tools, instructions, temperature, …)
// was chosen over constants: SDKs show them, and a response that names no tools where some were given is false.
package openairesponses
