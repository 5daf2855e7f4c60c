package openai

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// heard keeps what [Members] finds.
type heard struct {
	want *Wanted
	got  []string
}

// Found implements [Found].
func (h *heard) Found(element, name int, raw []byte) {
	if element < 0 {
		h.got = append(h.got, h.want.Top[name]+"="+string(raw))
		return
	}
	h.got = append(h.got, fmt.Sprintf("%s[%d].%s=%s", h.want.Array, element, h.want.Inner[name], raw))
}

// found feeds a body in pieces of n bytes.
func found(body string, n int, want *Wanted) (got []string, ended bool) {
	var m Members
	h := heard{want: want}
	m.Reset(want)
	for at := 0; at < len(body); at += n {
		m.Feed([]byte(body[at:min(at+n, len(body))]), &h)
	}
	return h.got, m.Complete()
}

func TestMembersOfAnObjectThatPasses(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string
		ended      bool
	}{
		{"members at the top", `{"a":1,"usage":{"x":[1,2]},"model":"m\"\\"}`, []string{`usage={"x":[1,2]}`, `model="m\"\\"`}, true},
		{"not those inside", `{"a":{"usage":1},"b":[{"usage":2}],"c":"\"usage\":3"}`, nil, true},
		{"white space", "{ \"usage\" :\t1\n}", []string{"usage=1"}, true},
		{"a list", `[{"usage":1}]`, nil, true},
		{"text", `usage`, nil, false},
		{"members of an array's objects", `{"choices":[{"finish_reason":"a","x":{"finish_reason":"b"}},{"finish_reason":"c"}],"model":"m","finish_reason":"d"}`,
			[]string{`choices[0].finish_reason="a"`, `choices[1].finish_reason="c"`, `model="m"`}, true},
		{"a body that breaks off", `{"usage":1,"b":[`, []string{"usage=1"}, false},
		{"what is behind the end", `{"usage":1}{"usage":2}`, []string{"usage=1"}, true},
		{"a value that is no JSON", `{"usage":{1},"model":"m"}`, []string{`model="m"`}, true},
		{"a value that is too long", `{"usage":"` + strings.Repeat("x", captureMax) + `","model":"m"}`, []string{`model="m"`}, true},
		{"a name as a value", `{"a":"usage","model":"m"}`, []string{`model="m"`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 2, 7, len(c.body)} {
				if len(c.body) > 1000 && n < 7 {
					continue
				}
				got, ended := found(c.body, n, &Wanted{Top: []string{"usage", "model"}, Array: "choices", Inner: []string{"finish_reason"}})
				if diff := cmp.Diff(c.want, got); diff != "" || ended != c.ended {
					t.Errorf("pieces of %d: ended %v, mismatch (-want +got):\n%s", n, ended, diff)
				}
			}
		})
	}
}

// FuzzMembers compares with encoding/json on objects that both read.
func FuzzMembers(f *testing.F) {
	f.Add(`{"usage":{"a":1},"b":"x"}`)
	f.Add(`{"usage":1,"usage":2}`)
	f.Fuzz(func(t *testing.T, body string) {
		one, _ := found(body, 1, &Wanted{Top: []string{"usage"}})
		all, ended := found(body, max(1, len(body)), &Wanted{Top: []string{"usage"}})
		if diff := cmp.Diff(one, all); diff != "" {
			t.Fatalf("pieces matter (-one +all):\n%s", diff)
		}
		var v struct{ Usage json.RawMessage }
		if jsonscan.Check([]byte(body)) != nil || !strings.HasPrefix(strings.TrimSpace(body), "{") || strings.Contains(strings.ToLower(body), `\u`) {
			return
		}
		if json.Unmarshal([]byte(body), &v) != nil || len(v.Usage) == 0 || len(v.Usage) > captureMax || strings.Count(strings.ToLower(body), "usage") > 1 || !strings.Contains(body, `"usage"`) {
			return
		}
		if !ended || len(all) != 1 || !same(all[0], v.Usage) {
			t.Fatalf("got %v, ended %v, want %s", all, ended, v.Usage)
		}
	})
}

// same compares without white space, which Members drops.
func same(got string, want json.RawMessage) bool {
	var a, b any
	if json.Unmarshal([]byte(strings.TrimPrefix(got, "usage=")), &a) != nil || json.Unmarshal(want, &b) != nil {
		return false
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}
