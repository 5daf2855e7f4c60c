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
	for _, table := range []struct {
		title string
		rows  dialect.Losses
	}{
		{"To openai, azure-openai, openai-compatible and mistral", openaichat.LossTable},
		{"To openai with api: \"responses\"", openairesponses.LossTable},
		{"To anthropic, and Claude at vertex", anthropic.LossTable},
		{"To gemini and vertex", gemini.LossTable},
		{"To bedrock", bedrock.LossTable},
		{"To cohere", cohere.LossTable},
		{"To ollama", ollama.LossTable},
		{"What one dialect of callers alone has, at a target that has no row of its own for it", dialect.Only()},
		{"From openai-responses, before any target is known", openairesponses.CallerTable},
		{"From openai-completions, before any target is known", openaicompletions.CallerTable},
		{"From gemini, before any target is known", gemini.CallerTable},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| field | becomes | how, or why not |\n|---|---|---|\n", table.title)
		for _, l := range table.rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.Field, l.Fate, l.Why)
		}
	}
	for _, in := range answered {
		fmt.Fprintf(&b, "\n### Answers in %s\n\n| of an answer | becomes | how, or why not |\n|---|---|---|\n", in.name)
		for _, l := range in.table {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.Field, l.Fate, l.Why)
		}
	}
	b.WriteString("\n### What callers call the fields\n\nThe tables above name fields of the neutral model. A caller says them in the words of his dialect; words in italics are what that dialect alone has.\n\n| field |")
	rule := "|---|"
	for _, from := range lossCallers {
		b.WriteString(" " + from.name + " |")
		rule += "---|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, names := range dialect.Neutral {
		fmt.Fprintf(&b, "| `%s` |", names[0])
		for _, from := range lossCallers {
			var words []string
			for _, w := range from.words {
				if w.Is == names[0] {
					words = append(words, "`"+w.Field+"`")
				}
			}
			b.WriteString(" " + strings.Join(words, ", ") + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("| |")
	for _, from := range lossCallers {
		var own []string
		for _, w := range from.words {
			if w.Is == "" {
				own = append(own, "*"+w.Field+"*")
			}
		}
		b.WriteString(" " + strings.Join(own, ", ") + " |")
	}
	b.WriteString("\n")
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
