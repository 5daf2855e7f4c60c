// Package price is money: exact prices of upstream models, and what an exchange costs by them.
//
// A [Price] enters with a [Usage] by kind; a [Cost] leaves. Prices are whole numbers of femto-USD (10⁻¹⁵ USD) per
// unit, which says every price per million tokens with up to nine decimals exactly. The parts of an exchange are
// multiplied and added in 128 bits, so that nothing is lost on the way, and the sum is rounded once, half to even, to
// pico-USD (10⁻¹² USD).
//
// Two invariants. What is not known is not zero: an exchange of which some part has no price has no cost, and a cost
// that rests on a guess says so ([Cost.Estimate]). And no unit is paid for twice: kinds that are part of another kind
// (cached input, reasoning) are taken out of it before it is priced.
//
// Floating point was refused: 0.1 + 0.2 is a bug report in an invoice. Arbitrary precision was refused for the request
// path, which may not allocate; the tests hold this arithmetic against math/big.Rat.
package price

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"strconv"
)

// Kind is a kind of units that have a price of their own.
type Kind uint8

// The kinds. Tokens are priced per token, images and requests by the piece.
const (
	Input        Kind = iota + 1 // tokens of the request that no other kind names
	Output                       // tokens of the answer that no other kind names
	CacheRead                    // input tokens that the provider had in its cache
	CacheWrite                   // input tokens that it put there, for its shortest time (five minutes)
	CacheWrite1h                 // input tokens that it put there for an hour
	Reasoning                    // output tokens that the model thought with
	InputAudio                   // input tokens of audio
	OutputAudio                  // output tokens of audio
	Image                        // images that were made
	Request                      // the exchange itself
	kinds
)

var kindNames = [kinds]string{"", "input", "output", "cacheRead", "cacheWrite", "cacheWrite1h", "reasoning", "inputAudio", "outputAudio", "image", "request"}

