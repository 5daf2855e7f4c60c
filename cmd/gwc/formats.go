package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
)

// limit returns how many findings a format shows. The limit that holds where nobody gave one is for the eyes: what a
// tool or a file gets is complete.
func (c *compiling) limit(f form) int {
	if f.name == "text" && f.file == "" || c.flags != nil && c.flags.Changed("max-errors") {
		return c.maxErrors
	}
	return 0
}

// folder returns where the repository lies in its checkout, with forward slashes: what code hosts call a file begins
// there. The checkout is what the CI system says it is, else the nearest folder above with a .git.
func folder(root string) string {
	root, err := physical(root)
	if err != nil {
		return ""
	}
	within := func(checkout string) (string, bool) {
		rel, err := filepath.Rel(checkout, root)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return "", false
		}
		if rel == "." {
			rel = ""
		}
		return filepath.ToSlash(rel), true
	}
	for _, name := range []string{"GITHUB_WORKSPACE", "CI_PROJECT_DIR"} {
		if dir, err := physical(os.Getenv(name)); os.Getenv(name) != "" && err == nil {
			if f, ok := within(dir); ok {
				return f
			}
		}
	}
	for up := root; ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, ".git")); err == nil {
			f, _ := within(up)
			return f
		}
		if up == filepath.Dir(up) {
			return ""
		}
	}
}

// physical returns the absolute name of a folder, without links.
func physical(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// inActions adds what GitHub Actions shows to findings that go there as text because no other form was asked for:
// annotations, and a summary of the job.
func (c *compiling) inActions(r *compiled, formats []form, w io.Writer) error {
	asked := slices.ContainsFunc(c.formats, func(f string) bool { return !strings.Contains(f, "=") })
	if os.Getenv("GITHUB_ACTIONS") != "true" || asked || !slices.Contains(formats, form{name: "text"}) {
		return nil
	}
	o := render.Options{Source: r.source, Max: c.limit(form{name: "github"}), Strict: c.strict, Folder: folder(r.root)}
	if _, err := render.GitHub(w, r.list, o); err != nil {
		return unreachable(fmt.Errorf("cannot write findings: %w", cause(err)))
	}
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if _, err := render.Markdown(&b, r.list, o); err != nil {
		return unreachable(fmt.Errorf("cannot write findings: %w", cause(err)))
	}
	// Every command of a step adds to one file.
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(b.Bytes())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return unreachable(fmt.Errorf("cannot write the job summary: %w", cause(err)))
	}
	return nil
}
