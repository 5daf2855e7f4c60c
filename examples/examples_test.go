// Package examples holds complete repositories. Its tests keep them true: the schema that they carry is the schema,
// and they hold before CUE's own loader.
package examples

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact"
	language "github.com/gwc-dev/gwc/schema/cue"
)

// TestVendoredSchemaIsTheSchema compares the copy in the quickstart; GWC_UPDATE=1 rewrites it.
func TestVendoredSchemaIsTheSchema(t *testing.T) {
	dir := filepath.Join("quickstart", "cue.mod", "pkg", "gwc.dev", "schema")
	want, got := map[string]string{}, map[string]string{}
	for _, f := range language.Files() {
		want[f.Name] = string(f.Data)
	}
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		got[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got); GWC_UPDATE=1 rewrites it\n%s", d)
	}
}

// TestQuickstartHoldsBeforeCUE is what `cue vet -c ./...` does in the quickstart.
func TestQuickstartHoldsBeforeCUE(t *testing.T) {
	for _, i := range load.Instances([]string{"./..."}, &load.Config{Dir: "quickstart"}) {
		if i.Err != nil {
			t.Fatal(errors.Details(i.Err, nil))
		}
		// What tests expect may be constraints.
		concrete := filepath.Base(i.Dir) != "tests"
		if err := cuecontext.New().BuildInstance(i).Validate(cue.Concrete(concrete)); err != nil {
			t.Errorf("%s:\n%s", i.Dir, errors.Details(err, nil))
		}
	}
}

// TestDemoKeyIsTheKeyOfTheDemoApp holds the public key against the hash in the app.
func TestDemoKeyIsTheKeyOfTheDemoApp(t *testing.T) {
	key, err := os.ReadFile("quickstart/demo-key.txt")
	if err != nil {
		t.Fatal(err)
	}
	app, err := os.ReadFile("quickstart/tenants/acme/apps/demo.cue")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(key))))
	if hash := "sha256:" + hex.EncodeToString(sum[:]); !strings.Contains(string(app), hash) {
		t.Errorf("the app does not have the hash of demo-key.txt, %s", hash)
	}
}

// gwc builds the command once for the tests of this package, and returns its path.
var gwc = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gwc-examples-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "gwc")
	out, err := exec.Command("go", "build", "-o", name, "../cmd/gwc").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return name, nil
})

// now is when the examples are judged, so that the tests do not begin to fail on the day on which a key of theirs ends.
const now = "2026-11-01"

// play runs the command in a folder and returns its streams; it must end with a code.
func play(t *testing.T, dir string, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	name, err := gwc()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = append(os.Environ(), "GWC_CACHE=off", "GITHUB_ACTIONS=")
	got := 0
	var e *exec.ExitError
	if err := cmd.Run(); errors.As(err, &e) {
		got = e.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != code {
		t.Errorf("gwc %s in %s ended with %d, want %d\n%s%s", strings.Join(args, " "), dir, got, code, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := gwc(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

// TestEveryExample holds that each repository has no finding, is formatted, builds, and keeps what it asserts, in every
// environment.
func TestEveryExample(t *testing.T) {
	for _, e := range []struct {
		dir          string
		environments []string
	}{
		{"quickstart", []string{""}},
		{"company", []string{"", "dev", "prod"}},
		{"from-litellm", []string{""}},
		{"models", []string{""}},
	} {
		for _, env := range e.environments {
			t.Run(strings.TrimSuffix(e.dir+" "+env, " "), func(t *testing.T) {
				with := []string{"--now", now}
				if env != "" {
					with = append(with, "--env", env)
				}
				if out, _ := play(t, e.dir, 0, append([]string{"vet", "--strict"}, with...)...); out != "" {
					t.Errorf("vet says:\n%s", out)
				}
				play(t, e.dir, 0, append([]string{"build", "--strict", "-o", filepath.Join(t.TempDir(), "gateway.gwca")}, with...)...)
				if env == "" {
					if out, _ := play(t, e.dir, 0, "test", "--cover"); !strings.Contains(out, "covered: 100%") {
						t.Errorf("the tests do not exercise all:\n%s", out)
					}
				}
				if env != "dev" { // The mock of development is one vendor in the place of two.
					play(t, e.dir, 0, append([]string{"prove", "--strict"}, with...)...)
				}
			})
		}
		if out, _ := play(t, e.dir, 0, "fmt", "--check"); out != "" {
			t.Errorf("not formatted in %s:\n%s", e.dir, out)
		}
	}
}

// TestLocksOfTheCompanyHold weakens a tenant's file as somebody in a hurry would.
func TestLocksOfTheCompanyHold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "company")
	if err := os.CopyFS(dir, os.DirFS("company")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tenants/storefront/apis/catalog/api.cue")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, want string }{
		{`policies: timeout: "5s"`, `policies: {timeout: "5s", auth: "none"}`, "calls without a key are nobody's"},
		{`policies: timeout: "5s"`, `policies: timeout: "10m"`, "a call that nobody waits for"},
	} {
		changed := strings.Replace(string(b), tt.from, tt.to, 1)
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		out, _ := play(t, dir, 1, "vet", "--now", now)
		if !strings.Contains(out, tt.want) || !strings.Contains(out, "platform/locks.cue") {
			t.Errorf("%s: vet does not name the lock:\n%s", tt.to, out)
		}
	}
}

// TestImportGivesTheMigration imports LiteLLM's configuration and compares with the repository around it, but for the
// files that were changed by hand and what is not kept here.
func TestImportGivesTheMigration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "from-litellm")
	out, _ := play(t, "from-litellm", 1, "import", "litellm", "litellm.yaml", "-C", dir, "--tenant", "team")
	for _, want := range []string{"input_cost_per_token", "routing_strategy", "drop_params", "master_key", "database_url"} {
		if !strings.Contains(out, want) { // README.md speaks of each.
			t.Errorf("import does not say that %s is not carried over:\n%s", want, out)
		}
	}
	byHand := []string{"platform/models/local.cue", "tenants/team/apps/master.cue"}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(path, "cue.mod/pkg/") || path == ".gitignore" {
			return err
		}
		want, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join("from-litellm", path))
		if err != nil {
			return err
		}
		if slices.Contains(byHand, path) {
			if string(want) == string(got) {
				t.Errorf("%s is said to be changed by hand, and is not", path)
			}
			return nil
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: mismatch (-imported +kept)\n%s", path, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestModelsHasWhatItSays counts what README.md of the models promises.
func TestModelsHasWhatItSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.gwca")
	play(t, "models", 0, "build", "--strict", "--now", now, "-o", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := artifact.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for i := range a.Providers {
		kinds[a.Providers[i].Kind] = true
	}
	got := map[string]int{"models": len(a.Models), "kinds": len(kinds), "providers": len(a.Providers), "prompts": len(a.Prompts), "tenants": len(a.Tenants)}
	if d := cmp.Diff(map[string]int{"models": 30, "kinds": 10, "providers": 15, "prompts": 5, "tenants": 3}, got); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}
