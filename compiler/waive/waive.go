// Package waive takes the findings out of a report that a team lives with, and judges the waivers that say so.
//
// The findings of all stages enter with the waivers, the program and the day; what is left of them leaves, together
// with what was waived and what each waiver came to. Four things hold: an error is never waived; a tenant waives only
// what stands in its folder or belongs to it, and nothing that the platform marks as unwaivable; an expired waiver
// waives nothing, and is an error itself, so that nobody finds out by chance; and every waiver is accounted for,
// also one that waives nothing.
//
// Comments in the files ("gwc:ignore") were refused: they are not found by a review of what a company lives with, and
// they have neither an end nor somebody who answers for them.
package waive

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// The codes of this package. Each has its page in schema/rules.
const (
	// Expired is the code of an expired waiver: a gate that refuses, and not a configuration that is wrong.
	Expired        diag.Code = "GWC1501"
	codeUnused     diag.Code = "GWC1502" // a waiver that waives nothing
	codeUnwaivable diag.Code = "GWC1503" // a rule that cannot be waived
	codeNotOwn     diag.Code = "GWC1504" // another's finding
	codeNoRule     diag.Code = "GWC1505" // no rule has the code
	codeSoon       diag.Code = "GWC1506" // a waiver that expires soon
)

// soon is how long before its expiry a waiver is spoken of.
const soon = 14 * 24 * time.Hour

// State is what a waiver came to.
type State string

const (
	Used    State = "used"
	Unused  State = "unused"
	Lapsed  State = "expired"
	Soon    State = "expires soon" // and used
	Refused State = "refused"      // it has no effect, for a reason that is reported
)

// Waiver is a waiver as it was judged.
type Waiver struct {
	check.Waiver
	Name     string
	Place    diag.Span // of its name
	State    State
	Findings int // that it waives; where it has expired, those that are back
}

// Waived is a finding that a waiver takes out of the report.
type Waived struct {
	diag.Diagnostic
	By *Waiver
}

// Result is what is left of a report. All waivers are sorted by name.
type Result struct {
	Report  diag.Report
	Waived  []Waived
	Waivers []Waiver
}

// Given is what the files say of waivers: by their names, and the rules that tenants cannot waive.
type Given struct {
	Waivers    map[string]check.Waiver
	Unwaivable []string
}

// Apply judges waivers of a program at a time. Where now is zero, none has expired. The report must be that of all stages that find
// mistakes; where it has an error, a waiver that waives nothing is not spoken of, as its finding may be hidden.
func Apply(given Given, p *ir.Program, report diag.Report, now time.Time) Result {
	if len(given.Waivers) == 0 {
		return Result{Report: report}
	}
	j := judge{given: given, places: p.Places, apis: map[string]*ir.API{}, now: now, failed: report.Failed(), out: Result{Waivers: make([]Waiver, 0, len(given.Waivers))}}
	for i := range p.APIs {
		j.apis[p.APIs[i].Name] = &p.APIs[i]
	}
	for _, name := range slices.Sorted(maps.Keys(given.Waivers)) {
		w := Waiver{Waiver: given.Waivers[name], Name: name, Place: p.Places.Key("waivers", name), State: Unused}
		j.admit(&w)
		j.out.Waivers = append(j.out.Waivers, w)
	}
	foreign := make([]int, len(j.out.Waivers))
	for _, d := range report.All() {
		if by := j.of(&d, foreign); by != nil {
			j.out.Waived = append(j.out.Waived, Waived{d, by})
			continue
		}
		j.out.Report.Add(d)
	}
	for i := range j.out.Waivers {
		j.account(&j.out.Waivers[i], foreign[i])
	}
	return j.out
}

type judge struct {
	given  Given
	places ir.Places
	apis   map[string]*ir.API
	now    time.Time
	failed bool
	out    Result
}

func (j *judge) say(w *Waiver, d diag.Diagnostic, field string) {
	d.Path = []string{"waivers", w.Name, field}
	d.Primary.Span = j.places.Value(d.Path...)
	if d.Primary.Span.IsZero() {
		d.Primary.Span = w.Place
	}
	j.out.Report.Add(d)
}

// admit judges a waiver by itself.
func (j *judge) admit(w *Waiver) {
	rule, known := rules.Get(w.Code)
	switch {
	case !known:
		w.State = Refused
		var codes []string
		for _, r := range rules.All() {
			codes = append(codes, string(r.Code))
		}
		d := diag.Diagnostic{Code: codeNoRule, Summary: fmt.Sprintf("waiver %q names unknown rule %q", w.Name, w.Code),
			Help: []string{"gwc rules lists all of them"}}
		if near, ok := diag.Nearest(w.Code, codes); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", near)
		}
		j.say(w, d, "code")
	case rule.Severity == diag.Error:
		w.State = Refused
		j.say(w, diag.Diagnostic{Code: codeUnwaivable, Summary: fmt.Sprintf("waiver %q is of %s, which is an error: errors cannot be waived", w.Name, w.Code),
			Notes: []string{fmt.Sprintf("%s: %s", w.Code, rule.Title)}, Help: []string{"remove the waiver, and mend what the finding says"}}, "code")
	case w.Tenant != "" && (slices.Contains(j.given.Unwaivable, w.Code) || slices.Contains(j.given.Unwaivable, rule.Group)):
		w.State = Refused
		d := diag.Diagnostic{Code: codeUnwaivable, Summary: fmt.Sprintf("tenant %q cannot waive %s: the platform allows it to no tenant", w.Tenant, w.Code),
			Notes: []string{fmt.Sprintf("%s: %s", w.Code, rule.Title)}, Help: []string{"mend what the finding says, or ask the platform team to waive it in its own files"}}
		for i, u := range j.given.Unwaivable {
			if u == w.Code || u == rule.Group {
				d.Secondary = []diag.Label{{Span: j.places.Value("gateway", "unwaivable", strconv.Itoa(i)), Text: "said here"}}
			}
		}
		j.say(w, d, "code")
	case j.elsewhere(w):
		j.refuse(w)
	case !j.now.IsZero() && !time.Unix(w.Expires, 0).After(j.now):
		w.State = Lapsed
	}
}

