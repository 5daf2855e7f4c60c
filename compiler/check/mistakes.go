package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"

	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The rules of this package; each has its page in schema/rules.
const (
	codeConflict   diag.Code = "GWC1002"
	codeImport     diag.Code = "GWC1005"
	codeReference  diag.Code = "GWC1006"
	codeCycle      diag.Code = "GWC1007"
	codeEvaluation diag.Code = "GWC1008"
	codeIncomplete diag.Code = "GWC1009"
	codeNotYet     diag.Code = "GWC1010"
	codeTopLevel   diag.Code = "GWC1101"
	codeEmpty      diag.Code = "GWC1102"
	codeTwice      diag.Code = "GWC1103"
	codePlatform   diag.Code = "GWC1104"
	codeType       diag.Code = "GWC1201"
	codeEnum       diag.Code = "GWC1202"
	codeField      diag.Code = "GWC1203"
	codeMissing    diag.Code = "GWC1204"
	codeBounds     diag.Code = "GWC1205"
	codeName       diag.Code = "GWC1206"
	codeFew        diag.Code = "GWC1207"
	codeText       diag.Code = "GWC1208"
	codeRepeated   diag.Code = "GWC1209"
	codeDuration   diag.Code = "GWC1210"
	codeDate       diag.Code = "GWC1211"
	codeHash       diag.Code = "GWC1212"
	codeURL        diag.Code = "GWC1213"
	codeAddress    diag.Code = "GWC1214"
	codeBasePath   diag.Code = "GWC1215"
	codeHost       diag.Code = "GWC1216"
	codeDocument   diag.Code = "GWC1217"
	codeSize       diag.Code = "GWC1218"
	codeReferTo    diag.Code = "GWC1219"
	codeUnfit      diag.Code = "GWC1299"
	codeSecret     diag.Code = "GWC1301"
	codePublicKey  diag.Code = "GWC8002"

	codePassthroughPath diag.Code = "GWC2371"
)

// unknownField reports a field that the language does not have there, or not yet. It returns the field that was most
// likely meant, "" if it knows none. taken are the fields that others of the struct's unknown fields were meant for.
func (w *walker) unknownField(parent, v cue.Value, label string, t *language.Type, taken []string) string {
	at := w.where(v)
	path := append(slices.Clone(w.path), label)
	if slices.Contains(t.Reserved, label) {
		w.report(notYet(label, at.key, path))
		return ""
	}
	if len(w.bad) > 0 && w.bad[join(path)] {
		w.wrong++
		return "" // A definition of the repository's own refuses it too, and that was reported.
	}
	d := diag.Diagnostic{
		Code:    codeField,
		Summary: fmt.Sprintf("unknown field %q in %s", label, w.thing(t)),
		Path:    path,
		Primary: diag.Label{Span: at.key},
	}
	if t == language.Read().Root {
		d.Code, d.Summary = codeTopLevel, fmt.Sprintf("unknown field %q at the top of the package", label)
	}
	names := make([]string, len(t.Fields))
	for i := range t.Fields {
		names[i] = t.Fields[i].Name
	}
	near, ok := diag.Nearest(label, names)
	if owner, misplaced := ownerOf(label, t); misplaced {
		d.Primary.Text = fmt.Sprintf("%q belongs into %q", label, owner)
		near, ok = "", false
	}
	if later, soon := diag.Nearest(label, t.Reserved); soon && !ok && d.Primary.Text == "" {
		d.Primary.Text = fmt.Sprintf("did you mean %q? It is not built yet", later)
	}
	// A name that resembles none, in a struct that lacks exactly one field: it stands for that one.
	guess := false
	if lacking := missingFields(parent, t, taken); !ok && d.Primary.Text == "" && len(lacking) == 1 {
		near, ok, guess = lacking[0], true, true
	}
	if ok {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		text, written := w.labelText(v, near)
		fix := diag.Fix{
			Title: fmt.Sprintf("rename %q to %q", label, near), Safe: !guess && !parent.LookupPath(cue.MakePath(cue.Str(near))).Exists(),
			Edits: []diag.Edit{{Span: at.key, New: text}},
		}
		if value, fits := renamed(v, label, near, t); value != "" {
			d.Primary.Text = fmt.Sprintf("did you mean %s: %s?", near, value)
			fix.Title = fmt.Sprintf("write %s: %s", near, value)
			fix.Edits = append(fix.Edits, diag.Edit{Span: at.value, New: value})
		} else if !fits {
			written = false // It would only move the mistake into the value.
		}
		if written {
			d.Fixes = []diag.Fix{fix}
		}
	}
	d.Notes = []string{fmt.Sprintf("allowed: %s          (schema: %s)", strings.Join(names, ", "), t.At)}
	w.report(d)
	return near
}

