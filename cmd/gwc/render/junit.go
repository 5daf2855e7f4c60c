package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"

	"github.com/gwc-dev/gwc/schema/diag"
)

type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes diagnostics as a JUnit report: a suite for each file, a case for each finding. What stops the command
// is a failure; warnings, unless they do, and notes are cases that passed and have output. A repository without
// findings is one case that passed, because CI systems take a report without cases for a mistake.
func JUnit(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	shown, hidden := findings(list, o)
	p := printer{o: o, secrets: newSecrets(list, o.Source), lines: map[string][]string{}}
	out := junitSuites{Name: "gwc"}
	for i := range shown {
		d := &shown[i].Diagnostic
		file := "repository"
		if !d.Primary.Span.IsZero() {
			file = o.place(d.Primary.Span.File)
		}
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != file {
			out.Suites = append(out.Suites, junitSuite{Name: file}) // The list is in order of files.
		}
		s := &out.Suites[len(out.Suites)-1]
		c := junitCase{Class: file, Name: fmt.Sprintf("%s: %s", d.Code, p.clean(d.Summary)), Line: d.Primary.Span.Start.Line}
		if !d.Primary.Span.IsZero() {
			c.File = file
		}
		text := p.one(d)
		if d.Severity == diag.Error || o.Strict && d.Severity == diag.Warning {
			c.Failure = &junitFailure{Message: p.clean(d.Summary), Type: string(d.Code), Text: text}
			s.Failures++
			out.Failures++
		} else {
			c.Out = text
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
		out.Tests++
	}
	if out.Tests == 0 {
		out.Tests = 1
		out.Suites = []junitSuite{{Name: "repository", Tests: 1, Cases: []junitCase{{Class: "repository", Name: "no findings"}}}}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return hidden, err
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return hidden, err
}
