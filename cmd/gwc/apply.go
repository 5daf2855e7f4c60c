package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/plan/gwp"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func newApply(s streams) *cobra.Command {
	var to string
	var keys []string
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply PLAN --to FILE",
		Short: "Put the artifact of a reviewed plan in place",
		Long: `apply writes the artifact that gwc plan -o put into a plan's file, exactly as it was reviewed, in place of the file that
a gateway watches. Nothing is built.

It is refused, with exit code 3, where that file is not what the plan was made against: somebody else was faster, and what
was reviewed is not what would change. Where it already is what the plan leads to, nothing is done. The file is replaced
in one step, and two that apply at once do not overtake each other.

Exit code 4: the plan, or what is in place, is damaged or newer than this gwc.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case to == "":
				return usage("apply needs --to, the artifact's file that a gateway watches")
			case strings.Contains(to, "://"):
				return usage("--to %q: a plan is applied to a file", to)
			}
			list, err := readKeys(keys)
			if err != nil {
				return err
			}
			p, d, err := readPlan(args[0])
			if err != nil {
				return err
			}
			if p.Artifact, err = signAll(p.Artifact, list); err != nil {
				return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", args[0], err)}
			}
			return applyPlan(p, d, to, dry, s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "replace the artifact in `FILE`")
	f.StringArrayVar(&keys, "sign", nil, "sign the artifact with the private key in `FILE`; may be repeated")
	f.BoolVar(&dry, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

// applyPlan replaces the artifact at a path by that of a plan.
func applyPlan(p *gwp.Plan, plan artifact.Digest, to string, dry bool, s streams) error {
	unlock, err := lockFolder(filepath.Dir(to))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return usage("there is no folder %s", filepath.Dir(to))
		}
		return unreachable(fmt.Errorf("cannot lock the folder of %s: %w", to, cause(err)))
	}
	defer unlock()
	var now artifact.Digest
	old, err := artifact.ReadFile(to, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil:
		if _, now, err = artifact.Decode(old); err != nil {
			return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", to, err)}
		}
	default:
		code := serve.Code(err)
		if code != serve.Untrusted {
			code = serve.Unreachable
		}
		return &exit{code: code, err: fmt.Errorf("%s: %w", to, cause(err))}
	}
	signed, err := sign.Verify(p.Artifact, nil)
	if err != nil {
		return &exit{code: serve.Code(err), err: err}
	}
	switch {
	case now == p.Target && (bytes.Equal(old, p.Artifact) || len(signed) == 0):
		s.say("%s already is %s; nothing to do", to, p.Target)
		return nil
	case now == p.Target:
		s.say("%s already is %s, with other signatures", to, p.Target)
	case now != p.Base:
		return &exit{code: codeRefused, err: fmt.Errorf("%s is %s, and the plan was made against %s (%s)", to, digestOrNone(now), digestOrNone(p.Base), p.What),
			hints: []string{fmt.Sprintf("make and review another plan: gwc plan --against %s -o FILE", to)}}
	}
	did := "applied"
	if dry {
		did = "would apply"
	} else {
		if err := writeFile(to, p.Artifact); err != nil {
			return err
		}
		// What is in place is looked at again: that is what a gateway will read.
		b, err := artifact.ReadFile(to, 0)
		if err != nil || !bytes.Equal(b, p.Artifact) {
			return unreachable(fmt.Errorf("%s was written and does not read back: %w", to, errors.Join(err, errChanged)))
		}
	}
	s.say("%s plan %s: %s", did, plan.Short(), verdict(p.Text))
	s.say("%s: %s -> %s, %d bytes", to, digestOrNone(now), p.Target, len(p.Artifact))
	return nil
}

// errChanged: a file is another one than it was a moment ago.
var errChanged = errors.New("another process has changed it")

func digestOrNone(d artifact.Digest) string {
	if d == (artifact.Digest{}) {
		return "no artifact"
	}
	return d.String()
}

// verdict says what a plan's text counts: "1 breaking, 2 security".
func verdict(text []byte) string {
	var p struct {
		Summary map[string]int `json:"summary"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return "its changes cannot be counted"
	}
	var parts []string
	for _, c := range diff.Classes() {
		if n := p.Summary[c.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c))
		}
	}
	if len(parts) == 0 {
		return "nothing changes"
	}
	return strings.Join(parts, ", ")
}

// readPlan reads a plan's file that was named on the command line.
func readPlan(file string) (*gwp.Plan, artifact.Digest, error) {
	none := artifact.Digest{}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, none, usage("there is no file %s", file)
	case err != nil:
		return nil, none, unreachable(fmt.Errorf("%s: %w", file, cause(err)))
	case !info.Mode().IsRegular():
		return nil, none, usage("%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, none, unreachable(fmt.Errorf("%s: %w", file, cause(err)))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, gwp.MaxSize+1))
	if err != nil {
		return nil, none, unreachable(fmt.Errorf("%s: %w", file, cause(err)))
	}
	p, d, err := gwp.Decode(b)
	if err != nil {
		return nil, none, &exit{code: serve.Untrusted, err: fmt.Errorf("%s: %w", file, err)}
	}
	return p, d, nil
}

// isPlan reports whether a file begins as a plan does.
func isPlan(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, len(gwp.Magic))
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == gwp.Magic
}

// inspectPlan shows what a plan's file holds: as JSON the plan itself, as text its head and a line for each change.
func inspectPlan(file string, asJSON bool, w io.Writer) error {
	p, d, err := readPlan(file)
	if err != nil {
		return err
	}
	if asJSON {
		if _, err := w.Write(p.Text); err != nil {
			return unreachable(err)
		}
		return nil
	}
	signatures, err := sign.Verify(p.Artifact, nil)
	if err != nil {
		return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", file, err)}
	}
	var text struct {
		Changes []struct{ Kind, Class, Tenant, Summary, Fingerprint string } `json:"changes"`
	}
	if err := json.Unmarshal(p.Text, &text); err != nil {
		return &exit{code: serve.Untrusted, err: fmt.Errorf("%s: its changes cannot be read: %w", file, err)}
	}
	rows := append([][]string{{"plan", d.String()}, {"base", digestOrNone(p.Base), p.What}, {"target", p.Target.String(), p.Tool}}, signatureRows(signatures)...)
	for _, c := range text.Changes {
		rows = append(rows, []string{c.Class, c.Fingerprint, strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) { // what a terminal would act on
				return unicode.ReplacementChar
			}
			return r
		}, c.Summary)})
	}
	return columns(w, rows)
}
