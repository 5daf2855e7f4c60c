package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func newInspect(s streams) *cobra.Command {
	var asJSON, routes, provenance, loss bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what an artifact, or a plan's file, holds",
		Args:  arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if routes && provenance || loss && (routes || provenance) {
				return usage("--routes, --provenance and --loss exclude each other")
			}
			if isPlan(args[0]) {
				return inspectPlan(args[0], asJSON, s.out)
			}
			a, d, b, err := openBytes(args[0])
			if err != nil {
				return err
			}
			size := len(b)
			signatures, err := sign.Verify(b, nil)
			if err != nil {
				return &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", args[0], err)}
			}
			switch {
			case asJSON && loss:
				return writeJSON(s.out, plainLosses(losses(a)))
			case loss:
				return writeLosses(s.out, losses(a))
			case asJSON && routes:
				return writeJSON(s.out, plainArtifact(&artifact.Artifact{APIs: a.APIs, Routes: a.Routes}).(object).get("routes"))
			case asJSON && provenance:
				return writeJSON(s.out, append(object{{"digest", d.String()}, {"signatures", plainSignatures(signatures)}}, plainArtifact(a).(object).get("provenance").(object)...))
			case asJSON:
				return writeJSON(s.out, append(object{{"digest", d.String()}, {"format", artifact.Format}, {"bytes", size}, {"signatures", plainSignatures(signatures)}}, plainArtifact(a).(object)...))
			case routes:
				return writeRoutes(s.out, a)
			case provenance:
				return writeProvenance(s.out, a, d, signatures)
			}
			return writeArtifact(s.out, a, d, size, signatures)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "write JSON")
	f.BoolVar(&routes, "routes", false, "show only the routes, in the order in which they are stored")
	f.BoolVar(&provenance, "provenance", false, "show only what the artifact was made from")
	f.BoolVar(&loss, "loss", false, "show only what a translation loses, by route of the models and kind of provider")
	return cmd
}

func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// open reads an artifact that was named on the command line.
func open(file string) (*artifact.Artifact, artifact.Digest, int, error) {
	a, d, b, err := openBytes(file)
	return a, d, len(b), err
}

// openBytes is open with the bytes, which hold the signatures.
func openBytes(file string) (*artifact.Artifact, artifact.Digest, []byte, error) {
	b, err := readArtifact(file)
	if err != nil {
		return nil, artifact.Digest{}, nil, err
	}
	a, d, err := artifact.Decode(b)
	if err != nil {
		return nil, d, nil, &exit{code: serve.Code(err), err: fmt.Errorf("%s: %w", file, err)}
	}
	return a, d, b, nil
}

// columns writes rows of a table; the first is the head.
func columns(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for len(r) > 1 && r[len(r)-1] == "" {
			r = r[:len(r)-1]
		}
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	if err := t.Flush(); err != nil {
		return unreachable(err)
	}
	return nil
}

func writeRoutes(w io.Writer, a *artifact.Artifact) error {
	rows := [][]string{{"ROUTE", "METHOD", "HOST", "PATH", "AUTH", "TO", "SOURCE"}}
	for i := range a.Routes {
		r := &a.Routes[i]
		rows = append(rows, []string{r.ID, r.Method, orAny(r.Host), r.Path, r.Auth, leadsTo(a, r), source(r)})
	}
	return columns(w, rows)
}

// writeTable writes what the routing table holds, in its own order.
func writeTable(w io.Writer, a *artifact.Artifact) error {
	rows := [][]string{{"HOST", "METHOD", "PATH", "ROUTE"}}
	for p := range a.Table.All() {
		rows = append(rows, []string{orAny(p.Host), p.Method, p.Path, a.Routes[p.Value].ID})
	}
	return columns(w, rows)
}

func orAny(host string) string {
	if host == "" {
		return "*"
	}
	return host
}

func leadsTo(a *artifact.Artifact, r *artifact.Route) string {
	if r.API < 0 {
		return kindName(r.Kind)
	}
	return "upstream " + a.Upstreams[a.APIs[r.API].Upstream].Name
}

