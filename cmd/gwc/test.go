package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/rehearse"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// codeTestFailed is the rule of tests that failed; it has a page in schema/rules.
const codeTestFailed diag.Code = "GWC1430"

func newTest(s streams) *cobra.Command {
	c := compiling{actions: true, rehearsal: true}
	var run, junit, cover string
	var verbose, asJSON bool
	cmd := &cobra.Command{
		Use:   "test [PATHS]",
		Short: "Run the repository's tests against the production engine",
		Long: `test builds the repository and runs what stands under "tests" in tests/ and tenants/<t>/tests/: each test against a
gateway of its own, with servers that follow the test's script and time that passes only where the test says so.
Nothing outside of the process is called.

PATHS limit the tests to those of these files and folders, --run to those whose name matches. Failures go to stdout as
findings, at the place of what was expected. The exit code is 3 where a test fails or the coverage is too low, and 1
where the repository or a test is wrong.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			matches, err := regexp.Compile(run)
			if err != nil {
				return usage("--run %q is not a regular expression: %v", run, err)
			}
			least, err := coverLeast(cover)
			if err != nil {
				return err
			}
			args = c.moveTo(cmd, args)
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "")
			if err != nil {
				return err
			}
			// Warnings of the configuration are vet's.
			r.list = slices.DeleteFunc(r.list, func(d diag.Diagnostic) bool {
				return d.Severity != diag.Error && !strings.HasPrefix(string(d.Code), "GWC14")
			})
			if r.Artifact == nil || c.verdict(r) != nil {
				return c.report(r, formats, s.out, s)
			}
			var within []string
			if len(args) > 0 {
				if within, err = relativeTo(r.root, c.dir, args); err != nil {
					return err
				}
			}
			all := len(r.Tests)
			tests := slices.DeleteFunc(r.Tests, func(t script.Test) bool {
				return !matches.MatchString(t.Name) || within != nil && !inPaths(&diag.Diagnostic{Primary: diag.Label{Span: t.At}}, within)
			})
			a, digest, err := artifact.Decode(r.Bytes)
			if err != nil {
				return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: the artifact that was just built cannot be read: %w", err)}
			}
			began := time.Now()
			outcomes, coverage := rehearse.Run(cmd.Context(), a, digest.String(), tests, rehearse.Options{})
			took := time.Since(began)
			result := tested{outcomes: outcomes, coverage: coverage}
			if junit != "" {
				b, err := junitOf(outcomes)
				if err != nil {
					return err
				}
				if err := writeFile(junit, b); err != nil {
					return err
				}
			}
			for i := range outcomes {
				if outcomes[i].Failed() {
					r.list = append(r.list, failedTest(&outcomes[i]))
				}
			}
			switch {
			case asJSON:
				if err := writeJSON(s.out, result.json(cover != "")); err != nil {
					return err
				}
			default:
				people := s.err // where stdout is for a tool
				if slices.Contains(formats, form{name: "text"}) {
					people = s.out
				}
				if verbose {
					if err := result.list(people); err != nil {
						return err
					}
				}
				if err := c.write(r, formats, s.out, s); err != nil {
					return err
				}
				if cover != "" {
					if _, err := io.WriteString(people, coverText(coverage)); err != nil {
						return unreachable(err)
					}
				}
			}
			if n := assertionsInTests(r.Program); n > 0 {
				s.say("%s in tests/ %s for `gwc prove` to decide", render.Count(n, "assertion"), map[bool]string{true: "is", false: "are"}[n == 1])
			}
			return result.say(s, all, took, least)
		},
	}
	f := cmd.Flags()
	c.bind(f)
	f.StringVar(&run, "run", "", "run only the tests whose name matches `RE`")
	f.StringVar(&junit, "junit", "", "write a JUnit report to `FILE`")
	f.StringVar(&cover, "cover", "", "show what the tests have exercised; with =`PERCENT`, fail below it")
	f.Lookup("cover").NoOptDefVal = "0"
	f.BoolVarP(&verbose, "verbose", "v", false, "list every test")
	f.BoolVar(&asJSON, "json", false, "write the outcome of every test as JSON, with --cover the coverage too")
	return cmd
}

// assertionsInTests counts the assertions that stand beside tests.
func assertionsInTests(p *ir.Program) (n int) {
	for i := range p.Assertions {
		if p.Assertions[i].Tested {
			n++
		}
	}
	return n
}

// coverLeast reads the percentage of --cover.
func coverLeast(cover string) (float64, error) {
	if cover == "" {
		return 0, nil
	}
	least, err := strconv.ParseFloat(strings.TrimSuffix(cover, "%"), 64)
	if err != nil || least < 0 || least > 100 {
		return 0, usage("--cover=%s is not a percentage", cover)
	}
	return least, nil
}

// tested is what test has found.
type tested struct {
	outcomes []rehearse.Outcome
	coverage *rehearse.Coverage
}

// say writes the summary and gives the exit code.
func (t *tested) say(s streams, all int, took time.Duration, least float64) error {
	failed, bugs := 0, 0
	for i := range t.outcomes {
		if t.outcomes[i].Failed() {
			failed++
		}
		if slices.ContainsFunc(t.outcomes[i].Failures, func(f rehearse.Failure) bool { return f.Bug }) {
			bugs++
		}
	}
	ran := len(t.outcomes)
	share := t.coverage.Total(nil)
	switch {
	case all == 0:
		s.say("there are no tests; they stand under \"tests\" in files below tests/")
	case ran == 0:
		s.say("no test matches, of %d", all)
	default:
		line := render.Count(ran-failed, "test") + " passed"
		if failed > 0 {
			line += fmt.Sprintf(", %d failed", failed)
		}
		if ran < all {
			line += fmt.Sprintf(", %d not run", all-ran)
		}
		s.say("%s (%d%% covered, %d ms)", line, int(share.Percent()), took.Milliseconds())
	}
	switch {
	case bugs > 0:
		return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc showed in %s; please report it", render.Count(bugs, "test"))}
	case failed > 0:
		return &exit{code: codeRefused}
	case share.Percent() < least:
		return &exit{code: codeRefused, err: fmt.Errorf("%g%% is covered, and --cover asks for %g%%", share.Percent(), least)}
	}
	return nil
}

// list writes a line for each test.
func (t *tested) list(w io.Writer) error {
	var b strings.Builder
	for i := range t.outcomes {
		o := &t.outcomes[i]
		word := "ok  "
		if o.Failed() {
			word = "FAIL"
		}
		fmt.Fprintf(&b, "%s %s  (%s:%d)\n", word, o.Test.Name, o.Test.At.File, o.Test.At.Start.Line)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return unreachable(err)
	}
	return nil
}

// failedTest says why a test failed, at the places of what was expected.
func failedTest(o *rehearse.Outcome) diag.Diagnostic {
	first := &o.Failures[0]
	d := diag.Diagnostic{
		Code: codeTestFailed, Path: []string{"tests", o.Test.Name}, Primary: diag.Label{Span: first.At},
		Summary: fmt.Sprintf("test %q failed: %s", o.Test.Name, failure(first)),
	}
	if first.At.IsZero() {
		d.Primary.Span = o.Test.At
	}
	if first.Path != "" {
		d.Primary.Text = "got " + clipped(first.Got)
	}
	for i := range o.Failures[1:] {
		f := &o.Failures[1+i]
		if i < 2 && !f.At.IsZero() {
			d.Secondary = append(d.Secondary, diag.Label{Span: f.At, Text: fmt.Sprintf("%s: got %s", f.Path, clipped(f.Got))})
		} else {
			d.Notes = append(d.Notes, failure(f))
		}
	}
	if first.Request != "" {
		d.Notes = append(d.Notes, first.Request)
	}
	if first.Answer != "" {
		d.Notes = append(d.Notes, "the answer: "+first.Answer)
	}
	return d
}

func failure(f *rehearse.Failure) string {
	if f.Path == "" {
		return f.Got
	}
	return fmt.Sprintf("%s is %s, expected %s", f.Path, f.Got, f.Want)
}

// clipped cuts a label down to what fits beside an excerpt.
func clipped(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// coverText lists what was never exercised, by tenant, and the shares.
func coverText(c *rehearse.Coverage) string {
	var b strings.Builder
	for _, t := range c.Tenants() {
		name := "tenant " + t
		if t == "" {
			name = "the platform"
		}
		share := c.Total(func(i *rehearse.Item) bool { return i.Tenant == t })
		fmt.Fprintf(&b, "%s: %g%% (%d of %d)\n", name, share.Percent(), share.Covered, share.All)
		for _, kind := range []string{"operation", "policy", "target", "prompt", "passthrough", "key"} {
			var never []string
			for _, i := range c.Items {
				if i.Tenant == t && i.Kind == kind && !i.Covered {
					never = append(never, i.Name)
				}
			}
			for _, n := range never {
				fmt.Fprintf(&b, "  never: %s %s\n", kind, n)
			}
		}
	}
	total := c.Total(nil)
	parts := make([]string, 0, 4)
	for _, kind := range []string{"operation", "policy", "target", "prompt", "passthrough", "key"} {
		if s := c.Total(func(i *rehearse.Item) bool { return i.Kind == kind }); s.All > 0 {
			parts = append(parts, fmt.Sprintf("%s %d/%d", map[string]string{"operation": "operations", "policy": "policies", "target": "targets", "prompt": "prompts", "passthrough": "opened paths", "key": "keys"}[kind], s.Covered, s.All))
		}
	}
	fmt.Fprintf(&b, "covered: %g%% (%s)\n", total.Percent(), strings.Join(parts, ", "))
	return b.String()
}

// json is the outcome for tools. Fields are only added while the first number of the version stays.
func (t *tested) json(cover bool) any {
	tests := []any{}
	failed := 0
	for i := range t.outcomes {
		o := &t.outcomes[i]
		failures := []any{}
		for _, f := range o.Failures {
			failures = append(failures, object{
				{"file", f.At.File}, {"line", f.At.Start.Line}, {"col", f.At.Start.Col}, {"path", f.Path}, {"want", f.Want}, {"got", f.Got},
				{"request", f.Request}, {"answer", f.Answer}, {"bug", f.Bug},
			})
		}
		if o.Failed() {
			failed++
		}
		tests = append(tests, object{
			{"name", o.Test.Name}, {"tenant", o.Test.Tenant}, {"file", o.Test.At.File}, {"line", o.Test.At.Start.Line}, {"passed", !o.Failed()},
			{"duration_ms", float64(o.Took.Microseconds()) / 1000}, {"failures", failures},
		})
	}
	out := object{
		{"format_version", render.FormatVersion},
		{"summary", object{{"tests", len(t.outcomes)}, {"passed", len(t.outcomes) - failed}, {"failed", failed}}},
		{"tests", tests},
	}
	if cover {
		tenants := []any{}
		for _, name := range t.coverage.Tenants() {
			tenants = append(tenants, object{{"tenant", name}, {"total", t.coverage.Total(func(i *rehearse.Item) bool { return i.Tenant == name })}})
		}
		out = append(out, member{"coverage", object{{"total", t.coverage.Total(nil)}, {"tenants", tenants}, {"items", t.coverage.Items}}})
	}
	return out
}

// junitOf is the outcome for CI systems: a suite for each file.
func junitOf(outcomes []rehearse.Outcome) ([]byte, error) {
	var cases []render.Case
	for i := range outcomes {
		o := &outcomes[i]
		c := render.Case{File: o.Test.At.File, Line: o.Test.At.Start.Line, Name: o.Test.Name, Took: o.Took}
		if o.Failed() {
			d := failedTest(o)
			c.Message = failure(&o.Failures[0])
			c.Text = strings.Join(append([]string{fmt.Sprintf("%s:%d:%d: %s", d.Primary.Span.File, d.Primary.Span.Start.Line, d.Primary.Span.Start.Col, d.Summary)}, d.Notes...), "\n")
		}
		cases = append(cases, c)
	}
	var b bytes.Buffer
	if err := render.JUnitCases(&b, cases); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
