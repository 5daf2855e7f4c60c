// Package cohere is the dialect of Cohere's Chat API, POST /v2/chat, as providers speak it.
//
// A neutral request enters ([EncodeRequest]) and leaves as a body of that API; the answer's bytes enter a [Decoder] and
// leave as neutral events; errors enter [DecodeError].
//
// What the API has and others have not is decided so:
//   - The tool plan, a sentence that the model says before it calls tools, is text, as it is at other providers that say
//     something before they call: thinking would be lost on the way back, because nobody signed it. Text that an
//     assistant's message holds beside calls goes back as the plan.
//   - Tokens and billed units differ, because the provider does not charge for what it adds to a prompt. Usage holds the
//     tokens, which fill the context, and beside them the billed ones, which cost money.
//   - Citations become events, one for each source. The generations that a provider's own tools or documents are cited
//     from do not occur: no request asks for them.
//   - An answer with finish reason ERROR or TIMEOUT has failed; it is no answer that happens to be short.
//
// Invariants: message-end alone makes a stream whole; the data: [DONE] that follows it now and then is not waited for.
// Arguments of a call are an object: the API writes none, or null, where a function takes none.
//
// The API's compatibility with OpenAI's (/compatibility/v1) was refused: it has neither citations nor billed units.
package cohere
