package jsonscan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// found feeds a body in pieces of n bytes.
func found(body string, n int, names ...string) (got []string, ended bool) {
	var m Members
	m.Reset(names, func(name string, raw []byte) { got = append(got, name+"="+string(raw)) })
	for at := 0; at < len(body); at += n {
		m.Feed([]byte(body[at:min(at+n, len(body))]))
	}
	return got, m.Ended()
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
		{"a list", `[{"usage":1}]`, nil, false},
		{"a body that breaks off", `{"usage":1,"b":[`, []string{"usage=1"}, false},
		{"what is behind the end", `{"usage":1}{"usage":2}`, []string{"usage=1"}, true},
		{"a value that is no JSON", `{"usage":{1},"model":"m"}`, []string{`model="m"`}, true},
		{"a value that is too long", `{"usage":"` + strings.Repeat("x", membersMax) + `","model":"m"}`, []string{`model="m"`}, true},
		{"a name as a value", `{"a":"usage","model":"m"}`, []string{`model="m"`}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 2, 7, len(c.body)} {
				if len(c.body) > 1000 && n < 7 {
					continue
				}
				got, ended := found(c.body, n, "usage", "model")
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
		one, _ := found(body, 1, "usage")
		all, ended := found(body, max(1, len(body)), "usage")
		if diff := cmp.Diff(one, all); diff != "" {
			t.Fatalf("pieces matter (-one +all):\n%s", diff)
		}
		var v struct{ Usage json.RawMessage }
		if Check([]byte(body)) != nil || !strings.HasPrefix(strings.TrimSpace(body), "{") || strings.Contains(strings.ToLower(body), `\u`) {
			return
		}
		if json.Unmarshal([]byte(body), &v) != nil || len(v.Usage) == 0 || len(v.Usage) > membersMax || strings.Count(strings.ToLower(body), "usage") > 1 || !strings.Contains(body, `"usage"`) {
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
