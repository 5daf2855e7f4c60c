package compiler_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// prices compiles a gateway and returns the price of every target, "provider/model: price of source".
func prices(a *artifact.Artifact) (list []string) {
	for _, m := range a.Models {
		for _, t := range m.Targets {
			text := "unknown"
			if p := a.TargetPrice(t); p != nil {
				text = p.String() + " by " + p.Source
			}
			list = append(list, a.Providers[t.Provider].Name+"/"+t.Model+": "+text)
		}
	}
	return list
}

const priceHead = `package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
providers: {
	claude: {kind: "anthropic", credentials: [{ref: "env:A"}]}
	openai: {kind: "openai", credentials: [{ref: "env:B"}]}
	lab: {kind: "openai", baseURL: "https://llm.lab.dev/v1", credentials: [{ref: "env:C"}]}
	proxy: {kind: "openai", baseURL: "http://egress.internal/v1", catalogue: "openai"}
}
tenants: acme: apps: web: {keys: [{id: "web-1", hash: "sha256:3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f"}], models: _all}
_all: [for name, _ in models {name}]
`

// TestTheCataloguePageBuilds builds what docs/catalogue.md shows, and pins the prices that the page says.
func TestTheCataloguePageBuilds(t *testing.T) {
	page, err := os.ReadFile("../docs/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```cue\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		t.Fatal("the page has no example")
	}
	tuned := "models: tuned: targets: [{provider: \"openai\", model: \"ft:gpt-4o-mini:acme\"}]\n"
	r := build(t, map[string][]byte{"gateway.cue": []byte(strings.Replace(priceHead, "\tproxy: {kind: \"openai\", baseURL: \"http://egress.internal/v1\", catalogue: \"openai\"}\n", "", 1) + block + tuned)}, "")
	if len(r.Report.All()) > 0 || r.Artifact == nil {
		t.Fatalf("the example gives\n%s", short(r.Report))
	}
	want := []string{
		"lab/llama-3-70b: input 0.2, output 0.4 by https://lab.example/prices",
		"claude/claude-sonnet-4-5: input 3, output 15, cacheRead 0.3, cacheWrite 3.75, cacheWrite1h 6, webSearch 0.01; service batch input 1.5, output 7.5, cacheRead 0.15, cacheWrite 1.875, cacheWrite1h 3 by models.dev f3fc69229 anthropic/claude-sonnet-4-5, and the vendor's price list",
		"openai/gpt-5: input 1.1, output 9, cacheRead 0.11 by models.smart.targets.1.price",
		`openai/ft:gpt-4o-mini:acme: input 0.3, output 1.2 by catalogue.openai/ft:gpt-4o-mini:acme.price`,
	}
	if diff := cmp.Diff(want, prices(r.Artifact)); diff != "" {
		t.Errorf("mismatch (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tools", "vision"}, r.Artifact.Models[1].Capabilities); diff != "" {
		t.Errorf("capabilities: mismatch (-want +got)\n%s", diff)
	}
}

// TestWhichPriceATargetHas: of all that say one, the nearest counts.
func TestWhichPriceATargetHas(t *testing.T) {
	for _, c := range []struct {
		name, files string
		want        []string
	}{
		{"the shipped one", `models: m: targets: [{provider: "openai", model: "gpt-5-mini"}]`,
			[]string{"openai/gpt-5-mini: input 0.25, output 2, cacheRead 0.025, webSearch 0.01, fileSearch 0.0025 by models.dev f3fc69229 openai/gpt-5-mini, and the vendor's price list"}},
		{"the shipped one of a dated name", `models: m: targets: [{provider: "openai", model: "gpt-5-mini-2025-08-07"}]`,
			[]string{"openai/gpt-5-mini-2025-08-07: input 0.25, output 2, cacheRead 0.025, webSearch 0.01, fileSearch 0.0025 by models.dev f3fc69229 openai/gpt-5-mini, and the vendor's price list"}},
		{"the vendor's behind a proxy", `models: m: targets: [{provider: "proxy", model: "gpt-5-mini"}]`,
			[]string{"proxy/gpt-5-mini: input 0.25, output 2, cacheRead 0.025, webSearch 0.01, fileSearch 0.0025 by models.dev f3fc69229 openai/gpt-5-mini, and the vendor's price list"}},
		{"an entry under the vendor's name holds behind a proxy too", `
			models: m: targets: [{provider: "proxy", model: "gpt-5-mini"}]
			catalogue: "openai/gpt-5-mini": price: {input: "0.2", output: "1.6"}`,
			[]string{"proxy/gpt-5-mini: input 0.2, output 1.6 by catalogue.openai/gpt-5-mini.price"}},
		{"an entry under the provider's name comes first", `
			models: m: targets: [{provider: "proxy", model: "gpt-5-mini"}, {provider: "openai", model: "gpt-5-mini"}]
			catalogue: "openai/gpt-5-mini": price: {input: "0.2", output: "1.6"}
			catalogue: "proxy/gpt-5-mini": price: {input: "0.3", output: "1.7"}`,
			[]string{"proxy/gpt-5-mini: input 0.3, output 1.7 by catalogue.proxy/gpt-5-mini.price", "openai/gpt-5-mini: input 0.2, output 1.6 by catalogue.openai/gpt-5-mini.price"}},
		{"the model's comes before an entry's, the target's before the model's", `
			models: m: {targets: [{provider: "openai", model: "gpt-5-mini"}, {provider: "openai", model: "gpt-5-nano", price: {input: "0.04", output: "0.3"}}], price: {input: "0.21", output: "1.7"}}
			catalogue: "openai/gpt-5-mini": price: {input: "0.2", output: "1.6"}`,
			[]string{"openai/gpt-5-mini: input 0.21, output 1.7 by models.m.price", "openai/gpt-5-nano: input 0.04, output 0.3 by models.m.targets.1.price"}},
		{"an entry without a price has that of what it is like", `
			models: m: targets: [{provider: "lab", model: "copy"}]
			catalogue: "lab/copy": {like: "lab/other", context: 1000}
			catalogue: "lab/other": like: "openai/gpt-5-mini"`,
			[]string{"lab/copy: input 0.25, output 2, cacheRead 0.025, webSearch 0.01, fileSearch 0.0025 by models.dev f3fc69229 openai/gpt-5-mini, and the vendor's price list"}},
		{"a server that nobody knows has none", `models: m: targets: [{provider: "lab", model: "gpt-5-mini"}]`, []string{"lab/gpt-5-mini: unknown"}},
		{"a fine-tuned model is another one", `models: m: targets: [{provider: "openai", model: "ft:gpt-4o-mini:acme::1"}]`, []string{"openai/ft:gpt-4o-mini:acme::1: unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := build(t, map[string][]byte{"gateway.cue": []byte(priceHead + c.files)}, "")
			if r.Artifact == nil {
				t.Fatalf("it does not build:\n%s", short(r.Report))
			}
			if diff := cmp.Diff(c.want, prices(r.Artifact)); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
		})
	}
}

