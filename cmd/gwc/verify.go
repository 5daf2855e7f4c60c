package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func newVerify(s streams) *cobra.Command {
	var keys []string
	var need int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE --key KEY",
		Short: "Hold an artifact against the keys that must have signed it",
		Long: `verify reads an artifact as a gateway would and holds that the keys have signed it: all of them, or as many as --require
says. It exits with 4 where they have not, and where the artifact is damaged or newer than this binary.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(keys) == 0 {
				return usage("verify needs --key, a public key such as ed25519:… or a file that holds one")
			}
			p, err := serve.Policy("key", keys, need)
			if err != nil {
				return usage("%v", err)
			}
			b, err := readArtifact(args[0])
			if err != nil {
				return err
			}
			fail := func(err error) error {
				return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", args[0], err)}
			}
			_, d, err := artifact.Decode(b)
			if err != nil {
				return fail(err)
			}
			if err := p.Check(b); err != nil {
				return fail(err)
			}
			list, err := sign.Verify(b, p.Keys)
			if err != nil {
				return fail(err)
			}
			if asJSON {
				return writeJSON(s.out, object{{"digest", d.String()}, {"signatures", plainSignatures(list)}})
			}
			return columns(s.out, append([][]string{{"digest", d.String()}}, signatureRows(list)...))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&keys, "key", nil, "a public `KEY`, \"ed25519:…\" or a file that holds one; may be repeated")
	f.IntVar(&need, "require", 0, "hold that at least `N` of the keys have signed, instead of all")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// signatureRows are the rows of a table. Names of keys that were not verified are quoted: anybody may have written them.
func signatureRows(list []sign.Signature) [][]string {
	rows := make([][]string, 0, len(list))
	for _, x := range list {
		key := "not verified"
		if x.Key != nil {
			key = x.Key.String()
		}
		rows = append(rows, []string{"signature", strconv.QuoteToASCII(x.Name), "id " + x.ID, key})
	}
	return rows
}

func plainSignatures(list []sign.Signature) []any {
	out := make([]any, 0, len(list))
	for _, x := range list {
		o := object{{"name", x.Name}, {"id", x.ID}, {"verified", x.Key != nil}}
		if x.Key != nil {
			o = append(o, member{"key", x.Key.String()})
		}
		out = append(out, o)
	}
	return out
}
