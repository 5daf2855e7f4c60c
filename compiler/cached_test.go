package compiler_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/specimen"
	"github.com/gwc-dev/gwc/schema/rules"
)

func openCache(t testing.TB, dir string) *cache.Cache {
	t.Helper()
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Tool = "gwc test"
	return c
}

func buildWith(t testing.TB, files map[string][]byte, c *cache.Cache) *compiler.Result {
	t.Helper()
	return buildIn(t, files, "", c)
}

// buildIn compiles a repository in memory, in an environment.
func buildIn(t testing.TB, files map[string][]byte, env string, c *cache.Cache) *compiler.Result {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Now: now, Tool: "gwc test", Environment: env, Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same holds that two results say and hold the same.
func same(t *testing.T, what string, want, got *compiler.Result) {
	t.Helper()
	if diff := cmp.Diff(want.Report.All(), got.Report.All()); diff != "" {
		t.Errorf("%s: findings: mismatch (-without cache +with)\n%s", what, diff)
	}
	if !bytes.Equal(want.Bytes, got.Bytes) {
		t.Errorf("%s: artifacts differ: mismatch (-without cache +with)\n%s", what, cmp.Diff(want.Artifact, got.Artifact))
	}
	if (want.Program == nil) != (got.Program == nil) {
		t.Errorf("%s: there is a program: %v without cache, %v with", what, want.Program != nil, got.Program != nil)
	}
}

// TestACacheChangesNoResult builds repositories without a cache, with an empty one and with a full one.
func TestACacheChangesNoResult(t *testing.T) {
	repos := map[string]map[string][]byte{}
	for _, r := range rules.All() {
		if r.Example != nil {
			repos[string(r.Code)+" example"] = repository(r.Example)
		}
		if r.Fix != nil {
			repos[string(r.Code)+" fix"] = repository(r.Fix)
		}
	}
	// What the tests of the stages look at: overlays, locks, YAML, broken files, several hundred single mistakes.
	for _, pattern := range []string{"testdata/*.txtar", "testdata/mistakes/*.txtar", "check/testdata/*.txtar", "load/testdata/*.txtar"} {
		archives, err := filepath.Glob(pattern)
		if err != nil || len(archives) == 0 {
			t.Fatalf("no archives %s (%v)", pattern, err)
		}
		for _, name := range archives {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range a.Files {
				if p, ok := strings.CutPrefix(f.Name, "in/"); ok {
					files[p] = f.Data
				}
			}
			repos[strings.TrimSuffix(name, ".txtar")] = files
		}
	}
	for seed := range 60 {
		repos[fmt.Sprintf("random %d", seed)] = random(uint64(seed))
	}
	shared := t.TempDir() // of all: no repository may take what is another's
	for name, files := range repos {
		t.Run(name, func(t *testing.T) {
			environments := []string{""}
			for _, e := range buildWith(t, files, nil).Sources.Environments {
				environments = append(environments, e.Name)
			}
			for _, env := range environments {
				want := buildIn(t, files, env, nil)
				same(t, "first "+env, want, buildIn(t, files, env, openCache(t, shared)))
				again := buildIn(t, files, env, openCache(t, shared))
				same(t, "again "+env, want, again)
				if n := again.Units; n.Evaluated > 0 && !secretIn(want) {
					t.Errorf("%d of %d units were evaluated again", n.Evaluated, n.Units)
				}
			}
			// Back to the first, with what the others kept.
			same(t, "at last", buildWith(t, files, nil), buildWith(t, files, openCache(t, shared)))
		})
	}
}

// secretIn reports whether a build found a secret, so that not everything may be kept.
func secretIn(r *compiler.Result) bool {
	for _, d := range r.Report.All() {
		if d.Primary.Secret || d.Code == "GWC1301" {
			return true
		}
	}
	return false
}

// random makes a repository with a few mistakes that nobody thought of: lines and bytes that are missing, doubled or
// exchanged.
func random(seed uint64) map[string][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	files := specimen.Company(20, "http://127.0.0.1:9000")
	maps.Copy(files, specimen.Repository(3, "http://127.0.0.1:9000"))
	names := slices.Sorted(maps.Keys(files))
	for range 1 + r.IntN(4) {
		name := names[r.IntN(len(names))]
		lines := strings.SplitAfter(string(files[name]), "\n")
		i := r.IntN(len(lines))
		switch r.IntN(4) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines = slices.Insert(lines, i, lines[i])
		case 2:
			j := r.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		case 3:
			if n := len(lines[i]); n > 0 {
				b := []byte(lines[i])
				b[r.IntN(n)] = "{}:\"a1. "[r.IntN(8)]
				lines[i] = string(b)
			}
		}
		files[name] = []byte(strings.Join(lines, ""))
	}
	return files
}

