package dialect

import (
	"slices"
	"strings"
)

// Fate says what becomes of a client's field at a target.
type Fate uint8

const (
	Lossless Fate = iota // the target has the same thing
	Emulated             // something near to it is sent instead; Why says what
	Dropped              // it is left out: the answer's meaning does not depend on it
	Rejected             // the request is refused: without it the answer would not be what was asked for
)

// String returns the word of the loss report.
func (f Fate) String() string {
	return [...]string{"lossless", "emulated", "dropped", "rejected"}[f]
}

// Loss is a row of a loss table: what becomes of a client's field, and why in a word. Field is a path's last name, in
// the words of the client's dialect.
type Loss struct {
	Field string
	Fate  Fate
	Why   string
}

// Losses is a target's loss table.
type Losses []Loss

// only lists what one dialect of callers alone has. A target that has it, too, says so in its own table.
var only = Losses{
	{Field: "audio_url", Fate: Rejected, Why: "a sound has to be given as data"},
	{Field: "citations", Fate: Rejected, Why: "no citations of documents"},
	{Field: "container", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "context_management", Fate: Dropped, Why: "the whole conversation is sent"},
	{Field: "document_url", Fate: Rejected, Why: "a PDF has to be given as data"},
	{Field: "file", Fate: Rejected, Why: "a file that was uploaded to one provider is not known to another"},
	{Field: "inference_geo", Fate: Rejected, Why: "the place of the work cannot be chosen"},
	{Field: "mcp_servers", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "search_result", Fate: Rejected, Why: "no search results with citations"},
	{Field: "server_tools", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "service_tier", Fate: Dropped, Why: "another provider's tiers"},
	{Field: "speed", Fate: Dropped, Why: "only speed"},

	// Of gemini.
	{Field: "allowedFunctionNames", Fate: Rejected, Why: "one function can be demanded, or any"},
	{Field: "audioTimestamp", Fate: Dropped, Why: "a hint to how media are read"},
	{Field: "automaticContinuation", Fate: Dropped, Why: "an answer ends where it ends"},
	{Field: "cachedContent", Fate: Rejected, Why: "a cache that was made at one provider is not known to another"},
	{Field: "codeExecution", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "codeExecutionResult", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "computerUse", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "continuationToken", Fate: Rejected, Why: "an answer that one provider began is not known to another"},
	{Field: "enableEnhancedCivicAnswers", Fate: Dropped, Why: "a hint to style"},
	{Field: "enterpriseWebSearch", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "exaAiSearch", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "executableCode", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "fileData", Fate: Rejected, Why: "only images, audio and PDFs are translated"},
	{Field: "fileSearch", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "googleMaps", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "googleSearch", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "googleSearchRetrieval", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "imageConfig", Fate: Rejected, Why: "the form of images cannot be chosen"},
	{Field: "includeServerSideToolInvocations", Fate: Dropped, Why: "server-side tools are not translated"},
	{Field: "inlineData", Fate: Rejected, Why: "only images, audio and PDFs are translated"},
	{Field: "mcpServers", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "mediaProcessing", Fate: Dropped, Why: "a hint to how media are read"},
	{Field: "mediaResolution", Fate: Dropped, Why: "a hint to how media are read"},
	{Field: "modelArmorConfig", Fate: Rejected, Why: "another provider's filters"},
	{Field: "modelSelectionConfig", Fate: Dropped, Why: "another provider's models"},
	{Field: "parallelAiSearch", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "partMetadata", Fate: Dropped, Why: "notes for the caller"},
	{Field: "responseMimeType", Fate: Rejected, Why: "text or JSON"},
	{Field: "retrieval", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "retrievalConfig", Fate: Dropped, Why: "server-side tools are not translated"},
	{Field: "routingConfig", Fate: Dropped, Why: "another provider's models"},
	{Field: "safetySettings", Fate: Dropped, Why: "another provider's filters"},
	{Field: "speechConfig", Fate: Rejected, Why: "the voices of another provider"},
	{Field: "store", Fate: Dropped, Why: "nothing is stored"},
	{Field: "streamFunctionCallArguments", Fate: Dropped, Why: "calls come whole"},
	{Field: "taskType", Fate: Dropped, Why: "a hint to what vectors are for, in words of this provider's alone"},
	{Field: "title", Fate: Dropped, Why: "of a text of which a vector is wanted: a hint"},
	{Field: "toolCall", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "toolResponse", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "urlContext", Fate: Rejected, Why: "server-side tools are not translated"},
	{Field: "videoMetadata", Fate: Dropped, Why: "a hint to how media are read"},

	// Of openai-responses.
	{Field: "background", Fate: Rejected, Why: "answers are not kept for later; leave it out, and stream"},
	{Field: "context", Fate: Dropped, Why: "of reasoning: the whole conversation is sent"},
	{Field: "conversation", Fate: Rejected, Why: "conversations are not kept; send the whole of it as input, or ask a model of OpenAI's"},
	{Field: "custom", Fate: Rejected, Why: "no custom (free text) tools"},
	{Field: "include", Fate: Dropped, Why: "details of tools that OpenAI runs; encrypted thinking always comes"},
	{Field: "include_obfuscation", Fate: Dropped, Why: "padding of events"},
	{Field: "input_audio", Fate: Rejected, Why: "no audio input"},
	{Field: "item_reference", Fate: Rejected, Why: "items are not kept; send the item itself, or ask a model of OpenAI's"},
	{Field: "max_tool_calls", Fate: Dropped, Why: "a limit for tools that OpenAI runs"},
	{Field: "mode", Fate: Dropped, Why: "of reasoning: a hint to how much of it"},
	{Field: "moderation", Fate: Rejected, Why: "no moderation of input and output"},
	{Field: "previous_response_id", Fate: Rejected, Why: "answers are not kept; send the whole conversation as input, or ask a model of OpenAI's"},
	{Field: "prompt", Fate: Rejected, Why: "a prompt that is stored at OpenAI is not known to another"},
	{Field: "prompt_cache_key", Fate: Dropped, Why: "a hint to caching"},
	{Field: "prompt_cache_options", Fate: Dropped, Why: "a hint to caching"},
	{Field: "prompt_cache_retention", Fate: Dropped, Why: "a hint to caching"},
	{Field: "reasoning_item", Fate: Dropped, Why: "thinking without encrypted_content cannot be given back"},
	{Field: "truncation", Fate: Dropped, Why: "a conversation that is too long is refused by the provider"},

	// Of openai-completions.
	{Field: "best_of", Fate: Rejected, Why: "one answer is made"},
	{Field: "completion_logprobs", Fate: Rejected, Why: "no log probabilities in the form of completions"},
	{Field: "echo", Fate: Rejected, Why: "the prompt is not repeated"},
	{Field: "prompts", Fate: Rejected, Why: "several prompts in one request are several answers"},
	{Field: "suffix", Fate: Rejected, Why: "a conversation has no text behind the answer"},
	{Field: "tokens", Fate: Rejected, Why: "prompts of tokens are known to one provider's models alone"},
}

