package price

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// list makes a price of "kind amount" lines; "above N" and "service S" begin a tier.
func list(t testing.TB, lines ...string) *Price {
	t.Helper()
	var p Price
	var above int64
	service := ""
	for _, l := range lines {
		name, value, _ := strings.Cut(l, " ")
		switch name {
		case "above":
			n, _ := new(big.Int).SetString(value, 10)
			above = n.Int64()
			continue
		case "service":
			service, above = value, 0
			continue
		}
		k, ok := ParseKind(name)
		if !ok {
			t.Fatalf("no kind %q", name)
		}
		f, err := ParseRate(value, k)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		p.Rates = append(p.Rates, Rate{Service: service, Above: above, Kind: k, Femto: f})
	}
	p = p.Identify()
	if err := p.Check(); err != nil {
		t.Fatalf("%v: %v", lines, err)
	}
	return &p
}

func TestCost(t *testing.T) {
	gpt := list(t, "input 1.25", "output 10", "cacheRead 0.125")
	claude := list(t, "input 3", "output 15", "cacheRead 0.3", "cacheWrite 3.75", "cacheWrite1h 6")
	gemini := list(t, "input 1.25", "output 10", "cacheRead 0.125", "above 200000", "input 2.5", "output 15", "cacheRead 0.25")
	for _, c := range []struct {
		name     string
		price    *Price
		usage    Usage
		want     string // "" unknown
		estimate bool
	}{
		{"input and output", gpt, Usage{Input: 1000, Output: 500}, "0.00625", false},
		{"one token of input is exact", gpt, Usage{Input: 1}, "0.00000125", false},
		{"cached input of OpenAI is part of the input and not paid twice", gpt, Usage{Input: 1000, CacheRead: 800, Output: 10}, "0.00045", false},
		{"reasoning is part of the output and not paid twice", gpt, Usage{Input: 10, Output: 1000, Reasoning: 900}, "0.0100125", false},
		{"cache of Anthropic: read, five minutes and an hour apart", claude, Usage{Input: 10_000, CacheRead: 4000, CacheWrite: 5000, CacheWrite1h: 2000, Output: 100}, "0.02895", false},
		{"a kind without a price is priced as what it is part of", list(t, "input 1", "output 2"), Usage{Input: 100, CacheRead: 40, CacheWrite: 30, CacheWrite1h: 10, Output: 10, Reasoning: 5}, "0.00012", false},
		{"at the threshold the lower tier holds", gemini, Usage{Input: 200_000, Output: 1000}, "0.26", false},
		{"above the threshold the higher tier holds for all of it", gemini, Usage{Input: 200_001, Output: 1000}, "0.5150025", false},
		{"cached input counts towards the threshold", gemini, Usage{Input: 300_000, CacheRead: 299_000}, "0.07725", false},
		{"a tier without a kind takes the lower tier's", list(t, "input 1", "output 2", "above 10", "input 3"), Usage{Input: 11, Output: 1}, "0.000035", false},
		{"a service tier with a price", list(t, "input 1", "output 2", "service batch", "input 0.5", "output 1"), Usage{Input: 10, Output: 10, Service: "batch"}, "0.000015", false},
		{"a service tier without a price is a guess", gpt, Usage{Input: 1000, Service: "priority"}, "0.00125", true},
		{"the default service is no guess", gpt, Usage{Input: 1000, Service: "default"}, "0.00125", false},
		{"audio without a price is a guess", gpt, Usage{Input: 1000, InputAudio: 1000}, "0.00125", true},
		{"audio with a price", list(t, "input 1", "output 2", "inputAudio 40", "outputAudio 80"), Usage{Input: 100, InputAudio: 60, Output: 10, OutputAudio: 10}, "0.00324", false},
		{"images and the request by the piece", list(t, "image 0.04", "request 0.005"), Usage{Images: 2}, "0.085", false},
		{"what has no price is unknown", list(t, "input 1"), Usage{Input: 10, Output: 1}, "", false},
		{"without a price nothing is known", nil, Usage{Input: 10}, "", false},
		{"a free model costs nothing, and that is known", list(t, "input 0", "output 0"), Usage{Input: 10, Output: 1}, "0", false},
		{"nothing used costs nothing", gpt, Usage{}, "0", false},
		{"estimated tokens make an estimate", gpt, Usage{Input: 8, Estimate: true}, "0.00001", true},
		{"parts that exceed the whole are priced as they are", gpt, Usage{Input: 10, CacheRead: 1000}, "0.000125", true},
		{"negative numbers are nonsense", gpt, Usage{Input: -5, Output: 1}, "0.00001", true},
		{"the rounding is half to even, once: 0.5 pico-USD is 0", list(t, "input 0.0000005"), Usage{Input: 1}, "0", false},
		{"1.5 pico-USD is 2", list(t, "input 0.0000005"), Usage{Input: 3}, "0.000000000002", false},
		{"2.5 pico-USD is 2", list(t, "input 0.0000005"), Usage{Input: 5}, "0.000000000002", false},
		{"an absurd number of tokens is exact too", gpt, Usage{Input: 10_000_000_000_000}, "12500000", false},
		{"and unknown beyond 18 million USD", gpt, Usage{Input: 1 << 62}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.price.Of(&c.usage)
			if c.want == "" {
				if got != (Cost{}) {
					t.Errorf("got %+v, want nothing known", got)
				}
				return
			}
			if !got.Known || got.Amount.String() != c.want || got.Estimate != c.estimate {
				t.Errorf("got %s %+v, want %s, estimate %v", got.Amount, got, c.want, c.estimate)
			}
		})
	}
}

