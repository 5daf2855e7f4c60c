package anthropic

import "strings"

// thinkingForm is how a model is asked to think.
type thinkingForm uint8

const (
	thinkingNone     thinkingForm = iota // it cannot
	thinkingBudget                       // thinking: {type: "enabled", budget_tokens}
	thinkingAdaptive                     // thinking: {type: "adaptive"} and output_config: {effort}
)

// quirk is what a family of models lacks. Names are compared by their beginning, so that dated names, and names with
// a vendor's or region's prefix up to the last dot or slash, match as well.
type quirk struct {
	prefix     string
	thinking   thinkingForm
	structured bool // output_config.format and strict tools
}

// quirks lists older families; whatever is not in it is taken for a model of today.
//
// Source: "Extended thinking" (supported models), "Adaptive thinking" and "Structured outputs" of Anthropic's
// documentation.
var quirks = [...]quirk{
	{"claude-2", thinkingNone, false},
	{"claude-instant", thinkingNone, false},
	{"claude-3-7-sonnet", thinkingBudget, false},
	{"claude-3", thinkingNone, false},
	{"claude-opus-4-1", thinkingBudget, false},
	{"claude-opus-4-5", thinkingBudget, true},
	{"claude-sonnet-4-5", thinkingBudget, true},
	{"claude-haiku-4-5", thinkingBudget, true},
	{"claude-opus-4-0", thinkingBudget, false},
	{"claude-opus-4-2025", thinkingBudget, false},
	{"claude-sonnet-4-0", thinkingBudget, false},
	{"claude-sonnet-4-2025", thinkingBudget, false},
}

func quirkOf(model string) quirk {
	if i := strings.Index(model, "claude-"); i > 0 {
		model = model[i:]
	}
	for _, q := range quirks {
		if strings.HasPrefix(model, q.prefix) {
			return q
		}
	}
	return quirk{thinking: thinkingAdaptive, structured: true}
}

// budget is the thinking budget for an effort, in tokens; 1024 is the least that the API takes.
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
	case "xhigh", "max":
		return 32768
	}
	return 0
}

// effortName is the word for an effort at models with adaptive thinking; "" for none.
func effortName(effort string) string {
	switch effort {
	case "minimal":
		return "low"
	case "none":
		return ""
	}
	return effort
}
