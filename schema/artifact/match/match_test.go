package match

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lookup runs one request and writes what came of it: "value name=capture …", or the outcome.
func lookup(t *Table, host, method, path string) string {
	var p Params
	v, out := t.Lookup([]byte(host), []byte(method), []byte(path), &p)
	switch out {
	case Found:
		s := fmt.Sprint(v)
		for i := range p.Len() {
			s += fmt.Sprintf(" %s=%s", p.Name(t, i), p.Value([]byte(path), i))
		}
		return s
	case MethodNotAllowed:
		return "allow " + string(t.AppendAllow(nil, &p))
	}
	return "none"
}

// patterns parses lines of "METHOD [host]/path"; a pattern's value is its line, from 1.
func patterns(lines ...string) []Pattern {
	var ps []Pattern
	for i, l := range lines {
		m, rest, _ := strings.Cut(l, " ")
		at := max(0, strings.IndexByte(rest, '/'))
		ps = append(ps, Pattern{Host: rest[:at], Method: m, Path: rest[at:], Value: uint32(i + 1)})
	}
	return ps
}

func build(t testing.TB, ps []Pattern) *Table {
	t.Helper()
	table, conflicts := Build(ps)
	if len(conflicts) > 0 {
		t.Fatalf("unexpected conflicts: %+v", conflicts)
	}
	if err := table.Validate(); err != nil {
		t.Fatalf("the built table is not valid: %v", err)
	}
	return &table
}

func TestLookup(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		requests [][2]string // "METHOD [host]/path", what lookup says
	}{
		{
			"static text comes before mixed segments, these before parameters, these before wildcards",
			[]string{"GET /a/b", "GET /a/{x}", "GET /a/b{x}", "GET /a/{x}.json", "GET /a/{rest+}"},
			[][2]string{
				{"GET /a/b", "1"}, {"GET /a/c", "2 x=c"}, {"GET /a/bc", "3 x=c"}, {"GET /a/c.json", "4 x=c"},
				{"GET /a/bc.json", "4 x=bc"}, {"GET /a/c/d", "5 rest=c/d"}, {"GET /a/", "none"}, {"GET /a", "none"},
			},
		},
		{
			"a choice that leads nowhere is taken back",
			[]string{"GET /a/b/c", "GET /a/{x}/d", "GET /{y}/b/e", "GET /{r+}"},
			[][2]string{
				{"GET /a/b/c", "1"}, {"GET /a/b/d", "2 x=b"}, {"GET /a/b/e", "3 y=a"}, {"GET /a/b/f", "4 r=a/b/f"},
			},
		},
		{
			"a method that only a weaker template has is still found, and 405 lists all of them",
			[]string{"POST /users/search", "GET /users/{id}", "DELETE /users/{id}"},
			[][2]string{
				{"GET /users/search", "2 id=search"}, {"POST /users/search", "1"}, {"PUT /users/search", "allow DELETE, GET, HEAD, POST"},
				{"POST /users/7", "allow DELETE, GET, HEAD"}, {"get /users/7", "allow DELETE, GET, HEAD"},
			},
		},
		{
			"HEAD is answered by GET unless it has an operation of its own",
			[]string{"GET /a", "GET /b", "HEAD /b", "POST /c"},
			[][2]string{{"HEAD /a", "1"}, {"HEAD /b", "3"}, {"HEAD /c", "allow POST"}, {"OPTIONS /a", "allow GET, HEAD"}, {"POST /b", "allow GET, HEAD"}},
		},
		{
			"trailing slashes and empty segments matter, and a parameter takes no empty segment",
			[]string{"GET /a", "GET /a/", "GET /a/{x}/b", "GET /"},
			[][2]string{{"GET /a", "1"}, {"GET /a/", "2"}, {"GET /a//b", "none"}, {"GET /", "4"}, {"GET //", "none"}, {"GET a", "none"}, {"GET *", "none"}},
		},
		{
			"mixed segments capture as little as they can, at least one character",
			[]string{"GET /v{major}.{minor}", "GET /{name}:cancel", "GET /{a}-{b}-{c}"},
			[][2]string{
				{"GET /v1.2.3", "1 major=1 minor=2.3"}, {"GET /v1.", "none"}, {"GET /v.1", "none"}, {"GET /x:cancel", "2 name=x"},
				{"GET /:cancel", "none"}, {"GET /1-2-3-4", "3 a=1 b=2 c=3-4"}, {"GET /---x-", "none"}, {"GET /-----x", "3 a=- b=- c=-x"}, {"GET /v..x", "1 major=. minor=x"},
			},
		},
		{
			"a literal never matches a part of a percent-encoded character",
			[]string{"GET /{x}2F", "GET /{x}F{y}-"},
			[][2]string{{"GET /a%2F", "none"}, {"GET /a2F", "1 x=a"}, {"GET /a%2Fb-", "none"}, {"GET /a%2FFb-", "2 x=a%2F y=b"}},
		},
		{
			"templates are brought into the normal form of paths",
			[]string{"GET /%7euser/a%2fb", "GET /über {x}"},
			[][2]string{{"GET /~user/a%2Fb", "1"}, {"GET /%C3%BCber%20y", "2 x=y"}},
		},
		{
			"an exact host comes before wildcards, the longest first, and these before any host",
			[]string{"GET a.example/x", "GET *.example/x", "GET *.b.example/x", "GET /x", "POST /x", "GET *.example/y"},
			[][2]string{
				{"GET a.example/x", "1"}, {"GET A.Example:8080/x", "1"}, {"GET a.example./x", "1"}, {"GET c.example/x", "2"},
				{"GET q.b.example/x", "3"}, {"GET r.q.b.example/y", "6"}, {"GET .example/x", "4"}, {"GET example/x", "4"},
				{"GET other/x", "4"}, {"GET /x", "4"}, {"POST a.example/x", "5"}, {"PUT c.example/x", "allow GET, HEAD, POST"},
			},
		},
		{
			"an IPv6 address is a host with its brackets",
			[]string{"GET [::1]/x"},
			[][2]string{{"GET [::1]/x", "1"}, {"GET [::1]:80/x", "1"}, {"GET ::1/x", "none"}},
		},
		{
			"a trailing wildcard takes all that is left and never nothing",
			[]string{"GET /f/{p+}", "GET /f/{a}/meta"},
			[][2]string{{"GET /f/", "none"}, {"GET /f/a", "1 p=a"}, {"GET /f/a/b/", "1 p=a/b/"}, {"GET /f/a/meta", "2 a=a"}, {"GET /f//", "1 p=/"}},
		},
		{
			"a route table without routes matches nothing",
			nil,
			[][2]string{{"GET /", "none"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := build(t, patterns(tt.patterns...))
			for _, r := range tt.requests {
				p := patterns(r[0])
				if got := lookup(table, p[0].Host, p[0].Method, p[0].Path); got != r[1] {
					t.Errorf("%s: got %q, want %q", r[0], got, r[1])
				}
			}
		})
	}
}

