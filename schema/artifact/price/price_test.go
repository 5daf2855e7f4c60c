package price

import (
	"errors"
	"math/big"
	"slices"
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
	slices.SortFunc(p.Rates, func(a, b Rate) int {
		if less(a, b) {
			return -1
		}
		return 1
	})
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
		{"audio with a price", list(t, "input 1", "output 2", "inputAudio 40", "outputAudio 80"), Usage{Input: 100, InputAudio: 60, Output: 10, OutputAudio: 10}, "0.00324", false},
		{"images and the request by the piece", list(t, "image 0.04", "request 0.005"), Usage{Units: Units{Images: 2}}, "0.085", false},
		{"tokens of images that are read cost what text does", gpt, Usage{Input: 1000, InputImage: 800}, "0.00125", false},
		{"and what the price says of them", list(t, "input 5", "output 40", "cacheRead 1.25", "inputImage 10", "outputImage 40"), Usage{Input: 50, InputImage: 40, Output: 1000, OutputImage: 1000}, "0.04045", false},
		{"images by the piece are not paid for by the token as well", list(t, "input 2", "output 12", "outputImage 120", "image 0.04"), Usage{Input: 10, Output: 1300, OutputImage: 1290, Units: Units{Images: 1}}, "0.04014", false},
		{"images are paid for by the token where no piece has a price", list(t, "input 2", "output 12", "outputImage 120"), Usage{Input: 10, Output: 1300, OutputImage: 1290, Units: Units{Images: 1}}, "0.15494", false},
		{"searches by the piece, beside the tokens that they brought", list(t, "input 3", "output 15", "webSearch 0.01"), Usage{Input: 1000, Output: 100, Units: Units{WebSearches: 3}}, "0.0345", false},
		{"every piece has its price", list(t, "input 0", "output 0", "webSearch 0.01", "fileSearch 0.0025", "serverTool 0.03", "searchUnit 0.002"), Usage{Units: Units{WebSearches: 1, FileSearches: 2, ServerTools: 1, SearchUnits: 5}}, "0.055", false},
		{"characters by the million", list(t, "character 15"), Usage{Units: Units{Characters: 11}}, "0.000165", false},
		{"seconds by the second", list(t, "second 0.0001"), Usage{Units: Units{Seconds: 9}}, "0.0009", false},
		{"citations cost what the price says", list(t, "input 2", "output 8", "citation 2"), Usage{Input: 10, Citation: 100}, "0.00022", false},
		{"and nothing where it says nothing", gpt, Usage{Input: 1000, Citation: 100}, "0.00125", false},
		{"a service tier without a price has none", gpt, Usage{Input: 1000, Service: "priority"}, "", false},
		{"nor has one that nobody knows", gpt, Usage{Input: 1000, Service: Other}, "", false},
		{"a service tier above a threshold", list(t, "input 1", "output 2", "above 10", "input 2", "output 3", "service flex", "input 0.5", "output 1", "above 10", "input 1", "output 1.5"), Usage{Input: 11, Output: 2, Service: "flex"}, "0.000014", false},
		{"a piece costs the same in all service tiers", list(t, "input 1", "output 2", "webSearch 0.01", "service flex", "input 0.5", "output 1"), Usage{Input: 10, Service: "flex", Units: Units{WebSearches: 1}}, "0.010005", false},
		{"unless the tier says otherwise", list(t, "input 1", "output 2", "webSearch 0.01", "service flex", "input 0.5", "output 1", "webSearch 0.005"), Usage{Input: 10, Service: "flex", Units: Units{WebSearches: 1}}, "0.005005", false},
		{"a service tier that is silent about cached input does not charge it as input", list(t, "input 1", "output 2", "cacheRead 0.1", "service flex", "input 0.5", "output 1"), Usage{Input: 10, CacheRead: 5, Service: "flex"}, "", false},
		{"a service tier that is silent about large exchanges does not charge them as small ones", list(t, "input 1", "output 2", "above 10", "input 2", "output 3", "service flex", "input 0.5", "output 1"), Usage{Input: 11, Output: 2, Service: "flex"}, "", false},
		{"where nothing prices it apart it is input", list(t, "input 1", "output 2", "service flex", "input 0.5", "output 1"), Usage{Input: 10, CacheRead: 5, Service: "flex"}, "0.000005", false},
		{"audio without a price has none", gpt, Usage{Input: 1000, InputAudio: 1000}, "", false},
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
				if got.Known || got.Amount != 0 || got.Estimate {
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

// TestCostSaysWhatHasNoPrice wants the names of the units that were used and have no price.
func TestCostSaysWhatHasNoPrice(t *testing.T) {
	gpt := list(t, "input 1.25", "output 10", "cacheRead 0.125", "service flex", "input 0.6", "output 5")
	for _, c := range []struct {
		name  string
		price *Price
		usage Usage
		want  string
	}{
		{"nothing where all is priced", gpt, Usage{Input: 10, Output: 1, CacheRead: 5}, ""},
		{"audio both ways", gpt, Usage{Input: 10, InputAudio: 5, Output: 10, OutputAudio: 1}, "inputAudio outputAudio"},
		{"images that are made", gpt, Usage{Input: 10, Output: 10, OutputImage: 9}, "outputImage"},
		{"images of which no tokens are told", gpt, Usage{Units: Units{Images: 1}}, "image"},
		{"images of which tokens are told cost those", gpt, Usage{Output: 10, Units: Units{Images: 1}}, ""},
		{"searches", gpt, Usage{Input: 1, Units: Units{WebSearches: 1, SearchUnits: 1}}, "webSearch searchUnit"},
		{"seconds and characters", gpt, Usage{Units: Units{Seconds: 1, Characters: 1}}, "character second"},
		{"a service tier", gpt, Usage{Input: 1, Service: "priority"}, "service"},
		{"a kind within a service tier", gpt, Usage{Input: 10, CacheRead: 1, Service: "flex"}, "cacheRead"},
		{"everything where there is no price", nil, Usage{Input: 10, Output: 1, CacheRead: 9, Service: "flex"}, "input output cacheRead"},
		{"nothing that was not used", nil, Usage{}, ""},
		{"a sum beyond reach lacks no price", gpt, Usage{Input: 1 << 62}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.price.Of(&c.usage)
			if text := strings.Join(got.Missing.Append(nil), " "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
			if got.Known && got.Missing != 0 {
				t.Errorf("%+v is known and lacks a price", got)
			}
		})
	}
}

// TestTheSumOfTwoExchangesIsTheirCosts holds what makes an invoice of records right: below a threshold, two exchanges
// together cost what each costs, but for the one rounding that each has.
func TestTheSumOfTwoExchangesIsTheirCosts(t *testing.T) {
	p := list(t, "input 1.234567891", "output 9.87654321", "cacheRead 0.123456789", "reasoning 3", "image 0.04", "inputAudio 40", "webSearch 0.01", "second 0.0001", "character 15",
		"service flex", "input 0.617", "output 4.9", "cacheRead 0.06", "reasoning 1", "inputAudio 20")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 300_000)
		service := rapid.SampledFrom([]string{"", "flex"}).Draw(t, "service")
		draw := func(which string) Usage {
			u := Usage{CacheRead: n.Draw(t, which+" read"), InputAudio: n.Draw(t, which+" audio"), Reasoning: n.Draw(t, which+" thought"), Service: service,
				Units: Units{Images: n.Draw(t, which+" images"), WebSearches: n.Draw(t, which+" searches"), Seconds: n.Draw(t, which+" seconds"), Characters: n.Draw(t, which+" characters")}}
			u.Input, u.Output = n.Draw(t, which+" plain")+u.CacheRead+u.InputAudio, n.Draw(t, which+" said")+u.Reasoning
			return u
		}
		x, y := draw("x"), draw("y")
		both := Usage{Input: x.Input + y.Input, Output: x.Output + y.Output, CacheRead: x.CacheRead + y.CacheRead, InputAudio: x.InputAudio + y.InputAudio, Reasoning: x.Reasoning + y.Reasoning, Service: service,
			Units: Units{Images: x.Images + y.Images, WebSearches: x.WebSearches + y.WebSearches, Seconds: x.Seconds + y.Seconds, Characters: x.Characters + y.Characters}}
		a, b, c := p.Of(&x), p.Of(&y), p.Of(&both)
		if !a.Known || !b.Known || !c.Known {
			t.Fatalf("%+v, %+v, %+v: not known", a, b, c)
		}
		if off := int64(c.Amount) - int64(a.Amount) - int64(b.Amount); off < -1 || off > 1 {
			t.Fatalf("%s and %s are %s: %d pico-USD off", a.Amount, b.Amount, c.Amount, off)
		}
	})
}

