package calllog

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	r.Tokens = Tokens{1, 1, 1, 1, 1, 1, 1, 1, true, 1, 1}
	r.Attempts[0].Cost, r.Attempts[0].HasCost = 1, true
	r.Cost, r.HasCost, r.CostEstimate, r.Price = 1, true, true, "p"
	r.ServiceTier = "batch"
	r.Prompt, r.PromptVersion = "p", 1
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
			walk(name+"[].", v[0].(map[string]any), see)
		case string:
			see(name, "string")
		case float64:
			see(name, "number")
		case bool:
			see(name, "bool")
		}
	}
}
