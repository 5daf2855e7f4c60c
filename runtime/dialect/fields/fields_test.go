package fields_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// message is what the reader under test makes of {"messages":[{"role","content":[{"text"}]}],"n","choice":{"kind"}}.
type message struct {
	Role  string
	Texts []string
}

type request struct {
	Messages []message
	N        *int64
	T        *float64
	Stream   *bool
	Choice   string
}

func read(body string) (q request, f *fields.Fault) {
	r := fields.Over([]byte(body))
	var choice []byte
	for ok := r.Object(); ok && r.More(); {
		switch string(r.Key()) {
		case "messages":
			for ok := r.Array(); ok && r.More(); {
				var m message
				var content []byte
				for ok := r.Object(); ok && r.More(); {
					switch string(r.Key()) {
					case "role":
						r.Enum(&m.Role, "user", "assistant")
					case "content":
						content = r.Raw()
					default:
						r.Skip()
					}
				}
				if m.Role == "" {
					r.Missing("role")
				}
				if len(content) > 0 && content[0] == '"' {
					m.Texts = append(m.Texts, r.Text("content", content))
				} else {
					for ok := r.ArrayIn("content", content); ok && r.More(); {
						var text string
						for ok := r.Object(); ok && r.More(); {
							if string(r.Key()) == "text" {
								r.String(&text)
							} else {
								r.Skip()
							}
						}
						m.Texts = append(m.Texts, text)
					}
				}
				q.Messages = append(q.Messages, m)
			}
		case "n":
			r.Int(&q.N, 1)
		case "t":
			r.Float(&q.T, 0, 2)
		case "stream":
			r.Bool(&q.Stream)
		case "choice":
			choice = r.Raw()
		default:
			r.Skip()
		}
	}
	for ok := r.ObjectIn("choice", choice); ok && r.More(); {
		if string(r.Key()) == "kind" {
			r.String(&q.Choice)
		} else {
			r.Skip()
		}
	}
	if choice != nil && q.Choice == "" {
		r.Missing("choice.kind")
	}
	return q, r.Fault()
}

func TestWhatABodySaysIsReadInAnyOrder(t *testing.T) {
	want := request{
		Messages: []message{{"user", []string{"a\"b", "é"}}, {"assistant", []string{"c"}}},
		N:        new(int64(2)), T: new(0.5), Stream: new(true), Choice: "x",
	}
	for _, body := range []string{
		`{"messages":[{"role":"user","content":[{"text":"a\"b"},{"text":"\u00e9"}]},{"content":"c","role":"assistant"}],"n":2,"t":0.5,"stream":true,"choice":{"kind":"x"}}`,
		`{ "choice" : { "other":[[]], "k\u0069nd":"x" }, "stream":true, "n":2.0, "t":5e-1, "unknown":{"a":[1]}, "messages":[{"content":[{"text":"a\"b","x":{}},{"text":"é"}],"role":"user"},{"role":"assistant","content":"c"}] }`,
	} {
		got, f := read(body)
		if f != nil {
			t.Fatalf("%s: %+v", body, f)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
	}
}

func TestAFaultNamesItsPlace(t *testing.T) {
	for _, c := range []struct{ body, place, indexed string }{
		{`{"messages":[{"role":"user"},{"role":7}]}`, "messages.1.role", "messages[1].role"},
		{`{"messages":[{"role":"user"},{"content":"x"}]}`, "messages.1.role", "messages[1].role"},
		{`{"messages":[{"role":"user","content":[{"text":"x"},{"text":[]}]}]}`, "messages.0.content.1.text", "messages[0].content[1].text"},
		{`{"messages":[{"role":"user","content":7}]}`, "messages.0.content", "messages[0].content"},
		{`{"messages":{}}`, "messages", "messages"},
		{`{"messages":[[]]}`, "messages.0", "messages[0]"},
		{`{"n":0}`, "n", "n"},
		{`{"n":1.5}`, "n", "n"},
		{`{"n":"1"}`, "n", "n"},
		{`{"t":3}`, "t", "t"},
		{`{"stream":1}`, "stream", "stream"},
		{`{"choice":{"kind":null}}`, "choice.kind", "choice.kind"},
		{`{"choice":[]}`, "choice", "choice"},
		{`[]`, "", ""},
	} {
		_, f := read(c.body)
		if f == nil {
			t.Errorf("%s: no fault", c.body)
			continue
		}
		if f.Path.Dotted() != c.place || f.Path.Indexed() != c.indexed {
			t.Errorf("%s: the place is %s, %s", c.body, f.Path.Dotted(), f.Path.Indexed())
		}
	}
}

func TestTheFirstFaultStays(t *testing.T) {
	_, f := read(`{"n":0,"t":9,"messages":[{"role":"nobody"}]}`)
	if f == nil || f.Path.Dotted() != "n" || f.Kind != fields.Below || f.Want != "at least 1" || f.Got != "0" {
		t.Errorf("the fault is %+v", f)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(`{"messages":[{"role":"user","content":[{"text":"a"}]}],"choice":{"kind":"x"}}`)
	f.Add(`{"messages":[{"role":null}],"n":1e400,"\u006e":3}`)
	f.Fuzz(func(t *testing.T, body string) {
		if jsonscan.Check([]byte(body)) != nil {
			return
		}
		if _, fault := read(body); fault != nil {
			_ = fault.Path.Dotted() + fault.Path.Indexed()
		}
	})
}
