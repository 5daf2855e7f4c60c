package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// prompt decides a call of a prompt, or of its document, in the order of the runtime: app, version, inputs. What the
// prompt's split leaves to a request's id is said as a note.
func (d *decision) prompt() {
	p := &d.a.Prompts[d.route.Prompt]
	if !d.a.MayPrompt(&d.a.Apps[d.app], d.route.Prompt) {
		d.refuse(http.StatusForbidden, fmt.Sprintf("app %s may not call prompt %q: it is another tenant's, and the app does not list it", d.caller(), p.Name))
		return
	}
	set, err := prompt.Load(p, len(d.a.Tenants), len(d.a.Models), nil)
	if err != nil {
		d.refuse(http.StatusInternalServerError, err.Error()) // a valid artifact has none that does not load
		return
	}
	q, err := url.ParseQuery(d.q.query)
	if names := q["version"]; err != nil || len(q) > 1 || len(q) == 1 && len(names) != 1 {
		d.refuse(http.StatusBadRequest, `the query has something else than one "version"`)
		return
	}
	named := q.Get("version")
	if !q.Has("version") {
		named = strconv.FormatInt(p.Default, 10)
		if len(p.Split) > 0 && d.route.Kind == artifact.RoutePrompt {
			g := set.Pick(nil, d.caller())
			named = strconv.FormatInt(g.Number, 10)
			if p.SplitBy == "request" {
				d.notes = append(d.notes, "the request's id decides between the versions; this is one without an id")
			}
		}
	}
	g := set.Program(named)
	if g == nil {
		d.refuse(http.StatusBadRequest, fmt.Sprintf("the prompt has no version %q, expected one of %s", named, strings.Join(set.Names(), ", ")))
		return
	}
	if d.route.Kind == artifact.RoutePromptDocument {
		d.answer(fmt.Sprintf("the OpenAPI document of version %d", g.Number))
		return
	}
	d.notes = append(d.notes, fmt.Sprintf("version %d of prompt %s", g.Number, p.Name))
	inputs, faults := g.Inputs(d.q.body)
	if len(faults) > 0 {
		var why []string
		for _, f := range faults {
			if f.Pointer != "" {
				f.Detail = "#" + f.Pointer + ": " + f.Detail
			}
			why = append(why, f.Detail)
		}
		if len(d.q.body) == 0 {
			why = []string{"the request has no body; -d gives it one"}
		}
		d.refuse(http.StatusBadRequest, strings.Join(why, "; "))
		return
	}
	messages, err := g.Render(inputs)
	switch {
	case err != nil:
		d.refuse(http.StatusBadRequest, err.Error())
		return
	case len(messages) == 0:
		d.refuse(http.StatusBadRequest, "the inputs leave every message empty")
		return
	}
	for _, m := range messages {
		d.notes = append(d.notes, m.Role+": "+strconv.Quote(m.Text))
	}
	if g.Caching != "" {
		if i := prompt.Front(messages); i >= 0 {
			d.notes = append(d.notes, fmt.Sprintf("caching: %s, up to message %d (%s)", g.Caching, i+1, messages[i].Role))
		}
	}
	d.ask(&d.a.Models[g.Model], false)
}
