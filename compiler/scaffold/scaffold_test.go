package scaffold

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cmd/cue/cmd"
	"cuelang.org/go/cue/errors"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/load"
)

func options() Options {
	return Options{Module: "example.com/gateway", KeyID: "demo-1", KeyHash: "sha256:" + strings.Repeat("0a", 32)}
}

// write puts a new repository into a folder, with replacements of text in one of its files.
func write(t *testing.T, file, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	replaced := file == ""
	for name, data := range Files(options()) {
		if name == file {
			after := bytes.ReplaceAll(data, []byte(old), []byte(new))
			replaced = !bytes.Equal(data, after)
			data = after
		}
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !replaced {
		t.Fatalf("%q does not stand in %s", old, file)
	}
	return dir
}

// cueVet runs CUE's own `cue vet ./...` in a folder and returns what it prints.
func cueVet(t *testing.T, dir string) (string, error) {
	t.Helper()
	t.Chdir(dir)
	t.Setenv("CUE_REGISTRY", "none")
	c, err := cmd.New([]string{"vet", "./..."})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&out)
	err = c.Run(t.Context())
	return out.String() + errors.Details(err, nil), err
}

func TestNewRepositoryIsCorrectForGwc(t *testing.T) {
	src, report, err := load.Dir(write(t, "", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	cfg, r := check.Check(src)
	report.Merge(r)
	for _, d := range report.All() {
		t.Errorf("%s: %s: %s", d.Primary.Span.File, d.Code, d.Summary)
	}
	if cfg == nil {
		t.Fatal("no config")
	}
	if got := cfg.Tenants["acme"].Apps["demo"].Keys[0]; got.ID != "demo-1" || got.Hash[0] != 0x0a {
		t.Errorf("the demo app's key is %v", got)
	}
	if got := cfg.APIs["petstore"].OpenAPI; !has(src, got) {
		t.Errorf("the document %q was not read", got)
	}
}

func TestNewRepositoryIsCorrectForPlainCueVet(t *testing.T) {
	if out, err := cueVet(t, write(t, "", "", "")); err != nil {
		t.Errorf("cue vet: %v\n%s", err, out)
	}
}

// TestPlainCueVetAndGwcFindTheSameTypo plants mistakes at several depths.
func TestPlainCueVetAndGwcFindTheSameTypo(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, typo string }{
		{"a field of a listener", "gateway.cue", "main: address", "main: adress", "adress"},
		{"a field of an element of a list of a model", "platform/models.cue", `{provider:`, `{weigth: 1, provider:`, "weigth"},
		{"a field of a policy of an operation", "tenants/acme/apis/petstore/api.cue", "policies: timeout", "policies: timeuot", "timeuot"},
		{"a field of a key of an app", "tenants/acme/apps/demo.cue", "{id:", "{ID: \"x\", id:", "ID"},
		{"a field of a credential of a provider", "platform/providers.cue", "{ref:", "{reff: \"x\", ref:", "reff"},
		{"a field at the top", "platform/upstreams.cue", "upstreams:", "upstraems:", "upstraems"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, c.file, c.old, c.new)
			out, err := cueVet(t, dir)
			if err == nil || !strings.Contains(out, c.typo) {
				t.Errorf("cue vet: error %v, output %q, expected it to name %q", err, out, c.typo)
			}
			src, _, err := load.Dir(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, report := check.Check(src)
			found := 0
			for _, d := range report.All() {
				if strings.Contains(d.Summary, `"`+c.typo+`"`) && d.Primary.Span.File == c.file {
					found++
				} else {
					t.Errorf("gwc says besides: %s: %s", d.Code, d.Summary)
				}
			}
			if found != 1 {
				t.Errorf("gwc named %q %d times, expected once", c.typo, found)
			}
		})
	}
}

func has(src *load.Sources, path string) bool {
	_, ok := src.Data(path)
	return ok
}
