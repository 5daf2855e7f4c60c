package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/plan"
	"github.com/gwc-dev/gwc/cmd/gwc/plan/gwp"
	"github.com/gwc-dev/gwc/cmd/gwc/plan/revision"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/release"
)

// Exit codes that only some commands have.
const (
	codeChanges = 2 // plan --exit-code: valid, and there are changes
	codeRefused = 3 // a gate refused
)

// planning holds the flags of plan.
type planning struct {
	compiling
	against  string
	failOn   []string
	exitCode bool
	calls    []string
	output   string
	sign     []string
}

func newPlan(s streams) *cobra.Command {
	var p planning
	cmd := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "Show what a change of the repository does, and to whom",
		Long: `plan builds the repository and compares it with another build of it: what changes for whom, classed as breaking,
security, behaviour, cost or neutral, with a request that is decided differently where there is one. With FILE, an
artifact, nothing is built: that artifact is compared.

--against says with what: a file that is an artifact, else a revision of git (HEAD where nothing is said), which is
built in memory; or a URL that serves an artifact. A URL that serves /snapshot, as a gateway's admin listener does,
gives a digest only: plan then says whether that gateway runs this build.

Exit codes: 3 where --fail-on refuses; 2 where there are changes, with --exit-code; else 0.`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), args, s) },
	}
	f := cmd.Flags()
	p.repository.bind(f)
	f.StringVar(&p.against, "against", "", "compare with `BASE`: an artifact's file, a revision of git, or a URL")
	f.StringArrayVar(&p.formats, "format", nil, "write the plan as `FORMAT`: text, json or markdown, to a file as in json=FILE; may be repeated")
	f.StringSliceVar(&p.failOn, "fail-on", nil, "exit with 3 where there is a change of a `CLASS`: breaking, security, behaviour, cost, neutral; may be a list")
	f.BoolVar(&p.exitCode, "exit-code", false, "exit with 2 where there are changes")
	f.StringArrayVar(&p.calls, "calls", nil, "replay the call records of `FILE` through both; may be repeated")
	f.StringVarP(&p.output, "output", "o", "", "write the plan to `FILE`, with the artifact that it leads to, for gwc apply")
	f.StringArrayVar(&p.sign, "sign", nil, "sign that artifact with the private key in `FILE`; may be repeated")
	f.StringVar(&p.now, "now", "", "judge expiries as of `TIME` (2006-01-02 or RFC 3339) instead of the clock")
	f.BoolVar(&p.strict, "strict", false, "fail on warnings")
	f.IntVar(&p.maxErrors, "max-errors", 20, "show at most `N` errors (0: all)")
	bindColor(f, &p.color)
	return cmd
}

// planForms checks --format.
func planForms(formats []string) ([]form, error) {
	var list []form
	streams := 0
	for _, f := range formats {
		name, file, hasFile := strings.Cut(f, "=")
		if !slices.Contains([]string{"text", "json", "markdown"}, name) {
			return nil, usage("there is no format %q: the formats are text, json and markdown", name)
		}
		if hasFile && file == "" {
			return nil, usage("--format %s names no file", f)
		}
		if !hasFile {
			streams++
		}
		list = append(list, form{name, file})
	}
	if streams > 1 {
		return nil, usage("only one format can go to the terminal; give the others a file, as in --format json=FILE")
	}
	if streams == 0 {
		list = append(list, form{name: "text"})
	}
	return list, nil
}

func (p *planning) run(ctx context.Context, args []string, s streams) error {
	forms, err := planForms(p.formats)
	if err != nil {
		return err
	}
	p.formats = nil // findings go to stderr as text
	_, now, err := p.check()
	if err != nil {
		return err
	}
	keys, err := readKeys(p.sign)
	if err != nil {
		return err
	}
	if len(keys) > 0 && p.output == "" {
		return usage("--sign signs the artifact in a plan's file, and -o names none")
	}
	var classes []diff.Class
	for _, name := range p.failOn {
		c, ok := diff.ParseClass(name)
		if !ok {
			return usage("--fail-on %q is not breaking, security, behaviour, cost or neutral", name)
		}
		classes = append(classes, c)
	}
	defer oneShot()()
	t, err := p.target(ctx, args, now, s)
	if err != nil {
		return err
	}
	base, side, err := p.base(ctx, t.root, s)
	if err != nil {
		return err
	}
	report := &plan.Report{Base: side, Target: t.is, DigestOnly: base.Artifact == nil}
	if report.DigestOnly && (len(classes)+len(p.calls) > 0 || p.output != "") {
		return usage("--fail-on, --calls and -o need the base itself, and %s gives only its digest", side.What)
	}
	if !report.DigestOnly {
		after := diff.Side{Artifact: t.Artifact}
		if base.Files != nil && t.sources != nil {
			after.Files = t.sources.All() // Documents are compared where both sides have theirs.
		}
		report.Changes = diff.Compare(base, after)
		if len(p.calls) > 0 {
			if report.Calls, err = replay(p.calls, base.Artifact, t.Artifact); err != nil {
				return err
			}
		}
	}
	if err := writePlan(report, forms, s); err != nil {
		return err
	}
	if report.DigestOnly && report.Changed() {
		s.say("the same files built by another version of gwc have another digest")
	}
	var refused []string
	for _, c := range diff.Classes() {
		if n := report.Count(c); n > 0 && slices.Contains(classes, c) {
			refused = append(refused, render.Count(n, c.String()+" change"))
		}
	}
	switch {
	case len(refused) > 0:
		// There is no file of a plan that nobody may apply.
		return &exit{code: codeRefused, err: fmt.Errorf("refused by --fail-on: %s", strings.Join(refused, ", "))}
	}
	if p.output != "" {
		if err := p.write(report, t.bytes, keys, s); err != nil {
			return err
		}
	}
	switch {
	case p.exitCode && report.Changed():
		return &exit{code: codeChanges}
	}
	return nil
}

