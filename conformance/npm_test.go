package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// npm returns the node that runs what lies in the folder npm. The packages are installed from the committed lock file
// where one that the test needs is missing.
func npm(t *testing.T, needs ...string) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: node is not installed")
	}
	if slices.ContainsFunc(needs, func(name string) bool {
		_, err := os.Stat(filepath.Join("npm", "node_modules", filepath.FromSlash(name)))
		return err != nil
	}) {
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip("skipped: npm is not installed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
		cmd.Dir = "npm"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("skipped: npm ci does not work here: %v: %s", err, out)
		}
	}
	return node
}

// TestNPMClient runs npm/client.mjs.
func TestNPMClient(t *testing.T) {
	node := npm(t, "openai")
	w := startWorld(t, "--chunk-gap", "1ms")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join("npm", "client.mjs"), w.URL+"/v1", appKey, "passed", "translated")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	type line struct {
		Name, Model, Text, Stop string
		Calls                   []string
		Usage, Message          bool
		Chunks, Status          int
	}
	var want []line
	for _, target := range []struct{ model, upstream string }{{"passed", "gpt-4o-mini"}, {"translated", "claude-sonnet-4-5"}} {
		calls := []string{`get_weather{"city":"Paris"}`, `get_weather{"city":"Oslo"}`}
		seen := fmt.Sprintf(`This is %s. You said: "what is it?". I see 1 image: image/png of 70 bytes.`, target.upstream)
		for _, s := range []string{"", ", streamed"} {
			want = append(want,
				line{Name: "plain" + s, Text: "hello, world", Calls: []string{}, Stop: "stop"},
				line{Name: "tools" + s, Calls: calls, Stop: "tool_calls"},
				line{Name: "image" + s, Text: seen, Calls: []string{}, Stop: "stop"},
				line{Name: "length" + s, Text: "1, 2, 3", Calls: []string{}, Stop: "length"})
		}
		want = append(want, line{Name: "results", Text: "Here is what I found: get_weather gave 20 C; get_weather gave 21 C.", Calls: []string{}, Stop: "stop"})
		for i := range want {
			if want[i].Model == "" {
				want[i].Model, want[i].Usage = target.model, true
			}
		}
		want = append(want, line{Name: "aborted", Model: target.model, Chunks: 5})
	}
	want = append(want, line{Name: "unknown model", Model: "unheard-of", Status: 404, Message: true}, line{Name: "unknown key", Model: "passed", Status: 401, Message: true})
	byName := func(list []line) map[string]line {
		m := map[string]line{}
		for _, l := range list {
			m[l.Model+" "+l.Name] = l
		}
		return m
	}
	var got []line
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got = append(got, l)
	}
	if d := cmp.Diff(byName(want), byName(got)); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	eventually(t, func() (bool, string) {
		a, err := w.openai.Stats()
		b, err2 := w.anthropic.Stats()
		return err == nil && err2 == nil && a.ClientGone == 1 && b.ClientGone == 1, fmt.Sprintf("aborted streams: %+v %+v", a, b)
	})
}
