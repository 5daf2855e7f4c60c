package openaichat

import "github.com/gwc-dev/gwc/runtime/dialect"

// AnswerTable says what becomes of what an answer holds and this dialect's answers have no place for, or another one.
// Nobody knows of it before the answer is there, so that none of it is refused; what a caller of the dialect asks for, it
// has a place for.
var AnswerTable = dialect.Losses{
	{Field: "signature", Fate: dialect.Emulated, Why: "under the name of its signer, for when it comes back"},
	{Field: "stop_sequence", Fate: dialect.Dropped, Why: "that one ended the answer is said, not which"},
	{Field: "cache_write_1h", Fate: dialect.Dropped, Why: "what was written to caches is one number"},
}