// planned is the side that a plan leads to.
type planned struct {
	*artifact.Artifact
	is      plan.Side
	bytes   []byte
	root    string        // the repository's folder, for revisions of it
	sources *load.Sources // nil of an artifact's file
}

// target reads the artifact that was named, or builds the repository.
func (p *planning) target(ctx context.Context, args []string, now time.Time, s streams) (*planned, error) {
	if len(args) > 0 {
		root, err := p.root()
		if err != nil && p.against == "" {
			return nil, err
		}
		a, d, b, err := openBytes(args[0])
		if err != nil {
			return nil, err
		}
		return &planned{a, plan.Side{What: filepath.Base(args[0]), Digest: d.String()}, b, root, nil}, nil
	}
	r, err := p.compile(ctx, now, "")
	if err != nil {
		return nil, err
	}
	if r.Artifact == nil || p.verdict(r) != nil {
		return nil, p.report(r, []form{{name: "text"}}, s.err, s)
	}
	a, digest, err := decoded(r.Bytes)
	if err != nil {
		return nil, err
	}
	return &planned{a, plan.Side{What: "the working tree", Digest: digest}, r.Bytes, r.root, r.Sources}, nil
}

// write puts the plan into a file, with the artifact that it leads to.
func (p *planning) write(report *plan.Report, built []byte, keys []*sign.Key, s streams) error {
	bug := func(err error) error {
		return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
	}
	var text bytes.Buffer
	if err := plan.JSON(&text, report); err != nil {
		return bug(err)
	}
	signed, err := signAll(built, keys)
	if err != nil {
		return bug(err)
	}
	out := &gwp.Plan{Tool: release.Tool, What: report.Base.What, Text: text.Bytes(), Artifact: signed}
	if out.Target, err = artifact.ParseDigest(report.Target.Digest); err != nil {
		return bug(err)
	}
	// A base without a digest is no artifact at all.
	if d, err := artifact.ParseDigest(report.Base.Digest); err == nil {
		out.Base = d
	}
	b, d, err := gwp.Encode(out)
	if errors.Is(err, gwp.ErrTooLarge) {
		return &exit{code: serve.Invalid, err: err}
	} else if err != nil {
		return bug(err)
	}
	if err := writeFile(p.output, b); err != nil {
		return err
	}
	s.say("wrote %s, plan %s, to be applied by gwc apply %s --to FILE", p.output, d, p.output)
	return nil
}

func writePlan(r *plan.Report, forms []form, s streams) error {
	for _, f := range forms {
		var b bytes.Buffer
		var err error
		switch f.name {
		case "json":
			err = plan.JSON(&b, r)
		case "markdown":
			err = plan.Markdown(&b, r)
		default:
			err = plan.Text(&b, r)
		}
		if err != nil {
			return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
		}
		if f.file != "" {
			if err := writeFile(f.file, b.Bytes()); err != nil {
				return err
			}
			continue
		}
		if _, err := s.out.Write(b.Bytes()); err != nil {
			return unreachable(fmt.Errorf("cannot write the plan: %w", cause(err)))
		}
	}
	return nil
}

// decoded reads back what a build wrote, so that both sides are what a runtime would load.
func decoded(b []byte) (*artifact.Artifact, string, error) {
	a, d, err := artifact.Decode(b)
	if err != nil {
		return nil, "", &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: the artifact cannot be read back: %w", err)}
	}
	return a, d.String(), nil
}

