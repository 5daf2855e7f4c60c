package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestTheRecordHasTheExactCost: a chat through the gateway, plain and streamed, passed through and translated, at the
// price of a contract and at the catalogue's. The cost in the record is the tokens in the record at the price that
// `gwc inspect` would show, to the last digit, and the metrics add it up.
func TestTheRecordHasTheExactCost(t *testing.T) {
	openai := startMock(t, "--provider", "openai", "--key", providerKey)
	anthropic := startMock(t, "--provider", "anthropic", "--key", providerKey)
	repo := rig.Repo{
		"gateway.cue": gatewayFile("", ""),
		"models.cue": fmt.Sprintf(`package gateway

providers: {
	openai: {kind: "openai", baseURL: "%s/v1", catalogue: "openai", credentials: [{ref: "env:CONFORMANCE_PROVIDER_KEY"}]}
	claude: {kind: "anthropic", baseURL: "%s", catalogue: "anthropic", credentials: [{ref: "env:CONFORMANCE_PROVIDER_KEY"}]}
}
models: {
	contract: targets: [{provider: "openai", model: "gpt-4o-mini", price: {input: "0.123456789", output: "0.6"}}]
	listed: targets: [{provider: "openai", model: "gpt-4o-mini"}]
	translated: targets: [{provider: "claude", model: "claude-sonnet-4-5"}]
	unknown: targets: [{provider: "openai", model: "gpt-none-such"}]
}
tenants: acme: apps: web: {keys: [{id: "web-1", hash: "%s"}], models: ["contract", "listed", "translated", "unknown"]}
`, openai.URL, anthropic.URL, hashOf(appKey)),
	}
	g := serve(t, repo, rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=" + providerKey}})
	prices := map[string][2]string{"contract": {"0.123456789", "0.6"}, "listed": {"0.15", "0.6"}, "translated": {"3", "15"}}
	n := 0
	total := new(big.Rat)
	for _, model := range []string{"contract", "listed", "translated", "unknown"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%v", model, stream), func(t *testing.T) {
				status, _, body := post(t, g.URL+"/v1/chat/completions", appKey,
					fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"count to 20"}]}`, model, stream))
				if status != 200 {
					t.Fatalf("%d %s", status, body)
				}
				n++
				if _, err := g.Records(n); err != nil {
					t.Fatal(err)
				}
				r := lastCost(t, g)
				price, priced := prices[model]
				if !priced {
					if r.Cost != "" || r.Price != "" {
						t.Errorf("without a price the record says %+v", r)
					}
					return
				}
				want := new(big.Rat)
				for i, tokens := range []int64{r.Tokens.Input, r.Tokens.Output} {
					if tokens == 0 {
						t.Errorf("no tokens of kind %d", i)
					}
					usd, _ := new(big.Rat).SetString(price[i])
					want.Add(want, usd.Mul(usd, big.NewRat(tokens, 1_000_000)))
				}
				got, ok := new(big.Rat).SetString(r.Cost.String())
				off := new(big.Rat)
				if !ok || off.Sub(got, want).Abs(off).Cmp(big.NewRat(1, 2_000_000_000_000)) > 0 || r.Estimate || len(r.Price) != 16 {
					t.Errorf("cost_usd %s, want %s: %+v", r.Cost, want.FloatString(15), r)
				}
				total.Add(total, got)
			})
		}
	}
	m, err := g.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := total.Float64()
	if got := m.Sum("gwc_cost_usd_total", `estimate="false"`); got < sum*0.999999 || got > sum*1.000001 {
		t.Errorf("gwc_cost_usd_total is %v, the records add up to %v", got, sum)
	}
	if got := m.Sum("gwc_unpriced_total"); got != 2 {
		t.Errorf("gwc_unpriced_total is %v, want 2", got)
	}
}

// costRecord is what a line of the call log says of money, as it stands there.
type costRecord struct {
	Model    string
	Cost     json.Number `json:"cost_usd"`
	Estimate bool        `json:"cost_estimate"`
	Price    string
	Tokens   struct{ Input, Output int64 }
}

func lastCost(t testing.TB, g *rig.Gateway) (r costRecord) {
	t.Helper()
	files, err := g.LogFiles()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		last = s.Text()
	}
	if err := json.NewDecoder(strings.NewReader(last)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}
