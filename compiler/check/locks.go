package check

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cuelang.org/go/cue"

	"github.com/gwc-dev/gwc/schema/artifact"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Locks: what the platform keeps tenants' files to.
//
// The platform's unit is evaluated first. Its locks go to the tenants' units as plain values, and are part of what a
// unit's result depends on; where a lock stands is not, so that a line added above it evaluates nothing anew. The walk
// over a tenant's unit judges each value at whose path a lock stands. What a lock says is held against the language
// like any value, with the type of the place that it is named for: a lock on "auth" takes what "auth" takes.
//
// Locks as constraints of CUE (`auth: "key" | "jwt"`, unified with each object) were refused: CUE cannot compare
// durations, its errors would name neither the lock nor the reason, and whether one lock is looser than another, which
// a plan has to say, could not be decided.

const (
	codeLocked     diag.Code = "GWC2101"
	codeLockPath   diag.Code = "GWC2102"
	codeLockDemand diag.Code = "GWC2103"
	codeLockIdle   diag.Code = "GWC2104"
)

// Dated is a day at which a lock looks that bounds days by the day of the build.
type Dated struct {
	Lock string
	Path []string
	At   diag.Span
	Day  string
}

// lock is a Lock made ready to judge.
type lock struct {
	artifact.Lock
	name     string
	segments []string
	also     []string // the same of operations, which inherit
	form     *regexp.Regexp
}

// locksOf makes a platform's locks ready. Those that are wrong were reported, and judge nothing.
func locksOf(f *Fragment) []lock {
	var out []lock
	for name, l := range f.Config.Locks {
		segments, _ := segmentsOf(name)
		if segments == nil {
			continue
		}
		t, _, wrong := target(segments)
		if wrong != nil {
			continue
		}
		k := lock{Lock: l, name: name, segments: segments}
		if t.Shape == language.List && (l.Values != nil || l.Matches != "" || l.AtLeast != "" || l.AtMost != "") {
			k.segments = append(slices.Clone(segments), "*")
		}
		if len(k.segments) > 3 && k.segments[0] == "apis" && k.segments[2] == "policies" {
			k.also = slices.Concat(k.segments[:2], []string{"operations", "*"}, k.segments[2:])
		}
		if l.Matches != "" {
			k.form, _ = regexp.Compile(`^(?:` + l.Matches + `)$`)
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b lock) int { return cmp.Compare(a.name, b.name) })
	return out
}

// lockInputs returns what a tenant's unit sees of locks, as inputs of its result.
func lockInputs(locks []lock) []Input {
	var in []Input
	for _, l := range locks {
		b, err := json.Marshal(l.Lock)
		if err != nil {
			panic(err) // It is texts and numbers.
		}
		in = append(in, Input{"lock " + l.name, sha256.Sum256(b)})
	}
	return in
}

// segmentsOf splits a lock's path; nil where it is none.
func segmentsOf(path string) (segments []string, offsets []int) {
	for at := 0; at <= len(path); {
		offsets = append(offsets, at)
		rest := path[at:]
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"') + 1
			if end == 0 || end+1 < len(rest) && rest[end+1] != '.' {
				return nil, nil
			}
			segments = append(segments, rest[1:end])
			at += end + 2
			continue
		}
		s, _, _ := strings.Cut(rest, ".")
		if s == "" {
			return nil, nil
		}
		segments = append(segments, s)
		at += len(s) + 1
	}
	return segments, offsets
}

// misled says at which segment a lock's path leaves the language, and what there is instead.
type misled struct {
	at    int
	names []string // fields that there are; nil: a list or map, or nothing below
	words string
}

// target returns the type at the end of a lock's path and the field that it stands in, if in one.
func target(segments []string) (t *language.Type, f *language.Field, wrong *misled) {
	t = language.Read().Root
	for i, s := range segments {
		switch t.Shape {
		case language.Struct, language.Union:
			arms := []*language.Type{t}
			if t.Shape == language.Union {
				arms = t.Arms
			}
			var next *language.Field
			var names []string
			for _, a := range arms {
				if x, ok := a.Field(s); ok && next == nil {
					next = x
				}
				for j := range a.Fields {
					if !slices.Contains(names, a.Fields[j].Name) {
						names = append(names, a.Fields[j].Name)
					}
				}
			}
			if next == nil {
				return nil, nil, &misled{i, names, fmt.Sprintf("has no field %q", s)}
			}
			t, f = next.Type, next
		case language.Map:
			t, f = t.Elem, nil
		case language.List:
			if s != "*" {
				return nil, nil, &misled{i, []string{"*"}, fmt.Sprintf("is a list: %q is no element, \"*\" is every one", s)}
			}
			t, f = t.Elem, nil
		default:
			return nil, nil, &misled{i, nil, fmt.Sprintf("has no fields, and no %q", s)}
		}
	}
	return t, f, nil
}

