package compiler_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/specimen"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// write puts a repository into a folder, its files in the given order.
func write(t testing.TB, dir string, files map[string][]byte, order []string) {
	t.Helper()
	for _, name := range order {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, files[name], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameInputsGiveTheSameBytes(t *testing.T) {
	files := specimen.Repository(25, "http://127.0.0.1:9000")
	// What is no source of the artifact changes nothing.
	files["docker-compose.yaml"] = []byte("services: {}\n")
	names := slices.Sorted(maps.Keys(files))
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "a", "longer", "way")
	write(t, one, files, names)
	slices.Reverse(names)
	files["docker-compose.yaml"] = []byte("services: {db: {}}\n")
	write(t, two, files, names)

	build := func(dir string, now time.Time) *compiler.Result {
		t.Helper()
		r, err := compiler.Build(context.Background(), compiler.Options{Dir: dir, Now: now, Tool: "gwc test"})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Report.All()) > 0 || r.Bytes == nil {
			t.Fatalf("findings:\n%s", short(r.Report))
		}
		return r
	}
	a := build(one, now)
	b := build(two, now.Add(50*365*24*time.Hour))
	if !bytes.Equal(a.Bytes, b.Bytes) {
		t.Errorf("artifacts differ: mismatch (-one +two)\n%s", cmp.Diff(a.Artifact, b.Artifact))
	}
	if bytes.Contains(a.Bytes, []byte(one)) || bytes.Contains(b.Bytes, []byte(two)) {
		t.Error("the artifact holds the name of the repository's folder")
	}
	// The file holds what the result says.
	decoded, _, err := artifact.Decode(a.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.Artifact, decoded); diff != "" {
		t.Errorf("artifact: mismatch (-built +decoded)\n%s", diff)
	}
	if n := len(a.Artifact.Provenance.Sources); n != len(files)-1 {
		t.Errorf("the artifact names %d sources, want %d", n, len(files)-1)
	}

	// Any change of a source is another artifact.
	changed := filepath.Join(two, "tenants", "team-0001", "apis", "api-00010", "openapi.yaml")
	src, err := os.ReadFile(changed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed, append(src, "# a comment\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes, build(two, now).Bytes) {
		t.Error("the artifact is the same after a source changed")
	}
}

func TestStopAfterRunsTheStagesUpToThatOne(t *testing.T) {
	files := specimen.Repository(1, "http://127.0.0.1:9000")
	for i, stage := range compiler.Stages() {
		r := build(t, files, stage)
		var ran []string
		for _, timing := range r.Timings {
			ran = append(ran, timing.Stage)
			if want := "gwc_build_" + timing.Stage + "_seconds"; timing.Metric != want {
				t.Errorf("metric %q, want %q", timing.Metric, want)
			}
		}
		if diff := cmp.Diff(compiler.Stages()[:i+1], ran); diff != "" {
			t.Errorf("stages until %q: mismatch (-want +got)\n%s", stage, diff)
		}
		if r.Bytes != nil && stage != "emit" {
			t.Errorf("there are bytes after stage %q", stage)
		}
	}
	if _, err := compiler.Build(context.Background(), compiler.Options{Dir: t.TempDir(), StopAfter: "nothing"}); err != compiler.ErrStage {
		t.Errorf("error %v for a stage that does not exist, want %v", err, compiler.ErrStage)
	}
}

func TestABuildThatIsCancelledEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := compiler.Build(ctx, compiler.Options{Dir: t.TempDir()}); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// BenchmarkBuild reports each stage in milliseconds beside the whole.
func BenchmarkBuild(b *testing.B) {
	for _, apis := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("apis=%d", apis), func(b *testing.B) {
			dir := b.TempDir()
			files := specimen.Repository(apis, "http://127.0.0.1:9000")
			write(b, dir, files, slices.Sorted(maps.Keys(files)))
			took := map[string]time.Duration{}
			b.ReportAllocs()
			for b.Loop() {
				r, err := compiler.Build(context.Background(), compiler.Options{Dir: dir, Now: now, Tool: "gwc test"})
				if err != nil {
					b.Fatal(err)
				}
				if r.Bytes == nil {
					b.Fatalf("findings:\n%s", short(r.Report))
				}
				for _, t := range r.Timings {
					took[t.Stage] += t.Took
				}
			}
			for _, s := range compiler.Stages() {
				b.ReportMetric(float64(took[s].Microseconds())/1000/float64(b.N), s+"-ms")
			}
		})
	}
}