// TestOddEntries: entries that lead nowhere or to themselves end in one finding, never in a loop.
func TestOddEntries(t *testing.T) {
	for _, c := range []struct {
		name, files string
		want        []string // codes
	}{
		{"an entry that is like itself", `models: m: targets: [{provider: "lab", model: "a"}]
			catalogue: "lab/a": {like: "lab/a", price: {input: "1", output: "2"}}`, []string{"GWC2203"}},
		{"two entries that are like each other", `models: m: targets: [{provider: "lab", model: "a", price: {input: "1", output: "2"}}]
			catalogue: "lab/a": like: "lab/b"
			catalogue: "lab/b": like: "lab/a"`, []string{"GWC2203", "GWC2203"}},
		{"a shipped entry that is changed in one fact", `models: m: {targets: [{provider: "openai", model: "gpt-5-mini"}], maxTokens: 9000}
			catalogue: "openai/gpt-5-mini": {like: "openai/gpt-5-mini", output: 8192}`, []string{"GWC2206"}},
		{"a capability that an entry gives back", `models: m: {targets: [{provider: "openai", model: "o3-mini"}], capabilities: ["vision"]}
			catalogue: "openai/o3-mini": has: ["vision"]`, nil},
		{"a capability of which nobody knows anything", `models: m: {targets: [{provider: "openai", model: "gpt-5-mini"}], capabilities: ["streaming", "parallelTools"]}`, nil},
		{"a model that the catalogue calls deprecated", `models: m: targets: [{provider: "claude", model: "claude-3-opus-20240229"}]`, []string{"GWC2207"}},
		{"an entry with a price does not hide that", `models: m: targets: [{provider: "claude", model: "claude-3-opus-20240229"}]
			catalogue: "claude/claude-3-opus-20240229": price: {input: "14", output: "70"}`, []string{"GWC2207"}},
		{"an entry that says since when, and the day has not come", `models: m: targets: [{provider: "claude", model: "claude-3-opus-20240229"}]
			catalogue: "claude/claude-3-opus-20240229": deprecated: "2027-06-01"`, nil},
		{"a tier that names nothing repeats the price", `models: m: targets: [{provider: "openai", model: "gpt-5-mini", price: {input: "0.2", output: "1", tiers: [{input: "0.3"}]}}]`, []string{"GWC6005"}},
		{"an empty price", `models: m: targets: [{provider: "openai", model: "gpt-5-mini", price: {}}]`, []string{"GWC6004"}},
		{"a price in another currency", `models: m: targets: [{provider: "openai", model: "gpt-5-mini", price: {currency: "EUR", input: "0.2", output: "1"}}]`, []string{"GWC1010"}},
		{"a price as a number", `models: m: targets: [{provider: "openai", model: "gpt-5-mini", price: {input: 0.2, output: "1"}}]`, []string{"GWC1201"}},
		{"a negative price", `models: m: targets: [{provider: "openai", model: "gpt-5-mini", price: {input: "-0.2", output: "1"}}]`, []string{"GWC6001"}},
		{"a model that nobody may ask for is not said to be unpriced", `models: m: targets: [{provider: "openai", model: "gpt-5-mini"}]
			providers: lab: headers: "X-A": "b"`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := build(t, map[string][]byte{"gateway.cue": []byte(priceHead + c.files)}, "")
			var got []string
			for _, d := range r.Report.All() {
				if d.Code != "GWC2013" && d.Code != "GWC2205" { // providers and entries that nobody uses
					got = append(got, string(d.Code))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s\n%s", diff, short(r.Report))
			}
		})
	}
}
