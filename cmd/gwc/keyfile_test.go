package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInsertKey(t *testing.T) {
	const entry = `{id: "b"}`
	tests := []struct{ name, src, want string }{
		{"a list on one line", "tenants: t: apps: a: {\n\tkeys: [{id: \"a\"}] // ours\n\tmodels: []\n}\n",
			"tenants: t: apps: a: {\n\tkeys: [{id: \"a\"}, {id: \"b\"}] // ours\n\tmodels: []\n}\n"},
		{"a list on several lines with a comma and a comment at the end", "tenants: t: apps: a: keys: [\n\t{id: \"a\"}, // the first\n]\n",
			"tenants: t: apps: a: keys: [\n\t{id: \"a\"}, // the first\n\t{id: \"b\"},\n]\n"},
		{"a list on several lines without a comma at the end", "tenants: t: apps: a: keys: [\n\t{id: \"a\"},\n\t{id: \"c\"}\n]\n",
			"tenants: t: apps: a: keys: [\n\t{id: \"a\"},\n\t{id: \"c\"},\n\t{id: \"b\"}\n]\n"},
		{"an element of several lines", "tenants: t: apps: a: keys: [{\n\tid: \"a\"\n}]\n", "tenants: t: apps: a: keys: [{\n\tid: \"a\"\n}, {id: \"b\"}]\n"},
		{"an empty list", "tenants: t: apps: a: keys: []\n", "tenants: t: apps: a: keys: [{id: \"b\"}]\n"},
		{"no list in a struct of several lines", "tenants: t: apps: {\n\ta: {\n\t\t// models\n\t\tmodels: []\n\t}\n}\n",
			"tenants: t: apps: {\n\ta: {\n\t\tkeys: [{id: \"b\"}]\n\t\t// models\n\t\tmodels: []\n\t}\n}\n"},
		{"no list in a struct of one line", "tenants: t: apps: a: {models: []}\n", "tenants: t: apps: a: {keys: [{id: \"b\"}], models: []}\n"},
		{"an empty struct", "tenants: t: apps: a: {}\n", "tenants: t: apps: a: {keys: [{id: \"b\"}]}\n"},
		{"no braces", "tenants: t: apps: a: models: [\n\t\"x\",\n]\n", "tenants: t: apps: a: {keys: [{id: \"b\"}], models: [\n\t\"x\",\n]}\n"},
		{"within a definition of the schema", "import \"gwc.dev/schema\"\n\nschema.#Gateway & {tenants: \"t\": apps: a: keys: [{id: \"a\"}]}\n",
			"import \"gwc.dev/schema\"\n\nschema.#Gateway & {tenants: \"t\": apps: a: keys: [{id: \"a\"}, {id: \"b\"}]}\n"},
		{"the place that has keys, of several", "tenants: t: apps: a: {models: []}\ntenants: t: apps: a: keys: [{id: \"a\"}]\n",
			"tenants: t: apps: a: {models: []}\ntenants: t: apps: a: keys: [{id: \"a\"}, {id: \"b\"}]\n"},
		{"a tenant of the same name elsewhere is not touched", "x: tenants: t: apps: a: keys: []\ntenants: t: apps: a: keys: []\n",
			"x: tenants: t: apps: a: keys: []\ntenants: t: apps: a: keys: [{id: \"b\"}]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, at := findAppIn("x.cue", []byte(tt.src), "t", "a")
			if at == nil {
				t.Fatal("the app is not found")
			}
			got := at.insert([]byte(tt.src), entry)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if _, now := findAppIn("x.cue", got, "t", "a"); now == nil || !now.ids()["b"] {
				t.Errorf("the new key is not found again in:\n%s", got)
			}
		})
	}
	for _, src := range []string{"tenants: t: apps: b: {}", "tenants: t: apps: a: other", "tenants: t: apps: a: keys: other + []", "tenants: t: apps: {for x in y {a: {}}}", "oops: ["} {
		if _, at := findAppIn("x.cue", []byte(src), "t", "a"); at != nil {
			t.Errorf("an app is found in %q", src)
		}
	}
}

func TestKeysAreOfOneForm(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		k := newKey()
		if len(k.secret) != 53 || seen[k.secret] {
			t.Fatalf("%q", k.secret)
		}
		seen[k.secret] = true
	}
}
