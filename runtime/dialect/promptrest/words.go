package promptrest

import "github.com/gwc-dev/gwc/runtime/dialect"

// Words is what a prompt says of a conversation, in the words of its file.
var Words = dialect.Words{
	{Field: "messages", Is: "messages"},
	{Field: "system", Is: "system"},
	{Field: "images", Is: "image"},
	{Field: "output", Is: "response_format"},
	{Field: "maxTokens", Is: "max_tokens"},
	{Field: "temperature", Is: "temperature"},
	{Field: "topP", Is: "top_p"},
	{Field: "stop", Is: "stop"},
	{Field: "reasoning", Is: "reasoning_effort"},
	{Field: "stream", Is: "stream"},
}