// kindOf returns how values of a type compare.
func kindOf(t *language.Type) string {
	switch t.Is {
	case "duration", "size":
		return t.Is
	case "date":
		return "day"
	case "price", "amount":
		return "decimal"
	}
	switch t.Shape {
	case language.Int:
		return "number"
	case language.Bool:
		return "flag"
	}
	return "text"
}

// plainOf returns a scalar as a lock writes it.
func plainOf(n *node, t *language.Type) string {
	switch kindOf(t) {
	case "duration":
		return strconv.FormatInt(int64(duration(n)), 10)
	case "number", "size":
		return strconv.FormatInt(n.num, 10)
	case "flag":
		return strconv.FormatBool(n.flag)
	}
	return n.str
}

// keeps reports whether a value keeps to the lock.
func (l *lock) keeps(v string) bool {
	if l.form == nil {
		return l.Holds(v)
	}
	return l.form.MatchString(v)
}

// matches reports whether the lock stands at a path.
func (l *lock) matches(path []string) bool {
	return len(path) > 0 && (stands(l.segments, path) || stands(l.also, path))
}

func stands(segments, path []string) bool {
	if len(segments) != len(path) {
		return false
	}
	for i, s := range segments {
		if s != "*" && s != path[i] {
			return false
		}
	}
	return true
}

// locked judges the value that the walk stands at.
func (w *walker) locked(n *node, t *language.Type, at place) {
	if !strings.HasPrefix(at.key.File, "tenants/") {
		return // The platform's own, such as an overlay.
	}
	for i := range w.locks {
		l := &w.locks[i]
		if !l.matches(w.path) || slices.Contains(l.Except, w.unit.tenant) {
			continue
		}
		if l.Forbidden {
			w.violation(l, at.key, fmt.Sprintf("%s stands in a tenant's files, but the platform forbids it", w.name()), t)
			continue
		}
		switch t.Shape {
		case language.Enum, language.String, language.Int, language.Bool:
		default:
			continue
		}
		if v := plainOf(n, t); !l.keeps(v) {
			is := "is " + artifact.LockedText(l.Kind, v)
			if secret(t) {
				is = "is something else"
			}
			w.violation(l, at.value, fmt.Sprintf("%s %s, but the platform locks it to %s", w.name(), is, l.Demand()), t)
		} else if l.Within > 0 {
			w.unit.dated = append(w.unit.dated, Dated{Lock: l.name, Path: slices.Clone(w.path), At: at.value, Day: n.str})
		}
	}
}

// demanded reports a field that a lock requires and that no file sets. named is the field at the walk's path.
func (w *walker) demanded(f *language.Field) {
	path := append(slices.Clone(w.path), f.Name)
	for i := range w.locks {
		l := &w.locks[i]
		if !l.Required || len(l.segments) < len(path) || !stands(l.segments[:len(path)], path) || slices.Contains(l.Except, w.unit.tenant) {
			continue
		}
		rest := l.segments[len(path):]
		if slices.Contains(rest, "*") && !(len(rest) == 1 && f.Type.Shape == language.List) || !strings.HasPrefix(w.at.key.File, "tenants/") {
			continue // There is none of which something is missing.
		}
		missing := f.Name
		if len(rest) > 0 && rest[0] != "*" {
			missing = rest[len(rest)-1]
		}
		w.violation(l, w.at.key, fmt.Sprintf("missing field %q in %s: the platform requires it", missing, w.name()), f.Type)
	}
}

// violation reports what does not keep to a lock. Where the lock stands is added when all units are put together.
func (w *walker) violation(l *lock, at diag.Span, summary string, t *language.Type) {
	w.report(diag.Diagnostic{
		Code:      codeLocked,
		Summary:   summary,
		Primary:   diag.Label{Span: firstLine(at), Secret: secret(t)},
		Secondary: []diag.Label{{Text: l.name}},
		Notes:     []string{"the platform's reason: " + l.Reason},
	})
}

// named adds to a finding about a lock where the lock stands.
func (c *Config) named(d diag.Diagnostic) diag.Diagnostic {
	if d.Code == codeLocked && len(d.Secondary) == 1 && d.Secondary[0].Span.IsZero() {
		name := d.Secondary[0].Text
		d.Secondary = []diag.Label{{Span: c.Key("locks", name), Text: "locked here"}}
	}
	return d
}

