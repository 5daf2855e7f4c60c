package openaicompletions

import "github.com/gwc-dev/gwc/runtime/dialect"

// Words is what callers of this dialect can say.
var Words = dialect.Words{
	{Field: "model", Is: "model"},
	{Field: "prompt", Is: "messages"},
	{Field: "max_tokens", Is: "max_tokens"},
	{Field: "temperature", Is: "temperature"},
	{Field: "top_p", Is: "top_p"},
	{Field: "stop", Is: "stop"},
	{Field: "stream", Is: "stream"},
	{Field: "include_usage", Is: "include_usage"},
	{Field: "n", Is: "n"},
	{Field: "seed", Is: "seed"},
	{Field: "frequency_penalty", Is: "frequency_penalty"},
	{Field: "presence_penalty", Is: "presence_penalty"},
	{Field: "logit_bias", Is: "logit_bias"},
	{Field: "user", Is: "user"},

	{Field: "best_of"},
	{Field: "completion_logprobs"},
	{Field: "echo"},
	{Field: "include_obfuscation"},
	{Field: "prompts"},
	{Field: "suffix"},
	{Field: "tokens"},
}
