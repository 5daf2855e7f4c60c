package compiler_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/schema/rules"
)

// FuzzBuild changes bytes in one file of a repository that a rule's page shows, and holds that a build ends without a
// panic, names places that exist, and gives an artifact or an error, never both or neither.
func FuzzBuild(f *testing.F) {
	var repositories []map[string][]byte
	for _, r := range rules.All() {
		if r.Fix != nil {
			repositories = append(repositories, repository(r.Fix))
		}
	}
	repositories = append(repositories, map[string][]byte{
		"gateway.yaml":              []byte("gateway: {listeners: {main: {address: \"127.0.0.1:8080\"}}}\nproviders: {openai: {kind: openai}}\n"),
		"platform/models.json":      []byte(`{"models": {"fast": {"targets": [{"provider": "openai", "model": "gpt-5"}]}}}`),
		"platform/locks.cue":        []byte("package gateway\n\nlocks: \"tenants.*.apps.*.models\": {values: [\"fast\"], reason: \"r\"}\n"),
		"tenants/acme/tenant.yaml":  []byte("tenants:\n  acme: {apps: {web: {models: [fast], limits: &l [{requests: 5, per: 1m}]}, other: {limits: *l}}}\n"),
		"tenants/acme/env/prod.cue": []byte("package gateway\n"),
		"env/prod.cue":              []byte("package gateway\n\nlet a = \"acme\"\ntenants: acme: owners: [a]\n"),
	})
	for i := range repositories {
		f.Add(uint16(i), uint8(0), uint16(10), []byte("{"))
		f.Add(uint16(i), uint8(1), uint16(40), []byte(": &x [*x]"))
	}
	f.Fuzz(func(t *testing.T, which uint16, file uint8, at uint16, text []byte) {
		files := repositories[int(which)%len(repositories)]
		names := slices.Sorted(maps.Keys(files))
		name := names[int(file)%len(names)]
		fsys := fstest.MapFS{}
		for n, data := range files {
			if n == name {
				from := int(at) % (len(data) + 1)
				to := min(from+len(text), len(data))
				data = slices.Concat(data[:from], text, data[to:])
			}
			fsys[n] = &fstest.MapFile{Data: data, Mode: 0o644}
		}
		environment := ""
		if _, ok := fsys["env/prod.cue"]; ok && at%2 == 0 {
			environment = "prod"
		}
		res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Now: now, Tool: "gwc test", Environment: environment})
		if err != nil {
			t.Fatal(err)
		}
		if res.Report.Failed() == (res.Bytes != nil) {
			t.Fatalf("errors are %v, bytes are %d\n%s", res.Report.Failed(), len(res.Bytes), short(res.Report))
		}
		for _, d := range res.Report.All() {
			s := d.Primary.Span
			if s.IsZero() {
				continue
			}
			if f, ok := fsys[s.File]; ok && s.Start.Offset > len(f.Data) {
				t.Fatalf("%s is at %+v of %d bytes", d.Summary, s, len(f.Data))
			}
		}
	})
}
