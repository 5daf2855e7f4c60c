// Command gwcd is the data plane: it runs an artifact that `gwc build` made, and nothing else.
//
//	gwcd FILE [--listen ADDR] [--admin ADDR] [--require-key KEY [--require N]] [--drain D] [--pprof]
//
// It watches the artifact's folder and takes a new file without dropping a request. SIGTERM and SIGINT finish what is
// in flight. It is the same as `gwc serve`, and links nothing of the compiler.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/release"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `gwcd FILE: serve an artifact that gwc build made

The artifact's folder is watched, and a new file is taken without dropping a request. Relative paths of the artifact
are relative to its own folder.

Flags:
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f serve.Flags
	fs := pflag.NewFlagSet("gwcd", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.Bind(fs)
	version := fs.Bool("version", false, "print the version")
	wrong := func(err error) int {
		fmt.Fprintf(stderr, "gwcd: %v\ngwcd: run 'gwcd --help' for the flags\n", err)
		return serve.Usage
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage, fs.FlagUsages())
		return serve.OK
	case err != nil:
		return wrong(err)
	case *version:
		fmt.Fprintf(stdout, "gwcd %s\n", release.Version)
		return serve.OK
	case fs.NArg() != 1:
		return wrong(fmt.Errorf("gwcd takes one argument, the artifact's file, not %d", fs.NArg()))
	}
	if err := f.Check(); err != nil {
		return wrong(err)
	}
	return serve.Run(ctx, "gwcd", fs.Arg(0), f, stderr)
}
