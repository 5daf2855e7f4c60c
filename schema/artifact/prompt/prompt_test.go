package prompt

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at[T any](v T) *T { return &v }

// sample has each kind of type: {text: 2 to 5 characters, kind?: a|b = a, n?: whole number 1 to 9, x?: number, on?: boolean,
// tags?: up to 2 texts, user?: {name: like ^A}, photo?: image}.
func sample() *Version {
	return &Version{
		Number: 3, OnInvalid: "repair", Output: 8,
		Types: []Type{
			{Kind: Object, Fields: []Field{{Name: "text", Type: 1, Required: true}, {Name: "kind", Type: 2, Default: `"a"`}, {Name: "n", Type: 3}, {Name: "x", Type: 4},
				{Name: "on", Type: 5}, {Name: "tags", Type: 6}, {Name: "user", Type: 7}, {Name: "photo", Type: 11}}},
			{Kind: String, Least: at(int64(2)), Most: at(int64(5))},
			{Kind: Enum, Values: []string{"a", "b"}},
			{Kind: Integer, Low: at(1.0), High: at(9.0)},
			{Kind: Number},
			{Kind: Boolean},
			{Kind: Array, Items: 9, Most: at(int64(2))},
			{Kind: Object, Fields: []Field{{Name: "name", Type: 10, Required: true}}},
			{Kind: Object, Fields: []Field{{Name: "label", Type: 9, Required: true}, {Name: "score", Type: 12}}},
			{Kind: String, Description: "a \"text\""},
			{Kind: String, Pattern: "^A"},
			{Kind: Image},
			{Kind: Number},
		},
		Messages: []Message{
			{Role: "system", Ops: []Op{{Code: Unless, Path: []int{4}}, {Code: Text, Text: "off"}, {Code: Close}}},
			{Role: "user", Ops: []Op{{Code: Print, Path: []int{0}}, {Code: Each, Path: []int{5}}, {Code: Text, Text: ","}, {Code: Print, Frame: 1}, {Code: Close},
				{Code: With, Path: []int{6}}, {Code: Print, Frame: 1, Path: []int{0}}, {Code: Close}}, Images: [][]int{{7}}},
		},
	}
}

