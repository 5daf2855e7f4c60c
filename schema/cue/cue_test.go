package cue

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/parser"
	"github.com/google/go-cmp/cmp"
)

// compiled returns the language as CUE itself sees it.
func compiled(t *testing.T) cue.Value {
	t.Helper()
	inst := build.NewContext().NewInstance(ImportPath, nil)
	for _, f := range Files() {
		file, err := parser.ParseFile(f.Name, f.Data, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if err := inst.AddSyntax(file); err != nil {
			t.Fatal(err)
		}
	}
	v := cuecontext.New().BuildInstance(inst)
	if err := v.Validate(); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestTreeIsWhatCUESees compares each struct of the tree with CUE's view of the same definition: the fields, whether
// they are required, and their defaults.
func TestTreeIsWhatCUESees(t *testing.T) {
	all := compiled(t)
	for name, typ := range Read().Types {
		if typ.Shape != Struct || name == "#AnyProvider" {
			continue // What is embedded is compared where it is embedded.
		}
		t.Run(name, func(t *testing.T) {
			compare(t, all.LookupPath(cue.MakePath(cue.Def(name))), typ)
		})
	}
}

func compare(t *testing.T, v cue.Value, typ *Type) {
	t.Helper()
	if !v.IsClosed() {
		t.Errorf("%s is open", typ.Name)
	}
	it, err := v.Fields(cue.Optional(true))
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for it.Next() {
		kind := "filled in"
		switch it.Selector().ConstraintType() {
		case cue.OptionalConstraint:
			kind = "optional"
		case cue.RequiredConstraint:
			kind = "required"
		}
		want[it.Selector().Unquoted()] = kind
		f, ok := typ.Field(it.Selector().Unquoted())
		if !ok {
			continue
		}
		def, has := it.Value().Default()
		if f.Default == nil {
			if has && kind == "filled in" && f.Type.Shape != List && f.Type.Shape != Map && f.Type.Shape != Struct {
				t.Errorf("%s: CUE has the default %v, the tree none", f.Name, def)
			}
			continue
		}
		var filled any
		if err := def.Decode(&filled); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if n, ok := filled.(int); ok {
			filled = int64(n)
		}
		if d := cmp.Diff(filled, f.Default); d != "" {
			t.Errorf("%s: default: mismatch (-CUE +tree):\n%s", f.Name, d)
		}
	}
	for _, f := range typ.Fields {
		kind := "filled in"
		switch {
		case f.Optional:
			kind = "optional"
		case f.Required:
			kind = "required"
		}
		got[f.Name] = kind
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("fields: mismatch (-CUE +tree):\n%s", d)
	}
}

func TestEveryDefinitionAndFieldIsDescribed(t *testing.T) {
	for name, typ := range Read().Types {
		if !strings.HasPrefix(typ.Doc, strings.TrimPrefix(name, "#")+" ") {
			t.Errorf("%s: the comment does not begin with its name: %q", typ.At, typ.Doc)
		}
		for _, f := range typ.Fields {
			obvious := []string{"kind", "timeouts", "state"} // Their definition says it.
			if f.Doc == "" && !slices.Contains(obvious, f.Name) {
				t.Errorf("%s: %s has no comment", f.At, f.Name)
			}
		}
	}
}

// TestWhatIsReservedIsNotThere holds the list of what is not built yet against what is.
func TestWhatIsReservedIsNotThere(t *testing.T) {
	for name, typ := range Read().Types {
		for _, r := range typ.Reserved {
			if _, ok := typ.Field(r); ok || slices.Contains(typ.Values, r) {
				t.Errorf("%s: %q is reserved and there", name, r)
			}
			for _, a := range typ.Arms {
				if a.Kind() == r {
					t.Errorf("%s: kind %q is reserved and there", name, r)
				}
			}
		}
		for _, f := range typ.Fields {
			for _, r := range f.Reserved {
				if slices.Contains(f.Type.Values, r) {
					t.Errorf("%s.%s: %q is reserved and there", name, f.Name, r)
				}
			}
		}
	}
}

// TestContractIsInTheLanguage names the parts of the language's contract that a repository can use or that answer
// "not built yet": dropping one by accident would turn it into a typo.
func TestContractIsInTheLanguage(t *testing.T) {
	for name, want := range map[string]string{
		"#Gateway":  "gateway providers models upstreams apis tenants prompts plans guards identities locks tests assertions console",
		"#Settings": "listeners admin calls stores telemetry",
		"#Calls":    "dir bodies redact sinks",
		"#Model":    "strategy targets retry timeouts cache guards price",
		"#Target":   "provider model weight priority",
		"#API":      "owner openapi basePath upstream lifecycle visibility approval policies operations hosts",
		"#Policies": "auth limits cache timeout guards",
		"#Tenant":   "owners members budget apps policies limits",
		"#App":      "keys models limits subscriptions subject budget",
		"#Limit":    "requests per tokens usd",
		"#Key":      "id hash expires",
	} {
		typ := Read().Types[name]
		for word := range strings.FieldsSeq(want) {
			if _, ok := typ.Field(word); !ok && !slices.Contains(typ.Reserved, word) {
				t.Errorf("%s knows nothing of %q", name, word)
			}
		}
	}
	kinds := slices.Clone(Read().Types["#Provider"].Reserved)
	for _, a := range Read().Types["#Provider"].Arms {
		kinds = append(kinds, a.Kind())
	}
	slices.Sort(kinds)
	want := []string{"anthropic", "azure-openai", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai", "openai-compatible", "vertex"}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("kinds of providers: mismatch (-want +got):\n%s", d)
	}
}

func TestDigestIsOfNamesAndContents(t *testing.T) {
	if d := Digest(); !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(d) || d != Digest() {
		t.Errorf("digest is %q, then %q", d, Digest())
	}
	if len(Files()) == 0 || !slices.IsSortedFunc(Files(), func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("files are missing or not in order")
	}
}

func TestFormsOutsideOfTheSubsetAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a field that is no definition":        "a: int",
		"a comprehension":                      "#Gateway: {if true {a: int}}",
		"an unknown attribute":                 "#Gateway: {a: int @tag(x)}",
		"an unknown reference":                 "#Gateway: {a: #B}",
		"an unclosed struct":                   "#Gateway: {...}",
		"a default that is no literal":         "#Gateway: {a: int | *(1+2)}",
		"a bound that is no integer":           `#Gateway: {a: int & >="x"}`,
		"a bound of a string":                  `#Gateway: {a: string & >=1}`,
		"alternatives that do not go together": "#Gateway: {a: bool | int}",
		"a map with a field":                   "#Gateway: {[string]: int, a: int}",
		"a list of fixed length":               "#Gateway: {a: [int, int]}",
		"an embedded scalar":                   "#Gateway: {#A}\n#A: int",
		"one bound for two":                    `#Gateway: {a: string @between("1s")}`,
		"no root":                              "#A: int",
		"no CUE":                               "#A: {",
	} {
		t.Run(name, func(t *testing.T) {
			if l, err := read([]File{{Name: "x.cue", Data: []byte("package schema\n" + text)}}); err == nil {
				t.Errorf("it was read as %v", slices.Sorted(maps.Keys(l.Types)))
			}
		})
	}
}
