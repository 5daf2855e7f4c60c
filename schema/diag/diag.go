// Package diag holds what gwc says about a repository: diagnostics as values.
//
// Stages of the compiler return a [Report]; they never print. A [Diagnostic] says one thing about one mistake: a
// stable code, a one-line summary, the exact place in the team's file, other places that matter, facts (notes),
// actions (help) and edits that repair it (fixes). Go errors are kept for the machine's mistakes (a disk that is
// full, a bug); what a user wrote wrong is always a Diagnostic.
//
// The package is a leaf: it knows nothing of CUE, of files on disk or of how a diagnostic is printed. Renderers live
// with the command (cmd/gwc/render).
package diag

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Code names a rule for good, such as "GWC1203". Codes are never reused. The thousands tell the kind: 1 shape,
// 2 references and ambiguity, 3 OpenAPI, 4 security, 5 reliability, 6 cost and tokens, 7 plan, 8 artifact and
// runtime, 9 internal.
type Code string

// Severity orders diagnostics by what they do to a build.
type Severity uint8

const (
	// Error stops the build. Errors cannot be waived.
	Error Severity = iota
	// Warning is an opinion or a risk; --strict makes it fail the build.
	Warning
	// Note is information.
	Note
)

// String returns "error", "warning" or "note".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "note"
}

// Pos is a place in a file: Line and Col count from 1, Col in bytes; Offset counts bytes from 0. The zero Pos means
// "not known".
type Pos struct {
	Line, Col, Offset int
}

// Span is a range of a file. File is relative to the repository's root, with forward slashes. End is exclusive.
type Span struct {
	File       string
	Start, End Pos
}

// IsZero reports whether the span names no place.
func (s Span) IsZero() bool { return s.File == "" }

// Label is a span with a short text beside the carets; Secret asks the renderer to blank the excerpt.
type Label struct {
	Span   Span
	Text   string
	Secret bool
}

// Edit replaces the text of a span.
type Edit struct {
	Span Span
	New  string
}

// Fix is a repair: a title and its edits. Safe means that it cannot change what a correct configuration does.
type Fix struct {
	Title string
	Safe  bool
	Edits []Edit
}

// Diagnostic is one finding. It is immutable once reported.
//
// Summary is lower case, has no full stop, names the thing in double quotes and says what is and what was expected.
// Path is the data path of the mistake in the configuration, such as ["models", "smart", "targets", "0", "provider"].
// Notes state facts; Help states actions.
type Diagnostic struct {
	Code      Code
	Severity  Severity
	Summary   string
	Path      []string
	Primary   Label
	Secondary []Label
	Notes     []string
	Help      []string
	Fixes     []Fix
}

// Fingerprint identifies the finding across commits: it depends on the code, the file and the data path (or the
// summary where there is no path), not on line numbers. It is 16 hex digits.
func (d *Diagnostic) Fingerprint() string {
	what := strings.Join(d.Path, "\x00")
	if what == "" {
		what = d.Summary
	}
	h := sha256.Sum256([]byte(string(d.Code) + "\x00" + d.Primary.Span.File + "\x00" + what))
	return hex.EncodeToString(h[:8])
}

// Report collects diagnostics. The zero value is ready to use.
type Report struct {
	list []Diagnostic
}

// Add appends findings.
func (r *Report) Add(d ...Diagnostic) { r.list = append(r.list, d...) }

// Merge appends all findings of another report.
func (r *Report) Merge(o Report) { r.list = append(r.list, o.list...) }

// All returns the findings in order of file, position, code and summary. The slice is the caller's.
func (r *Report) All() []Diagnostic {
	l := slices.Clone(r.list)
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Primary.Span.File, b.Primary.Span.File),
			cmp.Compare(a.Primary.Span.Start.Line, b.Primary.Span.Start.Line),
			cmp.Compare(a.Primary.Span.Start.Col, b.Primary.Span.Start.Col),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Summary, b.Summary),
		)
	})
	return l
}

// Count returns how many findings have the severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for i := range r.list {
		if r.list[i].Severity == s {
			n++
		}
	}
	return n
}

// Failed reports whether the report holds an error.
func (r *Report) Failed() bool { return r.Count(Error) > 0 }