func TestBuildConflicts(t *testing.T) {
	tests := []struct {
		name     string
		patterns []string
		want     []Conflict
	}{
		{"the same twice is a duplicate", []string{"GET /a/{x}", "POST /a/{x}", "GET /a/{x}"},
			[]Conflict{{0, 2, "duplicate", "GET /a/x"}}},
		{"other parameter names do not make another template", []string{"GET /a/{x}", "GET /a/{y}"},
			[]Conflict{{0, 1, "ambiguous", "GET /a/y"}}},
		{"other spelling of the same text", []string{"GET /a%7e", "GET /a~"},
			[]Conflict{{0, 1, "ambiguous", "GET /a~"}}},
		{"hosts differ in case only", []string{"GET A.example/x", "GET a.EXAMPLE/x"},
			[]Conflict{{0, 1, "duplicate", "GET /x on a.EXAMPLE"}}},
		{"wildcard hosts are named by one of their hosts", []string{"GET *.example/x/{a}", "GET *.example/x/{b}"},
			[]Conflict{{0, 1, "ambiguous", "GET /x/b on any.example"}}},
		{"two wildcards", []string{"GET /{a+}", "GET /{b+}"}, []Conflict{{0, 1, "ambiguous", "GET /b"}}},
		{"mixed segments that nothing but the text between tells apart", []string{"GET /x/{a}-{b}/y", "GET /x/{a}_{b}/y", "POST /x/{a}+{b}/y", "GET /x/{a}:{b}/z"},
			[]Conflict{{0, 1, "ambiguous", "GET /x/1-1_1/y"}}},
		{"three conflicts name their pairs in order", []string{"GET /a", "GET /a", "GET /a"},
			[]Conflict{{0, 1, "duplicate", "GET /a"}, {0, 2, "duplicate", "GET /a"}}},
		{"malformed templates do not hide other conflicts", []string{"GET /a/{x", "GET /a", "GET /a"},
			[]Conflict{{0, 0, "malformed", `"{x" has an opening brace without a closing one`}, {1, 2, "duplicate", "GET /a"}}},
		{"what only looks alike is no conflict", []string{"GET /a/{x}", "GET /{x}/a", "GET /{x}/{y}", "GET a/a/{x}", "GET /a/{x}/", "GET /a/{x}.json", "GET /a/{x}.{y}"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := Build(patterns(tt.patterns...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct{ name, host, method, path, want string }{
		{"a plain pattern", "", "GET", "/a/{b}/c", ""},
		{"a wildcard host", "*.example.com", "GET", "/", ""},
		{"no slash at the start", "", "GET", "a", `the path does not begin with "/"`},
		{"a query", "", "GET", "/a?b=c", `the path holds '?', which is never a part of a request's path`},
		{"a fragment", "", "GET", "/a#b", `the path holds '#', which is never a part of a request's path`},
		{"a wildcard in the middle", "", "GET", "/{a+}/b", `the wildcard "{a+}" is not the last segment`},
		{"a wildcard with text", "", "GET", "/x{a+}", `the wildcard "{a+}" does not stand alone in its segment`},
		{"a name twice", "", "GET", "/{a}/{a}", `the parameter "a" stands in the path twice`},
		{"parameters side by side", "", "GET", "/{a}{b}", `"{a}{b}" has two parameters with nothing between them`},
		{"no name", "", "GET", "/{}", `"{}" has a parameter without a name`},
		{"a name that ends with a plus", "", "GET", "/{a++}", `"{a++}" has a parameter whose name ends with "+" twice or is not UTF-8`},
		{"a name that is not text", "", "GET", "/{\xb0}", `"{\xb0}" has a parameter whose name ends with "+" twice or is not UTF-8`},
		{"a brace alone", "", "GET", "/a}", `"a}" has a closing brace without an opening one`},
		{"braces in braces", "", "GET", "/{a{b}}", `"{a{b}}" has an opening brace without a closing one`},
		{"a percent sign alone", "", "GET", "/100%", `"100%" has a malformed percent-encoding`},
		{"dot segments", "", "GET", "/a/../b", `the segment ".." can never match: requests with dot segments are refused`},
		{"encoded dot segments", "", "GET", "/a/%2e", `the segment "%2e" can never match: requests with dot segments are refused`},
		{"NUL", "", "GET", "/a\x00", `"a\x00" has a character that no request's path may hold: a control character or a backslash`},
		{"a backslash", "", "GET", `/a\b`, `the path holds '\\', which is never a part of a request's path`},
		{"an encoded backslash", "", "GET", "/a%5cb", `"a%5cb" has a character that no request's path may hold: a control character or a backslash`},
		{"too deep", "", "GET", strings.Repeat("/a", 65), "the path has more than 64 segments"},
		{"too many parameters", "", "GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}", "the path has more than 16 parameters"},
		{"a host with a port", "a:80", "GET", "/", `the host "a:80" is not a name; a port does not belong to it and a wildcard stands only at its start, as in "*.example.com"`},
		{"an empty label", "a..b", "GET", "/", `the host "a..b" has an empty label`},
		{"no method", "", "", "/", "the method is empty"},
		{"not a method", "", "GE T", "/", `the method "GE T" is not a token`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := Check(Pattern{Host: tt.host, Method: tt.method, Path: tt.path}); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOrderOfPatternsDoesNotMatter builds the same set in many orders.
func TestOrderOfPatternsDoesNotMatter(t *testing.T) {
	ps := realistic(30)
	want := build(t, ps)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		rnd.Shuffle(len(ps), func(i, j int) { ps[i], ps[j] = ps[j], ps[i] })
		if diff := cmp.Diff(want, build(t, ps)); diff != "" {
			t.Fatalf("mismatch (-want +got):\n%s", diff)
		}
	}
}

// hit is a pattern that naive found, with what makes it comparable.
type hit struct {
	rank []string // smaller is better
	p    Pattern
	got  []string
}

// naive is the linear scan that the table must agree with: it works on characters, a percent-encoded one being one,
// tries every split, and knows nothing of trees.
func naive(ps []Pattern, host, method, path string) string {
	if !strings.HasPrefix(path, "/") {
		return "none"
	}
	host = strings.ToLower(host)
	var best *hit
	allow := map[string]bool{}
	for _, p := range ps {
		rank := "2"
		switch h := strings.ToLower(p.Host); {
		case h == "":
		case h == host:
			rank = "0"
		case strings.HasPrefix(h, "*.") && strings.HasSuffix(host, h[1:]) && len(host) > len(h)-1:
			rank = fmt.Sprintf("1%03d", 999-len(h))
		default:
			continue
		}
		h := hit{rank: []string{rank}, p: p}
		if !h.match(strings.Split(p.Path[1:], "/"), strings.Split(path[1:], "/")) {
			continue
		}
		allow[p.Method] = true
		switch {
		case p.Method == method:
			h.rank = append(h.rank, "0")
		case method == "HEAD" && p.Method == "GET":
			h.rank = append(h.rank, "1")
		default:
			continue
		}
		if best == nil || slices.Compare(h.rank, best.rank) < 0 {
			best = &h
		}
	}
	if best != nil {
		return strings.Join(append([]string{fmt.Sprint(best.p.Value)}, best.got...), " ")
	}
	if len(allow) == 0 {
		return "none"
	}
	if allow["GET"] {
		allow["HEAD"] = true
	}
	return "allow " + strings.Join(slices.Sorted(maps.Keys(allow)), ", ")
}

func (h *hit) match(tmpl, segs []string) bool {
	for i, tm := range tmpl {
		if i == len(segs) {
			return false
		}
		if name, ok := strings.CutSuffix(tm, "+}"); ok {
			rest := strings.Join(segs[i:], "/")
			h.rank = append(h.rank, "3")
			h.got = append(h.got, name[1:]+"="+rest)
			return rest != ""
		}
		lits, names := naiveSegment(tm)
		switch {
		case len(names) == 0:
			if segs[i] != lits[0] {
				return false
			}
			h.rank = append(h.rank, "0")
			continue
		case len(names) == 1 && lits[0]+lits[1] == "":
			h.rank = append(h.rank, "2")
		default:
			n := len(strings.Join(lits, ""))
			h.rank = append(h.rank, fmt.Sprintf("1 %03d %03d %03d %03d %q", 999-n, 999-len(lits[0]), 999-len(lits[len(lits)-1]), len(lits), lits))
		}
		got, ok := naiveSplit(lits, chars(segs[i]))
		if !ok {
			return false
		}
		for j, v := range got {
			h.got = append(h.got, names[j]+"="+v)
		}
	}
	return len(tmpl) == len(segs)
}

// naiveSegment splits "v{a}.{b}" into its literals "v", ".", "" and names "a", "b".
func naiveSegment(s string) (lits, names []string) {
	for i, piece := range strings.Split(s, "{") {
		if i > 0 {
			name, rest, _ := strings.Cut(piece, "}")
			names = append(names, name)
			piece = rest
		}
		lits = append(lits, piece)
	}
	return lits, names
}

func chars(s string) (c []string) {
	for i := 0; i < len(s); i++ {
		n := 1
		if s[i] == '%' && i+2 < len(s) {
			n = 3
		}
		c = append(c, s[i:i+n])
		i += n - 1
	}
	return c
}

// naiveSplit tries the shortest values first.
func naiveSplit(lits, text []string) (values []string, ok bool) {
	head := chars(lits[0])
	if len(text) < len(head) || !slices.Equal(text[:len(head)], head) {
		return nil, false
	}
	text = text[len(head):]
	if len(lits) == 1 {
		return nil, len(text) == 0
	}
	for n := 1; n <= len(text); n++ {
		if rest, ok := naiveSplit(lits[1:], text[n:]); ok {
			return append([]string{strings.Join(text[:n], "")}, rest...), true
		}
	}
	return nil, false
}

// TestAgreesWithLinearScan draws small sets of patterns over a small alphabet, where overlaps are frequent.
func TestAgreesWithLinearScan(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	segs := []string{"a", "b", "ab", "", "{x}", "{x}.a", "a{x}", "a{x}.{y}", "{x}.{y}", "{x}b", "{x+}", "%2F", "{x}F"}
	texts := []string{"a", "b", "ab", "", "a.a", "ab.b", "b.a", "%2F", "F", "a%2F", "bb", "a.b.a"}
	hosts := []string{"", "", "a.x", "*.x", "*.a.x"}
	froms := []string{"", "a.x", "b.x", "c.a.x", "x", "b.a.x:80"}
	methods := []string{"GET", "HEAD", "POST"}
	pick := func(l []string) string { return l[rnd.IntN(len(l))] }
	outcomes := map[string]int{}
	for range 3000 {
		var ps []Pattern
		for i := range 1 + rnd.IntN(12) {
			path := ""
			for j := range 1 + rnd.IntN(4) {
				s := pick(segs)
				s = strings.NewReplacer("x}", fmt.Sprintf("x%d}", j), "x+}", fmt.Sprintf("x%d+}", j), "y}", fmt.Sprintf("y%d}", j)).Replace(s)
				path += "/" + s
				if strings.HasSuffix(s, "+}") {
					break
				}
			}
			p := Pattern{Host: pick(hosts), Method: pick(methods), Path: path, Value: uint32(i)}
			if _, conflicts := Build(append(slices.Clone(ps), p)); len(conflicts) == 0 {
				ps = append(ps, p)
			}
		}
		table := build(t, ps)
		for range 20 {
			path := ""
			for range 1 + rnd.IntN(4) {
				path += "/" + pick(texts)
			}
			host, method := pick(froms), pick(methods)
			got := lookup(table, host, method, path)
			want := naive(ps, strings.TrimSuffix(host, ":80"), method, path)
			if got != want {
				t.Fatalf("%s %s%s: the table says %q, the scan %q, over %+v", method, host, path, got, want, ps)
			}
			outcomes[strings.Trim(strings.Fields(got)[0], "0123456789")]++
		}
	}
	for _, o := range []string{"", "none", "allow"} {
		if outcomes[o] < 1000 {
			t.Errorf("only %d outcomes of kind %q: the drawing is too poor to prove much", outcomes[o], o)
		}
	}
}

func TestAmbiguousWitnessesMatchBoth(t *testing.T) {
	ps := patterns("GET /x/{a}-{b}.{c}/{d}/v{e}", "GET /x/{a}.{b}-{c}/q/{e}1", "GET /y/p{a}::{b}s", "GET /y/p{a}__{b}s")
	_, conflicts := Build(ps)
	if len(conflicts) != 2 {
		t.Fatalf("got %+v, want two conflicts", conflicts)
	}
	for _, c := range conflicts {
		method, path, _ := strings.Cut(c.Witness, " ")
		for _, i := range []int{c.A, c.B} {
			if got := naive(ps[i:i+1], "", method, path); got == "none" {
				t.Errorf("the witness %q does not match pattern %d, %q", c.Witness, i, ps[i].Path)
			}
		}
	}
}

// TestHostilePathIsCheap looks up a path for which every template of a full binary tree but the right one is a
// possible beginning. Each node may be visited once, so counting visits by the size of the table is a proof; here the
// lookup just has to come back and find nothing.
func TestHostilePathIsCheap(t *testing.T) {
	const depth = 12
	var ps []Pattern
	for i := range 1 << depth {
		path := ""
		for j := range depth {
			if i>>j&1 == 0 {
				path += "/a"
			} else {
				path += fmt.Sprintf("/{p%d}", j)
			}
		}
		ps = append(ps, Pattern{Method: "GET", Path: path + "/end", Value: uint32(i)})
	}
	table := build(t, ps)
	if got := lookup(table, "", "GET", strings.Repeat("/a", depth)+"/nowhere"); got != "none" {
		t.Errorf("got %q", got)
	}
	if got := lookup(table, "", "GET", strings.Repeat("/a", 1<<16)); got != "none" {
		t.Errorf("got %q", got)
	}
}

// realistic returns ten operations for each of n APIs, with the shapes that published APIs have.
func realistic(n int) []Pattern {
	var ps []Pattern
	for i := range n {
		b := fmt.Sprintf("/team%d/service%d/v1", i%50, i)
		for _, op := range []string{
			"GET /items", "POST /items", "GET /items/{itemId}", "PUT /items/{itemId}", "DELETE /items/{itemId}",
			"GET /items/{itemId}/parts/{partId}.json", "GET /items/search", "POST /items/{itemId}:cancel",
			"GET /files/{path+}", "GET /health",
		} {
			m, path, _ := strings.Cut(op, " ")
			ps = append(ps, Pattern{Method: m, Path: b + path, Value: uint32(len(ps))})
		}
	}
	return ps
}

func TestLookupAllocatesNothing(t *testing.T) {
	table := build(t, append(realistic(100), patterns("GET *.example/x/{y}")...))
	host, get, path := []byte("api.Example:8080"), []byte("GET"), []byte("/team7/service7/v1/items/42/parts/7.json")
	head, missing, put := []byte("HEAD"), []byte("/team7/service7/v1/items/42/nothing"), []byte("PUT")
	var p Params
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		table.Lookup(host, get, path, &p)
		table.Lookup(host, head, path, &p)
		table.Lookup(host, get, missing, &p)
		if _, out := table.Lookup(host, put, path, &p); out == MethodNotAllowed {
			buf = table.AppendAllow(buf[:0], &p)
		}
	}); n != 0 {
		t.Errorf("lookups allocate %v times", n)
	}
	if string(buf) != "GET, HEAD" {
		t.Errorf("Allow is %q", buf)
	}
}

func BenchmarkLookup(b *testing.B) {
	table := build(b, realistic(1000))
	for _, bb := range []struct{ name, method, path string }{
		{"static", "GET", "/team%d/service%d/v1/items/search"},
		{"param", "PUT", "/team%d/service%d/v1/items/8f14e45f-ceea-467f"},
		{"two", "GET", "/team%d/service%d/v1/items/8f14e45f-ceea-467f/parts/7.json"},
		{"wildcard", "GET", "/team%d/service%d/v1/files/a/b/c/d.txt"},
		{"none", "GET", "/team%d/service%d/v1/items/8f14e45f/nothing"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var paths [1000][]byte
			for i := range paths {
				paths[i] = fmt.Appendf(nil, bb.path, i%50, i)
			}
			host, method := []byte("127.0.0.1:8080"), []byte(bb.method)
			var p Params
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				table.Lookup(host, method, paths[i*7919%1000], &p)
				i++
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	ps := realistic(1000)
	for b.Loop() {
		Build(ps)
	}
}

// FuzzLookup builds a table of the lines of a text and holds it against the linear scan.
func FuzzLookup(f *testing.F) {
	f.Add("GET /a/{x}\nGET /a/b{x}\nPOST *.e/a/{r+}", "q.e", "GET", "/a/bc")
	f.Add("GET /{a}-{b}\nGET /{a}-", "", "HEAD", "/x-y-")
	f.Add("GET /%41\nGET /%zz", "", "GET", "/A")
	f.Fuzz(func(t *testing.T, text, host, method, path string) {
		var ps []Pattern
		for _, l := range strings.Split(text, "\n") {
			m, rest, _ := strings.Cut(l, " ")
			at := strings.IndexByte(rest, '/')
			if at < 0 || len(ps) > 20 {
				continue
			}
			p := Pattern{Host: rest[:at], Method: m, Path: rest[at:], Value: uint32(len(ps))}
			p, err := Normal(p) // the scan wants templates in normal form
			if err != nil {
				continue
			}
			if _, conflicts := Build(append(slices.Clone(ps), p)); len(conflicts) == 0 {
				ps = append(ps, p)
			}
		}
		table, conflicts := Build(ps)
		if len(conflicts) > 0 {
			t.Fatalf("patterns that were taken one by one conflict together: %+v", conflicts)
		}
		if err := table.Validate(); err != nil {
			t.Fatal(err)
		}
		byValue := func(a, b Pattern) int { return int(a.Value) - int(b.Value) }
		if diff := cmp.Diff(ps, slices.SortedFunc(table.All(), byValue)); diff != "" {
			t.Fatalf("the table does not hold the patterns that it was built of: mismatch (-want +got):\n%s", diff)
		}
		got := lookup(&table, host, method, path)
		if n, err := normalize(strings.ReplaceAll(path, "/", "")); err != nil || n != strings.ReplaceAll(path, "/", "") || strings.ContainsAny(host, ":.") && !plainHost(host) {
			return // not what the runtime looks up: it just must not panic
		}
		if want := naive(ps, host, method, path); got != want {
			t.Fatalf("%q %q %q: the table says %q, the scan %q", method, host, path, got, want)
		}
	})
}

func plainHost(h string) bool {
	_, wild, err := parseHost(h)
	return err == nil && !wild
}
