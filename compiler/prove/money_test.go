package prove

import (
	"math/big"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

func TestDollarsAreReadAndWrittenExactly(t *testing.T) {
	for text, want := range map[string]string{"1": "1.00", "500.00": "500.00", "0.01": "0.01", "0.000000001": "0.01", "12.345678901": "12.35", "999999999999.999999999": "1000000000000.00"} {
		if got := dollars(femto(text)); got != want {
			t.Errorf("%s USD is written %s, want %s", text, got, want)
		}
	}
	if got := femto("1.5"); got.Cmp(big.NewInt(1_500_000_000_000_000)) != 0 {
		t.Errorf("1.5 USD is %s femto-USD", got)
	}
}

func TestTheHighestRateIsOfEveryTierThatAnInputCanReach(t *testing.T) {
	p := &price.Price{Rates: []price.Rate{
		{Kind: price.Input, Femto: 2}, {Kind: price.CacheWrite, Femto: 3}, {Kind: price.Output, Femto: 10},
		{Above: 200_000, Kind: price.Input, Femto: 9}, {Service: "priority", Kind: price.Output, Femto: 20},
	}}
	for _, tt := range []struct {
		input int64
		kind  price.Kind
		want  uint64
	}{{200_000, price.Input, 2}, {200_001, price.Input, 9}, {1, price.Output, 20}, {1, price.Image, 0}} {
		if got := highest(p, tt.input, tt.kind); got != tt.want {
			t.Errorf("the highest rate of %s for %d tokens is %d, want %d", tt.kind, tt.input, got, tt.want)
		}
	}
}

// TestMostIsWhatTheMeterAdmits holds the bound against a bucket that refills evenly, as the runtime's does: as many as
// there is room for at once, and one more whenever one has refilled.
func TestMostIsWhatTheMeterAdmits(t *testing.T) {
	for _, l := range []artifact.Limit{{Requests: 1, Per: time.Second}, {Requests: 600, Per: time.Minute}, {Requests: 7, Per: time.Second}, {Requests: 1000, Per: time.Hour}, {Requests: 3, Per: 24 * time.Hour}} {
		for _, span := range []time.Duration{time.Second, time.Minute, 90 * time.Second, time.Hour, 24 * time.Hour} {
			interval := (int64(l.Per) + l.Requests - 1) / l.Requests
			admitted, full := int64(0), int64(0)
			for now := int64(0); now <= int64(span); {
				if full = max(full, now); full+interval-now <= interval*l.Requests {
					full += interval
					admitted++
					continue
				}
				now = full + interval - interval*l.Requests
			}
			if got := most([]artifact.Limit{l}, span); got != admitted {
				t.Errorf("%d per %s admits %d in %s, the bound says %d", l.Requests, l.Per, admitted, span, got)
			}
		}
	}
}
