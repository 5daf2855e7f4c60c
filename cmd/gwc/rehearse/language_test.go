package rehearse_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	language "github.com/gwc-dev/gwc/schema/cue"
)

// TestARecordCanBeExpectedWhole holds the fields that a test may expect of a record against those that a call log has.
func TestARecordCanBeExpectedWhole(t *testing.T) {
	page, err := os.ReadFile("../../../docs/call-log.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)` \\| [a-z]+ \\| ").FindAllStringSubmatch(string(page), -1) {
		want = append(want, m[1])
	}
	for _, f := range language.Read().Types["#ExpectedRecord"].Fields {
		got = append(got, f.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("docs/call-log.md and schema/cue/test.cue: mismatch (-want +got):\n%s", d)
	}
}
