package check

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/compiler/load"
)

// repository makes a repository of many APIs, ten per tenant, each in a file of its own; amp uses the form
// `schema.#Gateway & {…}`.
func repository(apis int, amp bool) fstest.MapFS {
	fsys := fstest.MapFS{}
	write := func(path, format string, args ...any) {
		body := fmt.Sprintf(format, args...)
		if amp {
			body = "import \"gwc.dev/schema\"\n\nschema.#Gateway & {\n" + body + "\n}\n"
		}
		fsys[path] = &fstest.MapFile{Data: []byte("package gateway\n\n" + body)}
	}
	write("gateway.cue", `gateway: {listeners: main: address: "127.0.0.1:8080", admin: address: "127.0.0.1:9090"}`)
	write("platform/ai.cue", `
providers: openai: {kind: "openai", credentials: [{ref: "env:OPENAI_API_KEY"}]}
models: fast: targets: [{provider: "openai", model: "gpt-5-mini"}]
upstreams: pets: endpoints: [{url: "http://10.0.0.7:8080"}]`)
	for i := range apis {
		t := i / 10
		if i%10 == 0 {
			write(fmt.Sprintf("tenants/t%d/tenant.cue", t), `tenants: t%d: owners: ["@t%d/leads"]`, t, t)
			write(fmt.Sprintf("tenants/t%d/apps/web.cue", t), `
tenants: t%d: apps: web: {
	keys: [{id: "web-1", hash: "sha256:%064x", expires: "2027-06-30"}]
	models: ["fast"]
	limits: [{requests: 600, per: "1m"}]
}`, t, t)
		}
		write(fmt.Sprintf("tenants/t%d/apis/api%d/api.cue", t, i), `
apis: api%d: {
	owner: "t%d", openapi: "openapi.yaml", basePath: "/api%d/v1", upstream: "pets"
	policies: {auth: "key", timeout: "5s"}
	operations: listPets: policies: timeout: "2s"
}`, i, t, i)
	}
	return fsys
}

// BenchmarkCheck evaluates and checks repositories of 100, 1,000 and 10,000 APIs; loading is not counted, but done
// anew, because evaluation resolves the syntax trees.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		for _, amp := range []bool{false, true} {
			b.Run(fmt.Sprintf("apis=%d/amp=%v", n, amp), func(b *testing.B) {
				fsys := repository(n, amp)
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					src, _, err := load.Load(fsys)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					cfg, report := Check(src)
					if report.Failed() || len(cfg.APIs) != n {
						b.Fatalf("%d APIs, %v", len(cfg.APIs), report.All())
					}
				}
			})
		}
	}
}

// BenchmarkLoad reads repositories of 100, 1,000 and 10,000 APIs from a folder.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("apis=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			for name, file := range repository(n, false) {
				name = filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					b.Fatal(err)
				}
				if err := os.WriteFile(name, file.Data, 0o644); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := load.Dir(dir); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