// Within reports days that lie further after the day of the build than a lock allows. It says nothing where now is
// zero.
func (c *Config) Within(now time.Time) diag.Report {
	var report diag.Report
	if now.IsZero() {
		return report
	}
	for _, d := range c.dated {
		l, ok := c.Locks[d.Lock]
		day, err := time.Parse(time.DateOnly, d.Day)
		if !ok || err != nil || !day.After(now.Add(l.Within)) {
			continue
		}
		report.Add(c.named(diag.Diagnostic{
			Code:      codeLocked,
			Summary:   fmt.Sprintf("%q is %q, but the platform locks it to %s", d.Path[len(d.Path)-1], d.Day, l.Demand()),
			Path:      d.Path,
			Primary:   diag.Label{Span: d.At},
			Secondary: []diag.Label{{Text: d.Lock}},
			Notes:     []string{"the platform's reason: " + l.Reason},
		}))
	}
	return report
}

// idle warns of locks that speak of what is not there.
func (c *Config) idle(report *diag.Report) {
	names := func(field string) []string {
		switch field {
		case "providers":
			return keys(c.Providers)
		case "models":
			return keys(c.Models)
		case "upstreams":
			return keys(c.Upstreams)
		case "apis":
			return keys(c.APIs)
		case "tenants":
			return keys(c.Tenants)
		}
		return nil
	}
	warn := func(name string, at diag.Span, what, is string, have []string) {
		d := diag.Diagnostic{
			Code: codeLockIdle, Severity: diag.Warning,
			Summary: fmt.Sprintf("lock %q names %s %q, which is not defined", name, what, is),
			Path:    []string{"locks", name}, Primary: diag.Label{Span: at},
		}
		if near, ok := diag.Nearest(is, have); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		}
		report.Add(d)
	}
	for _, name := range keys(c.Locks) {
		segments, _ := segmentsOf(name)
		if len(segments) < 2 {
			continue
		}
		have := names(segments[0])
		if s := segments[1]; s != "*" && have != nil && !slices.Contains(have, s) {
			warn(name, c.Key("locks", name), objectWord(segments[0]), s, have)
			continue
		}
		if len(segments) > 3 && segments[0] == "tenants" && segments[1] != "*" && segments[2] == "apps" && segments[3] != "*" {
			if have := keys(c.Tenants[segments[1]].Apps); !slices.Contains(have, segments[3]) {
				warn(name, c.Key("locks", name), "app", segments[3], have)
			}
		}
		for _, t := range c.Locks[name].Except {
			if have := names("tenants"); !slices.Contains(have, t) {
				warn(name, c.Value("locks", name, "except"), "tenant", t, have)
			}
		}
	}
}

func keys[V any](m map[string]V) []string {
	l := make([]string, 0, len(m))
	for k := range m {
		l = append(l, k)
	}
	slices.Sort(l)
	return l
}

// lockMap judges what the platform's locks say, each with the type of the place that it is named for.
func (w *walker) lockMap(v cue.Value, n *node) {
	it, err := v.Fields()
	if err != nil || n == nil {
		return
	}
	w.path = append(w.path, "locks")
	for it.Next() {
		label := it.Selector().Unquoted()
		l := n.fields[label]
		if l == nil {
			continue
		}
		before := w.at
		w.path = append(w.path, label)
		w.at = l.at
		if !w.lock(label, it.Value(), l) {
			n.fields[label] = nil
		}
		w.path, w.at = w.path[:len(w.path)-1], before
	}
	w.path = w.path[:len(w.path)-1]
}

