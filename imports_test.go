// Package gwc_test holds the rules that no compiler checks: which package may import which, and that ARCHITECTURE.md
// names only what exists.
package gwc_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/gwc-dev/gwc/"

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			list = append(list, p)
		}
	}
	if len(list) < 10 {
		t.Fatalf("only %d packages were listed", len(list))
	}
	return list
}

// layer is the first part of a package's path: cmd, compiler, runtime, schema, conformance.
func layer(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
	return first
}

func TestImportsGoOneWay(t *testing.T) {
	may := map[string][]string{
		"cmd":      {"cmd", "compiler", "runtime", "schema"},
		"compiler": {"compiler", "schema"},
		"runtime":  {"runtime", "schema"},
		"schema":   {"schema"},
		"examples": {"compiler", "schema"}, // their tests build them
	}
	for _, p := range packages(t) {
		from := layer(p.ImportPath)
		allowed, known := may[from]
		if !known {
			t.Errorf("%s is in no layer of the design", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, module) && !contains(allowed, layer(i)) {
				t.Errorf("%s imports %s: the direction is cmd → compiler|runtime → schema", p.ImportPath, i)
			}
		}
	}
}

func TestImportsOfTheDataPlaneHoldNothingOfTheCompiler(t *testing.T) {
	banned := []string{module + "compiler", module + "schema/catalogue", "cuelang.org/", "github.com/getkin/", "github.com/oasdiff/", "gopkg.in/yaml", "github.com/spf13/cobra"}
	found := false
	for _, p := range packages(t) {
		if p.ImportPath != module+"cmd/gwcd" {
			continue
		}
		found = true
		for _, d := range p.Deps {
			for _, b := range banned {
				if strings.HasPrefix(d, b) {
					t.Errorf("gwcd links %s", d)
				}
			}
		}
	}
	if !found {
		t.Error("cmd/gwcd was not listed")
	}
}

func TestImportsOfNetpollStandInOnePackage(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath != module+"runtime/netio" && contains(p.Imports, "github.com/cloudwego/netpoll") {
			t.Errorf("%s imports netpoll: only runtime/netio may", p.ImportPath)
		}
	}
}

// TestArchitectureNamesWhatExists looks up each `path/file.go` and `package.Symbol` that ARCHITECTURE.md names.
func TestImportsOfRecordingsStandInTestsAlone(t *testing.T) {
	for _, p := range packages(t) {
		if contains(p.Imports, module+"runtime/dialect/recorded") {
			t.Errorf("%s imports recorded traffic: only tests may", p.ImportPath)
		}
	}
}

func TestArchitectureNamesWhatExists(t *testing.T) {
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:cmd|compiler|runtime|schema|conformance|examples)(?:/[a-z0-9_.-]+)*)(?:\\.([A-Z][A-Za-z]*(?:\\.[A-Z][A-Za-z]*)?))?`").FindAllStringSubmatch(string(doc), -1)
	if len(names) < 20 {
		t.Fatalf("only %d names were found in ARCHITECTURE.md", len(names))
	}
	for _, n := range names {
		path, symbol := n[1], n[2]
		info, err := os.Stat(path)
		if err != nil {
			t.Errorf("ARCHITECTURE.md names %s, which does not exist", path)
			continue
		}
		if symbol == "" || !info.IsDir() {
			continue
		}
		if !declared(t, path, symbol) {
			t.Errorf("ARCHITECTURE.md names %s.%s, which is not declared there", path, symbol)
		}
	}
}

// declared looks for "func Name(", "type Name ", "func (x *Type) Name(" and the like in the files of a folder.
func declared(t *testing.T, dir, symbol string) bool {
	t.Helper()
	pattern := `(?m)^(func|type|var|const|\t)\s*` + symbol + `\b`
	if recv, method, ok := strings.Cut(symbol, "."); ok {
		pattern = `(?m)^func \([a-z]+ \*?` + recv + `(\[[^\]]*\])?\) ` + method + `\(|^type ` + recv + ` (struct|interface) \{[^}]*?\n\t` + method + `\b`
	}
	re := regexp.MustCompile(pattern)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if re.Match(b) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