func program(t testing.TB) *Program {
	t.Helper()
	g, err := New("p", sample())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestInputsAreHeldAgainstTheirTypes(t *testing.T) {
	g := program(t)
	for name, tt := range map[string]struct {
		body string
		want []string // pointer and the beginning of the detail; nil: it fits
	}{
		"all that is required":                   {`{"text":"abc"}`, nil},
		"everything":                             {`{"text":"abc","kind":"b","n":9,"x":-1.5e3,"on":true,"tags":["",""],"user":{"name":"Ada"},"photo":"https://a.example/x.png"}`, nil},
		"characters and not bytes":               {`{"text":"äöü€𝄞"}`, nil},
		"escapes":                                {`{"text":"\u00e4\ud834\udd1e\n"}`, nil},
		"null for what need not be there":        {`{"text":"abc","n":null}`, nil},
		"a whole number with a fraction of zero": {`{"text":"abc","n":3.0}`, nil},
		"data of its own":                        {`{"text":"abc","photo":"data:image/png;base64,aGk="}`, nil},
		"nothing":                                {``, []string{" it is empty"}},
		"no JSON":                                {`{"text":`, []string{" it is not valid JSON: a value is missing at byte 8"}},
		"no object":                              {`["abc"]`, []string{" it is an array, expected an object"}},
		"something behind it":                    {`{"text":"abc"} {}`, []string{" it is not valid JSON: something follows"}},
		"a name twice":                           {`{"text":"abc","text":"abd"}`, []string{` it is not valid JSON: "text" stands twice`}},
		"a name twice, deeper":                   {`{"text":"abc","user":{"name":"A","n\u0061me":"B"}}`, []string{` it is not valid JSON: "name" stands twice`}},
		"half of a surrogate pair":               {`{"text":"ab\ud834"}`, []string{" it is not valid JSON: half of a surrogate pair"}},
		"bytes that are no UTF-8":                {"{\"text\":\"ab\xff\"}", []string{" it is not valid JSON: a string is not UTF-8"}},
		"a number that begins with 0":            {`{"text":"abc","n":01}`, []string{" it is not valid JSON: a number begins with 0"}},
		"NaN":                                    {`{"text":"abc","x":NaN}`, []string{" it is not valid JSON: no value begins so"}},
		"deep nesting":                           {strings.Repeat("[", 1000), []string{" it is not valid JSON: the nesting is too deep"}},
		"what is missing":                        {`{}`, []string{"/text it is missing"}},
		"null for what is required":              {`{"text":null}`, []string{"/text it is null, expected a string"}},
		"an unknown input":                       {`{"text":"abc","texts":1}`, []string{"/texts it is unknown, expected \"text\""}},
		"too few characters":                     {`{"text":"𝄞"}`, []string{"/text it has 1 characters, expected at least 2"}},
		"too many":                               {`{"text":"abcdef"}`, []string{"/text it has 6 characters, expected at most 5"}},
		"another value":                          {`{"text":"abc","kind":"c"}`, []string{`/kind it is "c", expected one of "a", "b"`}},
		"a fraction":                             {`{"text":"abc","n":1.5}`, []string{"/n it is 1.5, expected a whole number"}},
		"a number that is too large":             {`{"text":"abc","n":10}`, []string{"/n it is 10, expected at most 9"}},
		"a number out of reach":                  {`{"text":"abc","x":1e400}`, []string{"/x it is out of reach"}},
		"a text for a number":                    {`{"text":"abc","n":"1"}`, []string{"/n it is a string, expected a whole number"}},
		"too many elements":                      {`{"text":"abc","tags":["a","b","c"]}`, []string{"/tags it has 3 elements"}},
		"an element of another type":             {`{"text":"abc","tags":["a",1]}`, []string{"/tags/1 it is a number"}},
		"a pattern":                              {`{"text":"abc","user":{"name":"Bob"}}`, []string{"/user/name it does not match"}},
		"a name with slashes":                    {`{"text":"abc","a/b~c":1}`, []string{"/a~1b~0c it is unknown"}},
		"an image by http":                       {`{"text":"abc","photo":"http://a.example/x.png"}`, []string{"/photo it is not an https:// URL"}},
		"an image with a password":               {`{"text":"abc","photo":"https://u:p@a.example/x.png"}`, []string{"/photo it is not an https:// URL"}},
		"an image of another kind":               {`{"text":"abc","photo":"data:image/svg+xml;base64,aGk="}`, []string{"/photo its media type"}},
		"an image that is no base64":             {`{"text":"abc","photo":"data:image/png;base64,a*"}`, []string{"/photo its data is not base64"}},
		"several at once":                        {`{"n":0,"on":"yes"}`, []string{"/n it is 0", "/on it is a string, expected a boolean", "/text it is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := g.Inputs([]byte(tt.body))
			if len(faults) != len(tt.want) {
				t.Fatalf("want %q, got %+v", tt.want, faults)
			}
			for i, f := range faults {
				if got := f.Pointer + " " + f.Detail; !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("want %q, got %q", tt.want[i], got)
				}
			}
		})
	}
}

