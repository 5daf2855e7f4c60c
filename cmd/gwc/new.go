package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/importer"
	"github.com/gwc-dev/gwc/cmd/gwc/overlay"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/scaffold"
	"github.com/gwc-dev/gwc/schema/diag"
)

// authoring holds the flags of new.
type authoring struct {
	repository
	owners, models, limits, targets, credentials []string
	tenant, openapi, basePath, upstream          string
	kind, baseURL, expires, path                 string
	vendor, apiVersion                           string
	project, location, region                    string
	noKey, asJSON                                bool
}

func newNew(s streams) *cobra.Command {
	var a authoring
	cmd := &cobra.Command{
		Use:   "new KIND NAME",
		Short: "Add a definition to the repository, in a file of its own",
		Long: `new writes one file in the right place, formatted, such that the repository still vets. It never writes over a file.

  gwc new provider NAME [--kind openai] [--credential env:NAME] [--base-url URL]
                        [--vendor groq] [--api-version V] [--project P --location L] [--region R]
  gwc new model NAME --target PROVIDER/MODEL [--target …]
  gwc new tenant NAME [--owner @team]
  gwc new app TENANT/NAME [--model NAME] [--limit 600/1m] [--expires DAY] [--no-key]     prints the app's key once
  gwc new api NAME --tenant TENANT --upstream NAME|URL [--openapi FILE] [--base-path PATH]
  gwc new prompt NAME --model NAME [--tenant TENANT] [--path PATH]`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			make, ok := map[string]func(*ir.Program, string) (*made, error){
				"provider": a.provider, "model": a.model, "tenant": a.newTenant, "app": a.app, "api": a.api, "prompt": a.prompt,
			}[args[0]]
			if !ok {
				return a.unknownKind(args[0])
			}
			return a.run(cmd, args[0], args[1], make, s)
		},
	}
	f := cmd.Flags()
	a.repository.bind(f)
	f.StringVar(&a.kind, "kind", "", "provider: its kind (default: its name, where that is one, or openai-compatible where that is a vendor's)")
	f.StringVar(&a.baseURL, "base-url", "", "provider: the `URL` of its server instead of the kind's own")
	f.StringArrayVar(&a.credentials, "credential", nil, "provider: a `REFERENCE` to its key, env:NAME or file:path (default: env: and its name); may be repeated. Of kind vertex to the key file of a service account; of kind bedrock two, ID,SECRET (default: none)")
	f.StringVar(&a.vendor, "vendor", "", "provider of kind openai-compatible: the `VENDOR` of the server (default: its name, where that is one)")
	f.StringVar(&a.apiVersion, "api-version", "", "provider of kind azure-openai: the `VERSION` of the API")
	f.StringVar(&a.project, "project", "", "provider of kind vertex: the id of the `PROJECT`")
	f.StringVar(&a.location, "location", "", "provider of kind vertex: the `LOCATION`, such as europe-west4 or global")
	f.StringVar(&a.region, "region", "", "provider of kind bedrock: the `REGION`, such as eu-central-1")
	f.StringArrayVar(&a.targets, "target", nil, "model: a target, `PROVIDER/MODEL`, in the order in which they are tried; may be repeated")
	f.StringArrayVar(&a.owners, "owner", nil, "tenant: who reviews its files, `@TEAM`; may be repeated")
	f.StringArrayVar(&a.models, "model", nil, "app: a `MODEL` that it may ask for, may be repeated; prompt: the one that it asks")
	f.StringArrayVar(&a.limits, "limit", nil, "app: at most so many requests in a window, `N/WINDOW` as in 600/1m; may be repeated")
	f.StringVar(&a.expires, "expires", "", "app: let its key end with `DAY`, such as 2027-06-30")
	f.BoolVar(&a.noKey, "no-key", false, "app: make no key")
	f.BoolVar(&a.asJSON, "json", false, `app: write {"id","key","hash"} as JSON`)
	f.StringVar(&a.tenant, "tenant", "", "api, prompt: the `TENANT` that owns it")
	f.StringVar(&a.upstream, "upstream", "", "api: an upstream's name, or the `URL` of a server, for which an upstream is made (default: the document's first server)")
	f.StringVar(&a.openapi, "openapi", "", "api: copy the document from `FILE` (default: a document with one operation)")
	f.StringVar(&a.path, "path", "", "prompt: publish it at `PATH` (default: /v1/ and its name)")
	f.StringVar(&a.basePath, "base-path", "", "api: publish it at `PATH` (default: its name)")
	return cmd
}

