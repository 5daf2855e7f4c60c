package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newVet(s streams) *cobra.Command {
	c := compiling{actions: true, tests: true, every: true}
	cmd := &cobra.Command{
		Use:   "vet [PATHS]",
		Short: "Check a repository without building it",
		Long: `vet checks a repository as build does, and writes no artifact. Findings go to stdout, the summary to stderr.

PATHS limit what is shown to findings in these files and folders. One folder that is a repository itself is checked
in place of the current one, and so is any folder where the current one is none.

A repository with environments is checked in each of them, unless --env chooses one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			args = c.moveTo(cmd, args)
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if err := c.onlyNew(cmd.Context(), r, now, s); err != nil {
				return err
			}
			if len(args) > 0 {
				within, err := relativeTo(r.root, c.dir, args)
				if err != nil {
					return err
				}
				all := len(r.list)
				r.list = slices.DeleteFunc(r.list, func(d diag.Diagnostic) bool { return !inPaths(&d, within) })
				if n := all - len(r.list); n > 0 {
					s.say("%s outside of these paths", render.Count(n, "finding"))
				}
			}
			if len(r.checkedIn) > 0 {
				s.say("checked in %s; --env chooses one", environments(r.checkedIn))
			}
			return c.report(r, formats, s.out, s)
		},
	}
	c.bind(cmd.Flags())
	c.bindNewFrom(cmd.Flags())
	return cmd
}

// moveTo takes one folder that is a repository itself, or any where the current one is none, in place of -C. It returns
// the paths that are left.
func (c *compiling) moveTo(cmd *cobra.Command, args []string) []string {
	if len(args) != 1 || cmd.Flags().Changed("directory") {
		return args
	}
	info, err := os.Stat(args[0])
	if here, e := c.root(); err == nil && info.IsDir() && (isRoot(args[0]) || e == nil && !isRoot(here)) {
		c.dir = args[0]
		return nil
	}
	return args
}

// relativeTo turns paths, relative to dir, into paths relative to the repository's root.
func relativeTo(root, dir string, paths []string) ([]string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, unreachable(err)
	}
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, strings.TrimSuffix(p, "..."))
		}
		if _, err := os.Stat(p); err != nil {
			return nil, usage("cannot check %s: %v", p, cause(err))
		}
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, unreachable(err)
		}
		rel, err := filepath.Rel(root, abs)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return nil, usage("%s is outside of the repository", p)
		}
		out = append(out, filepath.ToSlash(rel))
	}
	return out, nil
}

// inPaths reports whether one of a finding's places is in one of the paths. What is said of the whole repository is.
func inPaths(d *diag.Diagnostic, paths []string) bool {
	if d.Primary.Span.IsZero() {
		return true
	}
	in := func(file string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return p == "." || file == p || strings.HasPrefix(file, p+"/") })
	}
	return in(d.Primary.Span.File) || slices.ContainsFunc(d.Secondary, func(l diag.Label) bool { return in(l.Span.File) })
}