// TestCostAgreesWithRationalArithmetic computes the same cost with big.Rat, straight from the definition.
func TestCostAgreesWithRationalArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		femto := rapid.Uint64Range(0, 700_000_000_000) // 700 USD a million
		rate := map[Kind]uint64{Input: femto.Draw(t, "input"), Output: femto.Draw(t, "output")}
		for _, k := range []Kind{CacheRead, CacheWrite, CacheWrite1h, Reasoning, InputAudio, OutputAudio} {
			if rapid.Bool().Draw(t, "has "+k.String()) {
				rate[k] = femto.Draw(t, k.String())
			}
		}
		var p Price
		for _, k := range Kinds() {
			if f, ok := rate[k]; ok {
				p.Rates = append(p.Rates, Rate{Kind: k, Femto: f})
			}
		}
		n := rapid.Int64Range(0, 2_000_000)
		u := Usage{CacheRead: n.Draw(t, "read"), CacheWrite1h: n.Draw(t, "1h"), InputAudio: n.Draw(t, "audio in"), Reasoning: n.Draw(t, "thought"), OutputAudio: n.Draw(t, "audio out")}
		plain, write5m, said := n.Draw(t, "plain"), n.Draw(t, "5m"), n.Draw(t, "said")
		u.CacheWrite = write5m + u.CacheWrite1h
		u.Input = plain + u.CacheRead + u.CacheWrite + u.InputAudio
		u.Output = said + u.Reasoning + u.OutputAudio
		or := func(ks ...Kind) uint64 {
			for _, k := range ks {
				if f, ok := rate[k]; ok {
					return f
				}
			}
			t.Fatal("no rate")
			return 0
		}
		want := new(big.Rat)
		add := func(n int64, femto uint64) {
			x := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(n), new(big.Int).SetUint64(femto)), big.NewInt(1_000_000_000_000_000))
			want.Add(want, x)
		}
		add(plain, or(Input))
		add(u.CacheRead, or(CacheRead, Input))
		add(write5m, or(CacheWrite, Input))
		add(u.CacheWrite1h, or(CacheWrite1h, CacheWrite, Input))
		add(u.InputAudio, or(InputAudio, Input))
		add(said, or(Output))
		add(u.Reasoning, or(Reasoning, Output))
		add(u.OutputAudio, or(OutputAudio, Output))
		got := p.Of(&u)
		back, ok := new(big.Rat).SetString(got.Amount.String())
		if !ok || !got.Known {
			t.Fatalf("%+v is no amount", got)
		}
		off := new(big.Rat).Sub(want, back)
		if off.Abs(off).Cmp(big.NewRat(1, 2_000_000_000_000)) > 0 {
			t.Fatalf("got %s, want %s", got.Amount, want.FloatString(20))
		}
		if again, err := ParseAmount(got.Amount.String()); err != nil || again != got.Amount {
			t.Fatalf("%s reads as %v, %v", got.Amount, again, err)
		}
	})
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint64
		err  error
	}{
		{"1.25", 1_250_000_000, nil},
		{"0", 0, nil},
		{"0.000000001", 1, nil},
		{"007.50", 7_500_000_000, nil},
		{"1.2500000000000", 1_250_000_000, nil},
		{"0.0000000001", 0, ErrDecimals},
		{"-1", 0, ErrNegative},
		{"$1.25", 0, ErrSign},
		{"1.25 USD", 0, ErrSign},
		{"1,25", 0, ErrComma},
		{"1e-6", 0, ErrExponent},
		{"", 0, ErrNumber},
		{".5", 0, ErrNumber},
		{"5.", 0, ErrNumber},
		{"1.2.3", 0, ErrNumber},
		{"free", 0, ErrNumber},
		{"99999999999999999999", 0, ErrRange},
		{"18446744074", 0, ErrRange},
	} {
		got, err := ParseRate(c.text, Input)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: got %d, %v, want %d, %v", c.text, got, err, c.want, c.err)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"1.25", "0.000000001", "18446744073.709551615", "-0", "1e9", "1.", "０.５"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseRate(s, Input)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is %d, and no number", s, n)
		}
		got := new(big.Rat).SetFrac(new(big.Int).SetUint64(n), big.NewInt(1_000_000_000))
		if got.Cmp(want) != 0 {
			t.Fatalf("%q is %s", s, got.FloatString(12))
		}
		if again, err := ParseRate(FormatRate(n, Input), Input); err != nil || again != n {
			t.Fatalf("%d is written %q, which reads %d, %v", n, FormatRate(n, Input), again, err)
		}
	})
}

