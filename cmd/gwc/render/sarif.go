package render

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/release"
	"github.com/gwc-dev/gwc/schema/rules"
)

// The part of SARIF 2.1.0 that is written (OASIS Standard of 27 March 2020; section 3 names each property).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool            `json:"tool"`
		Invocations []sarifInvocation    `json:"invocations"`
		Bases       map[string]sarifBase `json:"originalUriBaseIds"`
		ColumnKind  string               `json:"columnKind"`
		Results     []sarifResult        `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name            string      `json:"name"`
		FullName        string      `json:"fullName"`
		SemanticVersion string      `json:"semanticVersion"`
		Rules           []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID       string        `json:"id"`
		Name     string        `json:"name,omitempty"`
		Short    *sarifMessage `json:"shortDescription,omitempty"`
		Full     *sarifMessage `json:"fullDescription,omitempty"`
		Help     *sarifMessage `json:"help,omitempty"`
		Default  *sarifDefault `json:"defaultConfiguration,omitempty"`
		Property *sarifTags    `json:"properties,omitempty"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifTags struct {
		Tags []string `json:"tags"`
	}
	sarifMessage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifInvocation struct {
		Successful bool `json:"executionSuccessful"`
	}
	sarifBase struct {
		Description sarifMessage `json:"description"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId,omitempty"`
		RuleIndex    *int              `json:"ruleIndex,omitempty"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations,omitempty"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Fixes        []sarifFix        `json:"fixes,omitempty"`
		Suppressions []sarifSuppressed `json:"suppressions,omitempty"`
	}
	sarifSuppressed struct {
		Kind          string         `json:"kind"`
		Status        string         `json:"status"`
		Justification string         `json:"justification"`
		Location      *sarifLocation `json:"location,omitempty"`
	}
	sarifLocation struct {
		ID       int            `json:"id,omitempty"`
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifMessage  `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
	sarifFix struct {
		Description sarifMessage  `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
		Property    sarifSafe     `json:"properties"`
	}
	sarifSafe struct {
		Safe bool `json:"safe"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion  `json:"deletedRegion"`
		Inserted sarifMessage `json:"insertedContent"`
	}
)

// sarifRoot is what places are relative to: the checkout.
const sarifRoot = "%SRCROOT%"