// refuse reports a waiver of what is not its tenant's.
func (j *judge) refuse(w *Waiver) {
	w.State = Refused
	j.say(w, diag.Diagnostic{Code: codeNotOwn, Summary: fmt.Sprintf("waiver %q stands in the folder of tenant %q, and %q is not the tenant's", w.Name, w.Tenant, w.At),
		Help: []string{"whoever owns the place can waive the finding, and so can the platform in its own files"}}, "at")
}

// elsewhere reports whether a tenant's waiver names a definition or a file that is not the tenant's, whether or not
// there is a finding.
func (j *judge) elsewhere(w *Waiver) bool {
	if w.Tenant == "" {
		return false
	}
	field, rest, ok := strings.Cut(w.At, ".")
	for name := rest; ok && name != ""; name = name[:max(strings.LastIndexByte(name, '.'), 0)] { // names of models have dots
		if at := j.places.Key(field, name); !at.IsZero() {
			return !j.owns(w.Tenant, &diag.Diagnostic{Path: []string{field, name}, Primary: diag.Label{Span: at}})
		}
	}
	return strings.Contains(w.At, "/") && !j.owns(w.Tenant, &diag.Diagnostic{Primary: diag.Label{Span: diag.Span{File: w.At}}})
}

// of returns the waiver that takes a finding out, or nil. foreign counts for each waiver the findings at its place that
// are not its tenant's.
func (j *judge) of(d *diag.Diagnostic, foreign []int) *Waiver {
	if d.Severity == diag.Error {
		return nil
	}
	for i := range j.out.Waivers {
		w := &j.out.Waivers[i]
		switch {
		case w.State == Refused || string(d.Code) != w.Code || !j.at(d, w.At):
			continue
		case !j.owns(w.Tenant, d):
			foreign[i]++
			continue
		}
		w.Findings++
		if w.State == Lapsed {
			continue
		}
		w.State = Used
		return w
	}
	return nil
}

// at reports whether a finding is at a place or below it.
func (j *judge) at(d *diag.Diagnostic, place string) bool {
	file := d.Primary.Span.File
	if file == place {
		return true
	}
	for n := range d.Path { // names have dots: "models.gpt-4" is not above "models.gpt-4.1"
		if strings.Join(d.Path[:n+1], ".") == place {
			return true
		}
	}
	api, ok := strings.CutPrefix(place, "apis.")
	return ok && len(d.Path) == 0 && file != "" && j.apis[api] != nil && j.apis[api].Document == file
}

// owns reports whether a finding is a tenant's business; everything is the platform's.
func (j *judge) owns(tenant string, d *diag.Diagnostic) bool {
	if tenant == "" || strings.HasPrefix(d.Primary.Span.File, "tenants/"+tenant+"/") {
		return true
	}
	if len(d.Path) < 2 {
		return false
	}
	if api := j.apis[d.Path[1]]; d.Path[0] == "apis" && api != nil {
		return api.Owner.Name == tenant
	}
	return d.Path[0] == "tenants" && d.Path[1] == tenant
}

// account reports what a waiver came to, once all findings were seen.
func (j *judge) account(w *Waiver, foreign int) {
	last := time.Unix(w.Expires, 0).UTC().Add(-time.Second)
	day := last.Format(time.DateOnly)
	switch {
	case w.State == Refused:
	case w.State == Lapsed:
		d := diag.Diagnostic{Code: Expired, Summary: fmt.Sprintf("waiver %q of %s expired on %s", w.Name, w.Code, day),
			Notes: []string{fmt.Sprintf("%s waived %s at %q: %s", w.By, w.Code, w.At, w.Reason)},
			Help:  []string{"mend what the finding says and remove the waiver, or have it reviewed again with another date", "an old commit still builds with --now and the day of the commit"}}
		switch w.Findings {
		case 0:
			d.Notes = append(d.Notes, "there is nothing left that it would waive")
			d.Help = []string{"remove the waiver"}
		case 1:
			d.Notes = append(d.Notes, "its finding is back")
		default:
			d.Notes = append(d.Notes, fmt.Sprintf("its %d findings are back", w.Findings))
		}
		j.say(w, d, "expires")
	case w.Findings > 0:
		if left := time.Unix(w.Expires, 0).Sub(j.now); !j.now.IsZero() && left <= soon {
			w.State = Soon
			j.say(w, diag.Diagnostic{Code: codeSoon, Severity: diag.Note, Summary: fmt.Sprintf("waiver %q of %s expires on %s", w.Name, w.Code, day),
				Notes: []string{"from then on its findings are back, and the build fails"}}, "expires")
		}
	case foreign > 0:
		j.refuse(w)
	case !j.failed:
		j.say(w, diag.Diagnostic{Code: codeUnused, Severity: diag.Warning, Summary: fmt.Sprintf("waiver %q waives nothing: there is no %s at %q", w.Name, w.Code, w.At),
			Help: []string{"remove the waiver, or name the place as the finding's path does in --format json"}}, "at")
	}
}