// renamed reports whether the value of a field fits another field of the struct, and what to write in place of it, ""
// if it may stay: in {env: "NAME"} of a credential the label says what belongs before the name.
func renamed(v cue.Value, label, near string, t *language.Type) (value string, fits bool) {
	f, _ := t.Field(near)
	s, err := v.String()
	check := scalars[f.Type.Is].check
	if err != nil || check == nil || check(s) == "" {
		return "", true
	}
	if f.Type.Is == "secretref" && (label == "env" || label == "file") && check(label+":"+s) == "" && !looksSecret(s) {
		return strconv.Quote(label + ":" + s), true
	}
	return "", false
}

// looksSecret reports whether a text where the name of an environment variable belongs is none that people give.
func looksSecret(s string) bool { return !variableForm.MatchString(s) }

// missingFields returns the fields that a struct must have and that no file sets, but for those in taken.
func missingFields(parent cue.Value, t *language.Type, taken []string) []string {
	var names []string
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Required && !slices.Contains(taken, f.Name) && !parent.LookupPath(cue.MakePath(cue.Str(f.Name))).Exists() {
			names = append(names, f.Name)
		}
	}
	return names
}

// ownerOf returns the field of a struct in which a label would be known: people write `auth` beside `policies`.
func ownerOf(label string, t *language.Type) (string, bool) {
	for _, f := range t.Fields {
		if f.Type.Shape != language.Struct {
			continue
		}
		if _, ok := f.Type.Field(label); ok {
			return f.Name, true
		}
	}
	return "", false
}

// labelText returns how a label is written in place of that of a value, if it stands in a file as such.
func (w *walker) labelText(v cue.Value, name string) (string, bool) {
	src, ok := v.Source().(*ast.Field)
	if !ok {
		return "", false
	}
	at := w.unit.span(src.Label)
	if text, ok := plainKey(w.unit.sources[at.File], at, name); ok {
		return text, true
	}
	switch l := src.Label.(type) {
	case *ast.Ident:
		return name, true
	case *ast.BasicLit:
		return strconv.Quote(name), strings.HasPrefix(l.Value, `"`)
	}
	return "", false
}

// notPlatform reports a tenant's file that says what only the platform's may.
func (w *walker) notPlatform(label string, v cue.Value) {
	w.report(diag.Diagnostic{
		Code:    codePlatform,
		Summary: fmt.Sprintf("field %q stands in the folder of tenant %q, expected among the platform's files", label, w.unit.tenant),
		Path:    []string{label},
		Primary: diag.Label{Span: w.where(v).key},
		Help:    []string{"move it to gateway.cue in the root folder, or below platform/"},
	})
}

func notYet(what string, at diag.Span, path []string) diag.Diagnostic {
	return diag.Diagnostic{
		Code:    codeNotYet,
		Summary: fmt.Sprintf("%q is part of the language but not built yet", what),
		Path:    path,
		Primary: diag.Label{Span: at},
		Help:    []string{"remove it until a later version of gwc"},
	}
}

// missing reports a required field that no file sets.
func (w *walker) missing(f *language.Field, t *language.Type) {
	w.report(diag.Diagnostic{
		Code:    codeMissing,
		Summary: fmt.Sprintf("missing field %q in %s", f.Name, w.thing(t)),
		Path:    append(slices.Clone(w.path), f.Name),
		Primary: diag.Label{Span: firstLine(w.at.key), Text: fmt.Sprintf("expected %s", expected(f.Type, f))},
		Notes:   []string{fmt.Sprintf("%s: %s          (schema: %s)", f.Name, f.Doc, f.At)},
	})
}

// empty reports a list or map that must have something in it.
func (w *walker) empty(t *language.Type) {
	w.report(diag.Diagnostic{
		Code:    codeFew,
		Summary: fmt.Sprintf("%s is empty, expected at least one %s", w.name(), word(t.Elem)),
		Primary: diag.Label{Span: firstLine(w.at.value)},
	})
}

