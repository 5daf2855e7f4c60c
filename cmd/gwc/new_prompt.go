package main

import (
	"fmt"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// prompt makes a prompt with one input, which its author goes on from.
func (a *authoring) prompt(p *ir.Program, name string) (*made, error) {
	if err := checkName("a prompt", name); err != nil {
		return nil, err
	}
	if len(a.models) != 1 {
		return nil, usage("a prompt needs one --model NAME")
	}
	if err := known("model", a.models[0], p.Models, func(m *ir.Model) string { return m.Name }); err != nil {
		return nil, err
	}
	if a.tenant != "" {
		if err := known("tenant", a.tenant, p.Tenants, func(t *ir.Tenant) string { return t.Name }); err != nil {
			return nil, err
		}
	}
	path := a.path
	if path == "" {
		path = "/v1/" + name
	}
	f := scaffold.Prompt{Name: name, Tenant: a.tenant, Model: a.models[0], Path: path}
	m := &made{path: []string{"prompts", name}, file: f.File()}
	m.notes = append(m.notes, fmt.Sprintf("next: gwc prompt render %s --input text=hello", name))
	if a.tenant == "" {
		m.notes = append(m.notes, fmt.Sprintf("nobody may call it yet: tenants: TENANT: apps: APP: prompts: [%q]", name))
	}
	return m, nil
}
