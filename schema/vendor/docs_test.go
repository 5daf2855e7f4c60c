package vendor_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/vendor"
)

// TestTheDocumentShowsTheTable holds docs/providers.md against the rows; GWC_UPDATE=1 writes it.
func TestTheDocumentShowsTheTable(t *testing.T) {
	const file, mark = "../../docs/providers.md", "<!-- generated from the table that the gateway runs by -->\n"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, ok := strings.Cut(string(raw), mark)
	if !ok {
		t.Fatalf("%s has lost its mark", file)
	}
	var b strings.Builder
	b.WriteString(text + mark + "\n| `vendor` | | `baseURL` |\n|---|---|---|\n")
	for _, r := range vendor.All() {
		base := "`" + r.BaseURL + "`"
		if r.BaseURL == "" {
			base = "to be given"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Name, r.Title, base)
	}
	for _, r := range append(vendor.All(), *vendor.Mistral()) {
		fmt.Fprintf(&b, "\n### %s\n\n", r.Title)
		for _, line := range describe(&r) {
			fmt.Fprintf(&b, "- %s\n", line)
		}
		fmt.Fprintf(&b, "- source: %s\n", r.Source)
	}
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), string(raw)); diff != "" {
		t.Errorf("mismatch (-want +got); GWC_UPDATE=1 writes it:\n%s", diff)
	}
}

// describe says a row in words.
func describe(r *vendor.Row) (lines []string) {
	add := func(is bool, line string, args ...any) {
		if is {
			lines = append(lines, fmt.Sprintf(line, args...))
		}
	}
	add(r.Limit != "", "the limit of output is `%s`", r.Limit)
	add(r.UsageAlways, "streams always carry usage; `stream_options` is left out")
	add(!r.Developer, "developer messages become system messages")
	add(r.Effort == vendor.EffortNone, "`reasoning_effort` is left out")
	add(r.Effort == vendor.EffortType, "`reasoning_effort` becomes `thinking: {type}`: enabled, or disabled for none")
	add(r.Effort == vendor.EffortSwitch, "`reasoning_effort` becomes `enable_thinking`: true, or false for none")
	add(r.Forms == vendor.FormsObject, "`response_format`: json_object, no json_schema")
	add(r.Forms == vendor.FormsSchema, "`response_format`: json_schema, no json_object")
	add(r.Images == vendor.ImagesNone, "images are refused")
	add(r.Images == vendor.ImagesData, "images go as data alone")
	add(r.Images == vendor.ImagesURL, "images go by their URL alone")
	add(r.Documents, "a file given as data becomes a part `document_url`")
	add(r.OneChoice, "`n` is 1")
	add(r.OneCall, "`parallel_tool_calls: false` is refused")
	add(r.Hottest > 0, "`temperature` above %g becomes %g", r.Hottest, r.Hottest)
	add(r.Required != "", "`tool_choice: \"required\"` becomes %q", r.Required)
	add(r.CallIDs > 0, "ids of calls have %d letters and digits; others are changed", r.CallIDs)
	if c := r.ChoiceOf(); c != vendor.ChooseAny {
		var not []string
		for _, k := range []struct {
			bit  vendor.Choices
			name string
		}{{vendor.ChooseNone, "none"}, {vendor.ChooseRequired, "required"}, {vendor.ChooseNamed, "a named tool"}} {
			if c&k.bit == 0 {
				not = append(not, k.name)
			}
		}
		add(true, "`tool_choice` is refused: %s", strings.Join(not, ", "))
	}
	for from, to := range r.Rename {
		add(true, "`%s` becomes `%s`", from, to)
	}
	fieldLines(&lines, "", r.Fields)
	for _, m := range r.Models {
		fieldLines(&lines, "models "+strings.Join(slices.Concat(m.Names, starts(m.Prefixes)), ", ")+": ", m.Fields)
	}
	add(len(r.Members) > 0, "left out of messages: `%s`", strings.Join(r.Members, "`, `"))
	add(r.Answers != "", "answers: %s", r.Answers)
	return lines
}

// starts shows beginnings of names.
func starts(prefixes []string) (out []string) {
	for _, p := range prefixes {
		out = append(out, p+"…")
	}
	return out
}

func fieldLines(lines *[]string, who string, fields []vendor.Field) {
	var out, no []string
	for _, f := range fields {
		if f.Fate == vendor.Rejected {
			no = append(no, "`"+f.Name+"`")
		} else {
			out = append(out, "`"+f.Name+"`")
		}
	}
	if out != nil {
		*lines = append(*lines, who+"left out: "+strings.Join(out, ", "))
	}
	if no != nil {
		*lines = append(*lines, who+"refused: "+strings.Join(no, ", "))
	}
}
