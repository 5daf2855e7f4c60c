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
	"slices"
	"strconv"
)

// Kind is a kind of units that have a price of their own.
type Kind uint8

// The kinds. Tokens and characters are priced by the million, everything else by the piece. The numbers stand in
// artifacts: kinds are added at the end.
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
	InputImage                   // input tokens of images
	OutputImage                  // output tokens of images
	Citation                     // tokens of the sources that the provider read to answer
	WebSearch                    // searches of the web that the provider made
	FileSearch                   // searches of the caller's files that the provider made
	ServerTool                   // calls of other tools that the provider ran
	SearchUnit                   // units of reranking, as the provider counts them
	Character                    // characters of a text to be spoken
	Second                       // seconds of audio that were heard
	kinds
)

var kindNames = [kinds]string{"", "input", "output", "cacheRead", "cacheWrite", "cacheWrite1h", "reasoning", "inputAudio", "outputAudio", "image", "request",
	"inputImage", "outputImage", "citation", "webSearch", "fileSearch", "serverTool", "searchUnit", "character", "second"}

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

// Piece reports whether units of the kind are priced by the piece and not by the million.
func (k Kind) Piece() bool {
	switch k {
	case Image, Request, WebSearch, FileSearch, ServerTool, SearchUnit, Second:
		return true
	}
	return false
}

// Beside reports whether units of the kind are counted beside the tokens of an exchange, and cost the same in every
// service tier.
func (k Kind) Beside() bool { return k.Piece() || k == Character || k == Citation }

// Per is what a price of the kind is for: "million tokens", "million characters", or one of the pieces.
func (k Kind) Per() string {
	switch {
	case k == Character:
		return "million characters"
	case k == WebSearch, k == FileSearch:
		return "search"
	case k == ServerTool:
		return "call"
	case k == SearchUnit:
		return "search unit"
	case k.Piece():
		return k.String()
	}
	return "million tokens"
}

// Set is a set of kinds.
type Set uint32

// unpricedTier is the bit of a service tier without a price, where that of kind 0 would be.
const unpricedTier Set = 1

func of(k Kind) Set { return 1 << k }

// Has reports whether a kind is in the set.
func (s Set) Has(k Kind) bool { return s&of(k) != 0 }

// Append appends the names of what is in the set: kinds in their order, and "service" for a tier of the provider that has
// no price.
func (s Set) Append(l []string) []string {
	if s&unpricedTier != 0 {
		l = append(l, "service")
	}
	for k := Input; k < kinds; k++ {
		if s.Has(k) {
			l = append(l, kindNames[k])
		}
	}
	return l
}

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
	// Service is the provider's service tier: "" is its usual one; else one of [Services].
	Service string `cbor:"1,keyasint,omitempty"`
	// Above is the number of input tokens above which the rate holds, for the whole exchange; 0: always.
	Above int64 `cbor:"2,keyasint,omitempty"`
	Kind  Kind  `cbor:"3,keyasint"`
	// Femto is the price of one unit in 10⁻¹⁵ USD. 1 USD per million tokens is 10⁹.
	Femto uint64 `cbor:"4,keyasint"`
}

// Services are the service tiers that may have prices of their own, sorted: what providers say that they served an
// exchange with. "fast" and "us" are Anthropic's fast mode and its work in the United States alone, "search-medium" and
// "search-high" Perplexity's amounts of searching beyond the least.
func Services() []string { return slices.Clone(services) }

var services = []string{"batch", "fast", "flex", "performance", "priority", "provisioned", "reserved", "scale", "search-high", "search-medium", "us"}

// Other is the service tier of an exchange of which the provider's word is none of [Services]. It has no price.
const Other = "other"

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
		case r.Service != "" && !slices.Contains(services, r.Service):
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

