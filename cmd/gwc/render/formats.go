package render

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gwc-dev/gwc/schema/diag"
)

// ErrFormat is returned by [Write] for a name that is not in [Formats].
var ErrFormat = errors.New("no such format")

// Formats returns the names of all formats, in the order of the documentation. The slice is the caller's.
func Formats() []string {
	return []string{"text", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown"}
}

// Write writes diagnostics in the format of a name. It returns how many findings it did not show because of o.Max.
func Write(w io.Writer, format string, list []diag.Diagnostic, o Options) (hidden int, err error) {
	switch format {
	case "text":
		return Text(w, list, o)
	case "json":
		return JSON(w, list, o)
	case "jsonl":
		return JSONL(w, list, o)
	case "sarif":
		return SARIF(w, list, o)
	case "github":
		return GitHub(w, list, o)
	case "gitlab":
		return GitLab(w, list, o)
	case "junit":
		return JUnit(w, list, o)
	case "markdown":
		return Markdown(w, list, o)
	}
	return 0, fmt.Errorf("%w: %q", ErrFormat, format)
}

// finding is a diagnostic that is fit to be shown: nothing in it is secret. The fingerprint is that of the diagnostic as
// it was reported, and nth counts findings with one fingerprint from 1.
type finding struct {
	diag.Diagnostic
	fingerprint string
	nth         int
}

// findings cuts a list at o.Max errors, and at as many warnings and notes together, and takes all secrets out of it.
func findings(list []diag.Diagnostic, o Options) (shown []finding, hidden int) {
	s := newSecrets(list, o.Source)
	count, seen := map[bool]int{}, map[string]int{}
	for i := range list {
		isError := list[i].Severity == diag.Error
		if o.Max > 0 && count[isError] >= o.Max {
			hidden++
			continue
		}
		count[isError]++
		f := finding{Diagnostic: s.without(&list[i]), fingerprint: list[i].Fingerprint()}
		seen[f.fingerprint]++
		f.nth = seen[f.fingerprint]
		shown = append(shown, f)
	}
	return shown, hidden
}

// help returns the actions of a diagnostic. Where it has a fix that is safe, one of them is to let gwc do it.
func help(d *diag.Diagnostic) []string {
	if d.Code == "" || !slices.ContainsFunc(d.Fixes, func(f diag.Fix) bool { return f.Safe && len(f.Edits) > 0 }) {
		return d.Help
	}
	return append(slices.Clone(d.Help), fmt.Sprintf("run `gwc fix --select %s`", d.Code))
}
