package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBenchRuns is a smoke test of the whole command: every scenario runs, every load is answered well (the command
// fails otherwise), and the table and the file have the gateway's numbers. What the numbers are is not judged.
func TestBenchRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it takes half a minute")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "bench")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "out.json")
	cmd := exec.Command(program, "--short", "--json", file)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	table, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var saved struct{ Measurements []Measurement }
	if err := json.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	for _, name := range scenarioNames() {
		found := false
		for _, m := range saved.Measurements {
			found = found || m.Scenario == name && strings.HasPrefix(m.Variant, "gwc")
		}
		if !found || !strings.Contains(string(table), "| "+name+" | ") {
			t.Errorf("%s was not measured", name)
		}
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2: {3, 1}, 5: {9, 5, 1}} {
		if got := median(values); got != want {
			t.Errorf("median(%v) is %v, want %v", values, got, want)
		}
	}
}

// TestGoalsAreMeasured holds the table of goals against what the scenarios name.
func TestGoalsAreMeasured(t *testing.T) {
	for _, g := range goals {
		b := &bench{}
		b.add(g.scenario, g.variant, g.what, "x", 0, g.limit*3+1)
		if g.base != "" {
			b.add(g.scenario, g.base, g.what, "x", 0, 1)
		}
		if !strings.Contains(b.table(), "missed") {
			t.Errorf("a miss of %+v does not show", g)
		}
	}
}
