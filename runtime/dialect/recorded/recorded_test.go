package recorded_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
)

func TestEveryCorpusIsRead(t *testing.T) {
	corpora, dialects, reasons := map[string]int{}, map[string]int{}, map[string]int{}
	names := map[string]bool{}
	for _, x := range recorded.All(t) {
		corpora[x.Corpus]++
		if x.Dialect == "" {
			continue
		}
		stream := "whole"
		if x.Stream != recorded.Whole {
			stream = string(x.Stream)
		}
		if x.Excluded != "" {
			reasons[x.Dialect+" "+x.Operation+": "+x.Excluded]++
			t.Logf("excluded: %s/%s: %s", x.Corpus, x.Name, x.Excluded)
			continue
		}
		if x.Status >= 400 {
			stream = "error"
		}
		dialects[fmt.Sprintf("%s %s %s", x.Dialect, x.Operation, stream)]++
		if key := x.Corpus + "/" + x.Name; names[key] {
			t.Errorf("two exchanges are named %s", key)
		} else {
			names[key] = true
		}
	}
	for _, m := range []map[string]int{corpora, dialects, reasons} {
		var lines []string
		for k, n := range m {
			lines = append(lines, fmt.Sprintf("%5d %s", n, k))
		}
		sort.Slice(lines, func(i, j int) bool { return lines[i][6:] < lines[j][6:] })
		t.Log("\n" + strings.Join(lines, "\n"))
	}
	for corpus, least := range map[string]int{"fantasy": 500, "openllmetry": 1500, "vercel-ai": 150, "envoy-ai-gateway": 40, "otel-python-contrib": 150, "simonw-llm": 25, "simonw-llm-anthropic": 25, "simonw-llm-gemini": 20, "ruby-openai": 300} {
		if corpora[corpus] < least {
			t.Errorf("%d exchanges of %s, want at least %d", corpora[corpus], corpus, least)
		}
	}
}

func TestADialectIsTheSameAloneAndAmongAll(t *testing.T) {
	all := recorded.All(t)
	for _, d := range []string{recorded.Converse, recorded.Ollama, recorded.Gemini} {
		var want []*recorded.Exchange
		for _, x := range all {
			if x.Dialect == d {
				want = append(want, x)
			}
		}
		if got := recorded.Of(t, d); !slices.Equal(want, got) {
			t.Errorf("%s: %d exchanges alone, %d among all", d, len(got), len(want))
		}
	}
}
