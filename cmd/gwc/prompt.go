package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newPrompt(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prompt",
		Short: "Work with prompts",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(newPromptRender(s))
	return cmd
}

// rendering is the flags of prompt render.
type rendering struct {
	inputs        []string
	file, version string
	asJSON        bool
}

func newPromptRender(s streams) *cobra.Command {
	var c compiling
	var r rendering
	cmd := &cobra.Command{
		Use:   "render NAME",
		Short: "Write the messages that a prompt makes of inputs",
		Long: `render compiles the repository and writes the messages that a prompt makes of inputs, as the runtime makes them. It
contacts nobody.

--input gives one input each, as text; what is not text in the prompt's types is read as JSON: --input tags='["a","b"]'.
--json takes all of them from a file with the body of a request, or from stdin (-).`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, now, err := c.check()
			if err != nil {
				return err
			}
			defer oneShot()()
			built, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if built.Artifact == nil || c.verdict(built) != nil {
				return c.report(built, []form{{name: "text"}}, s.err, s)
			}
			return r.run(built.Artifact, args[0], s)
		},
	}
	f := cmd.Flags()
	c.bind(f)
	f.StringArrayVar(&r.inputs, "input", nil, "give an input, `NAME=VALUE`; may be repeated")
	f.StringVar(&r.file, "json", "", "take the inputs from `FILE`, a JSON object, or from stdin (-)")
	f.StringVar(&r.version, "version", "", "render a `VERSION`, by number or alias (default: the one that answers)")
	f.BoolVar(&r.asJSON, "as-json", false, "write {prompt, version, model, messages} as JSON")
	return cmd
}

func (r *rendering) run(a *artifact.Artifact, name string, s streams) error {
	at := slices.IndexFunc(a.Prompts, func(p prompt.Prompt) bool { return p.Name == name })
	if at < 0 {
		var names []string
		for i := range a.Prompts {
			names = append(names, a.Prompts[i].Name)
		}
		if near, ok := diag.Nearest(name, names); ok {
			return usage("there is no prompt %q; did you mean %q?", name, near)
		}
		return usage("there is no prompt %q; there are %s", name, orNone(names))
	}
	set, err := prompt.Load(&a.Prompts[at], len(a.Tenants), len(a.Models), nil)
	if err != nil {
		return &exit{code: serve.Bug, err: err}
	}
	if r.version == "" {
		r.version = strconv.FormatInt(set.Default, 10)
	}
	g := set.Program(r.version)
	if g == nil {
		return usage("prompt %q has no version %q; there are %s", name, r.version, strings.Join(set.Names(), ", "))
	}
	body, err := r.body(g, s.in)
	if err != nil {
		return err
	}
	inputs, faults := g.Inputs(body)
	if len(faults) > 0 {
		e := &exit{code: serve.Invalid, err: fmt.Errorf("the inputs do not fit version %d of prompt %q", g.Number, name)}
		for _, f := range faults {
			if f.Pointer != "" {
				f.Detail = f.Pointer[1:] + ": " + f.Detail
			}
			e.hints = append(e.hints, f.Detail)
		}
		return e
	}
	messages, err := g.Render(inputs)
	if err != nil {
		return &exit{code: serve.Invalid, err: err}
	}
	front := -1
	if g.Caching != "" {
		front = prompt.Front(messages)
	}
	if r.asJSON {
		list := []object{}
		for i, m := range messages {
			o := object{{"role", m.Role}, {"text", m.Text}}
			if len(m.Images) > 0 {
				o = append(o, member{"images", m.Images})
			}
			if i == front {
				o = append(o, member{"caching", g.Caching})
			}
			list = append(list, o)
		}
		return writeJSON(s.out, object{{"prompt", name}, {"version", g.Number}, {"model", a.Models[g.Model].Name}, {"messages", list}})
	}
	var b strings.Builder
	for i, m := range messages {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n%s\n", m.Role, strings.TrimRight(m.Text, "\n"))
		for _, image := range m.Images {
			if media, data, link := prompt.SplitImage(image); link == "" {
				image = fmt.Sprintf("%s, %d characters of base64", media, len(data))
			}
			fmt.Fprintf(&b, "(image: %s)\n", image)
		}
		if i == front {
			fmt.Fprintf(&b, "(what stands up to here is kept for %s)\n", g.Caching)
		}
	}
	if _, err := io.WriteString(s.out, b.String()); err != nil {
		return unreachable(err)
	}
	return nil
}

// body is the request's body that the flags say.
func (r *rendering) body(g *prompt.Program, in io.Reader) ([]byte, error) {
	if r.file != "" {
		if len(r.inputs) > 0 {
			return nil, usage("--json and --input do not go together")
		}
		if r.file == "-" {
			return readBody("@-", in)
		}
		return readBody("@"+r.file, os.Stdin)
	}
	var b bytes.Buffer
	b.WriteByte('{')
	seen := map[string]bool{}
	for i, kv := range r.inputs {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			return nil, usage("--input %q is not NAME=VALUE", kv)
		}
		if seen[name] {
			return nil, usage("input %q is given twice", name)
		}
		seen[name] = true
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name) // a string always can be
		b.Write(key)
		b.WriteByte(':')
		if !textual(g, name) {
			if !json.Valid([]byte(value)) {
				return nil, usage("input %q is no text in the prompt, and %q is no JSON", name, value)
			}
			b.WriteString(value)
			continue
		}
		text, _ := json.Marshal(value)
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// textual reports whether an input is text, or unknown.
func textual(g *prompt.Program, name string) bool {
	for _, f := range g.Types[0].Fields {
		if f.Name == name {
			switch g.Types[f.Type].Kind {
			case prompt.String, prompt.Enum, prompt.Image:
				return true
			}
			return false
		}
	}
	return true
}
