package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/prove"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newProve(s streams) *cobra.Command {
	c := compiling{rehearsal: true}
	var only string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Prove the repository's assertions",
		Long: `prove compiles the repository and decides its assertions, those in tests/ too: who may reach what, what tenants have in common, what
callers can use at most. It contacts nobody. A refuted assertion is shown with the lines that refute it and a request
that is let through.

Exit codes: 3 where an assertion is refuted, or with --strict proves nothing or has an exception that matches nothing; 1 where the repository does not compile.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			var names func(string) bool
			if only != "" {
				re, err := regexp.Compile(only)
				if err != nil {
					return usage("--run %q is not a regular expression: %v", only, err)
				}
				names = re.MatchString
			}
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if r.Artifact == nil || c.verdict(r) != nil {
				return c.report(r, []form{{name: "text"}}, s.err, s)
			}
			results := prove.Prove(prove.Input{Program: r.Program, Artifact: r.Artifact, Now: now, Only: names})
			if len(results) == 0 && only != "" && len(r.Program.Assertions) > 0 {
				return usage("--run %q is the name of no assertion", only)
			}
			if err := holds(r.Artifact, results, now); err != nil {
				return err
			}
			return c.proved(r, results, formats, asJSON, s)
		},
	}
	f := cmd.Flags()
	c.bind(f)
	f.StringVar(&only, "run", "", "decide the assertions whose names match `REGEXP`")
	f.BoolVar(&asJSON, "json", false, "write verdicts and witnesses as JSON")
	return cmd
}

// proved writes the verdicts and gives the exit code.
func (c *compiling) proved(r *compiled, results []prove.Result, formats []form, asJSON bool, s streams) error {
	p := *r
	var report diag.Report
	refuted, empty, idle := 0, 0, 0
	for i := range results {
		if d := results[i].Finding; d != nil {
			report.Add(*d)
		}
		report.Add(results[i].Idle...)
		idle += len(results[i].Idle)
		switch results[i].Verdict {
		case prove.Refuted:
			refuted++
		case prove.Empty:
			empty++
		}
	}
	p.list = report.All()
	out := s.out
	switch {
	case asJSON:
		if err := writeJSON(s.out, verdictsJSON(results)); err != nil {
			return err
		}
		out = io.Discard
	case slices.ContainsFunc(formats, func(f form) bool { return f.name == "text" && f.file == "" }):
		if _, err := io.WriteString(s.out, verdicts(results)); err != nil {
			return unreachable(err)
		}
	}
	if err := c.report(&p, formats, out, s); err != nil {
		if e, ok := err.(*exit); !ok || e.code != serve.Invalid {
			return err
		}
	}
	if len(results) == 0 {
		s.say("the repository makes no assertions; docs/prove.md shows some")
	} else {
		s.say("%s of %d proved", render.Count(len(results)-refuted-empty, "assertion"), len(results))
	}
	if refuted > 0 || empty+idle > 0 && c.strict {
		return &exit{code: codeRefused}
	}
	return nil
}

// verdicts is one line for each assertion.
func verdicts(results []prove.Result) string {
	if len(results) == 0 {
		return ""
	}
	width := 0
	for i := range results {
		width = max(width, len(results[i].Name))
	}
	var b strings.Builder
	for i := range results {
		r := &results[i]
		fmt.Fprintf(&b, "%-8s %-*s  %s: %s\n", r.Verdict, width, r.Name, r.Kind, r.Checked)
	}
	if slices.ContainsFunc(results, func(r prove.Result) bool { return r.Finding != nil || len(r.Idle) > 0 }) {
		b.WriteByte('\n')
	}
	return b.String()
}

func verdictsJSON(results []prove.Result) any {
	list := []object{}
	for i := range results {
		r := &results[i]
		o := object{{"name", r.Name}, {"kind", r.Kind}, {"verdict", string(r.Verdict)}, {"checked", r.Checked}, {"counterexamples", r.Found}}
		if d := r.Finding; d != nil {
			places := []object{}
			for _, l := range d.Secondary {
				places = append(places, object{{"file", l.Span.File}, {"line", l.Span.Start.Line}, {"what", l.Text}})
			}
			o = append(o, member{"code", string(d.Code)}, member{"summary", d.Summary}, member{"file", d.Primary.Span.File}, member{"line", d.Primary.Span.Start.Line}, member{"places", places})
		}
		if w := r.Witness; w != nil {
			q := object{{"method", w.Request.Method}, {"path", w.Request.Path}}
			for _, m := range []struct{ name, value string }{{"host", w.Request.Host}, {"app", w.Request.App}, {"key", w.Request.Key}, {"model", w.Request.Model}} {
				if m.value != "" {
					q = append(q, member{m.name, m.value})
				}
			}
			if w.Request.At != 0 {
				q = append(q, member{"at", time.Unix(w.Request.At, 0).UTC().Format(time.RFC3339)})
			}
			if !w.Keyless() {
				q = append(q, member{"decision", w.Decision.String()})
			}
			o = append(o, member{"witness", q})
		}
		list = append(list, o)
	}
	return object{{"assertions", list}}
}

// holds asks what `gwc try` uses about each witness. The two have one table and the same rules; where they disagree
// one of them is wrong, and nothing is proved.
func holds(a *artifact.Artifact, results []prove.Result, now time.Time) error {
	for i := range results {
		w := results[i].Witness
		if w == nil || w.Keyless() {
			continue
		}
		q := &tried{method: w.Request.Method, host: w.Request.Host, path: w.Request.Path, as: -1, now: now, header: http.Header{}}
		if w.Request.Model != "" {
			q.body = fmt.Appendf(nil, `{"model":%q,"messages":[]}`, w.Request.Model)
		}
		if w.Request.App != "" {
			app, err := findCaller(a, w.Request.App)
			if err != nil {
				return err
			}
			q.as = app
		}
		if d := decide(a, q); d.status != w.Decision.Status {
			return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: the witness of assertion %q, %s, is %s when it is tried", results[i].Name, w, d.verdict())}
		}
	}
	return nil
}
