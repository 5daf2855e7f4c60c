package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/plan/gwp"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func newSign(s streams) *cobra.Command {
	var keys []string
	cmd := &cobra.Command{
		Use:   "sign FILE --key FILE",
		Short: "Sign an artifact",
		Long: `sign adds a signature to an artifact, beside those that it has. The digest stays the same: signatures are about it.
Signing with the same key again changes nothing. Of a plan's file the artifact in it is signed; the plan's digest stays.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(keys) == 0 {
				return usage("sign needs --key, a file that gwc keygen wrote")
			}
			list, err := readKeys(keys)
			if err != nil {
				return err
			}
			if isPlan(args[0]) {
				return signPlan(args[0], list, s)
			}
			b, err := readArtifact(args[0])
			if err != nil {
				return err
			}
			if _, _, err := artifact.Decode(b); err != nil { // nobody should sign what cannot run
				return &exit{code: serve.Untrusted, err: fmt.Errorf("%s: %w", args[0], err)}
			}
			signed, err := signAll(b, list)
			if err != nil {
				return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", args[0], err)}
			}
			if bytes.Equal(signed, b) {
				s.say("%s has been signed by %s before", args[0], names(list))
				return nil
			}
			if err := writeFile(args[0], signed); err != nil {
				return err
			}
			all, err := sign.Verify(signed, nil)
			if err != nil {
				return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
			}
			s.say("signed %s by %s; it has %s", args[0], names(list), render.Count(len(all), "signature"))
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "sign with the private key in `FILE`; may be repeated")
	return cmd
}

// signPlan signs the artifact in a plan's file.
func signPlan(file string, list []*sign.Key, s streams) error {
	p, _, err := readPlan(file)
	if err != nil {
		return err
	}
	was := p.Artifact
	if p.Artifact, err = signAll(was, list); err != nil {
		return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", file, err)}
	}
	if bytes.Equal(was, p.Artifact) {
		s.say("%s has been signed by %s before", file, names(list))
		return nil
	}
	b, d, err := gwp.Encode(p)
	if err != nil {
		return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
	}
	if err := writeFile(file, b); err != nil {
		return err
	}
	s.say("signed the artifact of plan %s in %s by %s", d.Short(), file, names(list))
	return nil
}

// names lists keys as "ci (ed25519:…)".
func names(list []*sign.Key) string {
	var l []string
	for _, k := range list {
		l = append(l, fmt.Sprintf("%s (%s)", k.Name(), k.Public()))
	}
	return strings.Join(l, ", ")
}

// signAll signs the bytes of an artifact with keys, one after another.
func signAll(b []byte, keys []*sign.Key) ([]byte, error) {
	for _, k := range keys {
		var err error
		if b, err = sign.Add(b, k); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// readArtifact reads the file of an artifact that was named on the command line.
func readArtifact(file string) ([]byte, error) {
	b, err := artifact.ReadFile(file, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("there is no file %s", file)
	case err != nil:
		code := serve.Code(err)
		if code != serve.Untrusted {
			code = serve.Unreachable
		}
		return nil, &exit{code: code, err: fmt.Errorf("%s: %w", file, cause(err))}
	}
	return b, nil
}
