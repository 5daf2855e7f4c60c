// Package document says what a change of an OpenAPI document means to the callers of its operations: parameters,
// bodies, answers and their schemas.
//
// The files of a repository before and after enter, with the name of one document; a list of [Finding]s leaves, each
// with the operations that it concerns and the places in both documents, or a [Problem] where the two cannot be
// compared. What the checker of oasdiff finds is kept where it is about what an operation takes or gives. Whether
// operations come, go or move is not said here: package diff knows that of the routes, which is what callers see.
//
// Judging schemas with rules of our own was refused: request and response, nullable and default, allOf and oneOf each
// turn what is safe around, and oasdiff has hundreds of cases of it. Its model is that of kin-openapi, which refuses
// documents that this compiler takes; such a document gives a Problem, and a panic of either library does too.
//
// Findings depend on the two documents alone. Where oasdiff compares a sunset with today, both answers are given the
// same name and level, so that a plan says tomorrow what it says today. Nothing is read but the files that are given.
package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	oasdiff "github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// MaxBytes is the size of the files of one document, in bytes, above which it is not compared: both of them, resolved,
// take some hundred times as much memory while they are.
const MaxBytes = 16 << 20

// Level is what a finding means to callers.
type Level uint8

const (
	// Breaking: a request or an answer that was right no longer is.
	Breaking Level = iota
	// Behaviour: some callers may notice.
	Behaviour
	// Neutral: callers that were written for the old document work with the new one.
	Neutral
)

// Side is a document before or after. Files holds the repository's files by path, File is one of them.
type Side struct {
	File  string
	Files map[string][]byte
}

// Operation is one method of one path, as the documents write them.
type Operation struct {
	Method string // "GET"
	Path   string
}

// Place is where something stands: line and column count from 1, and are 0 where they are not known.
type Place struct {
	File      string
	Line, Col int
}

// String returns "orders.yaml:12", or "" for no place.
func (p Place) String() string {
	if p.File == "" || p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Finding is one difference between the documents, of all operations that have it.
type Finding struct {
	Check string // oasdiff's name of the rule, "response-required-property-removed"
	Level Level
	// Text says it in one clause: "removed the required property `total` from the response with the `200` status".
	Text       string
	Operations []Operation // sorted, as the target writes them
	// Base and Target are the places of the first operation's difference.
	Base, Target Place
}

// Problem is why two documents could not be compared.
type Problem struct {
	Before bool // of the document before
	Place  Place
	Why    string // "the document cannot be read: …"
}

// Compare returns what changes from base to target, in order of level, text and operations.
func Compare(base, target Side) ([]Finding, *Problem) {
	x, p := read(base)
	if p != nil {
		p.Before = true
		return nil, p
	}
	y, p := read(target)
	if p != nil {
		return nil, p
	}
	return check(x, y)
}

// errOutside: the library asked for what is not in the repository.
var errOutside = errors.New("it is outside the repository and was not read")

// read loads a document as kin-openapi understands it.
func read(s Side) (info *load.SpecInfo, p *Problem) {
	defer func() {
		if v := recover(); v != nil {
			info, p = nil, problem(s.File, fmt.Sprintf("the library that compares documents fails on it: %v", v))
		}
	}()
	src, ok := s.Files[s.File]
	if !ok {
		return nil, problem(s.File, "the file is not there")
	}
	// Places are known of YAML only. JSON that ends in a comment is YAML, with the same lines; where it is none, as
	// with tabs, JSON without places has to do.
	if first := bytes.TrimLeft(src, " \t\r\n"); len(first) > 0 && first[0] == '{' {
		if info, p := parse(s, append(slices.Clip(src), "\n#"...)); p == nil {
			return info, nil
		}
	}
	return parse(s, src)
}

func parse(s Side, src []byte) (*load.SpecInfo, *Problem) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.IncludeOrigin = true
	size := len(src)
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, u *url.URL) ([]byte, error) {
		b, ok := s.Files[u.Path]
		if u.Scheme != "" || u.Host != "" || !ok {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), errOutside)
		}
		if size += len(b); size > MaxBytes {
			return nil, fmt.Errorf("it has more than %d MB with the files that it refers to", MaxBytes>>20)
		}
		return b, nil
	}
	if size > MaxBytes {
		return nil, problem(s.File, fmt.Sprintf("it has more than %d MB", MaxBytes>>20))
	}
	info, err := load.NewSpecInfoFromData(loader, src, s.File)
	if err != nil {
		return nil, problem(s.File, reason(err))
	}
	return info, nil
}

var lineOf = regexp.MustCompile(`yaml: line (\d+)`)

// problem makes a Problem, placed where the text names a line.
func problem(file, why string) *Problem {
	p := &Problem{Place: Place{File: file}, Why: why}
	if m := lineOf.FindStringSubmatch(why); m != nil {
		fmt.Sscan(m[1], &p.Place.Line)
	}
	return p
}

