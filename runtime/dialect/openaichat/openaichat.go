// Package openaichat is the dialect of OpenAI's Chat Completions API, as callers and as providers speak it.
//
// For a caller's translated call a request enters ([DecodeRequest]) and leaves in neutral form; neutral events enter
// ([Encoder]) and leave as chat.completion.chunk events or one chat.completion body. Towards a provider a neutral
// request enters ([EncodeRequest]) and the answer's bytes leave as neutral events ([Decoder]), whatever its kind of
// server makes of the dialect: calls without ids or with one index, thinking in parts, no [DONE]. For a call that is passed through
// to a provider of the same dialect the bytes of the answer enter ([Tap]) and leave untouched, while usage, stop
// reason and model are read aside. Errors go both ways ([DecodeError], [AppendError]).
//
// Invariants: a request is checked as a whole before anything of it is read, so that a repeated name cannot mean one
// thing here and another at the target; every known field of the API has a row in the tables of fields.go, and what
// the neutral model has no place for is handed on by name, never lost in silence; an answer has exactly one terminal
// event (data: [DONE], or an error object) and nothing after it; a Tap never changes, delays beyond one event, or
// breaks what passes, however malformed.
//
// Extension fields, because the dialect has no place for thinking blocks of other providers: an answer's message or
// delta carries "reasoning_content" (text) and "thinking_blocks" ([{"type":"thinking","thinking","signature"} or
// {"type":"redacted_thinking","data"}]; in streams each block comes whole in one delta when it ends). A client that
// sends an assistant message back with its thinking_blocks keeps the next turn valid at providers that sign their
// thinking; what another than Anthropic signed bears the signer's name (see [dialect.Seal]). "cache_control" on messages,
// parts and tools is understood as well.
//
// A struct decoder was refused for requests: content, tool_choice and stop are unions, errors must name the exact
// place ("messages[2].content[0].image_url"), and unknown fields must be seen, which a cursor gives in one pass.
package openaichat
