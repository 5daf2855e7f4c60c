// Command gwc compiles repositories of CUE and OpenAPI files into artifacts and runs them.
//
// Each command has a file of its own. A command writes its result to stdout and everything else to stderr, each line
// with "gwc:" in front; it returns an error that [exit] gives a code, and never ends the process itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// say writes a line for people to stderr.
func (s streams) say(format string, args ...any) {
	fmt.Fprintf(s.err, "gwc: "+format+"\n", args...)
}

// exit is an error with an exit code. A nil err means that all has been said.
type exit struct {
	code  int
	err   error
	hints []string
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// usage is wrong usage of a command.
func usage(format string, args ...any) error {
	return &exit{code: serve.Usage, err: fmt.Errorf(format, args...)}
}

// arguments holds a command to a number of arguments, and says how it is used.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		e := &exit{code: serve.Usage, hints: []string{"usage: " + c.UseLine()}}
		switch {
		case len(args) < least:
			e.err = fmt.Errorf("%s needs %s", c.Name(), strings.TrimPrefix(c.Use, c.Name()+" "))
		case most == 0 && c.Flags().Lookup("directory") != nil:
			e.err = fmt.Errorf("%s takes no argument %q; -C names the repository", c.Name(), args[0])
		default:
			e.err = fmt.Errorf("%s takes no argument %q", c.Name(), args[most])
		}
		return e
	}
}

// run is the whole program, without the process around it.
func run(ctx context.Context, args []string, s streams) (code int) {
	defer func() {
		if r := recover(); r != nil {
			s.say("a bug in gwc: %v", r)
			s.say("please report it with the following lines")
			for line := range strings.Lines(string(debug.Stack())) {
				s.say("  %s", strings.TrimRight(line, "\n"))
			}
			code = serve.Bug
		}
	}()
	root := newRoot(s)
	root.SetArgs(args)
	return finish(root, root.ExecuteContext(ctx), s)
}

// finish says what a command returned, and gives the exit code.
func finish(root *cobra.Command, err error, s streams) int {
	if err == nil {
		return serve.OK
	}
	var e *exit
	if !errors.As(err, &e) {
		// Only cobra itself returns other errors: an unknown command, a wrong number of arguments.
		e = &exit{code: serve.Usage, err: err}
	}
	if e.err != nil {
		for line := range strings.Lines(e.err.Error()) {
			if line = strings.TrimRight(line, "\n"); strings.TrimSpace(line) != "" {
				s.say("%s", line)
			}
		}
	}
	for _, h := range e.hints {
		s.say("%s", h)
	}
	if e.code == serve.Usage && len(e.hints) == 0 {
		s.say("run '%s --help' for help", root.Name())
	}
	return e.code
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "gwc",
		Short: "Compile and run AI and API gateways",
		Long: `gwc compiles a repository of CUE and OpenAPI files into one artifact, and runs it.

Exit codes: 0 clean; 1 the configuration is wrong; 2 valid, and there are changes (plan --exit-code); 3 a gate
refused (plan --fail-on, apply, test, prove, an expired waiver); 4 an artifact is not to be trusted; 64 wrong usage;
69 something outside is unreachable; 70 a bug in gwc.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exit{code: serve.Usage, err: err, hints: []string{fmt.Sprintf("run '%s --help' for its flags", c.CommandPath())}}
	})
	root.AddCommand(
		newInit(s), newFmt(s), newVet(s), newTest(s), newFix(s), newBuild(s), newPlan(s), newInspect(s), newTry(s), newRun(s), newServe(s), newMock(s), newModels(s), newKeys(s),
		newApply(s), newKeygen(s), newSign(s), newVerify(s), newExplain(s), newRules(s), newWaivers(s), newLSP(s), newVersion(s), newCompletion(s),
		newWhoCan(s), newProve(s), newNew(s), newPrompt(s), newImport(s), newUpgrade(s),
	)
	return root
}
