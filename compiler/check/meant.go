package check

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cuelang.org/go/cue"

	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// correction is what a value that does not fit was meant to be. safe says that it has no other meaning.
type correction struct {
	title string
	text  string
	safe  bool
}

var (
	unitForm  = regexp.MustCompile(`^([0-9]+) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)$`)
	sizeForm  = regexp.MustCompile(`^([0-9]+) ?([KMGkmg])(i?)([Bb]?)$`)
	dottedDay = regexp.MustCompile(`^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})$`)
)

// meant returns what a text was most likely meant to be, where that can be told and fits.
func meant(is, s string, f *language.Field) (correction, bool) {
	c := correction{title: "write %q"}
	switch is {
	case "secretref":
		if name := variable(s); name != "" {
			c.title, c.text = "name the environment variable", "env:"+name
		}
	case "fileref":
		if ext := strings.LastIndexByte(s, '.'); ext > 0 && len(s)-ext <= 5 && !strings.ContainsAny(s, " :\n") {
			c.title, c.text = "refer to the file", "file:"+s
		}
	case "duration":
		c.text, c.safe = durationMeant(s)
		if d, err := parseDuration(c.text); err != nil || !within(d, f) {
			return c, false
		}
	case "size":
		if m := sizeForm.FindStringSubmatch(s); m != nil {
			c.text, c.safe = m[1]+strings.ToUpper(m[2])+"B", m[3] != "" || m[4] != ""
		}
	case "date":
		c.text = dateMeant(s)
	case "address":
		if u, err := url.Parse(s); err == nil && u.Scheme != "" && u.Port() != "" && u.User == nil && (u.Path == "" || u.Path == "/") {
			c.text = u.Host
		} else if isDigits(s) {
			c.text = "127.0.0.1:" + s
		}
	case "url":
		if host, _, _ := strings.Cut(s, "/"); strings.Contains(host, ".") && !strings.ContainsAny(s, "@ ") && !strings.Contains(s, "://") {
			c.text = "https://" + s
		}
	case "basepath":
		if u, err := url.Parse(s); err == nil && u.Scheme != "" && u.User == nil {
			c.text = strings.TrimRight(u.Path, "/")
		} else if !strings.HasPrefix(s, "/") {
			c.text = "/" + strings.TrimRight(s, "/")
		}
	case "host":
		h := s
		if _, rest, ok := strings.Cut(s, "://"); ok {
			h = strings.TrimRight(rest, "/")
		}
		if host, port, ok := strings.Cut(h, ":"); ok && isDigits(port) {
			h = host
		}
		c.text = strings.ToLower(h)
	}
	if c.text == "" || c.text == s || scalars[is].check(c.text) != "" {
		return c, false
	}
	if strings.Contains(c.title, "%q") {
		c.title = "write " + strconv.Quote(c.text)
	}
	return c, true
}

// durationMeant reads units written out, spaces before them, and fractions.
func durationMeant(s string) (text string, safe bool) {
	switch s {
	case "second", "minute", "hour":
		return "1" + s[:1], false // of a limit: one window
	}
	if isDigits(s) {
		return s + "s", false
	}
	if m := unitForm.FindStringSubmatch(s); m != nil {
		unit := m[2][:1]
		if strings.HasPrefix(m[2], "mi") && strings.Contains(m[2], "milli") || m[2] == "ms" {
			unit = "ms"
		}
		return m[1] + unit, true
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 && d%time.Millisecond == 0 {
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms", true
	}
	return "", false
}

func dateMeant(s string) string {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Format(time.DateOnly)
	}
	if t, err := time.Parse("2006/01/02", s); err == nil {
		return t.Format(time.DateOnly)
	}
	if m := dottedDay.FindStringSubmatch(s); m != nil {
		if t, err := time.Parse("2.1.2006", s); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return ""
}

// reshape adds the repair of a value whose type is wrong: a number that stands in quotes, a list without brackets, a
// struct of which only the one field that it must have was written. text is the value, if it is short and no secret.
func (w *walker) reshape(d *diag.Diagnostic, v cue.Value, t *language.Type, f *language.Field) {
	at := w.at.value
	if at.IsZero() || !w.literal(v) {
		return
	}
	replace := func(title, text string, safe bool) {
		d.Fixes = []diag.Fix{{Title: title, Safe: safe, Edits: []diag.Edit{{Span: at, New: text}}}}
	}
	is := v.IncompleteKind()
	s, _ := v.String()
	switch {
	case t.Shape == language.Int && t.Is == "" && is == cue.StringKind:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && (t.Min == nil || n >= *t.Min) && (t.Max == nil || n <= *t.Max) {
			replace("take the number out of its quotes", strconv.FormatInt(n, 10), true)
		}
	case t.Shape == language.Bool && is == cue.StringKind && (s == "true" || s == "false"):
		replace("take the value out of its quotes", s, true)
	case t.Is == "duration" && is == cue.IntKind:
		if n, err := v.Int64(); err == nil {
			if c, ok := meant("duration", strconv.FormatInt(n, 10), f); ok {
				replace(c.title, strconv.Quote(c.text), false)
			}
		}
	case t.Shape == language.Enum && is == cue.IntKind:
		if n, err := v.Int64(); err == nil {
			for _, value := range t.Values {
				if value == strconv.FormatInt(n, 10) {
					replace("write it in quotes", strconv.Quote(value), true)
				}
			}
		}
	default:
		if before, after, ok := around(v, t); ok {
			start, end := at, at
			start.End, end.Start = at.Start, at.End
			d.Fixes = []diag.Fix{{
				Title: "write " + before + "…" + after, Safe: t.Shape == language.List && fits(v, t.Elem),
				Edits: []diag.Edit{{Span: start, New: before}, {Span: end, New: after}},
			}}
		}
	}
}

// literal reports whether a value stands as itself where the walk is, and not as a reference to another place.
func (w *walker) literal(v cue.Value) bool {
	_, n, ok := w.syntax(w.at.value)
	return ok && n != nil && !refers(n)
}

// around returns what is missing before and after a value: the brackets of a list, or the only field that a struct
// must have.
func around(v cue.Value, t *language.Type) (before, after string, ok bool) {
	switch t.Shape {
	case language.List:
		if fits(v, t.Elem) {
			return "[", "]", true
		}
		before, after, ok := around(v, t.Elem)
		return "[" + before, after + "]", ok
	case language.Struct:
		var only *language.Field
		for i := range t.Fields {
			if f := &t.Fields[i]; f.Required {
				if only != nil {
					return "", "", false
				}
				only = f
			}
		}
		if only != nil && only.Type.Shape == language.String && fits(v, only.Type) {
			return "{" + only.Name + ": ", "}", true
		}
	}
	return "", "", false
}

// fits reports whether a value is of a type, as far as can be told without a walk.
func fits(v cue.Value, t *language.Type) bool {
	switch t.Shape {
	case language.Struct, language.Union:
		return v.IncompleteKind() == cue.StructKind
	case language.Enum:
		s, err := v.String()
		for _, value := range t.Values {
			if err == nil && value == s {
				return true
			}
		}
	case language.String:
		s, err := v.String()
		check := scalars[t.Is].check
		return err == nil && (check == nil || check(s) == "")
	}
	return false
}
