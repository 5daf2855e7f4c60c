package openairesponses

import "github.com/gwc-dev/gwc/runtime/dialect"

// AnswerTable says what becomes of what an answer holds and this dialect's answers have no place for, or another one.
// Nobody knows of it before the answer is there, so that none of it is refused; what a caller of the dialect asks for, it
// has a place for.
var AnswerTable = dialect.Losses{
	{Field: "audio", Fate: dialect.Dropped, Why: "answers are text, calls and images"},
	{Field: "audio_tokens", Fate: dialect.Dropped, Why: "usage has no tokens of audio"},
	{Field: "choices", Fate: dialect.Dropped, Why: "an answer is one; more than one cannot be asked for"},
	{Field: "redacted_thinking", Fate: dialect.Emulated, Why: "encrypted_content, under the name of its signer"},
	{Field: "signature", Fate: dialect.Emulated, Why: "encrypted_content, under the name of its signer"},
	{Field: "stop_sequence", Fate: dialect.Dropped, Why: "that one ended the answer is said, not which"},
	{Field: "cache_write_1h", Fate: dialect.Dropped, Why: "what was written to caches is one number"},
}
