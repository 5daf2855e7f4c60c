package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"time"
)

// Case is a test that was run, for [JUnitCases].
type Case struct {
	File    string
	Line    int
	Name    string
	Took    time.Duration
	Message string // why it failed; "" it passed
	Text    string // the same at length
}

// JUnitCases writes tests that were run as a JUnit report: a suite for each file, in the order of the cases, which are
// in order of their files.
func JUnitCases(w io.Writer, cases []Case) error {
	type timed struct {
		junitCase
		Time string `xml:"time,attr"`
	}
	type suite struct {
		Name     string  `xml:"name,attr"`
		Tests    int     `xml:"tests,attr"`
		Failures int     `xml:"failures,attr"`
		Time     string  `xml:"time,attr"`
		Cases    []timed `xml:"testcase"`
		took     time.Duration
	}
	var out struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []*suite `xml:"testsuite"`
	}
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
	out.Name = "gwc test"
	var took time.Duration
	for _, c := range cases {
		if n := len(out.Suites); n == 0 || out.Suites[n-1].Name != c.File {
			out.Suites = append(out.Suites, &suite{Name: c.File})
		}
		s := out.Suites[len(out.Suites)-1]
		t := timed{junitCase: junitCase{Class: c.File, Name: c.Name, File: c.File, Line: c.Line}, Time: seconds(c.Took)}
		if c.Message != "" {
			t.Failure = &junitFailure{Message: c.Message, Type: "failed", Text: c.Text}
			s.Failures++
			out.Failures++
		}
		s.Cases = append(s.Cases, t)
		s.Tests++
		out.Tests++
		s.took += c.Took
		took += c.Took
		s.Time = seconds(s.took)
	}
	out.Time = seconds(took)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
