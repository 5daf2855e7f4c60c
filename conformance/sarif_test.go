package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSARIF holds the findings of every rule's example against the schema of SARIF 2.1.0.
func TestSARIF(t *testing.T) {
	node := npm(t, "ajv", "@microsoft/jest-sarif")
	pages, err := filepath.Glob("../schema/rules/GWC*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages of rules: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	var logs []string
	results := 0
	for _, page := range pages {
		code := strings.TrimSuffix(filepath.Base(page), ".md")
		repo := filepath.Join(dir, code)
		if !writeExample(t, page, repo) {
			continue
		}
		log := filepath.Join(dir, code+".sarif")
		cmd := exec.CommandContext(ctx, bin.GWC, "vet", repo, "--format", "sarif="+log)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 {
			err = nil
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", code, err, out)
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		results += bytes.Count(b, []byte(`"partialFingerprints"`))
		logs = append(logs, log)
	}
	if results < len(logs)*9/10 { // some show only on a later day
		t.Errorf("only %d results of %d examples", results, len(logs))
	}
	// What is wrong must be found: a test of the test.
	broken := filepath.Join(dir, "broken.sarif")
	if err := os.WriteFile(broken, []byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{}},"results":[]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node, append([]string{filepath.Join("npm", "sarif.mjs"), broken}, logs...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	judged := 0
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); judged++ {
		var v struct {
			File   string
			Valid  bool
			Errors json.RawMessage
		}
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if want := v.File != broken; v.Valid != want {
			t.Errorf("%s: valid is %v, want %v: %s", filepath.Base(v.File), v.Valid, want, v.Errors)
		}
	}
	if judged != len(logs)+1 {
		t.Errorf("%d of %d logs were judged", judged, len(logs)+1)
	}
}

// writeExample writes the repository of the section "Example" of a rule's page. A few pages have none, as an archive of
// text cannot hold what they are about.
func writeExample(t *testing.T, page, dir string) bool {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\n## Example\n")
	text, _, _ = strings.Cut(text, "\n## Fix\n")
	_, text, ok := strings.Cut(text, "```txtar\n")
	if !ok {
		return false
	}
	text, _, _ = strings.Cut(text, "\n```")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var name string
	files := map[string]string{}
	for line := range strings.Lines(text + "\n") {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "-- ") && strings.HasSuffix(s, " --") {
			name = s[3 : len(s)-3]
			files[name] = ""
			continue
		}
		files[name] += line
	}
	delete(files, "")
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return true
}