func TestOnlyWhatChangedIsWorkedOutAnew(t *testing.T) {
	files := specimen.Company(50, "http://127.0.0.1:9000")
	dir := t.TempDir()
	count := func() string {
		r := buildWith(t, files, openCache(t, dir))
		same(t, "build", buildWith(t, files, nil), r)
		return fmt.Sprintf("%d of %d units, %d of %d documents", r.Units.Evaluated, r.Units.Units, r.Documents.Parsed, r.Documents.Documents)
	}
	check := func(what, want string) {
		t.Helper()
		if got := count(); got != want {
			t.Errorf("%s: %s were worked out, want %s", what, got, want)
		}
	}
	check("an empty cache", "6 of 6 units, 5 of 5 documents")
	check("nothing changed", "0 of 6 units, 0 of 5 documents")
	api := "tenants/team-00003/apis/api-000031.cue"
	old := files[api]
	files[api] = bytes.ReplaceAll(old, []byte(`"10s"`), []byte(`"11s"`))
	check("a tenant's file changed", "1 of 6 units, 0 of 5 documents")
	files[api] = old
	check("the change was taken back", "0 of 6 units, 0 of 5 documents")
	doc := "tenants/team-00002/openapi.yaml"
	files[doc] = append(files[doc], "# a comment\n"...)
	check("a document changed", "0 of 6 units, 1 of 5 documents")
	delete(files, "tenants/team-00001/apis/api-000010.cue")
	check("a file is gone", "1 of 6 units, 0 of 5 documents")
	files["platform/upstreams.cue"] = []byte("package gateway\nupstreams: other: endpoints: [{url: \"http://10.0.0.1\"}]\n")
	check("the platform changed", "1 of 6 units, 0 of 5 documents")
	files["platform/locks.cue"] = []byte("package gateway\nlocks: \"apis.*.policies.timeout\": {atMost: \"1m\", reason: \"hung calls\"}\n")
	check("the platform locks something", "6 of 6 units, 0 of 5 documents")
	files["env/dev.cue"] = []byte("package gateway\nupstreams: dev: endpoints: [{url: \"http://10.0.0.2\"}]\n")
	check("an overlay of an environment that is not chosen", "0 of 6 units, 0 of 5 documents")
	files["tenants/team-00004/openapi.yaml"] = []byte(`openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /things:
    get: {operationId: listThings, responses: {"200": {$ref: "shared.yaml#/ok"}}}
`)
	files["tenants/team-00004/shared.yaml"] = []byte("ok: {description: fine}\n")
	check("a document refers to another file", "0 of 6 units, 1 of 5 documents")
	check("nothing changed", "0 of 6 units, 0 of 5 documents")
	files["tenants/team-00004/shared.yaml"] = []byte("OK: {description: fine}\n")
	check("the other file lacks what is referred to", "0 of 6 units, 1 of 5 documents")
	delete(files, "tenants/team-00004/shared.yaml")
	check("the other file is gone", "0 of 6 units, 1 of 5 documents")

	c := openCache(t, dir)
	c.Tool = "gwc test of tomorrow"
	if r := buildWith(t, files, c); r.Units.Evaluated != 6 || r.Documents.Parsed != 5 {
		t.Errorf("another tool took %d units and %d documents from this one", 6-r.Units.Evaluated, 5-r.Documents.Parsed)
	}
}

func TestDamagedEntriesAreWorkedOutAnew(t *testing.T) {
	files := specimen.Company(20, "http://127.0.0.1:9000")
	dir := t.TempDir()
	want := buildWith(t, files, openCache(t, dir))
	for name, damage := range map[string]func(name string) error{
		"cut off": func(name string) error { return os.Truncate(name, 100) },
		"changed": func(name string) error {
			b, err := os.ReadFile(name)
			if err == nil {
				b[len(b)-1]++
				err = os.WriteFile(name, b, 0o600)
			}
			return err
		},
		"removed": os.Remove,
		// A digest over nonsense is right, so that decoding meets it.
		"nonsense": func(name string) error {
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			var key cache.Key
			if _, err := fmt.Sscanf(strings.ReplaceAll(rel, string(filepath.Separator), ""), "%64x", (*hexKey)(&key)); err != nil {
				return nil // It is no entry.
			}
			openCache(t, dir).Put(key, bytes.Repeat([]byte{0x7f}, 300))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() || d.Name() == "trimmed" {
					return err
				}
				return damage(name)
			})
			if err != nil {
				t.Fatal(err)
			}
			r := buildWith(t, files, openCache(t, dir))
			same(t, "damaged", want, r)
			if r.Units.Evaluated != r.Units.Units || r.Documents.Parsed != r.Documents.Documents {
				t.Errorf("%d units and %d documents were taken from damaged entries", r.Units.Units-r.Units.Evaluated, r.Documents.Documents-r.Documents.Parsed)
			}
			if r := buildWith(t, files, openCache(t, dir)); r.Units.Evaluated > 0 {
				t.Errorf("%d units were not kept anew", r.Units.Evaluated)
			}
		})
	}
}

type hexKey cache.Key

func (k *hexKey) Scan(s fmt.ScanState, _ rune) error {
	b, err := s.Token(false, nil)
	if err != nil || len(b) != 2*len(k) {
		return fmt.Errorf("%q is no key", b)
	}
	for i := range k {
		if _, err := fmt.Sscanf(string(b[2*i:2*i+2]), "%02x", &k[i]); err != nil {
			return err
		}
	}
	return nil
}

