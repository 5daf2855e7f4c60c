package diff

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// prompts compares prompts: who may call them is said of the apps, what callers send and get of the versions.
func (c *comparison) prompts() {
	pairs(c.base.a.Prompts, c.target.a.Prompts, func(p *prompt.Prompt) string { return p.Name }, func(name string, i, j int) {
		ch := Change{Subject: "prompt " + name}
		if i < 0 {
			p := &c.target.a.Prompts[j]
			ch.Tenant, ch.Blast = c.target.ownerName(p.Owner), c.target.calls(j)
			ch.Kind, ch.After, ch.Summary = PromptAdded, p.Path, fmt.Sprintf("prompt %q is added at %s", name, p.Path)
			ch.Witness = c.calling(p.Path, ch.Blast)
			c.add(ch)
			return
		}
		old := &c.base.a.Prompts[i]
		ch.Tenant, ch.Blast = c.base.ownerName(old.Owner), c.base.calls(i)
		if j < 0 {
			ch.Kind, ch.Before, ch.Summary = PromptRemoved, old.Path, fmt.Sprintf("prompt %q is removed", name)
			ch.Witness = c.calling(old.Path, ch.Blast)
			c.add(ch)
			return
		}
		c.prompt(ch, old, &c.target.a.Prompts[j])
	})
}

func (v *View) ownerName(owner int) string {
	if owner < 0 || owner >= len(v.a.Tenants) {
		return ""
	}
	return v.a.Tenants[owner].Name
}

// calls is who may call a prompt.
func (v *View) calls(prompt int) Blast {
	apps := map[string]bool{}
	for i := range v.a.Apps {
		if len(v.owned[i]) > 0 && v.a.MayPrompt(&v.a.Apps[i], prompt) {
			apps[v.app(i)] = true
		}
	}
	return blast(apps)
}

// calling returns the witness of a call of a prompt by one of the apps that may make it.
func (c *comparison) calling(path string, who Blast) *Witness {
	for _, app := range who.Some {
		if w := c.callsPrompt(app, path); w != nil {
			return w
		}
	}
	return nil
}

func (c *comparison) callsPrompt(app, path string) *Witness {
	if k, ok := c.byApp[app]; ok {
		return c.judge(Request{Method: http.MethodPost, Path: path}.as(app, k))
	}
	return nil
}

// prompt compares a prompt that both sides have.
func (c *comparison) prompt(ch Change, a, b *prompt.Prompt) {
	say := func(k Kind, before, after, format string, args ...any) {
		if before == after {
			return
		}
		x := ch
		x.Kind, x.Before, x.After, x.Summary = k, redact(before), redact(after), fmt.Sprintf(format, args...)
		if k == PromptPath || k == PromptServed {
			x.Witness = c.calling(a.Path, ch.Blast)
		}
		c.add(x)
	}
	say(PromptPath, a.Path, b.Path, "prompt %q is called at another path", a.Name)
	say(PromptOwner, c.base.ownerName(a.Owner), c.target.ownerName(b.Owner), "another tenant answers for prompt %q", a.Name)
	say(PromptVisibility, a.Visibility, b.Visibility, "other tenants may list prompt %q as they could not, or no longer", a.Name)
	say(PromptDescription, a.Description, b.Description, "prompt %q is described otherwise", a.Name)
	say(PromptServed, served(a), served(b), "other versions of prompt %q answer", a.Name)
	pairs(a.Versions, b.Versions, func(v *prompt.Version) string { return fmt.Sprintf("%020d", v.Number) }, func(_ string, i, j int) {
		switch {
		case i < 0:
			n := b.Versions[j].Number
			say(PromptVersionAdded, "", strconv.FormatInt(n, 10), "prompt %q has version %d", a.Name, n)
		case j < 0:
			n := a.Versions[i].Number
			say(PromptVersionRemoved, strconv.FormatInt(n, 10), "", "prompt %q no longer has version %d", a.Name, n)
		default:
			c.version(a.Name, &a.Versions[i], &b.Versions[j], say)
		}
	})
}

// served says which versions answer what.
func served(p *prompt.Prompt) string {
	s := fmt.Sprintf("version %d", p.Default)
	for i, w := range p.Split {
		if i == 0 {
			s = "split by " + p.SplitBy + ":"
		}
		s += fmt.Sprintf(" version %d (%d)", w.Number, w.Weight)
	}
	if len(p.Split) > 0 {
		s += fmt.Sprintf(", document of version %d", p.Default)
	} else if p.SplitBy != "" {
		s += ", split by " + p.SplitBy
	}
	for _, a := range p.Aliases {
		s += fmt.Sprintf(", %s is %d", a.Name, a.Number)
	}
	return s
}