// Rate returns the price of a unit in a tier as it stands there, without falling back. A nil price has none.
func (p *Price) Rate(service string, above int64, k Kind) (femto uint64, ok bool) {
	if p == nil {
		return 0, false
	}
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
// CacheRead, CacheWrite, InputAudio and InputImage included; CacheWrite includes CacheWrite1h; Output is all output
// tokens, Reasoning, OutputAudio and OutputImage included. Citation stands beside both. The rest are pieces.
//
// Its JSON form is that of "tokens" and "units" in a call record.
type Usage struct {
	Input        int64 `json:"input"`
	Output       int64 `json:"output"`
	CacheRead    int64 `json:"cache_read,omitempty"`
	CacheWrite   int64 `json:"cache_write,omitempty"`
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"`
	Reasoning    int64 `json:"reasoning,omitempty"`
	InputAudio   int64 `json:"input_audio,omitempty"`
	OutputAudio  int64 `json:"output_audio,omitempty"`
	InputImage   int64 `json:"input_image,omitempty"`
	OutputImage  int64 `json:"output_image,omitempty"`
	Citation     int64 `json:"citation,omitempty"`
	Units
	// Service is the service tier that the provider says it served with; "" is its usual one.
	Service string `json:"service,omitempty"`
	// Estimate tells that some of the numbers are a guess.
	Estimate bool `json:"estimate,omitempty"`
}

// Units are what an exchange used apart from tokens.
type Units struct {
	Images       int64 `json:"images,omitempty"`
	WebSearches  int64 `json:"web_searches,omitempty"`
	FileSearches int64 `json:"file_searches,omitempty"`
	ServerTools  int64 `json:"server_tools,omitempty"` // other than searches
	SearchUnits  int64 `json:"search_units,omitempty"`
	Characters   int64 `json:"characters,omitempty"`
	Seconds      int64 `json:"seconds,omitempty"`
}

// Any reports whether anything was used.
func (u *Units) Any() bool { return *u != Units{} }

// Cost is what an exchange cost. Known is false where some unit that was used has no price; Amount is then 0 and means
// nothing, and Missing says which units these are.
type Cost struct {
	Amount Amount
	Known  bool
	// Estimate tells that the amount rests on a guess: estimated tokens, or numbers of the provider that contradict each
	// other.
	Estimate bool
	Missing  Set
}

// Of returns what a usage costs. A nil price knows nothing.
//
// The rates are those of the service tier, and within it those of the highest threshold that the input tokens exceed;
// a kind that has no rate there takes the one of the next lower threshold. A tier of service without any rate has no
// price, and what was served with it no cost; pieces cost the same in all of them, unless the tier says otherwise.
//
// A kind without any rate is priced as the kind that it is part of where vendors bill it so: cached and written input
// and images that are read as input, an hour's cache as five minutes', reasoning as output. Audio and images that are
// made never cost what text does: without a rate of their own they have no price. Nor has a kind in a tier of service
// that is silent about it, or about exchanges of that size, where the usual tier prices them apart. Images that are made are charged by
// the piece where the price says so, and by their tokens elsewhere. Citations and requests are charged where the price
// has a rate for them, since most vendors count them and charge nothing.
//
// Budget: no allocation, under 0.2 µs.
func (p *Price) Of(u *Usage) Cost {
	c := Cost{Known: true, Estimate: u.Estimate}
	s := sum{usage: u, cost: &c}
	if p != nil {
		s.usual = tier(p.Rates, "")
		s.rates = s.usual
		if u.Service != "" {
			if s.rates = tier(p.Rates, u.Service); len(s.rates) == 0 {
				return Cost{Missing: unpricedTier}
			}
		}
	}
	cached, written, hour, heard := s.count(u.CacheRead), s.count(u.CacheWrite), s.count(u.CacheWrite1h), s.count(u.InputAudio)
	seen := uint64(0)
	if u.InputImage != 0 && (s.priced(InputImage) || s.apart(InputImage)) {
		seen = s.count(u.InputImage)
	}
	s.add(s.left(s.count(u.Input), cached, written, heard, seen), Input, 0, 0)
	s.add(cached, CacheRead, Input, 0)
	s.add(s.left(written, hour), CacheWrite, Input, 0)
	s.add(hour, CacheWrite1h, CacheWrite, Input)
	s.add(heard, InputAudio, 0, 0)
	s.add(seen, InputImage, 0, 0)
	thought, spoken, drawn := s.count(u.Reasoning), s.count(u.OutputAudio), s.count(u.OutputImage)
	images := s.count(u.Images)
	piecewise := images > 0 && s.priced(Image)
	s.add(s.left(s.count(u.Output), thought, spoken, drawn), Output, 0, 0)
	s.add(thought, Reasoning, Output, 0)
	s.add(spoken, OutputAudio, 0, 0)
	if !piecewise {
		s.add(drawn, OutputImage, 0, 0)
	}
	if piecewise || images > 0 && u.Output == 0 {
		s.add(images, Image, 0, 0)
	}
	if u.Citation != 0 && s.priced(Citation) {
		s.add(s.count(u.Citation), Citation, 0, 0)
	}
	if u.Any() {
		s.add(s.count(u.WebSearches), WebSearch, 0, 0)
		s.add(s.count(u.FileSearches), FileSearch, 0, 0)
		s.add(s.count(u.ServerTools), ServerTool, 0, 0)
		s.add(s.count(u.SearchUnits), SearchUnit, 0, 0)
		s.add(s.count(u.Characters), Character, 0, 0)
		s.add(s.count(u.Seconds), Second, 0, 0)
	}
	if s.priced(Request) {
		s.add(1, Request, 0, 0)
	}
	if !c.Known || p == nil {
		return Cost{Missing: c.Missing}
	}
	a, ok := round(s.hi, s.lo)
	if !ok {
		return Cost{}
	}
	c.Amount = a
	return c
}

// tier returns the rates of a service tier, which stand together.
func tier(rates []Rate, service string) []Rate {
	from := 0
	for from < len(rates) && rates[from].Service != service {
		from++
	}
	to := from
	for to < len(rates) && rates[to].Service == service {
		to++
	}
	return rates[from:to]
}

// sum adds up the parts of an exchange, in femto-USD of 128 bits.
type sum struct {
	usage  *Usage
	cost   *Cost
	rates  []Rate // of the exchange's service tier
	usual  []Rate // of the usual one
	hi, lo uint64
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
	femto, above := s.among(s.rates, k)
	if s.usage.Service == "" {
		return femto, above >= 0
	}
	usual, usualAbove := s.among(s.usual, k)
	switch {
	case k.Beside() && above < 0:
		return usual, usualAbove >= 0
	case above >= 0 && usualAbove > above:
		return 0, false // silent about exchanges of this size
	}
	return femto, above >= 0
}

// among finds the price of a kind in the rates of a service tier, and the threshold that it stands above: -1 where there
// is none.
func (s *sum) among(rates []Rate, k Kind) (femto uint64, above int64) {
	above = -1
	for i := range rates {
		if r := &rates[i]; r.Kind == k && r.Above > above && (r.Above == 0 || s.usage.Input > r.Above) {
			above, femto = r.Above, r.Femto
		}
	}
	return femto, above
}

func (s *sum) priced(k Kind) bool {
	_, ok := s.rate(k)
	return ok
}

// apart reports whether a service tier is silent about a kind that has a price of its own in the usual one: what it costs
// in the tier is not known then, and least of all what its whole costs.
func (s *sum) apart(k Kind) bool {
	if s.usage.Service == "" {
		return false
	}
	_, above := s.among(s.usual, k)
	return above >= 0
}

// add adds n units at the price of the first of three kinds that has one.
func (s *sum) add(n uint64, k, or, or2 Kind) {
	if n == 0 {
		return
	}
	femto, ok := s.rate(k)
	if !ok && or != 0 && !s.apart(k) {
		femto, ok = s.rate(or)
		if !ok && or2 != 0 && !s.apart(or) {
			femto, ok = s.rate(or2)
		}
	}
	if !ok {
		s.cost.Known = false
		s.cost.Missing |= of(k)
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
// million tokens or characters, or by the piece.
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