// arm returns the arm of a union that a value's kind names.
func (w *walker) arm(v cue.Value, t *language.Type) *language.Type {
	kind, kinds := t.Arms[0], make([]string, len(t.Arms))
	for i, a := range t.Arms {
		kinds[i] = a.Kind()
	}
	f, _ := kind.Field("kind")
	k := v.LookupPath(cue.MakePath(cue.Str("kind")))
	if !k.Exists() {
		if len(w.bad) > 0 && w.bad[join(append(slices.Clone(w.path), "kind"))] {
			w.wrong++
			return nil
		}
		w.report(diag.Diagnostic{
			Code:    codeMissing,
			Summary: fmt.Sprintf("missing field %q in %s", "kind", word(t)),
			Path:    append(slices.Clone(w.path), "kind"),
			Primary: diag.Label{Span: firstLine(w.at.key), Text: "expected " + oneOf(kinds)},
			Notes:   []string{fmt.Sprintf("kind says %s          (schema: %s)", kindSays(t), t.At)},
		})
		return nil
	}
	all := *f.Type
	all.Values, all.At, all.Reserved = kinds, t.At, t.Reserved
	field := *f
	field.Type, field.Reserved = &all, t.Reserved
	n := w.child("kind", k, &all, &field)
	if n == nil {
		return nil
	}
	return t.Arms[slices.Index(kinds, n.str)]
}

// kindSays says what the field "kind" of a union is for.
func kindSays(t *language.Type) string {
	if t.Name == "#Assertion" {
		return "what it demands"
	}
	return "which dialect it speaks"
}

// isKind reports a value that is not of a kind that its type needs.
func (w *walker) isKind(v cue.Value, t *language.Type, want cue.Kind) bool {
	k := v.IncompleteKind()
	if k == want || k == cue.BottomKind {
		return true // A value with an error in it is an error too; the error is met on the way.
	}
	if k&want != 0 {
		w.incomplete(t, nil)
		return false
	}
	w.wrongType(v, t, nil)
	return false
}

func (w *walker) wrongType(v cue.Value, t *language.Type, f *language.Field) {
	is := v.IncompleteKind()
	d := diag.Diagnostic{
		Code:    codeType,
		Summary: fmt.Sprintf("%s is %s, expected %s", w.name(), kindWord(is), expected(t, f)),
		Primary: diag.Label{Span: firstLine(w.at.value), Secret: secret(t)},
	}
	n, err := v.Int64()
	switch {
	case is == cue.BytesKind:
		d.Help = []string{"put the text in double quotes: single quotes are for bytes"}
	case t.Is == "price" && is&(cue.NumberKind) != 0:
		d.Help = []string{"put it in quotes: a price is a decimal text, so that it stays exact"}
	case t.Is == "duration" && err == nil && n > 0:
		d.Help = []string{fmt.Sprintf(`write it in quotes, with its unit: "%ds"`, n)}
	}
	w.reshape(&d, v, t, f)
	w.report(d)
}

func (w *walker) incomplete(t *language.Type, f *language.Field) {
	note := "a constraint, such as `string`, is not a value yet: some file has to give one"
	if _, n, ok := w.syntax(w.at.value); ok && refers(n) {
		note = "what it refers to has no definite value, or refers back to it"
	}
	w.report(diag.Diagnostic{
		Code:    codeIncomplete,
		Summary: fmt.Sprintf("%s has no definite value, expected %s", w.name(), expected(t, f)),
		Primary: diag.Label{Span: firstLine(w.at.value)},
		Notes:   []string{note},
	})
}

// unexplained reports what CUE has against an object in which the walk found nothing.
func (w *walker) unexplained(err error, t *language.Type) {
	w.report(diag.Diagnostic{
		Code:    codeUnfit,
		Summary: fmt.Sprintf("%s does not fit the schema: %s", word(t), firstError(err)),
		Primary: diag.Label{Span: w.errorSpan(err)},
		Notes:   []string{fmt.Sprintf("schema: %s", t.At)},
	})
}

// name names the value that the walk stands at.
func (w *walker) name() string {
	if len(w.path) == 0 {
		return "the package"
	}
	last := w.path[len(w.path)-1]
	if i, err := strconv.Atoi(last); err == nil && len(w.path) > 1 {
		return fmt.Sprintf("element %d of %q", i+1, w.path[len(w.path)-2])
	}
	return strconv.Quote(last)
}

