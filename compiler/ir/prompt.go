package ir

import (
	"slices"

	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// Prompt is a typed template that is published as a REST operation. Owner's name is empty for the platform.
type Prompt struct {
	Name        string
	Owner       Ref
	Path        string
	Description string
	Visibility  string
	Versions    []PromptVersion // by number
	Aliases     []prompt.Alias  // by name, "latest" among them
	Default     int64
	Split       []prompt.Share // by number
	SplitBy     string         // "" where nothing is split
}

// PromptVersion is one version. Broken tells that something is wrong with it that was reported.
type PromptVersion struct {
	Path    []string // where it stands: prompts, its name, and perhaps versions and its number
	Model   Ref
	Content prompt.Version // without Model and Told, which link and table find
	Images  bool           // it shows images to the model
	Told    []int          // targets of the model that cannot be held to a schema
	Broken  bool
}

// Partial is a text that templates include. Used tells that one does.
type Partial struct {
	Name string
	Used bool
}

// Runs returns the prompt as an artifact holds it, with the indices that link has found.
func (p *Prompt) Runs() prompt.Prompt {
	out := prompt.Prompt{Name: p.Name, Owner: p.Owner.Index, Path: p.Path, Visibility: p.Visibility, Description: p.Description,
		Aliases: p.Aliases, Default: p.Default, Split: p.Split, SplitBy: p.SplitBy}
	for i := range p.Versions {
		v := p.Versions[i].Content
		v.Model, v.Told = p.Versions[i].Model.Index, p.Versions[i].Told
		out.Versions = append(out.Versions, v)
	}
	return out
}

// MayCall reports whether an app may call a prompt: it is its owner's, or lists it. A prompt that is private is its
// owner's alone.
func (p *Program) MayCall(app, prompt int) bool {
	a, q := &p.Apps[app], &p.Prompts[prompt]
	if q.Owner.Name != "" && q.Owner.Name == p.Tenants[a.Tenant].Name {
		return true
	}
	return q.Visibility != "private" && slices.ContainsFunc(a.Prompts, func(r Ref) bool { return r.Index == prompt })
}