// made is what a new definition comes to.
type made struct {
	path  []string // the definition's data path: it must not be there yet
	file  scaffold.File
	more  []scaffold.File // an API's document and upstream
	key   *key            // an app's
	notes []string
}

func (a *authoring) unknownKind(kind string) error {
	kinds := []string{"api", "app", "model", "prompt", "provider", "tenant"}
	switch near, ok := diag.Nearest(kind, kinds); {
	case ok:
		return usage("there is no %q to make; did you mean %q?", kind, near)
	}
	return usage("there is no %q to make: there are %s", kind, strings.Join(kinds, ", "))
}

// belongs are the flags of each kind.
var belongs = map[string][]string{
	"provider": {"kind", "base-url", "credential", "vendor", "api-version", "project", "location", "region"}, "model": {"target"}, "tenant": {"owner"},
	"app": {"model", "limit", "expires", "no-key", "json"}, "api": {"tenant", "upstream", "openapi", "base-path"},
	"prompt": {"model", "tenant", "path"},
}

func (a *authoring) run(cmd *cobra.Command, kind, name string, make func(*ir.Program, string) (*made, error), s streams) error {
	for of, flags := range belongs {
		for _, f := range flags {
			if of != kind && cmd.Flags().Changed(f) && !slices.Contains(belongs[kind], f) {
				return usage("--%s is not for a new %s", f, kind)
			}
		}
	}
	root, err := a.root()
	if err != nil {
		return err
	}
	if !isRoot(root) {
		return &exit{code: serve.Usage, err: fmt.Errorf("there is no repository at %q", a.dir), hints: []string{"gwc init makes one"}}
	}
	before, err := a.compiled(cmd.Context(), root, nil)
	if err != nil {
		return err
	}
	if before.Program == nil {
		return &exit{code: serve.Invalid, err: errors.New("the repository does not compile; see gwc vet")}
	}
	m, err := make(before.Program, name)
	if err != nil {
		return err
	}
	if at := before.Program.Places.Key(m.path...); !at.IsZero() {
		return &exit{code: serve.Usage, err: fmt.Errorf("%s %q is defined at %s:%d", kind, name, at.File, at.Start.Line)}
	}
	files := map[string][]byte{m.file.Path: m.file.Data}
	for _, f := range m.more {
		files[f.Path] = f.Data
	}
	after, err := a.compiled(cmd.Context(), root, files)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for i := range before.list {
		known[before.list[i].Fingerprint()] = true
	}
	after.list = slices.DeleteFunc(after.list, func(d diag.Diagnostic) bool { return d.Severity != diag.Error || known[d.Fingerprint()] })
	if len(after.list) > 0 {
		c := compiling{color: "auto", maxErrors: 20}
		after.Sources = nil // excerpts would come from files that are not there
		return c.report(after, []form{{name: "text"}}, s.err, s)
	}
	if err := writeNew(root, files, false); err != nil {
		var e *exit
		if errors.As(err, &e) && e.hints != nil {
			e.hints = []string{"new never writes over a file"}
		}
		return err
	}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		s.say("wrote %s", filepath.Join(root, filepath.FromSlash(f)))
	}
	for _, n := range m.notes {
		s.say("%s", n)
	}
	if m.key != nil {
		s.say("the key of app %s is printed this once; only its hash is in the repository", name)
		return m.key.print(s.out, a.asJSON)
	}
	return nil
}

