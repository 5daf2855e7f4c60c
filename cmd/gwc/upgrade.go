package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	unified "github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/scaffold"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/release"
)

func newUpgrade(s streams) *cobra.Command {
	var repo repository
	var check, diff bool
	var to string
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Bring a repository to this release's language",
		Long: `upgrade writes the language of this release into the repository's cue.mod, where cue and editors read it, removes
files of it that this release does not have, and writes the CUE module where there is none. No spelling of the language
is deprecated yet, so that nothing else changes. Running it again changes nothing.

--check changes nothing and exits with 1 where something would change; --diff shows what.`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if to != "v1" {
				if to == "v2" {
					return &exit{code: serve.Invalid, err: errors.New("there is no v2 of the language yet"), hints: []string{"without --to the repository is brought to this release's v1"}}
				}
				return usage("--to %q is not a version of the language: there is v1", to)
			}
			root, err := repo.root()
			if err != nil {
				return err
			}
			if !isRoot(root) {
				return &exit{code: serve.Usage, err: fmt.Errorf("there is no repository at %q", repo.dir), hints: []string{"gwc init makes one"}}
			}
			return upgrade(root, check, diff, s)
		},
	}
	f := cmd.Flags()
	repo.bind(f)
	f.BoolVar(&check, "check", false, "change nothing; exit with 1 where something would change")
	f.BoolVar(&diff, "diff", false, "change nothing; show what would change")
	f.StringVar(&to, "to", "v1", "bring it to the `VERSION` of the language")
	return cmd
}

// step is one file that upgrade writes or removes.
type step struct {
	name        string
	before, new []byte // nil: there is none
}

// steps returns what would change in a repository, in order of name.
func steps(root string) ([]step, error) {
	want := scaffold.Schema()
	const module = "cue.mod/module.cue"
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, unreachable(err)
	}
	if _, err := os.Lstat(filepath.Join(root, filepath.FromSlash(module))); errors.Is(err, fs.ErrNotExist) {
		want[module] = scaffold.Files(scaffold.Options{Module: "example.com/" + moduleName(filepath.Base(abs))})[module]
	}
	// Files of the language that this release does not have would be read beside those that it has.
	folder := path.Join("cue.mod", "pkg", language.ImportPath)
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(folder)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreachable(fmt.Errorf("cannot read %s: %w", folder, cause(err)))
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if _, kept := want[name]; !kept && strings.HasSuffix(name, ".cue") && e.Type().IsRegular() {
			want[name] = nil
		}
	}
	var list []step
	for _, name := range slices.Sorted(maps.Keys(want)) {
		before, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			before = nil
		case err != nil:
			return nil, unreachable(fmt.Errorf("cannot read %s: %w", name, cause(err)))
		case before == nil:
			before = []byte{}
		}
		if want[name] == nil || before == nil || !bytes.Equal(before, want[name]) {
			list = append(list, step{name, before, want[name]})
		}
	}
	return list, nil
}

func upgrade(root string, check, diff bool, s streams) error {
	list, err := steps(root)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		s.say("the repository has the language of gwc %s already", release.Version)
		return nil
	}
	if check || diff {
		var b strings.Builder
		for _, st := range list {
			if diff {
				b.Write(unified.Diff("a/"+st.name, st.before, "b/"+st.name, st.new))
				continue
			}
			fmt.Fprintf(&b, "%s %s\n", st.what(), st.name)
		}
		if _, err := io.WriteString(s.out, b.String()); err != nil {
			return unreachable(err)
		}
		if check {
			return &exit{code: serve.Invalid, hints: []string{"run gwc upgrade"}}
		}
		return nil
	}
	for _, st := range list {
		to := filepath.Join(root, filepath.FromSlash(st.name))
		if st.new == nil {
			if err := os.Remove(to); err != nil {
				return unreachable(fmt.Errorf("cannot remove %s: %w", st.name, cause(err)))
			}
		} else if err := writeNew(root, map[string][]byte{st.name: st.new}, true); err != nil {
			return err
		}
		s.say("%s %s", st.what(), st.name)
	}
	s.say("the repository has the language of gwc %s now; run gwc vet", release.Version)
	return nil
}

func (st *step) what() string {
	switch {
	case st.before == nil:
		return "adds"
	case st.new == nil:
		return "removes"
	}
	return "rewrites"
}