// String returns the kind's name in the language: "cacheRead".
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// ParseKind returns the kind of a name of the language.
func ParseKind(name string) (Kind, bool) {
	for k := Input; k < kinds; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// Kinds returns every kind, in order.
func Kinds() []Kind {
	l := make([]Kind, 0, kinds-1)
	for k := Input; k < kinds; k++ {
		l = append(l, k)
	}
	return l
}

// Piece reports whether units of the kind are priced by the piece and not per million tokens.
func (k Kind) Piece() bool { return k == Image || k == Request }

// Price is what the units of one upstream model cost. It is immutable.
type Price struct {
	// Version identifies the price: 16 hex digits over everything that is said here but Source and Date. Two
	// exchanges with the same version were charged by the same numbers.
	Version string `cbor:"1,keyasint"`
	// Source says who said so: "models.dev 1a2b3c4 openai/gpt-5", or the place in the repository.
	Source string `cbor:"2,keyasint,omitempty"`
	// Date is the day of which the source speaks, "2026-06-30"; "" where it says none.
	Date string `cbor:"3,keyasint,omitempty"`
	// Rates are sorted by service, threshold and kind; no two agree in all three.
	Rates []Rate `cbor:"4,keyasint"`
}

// Rate is the price of one kind of units in one tier.
type Rate struct {
	// Service is the provider's service tier: "" is its usual one; "batch", "flex", "priority".
	Service string `cbor:"1,keyasint,omitempty"`
	// Above is the number of input tokens above which the rate holds, for the whole exchange; 0: always.
	Above int64 `cbor:"2,keyasint,omitempty"`
	Kind  Kind  `cbor:"3,keyasint"`
	// Femto is the price of one unit in 10⁻¹⁵ USD. 1 USD per million tokens is 10⁹.
	Femto uint64 `cbor:"4,keyasint"`
}

// Services are the service tiers that may have prices of their own.
func Services() []string { return []string{"batch", "flex", "priority"} }

// Identify returns the price with its version set.
func (p Price) Identify() Price {
	h := sha256.New()
	for _, r := range p.Rates {
		fmt.Fprintf(h, "%s %d %s %d\n", r.Service, r.Above, r.Kind, r.Femto)
	}
	p.Version = hex.EncodeToString(h.Sum(nil)[:8])
	return p
}

// Check reports what makes a price unfit, or nil.
func (p *Price) Check() error {
	if len(p.Rates) == 0 {
		return fmt.Errorf("it says nothing")
	}
	if len(p.Rates) > 256 {
		return fmt.Errorf("it has %d rates, at most 256", len(p.Rates))
	}
	for i, r := range p.Rates {
		switch {
		case r.Kind == 0 || r.Kind >= kinds:
			return fmt.Errorf("rate %d has kind %d, which this binary does not know", i, r.Kind)
		case r.Above < 0:
			return fmt.Errorf("rate %d begins at a negative number of tokens", i)
		case r.Service != "" && r.Service != "batch" && r.Service != "flex" && r.Service != "priority":
			return fmt.Errorf("rate %d is for service %q, which this binary does not know", i, r.Service)
		case i > 0 && !less(p.Rates[i-1], r):
			return fmt.Errorf("rate %d is out of order", i)
		}
	}
	if v := p.Identify().Version; v != p.Version {
		return fmt.Errorf("its version is %q, its rates make it %q", p.Version, v)
	}
	return nil
}

func less(a, b Rate) bool {
	if a.Service != b.Service {
		return a.Service < b.Service
	}
	if a.Above != b.Above {
		return a.Above < b.Above
	}
	return a.Kind < b.Kind
}

// Rate returns the price of a unit in a tier as it stands there, without falling back.
func (p *Price) Rate(service string, above int64, k Kind) (femto uint64, ok bool) {
	for i := range p.Rates {
		if r := &p.Rates[i]; r.Kind == k && r.Above == above && r.Service == service {
			return r.Femto, true
		}
	}
	return 0, false
}

// Free reports whether every unit costs nothing.
func (p *Price) Free() bool {
	for i := range p.Rates {
		if p.Rates[i].Femto != 0 {
			return false
		}
	}
	return true
}

// Usage is what an exchange used, in the inside convention of the dialects: Input is all input tokens, those of
// CacheRead, CacheWrite and InputAudio included; CacheWrite includes CacheWrite1h; Output is all output tokens,
// Reasoning and OutputAudio included.
//
// Its JSON form is that of "tokens" in a call record.
type Usage struct {
	Input        int64 `json:"input"`
	Output       int64 `json:"output"`
	CacheRead    int64 `json:"cache_read,omitempty"`
	CacheWrite   int64 `json:"cache_write,omitempty"`
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"`
	Reasoning    int64 `json:"reasoning,omitempty"`
	InputAudio   int64 `json:"input_audio,omitempty"`
	OutputAudio  int64 `json:"output_audio,omitempty"`
	Images       int64 `json:"images,omitempty"`
	// Service is the service tier that the provider says it served with; "" and unknown words are its usual one.
	Service string `json:"service,omitempty"`
	// Estimate tells that some of the numbers are a guess.
	Estimate bool `json:"estimate,omitempty"`
}

// Cost is what an exchange cost. Known is false where some unit that was used has no price; Amount is then 0 and means
// nothing.
type Cost struct {
	Amount Amount
	Known  bool
	// Estimate tells that the amount rests on a guess: estimated tokens, numbers of the provider that contradict each
	// other, a service tier or audio without a price of its own.
	Estimate bool
}

// Of returns what a usage costs. A nil price knows nothing.
//
// The rates are those of the service tier, and within it those of the highest threshold that the input tokens exceed;
// a kind that has no rate there takes the one of the next lower threshold. A kind without any rate is priced as the
// kind that it is part of: cached and written input and input audio as input, an hour's cache as five minutes', reasoning
// and output audio as output.
//
// Budget: no allocation, under 0.2 µs.
func (p *Price) Of(u *Usage) Cost {
	if p == nil {
		return Cost{}
	}
	c := Cost{Known: true, Estimate: u.Estimate}
	s := sum{price: p, usage: u, cost: &c}
	if u.Service != "" {
		for i := range p.Rates {
			if p.Rates[i].Service == u.Service {
				s.service = u.Service
				break
			}
		}
		if s.service == "" && (u.Service == "batch" || u.Service == "flex" || u.Service == "priority") {
			c.Estimate = true
		}
	}
	cached, written, hour, audioIn := s.count(u.CacheRead), s.count(u.CacheWrite), s.count(u.CacheWrite1h), s.count(u.InputAudio)
	s.add(s.left(s.count(u.Input), cached, written, audioIn), Input, 0, 0)
	s.add(cached, CacheRead, Input, 0)
	s.add(s.left(written, hour), CacheWrite, Input, 0)
	s.add(hour, CacheWrite1h, CacheWrite, Input)
	s.audio(audioIn, InputAudio, Input)
	thought, audioOut := s.count(u.Reasoning), s.count(u.OutputAudio)
	s.add(s.left(s.count(u.Output), thought, audioOut), Output, 0, 0)
	s.add(thought, Reasoning, Output, 0)
	s.audio(audioOut, OutputAudio, Output)
	s.add(s.count(u.Images), Image, 0, 0)
	if _, ok := s.rate(Request); ok {
		s.add(1, Request, 0, 0)
	}
	if !c.Known {
		return Cost{}
	}
	a, ok := round(s.hi, s.lo)
	if !ok {
		return Cost{}
	}
	c.Amount = a
	return c
}

// sum adds up the parts of an exchange, in femto-USD of 128 bits.
type sum struct {
	price   *Price
	usage   *Usage
	cost    *Cost
	service string
	hi, lo  uint64
}

// count takes a number of a provider. Negative ones are nonsense.
func (s *sum) count(n int64) uint64 {
	if n < 0 {
		s.cost.Estimate = true
		return 0
	}
	return uint64(n)
}

// left is what remains of a whole without its parts. Parts that exceed the whole are the provider's mistake: they are
// priced as they are, and the sum is an estimate.
func (s *sum) left(whole uint64, parts ...uint64) uint64 {
	for _, p := range parts {
		if p > whole {
			s.cost.Estimate = true
			return 0
		}
		whole -= p
	}
	return whole
}

// rate finds the price of a kind in the exchange's tier.
func (s *sum) rate(k Kind) (femto uint64, ok bool) {
	best := int64(-1)
	for i := range s.price.Rates {
		r := &s.price.Rates[i]
		if r.Kind == k && r.Service == s.service && r.Above > best && (r.Above == 0 || s.usage.Input > r.Above) {
			best, femto, ok = r.Above, r.Femto, true
		}
	}
	return femto, ok
}

// audio adds tokens of audio. At the price of text they are a guess.
func (s *sum) audio(n uint64, k, whole Kind) {
	if n == 0 {
		return
	}
	if _, ok := s.rate(k); !ok {
		s.cost.Estimate = true
	}
	s.add(n, k, whole, 0)
}

// add adds n units at the price of the first of three kinds that has one.
func (s *sum) add(n uint64, k, or, or2 Kind) {
	if n == 0 {
		return
	}
	femto, ok := s.rate(k)
	if !ok && or != 0 {
		femto, ok = s.rate(or)
	}
	if !ok && or2 != 0 {
		femto, ok = s.rate(or2)
	}
	if !ok {
		s.cost.Known = false
		return
	}
	hi, lo := bits.Mul64(n, femto)
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, carry = bits.Add64(s.hi, hi, carry)
	if carry != 0 {
		s.cost.Known = false // more than 10²³ USD
	}
}

// round makes an amount of a sum in femto-USD, half to even. It reports false where the amount is beyond reach.
func round(hi, lo uint64) (Amount, bool) {
	if hi >= 1000 {
		return 0, false
	}
	q, r := bits.Div64(hi, lo, 1000)
	if r > 500 || r == 500 && q&1 == 1 {
		if q == math.MaxUint64 {
			return 0, false
		}
		q++
	}
	return Amount(q), true
}

// String writes the price for people: "input 1.25, output 10; above 200000 tokens input 2.5". Numbers are USD per
// million tokens, or for each image and request.
func (p *Price) String() string {
	var b []byte
	for i, r := range p.Rates {
		tier := i == 0 || r.Service != p.Rates[i-1].Service || r.Above != p.Rates[i-1].Above
		switch {
		case i == 0:
		case tier:
			b = append(b, "; "...)
		default:
			b = append(b, ", "...)
		}
		if tier && r.Service != "" {
			b = append(append(append(b, "service "...), r.Service...), ' ')
		}
		if tier && r.Above > 0 {
			b = append(strconv.AppendInt(append(b, "above "...), r.Above, 10), " tokens "...)
		}
		b = append(append(b, r.Kind.String()...), ' ')
		b = AppendRate(b, r.Femto, r.Kind)
	}
	return string(b)
}
