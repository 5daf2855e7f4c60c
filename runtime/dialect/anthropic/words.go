package anthropic

import "github.com/gwc-dev/gwc/runtime/dialect"

// Words is what callers of this dialect can say.
var Words = dialect.Words{
	{Field: "model", Is: "model"},
	{Field: "messages", Is: "messages"},
	{Field: "system", Is: "system"},
	{Field: "image", Is: "image"},
	{Field: "document", Is: "document"},
	{Field: "document_url", Is: "document_url"},
	{Field: "title", Is: "filename"},
	{Field: "is_error", Is: "is_error"},
	{Field: "thinking_blocks", Is: "thinking_blocks"},
	{Field: "cache_control", Is: "cache_control"},
	{Field: "tools", Is: "tools"},
	{Field: "strict", Is: "strict"},
	{Field: "tool_choice", Is: "tool_choice"},
	{Field: "disable_parallel_tool_use", Is: "parallel_tool_calls"},
	{Field: "max_tokens", Is: "max_tokens"},
	{Field: "temperature", Is: "temperature"},
	{Field: "top_p", Is: "top_p"},
	{Field: "top_k", Is: "top_k"},
	{Field: "stop_sequences", Is: "stop"},
	{Field: "stream", Is: "stream"},
	{Field: "user_id", Is: "user"},
	{Field: "thinking", Is: "thinking"},
	{Field: "effort", Is: "reasoning_effort"},
	{Field: "format", Is: "response_format"},

	{Field: "citations"},
	{Field: "container"},
	{Field: "context_management"},
	{Field: "file"},
	{Field: "inference_geo"},
	{Field: "mcp_servers"},
	{Field: "search_result"},
	{Field: "server_tools"},
	{Field: "service_tier"},
	{Field: "speed"},
}
