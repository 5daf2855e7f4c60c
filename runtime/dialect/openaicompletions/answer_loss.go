package openaicompletions

import "github.com/gwc-dev/gwc/runtime/dialect"

// AnswerTable says what becomes of what an answer holds and this dialect's answers have no place for, or another one.
// Nobody knows of it before the answer is there, so that none of it is refused; what a caller of the dialect asks for, it
// has a place for.
var AnswerTable = dialect.Losses{
	{Field: "audio", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "citations", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "images", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "logprobs", Fate: dialect.Dropped, Why: "not in this form; the request is refused where it asks for them"},
	{Field: "redacted_thinking", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "signature", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "stop_sequence", Fate: dialect.Dropped, Why: "that one ended the answer is said, not which"},
	{Field: "thinking", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "tool_calls", Fate: dialect.Dropped, Why: "answers are text"},
	{Field: "cache_write_1h", Fate: dialect.Dropped, Why: "what was written to caches is one number"},
	{Field: "refusal", Fate: dialect.Dropped, Why: "is text"},
	{Field: "text", Fate: dialect.Emulated, Why: "a refusal is text"},
	{Field: "stop", Fate: dialect.Emulated, Why: "stop where tools are called"},
}
