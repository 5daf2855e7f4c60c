package rehearse_test

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/cmd/gwc/rehearse"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/specimen"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// BenchmarkLargeRepository runs 200 tests, two of each tenant, in a repository of 1,000 APIs. What it measures is the
// tests alone: every one has a gateway of its own, with all routes.
func BenchmarkLargeRepository(b *testing.B) {
	fsys := fstest.MapFS{}
	for name, data := range specimen.Company(1000, "http://10.0.0.1:80") {
		fsys[name] = &fstest.MapFile{Data: data}
	}
	for i := range 100 {
		fsys[fmt.Sprintf("tenants/team-%05d/tests/a.cue", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `package gateway
tests: one: {request: path: "/api-%06[1]d/v1/none", expect: answer: status: 401 | 404}
tests: two: {request: path: "/v1/models", expect: answer: status: 401 | 404}
`, 10*i)}
	}
	res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "test", Rehearsal: true})
	if err != nil || res.Bytes == nil {
		b.Fatal(err, res.Report.All()[:1])
	}
	a, digest, err := artifact.Decode(res.Bytes)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(a.Routes)), "routes")
	for b.Loop() {
		outcomes, _ := rehearse.Run(context.Background(), a, digest.String(), res.Tests, rehearse.Options{})
		for i := range outcomes {
			if outcomes[i].Failed() {
				b.Fatal(outcomes[i].Failures)
			}
		}
	}
}
