package calllog

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// TestEveryFieldIsDocumented compares the rows of docs/call-log.md with the fields of a record that has everything.
func TestEveryFieldIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/call-log.md")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_0-9.\\[\\]]+)` \\| ([a-z]+) \\| ").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
		types[m[1]] = m[2]
	}

	r := aRecord()
	r.API, r.Operation, r.Limit, r.Error = "a", "o", "l", "e"
	r.Tokens = Tokens{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, true, 1, 1}
	r.Units = price.Units{Images: 1, WebSearches: 1, FileSearches: 1, ServerTools: 1, SearchUnits: 1, Characters: 1, Seconds: 1}
	r.Stated, r.HasStated = 1, true
	r.Attempts[0].Cost, r.Attempts[0].HasCost = 1, true
	r.Cost, r.HasCost, r.CostEstimate, r.Price = 1, true, true, "p"
	r.ServiceTier, r.Losses = "batch", "seed"
	r.Unpriced = (*price.Price)(nil).Of(&price.Usage{Input: 1}).Missing
	r.Prompt, r.PromptVersion = "p", 1
	r.WSClose, r.WSClosedBy = 1000, "client"
	var v map[string]any
	if err := json.Unmarshal([]byte(encodeString(r)), &v); err != nil {
		t.Fatal(err)
	}
	var encoded []string
	walk("", v, func(name, kind string) {
		encoded = append(encoded, name)
		if want := types[name]; want != "" && kind != want {
			t.Errorf("%s is a %s, documented as a %s", name, kind, want)
		}
	})
	slices.Sort(documented)
	slices.Sort(encoded)
	if diff := cmp.Diff(documented, encoded); diff != "" {
		t.Errorf("docs/call-log.md and the encoder differ (-docs +code):\n%s", diff)
	}
}

func walk(prefix string, v map[string]any, see func(name, kind string)) {
	for k, v := range v {
		name := prefix + k
		switch v := v.(type) {
		case map[string]any:
			see(name, "object")
			walk(name+".", v, see)
		case []any:
			see(name, "array")
			if of, ok := v[0].(map[string]any); ok {
				walk(name+"[].", of, see)
			}
		case string:
			see(name, "string")
		case float64:
			see(name, "number")
		case bool:
			see(name, "bool")
		}
	}
}
