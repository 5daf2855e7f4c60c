package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/scaffold"
)

func newInit(s streams) *cobra.Command {
	var module string
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a new repository",
		Long: `init writes a repository that builds as it is: a CUE module with the language beside it, one model, one API, one
tenant with an app, and a CI file. It prints the app's key once.

In a folder that is a repository already it only writes the language anew, so that it fits this release, and the CUE
module where there is none.`,
		Args: arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if module == "" {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return unreachable(err)
				}
				module = "example.com/" + moduleName(filepath.Base(abs))
			}
			if !validModule.MatchString(module) {
				return usage("--module %q is not a module path such as example.com/gateway", module)
			}
			return initialize(dir, module, s)
		},
	}
	cmd.Flags().StringVar(&module, "module", "", "name the CUE module `PATH` (default: example.com/ and the folder's name)")
	return cmd
}

var validModule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+(/[a-z0-9][a-z0-9._-]*)*$`)

// moduleName makes a folder's name fit for a module path.
func moduleName(base string) string {
	base = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(base))
	if base = strings.Trim(base, "-"); base == "" {
		return "gateway"
	}
	return base
}

func initialize(dir, module string, s streams) error {
	if isRoot(dir) {
		files := scaffold.Schema()
		// Files that were begun by hand may lack the module, without which `cue vet` finds no imports.
		const name = "cue.mod/module.cue"
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); errors.Is(err, fs.ErrNotExist) {
			files = maps.Clone(files)
			files[name] = scaffold.Files(scaffold.Options{Module: module})[name]
		}
		if err := writeNew(dir, files, true); err != nil {
			return err
		}
		s.say("%s is a repository already; wrote the language of this release into its cue.mod", dir)
		return nil
	}
	k := newKey()
	k.id = "demo-1"
	files := scaffold.Files(scaffold.Options{Module: module, KeyID: k.id, KeyHash: k.hashText()})
	if err := writeNew(dir, files, false); err != nil {
		return err
	}
	s.say("wrote %s to %s", render.Count(len(files), "file"), dir)
	s.say("the key of app acme/demo is printed this once; only its hash is in the repository")
	cd := ""
	if dir != "." {
		cd = " -C " + dir
	}
	s.say("next: gwc build%s; gwc run%s", cd, cd)
	return k.print(s.out, false)
}

// writeNew writes files below a folder. Where it may not replace, it first looks for files that are there.
func writeNew(dir string, files map[string][]byte, replace bool) error {
	names := slices.Sorted(maps.Keys(files))
	if !replace {
		var there []string
		for _, name := range names {
			if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
				there = append(there, name)
			}
		}
		if len(there) > 0 {
			return &exit{code: serve.Usage, err: fmt.Errorf("%s has %s already; nothing was written", dir, strings.Join(there, ", ")),
				hints: []string{"init writes into a new or empty folder"}}
		}
	}
	for _, name := range names {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			var p *fs.PathError
			if errors.As(err, &p) {
				return unreachable(fmt.Errorf("cannot make the folder %s: %w", p.Path, p.Err))
			}
			return unreachable(err)
		}
		if err := writeFile(to, files[name]); err != nil {
			return err
		}
	}
	return nil
}
