package dialect

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// Counted is the usage as prices take it: what was counted.
func (u *Usage) Counted() price.Usage {
	return price.Usage{
		Input: u.Input, Output: u.Output, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite, CacheWrite1h: u.CacheWrite1h, Reasoning: u.Reasoning,
		InputAudio: u.InputAudio, OutputAudio: u.OutputAudio, InputImage: u.InputImage, OutputImage: u.OutputImage, Citation: u.Citation,
		Units: u.Units, Service: u.Service,
	}
}

// Priced is the usage as it is charged: that of [Usage.Counted], unless the provider counts what it charges for apart; of
// kinds it says nothing there.
func (u *Usage) Priced() price.Usage {
	if u.BilledInput+u.BilledOutput > 0 {
		return price.Usage{Input: u.BilledInput, Output: u.BilledOutput, Units: u.Units, Service: u.Service}
	}
	return u.Counted()
}

// Stated reads what a provider says that its answer cost: a number of USD, as OpenRouter and Vercel write it, or an
// object with the sum, as Perplexity does. ok is false for anything else.
func Stated(raw []byte) (a price.Amount, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return price.ReadAmount(raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if name := c.Key(); string(name) == "total_cost" {
			return price.ReadAmount(c.Skip())
		}
		c.Skip()
	}
	return 0, false
}

// Ticks reads what xAI says that its answer cost: cost_in_usd_ticks, 10^-10 USD each.
func Ticks(raw []byte) (a price.Amount, ok bool) {
	n, err := strconv.ParseUint(string(raw), 10, 57)
	return price.Amount(n) * 100, err == nil
}
