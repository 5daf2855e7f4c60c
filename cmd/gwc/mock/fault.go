package mock

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Fault is one way to misbehave and the requests that it strikes: the first Count ones, every Count-th one, all
// after the first Count, or (When empty) all.
type Fault struct {
	Kind   string // "status" or a name of [faultTable]
	Status int    // for "status"
	When   string // "", "first", "every", "after"
	Count  int
}

// faultTable holds the faults that have a name.
var faultTable = [...]struct{ name, what string }{
	{"timeout", "reads the request and never answers"},
	{"reset", "resets the connection in place of an answer"},
	{"close", "closes the connection in place of an answer"},
	{"truncate", "ends the connection in the middle of the answer"},
	{"midstream-error", "streams half of the answer, then the provider's error event; 500 where nothing is streamed"},
	{"slow", "sends the answer in pieces of a few bytes, a millisecond apart"},
	{"stall", "sends half of the answer, then nothing"},
	{"bad-json", "answers 200 with a body, or a stream with one event, that breaks off in the middle of its JSON"},
	{"empty", "answers 200 without a body"},
	{"html", "answers 502 with a page, as a proxy in front of a provider does"},
}

func faultNames() []string {
	var s []string
	for _, f := range faultTable {
		s = append(s, f.name)
	}
	return s
}

// ParseFault reads KIND[:first N|:every N|:after N], where KIND is a status from 400 to 599 or a name of the fault
// table. "=" is taken for the blank before N.
func ParseFault(s string) (Fault, error) {
	kind, when, limited := strings.Cut(s, ":")
	f := Fault{Kind: strings.TrimSpace(kind)}
	if n, err := strconv.Atoi(f.Kind); err == nil {
		if n < 400 || n > 599 {
			return Fault{}, fmt.Errorf("fault %q: status %d is not between 400 and 599", s, n)
		}
		f.Kind, f.Status = "status", n
	} else {
		known := false
		for _, row := range faultTable {
			known = known || row.name == f.Kind
		}
		if !known {
			return Fault{}, fmt.Errorf("fault %q: unknown kind %q, expected a status or one of %s", s, f.Kind, strings.Join(faultNames(), ", "))
		}
	}
	if !limited {
		return f, nil
	}
	word, number, _ := strings.Cut(strings.TrimSpace(strings.Replace(when, "=", " ", 1)), " ")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if (word != "first" && word != "every" && word != "after") || err != nil || n < 1 {
		return Fault{}, fmt.Errorf("fault %q: %q is none of \"first N\", \"every N\", \"after N\"", s, when)
	}
	f.When, f.Count = word, n
	return f, nil
}

// String returns the form that [ParseFault] reads.
func (f Fault) String() string {
	s := f.Kind
	if f.Kind == "status" {
		s = strconv.Itoa(f.Status)
	}
	if f.When != "" {
		s += fmt.Sprintf(":%s %d", f.When, f.Count)
	}
	return s
}

// strikes says whether the n-th request (from 1) is hit.
func (f Fault) strikes(n int) bool {
	switch f.When {
	case "first":
		return n <= f.Count
	case "every":
		return n%f.Count == 0
	case "after":
		return n > f.Count
	}
	return true
}

// faults is the list in force and how many requests have met it.
type faults struct {
	mu   sync.Mutex
	list []Fault
	seen int
}

// set replaces the list and starts counting anew.
func (f *faults) set(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.seen = list, 0
}

// take counts a request and returns the fault that strikes it, the first of the list, or the zero Fault.
func (f *faults) take() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	for _, x := range f.list {
		if x.strikes(f.seen) {
			return x
		}
	}
	return Fault{}
}
