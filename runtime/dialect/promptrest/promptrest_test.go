package promptrest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// program makes a prompt with one input, of messages that are "role text"; "{}" in a text is the input.
func program(t *testing.T, caching string, typed bool, messages ...string) *prompt.Program {
	t.Helper()
	v := &prompt.Version{Number: 3, Caching: caching, Types: []prompt.Type{
		{Kind: prompt.Object, Fields: []prompt.Field{{Name: "text", Type: 1, Required: true}}}, {Kind: prompt.String}}}
	if typed {
		v.Types = append(v.Types, prompt.Type{Kind: prompt.Object})
		v.Output, v.OnInvalid, v.Told = 2, "reject", []int{0}
	}
	for _, m := range messages {
		role, text, _ := strings.Cut(m, " ")
		before, after, input := strings.Cut(text, "{}")
		var ops []prompt.Op
		say := func(s string) {
			if s != "" {
				ops = append(ops, prompt.Op{Code: prompt.Text, Text: s})
			}
		}
		if say(before); input {
			ops = append(ops, prompt.Op{Code: prompt.Print, Path: []int{0}})
			say(after)
		}
		v.Messages = append(v.Messages, prompt.Message{Role: role, Ops: ops})
	}
	g, err := prompt.New("judge", v)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTheMarkStandsBehindWhatAllRequestsBeginWith(t *testing.T) {
	const kept = "|" // in what is wanted: the mark
	for _, c := range []struct {
		name     string
		messages []string
		told     bool
		want     string
	}{
		{"behind the system's text", []string{"system a", "user {}"}, false, "a| / x"},
		{"behind examples", []string{"system a", "user b", "assistant c", "user {}"}, false, "a / b c| x"},
		{"the developer's text that stands below is sent before", []string{"system a", "user {}", "developer b"}, false, "a b| / x"},
		{"a text of the system with an input ends it, wherever it stands", []string{"system a", "user b", "user {}", "developer {}"}, false, "a| x / b x"},
		{"nowhere where a request begins with an input", []string{"system about {}", "system a", "user b", "user {}"}, false, "about x a / b x"},
		{"behind everything where there is no input", []string{"system a", "user b"}, false, "a / b|"},
		{"messages that are blank do not count", []string{"system a", "system  ", "user {}"}, false, "a| / x"},
		{"the words about the output belong to the system's text", []string{"system a", "user {}"}, true, "a TOLD| / x"},
		{"and stand before the examples", []string{"system a", "user b", "assistant c", "user {}"}, true, "a TOLD / b c| x"},
		{"but not behind an input", []string{"system {}", "user b"}, true, "x TOLD / b"},
		{"and only where the system's text is all the same", []string{"system a", "system {}", "user b"}, true, "a| x TOLD / b"},
		{"where there is no other, nothing is marked", []string{"user {}"}, true, "TOLD / x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := program(t, "1h", c.told, c.messages...)
			r := Request(g, rendered(t, g), false, c.told, ByMark, nil)
			if got := shown(r, kept); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, m := range r.Messages {
				for _, p := range m.Parts {
					if p.Cache != dialect.NoCache && p.Cache != dialect.Cache1h {
						t.Errorf("a part is kept for %q", p.Cache)
					}
				}
			}
			// Whoever keeps beginnings in another way is sent no mark.
			for _, other := range []Caches{ByKey, Alone, Never} {
				if got := shown(Request(g, rendered(t, g), false, c.told, other, nil), kept); strings.Contains(got, kept) {
					t.Errorf("%d: got %s", other, got)
				}
			}
		})
	}
}

func rendered(t *testing.T, g *prompt.Program) []prompt.Rendered {
	t.Helper()
	inputs, faults := g.Inputs([]byte(`{"text":"x"}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	list, err := g.Render(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// shown writes the texts of a request: those of the system, a slash, the others.
func shown(r *dialect.Request, kept string) string {
	var l []string
	say := func(p dialect.Part) {
		text := p.Text
		if strings.Contains(text, "JSON Schema") {
			text = "TOLD"
		}
		if p.Cache != dialect.NoCache {
			text += kept
		}
		l = append(l, text)
	}
	for _, p := range r.System {
		say(p)
	}
	l = append(l, "/")
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			say(p)
		}
	}
	return strings.Join(l, " ")
}

func TestWhatIsSaidOfCachingDependsOnTheTarget(t *testing.T) {
	for _, c := range []struct {
		name     string
		caching  string
		first    string
		caches   Caches
		key      string
		unspoken []string
	}{
		{"a key", "5m", "system a", ByKey, "prompt:judge:3", nil},
		{"nothing", "5m", "system a", Alone, "", nil},
		{"the loss is named", "5m", "system a", Never, "", []string{"cache_control"}},
		{"no key for what begins with an input", "5m", "system {}", ByKey, "", nil},
		{"no loss of what begins with an input", "5m", "system {}", Never, "", nil},
		{"nothing without caching", "", "system a", ByKey, "", nil},
		{"no loss without caching", "", "system a", Never, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := program(t, c.caching, false, c.first, "user {}")
			r := Request(g, rendered(t, g), false, false, c.caches, nil)
			if r.CacheKey != c.key {
				t.Errorf("the key is %q, want %q", r.CacheKey, c.key)
			}
			if diff := cmp.Diff(c.unspoken, r.Unsupported); diff != "" {
				t.Errorf("unsupported: mismatch (-want +got)\n%s", diff)
			}
		})
	}
}

func TestAKeyFits(t *testing.T) {
	g := program(t, "5m", false, "system a")
	keys := map[string]bool{}
	for _, name := range []string{strings.Repeat("n", 54), strings.Repeat("n", 55), strings.Repeat("n", 56), strings.Repeat("n", 100), strings.Repeat("n", 99) + "m"} {
		g.Prompt = name
		r := Request(g, rendered(t, g), false, false, ByKey, nil)
		if len(r.CacheKey) > 64 || keys[r.CacheKey] {
			t.Errorf("%s: the key %q is %d bytes, or another prompt's", name, r.CacheKey, len(r.CacheKey))
		}
		keys[r.CacheKey] = true
	}
}
