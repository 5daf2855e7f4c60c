package reach_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
)

const prompting = `package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
providers: openai: {kind: "openai", credentials: [{ref: "env:OPENAI_API_KEY"}]}
models: fast: targets: [{provider: "openai", model: "gpt-5-mini"}]
models: dear: targets: [{provider: "openai", model: "gpt-5"}]
prompts: mood: {owner: "acme", path: "/v1/mood", model: "dear", messages: [{role: "user", text: "Hello"}]}
tenants: acme: apps: {
	web: {keys: [{id: "web", hash: "sha256:0101010101010101010101010101010101010101010101010101010101010101"}], models: ["fast"]}
	dear: {keys: [{id: "dear", hash: "sha256:0202020202020202020202020202020202020202020202020202020202020202"}], models: ["dear"]}
}
tenants: shop: apps: {
	till: {keys: [{id: "till", hash: "sha256:0303030303030303030303030303030303030303030303030303030303030303"}], prompts: ["mood"]}
	door: {keys: [{id: "door", hash: "sha256:0404040404040404040404040404040404040404040404040404040404040404"}], models: ["fast"]}
}
`

// TestPromptsAreAWayToTheirModels holds that who may call a prompt counts among those who reach its model, so that no
// assertion about a model is proved that a prompt goes around.
func TestPromptsAreAWayToTheirModels(t *testing.T) {
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fstest.MapFS{"gateway.cue": {Data: []byte(prompting)}}, StopAfter: "table"})
	if err != nil || r.Report.Failed() {
		t.Fatal(err, r.Report.All())
	}
	m := reach.New(r.Program)
	apps := func(text string) (names []string) {
		call, wrong := ir.ParseCall(text)
		if wrong != "" {
			t.Fatal(wrong)
		}
		list := m.Matching(call)
		if len(list) != 1 {
			t.Fatalf("%q is %d subjects", text, len(list))
		}
		for _, app := range m.Apps(list[0]) {
			names = append(names, m.App(app))
			if len(m.Grant(list[0], app)) == 0 {
				t.Errorf("nothing says why %s reaches %s", m.App(app), text)
			}
		}
		return names
	}
	for call, want := range map[string][]string{
		"model:fast":  {"acme/web", "shop/door"},
		"model:dear":  {"acme/dear", "acme/web", "shop/till"},
		"prompt.mood": {"acme/dear", "acme/web", "shop/till"},
	} {
		if d := cmp.Diff(want, apps(call)); d != "" {
			t.Errorf("%s: mismatch (-want +got)\n%s", call, d)
		}
	}
}