// base finds what --against names. The artifact is nil where only its digest is known, and the files where
// there is only the artifact.
func (p *planning) base(ctx context.Context, root string, s streams) (diff.Side, plan.Side, error) {
	ref := p.against
	switch {
	case strings.HasPrefix(ref, "http://") || strings.HasPrefix(ref, "https://"):
		a, side, err := fetch(ctx, ref)
		return diff.Side{Artifact: a}, side, err
	case strings.Contains(ref, "://"):
		return diff.Side{}, plan.Side{}, usage("--against %q: the schemes are http and https", ref)
	case ref == "":
		ref = "HEAD"
	default:
		if info, err := os.Stat(ref); err == nil && !info.IsDir() {
			a, d, _, err := open(ref)
			return diff.Side{Artifact: a}, plan.Side{What: filepath.Base(ref), Digest: d.String()}, err
		}
	}
	files, commit, err := revision.Read(ctx, root, ref)
	switch {
	case errors.Is(err, revision.ErrNoGit) && p.against == "":
		return diff.Side{}, plan.Side{}, usage("there is nothing to compare with: the repository is not in git; --against names an artifact's file")
	case errors.Is(err, revision.ErrNoGit):
		return diff.Side{}, plan.Side{}, usage("there is no file %s, and the repository is not in git, of which it could be a revision", ref)
	case errors.Is(err, revision.ErrUnknown):
		return diff.Side{}, plan.Side{}, usage("there is no file %s, and git has no such revision", ref)
	case ctx.Err() != nil:
		return diff.Side{}, plan.Side{}, unreachable(ctx.Err())
	case err != nil:
		return diff.Side{}, plan.Side{}, unreachable(fmt.Errorf("cannot read revision %s: %w", ref, err))
	}
	side := plan.Side{What: fmt.Sprintf("%s (%.12s)", ref, commit)}
	built, digest, err := p.buildBase(ctx, files, side.What, s)
	side.Digest = digest
	return built, side, err
}

// buildBase builds the files of a revision. A revision without any is an empty gateway.
func (p *planning) buildBase(ctx context.Context, files fs.FS, what string, s streams) (diff.Side, string, error) {
	if entries, err := fs.ReadDir(files, "."); err == nil && len(entries) == 0 {
		return diff.Side{Artifact: &artifact.Artifact{}}, "no repository there", nil
	}
	began := time.Now()
	// Expiries are judged of the working tree only: nobody can change what a base says of them.
	options := compiler.Options{FS: files, Tool: release.Tool, Documents: &p.documents, Cache: p.results(), Environment: p.env}
	res, err := compiler.Build(ctx, options)
	if e := (*load.EnvironmentError)(nil); errors.As(err, &e) {
		s.say("%s has no environment %q: its files are taken without overlays", what, p.env)
		options.Environment = ""
		res, err = compiler.Build(ctx, options)
	}
	switch {
	case ctx.Err() != nil:
		return diff.Side{}, "", unreachable(ctx.Err())
	case errors.Is(err, artifact.ErrTooLarge):
		return diff.Side{}, "", &exit{code: serve.Invalid, err: err}
	case err != nil:
		return diff.Side{}, "", &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
	}
	if res.Artifact != nil {
		a, digest, err := decoded(res.Bytes)
		return diff.Side{Artifact: a, Files: res.Sources.All()}, digest, err
	}
	s.say("%s does not build, so there is nothing to compare with:", what)
	c := &compiled{Result: res, list: res.Report.All(), elapsed: time.Since(began)}
	c.list = slices.DeleteFunc(c.list, func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
	if err := p.report(c, []form{{name: "text"}}, s.err, s); err != nil {
		return diff.Side{}, "", err
	}
	return diff.Side{}, "", &exit{code: serve.Invalid}
}

// fetch reads a URL: an artifact, or what a gateway says of the one that it runs.
func fetch(ctx context.Context, from string) (*artifact.Artifact, plan.Side, error) {
	u, err := url.Parse(from)
	if err != nil || u.Host == "" {
		return nil, plan.Side{}, usage("--against is not a URL")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/snapshot"
	}
	// Users and queries may be secrets: they are sent and not shown.
	what := u.Scheme + "://" + u.Host + u.EscapedPath()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	fail := func(err error) error {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL
		}
		return unreachable(fmt.Errorf("cannot read %s: %w", what, err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, plan.Side{}, fail(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, plan.Side{}, fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, plan.Side{}, fail(fmt.Errorf("it answers %s", resp.Status))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, artifact.MaxSize+1))
	if err != nil {
		return nil, plan.Side{}, fail(err)
	}
	var snapshot struct {
		Digest string `json:"digest"`
	}
	if json.Unmarshal(b, &snapshot) == nil {
		d, err := artifact.ParseDigest(snapshot.Digest)
		if err != nil {
			return nil, plan.Side{}, fail(errors.New("it is JSON without the digest of an artifact"))
		}
		return nil, plan.Side{What: what, Digest: d.String()}, nil
	}
	a, d, err := artifact.Decode(b)
	if err != nil {
		code := serve.Code(err)
		if code != serve.Untrusted {
			code = serve.Unreachable
		}
		return nil, plan.Side{}, &exit{code: code, err: fmt.Errorf("%s: %w", what, err)}
	}
	return a, plan.Side{What: what, Digest: d.String()}, nil
}

// replay reads call records from files.
func replay(files []string, base, target *artifact.Artifact) (*plan.Replay, error) {
	var in []io.Reader
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("cannot read %s: %v", name, cause(err))
		}
		defer f.Close()
		in = append(in, f, strings.NewReader("\n")) // a torn last line does not run into the next file
	}
	r, err := plan.Calls(io.MultiReader(in...), diff.NewView(base), diff.NewView(target))
	if err != nil {
		return nil, unreachable(fmt.Errorf("cannot read the calls: %w", cause(err)))
	}
	return r, nil
}