func TestMessagesAreWritten(t *testing.T) {
	g := program(t)
	for name, tt := range map[string]struct {
		body string
		want []Rendered
	}{
		"an input with braces stays what it is": {`{"text":"{{n}}","on":true}`, []Rendered{{Role: "user", Text: "{{n}}"}}},
		"loops, objects and images": {`{"text":"ab","tags":["x","y"],"user":{"name":"Ada"},"photo":"https://a.example/p"}`,
			[]Rendered{{Role: "system", Text: "off"}, {Role: "user", Text: "ab,x,yAda", Images: []string{"https://a.example/p"}}}},
		"what is blank is left out": {`{"text":"  ","on":true}`, []Rendered{}},
	} {
		t.Run(name, func(t *testing.T) {
			v, faults := g.Inputs([]byte(tt.body))
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			got, err := g.Render(v)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("mismatch (-want +got)\n%s", d)
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	v := sample()
	v.Types[6].Most, v.Types[9].Most = nil, nil
	v.Messages = []Message{{Role: "user", Ops: []Op{{Code: Each, Path: []int{5}}, {Code: Each, Path: []int{5}}, {Code: Print, Frame: 2}, {Code: Close}, {Code: Close}}}}
	g, err := New("p", v)
	if err != nil {
		t.Fatal(err)
	}
	for name, tags := range map[string]string{"texts": strings.Repeat(`"0123456789",`, 3000), "nothing, many times": strings.Repeat(`"",`, 9000)} {
		inputs, faults := g.Inputs([]byte(`{"text":"abc","tags":[` + strings.TrimSuffix(tags, ",") + `]}`))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if _, err := g.Render(inputs); err != ErrTooLong {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutputsAreReadFromWhatModelsWrite(t *testing.T) {
	g := program(t)
	for text, want := range map[string]string{
		`{"label":"x"}`:                             `{"label":"x"}`,
		" {\"score\":1.50,\"label\":\"x\"}\n":       `{"label":"x","score":1.5}`,
		"```json\n{\"label\":\"x\"}\n```":           `{"label":"x"}`,
		"```\n{\"label\":\"x\",\"score\":null}```":  `{"label":"x"}`,
		`{"label":"x","more":1}`:                    "",
		`Sure! {"label":"x"}`:                       "",
		"```json\n{}\n```":                          "",
		"```json\n{\"label\":\"x\"}\n```\n```\n```": "",
		``: "",
	} {
		v, faults := g.Output(text)
		got := ""
		if len(faults) == 0 {
			got = string(g.AppendJSON(nil, g.Version.Output, v))
		}
		if got != want {
			t.Errorf("%q: want %q, got %q %v", text, want, got, faults)
		}
	}
}

func TestVersionsArePicked(t *testing.T) {
	one, two := *sample(), *sample()
	one.Number = 1
	p := &Prompt{Name: "p", Path: "/p", Owner: -1, Visibility: "team", Versions: []Version{one, two}, Default: 3, Aliases: []Alias{{"latest", 3}, {"stable", 1}}}
	s, err := Load(p, 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"1": 1, "3": 3, "latest": 3, "stable": 1} {
		if g := s.Program(name); g == nil || g.Number != want {
			t.Errorf("%q is %v", name, g)
		}
	}
	for _, name := range []string{"", "2", "01", "+1", "Latest", "1.0"} {
		if s.Program(name) != nil {
			t.Errorf("%q is a version", name)
		}
	}
	if s.Pick([]byte("x"), "a/b").Number != 3 {
		t.Error("without a split the default answers")
	}
	p.Split, p.SplitBy = []Share{{1, 9}, {3, 1}}, "request"
	if s, err = Load(p, 0, 1, nil); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range 10000 {
		id := []byte("request-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
		if s.Pick(id, "a/b").Number == 3 {
			n++
		}
		if s.Pick(id, "a/b") != s.Pick(id, "c/d") {
			t.Fatal("the app decides where the request's id should")
		}
	}
	if n < 850 || n > 1150 {
		t.Errorf("a share of a tenth got %d of 10000 requests", n)
	}
	p.SplitBy = "app"
	if s, err = Load(p, 0, 1, nil); err != nil {
		t.Fatal(err)
	}
	if s.Pick([]byte("x"), "a/b") != s.Pick([]byte("y"), "a/b") {
		t.Error("the request's id decides where the app should")
	}
}

func TestWhatNoCompilerWritesIsRefused(t *testing.T) {
	for name, edit := range map[string]func(*Version){
		"no types":                        func(v *Version) { v.Types = nil },
		"inputs that are no object":       func(v *Version) { v.Types[0] = Type{Kind: String} },
		"an output out of range":          func(v *Version) { v.Output = 99 },
		"an output that is no object":     func(v *Version) { v.Output = 9 },
		"a type that refers to itself":    func(v *Version) { v.Types[6].Items = 6 },
		"a type that refers back":         func(v *Version) { v.Types[8].Fields[0].Type = 1 },
		"a type out of range":             func(v *Version) { v.Types[6].Items = 99 },
		"an unknown kind":                 func(v *Version) { v.Types[5].Kind = 99 },
		"a pattern that is none":          func(v *Version) { v.Types[10].Pattern = "(" },
		"a bound that the kind has not":   func(v *Version) { v.Types[5].Low = at(1.0) },
		"a field twice":                   func(v *Version) { v.Types[0].Fields[1].Name = "text" },
		"a default that does not fit":     func(v *Version) { v.Types[0].Fields[1].Default = `"z"` },
		"a default that is no JSON":       func(v *Version) { v.Types[0].Fields[1].Default = `"` },
		"a default of what is required":   func(v *Version) { v.Types[0].Fields[0].Default = `"abc"` },
		"no messages":                     func(v *Version) { v.Messages = nil },
		"an unknown role":                 func(v *Version) { v.Messages[0].Role = "tool" },
		"a step that closes nothing":      func(v *Version) { v.Messages[0].Ops = []Op{{Code: Close}} },
		"a block that is not closed":      func(v *Version) { v.Messages[0].Ops = v.Messages[0].Ops[:2] },
		"a path that leads nowhere":       func(v *Version) { v.Messages[1].Ops[0].Path = []int{99} },
		"a path through a text":           func(v *Version) { v.Messages[1].Ops[0].Path = []int{0, 0} },
		"a negative path":                 func(v *Version) { v.Messages[1].Ops[0].Path = []int{-1} },
		"a frame that is not open":        func(v *Version) { v.Messages[1].Ops[0].Frame = 1 },
		"a loop over what is no list":     func(v *Version) { v.Messages[1].Ops[1].Path = []int{0} },
		"a list as text":                  func(v *Version) { v.Messages[1].Ops[0].Path = []int{5} },
		"an unknown step":                 func(v *Version) { v.Messages[1].Ops[0].Code = 99 },
		"an empty text":                   func(v *Version) { v.Messages[0].Ops[1].Text = "" },
		"an image that is a text":         func(v *Version) { v.Messages[1].Images = [][]int{{0}} },
		"a typed output that streams":     func(v *Version) { v.Stream = true },
		"an output without a rule for it": func(v *Version) { v.OnInvalid = "" },
		"an unknown effort":               func(v *Version) { v.Reasoning = "much" },
		"steps that are too deep":         func(v *Version) { v.Messages[0].Ops = deep(MaxDepth + 1) },
		"too many steps":                  func(v *Version) { v.Messages[0].Ops = make([]Op, MaxOps+1) },
		"an empty stop":                   func(v *Version) { v.Stop = []string{""} },
	} {
		v := sample()
		edit(v)
		if _, err := New("p", v); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func deep(n int) (ops []Op) {
	for range n {
		ops = append(ops, Op{Code: If, Path: []int{4}})
	}
	for range n {
		ops = append(ops, Op{Code: Close})
	}
	return ops
}

// FuzzInputs holds the reader of JSON against encoding/json: what it takes is JSON, and what it writes again says the same.
func FuzzInputs(f *testing.F) {
	for _, s := range []string{`{"text":"abc"}`, `{"text":"ab","tags":["x"],"user":{"name":"A"}}`, `{"text":"\ud834\udd1e"}`, `{"label":1e5}`, "[]", `{"a":{"a":{"a":1}}}`} {
		f.Add(s)
	}
	g := program(f)
	f.Fuzz(func(t *testing.T, s string) {
		v, faults := g.Inputs([]byte(s))
		if len(faults) > 0 {
			return
		}
		var want, got map[string]any
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatalf("%q is no JSON: %v", s, err)
		}
		out := g.AppendJSON(nil, 0, v)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q is written as %q: %v", s, out, err)
		}
		for name, w := range want {
			if w == nil {
				continue
			}
			if name == "user" { // null within it is nothing given
				continue
			}
			if d := cmp.Diff(w, got[name]); d != "" {
				t.Fatalf("%q: mismatch (-want +got)\n%s", s, d)
			}
		}
		if _, err := g.Render(v); err != nil {
			t.Fatal(err)
		}
	})
}