func TestNoSecretIsKept(t *testing.T) {
	secret := "sk-" + strings.Repeat("5ecRet", 5) // Assembled, so that scanners of this repository stay calm.
	files := specimen.Company(10, "http://127.0.0.1:9000")
	files["platform/more.cue"] = []byte("package gateway\nproviders: more: {kind: \"openai\", credentials: [{ref: \"" + secret + "\"}]}\n")
	files["tenants/team-00000/more.cue"] = []byte("package gateway\nproviders: headers: {kind: \"openai\", headers: \"x-team\": \"" + secret + "\"}\n")
	dir := t.TempDir()
	r := buildWith(t, files, openCache(t, dir))
	if n := len(r.Report.All()); n < 2 {
		t.Fatalf("%d findings, want one for each secret", n)
	}
	sum := sha256.Sum256([]byte(secret))
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, sum[:]) {
			t.Errorf("%s holds a secret", d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildsAtTheSameTimeShareACache(t *testing.T) {
	files := specimen.Company(100, "http://127.0.0.1:9000")
	repo, dir := t.TempDir(), t.TempDir()
	write(t, repo, files, slices.Sorted(maps.Keys(files)))
	want := buildWith(t, files, nil)
	results := make(chan *compiler.Result, 4)
	for range cap(results) {
		go func() {
			r, err := compiler.Build(context.Background(), compiler.Options{Dir: repo, Now: now, Tool: "gwc test", Cache: openCache(t, dir)})
			if err != nil {
				t.Error(err)
			}
			results <- r
		}()
	}
	for range cap(results) {
		if r := <-results; r != nil {
			same(t, "one of several", want, r)
		}
	}
}

// BenchmarkWarm builds a repository of a thousand tenants in which one file changed; each stage is in milliseconds
// beside the whole.
func BenchmarkWarm(b *testing.B) {
	repo, dir := b.TempDir(), b.TempDir()
	files := specimen.Company(10_000, "http://127.0.0.1:9000")
	write(b, repo, files, slices.Sorted(maps.Keys(files)))
	took := map[string]time.Duration{}
	once := func(i int) {
		name := filepath.Join(repo, "tenants", "team-00500", "apis", "api-005003.cue")
		data := bytes.ReplaceAll(specimen.API(500, 3), []byte(`"10s"`), fmt.Appendf(nil, "%q", fmt.Sprintf("%dms", 5000+i)))
		if err := os.WriteFile(name, data, 0o644); err != nil {
			b.Fatal(err)
		}
		r, err := compiler.Build(context.Background(), compiler.Options{Dir: repo, Now: now, Tool: "gwc test", Cache: openCache(b, dir)})
		if err != nil {
			b.Fatal(err)
		}
		if r.Bytes == nil || i > 0 && r.Units.Evaluated != 1 {
			b.Fatalf("%d units evaluated; findings:\n%s", r.Units.Evaluated, short(r.Report))
		}
		if i > 0 {
			for _, t := range r.Timings {
				took[t.Stage] += t.Took
			}
		}
	}
	time.Sleep(3 * time.Second) // Files that are this young are read again.
	once(0)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		once(i)
	}
	for _, s := range compiler.Stages() {
		b.ReportMetric(float64(took[s].Microseconds())/1000/float64(b.N), s+"-ms")
	}
}

// BenchmarkCold builds the same repository with an empty cache.
func BenchmarkCold(b *testing.B) {
	repo := b.TempDir()
	files := specimen.Company(10_000, "http://127.0.0.1:9000")
	write(b, repo, files, slices.Sorted(maps.Keys(files)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := compiler.Build(context.Background(), compiler.Options{Dir: repo, Now: now, Tool: "gwc test", Cache: openCache(b, b.TempDir())})
		if err != nil {
			b.Fatal(err)
		}
		if r.Bytes == nil {
			b.Fatalf("findings:\n%s", short(r.Report))
		}
	}
}

func TestEnvironmentsKeepTheirOwnResults(t *testing.T) {
	files := specimen.Company(30, "http://127.0.0.1:9000")
	for _, env := range []string{"dev", "prod"} {
		files["env/"+env+".cue"] = fmt.Appendf(nil, "package gateway\napis: \"api-000013\": hosts: [\"%s.example.com\"]\n", env)
	}
	dir := t.TempDir()
	for i, step := range []struct {
		env  string
		want int // units evaluated
	}{{"dev", 4}, {"prod", 1}, {"dev", 0}, {"", 1}, {"prod", 0}} {
		r := buildIn(t, files, step.env, openCache(t, dir))
		want := buildIn(t, files, step.env, nil)
		same(t, step.env, want, r)
		if want.Bytes == nil {
			t.Fatalf("findings:\n%s", short(want.Report))
		}
		if step.env != "" && !bytes.Contains(r.Bytes, []byte(step.env+".example.com")) {
			t.Errorf("step %d: the overlay of %q does not count", i, step.env)
		}
		if r.Units.Evaluated != step.want {
			t.Errorf("step %d, %q: %d units were evaluated, want %d", i, step.env, r.Units.Evaluated, step.want)
		}
	}
}