func source(r *artifact.Route) string {
	if r.Origin.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.Origin.File, r.Origin.Line)
}

func writeProvenance(w io.Writer, a *artifact.Artifact, d artifact.Digest, signatures []sign.Signature) error {
	rows := [][]string{{"digest", d.String()}, {"tool", a.Provenance.Tool}, {"language", a.Provenance.Schema}}
	if a.Provenance.Revision != "" {
		rows = append(rows, []string{"revision", a.Provenance.Revision})
	}
	rows = append(rows, signatureRows(signatures)...)
	for _, s := range a.Provenance.Sources {
		rows = append(rows, []string{s.File, s.Digest})
	}
	return columns(w, rows)
}

// writeArtifact writes everything but the routes and sources, of which it gives the number.
func writeArtifact(w io.Writer, a *artifact.Artifact, d artifact.Digest, size int, signatures []sign.Signature) error {
	var b strings.Builder
	fmt.Fprintf(&b, "artifact  %s\nformat    %d, %d bytes, made by %s\n", d, artifact.Format, size, a.Provenance.Tool)
	fmt.Fprintf(&b, "routes    %d (--routes lists them)\nsources   %d (--provenance lists them)\n", len(a.Routes), len(a.Provenance.Sources))

	if e := a.Provenance.Environment; e != "" {
		fmt.Fprintf(&b, "made for  environment %s\n", e)
	}
	section := func(title string, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, r := range rows {
			r[0] = "  " + r[0]
		}
		columns(&b, rows) // a strings.Builder takes everything
	}
	var rows [][]string
	for _, l := range a.Gateway.Listeners {
		tls := "clear text"
		if l.TLS != nil {
			tls = "TLS, " + l.TLS.Cert
		}
		rows = append(rows, []string{l.Name, l.Address, l.Engine, tls})
	}
	section("listeners", rows)
	// Who made them is what gwc verify says: anybody can write a name.
	section("signatures (not verified; gwc verify holds them against keys)", signatureRows(signatures))
	rows = nil
	if a.Gateway.Admin != "" {
		rows = append(rows, []string{"admin", a.Gateway.Admin})
	}
	if c := a.Gateway.Calls; c.Dir != "" {
		rows = append(rows, []string{"calls", c.Dir, fmt.Sprintf("flushed every %s, segments of %s", ir.Duration(c.Flush), byteSize(c.MaxBytes))})
	}
	if p := sign.PolicyOf(a); len(p.Keys) > 0 {
		for i, k := range a.Gateway.Signatures.Keys {
			row := []string{"", "", fmt.Sprintf("%s %s", k.Name, p.Keys[i])}
			if i == 0 {
				row[0], row[1] = "must be signed", fmt.Sprintf("by %d of", p.Required())
			}
			rows = append(rows, row)
		}
	}
	section("gateway", rows)
	rows = nil
	for i := range a.Locks {
		l := &a.Locks[i]
		rows = append(rows, []string{l.Path, l.String(), l.Reason})
	}
	section("locks", rows)
	rows = nil
	for _, p := range a.Providers {
		rows = append(rows, []string{p.Name, p.Kind, p.BaseURL, strings.Join(secrets(&p), ", ")})
	}
	section("providers", rows)
	rows = nil
	for _, m := range a.Models {
		var targets []string
		for _, t := range m.Targets {
			targets = append(targets, a.Providers[t.Provider].Name+"/"+t.Model)
		}
		retry := "1 attempt"
		if m.Retry.Attempts > 1 {
			retry = fmt.Sprintf("%d attempts, another one after %s", m.Retry.Attempts, strings.Join(m.Retry.On, ", "))
		}
		rows = append(rows, []string{m.Name, m.Strategy, strings.Join(targets, " > "), retry})
	}
	section("models", rows)
	section("prices (USD per million tokens or characters, or by the piece)", priceRows(a))
	rows = nil
	for _, u := range a.Upstreams {
		var urls []string
		for _, e := range u.Endpoints {
			urls = append(urls, fmt.Sprintf("%s (weight %d)", e.URL, e.Weight))
		}
		rows = append(rows, []string{u.Name, strings.Join(urls, ", ")})
	}
	section("upstreams", rows)
	rows = nil
	routes := make([]int, len(a.APIs))
	for i := range a.Routes {
		if p := a.Routes[i].API; p >= 0 {
			routes[p]++
		}
	}
	for i, p := range a.APIs {
		owner := "the platform"
		if p.Owner >= 0 {
			owner = a.Tenants[p.Owner].Name
		}
		rows = append(rows, []string{p.Name, p.BasePath + "/", render.Count(routes[i], "route"), "of " + owner, "to " + a.Upstreams[p.Upstream].Name, strings.TrimSpace(p.Title + " " + p.Version)})
	}
	section("APIs", rows)
	rows = nil
	for _, p := range a.Prompts {
		owner := "the platform"
		if p.Owner >= 0 {
			owner = a.Tenants[p.Owner].Name
		}
		for i := range p.Versions {
			v := &p.Versions[i]
			output := "text"
			if v.Output != 0 {
				output = v.Shape(v.Output)
			}
			rows = append(rows, []string{fmt.Sprintf("%s %d", p.Name, v.Number), p.Path, "of " + owner, "asks " + a.Models[v.Model].Name, v.Shape(0) + " -> " + output})
		}
	}
	section("prompts", rows)
	rows = nil
	keys := make([][]string, len(a.Apps))
	for _, k := range a.Keys {
		until := ""
		if k.Expires != 0 {
			// Expires is the first second after the last day on which the key works.
			until = " until the end of " + time.Unix(k.Expires-1, 0).UTC().Format(time.DateOnly)
		}
		keys[k.App] = append(keys[k.App], k.ID+until)
	}
	for i, p := range a.Apps {
		var models, limits []string
		for _, m := range p.Models {
			models = append(models, a.Models[m].Name)
		}
		for _, l := range p.Limits {
			limits = append(limits, fmt.Sprintf("%d per %s", l.Requests, ir.Duration(l.Per)))
		}
		slices.Sort(keys[i])
		rows = append(rows, []string{a.Tenants[p.Tenant].Name + "/" + p.Name, "models " + orNone(models), "limits " + orNone(limits), "keys " + orNone(keys[i])})
	}
	section("apps", rows)
	rows = nil
	for i := range a.Apps {
		for _, o := range a.Apps[i].Passthrough {
			rows = append(rows, []string{a.Tenants[a.Apps[i].Tenant].Name + "/" + a.Apps[i].Name, passthrough.Root + a.Providers[o.Provider].Name, strings.Join(o.Opened(), ", "), strings.Join(o.Paths, ", ")})
		}
	}
	section("passthrough", rows)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return unreachable(err)
	}
	return nil
}

// byteSize writes a number of bytes as the language does: "64MB", powers of 1024.
func byteSize(n int64) string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GB"}, {20, "MB"}, {10, "KB"}} {
		if n > 0 && n&(1<<u.shift-1) == 0 {
			return fmt.Sprintf("%d%s", n>>u.shift, u.name)
		}
	}
	return render.Count(int(n), "byte")
}

func orNone(l []string) string {
	if len(l) == 0 {
		return "none"
	}
	return strings.Join(l, ", ")
}

// secrets are the references by which a provider proves who calls.
func secrets(p *artifact.Provider) []string {
	if len(p.AWSKeys) > 0 {
		var all []string
		for _, k := range p.AWSKeys {
			all = append(all, strings.Join(k.Refs(), " with "))
		}
		return all
	}
	if p.Kind == "bedrock" {
		return []string{"the default chain of AWS"}
	}
	if p.Entra == nil {
		return p.Credentials
	}
	return []string{fmt.Sprintf("Entra ID: %s of %s, %s", p.Entra.ClientID, p.Entra.Tenant, p.Entra.ClientSecret)}
}
