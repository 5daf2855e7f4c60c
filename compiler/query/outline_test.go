package query_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/query"
)

// shown writes an outline as lines: the path, and what the value is or says.
func shown(o *query.Outline) string {
	var b strings.Builder
	for _, f := range o.Fields {
		v := ""
		switch f.Form {
		case query.Text:
			v = fmt.Sprintf("%q", f.Text)
		case query.Block:
			v = "{}"
		case query.Sequence:
			v = "[]"
		case query.Expression:
			v = "= " + string(o.Data[f.Value.Start:f.Value.End])
		}
		fmt.Fprintf(&b, "%s %s\n", strings.Join(f.Path, "."), v)
	}
	return b.String()
}

func TestOutline(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"bare fields and chains of labels", "package gateway\n\nmodels: fast: strategy: \"priority\"\nmodels: slow: {}\n",
			"models {}\nmodels.fast {}\nmodels.fast.strategy \"priority\"\nmodels {}\nmodels.slow {}\n"},
		{"fields in an embedded definition", "package gateway\nimport \"gwc.dev/schema\"\nschema.#Gateway & {\n\ttenants: acme: owners: [\"@a\", \"@b\"]\n}\n",
			"tenants {}\ntenants.acme {}\ntenants.acme.owners []\ntenants.acme.owners.0 \"@a\"\ntenants.acme.owners.1 \"@b\"\n"},
		{"lists of structs", "models: m: targets: [\n\t{provider: \"a\", model: \"x\"}, // first\n\t{provider: \"b\"},\n]\n",
			"models {}\nmodels.m {}\nmodels.m.targets []\nmodels.m.targets.0 {}\nmodels.m.targets.0.provider \"a\"\nmodels.m.targets.0.model \"x\"\nmodels.m.targets.1 {}\nmodels.m.targets.1.provider \"b\"\n"},
		{"values that are more than a literal", "a: \"x\" | *\"y\"\nb: 3 * (4 + 5)\nc: f(\"x\", {no: 1})\nd: l[0]\ne: \"a \\(x) b\"\n",
			"a = \"x\" | *\"y\"\nb = 3 * (4 + 5)\nc = f(\"x\", {no: 1})\nd = l[0]\ne = \"a \\(x) b\"\n"},
		{"a conjunction of structs", "a: _base & {b: 1}\n", "a {}\na.b = 1\n"},
		{"computed labels, patterns and comprehensions", "for n in names {\n\tmodels: (n): {maxTokens: 1}\n}\nif x { y: 1 }\nm: [string]: q: 1\n[=~\"a\"]: z: 1\n\"\\(n)-x\": w: 2\n",
			"models {}\nmodels.* {}\nmodels.*.maxTokens = 1\ny = 1\nm {}\nm.* {}\nm.*.q = 1\n* {}\n*.z = 1\n* {}\n*.w = 2\n"},
		{"let clauses, aliases, quoted and optional labels", "let X = {a: 1}\nY=b: {\"c-d\"?: 1, e!: 2}\n", "b {}\nb.c-d = 1\nb.e = 2\n"},
		{"a label whose value is not there yet", "models: fast: {\n\tstrategy:\n}\n", "models {}\nmodels.fast {}\nmodels.fast.strategy \n"},
		{"brackets that nobody closed", "a: {b: [{c: 1}\nd: 2\n", "a {}\na.b []\na.b.0 {}\na.b.0.c = 1\na.d = 2\n"},
		{"brackets that nobody opened", "a: 1 }\n]\nb: 2\n", "a = 1\nb = 2\n"},
		{"a string that nobody closed", "a: \"x\nb: 2\n", "a \"x\"\nb = 2\n"},
		{"comments, also with brackets in them", "// { [\na: 1 // b: 2\n/", "a = 1\n"},
		{"texts of several lines", "a: \"\"\"\n\tb: {\n\t\"\"\"\nc: #\"raw \"x\" \"#\n", "a \"b: {\"\nc \"raw \\\"x\\\" \"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, shown(query.Read("a.cue", []byte(tt.src)))); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

func TestOutlineOfYAML(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"blocks", "# c\ntenants:\n  acme:\n    owners:\n      - \"@a\"\n      - b # c\n    apps: {}\n", "tenants {}\ntenants.acme {}\ntenants.acme.owners []\ntenants.acme.owners.0 \"@a\"\ntenants.acme.owners.1 \"b\"\ntenants.acme.apps {}\n"},
		{"lists as deep as their keys, of structs", "l:\n- a: 1\n  b: x\n- a: 2\nm: y\n", "l []\nl.0 {}\nl.0.a \"1\"\nl.0.b \"x\"\nl.1 {}\nl.1.a \"2\"\nm \"y\"\n"},
		{"flow style, also over lines", "a: {b: [c, \"d,e\"], f: {g: h}}\ni: [\n  j,\n  {k: l}\n]\nm: n\n", "a {}\na.b []\na.b.0 \"c\"\na.b.1 \"d,e\"\na.f {}\na.f.g \"h\"\ni []\ni.0 \"j\"\ni.1 {}\ni.1.k \"l\"\nm \"n\"\n"},
		{"texts of several lines", "a: |\n  b: c\n\n  d: e\nf: g\n", "a = |\n  b: c\n\n  d: e\nf \"g\"\n"},
		{"what is not there yet", "a:\n  b:\n  c: \n", "a {}\na.b \na.c \n"},
		{"brackets that nobody closed", "a: {b: [c\nd: e\n", "a {}\na.b []\na.b.0 \"c\"\na.b.1 \"d\"\na.b.2 \"e\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, shown(query.Read("a.yaml", []byte(tt.src)))); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

func TestCursorInYAML(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"a label at the top", "mod|", "label  “mod”"},
		{"an empty line, by its indentation", "tenants:\n  acme:\n    |\n", "label tenants.acme “”"},
		{"a label beside another", "tenants:\n  acme:\n    owners: []\n    ap|\n", "label tenants.acme “ap”"},
		{"a label that has its value", "tenants:\n  ac|me:\n", "label tenants “acme”"},
		{"a value", "apis:\n  a:\n    upstream: pe|t\n", "value apis.a.upstream “pet”"},
		{"a value that is not there yet", "apis:\n  a:\n    upstream: |\n", "value apis.a.upstream “”"},
		{"a value in quotes", "apis:\n  a:\n    upstream: \"|\"\n", "value apis.a.upstream “\"\"” quoted"},
		{"an element", "models:\n- a\n- |\n", "value models.1 “”"},
		{"a key in an element", "targets:\n- provider: x\n  mo|\n", "label targets.0 “mo”"},
		{"a comment", "a: b # |\n", "none"},
		{"flow style", "a: {b: |}\n", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after, _ := strings.Cut(tt.src, "|")
			c, ok := query.At("a.yaml", []byte(before+after), len(before))
			got := "none"
			if ok {
				what := "value"
				if c.Label {
					what = "label"
				}
				got = fmt.Sprintf("%s %s “%s”", what, strings.Join(c.Path, "."), (before + after)[c.Token.Start:c.Token.End])
				if c.Quoted {
					got += " quoted"
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestCursor has the cursor at each "|".
func TestCursor(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"at the top of a file", "package gateway\n\n|", "label  “”"},
		{"in a label at the top", "package gateway\n\nmod|", "label  “mod”"},
		{"in a label that has its value", "mod|els: fast: {}", "label  “models” colon"},
		{"behind a colon", "models: fast: |", "value models.fast “”"},
		{"in what may be a label or a value", "models: fast: str|", "value models.fast “str”"},
		{"in a block", "models: fast: {\n\t|\n}", "label models.fast “”"},
		{"in a block behind a field", "models: fast: {a: 1, |}", "label models.fast “”"},
		{"in a string", `models: fast: {strategy: "pri|"}`, "value models.fast.strategy “\"pri\"” quoted"},
		{"in a string that nobody closed", "models: fast: {strategy: \"pri|}\nx: 1", "value models.fast.strategy “\"pri” quoted"},
		{"in an empty string", `a: "|"`, "value a “\"\"” quoted"},
		{"in an element that is a string", `apps: x: models: ["a", "|"]`, "value apps.x.models.1 “\"\"” quoted element"},
		{"in a new element", `models: ["a", |]`, "value models.1 “” element"},
		{"in a new element behind a line", "models: [\n\t\"a\",\n\t|\n]", "value models.1 “” element"},
		{"in a struct in a list", `targets: [{provider: "p"}, {|}]`, "label targets.1 “”"},
		{"in a quoted label", `operations: "list|": {}`, "value operations “\"list\"” quoted colon"},
		{"in an embedded definition", "schema.#Gateway & {\n\t|\n}", "label  “”"},
		{"behind a value", "a: 1 |", "none"},
		{"behind a string", `a: "x"|`, "none"},
		{"in a comment", "a: 1 // x|", "none"},
		{"in an expression", "a: 1 + b|", "none"},
		{"in the arguments of a call", "a: f(b|)", "none"},
		{"in a package clause", "package gate|", "none"},
		{"with brackets that nobody closed before", "models: fast: {targets: [{provider: \"|", "value models.fast.targets.0.provider “\"” quoted"},
		{"in text of several lines", "a: \"\"\"\n\tx|\n\t\"\"\"", "none"},
		{"in a string with an interpolation", `a: "x\(b)y|"`, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after, _ := strings.Cut(tt.src, "|")
			c, ok := query.At("a.cue", []byte(before+after), len(before))
			got := "none"
			if ok {
				what := "value"
				if c.Label {
					what = "label"
				}
				got = fmt.Sprintf("%s %s “%s”", what, strings.Join(c.Path, "."), (before + after)[c.Token.Start:c.Token.End])
				for s, on := range map[string]bool{" quoted": c.Quoted} {
					if on {
						got += s
					}
				}
				if c.Element {
					got += " element"
				}
				if c.Colon {
					got += " colon"
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzOutline holds what everything else relies on: extents lie in the file and in their parents', and no cursor anywhere
// makes it stumble.
func FuzzOutline(f *testing.F) {
	for _, pattern := range []string{"../../examples/quickstart/*.cue", "../../examples/quickstart/*/*.cue", "../../schema/cue/*.cue"} {
		names, _ := filepath.Glob(pattern)
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil {
				f.Add(b, len(b)/2)
			}
		}
	}
	for _, s := range []string{"a: \"\\(b: \"\\(c)\")\"", "[[[{{{(((", "a: [string]: [b]: c: {", "\"\\( }", "let a = {b: 1}", "a: b: c: }}} ]]]"} {
		f.Add([]byte(s), len(s)-1)
	}
	for _, s := range []string{"tenants:\n  a:\n    owners: [\"@a\", b]\n    apps:\n    - x: {y: 1}\n", "a: |\n  b: c\nd:\n- - e: f\n", "a: {b: [c, {d: e}\nf: g"} {
		f.Add([]byte(s), len(s)/2)
	}
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		if len(data) > 1<<16 {
			return
		}
		for _, name := range []string{"a.cue", "a.yaml"} {
			hold(t, name, data, at)
		}
	})
}

func hold(t *testing.T, name string, data []byte, at int) {
	o := query.Read(name, data)
	for i, d := range o.Fields {
		for _, e := range []query.Extent{d.Label, d.Value} {
			if e.Start < 0 || e.End < e.Start || e.End > len(data) {
				t.Fatalf("field %v has the extent %v in %d bytes", d.Path, e, len(data))
			}
		}
		if d.Parent >= i {
			t.Fatalf("field %v has a parent behind it", d.Path)
		}
	}
	at = max(0, min(at, len(data)))
	o.Find(at)
	if c, ok := query.At(name, data, at); ok && (c.Token.Start > at || c.Token.End < at || c.Token.End > len(data)) {
		t.Fatalf("a cursor at %d replaces %v", at, c.Token)
	}
}