// compiled compiles the repository with files added.
func (a *authoring) compiled(ctx context.Context, root string, files map[string][]byte) (*compiled, error) {
	repo, err := os.OpenRoot(root)
	if err != nil {
		return nil, unreachable(cause(err))
	}
	defer repo.Close()
	c := compiling{repository: repository{dir: root}, files: overlay.FS{FS: repo.FS(), Files: files}}
	return c.compile(ctx, time.Time{}, "table")
}

func checkName(what, name string) error {
	if !validName.MatchString(name) {
		return usage("%q cannot name %s: names are lower-case letters, digits and \"-\"", name, what)
	}
	return nil
}

func (a *authoring) model(p *ir.Program, name string) (*made, error) {
	if !validModel.MatchString(name) {
		return nil, usage("%q cannot name a model: names are letters, digits, \".\", \"_\", \":\" and \"-\"", name)
	}
	if len(a.targets) == 0 {
		return nil, usage("a model needs a --target PROVIDER/MODEL")
	}
	m := scaffold.Model{Name: name}
	for _, t := range a.targets {
		provider, model, ok := strings.Cut(t, "/")
		if !ok || provider == "" || model == "" {
			return nil, usage("--target %q is not PROVIDER/MODEL", t)
		}
		if err := known("provider", provider, p.Providers, func(v *ir.Provider) string { return v.Name }); err != nil {
			return nil, err
		}
		m.Targets = append(m.Targets, scaffold.Target{Provider: provider, Model: model})
	}
	return &made{path: []string{"models", name}, file: m.File(), notes: []string{fmt.Sprintf("next: list %q in an app's models", name)}}, nil
}

// known holds a name against what is defined.
func known[T any](kind, name string, list []T, of func(*T) string) error {
	var all []string
	for i := range list {
		all = append(all, of(&list[i]))
	}
	if slices.Contains(all, name) {
		return nil
	}
	if near, ok := diag.Nearest(name, all); ok {
		return usage("there is no %s %q; did you mean %q?", kind, name, near)
	}
	if len(all) > 8 {
		all = append(all[:8], "…")
	}
	return usage("there is no %s %q; there are %s", kind, name, orNone(all))
}

func (a *authoring) newTenant(_ *ir.Program, name string) (*made, error) {
	if err := checkName("a tenant", name); err != nil {
		return nil, err
	}
	owners := a.owners
	if owners == nil {
		owners = []string{"@" + name}
	}
	for _, o := range owners {
		if o == "" || strings.ContainsAny(o, " \t\n,") {
			return nil, usage("--owner %q is not an owner such as @acme/platform", o)
		}
	}
	return &made{path: []string{"tenants", name}, file: scaffold.Tenant{Name: name, Owners: owners}.File(),
		notes: []string{fmt.Sprintf("next: gwc new app %s/NAME", name)}}, nil
}

func tenantOf(p *ir.Program, name string) error {
	return known("tenant", name, p.Tenants, func(t *ir.Tenant) string { return t.Name })
}

