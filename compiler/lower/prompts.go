package lower

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/template"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of prompts that are found where templates and types come together.
const (
	codeTemplateSyntax diag.Code = "GWC2402"
	codeNoInput        diag.Code = "GWC2403" // a template names what no input is
	codeTypeMisuse     diag.Code = "GWC2404"
	codeMayBeAbsent    diag.Code = "GWC2405"
	codeNoPartial      diag.Code = "GWC2406"
	codePartialCycle   diag.Code = "GWC2407"
	codeTooLarge       diag.Code = "GWC2408"
	codeUnusedInput    diag.Code = "GWC2409"
	codeDefault        diag.Code = "GWC2410" // a default that its type does not take
	codeExample        diag.Code = "GWC2411" // an example that does not fit
	codeVersion        diag.Code = "GWC2412" // an alias or a split of no version
	codeVersionTwice   diag.Code = "GWC2413"
	codeSplitTypes     diag.Code = "GWC2414" // a split between versions that take or answer other things
	codeStreamed       diag.Code = "GWC2415" // a typed output that is streamed, or a rule for an output that is text
	codeNoUser         diag.Code = "GWC2416" // no message of the user
	codeImageInput     diag.Code = "GWC2417" // a message shows what is no image
)

// prompts lowers the prompts, and makes the routes of each.
func (l *lowerer) prompts() {
	lib := &library{c: l.c, names: sorted(l.c.Partials), used: map[string]bool{}}
	for _, name := range sorted(l.c.Prompts) {
		in := l.c.Prompts[name]
		p := promptLowerer{lowerer: l, name: name, in: &in, lib: lib}
		l.p.Prompts = append(l.p.Prompts, p.lower())
		at := len(l.p.Prompts) - 1
		origin := l.c.Key("prompts", name)
		path := l.c.Value("prompts", name, "path")
		for _, r := range []ir.Route{
			{ID: "prompt." + name, Kind: artifact.RoutePrompt, Method: "POST", Path: in.Path},
			{ID: "prompt." + name + ".openapi", Kind: artifact.RoutePromptDocument, Method: "GET", Path: in.Path + "/openapi.json"},
		} {
			r.API, r.Prompt, r.Auth, r.Operation, r.Origin, r.PathAt = -1, at, defaultAuth, name, origin, path
			l.p.Routes = append(l.p.Routes, r)
		}
	}
	for _, name := range lib.names {
		l.p.Partials = append(l.p.Partials, ir.Partial{Name: name, Used: lib.used[name]})
	}
}

// library is the partials of the repository.
type library struct {
	c     *check.Config
	names []string
	used  map[string]bool
}

func (b *library) Partial(name string) (string, bool) {
	p, ok := b.c.Partials[name]
	return p.Text, ok
}

func (b *library) Names() []string { return b.names }

// promptLowerer lowers one prompt.
type promptLowerer struct {
	*lowerer
	name string
	in   *check.Prompt
	lib  *library
	said map[string]bool // mistakes in partials that were reported, which several messages may include
}

func (l *promptLowerer) add(d diag.Diagnostic) {
	if d.Primary.Span.IsZero() {
		d.Primary.Span = l.c.Key("prompts", l.name)
	}
	l.report.Add(d)
}

func (l *promptLowerer) lower() ir.Prompt {
	in := l.in
	out := ir.Prompt{Name: l.name, Owner: ir.To(in.Owner), Path: in.Path, Description: in.Description, Visibility: in.Visibility}
	l.said = map[string]bool{}
	paths := map[int64][]string{in.Version: {"prompts", l.name}}
	contents := map[int64]check.PromptContent{in.Version: in.Own}
	for _, label := range sorted(in.Versions) {
		n, err := strconv.ParseInt(label, 10, 64)
		if err != nil {
			continue // the schema refused it
		}
		at := []string{"prompts", l.name, "versions", label}
		if _, twice := contents[n]; twice {
			first := l.c.Value("prompts", l.name, "version")
			if first.IsZero() {
				first = l.c.Key("prompts", l.name)
			}
			l.add(diag.Diagnostic{Code: codeVersionTwice, Severity: diag.Error, Path: at,
				Summary:   fmt.Sprintf("version %d of prompt %q stands twice", n, l.name),
				Primary:   diag.Label{Span: l.c.Key(at...)},
				Secondary: []diag.Label{{Span: first, Text: "what stands at the prompt itself has this number"}},
				Help:      []string{"give one of the two another number"}})
			continue
		}
		contents[n], paths[n] = in.Versions[label], at
	}
	numbers := slices.Sorted(maps.Keys(contents))
	if len(numbers) > prompt.MaxVersions {
		l.add(diag.Diagnostic{Code: codeTooLarge, Severity: diag.Error, Path: []string{"prompts", l.name, "versions"},
			Summary: fmt.Sprintf("prompt %q has %d versions, at most %d", l.name, len(numbers), prompt.MaxVersions), Primary: diag.Label{Span: l.c.Key("prompts", l.name, "versions")}})
	}
	for _, n := range numbers {
		c := contents[n]
		v := versionLowerer{promptLowerer: l, in: &c, path: paths[n]}
		out.Versions = append(out.Versions, v.lower(n))
	}
	l.choose(&out, numbers)
	return out
}