// SARIF writes diagnostics as a log of SARIF 2.1.0, as code scanners read it. Places are relative to the checkout; the
// fingerprints let a scanner know a finding again after lines have moved; rules carry their page as help.
func SARIF(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	shown, hidden := findings(list, o)
	waived, suppressed := o.waived()
	all := append(slices.Clip(shown), suppressed...)
	src := newSources(o.Source)
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "gwc", FullName: release.Tool, SemanticVersion: release.Version, Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{Successful: true}},
		Bases:       map[string]sarifBase{sarifRoot: {sarifMessage{Text: "the root of the checkout"}}},
		ColumnKind:  "utf16CodeUnits",
		Results:     []sarifResult{},
	}
	var codes []diag.Code
	for i := range all {
		if c := all[i].Code; c != "" {
			codes = append(codes, c)
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	for _, c := range codes {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(c))
	}
	for i := range all {
		d := &all[i]
		// A second finding with the same fingerprint is told apart by its number, as GitHub's own hashes are.
		r := sarifResult{
			RuleID: string(d.Code), Level: d.Severity.String(), Message: sarifMessage{Text: message(&d.Diagnostic)},
			Fingerprints: map[string]string{"gwc/v1": numbered(d), "primaryLocationLineHash": numbered(d)},
		}
		if at, ok := slices.BinarySearch(codes, d.Code); ok {
			r.RuleIndex = &at
		}
		if l := src.sarifAt(d.Primary.Span, &o); l != nil || len(d.Path) > 0 {
			at := sarifLocation{Physical: l}
			if len(d.Path) > 0 {
				at.Logical = []sarifLogical{{strings.Join(d.Path, ".")}}
			}
			r.Locations = []sarifLocation{at}
		}
		for n, l := range d.Secondary {
			if at := src.sarifAt(l.Span, &o); at != nil {
				text := l.Text
				if text == "" {
					text = "also here"
				}
				r.Related = append(r.Related, sarifLocation{ID: n + 1, Physical: at, Message: &sarifMessage{Text: text}})
			}
		}
		for _, f := range d.Fixes {
			if fix, ok := src.sarifFix(f, &o); ok {
				r.Fixes = append(r.Fixes, fix)
			}
		}
		if i >= len(shown) {
			v := &waived[i-len(shown)]
			s := sarifSuppressed{Kind: "inSource", Status: "accepted", Justification: fmt.Sprintf("%s (%s, until %s)", v.Reason, v.By, v.Until)}
			if at := src.sarifAt(v.At, &o); at != nil {
				s.Location = &sarifLocation{Physical: at}
			}
			r.Suppressions = []sarifSuppressed{s}
		}
		run.Results = append(run.Results, r)
	}
	return hidden, encode(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifRuleOf(c diag.Code) sarifRule {
	r := sarifRule{ID: string(c)}
	page, ok := rules.Get(string(c))
	if !ok {
		return r
	}
	r.Name = page.Title
	r.Short, r.Full = &sarifMessage{Text: page.Title}, &sarifMessage{Text: strings.TrimSpace(page.Says)}
	r.Help = &sarifMessage{Text: page.Page, Markdown: page.Page}
	r.Default = &sarifDefault{page.Severity.String()}
	r.Property = &sarifTags{[]string{page.Group}}
	return r
}

// message is all that a finding says, for formats that have one text: the summary with what stands beside the carets,
// then the notes and actions.
func message(d *diag.Diagnostic) string {
	var b strings.Builder
	b.WriteString(d.Summary)
	if d.Primary.Text != "" {
		b.WriteString(": " + d.Primary.Text)
	}
	for _, n := range d.Notes {
		b.WriteString("\n" + n)
	}
	for _, h := range help(d) {
		b.WriteString("\nhelp: " + h)
	}
	return b.String()
}

func (s *sources) sarifAt(at diag.Span, o *Options) *sarifPhysical {
	if at.IsZero() {
		return nil
	}
	p := &sarifPhysical{Artifact: sarifFile(at.File, o)}
	if at.Start.Line > 0 {
		r := s.region(at)
		p.Region = &r
	}
	return p
}

func sarifFile(name string, o *Options) sarifArtifact {
	u := url.URL{Path: o.place(name)}
	return sarifArtifact{u.String(), sarifRoot}
}

func (s *sources) region(at diag.Span) sarifRegion {
	e := end(at)
	return sarifRegion{at.Start.Line, s.utf16(at.File, at.Start), e.Line, s.utf16(at.File, e)}
}

// sarifFix returns a fix with its edits sorted by file; one without a known place is none.
func (s *sources) sarifFix(f diag.Fix, o *Options) (sarifFix, bool) {
	fix := sarifFix{Description: sarifMessage{Text: f.Title}, Property: sarifSafe{f.Safe}}
	for _, e := range f.Edits {
		if e.Span.IsZero() || e.Span.Start.Line < 1 {
			return fix, false
		}
		file := sarifFile(e.Span.File, o)
		at := slices.IndexFunc(fix.Changes, func(c sarifChange) bool { return c.Artifact == file })
		if at < 0 {
			at = len(fix.Changes)
			fix.Changes = append(fix.Changes, sarifChange{Artifact: file})
		}
		c := &fix.Changes[at]
		c.Replacements = append(c.Replacements, sarifReplacement{s.region(e.Span), sarifMessage{Text: e.New}})
	}
	return fix, len(fix.Changes) > 0
}

// numbered is a fingerprint that no other finding of the list has.
func numbered(f *finding) string {
	if f.nth == 1 {
		return f.fingerprint
	}
	return f.fingerprint + ":" + strconv.Itoa(f.nth)
}