func (a *authoring) app(p *ir.Program, full string) (*made, error) {
	tenant, name, ok := strings.Cut(full, "/")
	if !ok {
		return nil, usage("%q is not TENANT/APP", full)
	}
	if err := checkName("an app", name); err != nil {
		return nil, err
	}
	if err := tenantOf(p, tenant); err != nil {
		return nil, err
	}
	app := scaffold.App{Tenant: tenant, Name: name}
	for _, m := range a.models {
		if err := known("model", m, p.Models, func(v *ir.Model) string { return v.Name }); err != nil {
			return nil, err
		}
		app.Models = append(app.Models, m)
	}
	for _, l := range a.limits {
		n, per, ok := strings.Cut(l, "/")
		requests, err := strconv.ParseInt(n, 10, 64)
		if window, e := time.ParseDuration(per); !ok || err != nil || requests < 1 || e != nil || window < time.Second || window > 24*time.Hour {
			return nil, usage("--limit %q is not N/WINDOW with a window from 1s to 24h, such as 600/1m", l)
		}
		app.Limits = append(app.Limits, scaffold.Limit{Requests: requests, Per: per})
	}
	if a.expires != "" {
		if _, err := time.Parse(time.DateOnly, a.expires); err != nil {
			return nil, usage("--expires %q is not a day such as 2027-06-30", a.expires)
		}
	}
	m := &made{path: []string{"tenants", tenant, "apps", name}}
	if !a.noKey {
		k := newKey()
		k.id = name + "-1"
		if len(k.id) > 64 {
			k.id = "key-1"
		}
		m.key = &k
		app.Keys = []scaffold.Key{{ID: k.id, Hash: k.hashText(), Expires: a.expires}}
	}
	m.file = app.File()
	return m, nil
}

// starter is the document of an API that has none yet.
const starter = `openapi: 3.0.3
info:
  title: %s
  version: 0.1.0
paths:
  /status:
    get:
      operationId: getStatus
      summary: Whether the service is there
      responses:
        "200":
          description: It is.
`

func (a *authoring) api(p *ir.Program, name string) (*made, error) {
	if err := checkName("an API", name); err != nil {
		return nil, err
	}
	if a.tenant == "" {
		return nil, usage("say --tenant, whose API it is")
	}
	if err := tenantOf(p, a.tenant); err != nil {
		return nil, err
	}
	if a.basePath != "" && !validBasePath.MatchString(a.basePath) {
		return nil, usage("--base-path %q is not a path such as /petstore/v1", a.basePath)
	}
	data := fmt.Appendf(nil, starter, name)
	if a.openapi != "" {
		b, err := os.ReadFile(a.openapi)
		if err != nil {
			return nil, usage("cannot read %s: %v", a.openapi, cause(err))
		}
		data = b
	}
	isURL := strings.Contains(a.upstream, "://")
	o := importer.Options{Tenant: a.tenant, Name: name, BasePath: a.basePath, Upstream: a.upstream}
	if !isURL && a.upstream != "" {
		if err := known("upstream", a.upstream, p.Upstreams, func(u *ir.Upstream) string { return u.Name }); err != nil {
			return nil, err
		}
		o.Upstream = "http://localhost" // in place of a server that the document may not name
	}
	if a.upstream == "" && a.openapi == "" {
		return nil, usage("say --upstream NAME or URL: where the API is proxied to")
	}
	res, err := importer.Import("openapi", data, o)
	if err != nil {
		return nil, &exit{code: serve.Invalid, err: fmt.Errorf("%s: %w", path.Base(a.openapi), err)}
	}
	m := &made{path: []string{"apis", name}}
	folder := path.Join("tenants", a.tenant, "apis", name)
	for _, f := range res.Files {
		switch {
		case f.Path == path.Join(folder, "api.cue"):
			m.file = f
		case strings.HasPrefix(f.Path, folder+"/"):
			m.more = append(m.more, f)
		case strings.HasPrefix(f.Path, "platform/upstreams/") && (isURL || a.upstream == ""):
			if !p.Places.Key("upstreams", name).IsZero() {
				return nil, usage("there is an upstream %q already; --upstream %s proxies to it", name, name)
			}
			m.more = append(m.more, f)
		}
	}
	if !isURL && a.upstream != "" {
		document := path.Base(m.more[0].Path)
		def := scaffold.API{Name: name, Tenant: a.tenant, Document: document, BasePath: a.basePath, Upstream: a.upstream}
		if def.BasePath == "" {
			def.BasePath = "/" + name
		}
		m.file = def.File()
	}
	for _, l := range res.Lost {
		m.notes = append(m.notes, fmt.Sprintf("%s:%d: %s: %s", a.openapi, l.Line, printable(l.Path), l.Reason))
	}
	return m, nil
}
