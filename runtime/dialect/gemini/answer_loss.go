package gemini

import "github.com/gwc-dev/gwc/runtime/dialect"

// AnswerTable says what becomes of what an answer holds and this dialect's answers have no place for, or another one.
// Nobody knows of it before the answer is there, so that none of it is refused; what a caller of the dialect asks for, it
// has a place for.
var AnswerTable = dialect.Losses{
	{Field: "cache_write", Fate: dialect.Dropped, Why: "usage says nothing of what was written to caches"},
	{Field: "cache_write_1h", Fate: dialect.Dropped, Why: "usage says nothing of what was written to caches"},
	{Field: "stop_sequence", Fate: dialect.Dropped, Why: "that one ended the answer is said, not which"},
	{Field: "refusal", Fate: dialect.Dropped, Why: "is text"},
	{Field: "text", Fate: dialect.Emulated, Why: "a refusal is text"},
	{Field: "redacted_thinking", Fate: dialect.Emulated, Why: "a thoughtSignature, under the name of its signer"},
	{Field: "signature", Fate: dialect.Emulated, Why: "thoughtSignature, under the name of its signer"},
}