// thing names a type, and the kind of an arm of a union.
func (w *walker) thing(t *language.Type) string {
	if k := t.Kind(); k != "" {
		return fmt.Sprintf("%s of kind %q", word(t), k)
	}
	if t.Name == "" {
		return w.name()
	}
	return word(t)
}

// words says definitions as people do, where lower case alone does not.
var words = map[string]string{
	"#Gateway": "gateway", "#Settings": `"gateway"`, "#API": "API", "#TLS": `"tls"`,
	"#Admin": `"admin"`, "#Signatures": `"signatures"`, "#Calls": `"calls"`, "#Retry": `"retry"`, "#Policies": `"policies"`, "#Lifecycle": `"lifecycle"`,
	"#Expectation": `"expect"`, "#ExpectedAnswer": `"answer"`, "#ExpectedCall": `"calls"`, "#ExpectedRecord": `"record"`,
	"#Request": `"request"`, "#Timeouts": `"timeouts"`, "#ProviderTimeouts": `"timeouts"`, "#UpstreamTimeouts": `"timeouts"`,
	"#OpenAIProvider": "provider", "#CompatibleProvider": "provider", "#AzureProvider": "provider", "#AnthropicProvider": "provider",
	"#MistralProvider": "provider", "#CohereProvider": "provider", "#OllamaProvider": "provider", "#BedrockProvider": "provider", "#AWSKey": "credential", "#Entra": `"entra"`, "#Name": "name", "#ModelName": "model name",
	"#HostPattern": "host",
	"#PromptPath":  "path", "#InputName": "name", "#VersionNumber": "version number",
	"#PromptVersion": "version", "#PromptContent": "prompt", "#PromptParameters": `"parameters"`, "#PromptMessage": "message",
	"#PromptExample": "example", "#PromptType": "type", "#Partial": "partial",
	"#ReachAssertion": "assertion", "#AuthAssertion": "assertion", "#IsolationAssertion": "assertion", "#LimitAssertion": "assertion",
	"#SpendAssertion": "assertion", "#ExpiryAssertion": "assertion", "#TargetsAssertion": "assertion", "#TimeoutAssertion": "assertion",
}

func word(t *language.Type) string {
	if w, ok := words[t.Name]; ok {
		return w
	}
	if t.Name == "" {
		return "value"
	}
	return strings.ToLower(strings.TrimPrefix(t.Name, "#"))
}

// expected says which values a type has.
func expected(t *language.Type, f *language.Field) string {
	switch t.Shape {
	case language.Struct, language.Union, language.Map:
		return "a struct"
	case language.List:
		return "a list"
	case language.Enum:
		return oneOf(t.Values)
	case language.Any:
		if t.Is == "number" {
			return "a number"
		}
		return "a value"
	case language.Bool:
		return "true or false"
	case language.Int:
		if t.Is == "size" {
			break
		}
		switch {
		case t.Min != nil && t.Max != nil:
			return fmt.Sprintf("an integer from %d to %d", *t.Min, *t.Max)
		case t.Min != nil:
			return fmt.Sprintf("an integer of at least %d", *t.Min)
		}
		return "an integer"
	}
	if f != nil && f.Low != "" {
		return fmt.Sprintf("a %s from %s to %s", t.Is, f.Low, f.Top)
	}
	if s, ok := scalars[t.Is]; ok {
		return s.words
	}
	return "a string"
}

func oneOf(values []string) string {
	if len(values) == 1 {
		return list(values)
	}
	return "one of " + list(values)
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	return strings.Join(quoted, ", ")
}

func kindWord(k cue.Kind) string {
	switch k {
	case cue.NullKind:
		return "null"
	case cue.BoolKind:
		return "a boolean"
	case cue.IntKind:
		return "an integer"
	case cue.FloatKind, cue.NumberKind:
		return "a number"
	case cue.StringKind:
		return "a string"
	case cue.BytesKind:
		return "bytes"
	case cue.ListKind:
		return "a list"
	case cue.StructKind:
		return "a struct"
	}
	return "something else"
}

// firstLine cuts a span that goes over several lines down to its first byte.
func firstLine(s diag.Span) diag.Span {
	if s.End.Line > s.Start.Line {
		s.End = s.Start
		s.End.Col++
		s.End.Offset++
	}
	return s
}
