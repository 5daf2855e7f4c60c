package gemini

import "strings"

// thinkingForm is how a model is asked to think.
type thinkingForm uint8

const (
	thinkingNone   thinkingForm = iota // it cannot
	thinkingBudget                     // thinkingConfig: {thinkingBudget}
	thinkingLevel                      // thinkingConfig: {thinkingLevel}
)

// quirk is what a family of models differs in. Names are compared by their beginning, behind the last slash.
type quirk struct {
	prefix   string
	thinking thinkingForm
	least    int64 // the smallest thinking budget; above 0 where thinking cannot be turned off
	most     int64 // the greatest
	minimal  bool  // the level MINIMAL exists
	signed   bool  // calls in the current turn must bear a signature
	media    bool  // results of functions may hold images
}

// quirks lists families; whatever is not in it is taken for a model of today.
//
// Source: "Thinking" (levels and budgets by model), "Thought signatures" and "Function calling" (multimodal function
// responses) of the Gemini API's documentation.
var quirks = [...]quirk{
	{prefix: "gemma", thinking: thinkingNone},
	{prefix: "learnlm", thinking: thinkingNone},
	{prefix: "gemini-1", thinking: thinkingNone},
	{prefix: "gemini-2.0", thinking: thinkingNone},
	{prefix: "gemini-2.5-flash-image", thinking: thinkingNone},
	{prefix: "gemini-2.5-flash-lite", thinking: thinkingBudget, least: 0, most: 24576},
	{prefix: "gemini-2.5-flash", thinking: thinkingBudget, least: 0, most: 24576},
	{prefix: "gemini-2.5", thinking: thinkingBudget, least: 128, most: 32768},
	{prefix: "gemini-3-pro", thinking: thinkingLevel, signed: true, media: true},
	{prefix: "gemini-3.1-pro", thinking: thinkingLevel, signed: true, media: true},
}

func quirkOf(model string) quirk {
	if slash := strings.LastIndexByte(model, '/'); slash >= 0 {
		model = model[slash+1:]
	}
	for _, q := range quirks {
		if strings.HasPrefix(model, q.prefix) {
			return q
		}
	}
	return quirk{thinking: thinkingLevel, minimal: true, signed: true, media: true}
}

// budget is the thinking budget for an effort, in tokens, as Google's own OpenAI-compatible API translates efforts.
func budget(effort string) int64 {
	switch effort {
	case "none":
		return 0
	case "minimal", "low":
		return 1024
	case "medium":
		return 8192
	}
	return 24576
}

// effortOf is the effort whose budget is nearest below a number of tokens; see [budget].
func effortOf(tokens int64) string {
	switch {
	case tokens <= 0:
		return "none"
	case tokens < 1024:
		return "minimal"
	case tokens < 8192:
		return "low"
	case tokens < 24576:
		return "medium"
	}
	return "high"
}

// level is the thinking level for an effort.
func (q *quirk) level(effort string) string {
	switch effort {
	case "none", "minimal":
		if q.minimal {
			return "MINIMAL"
		}
		return "LOW"
	case "low":
		return "LOW"
	case "medium":
		return "MEDIUM"
	}
	return "HIGH"
}
