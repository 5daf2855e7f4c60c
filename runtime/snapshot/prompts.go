package snapshot

import (
	"fmt"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// Prompt is a prompt, bound.
type Prompt struct {
	*prompt.Set
	models map[int64]*Model // by version
}

// Model returns the model that a version asks.
func (p *Prompt) Model(g *prompt.Program) *Model { return p.models[g.Number] }

// prompts binds the prompts of the artifact, in its order.
func (s *Snapshot) prompts() ([]*Prompt, error) {
	a := s.Artifact
	list := make([]*Prompt, len(a.Prompts))
	for i := range a.Prompts {
		in := &a.Prompts[i]
		set, err := prompt.Load(in, len(a.Tenants), len(a.Models), nil)
		if err != nil {
			return nil, fmt.Errorf("prompt %q: %w", in.Name, err)
		}
		b := &Prompt{Set: set, models: map[int64]*Model{}}
		for j := range in.Versions {
			b.models[in.Versions[j].Number] = s.Models[a.Models[in.Versions[j].Model].Name]
		}
		list[i] = b
	}
	return list, nil
}

// callable returns the names of the prompts that an app may call.
func callable(a *artifact.Artifact, app *artifact.App) map[string]bool {
	var names map[string]bool
	for i := range a.Prompts {
		if a.MayPrompt(app, i) {
			if names == nil {
				names = map[string]bool{}
			}
			names[a.Prompts[i].Name] = true
		}
	}
	return names
}
