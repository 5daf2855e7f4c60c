package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/schema/diag"
)

func newVet(s streams) *cobra.Command {
	var c compiling
	cmd := &cobra.Command{
		Use:   "vet [PATHS]",
		Short: "Check a repository without building it",
		Long: `vet checks a repository as build does, and writes no artifact. Findings go to stdout, the summary to stderr.

PATHS limit what is shown to findings in these files and folders. One folder that is a repository itself is checked
in place of the current one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			if len(args) == 1 && !cmd.Flags().Changed("directory") && isRoot(args[0]) {
				c.dir, args = args[0], nil
			}
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if len(args) > 0 {
				within, err := relativeTo(r.root, c.dir, args)
				if err != nil {
					return err
				}
				r.list = slices.DeleteFunc(r.list, func(d diag.Diagnostic) bool { return !inPaths(&d, within) })
			}
			return c.report(r, formats, s.out, s)
		},
	}
	c.bind(cmd.Flags())
	return cmd
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

// inPaths reports whether one of a finding's places is in one of the paths.
func inPaths(d *diag.Diagnostic, paths []string) bool {
	in := func(file string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return p == "." || file == p || strings.HasPrefix(file, p+"/") })
	}
	return in(d.Primary.Span.File) || slices.ContainsFunc(d.Secondary, func(l diag.Label) bool { return in(l.Span.File) })
}
