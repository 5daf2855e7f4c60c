package vendor_test

import (
	"net/url"
	"regexp"
	"slices"
	"testing"

	"github.com/gwc-dev/gwc/schema/vendor"
)

func TestRowsAreSortedAndWhole(t *testing.T) {
	names := vendor.Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Fatalf("not sorted, or twice: %v", names)
	}
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, r := range vendor.All() {
		if !form.MatchString(r.Name) || r.Title == "" || r.Source == "" {
			t.Errorf("%q lacks its title or source, or is no name", r.Name)
		}
		if r.BaseURL != "" {
			u, err := url.Parse(r.BaseURL)
			if err != nil || u.Host == "" || u.Scheme == "http" && u.Hostname() != "127.0.0.1" || r.BaseURL[len(r.BaseURL)-1] == '/' {
				t.Errorf("%s: base URL %q", r.Name, r.BaseURL)
			}
		}
		if r.Limit != "" && r.Limit != "max_tokens" && r.Limit != "max_completion_tokens" {
			t.Errorf("%s: limit %q", r.Name, r.Limit)
		}
		if got := vendor.Get(r.Name); got == nil || got.Title != r.Title {
			t.Errorf("%s is not found", r.Name)
		}
	}
	if vendor.Get("nobody") != nil || vendor.Get("") != nil {
		t.Error("a vendor that does not exist is found")
	}
}

func TestLacksKnowsModels(t *testing.T) {
	xai := vendor.Get("xai")
	for _, c := range []struct {
		model, field string
		fate         vendor.Fate
		lacks        bool
	}{
		{"grok-3", "stop", 0, false},
		{"grok-4-fast", "stop", vendor.Rejected, true},
		{"grok-4-fast", "reasoning_effort", vendor.Dropped, true},
		{"grok-4", "reasoning_effort", vendor.Dropped, true},
		{"grok-4.3", "reasoning_effort", 0, false},
		{"grok-3", "reasoning_effort", vendor.Dropped, true},
		{"grok-3-mini", "reasoning_effort", 0, false},
		{"grok-code-fast-1", "reasoning_effort", vendor.Dropped, true},
		{"grok-3", "logit_bias", vendor.Rejected, true},
	} {
		if fate, ok := xai.Lacks(c.model, c.field); fate != c.fate || ok != c.lacks {
			t.Errorf("%s of %s: %v, %v, want %v, %v", c.field, c.model, fate, ok, c.fate, c.lacks)
		}
	}
}
