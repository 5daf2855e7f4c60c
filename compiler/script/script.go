// Package script is what the tests of a repository say: requests, what the servers behind the gateway answer, and what
// has to come of it.
//
// check makes [Test]s of files in tests/ and tenants/<t>/tests/, link holds their names against the program, and
// `gwc test` plays them against the production engine. Expectations are [Pattern]s: CUE values that an actual value
// has to fit, taken apart so far that a mismatch has a path and a place.
//
// Tests never enter an artifact. Making them part of the checked configuration was refused for that reason: what does
// not exist in check.Config cannot leak into what lower makes of it.
package script

import (
	"time"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Test is one test. It is immutable.
type Test struct {
	Name   string
	Tenant string    // in whose folder it stands; "" the platform's
	At     diag.Span // its name
	Begin  time.Time // when it begins
	Steps  []Step    // at least one
}

// Step is one step: time passes, servers get their script, a request is made.
type Step struct {
	At        diag.Span
	Advance   time.Duration
	Request   *Request // nil: only time passes
	Times     int
	Providers []Script
	Upstreams []Script
	Expect    Expectation
}

// Script is what one server answers, from its step on: one answer for each call, of which the last one stays.
type Script struct {
	Name    string
	At      diag.Span
	Answers []Answer
}

// Request is what a caller sends.
type Request struct {
	At        diag.Span
	Method    string
	Path      string // with its query
	Host      string
	As        string // "tenant/app"; "": no key is sent
	Key       string // its id; "": any
	AsAt      diag.Span
	KeyAt     diag.Span
	Headers   []Header // in order of name
	Body      []byte
	HasBody   bool
	PlainJSON bool // the body was given as JSON
}

// Header is one header line.
type Header struct{ Name, Value string }

// Answer is what a server does with one call.
type Answer struct {
	At        diag.Span
	Status    int
	Headers   []Header // in order of name
	Body      []byte
	HasBody   bool // Body or Events are given; else the server answers as its kind does
	PlainJSON bool // the body was given as JSON
	Events    []Event
	Stream    bool // the body is Events
	Pieces    int  // bytes; 0: at once
	Delay     time.Duration
	Fault     string // see the language's #Answer
	Cut       int64  // bytes of the body after which the connection breaks off; negative: it does not
}

// Event is one server-sent event as it goes over the wire.
type Event struct {
	Delay time.Duration
	Wire  []byte
}

// Expectation is what has to come of a request. A nil Pattern expects nothing.
type Expectation struct {
	At     diag.Span
	Answer *Pattern
	Calls  *Pattern
	Record *Pattern
}

// Empty reports whether nothing is expected.
func (e *Expectation) Empty() bool { return e.Answer == nil && e.Calls == nil && e.Record == nil }