// at returns the data path of something in a version.
func (l *versionLowerer) at(labels ...string) []string {
	return append(slices.Clone(l.path), labels...)
}

// choose finds aliases, the default version and the split.
func (l *promptLowerer) choose(out *ir.Prompt, numbers []int64) {
	latest := numbers[len(numbers)-1]
	exists := func(n int64, path ...string) bool {
		if slices.Contains(numbers, n) {
			return true
		}
		have := make([]string, len(numbers))
		for i, n := range numbers {
			have[i] = strconv.FormatInt(n, 10)
		}
		span := l.c.Value(path...)
		if path[2] == "split" {
			span = l.c.Key(path...)
		}
		l.add(diag.Diagnostic{Code: codeVersion, Severity: diag.Error, Path: path,
			Summary: fmt.Sprintf("%q of prompt %q names version %d, which it does not have", path[2], l.name, n),
			Primary: diag.Label{Span: span}, Notes: []string{"versions: " + strings.Join(have, ", ")}})
		return false
	}
	out.Default = latest
	for _, name := range sorted(l.in.Aliases) {
		n := l.in.Aliases[name]
		path := []string{"prompts", l.name, "aliases", name}
		if name == "latest" && n != latest || isNumber(name) {
			l.add(diag.Diagnostic{Code: codeVersion, Severity: diag.Error, Path: path,
				Summary: fmt.Sprintf("alias %q of prompt %q is taken: \"latest\" is the greatest version, and numbers are versions", name, l.name),
				Primary: diag.Label{Span: l.c.Key(path...)}, Help: []string{"give the alias another name"}})
			continue
		}
		if name == "latest" || !exists(n, path...) {
			continue
		}
		out.Aliases = append(out.Aliases, prompt.Alias{Name: name, Number: n})
		if name == "stable" {
			out.Default = n
		}
	}
	out.Aliases = append(out.Aliases, prompt.Alias{Name: "latest", Number: latest})
	slices.SortFunc(out.Aliases, func(a, b prompt.Alias) int { return strings.Compare(a.Name, b.Name) })
	for _, label := range sorted(l.in.Split) {
		n, err := strconv.ParseInt(label, 10, 64)
		path := []string{"prompts", l.name, "split", label}
		if err != nil || !exists(n, path...) {
			continue
		}
		if w := l.in.Split[label]; w < 1 || w > 1000 {
			l.add(diag.Diagnostic{Code: codeVersion, Severity: diag.Error, Path: path,
				Summary: fmt.Sprintf("share of version %d of prompt %q is %d, expected an integer from 1 to 1000", n, l.name, w),
				Primary: diag.Label{Span: l.c.Value(path...)}, Help: []string{"leave out a version that shall get no requests"}})
			continue
		}
		out.Split = append(out.Split, prompt.Share{Number: n, Weight: int(l.in.Split[label])})
	}
	if len(out.Split) == 0 {
		return
	}
	slices.SortFunc(out.Split, func(a, b prompt.Share) int { return int(a.Number - b.Number) })
	out.SplitBy = l.in.SplitBy
	var first *ir.PromptVersion
	for i := range out.Versions {
		v := &out.Versions[i]
		if !slices.ContainsFunc(out.Split, func(s prompt.Share) bool { return s.Number == v.Content.Number }) || v.Broken {
			continue
		}
		if first == nil {
			first = v
			continue
		}
		what := ""
		switch a, b := &first.Content, &v.Content; {
		case !sameType(a.Types, 0, b.Types, 0):
			what = "inputs"
		case (a.Output == 0) != (b.Output == 0) || a.Output != 0 && !sameType(a.Types, a.Output, b.Types, b.Output):
			what = "output"
		case a.Stream != b.Stream:
			what = "stream"
		default:
			continue
		}
		path := []string{"prompts", l.name, "split"}
		l.add(diag.Diagnostic{Code: codeSplitTypes, Severity: diag.Error, Path: path,
			Summary: fmt.Sprintf("prompt %q is split between versions %d and %d, whose %q differ", l.name, first.Content.Number, v.Content.Number, what),
			Primary: diag.Label{Span: l.c.Key(path...)},
			Notes:   []string{"callers do not know which of the versions answers them"},
			Help:    []string{"give both the same, or let callers name the version: ?version=" + strconv.FormatInt(v.Content.Number, 10)}})
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// sameType reports whether two types take the same values. Descriptions may differ.
func sameType(a []prompt.Type, i int, b []prompt.Type, j int) bool {
	x, y := &a[i], &b[j]
	if x.Kind != y.Kind || x.Pattern != y.Pattern || !slices.Equal(x.Values, y.Values) || len(x.Fields) != len(y.Fields) ||
		!equal(x.Least, y.Least) || !equal(x.Most, y.Most) || !equal(x.Low, y.Low) || !equal(x.High, y.High) {
		return false
	}
	if x.Kind == prompt.Array && !sameType(a, x.Items, b, y.Items) {
		return false
	}
	for k := range x.Fields {
		f := &x.Fields[k]
		m := slices.IndexFunc(y.Fields, func(g prompt.Field) bool { return g.Name == f.Name })
		if m < 0 {
			return false
		}
		if g := &y.Fields[m]; f.Required != g.Required || f.Default != g.Default || !sameType(a, f.Type, b, g.Type) {
			return false
		}
	}
	return true
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// versionLowerer lowers one version.
type versionLowerer struct {
	*promptLowerer
	in     *check.PromptContent
	path   []string
	broken bool
	types  []prompt.Type
	paths  [][]string // of types, for defaults that do not fit
}

func (l *versionLowerer) add(d diag.Diagnostic) {
	if d.Severity == diag.Error {
		l.broken = true
	}
	l.promptLowerer.add(d)
}

func (l *versionLowerer) lower(number int64) ir.PromptVersion {
	in := l.in
	out := ir.PromptVersion{Path: l.path, Model: ir.To(in.Model)}
	v := prompt.Version{Number: number, Temperature: in.Temperature, TopP: in.TopP, MaxTokens: in.MaxTokens, Stop: in.Stop,
		Reasoning: in.Reasoning, Stream: in.Stream, Caching: in.Caching}
	l.object(in.Inputs, l.at("inputs"))
	if len(in.Output) > 0 {
		v.Output = l.object(in.Output, l.at("output"))
		v.OnInvalid = "reject"
		if in.OnInvalid != "" {
			v.OnInvalid = in.OnInvalid
		}
	}
	v.Types = l.types
	l.stop(in.Stop)
	switch {
	case v.Output != 0 && in.Stream:
		v.Stream = false
		l.add(diag.Diagnostic{Code: codeStreamed, Severity: diag.Error, Path: l.at("stream"),
			Summary:   fmt.Sprintf("prompt %q streams an output that has a type", l.name),
			Primary:   diag.Label{Span: l.c.Key(l.at("stream")...)},
			Secondary: []diag.Label{{Span: l.c.Key(l.at("output")...), Text: "the output"}},
			Notes:     []string{"an output is checked when it is whole, and a stream has gone out by then"},
			Help:      []string{"remove one of the two"}})
	case v.Output == 0 && in.OnInvalid != "":
		l.add(diag.Diagnostic{Code: codeStreamed, Severity: diag.Error, Path: l.at("onInvalid"),
			Summary: fmt.Sprintf("\"onInvalid\" of prompt %q can never apply: its output is text", l.name),
			Primary: diag.Label{Span: l.c.Key(l.at("onInvalid")...)}, Help: []string{"remove it, or say what the answer has to be: output: …"}})
	}
	l.messages(&v, &out)
	if l.defaults(&v); !l.broken {
		l.examples(&v)
	}
	if !l.broken {
		if _, err := prompt.New(l.name, &v); err != nil {
			l.unfit(err)
		}
	}
	out.Content, out.Broken = v, l.broken
	return out
}

// unfit reports a version that no artifact may hold, where nothing has said why: its types or messages are too many, too
// long or too deep.
func (l *versionLowerer) unfit(err error) {
	if l.broken || l.report.Failed() {
		l.broken = true
		return
	}
	l.add(diag.Diagnostic{Code: codeTooLarge, Severity: diag.Error, Path: l.path, Primary: diag.Label{Span: l.c.Key(l.path...)},
		Summary: fmt.Sprintf("prompt %q is too large: %s", l.name, err)})
}

func (l *versionLowerer) stop(list []string) {
	for i, s := range list {
		if s == "" {
			path := l.at("parameters", "stop", strconv.Itoa(i))
			l.add(diag.Diagnostic{Code: codeVersion, Severity: diag.Error, Path: path, Summary: "a text that ends the answer is empty",
				Primary: diag.Label{Span: l.c.Value(path...)}, Help: []string{"remove it"}})
		}
	}
}

// object adds an object with its fields, and returns its index.
func (l *versionLowerer) object(fields []check.PromptField, path []string) int {
	at := len(l.types)
	l.types = append(l.types, prompt.Type{Kind: prompt.Object})
	l.paths = append(l.paths, path)
	list := l.fields(fields, path)
	l.types[at].Fields = list
	return at
}

func (l *versionLowerer) fields(fields []check.PromptField, path []string) []prompt.Field {
	var list []prompt.Field
	for _, f := range fields {
		list = append(list, prompt.Field{Name: f.Name, Type: l.typ(f.Type, append(slices.Clone(path), f.Name)), Required: f.Required, Default: f.Default})
	}
	return list
}

func (l *versionLowerer) typ(i int, path []string) int {
	in := &l.in.Types[i]
	at := len(l.types)
	l.types = append(l.types, prompt.Type{})
	l.paths = append(l.paths, path)
	kind := map[string]prompt.Kind{"string": prompt.String, "number": prompt.Number, "integer": prompt.Integer, "boolean": prompt.Boolean,
		"array": prompt.Array, "object": prompt.Object, "image": prompt.Image}[in.Kind]
	if len(in.Values) > 0 {
		kind = prompt.Enum
	}
	out := prompt.Type{Kind: kind, Description: in.Description, Least: in.Least, Most: in.Most, Pattern: in.Pattern,
		Low: in.Low, High: in.High, Values: in.Values}
	switch kind {
	case prompt.Array:
		out.Items = l.typ(in.Items, append(slices.Clone(path), "items"))
	case prompt.Object:
		out.Fields = l.fields(in.Fields, append(slices.Clone(path), "fields"))
	}
	l.types[at] = out
	return at
}

// defaults holds defaults against their types, and takes those that do not fit out.
func (l *versionLowerer) defaults(v *prompt.Version) {
	probe := prompt.Version{Number: 1, Types: slices.Clone(v.Types), Messages: []prompt.Message{{Role: "user"}}}
	for i := range probe.Types {
		probe.Types[i].Fields = slices.Clone(probe.Types[i].Fields)
		for j := range probe.Types[i].Fields {
			probe.Types[i].Fields[j].Default = ""
		}
	}
	g, err := prompt.New(l.name, &probe)
	if err != nil {
		l.unfit(err)
		return
	}
	for i := range v.Types {
		for j := range v.Types[i].Fields {
			f := &v.Types[i].Fields[j]
			if f.Default == "" {
				continue
			}
			faults := g.Fits(f.Type, []byte(f.Default))
			if len(faults) == 0 {
				continue
			}
			path := append(slices.Clone(l.paths[i]), f.Name, "default")
			where := ""
			if p := faults[0].Pointer; p != "" {
				where = " at " + strconv.Quote(p)
			}
			l.add(diag.Diagnostic{Code: codeDefault, Severity: diag.Error, Path: path,
				Summary: fmt.Sprintf("the default of %q does not fit its type%s: %s", f.Name, where, faults[0].Detail),
				Primary: diag.Label{Span: firstLine(l.c.Value(path...))}})
			f.Default, f.Required = "", true
		}
	}
}

func firstLine(s diag.Span) diag.Span {
	if s.End.Line > s.Start.Line {
		s.End = s.Start
		s.End.Col++
		s.End.Offset++
	}
	return s
}

func (l *versionLowerer) messages(v *prompt.Version, out *ir.PromptVersion) {
	inputs := template.Inputs{Types: v.Types, Used: make([]bool, len(v.Types[0].Fields))}
	user, whole := false, true
	total := 0
	for i := range l.in.Messages {
		in := &l.in.Messages[i]
		user = user || in.Role == "user"
		ops, faults := template.Lower(in.Text, &inputs, l.lib, func(name string) { l.lib.used[name] = true })
		for _, f := range faults {
			l.fault(f, in.Text, l.at("messages", strconv.Itoa(i), "text"))
			whole = false
		}
		m := prompt.Message{Role: in.Role, Ops: ops}
		total += len(ops)
		for j, name := range in.Images {
			at := slices.IndexFunc(v.Types[0].Fields, func(f prompt.Field) bool { return f.Name == name })
			path := l.at("messages", strconv.Itoa(i), "images", strconv.Itoa(j))
			if at < 0 {
				l.noImage(path, name, v)
				whole = false
				continue
			}
			inputs.Used[at] = true
			t := &v.Types[v.Types[0].Fields[at].Type]
			if t.Kind == prompt.Array {
				t = &v.Types[t.Items]
			}
			if t.Kind != prompt.Image {
				l.add(diag.Diagnostic{Code: codeImageInput, Severity: diag.Error, Path: path,
					Summary: fmt.Sprintf("message %d shows %q, which is no image but a %s", i+1, name, t.Kind),
					Primary: diag.Label{Span: l.c.Value(path...)}, Help: []string{`give the input type: "image", or write {{` + name + `}} into the text`}})
				continue
			}
			out.Images = true
			m.Images = append(m.Images, []int{at})
		}
		v.Messages = append(v.Messages, m)
	}
	if !user && len(l.in.Messages) > 0 {
		l.add(diag.Diagnostic{Code: codeNoUser, Severity: diag.Error, Path: l.at("messages"),
			Summary: fmt.Sprintf("prompt %q has no message of the user", l.name), Primary: diag.Label{Span: l.c.Key(l.at("messages")...)},
			Notes: []string{"models answer the user; providers refuse a conversation without one"}})
	}
	if total > prompt.MaxOps || len(v.Messages)+2*len(l.in.Examples) > prompt.MaxMessages {
		l.add(diag.Diagnostic{Code: codeTooLarge, Severity: diag.Error, Path: l.at("messages"), Primary: diag.Label{Span: l.c.Key(l.at("messages")...)},
			Summary: fmt.Sprintf("the messages of prompt %q are too large: at most %d with %d steps in all", l.name, prompt.MaxMessages, prompt.MaxOps)})
	}
	if !whole {
		return // what is not used may be what was misspelt
	}
	for i, used := range inputs.Used {
		if !used {
			path := l.at("inputs", v.Types[0].Fields[i].Name)
			l.add(diag.Diagnostic{Code: codeUnusedInput, Severity: diag.Warning, Path: path,
				Summary: fmt.Sprintf("input %q of prompt %q is not used: no message names it", v.Types[0].Fields[i].Name, l.name),
				Primary: diag.Label{Span: l.c.Key(path...)}})
		}
	}
}

func (l *versionLowerer) noImage(path []string, name string, v *prompt.Version) {
	d := diag.Diagnostic{Code: codeNoInput, Severity: diag.Error, Path: path, Summary: fmt.Sprintf("%q is no input", name),
		Primary: diag.Label{Span: l.c.Value(path...)}}
	var names []string
	for _, f := range v.Types[0].Fields {
		names = append(names, f.Name)
	}
	if near, ok := diag.Nearest(name, names); ok {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name input %q", near), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(near)}}}}
	}
	l.add(d)
}

// fault reports a mistake in a template, at its place within the text where the text stands on one line as it is.
func (l *versionLowerer) fault(f template.Fault, text string, path []string) {
	d := diag.Diagnostic{Severity: diag.Error, Path: path, Summary: f.Text, Code: map[template.FaultKind]diag.Code{
		template.Syntax: codeTemplateSyntax, template.Unknown: codeNoInput, template.Misuse: codeTypeMisuse, template.Absent: codeMayBeAbsent,
		template.Missing: codeNoPartial, template.Cyclic: codePartialCycle, template.TooLarge: codeTooLarge}[f.Kind]}
	if f.In != "" {
		key := fmt.Sprint(f.In, f.At, f.Text)
		if l.said[key] {
			l.broken = true
			return
		}
		l.said[key] = true
		d.Path = []string{"partials", f.In, "text"}
		d.Secondary = []diag.Label{{Span: firstLine(l.c.Value(path...)), Text: "it is included here"}}
		text = l.c.Partials[f.In].Text
	}
	whole := l.c.Value(d.Path...)
	d.Primary.Span = spot(whole, text, f.At, f.Length)
	if f.Near != "" {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", f.Near)
		if name := text[f.At : f.At+f.Length]; d.Primary.Span != firstLine(whole) && strings.HasPrefix(name, "{{") {
			if at := strings.IndexFunc(name, func(r rune) bool {
				return r == '.' || r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
			}); at > 0 {
				d.Fixes = []diag.Fix{{Title: fmt.Sprintf("write %q", f.Near), Edits: []diag.Edit{{Span: d.Primary.Span, New: strings.TrimRight(name[:at], " ") + f.Near + "}}"}}}}
			}
		}
	}
	if f.Note != "" {
		d.Notes = []string{f.Note}
	}
	switch f.Kind {
	case template.Absent:
		name := strings.Trim(text[f.At:f.At+f.Length], "{} ")
		d.Help = []string{fmt.Sprintf("write {{#%s}}…{{/%s}} around it, or give the input a default", name, name)}
	case template.Missing:
		if f.Near == "" {
			d.Help = []string{"define it under partials"}
		}
	}
	l.add(d)
}

// spot returns the span of a piece of a text that a file says as a string: exact where it stands on one line without
// escapes before it, else the first line of the string.
func spot(whole diag.Span, text string, at, length int) diag.Span {
	quotes := whole.End.Offset - whole.Start.Offset - len(text)
	if whole.End.Line != whole.Start.Line || quotes != 0 && quotes != 2 || strings.ContainsAny(text, "\n\"\\") || at+length > len(text) {
		return firstLine(whole)
	}
	s := whole
	s.Start.Offset += quotes/2 + at
	s.Start.Col += quotes/2 + at
	s.End.Offset, s.End.Col = s.Start.Offset+length, s.Start.Col+length
	return s
}

// examples writes each example as messages, before the last message of the user.
func (l *versionLowerer) examples(v *prompt.Version) {
	if len(l.in.Examples) == 0 {
		return
	}
	g, err := prompt.New(l.name, v)
	if err != nil {
		l.unfit(err)
		return
	}
	last := -1
	for i := range v.Messages {
		if v.Messages[i].Role == "user" {
			last = i
		}
	}
	var list []prompt.Message
	for i, e := range l.in.Examples {
		path := l.at("examples", strconv.Itoa(i))
		wrong := func(field, format string, args ...any) {
			at := append(slices.Clone(path), field)
			span := firstLine(l.c.Value(at...))
			if span.IsZero() {
				span = firstLine(l.c.Value(path...))
			}
			l.add(diag.Diagnostic{Code: codeExample, Severity: diag.Error, Path: at, Primary: diag.Label{Span: span},
				Summary: fmt.Sprintf("%q of example %d of prompt %q ", field, i+1, l.name) + fmt.Sprintf(format, args...)})
		}
		pointed := func(f prompt.Fault) string {
			if f.Pointer == "" {
				return f.Detail
			}
			return strconv.Quote(f.Pointer) + ": " + f.Detail
		}
		inputs, faults := g.Inputs([]byte(e.Inputs))
		if len(faults) > 0 {
			wrong("inputs", "does not fit: %s", pointed(faults[0]))
			continue
		}
		said, err := g.Message(last, inputs)
		if err != nil || strings.TrimSpace(said.Text) == "" {
			wrong("inputs", "leaves the user's message empty")
			continue
		}
		if len(said.Images) > 0 {
			wrong("inputs", "shows an image, which examples cannot")
			continue
		}
		var answer string
		if v.Output == 0 {
			text, ok := prompt.Unquote([]byte(e.Output))
			if !ok || text == "" {
				wrong("output", "is no text, expected what the model shall answer")
				continue
			}
			answer = text
		} else {
			value, faults := g.Output(e.Output)
			if len(faults) > 0 {
				wrong("output", "does not fit: %s", pointed(faults[0]))
				continue
			}
			answer = string(g.AppendJSON(nil, v.Output, value))
		}
		list = append(list, static("user", said.Text), static("assistant", answer))
	}
	v.Messages = slices.Insert(slices.Clone(v.Messages), last, list...)
}

// static is a message that is the same for all inputs.
func static(role, text string) prompt.Message {
	m := prompt.Message{Role: role}
	for text != "" {
		n := min(len(text), 32<<10)
		for n < len(text) && text[n]&0xc0 == 0x80 {
			n--
		}
		m.Ops = append(m.Ops, prompt.Op{Code: prompt.Text, Text: text[:n]})
		text = text[n:]
	}
	return m
}
