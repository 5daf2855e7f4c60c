package ir

import (
	"regexp"
	"strings"
	"testing"
)

func TestPatternsTakeWhatTheyName(t *testing.T) {
	for _, tt := range []struct {
		pattern, model, api, operation string
		takesModel, takesOperation     bool
	}{
		{"model:smart", "smart", "pets", "list", true, false},
		{"model:gpt-*", "gpt-5-mini", "gpt-", "x", true, false},
		{"model:gpt-*", "mygpt-5", "pets", "list", false, false},
		{"model:*-mini", "gpt-5-mini", "a", "b", true, false},
		{"pets.list", "pets.list", "pets", "list", false, true},
		{"pets.list", "x", "pets", "listAll", false, false},
		{"pets.*", "x", "pets", "list.all", false, true},
		{"*.list*", "x", "pets", "listAll", false, true},
		{"pets.list.all", "x", "pets", "list.all", false, true},
		{"*", "smart", "pets", "list", true, true},
		{"*.*", "smart", "pets", "list", false, true},
	} {
		c, wrong := ParseCall(tt.pattern)
		if wrong != "" {
			t.Errorf("%q %s", tt.pattern, wrong)
		}
		if c.Model(tt.model) != tt.takesModel || c.Operation(tt.api, tt.operation) != tt.takesOperation {
			t.Errorf("%q: model %q %v, operation %s.%s %v", tt.pattern, tt.model, c.Model(tt.model), tt.api, tt.operation, c.Operation(tt.api, tt.operation))
		}
	}
	for _, wrong := range []string{"", "smart", "model:", "model:a b", "pets.", ".list", "GET /pets", "Pets.list", "pets list.x", "pets.a b", "pets.a\u00a0b"} {
		if c, why := ParseCall(wrong); why == "" || c.Model("x") || c.Operation("pets", "list") {
			t.Errorf("%q is taken for a pattern of calls", wrong)
		}
	}
	for _, tt := range []struct {
		pattern, tenant, app string
		takes, everyone      bool
	}{
		{"acme", "acme", "web", true, false},
		{"acme", "acme-2", "web", false, false},
		{"acme/web", "acme", "web", true, false},
		{"acme/w*", "acme", "web", true, false},
		{"*/batch", "shop", "batch", true, false},
		{"*", "shop", "batch", true, false},
		{"everyone", "everyone", "web", false, true},
		{"everyone/web", "everyone", "web", true, false},
	} {
		c, wrong := ParseCaller(tt.pattern)
		if wrong != "" || c.App(tt.tenant, tt.app) != tt.takes || c.Everyone() != tt.everyone {
			t.Errorf("%q: %s, takes %s/%s %v, everyone %v", tt.pattern, wrong, tt.tenant, tt.app, c.App(tt.tenant, tt.app), c.Everyone())
		}
	}
	for _, wrong := range []string{"", "/", "acme/", "/web", "acme/web/x", "Acme", "acme web", "model:x", "pets.list"} {
		if _, why := ParseCaller(wrong); why == "" {
			t.Errorf("%q is taken for a pattern of callers", wrong)
		}
	}
}

// FuzzGlob holds glob against the regular expression that says the same.
func FuzzGlob(f *testing.F) {
	f.Add("a*b", "aXb")
	f.Add("**", "")
	f.Add("*ab*ab", "abab")
	f.Add("a*a", "a")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 200 || len(name) > 200 || strings.ContainsRune(name, '\uFFFD') || !isText(pattern) || !isText(name) {
			return
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		want := regexp.MustCompile(`(?s)\A` + strings.Join(parts, `.*`) + `\z`).MatchString(name)
		if got := glob(pattern, name); got != want {
			t.Errorf("glob(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }

func TestAPatternOfAnAppIsNotItsTenant(t *testing.T) {
	for pattern, want := range map[string]bool{"acme": true, "ac*": true, "acme/*": true, "acme/web": false, "shop": false, "everyone": false} {
		if c, _ := ParseCaller(pattern); c.Tenant("acme") != want {
			t.Errorf("%q takes tenant acme: %v, want %v", pattern, !want, want)
		}
	}
}