func (c *comparison) version(name string, a, b *prompt.Version, say func(k Kind, before, after, format string, args ...any)) {
	of := fmt.Sprintf("version %d of prompt %q", a.Number, name)
	_, errA := prompt.New(name, a)
	_, errB := prompt.New(name, b)
	sound := errA == nil && errB == nil
	inputs := PromptInputs
	if sound && a.Takes(0, b, 0) {
		inputs = PromptInputsWider
	}
	say(inputs, a.Shape(0), b.Shape(0), "%s takes other inputs", of)
	output := func(v *prompt.Version) string {
		if v.Output == 0 {
			return "text"
		}
		return v.Shape(v.Output)
	}
	kind := PromptOutput
	if sound && a.Output != 0 && b.Output != 0 && narrower(a, a.Output, b, b.Output) {
		kind = PromptOutputMore
	}
	say(kind, output(a), output(b), "%s answers with another output", of)
	say(PromptModel, c.base.modelName(a.Model), c.target.modelName(b.Model), "%s asks another model", of)
	say(PromptParameters, parameters(a), parameters(b), "%s has other parameters", of)
	say(PromptOnInvalid, a.OnInvalid, b.OnInvalid, "%s treats an output that does not fit otherwise", of)
	if a.Stream && !b.Stream {
		say(PromptStreamOff, "stream", "", "%s can no longer be streamed", of)
	} else if b.Stream && !a.Stream {
		say(PromptStreamOn, "", "stream", "%s can be streamed", of)
	}
	for i := range max(len(a.Messages), len(b.Messages)) {
		before, after := message(a, i), message(b, i)
		switch {
		case before == "":
			say(PromptText, before, after, "%s has message %d", of, i+1)
		case after == "":
			say(PromptText, before, after, "%s no longer has message %d", of, i+1)
		default:
			say(PromptText, before, after, "%s has another text in message %d", of, i+1)
		}
	}
	say(PromptDescription, described(a), described(b), "%s describes its types otherwise", of)
}

// narrower reports whether an answer of type b is one that callers of a can read: fields may be added.
func narrower(a *prompt.Version, at int, b *prompt.Version, other int) bool {
	x, y := &a.Types[at], &b.Types[other]
	if x.Kind != prompt.Object || y.Kind != prompt.Object {
		return b.Takes(other, a, at)
	}
	for _, f := range x.Fields {
		j := slices.IndexFunc(y.Fields, func(g prompt.Field) bool { return g.Name == f.Name })
		if j < 0 || f.Required && !y.Fields[j].Required || !narrower(a, f.Type, b, y.Fields[j].Type) {
			return false
		}
	}
	return true
}

func (v *View) modelName(i int) string {
	if i < 0 || i >= len(v.a.Models) {
		return ""
	}
	return v.a.Models[i].Name
}

func message(v *prompt.Version, i int) string {
	if i >= len(v.Messages) {
		return ""
	}
	return v.Messages[i].Role + ": " + v.Source(i)
}

func parameters(v *prompt.Version) string {
	var l []string
	add := func(name string, f *float64) {
		if f != nil {
			l = append(l, name+" "+strconv.FormatFloat(*f, 'g', -1, 64))
		}
	}
	add("temperature", v.Temperature)
	add("topP", v.TopP)
	if v.MaxTokens != 0 {
		l = append(l, fmt.Sprintf("maxTokens %d", v.MaxTokens))
	}
	for _, s := range v.Stop {
		l = append(l, "stop "+strconv.Quote(s))
	}
	if v.Reasoning != "" {
		l = append(l, "reasoning "+v.Reasoning)
	}
	if v.Caching != "" {
		l = append(l, "caching "+v.Caching)
	}
	return strings.Join(l, ", ")
}

func described(v *prompt.Version) string {
	var l []string
	for i := range v.Types {
		if d := v.Types[i].Description; d != "" {
			l = append(l, strconv.Itoa(i)+": "+d)
		}
	}
	return strings.Join(l, "; ")
}

func (v *View) promptNames(a *artifact.App) (names []string) {
	for _, p := range a.Prompts {
		names = append(names, v.a.Prompts[p].Name)
	}
	slices.Sort(names)
	return names
}

// listed compares the prompts that an app lists.
func (c *comparison) listed(base Change, app string, x, y *artifact.App) {
	a, b := c.base.promptNames(x), c.target.promptNames(y)
	path := func(v *View, name string) string {
		for i := range v.a.Prompts {
			if v.a.Prompts[i].Name == name {
				return v.a.Prompts[i].Path
			}
		}
		return ""
	}
	for _, p := range b {
		if !slices.Contains(a, p) {
			ch := base
			ch.Kind, ch.After, ch.Summary, ch.Witness = PromptGranted, p, fmt.Sprintf("app %q may call prompt %q", app, p), c.callsPrompt(app, path(c.target, p))
			c.add(ch)
		}
	}
	for _, p := range a {
		// A prompt that is gone is said once, of the prompt.
		if path(c.target, p) != "" && !slices.Contains(b, p) {
			ch := base
			ch.Kind, ch.Before, ch.Summary, ch.Witness = PromptRevoked, p, fmt.Sprintf("app %q may no longer call prompt %q", app, p), c.callsPrompt(app, path(c.base, p))
			c.add(ch)
		}
	}
}