// Only returns the rows for what one dialect of callers alone has.
func Only() Losses { return slices.Clone(only) }

// alone returns the row for a path of [Request.Unsupported]: what it names is not in the neutral model, so that it cannot
// arrive, though the target may have such a thing for callers who say it otherwise.
func (l Losses) alone(path string) Loss {
	row := l.Of(path)
	if row.Fate == Dropped || row.Fate == Rejected {
		return row
	}
	return Losses(nil).Of(row.Field)
}

// Of returns the row for a path such as those of [Request.Unsupported]. A field that no table knows is dropped: a
// provider that does not know it would ignore it as well.
func (l Losses) Of(path string) Loss {
	name := path
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		name = path[dot+1:]
	}
	find := func(table Losses, name string) (Loss, bool) {
		for _, row := range table {
			if row.Field == name {
				return row, true
			}
		}
		return Loss{}, false
	}
	if row, ok := find(l, name); ok {
		return row
	}
	for _, names := range Neutral {
		if names[0] != name {
			continue
		}
		for _, other := range names[1:] { // the table has it in the words of another dialect
			if row, ok := find(l, other); ok {
				row.Field = name
				return row
			}
		}
	}
	if row, ok := find(only, name); ok {
		return row
	}
	return Loss{Field: name, Fate: Dropped, Why: "not a field of the API"}
}
