package pipeline

import (
	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaitask"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// bytesPerToken is how many bytes of a request or answer are taken for one token where nobody counted. It is the usual
// figure for English text; markup and other scripts have more tokens to the byte.
const bytesPerToken = 4

// charge settles an attempt that is over: its tokens, where the provider told them, and what it costs by the price of
// its target. The costs of an exchange's attempts add up; where one of them used tokens that nobody has a price for,
// the exchange has no cost. class is the attempt's error.
//
// What ended too early settles on what was seen: numbers that the provider had told by then, and where they leave out
// the answer, a guess, which is marked as one. An attempt that failed before any answer costs nothing if the provider
// refused it; if it was cut or timed out, nobody knows, and the exchange's cost is marked.
//
// Budget: no allocation.
func (f *chatFlow) charge(a *calllog.Attempt, class string) {
	u := &f.usage
	if class == "" {
		f.spoken(u)
	}
	if u.Service == "" {
		u.Service = f.tier
	}
	counted := u.Known || u.Units.Any()
	if u.Known {
		f.target.Metrics.Tokens(u.Input, u.Output, u.CacheRead, u.CacheWrite, u.Reasoning)
	}
	began := f.mode == answerPass || f.mode == answerTranslate
	guess := false
	switch {
	case counted && (class == "" || f.settled()):
	case !began || f.early != nil:
		// The provider refused, or answered with an error: what it counted is charged, what it did not is not.
		if !counted {
			if class == "timeout" || class == "aborted" || class == "protocol" {
				f.unsettled = true
			}
			f.total()
			return
		}
	default:
		guess = f.guess(u)
		if !u.Known && !counted {
			f.unsettled = f.unsettled || class != ""
			f.total()
			return
		}
	}
	f.rec.HasTokens, f.rec.ServiceTier, f.rec.Units = u.Known, u.Service, u.Units
	f.rec.Stated, f.rec.HasStated = u.Stated, u.HasStated
	f.rec.Tokens = calllog.Tokens{
		Input: u.Input, Output: u.Output, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite, CacheWrite1h: u.CacheWrite1h,
		Reasoning: u.Reasoning, InputAudio: u.InputAudio, OutputAudio: u.OutputAudio, Estimate: guess,
		InputImage: u.InputImage, OutputImage: u.OutputImage, Citation: u.Citation, BilledInput: u.BilledInput, BilledOutput: u.BilledOutput,
	}
	used := u.Priced()
	if guess {
		used = u.Counted()
		used.Estimate = true
	}
	c := f.target.Price.Of(&used)
	if !c.Known {
		f.unpriced, f.lacking = true, f.lacking|c.Missing
		f.target.Metrics.Unpriced()
		f.total()
		return
	}
	f.target.Metrics.Cost(uint64(c.Amount), c.Estimate)
	a.Cost, a.HasCost = c.Amount, true
	f.rec.Price = f.target.Price.Version
	f.unsettled = f.unsettled || c.Estimate
	sum, ok := f.cost.Plus(c.Amount)
	f.cost, f.charged, f.unpriced = sum, true, f.unpriced || !ok
	f.total()
}

// spoken counts the characters of a text that is read aloud, where the target is paid by them: no answer tells.
func (f *chatFlow) spoken(u *dialect.Usage) {
	if f.speaks.id != openAISpeech {
		return
	}
	if _, ok := f.target.Price.Rate("", 0, price.Character); ok {
		u.Units.Characters = openaitask.Characters(f.body)
	}
}

// total writes what is known of the exchange's cost into the record.
func (f *chatFlow) total() {
	f.rec.HasCost, f.rec.Unpriced = f.charged && !f.unpriced, f.lacking
	if !f.rec.HasCost {
		f.rec.Cost, f.rec.CostEstimate, f.rec.Price = 0, false, ""
		return
	}
	f.rec.Cost, f.rec.CostEstimate = f.cost, f.unsettled
}

// settled reports whether the answer was complete for the purpose of counting, though the attempt failed.
func (f *chatFlow) settled() bool {
	if f.mode == answerPass {
		return f.tap.Seen().Done
	}
	return f.mode == answerTranslate && f.enc.Done() && f.late == nil
}

// guess fills in what the provider has not counted of an answer that began, and reports whether it did: the request by
// its bytes, a stream by its pieces, which are about a token each, a whole answer by its bytes.
func (f *chatFlow) guess(u *dialect.Usage) bool {
	var out int64
	switch {
	case f.speaks.op != chat && f.speaks.op != embed:
		return false // its bytes tell nothing
	case f.speaks.op == embed:
	case !f.head.Stream && f.mode == answerPass:
		out = tokensOf(f.rec.BytesOut)
	case !f.head.Stream:
		out = tokensOf(f.received)
	case f.mode == answerPass:
		out = f.tap.Seen().Pieces
	default:
		out = f.pieces
	}
	if out == 0 && !u.Known && f.speaks.op != embed {
		return false // nothing was seen
	}
	if !u.Known {
		u.Input, u.Known = tokensOf(int64(len(f.body))), true
	}
	u.Output = max(u.Output, out)
	return true
}

func tokensOf(bytes int64) int64 { return (bytes + bytesPerToken - 1) / bytesPerToken }
