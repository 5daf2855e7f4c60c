package reach_test

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
)

func program(t *testing.T) *ir.Program {
	t.Helper()
	res, err := compiler.Build(context.Background(), compiler.Options{StopAfter: "link", FS: fstest.MapFS{
		"gateway.cue": {Data: []byte(`package gateway

gateway: listeners: main: address: ":80"
providers: p: {kind: "openai", credentials: [{ref: "env:A"}]}
models: {fast: targets: [{provider: "p", model: "x"}], slow: targets: [{provider: "p", model: "y"}]}
upstreams: u: endpoints: [{url: "http://127.0.0.1:9"}]
apis: pets: {openapi: "pets.yaml", basePath: "/pets", upstream: "u", hosts: ["a.example", "b.example"], operations: open: policies: auth: "none"}
tenants: acme: apps: {
	web: {keys: [{id: "old", hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", expires: "2026-12-31"}], models: ["slow", "fast"]}
	idle: {}
}
`)},
		"pets.yaml": {Data: []byte("openapi: 3.0.3\ninfo: {title: P, version: '1'}\npaths:\n  /list: {get: {operationId: list, responses: {'200': {description: ok}}}}\n  /open: {get: {operationId: open, responses: {'200': {description: ok}}}}\n")},
	}})
	if err != nil || res.Report.Failed() {
		t.Fatal(err, res.Report.All())
	}
	return res.Program
}

func TestWhoReachesWhatAndWhereItIsSaid(t *testing.T) {
	p := program(t)
	m := reach.New(p)
	for call, want := range map[string][]string{
		"model:fast":  {`model "fast" by models: acme/web at gateway.cue:9, gateway.cue:5`},
		"model:none*": nil,
		"pets.list":   {`operation "pets.list" by key: acme/idle at gateway.cue:10, pets.yaml:4; acme/web at gateway.cue:9, pets.yaml:4`},
		"pets.open":   {`operation "pets.open" by none: everyone at gateway.cue:7, pets.yaml:5`},
		"ai.models":   {`operation "ai.models" by key: acme/idle at gateway.cue:10; acme/web at gateway.cue:9`},
	} {
		pattern, wrong := ir.ParseCall(call)
		if wrong != "" {
			t.Fatal(wrong)
		}
		var got []string
		for _, x := range m.Matching(pattern) {
			line := fmt.Sprintf("%s by %s: ", m.Name(x), m.By(x))
			apps := m.Apps(x)
			if m.By(x) == reach.Open {
				apps = []int{reach.Everyone}
			}
			for i, app := range apps {
				if i > 0 {
					line += "; "
				}
				line += m.App(app) + " at "
				for j, l := range m.Grant(x, app) {
					if j > 0 {
						line += ", "
					}
					line += fmt.Sprintf("%s:%d", l.Span.File, l.Span.Start.Line)
				}
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: mismatch (-want +got)\n%s", call, diff)
		}
	}
	everything, _ := ir.ParseCall("*")
	for _, x := range m.Matching(everything) {
		if x.Model < 0 && p.Routes[x.Routes[0]].Operation == "list" && len(x.Routes) != 2 {
			t.Errorf("an operation on two hosts has %d routes", len(x.Routes))
		}
	}
}

func TestKeysThatWorkAreThoseOfTheTime(t *testing.T) {
	m := reach.New(program(t))
	web := 1
	if m.App(web) != "acme/web" {
		t.Fatalf("app %d is %s", web, m.App(web))
	}
	last := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, tt := range []struct {
		at   time.Time
		want int
	}{{time.Time{}, 1}, {last, 1}, {last.Add(time.Second), 0}} {
		if got := len(m.Keys(web, tt.at)); got != tt.want {
			t.Errorf("%d keys work at %s, want %d", got, tt.at, tt.want)
		}
	}
}