// TestCostAgreesWithRationalArithmetic computes the same cost with big.Rat, straight from the definition.
func TestCostAgreesWithRationalArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		femto := rapid.Uint64Range(0, 700_000_000_000) // 700 USD a million
		rate := map[Kind]uint64{Input: femto.Draw(t, "input"), Output: femto.Draw(t, "output")}
		rate[InputAudio], rate[OutputAudio] = femto.Draw(t, "audio"), femto.Draw(t, "speech")
		for _, k := range []Kind{CacheRead, CacheWrite, CacheWrite1h, Reasoning} {
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
		add(u.InputAudio, or(InputAudio))
		add(said, or(Output))
		add(u.Reasoning, or(Reasoning, Output))
		add(u.OutputAudio, or(OutputAudio))
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

func TestReadAmount(t *testing.T) {
	for _, c := range []struct {
		text, want string // "" is no amount
	}{
		{"0.00214305", "0.00214305"}, {"2.1e-05", "0.000021"}, {"1E2", "100"}, {"0", "0"}, {"0.0", "0"}, {"12", "12"}, {"1.5e+1", "15"},
		{"0.00000000000099", "0"}, {"0.1234567890123456789", "0.123456789012"}, {"3.4999999999999996e-05", "0.000034999999"}, {"1e-400", "0"},
		{"-1", ""}, {"1e", ""}, {"", ""}, {"null", ""}, {"{}", ""}, {"1.2.3", ""}, {"1e99", ""}, {"1e999999", ""}, {"99999999999999999999", ""},
	} {
		got, ok := ReadAmount([]byte(c.text))
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%q: got %s, %v, want %q", c.text, got, ok, c.want)
		}
	}
}

func FuzzReadAmount(f *testing.F) {
	for _, s := range []string{"0.00214305", "2.1e-05", "1E2", "1.", "18446744073709551615e-12", "0.00000000000000000000000000001e20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ReadAmount([]byte(s))
		if !ok || len(s) > 40 {
			return
		}
		want, fine := new(big.Rat).SetString(strings.TrimSuffix(s, "."))
		if !fine {
			return // more lenient than a number of JSON
		}
		have, _ := new(big.Rat).SetString(got.String())
		off := new(big.Rat).Sub(want, have)
		if off.Sign() < 0 || off.Cmp(big.NewRat(1, 1_000_000_000_000)) >= 0 && len(s) < 20 {
			t.Fatalf("%q is read as %s", s, got)
		}
	})
}
