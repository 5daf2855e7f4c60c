package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// defaultArtifact is the name of the file that build writes into the repository.
const defaultArtifact = "gateway.gwca"

func newBuild(s streams) *cobra.Command {
	c := compiling{actions: true}
	var output, stopAfter, emit string
	var timings bool
	var signWith []string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Compile a repository into an artifact",
		Long: `build checks a repository and compiles it into one artifact, gateway.gwca in the repository unless -o says otherwise.
There is no artifact where there is an error; a file that was there before stays as it was. So it is where the command
is interrupted, unless the artifact is written already: then it is whole, and the exit code 0.

The same files give the same bytes, on any machine.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			stages := compiler.Stages()
			if stopAfter != "" && !slices.Contains(stages, stopAfter) {
				return usage("there is no stage %q: the stages are %s", stopAfter, strings.Join(stages, ", "))
			}
			if output == "-" {
				return usage("-o - names no file: an artifact is replaced in one step, which a stream cannot be")
			}
			if emit != "" {
				if !slices.Contains([]string{"ir", "table", "routes"}, emit) {
					return usage("--emit %q is not ir, table or routes", emit)
				}
				if i := slices.IndexFunc(formats, func(f form) bool { return f.file == "" && f.name != "text" }); i >= 0 {
					return usage("--emit and --format %[1]s both write to stdout; give one a file, as in --format %[1]s=FILE", formats[i].name)
				}
				if stopAfter != "" || output != "" {
					return usage("--emit goes with neither --stop-after nor -o")
				}
				stopAfter = "table"
			}
			findings := s.out
			if emit != "" {
				findings = s.err
			}
			keys, err := readKeys(signWith)
			if err != nil {
				return err
			}
			if len(keys) > 0 && stopAfter != "" {
				return usage("--sign signs an artifact, and --stop-after and --emit write none")
			}
			defer oneShot()()
			// Signals are listened to until the process ends: one that comes when the artifact is in its place changes
			// nothing any more, and must not make the command look as if it had written nothing.
			ctx, stop := serve.Signals(cmd.Context())
			context.AfterFunc(cmd.Context(), stop)
			r, err := c.compile(ctx, now, stopAfter)
			if err != nil {
				return err
			}
			if timings {
				sayTimings(r, s)
			}
			if err := c.onlyNew(ctx, r, now, s); err != nil {
				return err
			}
			if err := c.report(r, formats, findings, s); err != nil {
				return err
			}
			if r.Report.Failed() {
				return &exit{code: serve.Invalid, err: fmt.Errorf("errors that %s has too stop the build", c.newFrom)}
			}
			switch {
			case emit != "":
				return emitText(emit, r, s.out)
			case stopAfter != "" && stopAfter != stages[len(stages)-1]:
				return nil
			}
			if output == "" {
				output = filepath.Join(r.root, defaultArtifact)
			}
			// Encoding held the content to all that a runtime asks of it; the frame is read back here.
			_, d, err := artifact.Signatures(r.Bytes)
			if err != nil {
				return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: the artifact cannot be read back: %w", err)}
			}
			if ctx.Err() != nil {
				return interrupted(ctx)
			}
			signed, err := signAll(r.Bytes, keys)
			if err != nil {
				return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
			}
			if err := writeFile(output, signed); err != nil {
				return err
			}
			by := ""
			if len(keys) > 0 {
				by = ", signed by " + names(keys)
			}
			s.say("wrote %s, %s, %d bytes%s", output, d, len(signed), by)
			return nil
		},
	}
	f := cmd.Flags()
	c.bind(f)
	c.bindNewFrom(f)
	f.StringVarP(&output, "output", "o", "", "write the artifact to `FILE` instead of "+defaultArtifact+" in the repository")
	f.StringVar(&stopAfter, "stop-after", "", "stop after `STAGE`: "+strings.Join(compiler.Stages(), ", "))
	f.StringVar(&emit, "emit", "", "print `WHAT`, ir, table or routes, instead of writing an artifact")
	f.StringArrayVar(&signWith, "sign", nil, "sign the artifact with the private key in `FILE`; may be repeated")
	f.BoolVar(&timings, "timings", false, "say how long each stage took")
	return cmd
}

func sayTimings(r *compiled, s streams) {
	var total time.Duration
	for _, t := range r.Timings {
		did := ""
		switch n := r.Units; {
		case t.Stage == "check":
			did = fmt.Sprintf("  %d of %s evaluated", n.Evaluated, render.Count(n.Units, "unit"))
		case t.Stage == "openapi":
			did = fmt.Sprintf("  %d of %s parsed", r.Documents.Parsed, render.Count(r.Documents.Documents, "document"))
		}
		s.say("%-8s %9.3f ms%s", t.Stage, float64(t.Took.Microseconds())/1000, did)
		total += t.Took
	}
	s.say("%-8s %9.3f ms", "total", float64(total.Microseconds())/1000)
}

func emitText(what string, r *compiled, w io.Writer) error {
	switch what {
	case "ir":
		return writeJSON(w, plainProgram(r.Program))
	case "table":
		return writeTable(w, r.Artifact)
	}
	return writeRoutes(w, r.Artifact)
}
