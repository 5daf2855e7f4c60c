package bedrock

import "strings"

// thinkingForm is how a model is asked to think, in the words of its maker.
type thinkingForm uint8

const (
	thinkingNone     thinkingForm = iota // it cannot be asked
	thinkingBudget                       // thinking: {type: "enabled", budget_tokens}
	thinkingAdaptive                     // thinking: {type: "adaptive"} and output_config: {effort}
	thinkingNova                         // reasoningConfig: {type: "enabled", maxReasoningEffort}
	thinkingEffort                       // reasoning_effort
)

// topK is where a model takes top_k among additionalModelRequestFields.
type topKForm uint8

const (
	topKNone  topKForm = iota
	topKPlain          // top_k
	topKShort          // k
	topKNova           // inferenceConfig: {topK}
)

// quirk is what a family of models takes beyond the API's common part.
type quirk struct {
	name       string // the model's id holds it
	claude     bool   // of Anthropic: its requests' own words are understood, and its signatures
	thinking   thinkingForm
	structured bool // outputConfig.textFormat and strict tools
	cache      bool // cachePoint in system texts and messages
	cacheTools bool // cachePoint behind tools
	hour       bool // cachePoint with ttl 1h
	status     bool // the status of a tool's result
	topK       topKForm
}

// quirks is searched from its beginning. Ids come bare, with a region in front ("us.anthropic.…"), or as the end of the
// ARN of a profile. A model that is not in it gets the common part alone.
//
// Source: the user guide's pages "Supported models and model features", "Prompt caching", "Structured output", and the
// makers' pages under "Inference request parameters".
var quirks = [...]quirk{
	{name: "anthropic.claude-v2", claude: true, topK: topKPlain},
	{name: "anthropic.claude-instant", claude: true, topK: topKPlain},
	{name: "anthropic.claude-3-7-sonnet", claude: true, thinking: thinkingBudget, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-3-5-haiku", claude: true, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-3-5-sonnet-20241022", claude: true, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-3", claude: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-opus-4-1", claude: true, thinking: thinkingBudget, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-opus-4-2025", claude: true, thinking: thinkingBudget, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-sonnet-4-2025", claude: true, thinking: thinkingBudget, cache: true, cacheTools: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-opus-4-5", claude: true, thinking: thinkingBudget, structured: true, cache: true, cacheTools: true, hour: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-sonnet-4-5", claude: true, thinking: thinkingBudget, structured: true, cache: true, cacheTools: true, hour: true, status: true, topK: topKPlain},
	{name: "anthropic.claude-haiku-4-5", claude: true, thinking: thinkingBudget, structured: true, cache: true, cacheTools: true, hour: true, status: true, topK: topKPlain},
	{name: "anthropic.claude", claude: true, thinking: thinkingAdaptive, structured: true, cache: true, cacheTools: true, hour: true, status: true, topK: topKPlain},
	{name: "amazon.nova-2", thinking: thinkingNova, cache: true, status: true, topK: topKNova},
	{name: "amazon.nova", cache: true, status: true, topK: topKNova},
	{name: "openai.gpt-oss", thinking: thinkingEffort, structured: true},
	{name: "cohere.command", topK: topKShort},
	{name: "mistral.", structured: true, topK: topKPlain},
	{name: "qwen.", structured: true},
	{name: "deepseek.", structured: true},
	{name: "minimax.", structured: true},
	{name: "moonshot.", structured: true},
	{name: "nvidia.", structured: true},
	{name: "google.", structured: true},
}

func quirkOf(model string) quirk {
	for _, q := range quirks {
		if strings.Contains(model, q.name) {
			return q
		}
	}
	return quirk{}
}

// budget is the thinking budget for an effort, in tokens; 1024 is the least that Claude takes.
func budget(effort string) int64 {
	switch effort {
	case "minimal":
		return 1024
	case "low":
		return 2048
	case "medium":
		return 8192
	case "high":
		return 16384
	}
	return 32768
}

// effortOf is the word for an effort at models that know low, medium and high, and beyond that only what most is.
func effortOf(effort, most string) string {
	switch effort {
	case "minimal":
		return "low"
	case "xhigh", "max":
		if most == "high" {
			return most
		}
	}
	return effort
}
