package plan

import (
	"encoding/json"
	"io"

	"github.com/gwc-dev/gwc/compiler/diff"
)

// FormatVersion is the version of the JSON form. Fields are only added while the first number stays.
const FormatVersion = "1.0"

type jsonReport struct {
	FormatVersion string         `json:"format_version"`
	Base          jsonSide       `json:"base"`
	Target        jsonSide       `json:"target"`
	Compared      string         `json:"compared"` // "content" or "digests"
	Changed       bool           `json:"changed"`
	Restart       bool           `json:"restart"`
	Summary       map[string]int `json:"summary"` // encoding/json writes the names in order
	Changes       []jsonChange   `json:"changes"`
	Calls         *Replay        `json:"calls,omitempty"`
}

type jsonSide struct {
	What   string `json:"what"`
	Digest string `json:"digest"`
}

type jsonChange struct {
	Kind        diff.Kind    `json:"kind"`
	Class       string       `json:"class"`
	Direction   string       `json:"direction,omitempty"`
	Restart     bool         `json:"restart,omitempty"`
	Tenant      string       `json:"tenant"` // "": the platform
	Subject     string       `json:"subject"`
	Summary     string       `json:"summary"`
	Before      string       `json:"before,omitempty"`
	After       string       `json:"after,omitempty"`
	Operations  []string     `json:"operations,omitempty"`
	Check       string       `json:"check,omitempty"`
	Source      string       `json:"source,omitempty"`
	Affects     jsonBlast    `json:"affects"`
	Witness     *jsonWitness `json:"witness,omitempty"`
	Fingerprint string       `json:"fingerprint"`
}

type jsonBlast struct {
	Everyone bool     `json:"everyone"`
	Apps     int      `json:"apps"`
	Tenants  int      `json:"tenants"`
	Some     []string `json:"some"`
}

type jsonWitness struct {
	Request jsonRequest  `json:"request"`
	Before  jsonDecision `json:"before"`
	After   jsonDecision `json:"after"`
}

type jsonRequest struct {
	Method string `json:"method"`
	Host   string `json:"host,omitempty"`
	Path   string `json:"path"`
	App    string `json:"app,omitempty"`
	Key    string `json:"key,omitempty"`
	Model  string `json:"model,omitempty"`
	At     int64  `json:"at,omitempty"`
}

type jsonDecision struct {
	Status int      `json:"status,omitempty"` // absent: let through
	Why    string   `json:"why,omitempty"`
	Route  string   `json:"route,omitempty"`
	App    string   `json:"app,omitempty"`
	To     []string `json:"to,omitempty"`
	Terms  []string `json:"terms,omitempty"`
}

// JSON writes the plan for tools.
func JSON(w io.Writer, r *Report) error {
	out := jsonReport{FormatVersion: FormatVersion, Base: jsonSide(r.Base), Target: jsonSide(r.Target), Compared: "content", Changed: r.Changed(),
		Restart: r.restart(), Summary: map[string]int{}, Changes: []jsonChange{}, Calls: r.Calls}
	if r.DigestOnly {
		out.Compared = "digests"
	}
	for _, c := range diff.Classes() {
		out.Summary[c.String()] = r.Count(c)
	}
	for i := range r.Changes {
		c := &r.Changes[i]
		x := jsonChange{Kind: c.Kind, Class: c.Class().String(), Direction: c.Direction().String(), Restart: c.Restart(), Tenant: c.Tenant,
			Subject: c.Subject, Summary: c.Summary, Before: c.Before, After: c.After, Operations: c.Operations, Check: c.Check, Source: c.Source, Fingerprint: c.Fingerprint,
			Affects: jsonBlast{c.Blast.Everyone, c.Blast.Apps, c.Blast.Tenants, append([]string{}, c.Blast.Some...)}}
		if t := c.Witness; t != nil {
			q := t.Request
			x.Witness = &jsonWitness{jsonRequest{q.Method, q.Host, q.Path, q.App, q.Key, q.Model, q.At}, decision(t.Before), decision(t.After)}
		}
		out.Changes = append(out.Changes, x)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func decision(d diff.Decision) jsonDecision {
	return jsonDecision{d.Status, d.Why, d.Route, d.Caller, d.To, d.Terms}
}
