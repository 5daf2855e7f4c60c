// Package rules is the catalogue of what gwc can say: one page for each code, written for the person who got it.
//
// The pages are Markdown files named by their code. Each begins with its code, title, severity and group, and has the
// sections "What it says", "Why it matters", "Example" and "Fix"; the last two hold a repository each, as a txtar
// archive. `gwc explain` prints a page and `gwc rules` lists them, and the compiler's tests build every repository:
// an example gives exactly the finding that its page describes, a fix does not. So a page cannot describe what gwc
// does not do. Texts beside the code that reports were refused: they are never long enough to help, and nobody
// executes them.
package rules

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/schema/diag"
)

//go:embed GWC*.md
var pages embed.FS

// Rule is one page. It is immutable.
type Rule struct {
	Code     diag.Code
	Title    string // "unknown provider"
	Severity diag.Severity
	Group    string // "references"; see [Group]
	Says     string // Markdown of "What it says"
	Why      string // Markdown of "Why it matters"
	Example  []File // a repository that gives the finding, and no other
	Fix      []File // the same repository without it
	Page     string // the page as Markdown, without what stands before the first heading
}

// File is a file of an example, by its path in the repository.
type File struct {
	Name string
	Data []byte
}

// Group returns the name for a code's thousands: "shape" for 1, and so on; see [diag.Code].
func Group(c diag.Code) string {
	groups := [...]string{"", "shape", "references", "openapi", "security", "reliability", "cost", "plan", "artifact", "internal"}
	if len(c) != 7 || c[3] < '1' || c[3] > '9' {
		return ""
	}
	return groups[c[3]-'0']
}

// All returns the rules in order of code. The slice is the caller's.
func All() []Rule { return slices.Clone(catalogue()) }

// Get returns the rule of a code. The code may be in any case and without its letters: "gwc2001", "2001".
func Get(code string) (Rule, bool) {
	code = strings.ToUpper(code)
	if !strings.HasPrefix(code, "GWC") {
		code = "GWC" + code
	}
	all := catalogue()
	i, ok := slices.BinarySearchFunc(all, diag.Code(code), func(r Rule, c diag.Code) int { return cmp.Compare(r.Code, c) })
	if !ok {
		return Rule{}, false
	}
	return all[i], true
}

// catalogue parses the pages once. They are part of the program, so one that is malformed is a bug, which the
// package's test finds first.
var catalogue = sync.OnceValue(func() []Rule {
	all, err := parseAll(pages)
	if err != nil {
		panic(err)
	}
	return all
})

func parseAll(fsys fs.FS) ([]Rule, error) {
	names, err := fs.Glob(fsys, "GWC*.md")
	if err != nil {
		return nil, err
	}
	var all []Rule
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		r, err := parse(string(b))
		if err == nil && string(r.Code)+".md" != name {
			err = fmt.Errorf("the page is for %s", r.Code)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rule) int { return cmp.Compare(a.Code, b.Code) })
	return all, nil
}

// parse reads one page.
func parse(page string) (r Rule, err error) {
	head, body, ok := strings.Cut(strings.TrimPrefix(page, "---\n"), "\n---\n")
	if !ok || !strings.HasPrefix(page, "---\n") {
		return r, errors.New(`it does not begin with a head between lines of "---"`)
	}
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "code":
			r.Code = diag.Code(value)
		case "title":
			r.Title = value
		case "severity":
			switch value {
			case "error":
				r.Severity = diag.Error
			case "warning":
				r.Severity = diag.Warning
			case "note":
				r.Severity = diag.Note
			default:
				return r, fmt.Errorf("unknown severity %q", value)
			}
		case "group":
			r.Group = value
		default:
			return r, fmt.Errorf("unknown field %q in the head", key)
		}
	}
	if r.Title == "" || Group(r.Code) == "" || r.Group != Group(r.Code) {
		return r, fmt.Errorf("the head needs a title, a code, and that code's group %q", Group(r.Code))
	}
	r.Page = strings.TrimLeft(body, "\n")
	sections := map[string]string{}
	for i, part := range strings.Split("\n"+body, "\n## ") {
		name, text, _ := strings.Cut(part, "\n")
		if i == 0 {
			if strings.TrimSpace(part) != "" {
				return r, errors.New("text stands before the first heading")
			}
			continue
		}
		sections[name] = strings.TrimSpace(text)
	}
	r.Says, r.Why = sections["What it says"], sections["Why it matters"]
	if r.Says == "" || r.Why == "" {
		return r, errors.New(`a section "What it says" or "Why it matters" is missing`)
	}
	if r.Example, err = repository(sections["Example"]); err != nil {
		return r, fmt.Errorf("section Example: %w", err)
	}
	if r.Fix, err = repository(sections["Fix"]); err != nil {
		return r, fmt.Errorf("section Fix: %w", err)
	}
	return r, nil
}

// repository returns the files of the section's txtar block. What no repository of a readable size can show, such as
// an artifact that is too large, has none.
func repository(section string) ([]File, error) {
	_, rest, ok := strings.Cut(section, "```txtar\n")
	if !ok {
		if section == "" {
			return nil, errors.New("it is missing")
		}
		return nil, nil
	}
	text, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		return nil, errors.New("its block does not end")
	}
	var files []File
	for _, f := range txtar.Parse([]byte(text + "\n")).Files {
		files = append(files, File{Name: f.Name, Data: f.Data})
	}
	if len(files) == 0 {
		return nil, errors.New("its block holds no file")
	}
	return files, nil
}
