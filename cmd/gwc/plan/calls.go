package plan

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/diff"
)

// Replay says how many logged calls are decided differently. A record holds neither body nor host nor the values of
// path parameters, and limits depend on other calls, so it is about routes, keys, models and where they lead.
type Replay struct {
	Records  int       `json:"records"`
	Replayed int       `json:"replayed"`
	Changed  int       `json:"changed"`
	Moved    []Moved   `json:"moved"`
	Skipped  []Skipped `json:"skipped"`
}

// Moved is a group of calls that are decided differently in the same way, most calls first.
type Moved struct {
	Calls  int    `json:"calls"`
	Route  string `json:"route,omitempty"`
	App    string `json:"app,omitempty"`
	Model  string `json:"model,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path"` // the template, as it was logged
	Before string `json:"before"`
	After  string `json:"after"`
}

// Skipped counts records of which nothing can be said.
type Skipped struct {
	Records int    `json:"records"`
	Why     string `json:"why"`
}

// maxLine bounds a line of the call log.
const maxLine = 1 << 20

// maxMoved bounds what the text lists.
const maxMoved = 20

// logged is what a decision needs of a record; docs/call-log.md has all fields.
type logged struct {
	Tenant string `json:"tenant"`
	App    string `json:"app"`
	Key    string `json:"key"`
	Route  string `json:"route"`
	Method string `json:"method"`
	Path   string `json:"path"`
	Model  string `json:"model"`
}

// Calls replays call records, NDJSON, through both artifacts. The error is that of reading.
func Calls(r io.Reader, base, target *diff.View) (*Replay, error) {
	count := map[logged]int{}
	broken := 0
	out := &Replay{Moved: []Moved{}, Skipped: []Skipped{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		if len(strings.TrimSpace(string(line))) == 0 {
			continue
		}
		out.Records++
		var l logged
		if err := json.Unmarshal(line, &l); err != nil || l.Method == "" || l.Path == "" {
			broken++ // such as the torn last line of a process that was killed
			continue
		}
		count[l]++
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is longer than %d bytes", out.Records+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	skipped := map[string]int{}
	if broken > 0 {
		skipped["the line is no call record"] = broken
	}
	for l, n := range count {
		q, why := l.request(base)
		if why != "" {
			skipped[why] += n
			continue
		}
		out.Replayed += n
		before, after := base.Decide(q), target.Decide(q)
		if !before.Differs(after) {
			continue
		}
		out.Changed += n
		m := Moved{Calls: n, Route: l.Route, App: q.App, Model: q.Model, Method: l.Method, Path: l.Path}
		x, y := terms(&diff.Witness{Before: before, After: after})
		m.Before, m.After = before.String()+x, after.String()+y
		out.Moved = append(out.Moved, m)
	}
	slices.SortFunc(out.Moved, func(a, b Moved) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Route, b.Route), cmp.Compare(a.App, b.App), cmp.Compare(a.Model, b.Model),
			cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	for why, n := range skipped {
		out.Skipped = append(out.Skipped, Skipped{n, why})
	}
	slices.SortFunc(out.Skipped, func(a, b Skipped) int { return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Why, b.Why)) })
	return out, nil
}

// chat tells whether the record is of a conversation, which names its model in its body.
func (l *logged) chat() bool { return l.Route == "ai.chat" || l.Route == "ai.messages" }

// request makes the request of a record again, or says why it cannot.
func (l *logged) request(base *diff.View) (q diff.Request, why string) {
	switch {
	case l.Route == "" && len(l.Path) >= 256:
		return q, "the record's path is cut"
	case l.Route == "" && base.Hosted():
		return q, "no route took it, and the record does not say its host"
	case l.Route == "":
		q = diff.Request{Method: l.Method, Path: l.Path}
	case l.Route == "ai.model":
		return q, "the record does not say which model's card was asked for"
	case l.chat() && l.Model == "":
		return q, "the record does not say which model was asked for"
	default:
		var ok bool
		if q, ok = base.Sample(l.Route, l.Method); !ok {
			return q, "the base has no such route"
		}
		if l.chat() {
			q.Model = l.Model
		}
	}
	if l.Key != "" {
		var ok bool
		if q, ok = base.As(q, l.Tenant+"/"+l.App, l.Key); !ok {
			return q, "the base has no such key"
		}
	}
	return q, ""
}

func (r *Replay) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nlogged calls\n  %d records, %d replayed, %d decided differently\n", r.Records, r.Replayed, r.Changed)
	for i, m := range r.Moved {
		if i == maxMoved {
			fmt.Fprintf(b, "  and %d more groups of calls\n", len(r.Moved)-i)
			break
		}
		q := m.Method + " " + m.Path
		if m.Model != "" {
			q += " for model " + m.Model
		}
		if m.App != "" {
			q += " as " + m.App
		}
		fmt.Fprintf(b, "  %6d  %s\n          before  %s\n          after   %s\n", m.Calls, plain(q), plain(m.Before), plain(m.After))
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(b, "  %6d  not replayed: %s\n", s.Records, s.Why)
	}
	b.WriteString("  not judged: limits, expiries, bodies, values of path parameters, tokens and cost\n")
}
