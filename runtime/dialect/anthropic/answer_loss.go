package anthropic

import "github.com/gwc-dev/gwc/runtime/dialect"

// AnswerTable says what becomes of what an answer holds and this dialect's answers have no place for, or another one.
// Nobody knows of it before the answer is there, so that none of it is refused; what a caller of the dialect asks for, it
// has a place for.
var AnswerTable = dialect.Losses{
	{Field: "audio", Fate: dialect.Dropped, Why: "answers are text, thinking and calls"},
	{Field: "audio_tokens", Fate: dialect.Dropped, Why: "usage has no tokens of audio"},
	{Field: "choices", Fate: dialect.Dropped, Why: "an answer is one; more than one cannot be asked for"},
	{Field: "citations", Fate: dialect.Dropped, Why: "an address without the search that found it is none of its citations"},
	{Field: "images", Fate: dialect.Dropped, Why: "answers are text, thinking and calls"},
	{Field: "logprobs", Fate: dialect.Dropped, Why: "not in answers; they cannot be asked for"},
	{Field: "refusal", Fate: dialect.Dropped, Why: "is text"},
	{Field: "text", Fate: dialect.Emulated, Why: "a refusal is text"},
}