func TestCheckRefuses(t *testing.T) {
	good := func() Price { return *list(t, "input 1", "output 2") }
	for name, spoil := range map[string]func(*Price){
		"no rates":              func(p *Price) { p.Rates = nil },
		"rates out of order":    func(p *Price) { p.Rates[0], p.Rates[1] = p.Rates[1], p.Rates[0] },
		"a rate twice":          func(p *Price) { p.Rates = append(p.Rates, p.Rates[1]) },
		"an unknown kind":       func(p *Price) { p.Rates[1].Kind = 99 },
		"an unknown service":    func(p *Price) { p.Rates[1].Service = "turbo" },
		"a negative threshold":  func(p *Price) { p.Rates[0].Above = -1 },
		"somebody else's price": func(p *Price) { p.Rates[0].Femto++ },
	} {
		t.Run(name, func(t *testing.T) {
			p := good()
			spoil(&p)
			if name != "somebody else's price" {
				p = p.Identify()
			}
			if p.Check() == nil {
				t.Errorf("%+v passes", p)
			}
		})
	}
}

func TestAmountsAddUpWithinReach(t *testing.T) {
	if s, ok := (2 * PerUSD).Plus(PerUSD / 2); !ok || s.String() != "2.5" {
		t.Errorf("got %s, %v", s, ok)
	}
	if _, ok := Amount(1 << 63).Plus(1 << 63); ok {
		t.Error("a sum that wraps was taken for one")
	}
}

func TestCostAllocatesNothing(t *testing.T) {
	p := list(t, "input 1.25", "output 10", "cacheRead 0.125", "above 200000", "input 2.5", "output 15", "cacheRead 0.25")
	u := Usage{Input: 250_000, CacheRead: 100_000, Output: 5000, Reasoning: 4000}
	if n := testing.AllocsPerRun(1000, func() { p.Of(&u) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOf(b *testing.B) {
	p := list(b, "input 1.25", "output 10", "cacheRead 0.125", "above 200000", "input 2.5", "output 15", "cacheRead 0.25")
	u := Usage{Input: 250_000, CacheRead: 100_000, Output: 5000, Reasoning: 4000}
	for b.Loop() {
		p.Of(&u)
	}
}
