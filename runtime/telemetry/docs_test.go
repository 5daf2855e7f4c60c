package telemetry

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEveryMetricIsDocumented compares the rows of docs/metrics.md with what a scrape shows when everything has
// happened: names, types and labels.
func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Type, Labels string }
	documented := map[string]row{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(gwc_[a-z_]+)` \\| ([a-z]+) \\| ([a-z, ]*) ?\\| ").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = row{m[2], strings.TrimSpace(m[3])}
	}

	m := New()
	m.Route("r").Observe(200, 1, 1, 1, 1)
	m.Target("p", "m").Attempt("ok", 1)
	m.Target("p", "m").Tokens(1, 1, 1, 1, 1)
	m.Target("p", "m").Cost(1, true)
	m.Target("p", "m").Unpriced()
	m.Upstream("u", "e").Attempt("ok", 1)
	m.Listener("main").Opened()
	m.Messages(true, 1)
	m.Refused("x")
	m.ReloadFailed("x")
	m.AuthFailed("missing")
	m.SnapshotLoaded("sha256:aa", time.Unix(1, 0))
	m.SetCallLog(func() CallLog { return CallLog{} })
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]row{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "gwc_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		shown[f.GetName()] = row{strings.ToLower(f.GetType().String()), strings.Join(labels, ", ")}
	}
	for _, rows := range []map[string]row{documented, shown} {
		for name, r := range rows {
			labels := strings.Split(r.Labels, ", ")
			slices.Sort(labels)
			rows[name] = row{r.Type, strings.Join(labels, ", ")}
		}
	}
	if diff := cmp.Diff(documented, shown); diff != "" {
		t.Errorf("docs/metrics.md and the code differ (-docs +code):\n%s", diff)
	}
	if len(shown) != len(descs) {
		t.Errorf("%d metrics are shown, %d are declared", len(shown), len(descs))
	}
}

// TestBoundsAreDocumented holds the page's sentence about buckets.
func TestBoundsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`The buckets of all histograms are ([\d., and]+) ms, and ([\d.,\s and]+) s:`).FindStringSubmatch(string(page))
	if m == nil {
		t.Fatal("the sentence about buckets is gone")
	}
	var got []time.Duration
	for i, unit := range []time.Duration{time.Millisecond, time.Second} {
		for _, s := range regexp.MustCompile(`\d+(\.\d+)?`).FindAllString(m[i+1], -1) {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, time.Duration(f*float64(unit)))
		}
	}
	if diff := cmp.Diff(bounds[:], got); diff != "" {
		t.Errorf("mismatch (-code +docs):\n%s", diff)
	}
}
