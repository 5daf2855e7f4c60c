// Package examples holds complete repositories. Its tests keep them true: the schema that they carry is the schema,
// and they hold before CUE's own loader.
package examples

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/google/go-cmp/cmp"

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
