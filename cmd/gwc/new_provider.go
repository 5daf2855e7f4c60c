package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/scaffold"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// kinds returns the kinds of providers that are built.
func kinds() (list []string) {
	for _, arm := range language.Read().Types["#Provider"].Arms {
		list = append(list, arm.Kind())
	}
	slices.Sort(list)
	return list
}

// needs are the flags of gwc new provider that belong to a kind: those that it must have, and those that it may.
var needs = map[string]struct{ must, may []string }{
	"openai-compatible": {may: []string{"vendor"}},
	"azure-openai":      {must: []string{"base-url"}, may: []string{"api-version"}},
	"vertex":            {must: []string{"project", "location"}},
	"bedrock":           {must: []string{"region"}},
}

func (a *authoring) provider(_ *ir.Program, name string) (*made, error) {
	if err := checkName("a provider", name); err != nil {
		return nil, err
	}
	kind, err := a.kindOf(name)
	if err != nil {
		return nil, err
	}
	p := scaffold.Provider{Name: name, Kind: kind, BaseURL: a.baseURL, Vendor: a.vendor, APIVersion: a.apiVersion, Project: a.project, Location: a.location, Region: a.region}
	if kind == "openai-compatible" {
		if err := vendorOf(&p); err != nil {
			return nil, err
		}
	}
	for _, f := range []struct{ flag, value string }{{"base-url", a.baseURL}, {"vendor", a.vendor}, {"api-version", a.apiVersion}, {"project", a.project}, {"location", a.location}, {"region", a.region}} {
		of := needs[kind]
		switch {
		case f.value == "" && slices.Contains(of.must, f.flag):
			return nil, usage("a provider of kind %s needs --%s", kind, f.flag)
		case f.value != "" && f.flag != "base-url" && !slices.Contains(of.must, f.flag) && !slices.Contains(of.may, f.flag):
			return nil, usage("--%s is not for a provider of kind %s", f.flag, kind)
		}
	}
	m := &made{path: []string{"providers", name}, notes: []string{fmt.Sprintf("next: gwc new model NAME --target %s/MODEL", name)}}
	if p.Credentials, err = a.credentialsOf(&p, m); err != nil {
		return nil, err
	}
	m.file = p.File()
	return m, nil
}

// kindOf is the kind of a new provider: what --kind says, else its name where that is one, or openai-compatible where that
// is a vendor's.
func (a *authoring) kindOf(name string) (string, error) {
	kind := a.kind
	if kind == "" {
		if kind = name; !slices.Contains(kinds(), kind) && (a.vendor != "" || vendor.Get(name) != nil) {
			kind = "openai-compatible"
		}
	}
	if slices.Contains(kinds(), kind) {
		return kind, nil
	}
	if reserved := language.Read().Types["#Provider"].Reserved; slices.Contains(reserved, kind) {
		return "", &exit{code: serve.Invalid, err: fmt.Errorf("kind %q is part of the language but not built yet", kind), hints: []string{"built so far: " + strings.Join(kinds(), ", ")}}
	}
	if vendor.Get(kind) != nil {
		return "", usage("--kind %q is a vendor; say --vendor %s", kind, kind)
	}
	if near, ok := diag.Nearest(kind, kinds()); ok {
		return "", usage("--kind %q is not a kind of providers; did you mean %q?", kind, near)
	}
	return "", usage("say --kind: %s", strings.Join(kinds(), ", "))
}

// vendorOf settles whose server an OpenAI-compatible provider is: what --vendor says, else its name where that is one. A
// server without a vendor, and of a vendor whose address depends on the account, has to be named.
func vendorOf(p *scaffold.Provider) error {
	if p.Vendor == "" && vendor.Get(p.Name) != nil {
		p.Vendor = p.Name
	}
	if p.Vendor == "" {
		if p.BaseURL == "" {
			return usage("a provider of kind openai-compatible needs --vendor or --base-url")
		}
		return nil
	}
	row := vendor.Get(p.Vendor)
	if row == nil {
		if near, ok := diag.Nearest(p.Vendor, vendor.Names()); ok {
			return usage("--vendor %q is not one that gwc knows; did you mean %q?", p.Vendor, near)
		}
		return usage("--vendor %q is not one that gwc knows; leave it out, and name the server with --base-url", p.Vendor)
	}
	if row.BaseURL == "" && p.BaseURL == "" {
		return usage("the servers of vendor %s depend on the account: say --base-url", p.Vendor)
	}
	return nil
}

// credentialsOf makes credentials of --credential, in the form that the kind has, and notes where they are read from.
func (a *authoring) credentialsOf(p *scaffold.Provider, m *made) (list []scaffold.Credential, err error) {
	given := a.credentials
	variable := "env:" + strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))
	if given == nil {
		switch {
		case p.Kind == "vertex":
			given = []string{variable + "_SERVICE_ACCOUNT"}
		case p.Kind == "bedrock":
			m.notes = append(m.notes, "calls are signed by whom the default chain of AWS finds where gwc runs; --credential ID,SECRET names an access key")
		case !keyless(p):
			given = []string{variable + "_API_KEY"}
		}
	}
	for _, c := range given {
		refs := []string{c}
		if p.Kind == "bedrock" {
			if refs = strings.Split(c, ","); len(refs) != 2 {
				return nil, usage("--credential of kind bedrock is two references, as in env:AWS_ACCESS_KEY_ID,env:AWS_SECRET_ACCESS_KEY")
			}
		}
		for _, r := range refs {
			if !strings.HasPrefix(r, "env:") && !strings.HasPrefix(r, "file:") {
				// Whatever it is, it may be the secret itself.
				return nil, usage("--credential is a reference, env:NAME or file:path; a secret never stands in the repository")
			}
		}
		switch p.Kind {
		case "vertex":
			list = append(list, scaffold.Credential{ServiceAccount: c})
			m.notes = append(m.notes, "the key file of its service account is read from "+c+" when gwc runs")
		case "bedrock":
			list = append(list, scaffold.Credential{AccessKeyID: refs[0], SecretAccessKey: refs[1]})
			m.notes = append(m.notes, "its access key is read from "+refs[0]+" and "+refs[1]+" when gwc runs")
		default:
			list = append(list, scaffold.Credential{Ref: c})
			m.notes = append(m.notes, "its key is read from "+c+" when gwc runs")
		}
	}
	return list, nil
}

// keyless reports whether a server is most likely called without a key: Ollama's, and those of vendors whose servers run on
// one's own machines.
func keyless(p *scaffold.Provider) bool {
	if p.Kind == "ollama" {
		return true
	}
	row := vendor.Get(p.Vendor)
	if row == nil {
		return false
	}
	u, err := url.Parse(row.BaseURL)
	return err == nil && u.Hostname() == "127.0.0.1"
}