// lock judges one lock, and gives its values the type that they are of.
func (w *walker) lock(name string, v cue.Value, n *node) bool {
	wrong := w.wrong
	segments, _ := segmentsOf(name)
	if segments == nil {
		return false // The walk said so of the label.
	}
	t, f, lost := target(segments)
	if lost != nil {
		w.misled(v, segments, lost)
		return false
	}
	var demands []string
	for _, d := range []string{"value", "values", "atLeast", "atMost", "matches", "within"} {
		if n.get(d).set {
			demands = append(demands, d)
		}
	}
	required, forbidden := n.get("required").flag, n.get("forbidden").flag
	bad := func(format string, args ...any) bool {
		w.report(diag.Diagnostic{Code: codeLockDemand, Summary: fmt.Sprintf("lock %q ", name) + fmt.Sprintf(format, args...), Primary: diag.Label{Span: w.at.key}})
		return false
	}
	first := segments[0]
	if len(segments) == 1 && !forbidden || first == "gateway" || first == "locks" || first == "assertions" {
		if first != "gateway" && first != "locks" && first != "assertions" {
			return bad("is on all %s, which can only be forbidden", first)
		}
		return bad("can never apply: only the platform's files may say %q", first)
	}
	switch {
	case forbidden && (required || len(demands) > 0):
		return bad("forbids what it also demands something of")
	case !forbidden && !required && len(demands) == 0:
		return bad("demands nothing, expected one of value, values, atLeast, atMost, matches, within, required, forbidden")
	case slices.Contains(demands, "value") && len(demands) > 1:
		return bad("has a value, beside which %q is pointless", demands[1])
	case slices.Contains(demands, "values") && len(demands) > 1:
		return bad("has values, beside which %q is pointless", demands[1])
	case required && f != nil && f.Required:
		return bad("requires what the language requires already")
	}
	scalar := t
	if t.Shape == language.List {
		scalar = t.Elem
		f = nil
		if slices.Contains(demands, "value") {
			return bad("has one value for a list, expected values: [...], among which its elements are")
		}
	}
	switch scalar.Shape {
	case language.Enum, language.String, language.Int, language.Bool:
	default:
		if len(demands) > 0 {
			return bad("has %q for what is no single value, expected required or forbidden, or a path that goes on", demands[0])
		}
		return true
	}
	kind := kindOf(scalar)
	for _, d := range demands {
		switch {
		case (d == "atLeast" || d == "atMost") && (kind == "text" || kind == "flag"):
			return bad("has %q for what has no order", d)
		case d == "matches" && kind != "text":
			return bad("has %q for what is no text", d)
		case d == "within" && kind != "day":
			return bad("has %q for what is no day", d)
		}
	}
	if m := n.get("matches"); m.set {
		if _, err := regexp.Compile(m.str); err != nil {
			w.report(diag.Diagnostic{Code: codeLockDemand, Summary: fmt.Sprintf("lock %q has no regular expression in \"matches\"", name), Primary: diag.Label{Span: firstLine(m.at.value), Text: strings.TrimPrefix(err.Error(), "error parsing regexp: ")}})
			return false
		}
	}
	typed := func(path string, c cue.Value) *node { return w.child(path, c, scalar, f) }
	for _, d := range []string{"value", "atLeast", "atMost"} {
		if n.get(d).set {
			n.fields[d] = typed(d, v.LookupPath(cue.MakePath(cue.Str(d))))
		}
	}
	if list := n.get("values"); list.set {
		w.path = append(w.path, "values")
		for i := range list.elems {
			list.elems[i] = typed(strconv.Itoa(i), v.LookupPath(cue.MakePath(cue.Str("values"), cue.Index(i))))
		}
		w.path = w.path[:len(w.path)-1]
	}
	if w.wrong > wrong {
		return false
	}
	if low, top := n.get("atLeast"), n.get("atMost"); low.set && top.set && artifact.CompareLocked(kind, plainOf(low, scalar), plainOf(top, scalar)) > 0 {
		return bad("demands at least %s and at most %s, which nothing is", artifact.LockedText(kind, plainOf(low, scalar)), artifact.LockedText(kind, plainOf(top, scalar)))
	}
	return true
}

// misled reports a lock's path that leaves the language.
func (w *walker) misled(v cue.Value, segments []string, lost *misled) {
	where := "the top of the package"
	if lost.at > 0 {
		where = strconv.Quote(strings.Join(segments[:lost.at], "."))
	}
	d := diag.Diagnostic{
		Code:    codeLockPath,
		Summary: fmt.Sprintf("lock %q leads nowhere: %s %s", strings.Join(segments, "."), where, lost.words),
		Primary: diag.Label{Span: w.at.key},
	}
	if near, ok := diag.Nearest(segments[lost.at], lost.names); ok || len(lost.names) == 1 {
		if !ok {
			near = lost.names[0]
		}
		d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		fixed := slices.Clone(segments)
		fixed[lost.at] = near
		for i, s := range fixed {
			if strings.Contains(s, ".") {
				fixed[i] = `"` + s + `"`
			}
		}
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %q", near), Edits: []diag.Edit{{Span: w.at.key, New: strconv.Quote(strings.Join(fixed, "."))}}}}
	} else if len(lost.names) > 0 {
		d.Notes = []string{"allowed: " + strings.Join(lost.names, ", ")}
	}
	w.report(d)
}

// lock makes a Lock of what the walk found sound.
func (m *merger) lock(n *node, name string) artifact.Lock {
	segments, _ := segmentsOf(name)
	t, _, _ := target(segments)
	if t.Shape == language.List {
		t = t.Elem
	}
	l := artifact.Lock{
		Path: name, Kind: kindOf(t), Matches: n.get("matches").str, Within: duration(n.get("within")), Required: n.get("required").flag,
		Forbidden: n.get("forbidden").flag, Except: texts(n.get("except")), Reason: n.get("reason").str,
	}
	if v := n.get("value"); v.set {
		l.Values = []string{plainOf(v, t)}
	}
	for _, v := range n.get("values").elems {
		if v != nil {
			l.Values = append(l.Values, plainOf(v, t))
		}
	}
	if v := n.get("atLeast"); v.set {
		l.AtLeast = plainOf(v, t)
	}
	if v := n.get("atMost"); v.set {
		l.AtMost = plainOf(v, t)
	}
	m.repeated(n.get("except").elems, "locks", name, "except")
	slices.Sort(l.Values)
	l.Values = slices.Compact(l.Values)
	slices.Sort(l.Except)
	return l
}