// reason shortens what kin-openapi says of a document: its first line, without what it tried before.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return "a file that it refers to is not in the repository"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if _, after, ok := strings.Cut(text, "yaml error: "); ok {
		text = after
	}
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// check runs oasdiff's checker over two documents.
func check(x, y *load.SpecInfo) (list []Finding, p *Problem) {
	defer func() {
		if v := recover(); v != nil {
			list, p = nil, problem(y.Url, fmt.Sprintf("the library that compares documents fails on it: %v", v))
		}
	}()
	d, sources, err := oasdiff.GetWithOperationsSourcesMap(oasdiff.NewConfig(), x, y)
	if err != nil {
		return nil, problem(y.Url, reason(err))
	}
	known := checker.GetAllRules()
	rules := make(map[string]*checker.BackwardCompatibilityRule, len(known))
	for i := range known {
		rules[known[i].Id] = &known[i]
	}
	config := checker.NewConfig(checker.GetAllChecks(), checker.WithStabilityLevel(checker.StabilityDraft))
	say := checker.NewDefaultLocalizer()
	type key struct {
		check, text string
		level       Level
	}
	at := map[key]int{}
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(config, d, sources, checker.INFO) {
		rule := rules[c.GetId()]
		if rule == nil || c.GetOperation() == "" || !kept(rule) {
			continue
		}
		id, text := timeless(c, rules, say)
		level := levelOf(c, rules[id])
		k := key{id, text, level}
		i, ok := at[k]
		if !ok {
			i = len(list)
			at[k] = i
			list = append(list, Finding{Check: id, Level: level, Text: text, Base: place(c.GetBaseSource()), Target: place(c.GetRevisionSource())})
		}
		list[i].Operations = append(list[i].Operations, Operation{c.GetOperation(), c.GetPath()})
	}
	for i := range list {
		ops := list[i].Operations
		slices.SortFunc(ops, func(a, b Operation) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
		list[i].Operations = slices.Compact(ops)
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Text, b.Text))
	})
	return list, nil
}

// kept reports whether a rule is about what an operation takes or gives. That operations come and go is said of the
// routes; security schemes, tags and versions of a document change nothing that is sent.
func kept(r *checker.BackwardCompatibilityRule) bool {
	switch r.Area {
	case checker.AreaSchema, checker.AreaParameters, checker.AreaRequestBody, checker.AreaResponses, checker.AreaHeaders:
	default:
		if !strings.HasPrefix(r.Id, "endpoint-deprecated") && r.Id != "endpoint-reactivated" {
			return false
		}
	}
	// What is left of sunsets judges dates by the day on which one asks.
	_, ok := dated[r.Id]
	return ok || !strings.Contains(r.Id, "sunset")
}

// dated maps rules whose choice depends on the day to the rule that says the same on every day, and how many of their
// values it takes.
var dated = map[string]struct {
	id     string
	values int
}{
	"request-parameter-removed-before-sunset":             {"request-parameter-removed", 2},
	"request-parameter-removed-with-deprecation":          {"request-parameter-removed", 2},
	"request-property-removed-before-sunset":              {"request-property-removed", 1},
	"request-property-removed-with-deprecation":           {"request-property-removed", 1},
	"response-required-property-removed-before-sunset":    {"response-required-property-removed", 2},
	"response-required-property-removed-with-deprecation": {"response-required-property-removed", 2},
	"request-property-deprecated-with-sunset":             {"request-property-deprecated", 1},
	"request-property-sunset-date-too-small":              {"request-property-deprecated", 1},
	"response-property-deprecated-with-sunset":            {"response-property-deprecated", 1},
	"response-property-sunset-date-too-small":             {"response-property-deprecated", 1},
	"request-parameter-sunset-date-too-small":             {"request-parameter-deprecated", 2},
	"endpoint-deprecated-with-sunset":                     {"endpoint-deprecated", 0},
}

// timeless returns the rule and the text of a change, the same on every day.
func timeless(c checker.Change, rules map[string]*checker.BackwardCompatibilityRule, say checker.Localizer) (id, text string) {
	d, ok := dated[c.GetId()]
	if !ok || rules[d.id] == nil || len(c.GetArgs()) < d.values {
		return c.GetId(), c.GetUncolorizedText(say)
	}
	var values []any
	for _, v := range c.GetArgs()[:d.values] {
		values = append(values, fmt.Sprintf("`%v`", v))
	}
	return d.id, say(d.id, values...)
}

// levelOf takes oasdiff's level, which may be lower than its rule's: it knows the place. What is deprecated still works.
func levelOf(c checker.Change, r *checker.BackwardCompatibilityRule) Level {
	l := c.GetLevel()
	if r.Id != c.GetId() {
		l = r.Level
	}
	switch {
	case r.Kind == checker.KindLifecycle:
		return Neutral
	case l >= checker.ERR:
		return Breaking
	case l == checker.WARN:
		return Behaviour
	}
	return Neutral
}

func place(s *checker.Source) Place {
	if s == nil {
		return Place{}
	}
	return Place{File: s.File, Line: s.Line, Col: s.Column}
}
