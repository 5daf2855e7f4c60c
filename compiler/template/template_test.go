package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// shelf is partials by name.
type shelf map[string]string

func (s shelf) Partial(name string) (string, bool) {
	text, ok := s[name]
	return text, ok
}

func (s shelf) Names() (names []string) {
	for _, n := range []string{"a", "b", "nothing", "tone"} {
		if _, ok := s[n]; ok {
			names = append(names, n)
		}
	}
	return names
}

// types are of {name, count, loud, tags: [string], user: {first, nick?}, items: [{label, parts: [{name}]}], note?, photo}.
func types() []prompt.Type {
	f := func(name string, typ int, required bool) prompt.Field {
		return prompt.Field{Name: name, Type: typ, Required: required}
	}
	return []prompt.Type{
		{Kind: prompt.Object, Fields: []prompt.Field{f("name", 6, true), f("count", 7, true), f("loud", 8, true), f("tags", 1, true), f("user", 2, true),
			f("items", 3, true), f("note", 6, false), f("photo", 9, true)}},
		{Kind: prompt.Array, Items: 6},
		{Kind: prompt.Object, Fields: []prompt.Field{f("first", 6, true), f("nick", 6, false)}},
		{Kind: prompt.Array, Items: 4},
		{Kind: prompt.Object, Fields: []prompt.Field{f("label", 6, true), f("parts", 5, true)}},
		{Kind: prompt.Array, Items: 10},
		{Kind: prompt.String},
		{Kind: prompt.Integer},
		{Kind: prompt.Boolean},
		{Kind: prompt.Image},
		{Kind: prompt.Object, Fields: []prompt.Field{f("name", 11, true)}},
		{Kind: prompt.String},
	}
}

const body = `{"name": "Ada {{count}}", "count": 3, "loud": true, "tags": ["x", "{{y}}"], "user": {"first": "A"}, "photo": "https://a.example/p.png",
	"items": [{"label": "one", "parts": [{"name": "p"}, {"name": "q"}]}, {"label": "two", "parts": []}]}`

var library = shelf{"tone": "Be {{#loud}}LOUD{{/loud}}{{^loud}}quiet{{/loud}}.\n", "a": "{{>b}}", "b": "{{>a}}", "nothing": ""}

func TestTemplatesWriteWhatTheySay(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"text alone":                                         {"Hello", "Hello"},
		"an input as it is":                                  {"Hi {{name}}, {{ count }}!", "Hi Ada {{count}}, 3!"},
		"a backslash makes a tag text":                       {`\{{name}} {{name}}`, "{{name}} Ada {{count}}"},
		"a boolean":                                          {"{{loud}}{{#loud}} yes{{/loud}}{{^loud}} no{{/loud}}", "true yes"},
		"a list of texts":                                    {"{{#tags}}[{{.}}]{{/tags}}{{^tags}}none{{/tags}}", "[x][{{y}}]"},
		"a field of an object":                               {"{{user.first}} {{#user}}{{first}}{{/user}}", "A A"},
		"what may be absent":                                 {"{{#note}}Note: {{note}}{{/note}}{{^note}}no note{{/note}}", "no note"},
		"what may be absent in an object":                    {"{{#user}}{{#nick}}{{nick}}{{/nick}}{{^nick}}-{{/nick}}{{/user}}", "-"},
		"lists in lists, and names from outside":             {"{{#items}}{{label}}:{{#parts}}{{name}}/{{label}},{{/parts}} {{/items}}", "one:p/one,q/one, two: "},
		"the element of the inner list hides an input":       {"{{#items}}{{#parts}}{{name}}{{/parts}}{{/items}} {{name}}", "pq Ada {{count}}"},
		"a partial":                                          {"{{>tone}} {{name}}", "Be LOUD.\n Ada {{count}}"},
		"a partial on its own line ends with the line":       {"A\n{{>tone}}\nB", "A\nBe LOUD.\nB"},
		"a comment":                                          {"A{{! not said }}B", "AB"},
		"tags alone on their lines take the lines with them": {"A\n  {{#loud}}\nB\n  {{/loud}}\nC", "A\nB\nC"},
		"line ends of Windows":                               {"A\r\n{{#loud}}\r\nB\r\n{{/loud}}\r\n", "A\r\nB\r\n"},
		"a variable alone on its line keeps the line":        {"A\n{{count}}\nB", "A\n3\nB"},
		"an empty partial":                                   {"A{{>nothing}}B", "AB"},
	} {
		t.Run(name, func(t *testing.T) {
			in := Inputs{Types: types(), Used: make([]bool, 8)}
			ops, faults := Lower(tt.text, &in, library, nil)
			if len(faults) > 0 {
				t.Fatalf("faults: %+v", faults)
			}
			g, err := prompt.New("p", &prompt.Version{Number: 1, Types: in.Types, Messages: []prompt.Message{{Role: "user", Ops: ops}}})
			if err != nil {
				t.Fatal(err)
			}
			v, wrong := g.Inputs([]byte(body))
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			m, err := g.Message(0, v)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, m.Text); d != "" {
				t.Errorf("mismatch (-want +got)\n%s", d)
			}
		})
	}
}

