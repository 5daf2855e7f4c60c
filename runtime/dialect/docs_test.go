package dialect_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
)

// TestTheDocumentShowsTheTables holds docs/dialects.md against the loss tables; GWC_UPDATE=1 writes it.
func TestTheDocumentShowsTheTables(t *testing.T) {
	const file, mark = "../../docs/dialects.md", "<!-- generated from the tables that the gateway runs by -->\n"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, ok := strings.Cut(string(raw), mark)
	if !ok {
		t.Fatalf("%s has lost its mark", file)
	}
	var b strings.Builder
	b.WriteString(text + mark)
	for _, pair := range []struct {
		name   string
		tables []dialect.Losses
	}{
		{"openai-chat → anthropic", []dialect.Losses{anthropic.LossTable}},
		{"anthropic-messages → openai", []dialect.Losses{openaichat.LossTable, dialect.Only()}},
		{"openai-chat and anthropic-messages → gemini, vertex", []dialect.Losses{gemini.LossTable}},
		{"openai-chat and anthropic-messages → bedrock", []dialect.Losses{bedrock.LossTable}},
		{"openai-chat and anthropic-messages → cohere", []dialect.Losses{cohere.LossTable}},
		{"openai-chat and anthropic-messages → ollama", []dialect.Losses{ollama.LossTable}},
		{"openai-responses → other providers", []dialect.Losses{openairesponses.CallerTable}},
		{"openai-chat and anthropic-messages → openai with api: \"responses\"", []dialect.Losses{openairesponses.LossTable}},
		{"openai-completions → other providers", []dialect.Losses{openaicompletions.CallerTable}},
		{"gemini → other providers", []dialect.Losses{gemini.CallerTable}},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| field | becomes | how, or why not |\n|---|---|---|\n", pair.name)
		for _, table := range pair.tables {
			for _, l := range table {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.Field, l.Fate, l.Why)
			}
		}
	}
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), string(raw)); diff != "" {
		t.Errorf("mismatch (-want +got); GWC_UPDATE=1 writes it:\n%s", diff)
	}
}
