package pipeline

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// TestWhatIsShownOfAPairIsWhatItRunsBy: for each dialect of callers, and each kind of provider and vendor, the table that
// is shown has a row for every word of the callers, with the fate that the table which translates them gives it.
func TestWhatIsShownOfAPairIsWhatItRunsBy(t *testing.T) {
	providers := []artifact.Provider{
		{Kind: "openai"}, {Kind: "openai", API: "responses"}, {Kind: "openai", API: "chat"}, {Kind: "azure-openai", APIVersion: "2024-10-21"}, {Kind: "azure-openai", APIVersion: "v1"},
		{Kind: "anthropic"}, {Kind: "gemini"}, {Kind: "vertex"}, {Kind: "bedrock"}, {Kind: "mistral"}, {Kind: "cohere"}, {Kind: "ollama"}, {Kind: "openai-compatible"},
	}
	for _, name := range vendor.Names() {
		providers = append(providers, artifact.Provider{Kind: "openai-compatible", Vendor: name})
	}
	shown, passed := 0, 0
	for i := range spokenDialects {
		s := &spokenDialects[i]
		if s.op != chat || len(s.routes) == 0 {
			continue
		}
		if len(s.words) == 0 {
			t.Errorf("the callers of route %d have no words", s.routes[0])
		}
		for p := range providers {
			for _, model := range []string{"gpt-4.1", "claude-sonnet-4-5", "grok-4"} {
				to := kindOf(&providers[p], model).serves(s)
				table, ok := Losses(&providers[p], model, s.routes[0])
				row := snapshot.VendorOf(&providers[p])
				switch {
				case to.id == s.id && row == nil:
					if passed++; ok {
						t.Errorf("route %d to %s: what passes through loses %v", s.routes[0], providers[p].Kind, table)
					}
					continue
				case to.id == s.id:
					if diff := cmp.Diff(openaichat.VendorLosses(row, model), table); diff != "" {
						t.Errorf("route %d to vendor %s: mismatch (-want +got):\n%s", s.routes[0], row.Name, diff)
					}
					continue
				}
				runs := to.losses
				if row != nil && to.id == openAIChat {
					runs = openaichat.VendorTable(row, model)
				}
				if !ok || len(table) != len(s.words) || len(runs) == 0 {
					t.Fatalf("route %d to %s: a table of %d rows for %d words", s.routes[0], providers[p].Kind, len(table), len(s.words))
				}
				shown++
				for n, w := range s.words {
					want := runs.Of(w.Field)
					if w.Is == "" && want.Fate != dialect.Rejected { // which cannot arrive, whatever the target has for others
						want = dialect.Losses(nil).Of(w.Field)
						if runs.Of(w.Field).Fate == dialect.Dropped {
							want = runs.Of(w.Field)
						}
					}
					if w.Is != "" && !slices.ContainsFunc(runs, func(l dialect.Loss) bool {
						return l.Field == w.Field && dialect.Neutrally(l.Field) == w.Is
					}) {
						want = runs.Of(w.Is)
					}
					got := table[n]
					if got.Field != w.Field || got.Fate != want.Fate && !(got.Fate == dialect.Emulated && want.Fate == dialect.Lossless && s.reading != nil) {
						t.Errorf("route %d to %s: '%s' is shown as %s, and is %s", s.routes[0], providers[p].Kind, w.Field, got.Fate, want.Fate)
					}
				}
			}
		}
	}
	if shown < 400 || passed == 0 {
		t.Errorf("%d pairs are translated, %d pass through", shown, passed)
	}
}