func TestMistakesInTemplatesAreFound(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		kind FaultKind
		at   string // what is pointed at
		near string
	}{
		"a tag that is not closed":               {"a {{name", Syntax, "{{", ""},
		"a tag without a name":                   {"{{}}", Syntax, "{{}}", ""},
		"a section without a name":               {"{{#}}", Syntax, "{{#}}", ""},
		"a name that is none":                    {"{{na me}}", Syntax, "{{na me}}", ""},
		"three braces":                           {"{{{name}}}", Syntax, "{{{", ""},
		"an ampersand":                           {"{{&name}}", Syntax, "{{&", ""},
		"other delimiters":                       {"{{=<% %>=}}", Syntax, "{{=", ""},
		"code":                                   {"{{name.toUpper()}}", Syntax, "{{name.toUpper()}}", ""},
		"a section that is not closed":           {"{{#loud}}x", Syntax, "{{#loud}}", ""},
		"a section that closes another":          {"{{#loud}}{{#tags}}{{/loud}}{{/tags}}", Syntax, "{{/loud}}", "tags"},
		"an end without a section":               {"x{{/loud}}", Syntax, "{{/loud}}", ""},
		"an unknown name":                        {"{{nmae}}", Unknown, "{{nmae}}", "name"},
		"an unknown field":                       {"{{user.frist}}", Unknown, "{{user.frist}}", "user.first"},
		"an unknown section hides what is in it": {"{{#itmes}}{{label}}{{/itmes}}", Unknown, "{{#itmes}}", "items"},
		"the element of no list":                 {"{{.}}", Unknown, "{{.}}", ""},
		"a list as text":                         {"{{tags}}", Misuse, "{{tags}}", ""},
		"an object as text":                      {"{{user}}", Misuse, "{{user}}", ""},
		"an image as text":                       {"{{photo}}", Misuse, "{{photo}}", ""},
		"a field of a text":                      {"{{name.first}}", Misuse, "{{name.first}}", ""},
		"a section over a text":                  {"{{#name}}x{{/name}}", Misuse, "{{#name}}", ""},
		"a section where a text is not":          {"{{^name}}x{{/name}}", Misuse, "{{^name}}", ""},
		"what may be absent":                     {"{{note}}", Absent, "{{note}}", ""},
		"what may be absent, where it is not":    {"{{^note}}{{note}}{{/note}}", Absent, "{{note}}", ""},
		"what may be absent in an object":        {"{{user.nick}}", Absent, "{{user.nick}}", ""},
		"an unknown partial":                     {"{{>tome}}", Missing, "{{>tome}}", "tone"},
		"a partial that includes itself":         {"{{>a}}", Cyclic, "{{>a}}", ""},
		"sections that are too deep":             {strings.Repeat("{{#loud}}", 40), TooLarge, "{{#loud}}", ""},
		"a text that is too long":                {strings.Repeat("x", prompt.MaxTemplate), TooLarge, "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := Inputs{Types: types(), Used: make([]bool, 8)}
			ops, faults := Lower(tt.text, &in, library, nil)
			if len(faults) != 1 || ops != nil {
				t.Fatalf("want one fault and no steps, got %+v", faults)
			}
			f := faults[0]
			text := tt.text
			if f.In != "" {
				text = library[f.In]
			}
			if f.Kind != tt.kind || f.Near != tt.near || !strings.HasPrefix(text[f.At:f.At+f.Length], tt.at) || f.Text == "" {
				t.Errorf("got %+v at %q", f, text[f.At:f.At+f.Length])
			}
		})
	}
}

// TestPartialsThatDoubleEnd holds that what grows without end is cut off where nothing of it is written, too.
func TestPartialsThatDoubleEnd(t *testing.T) {
	doubling := shelf{}
	for i := range 30 {
		next := string(rune('A' + i + 1))
		doubling[string(rune('A'+i))] = "{{>" + next + "}}{{>" + next + "}}"
	}
	doubling[string(rune('A'+30))] = ""
	doubling["A"] = "{{>B}}{{>B}}"
	in := Inputs{Types: types(), Used: make([]bool, 8)}
	_, faults := Lower("{{>A}}", &in, doubling, nil)
	if len(faults) == 0 {
		t.Fatal("it is not refused")
	}
}

// FuzzLower holds that any text is either refused with places within it or gives steps that an artifact may hold.
func FuzzLower(f *testing.F) {
	for _, s := range []string{"{{name}}", "{{#items}}{{label}}{{#parts}}{{name}}{{/parts}}{{/items}}", "{{>tone}}", "{{>a}}", "{{#note}}{{note}}{{/note}}", `\{{`, "{{!}}", "{{#tags}}\n{{.}}\n{{/tags}}\n", "{{^loud}}{{/loud}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0) {
			return // sources are text
		}
		in := Inputs{Types: types(), Used: make([]bool, 8)}
		ops, faults := Lower(text, &in, library, nil)
		for _, x := range faults {
			of := text
			if x.In != "" {
				of = library[x.In]
			}
			if x.At < 0 || x.Length < 1 || x.At+x.Length > len(of) || x.Text == "" {
				t.Fatalf("%+v lies outside of %q", x, of)
			}
		}
		if len(faults) > 0 {
			return
		}
		g, err := prompt.New("p", &prompt.Version{Number: 1, Types: in.Types, Messages: []prompt.Message{{Role: "user", Ops: ops}}})
		if err != nil {
			t.Fatalf("%q gives steps that are refused: %v", text, err)
		}
		v, wrong := g.Inputs([]byte(body))
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		if _, err := g.Message(0, v); err != nil {
			t.Fatal(err)
		}
		// What the template is shown as means the same.
		again, faults := Lower(g.Source(0), &Inputs{Types: types(), Used: make([]bool, 8)}, library, nil)
		if len(faults) > 0 {
			t.Fatalf("%q is shown as %q, which has faults: %+v", text, g.Source(0), faults)
		}
		_ = again
	})
}
