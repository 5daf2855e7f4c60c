package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGenerate(t *testing.T) {
	models, providers, notes, err := generate([]byte(`{"commit": "abc", "licence": "MIT", "source": "s", "prices": "USD per million tokens", "providers": {
		"b-plan": {"api": "https://api.b.example/v1", "models": {}},
		"b": {"api": "https://api.b.example/v1/", "models": {
			"two": {"limit": {"context": 8, "output": 4}, "modalities": {"input": ["text", "image"], "output": ["text"]}, "tool_call": true, "status": "beta",
				"last_updated": "2026-01-02", "cost": {"input": 0.049999999999999996, "output": 10.0, "tiers": [{"input": 2, "output": 20, "tier": {"size": 100}}]}},
			"one": {"limit": {"context": 8, "output": 8}, "cost": {"input": 1, "output": 2, "lunch": 3}},
			"bad name": {}}},
		"anthropic": {"models": {"claude-x": {"reasoning": true, "structured_output": false, "cost": {"input": 3, "output": 15, "cache_read": 0, "cache_write": 3.75}}}}
	}}`), "# what the vendor says\n"+
		"b/two          flex  *0.5\n"+
		"b/t*           -     webSearch:0.01,image:0.04\n"+
		"b/two          batch input:0.01\n"+
		"b/one          flex  *0.5\n"+
		"b/three        new   in=audio price=second:0.0001\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "! source=s commit=abc licence=MIT date=2026-01-02 models=4 providers=3\n" +
		"anthropic/claude-x\tcan=reasoning cannot=tools,structuredOutput price=input:3,output:15,cacheWrite:3.75,cacheWrite1h:6\n" +
		"b/one\tcontext=8 output=8 cannot=tools,reasoning\n" +
		"b/three\tin=audio price=second:0.0001 also=alone\n" +
		"b/two\tcontext=8 output=4 in=image,text out=text can=tools cannot=reasoning price=input:0.05,output:10,image:0.04,webSearch:0.01,>100:input:2,output:20,@batch:input:0.01,@flex:input:0.025,output:5,@flex>100:input:1,output:10 also=list date=2026-01-02 status=beta\n"
	if diff := cmp.Diff(want, string(models)); diff != "" {
		t.Errorf("models: mismatch (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff("anthropic\tapi.anthropic.com\nb\tapi.b.example/v1\nb-plan\t\n", string(providers)); diff != "" {
		t.Errorf("providers: mismatch (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"b/bad name is left out: its name has white space",
		`b/one has no price: gwc cannot count its part "lunch"`,
		"1 prices had more than 9 decimals and were rounded",
	}, notes); diff != "" {
		t.Errorf("notes: mismatch (-want +got)\n%s", diff)
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"what is not JSON":          `{`,
		"prices in another unit":    `{"prices": "EUR"}`,
		"a negative price":          `{"prices": "USD per million tokens", "providers": {"a": {"models": {"m": {"cost": {"input": -1}}}}}}`,
		"a price that is no number": `{"prices": "USD per million tokens", "providers": {"a": {"models": {"m": {"cost": {"input": "x"}}}}}}`,
		"a kind with two prices":    `{"prices": "USD per million tokens", "providers": {"a": {"models": {"m": {"cost": {"cache_read": 1, "cached_input": 2}}}}}}`,
	} {
		if _, _, _, err := generate([]byte(text), ""); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestAdditionsThatAreRefused(t *testing.T) {
	const facts = `{"prices": "USD per million tokens", "providers": {"a": {"models": {"m": {"cost": {"input": 0.000000001, "output": 1}}}}}}`
	for name, rule := range map[string]string{
		"half a rule":                            "a/m flex",
		"a name without a provider":              "m flex input:1",
		"an unknown tier":                        "a/m turbo input:1",
		"a kind that nobody knows":               "a/m flex lunch:1",
		"a kind twice":                           "a/m flex input:1,input:2",
		"a price that is none":                   "a/m flex input:-1",
		"a factor that is none":                  "a/m flex *x",
		"a factor of the usual tier":             "a/m - *0.5",
		"a factor that does not come out":        "a/m flex *0.5",
		"more than a rule":                       "a/m flex input:1 output:2",
		"a model that the source does not have":  "a/n flex input:1",
		"models that the source does not have":   "a/n* flex input:1",
		"a new model that the source has by now": "a/m new price=input:1,output:1",
		"a new model with half a name":           "a/n* new price=input:1,output:1",
	} {
		if _, _, _, err := generate([]byte(facts), rule); err == nil || !strings.HasPrefix(err.Error(), "additions.txt:1: ") && !strings.Contains(err.Error(), "a/m: additions.txt:1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheShippedFilesAreTheGenerators runs the generator on the facts that the shipped files were made from.
func TestTheShippedFilesAreTheGenerators(t *testing.T) {
	corpora := os.Getenv("GWC_CORPORA")
	if corpora == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	b, err := os.ReadFile(filepath.Join(corpora, "..", "catalogue", "models.json"))
	if err != nil {
		t.Skipf("skipped: the facts are not beside the corpora: %v", err)
	}
	models, providers, _, err := generate(b, additionsText)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"models.txt": models, "providers.txt": providers} {
		want, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got) {
			t.Errorf("%s is not what the generator writes", name)
		}
	}
}
