package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// sample returns an artifact that uses every field, with ops operations of each of n APIs.
func sample(t testing.TB, n int) *Artifact {
	t.Helper()
	times := Timeouts{Connect: time.Second, FirstByte: time.Minute, Idle: 30 * time.Second, Total: time.Hour}
	a := &Artifact{
		Gateway: Gateway{
			Listeners: []Listener{
				{Name: "main", Address: "127.0.0.1:8080", Engine: "netpoll"},
				{Name: "tls", Address: ":8443", Engine: "std", TLS: &TLS{Cert: "file:tls/cert.pem", Key: "file:tls/key.pem"}},
			},
			Admin: "127.0.0.1:9090",
			Calls: Calls{Dir: "calls", Flush: time.Second, MaxBytes: 64 << 20},
		},
		Providers: []Provider{
			{Name: "claude", Kind: "anthropic", BaseURL: "https://api.anthropic.com", Credentials: []string{"file:/run/secrets/anthropic"}, Headers: []Header{{"anthropic-beta", "x"}}, Timeouts: times},
			{Name: "openai", Kind: "openai", BaseURL: "https://api.openai.com/v1", Credentials: []string{"env:OPENAI_API_KEY"}, Timeouts: times},
		},
		Models: []Model{
			{Name: "smart", Strategy: "priority", Targets: []Target{{0, "claude-sonnet", 1}, {1, "gpt", 0}}, Retry: Retry{2, []string{"429", "5xx", "timeout"}}, Timeouts: times, MaxTokens: 4096, Capabilities: []string{"tools", "vision"}},
		},
		Prices: []price.Price{price.Price{Source: "a price list", Date: "2026-06-30", Rates: []price.Rate{
			{Kind: price.Input, Femto: 3e9}, {Kind: price.Output, Femto: 15e9}, {Above: 200_000, Kind: price.Input, Femto: 6e9},
		}}.Identify()},
		Upstreams: []Upstream{{Name: "shop", Endpoints: []Endpoint{{"http://10.0.0.7:8080", 1}, {"http://10.0.0.8:8080/x", 3}}, Timeouts: times}},
		Tenants:   []Tenant{{Name: "acme", Owners: []string{"@acme/platform"}}, {Name: "shop"}},
		Apps:      []App{{Name: "web", Tenant: 0, Models: []int{0}, Limits: []Limit{{600, time.Minute}}}, {Name: "web", Tenant: 1}},
		Keys:      []Key{{Hash: sha256.Sum256([]byte("1")), ID: "web-1", App: 0, Expires: 1800000000}},
		Routes: []Route{
			{ID: "ai.chat", Kind: RouteChat, Method: "POST", Path: "/v1/chat/completions", API: -1, Auth: "key"},
			{ID: "ai.models", Kind: RouteModels, Method: "GET", Path: "/v1/models", API: -1, Auth: "key"},
			{ID: "ai.model", Kind: RouteModel, Method: "GET", Path: "/v1/models/{model}", API: -1, Auth: "key"},
		},
		Provenance: Provenance{Tool: "gwc test", Schema: Digest{1}.String(), Sources: []Source{{"gateway.cue", Digest{2}.String()}}, Revision: "abc"},
	}
	for i := range n {
		name := fmt.Sprintf("api%05d", i)
		a.APIs = append(a.APIs, API{Name: name, Owner: i%3 - 1, BasePath: "/" + name + "/v1", Upstream: 0, Title: "An API", Version: "1.0.0"})
		for j, op := range []string{
			"GET /items", "POST /items", "GET /items/{itemId}", "PUT /items/{itemId}", "DELETE /items/{itemId}",
			"GET /items/{itemId}/parts/{partId}.json", "GET /items/search", "POST /items/{itemId}:cancel", "GET /files/{path+}", "GET /health",
		} {
			m, p, _ := strings.Cut(op, " ")
			a.Routes = append(a.Routes, Route{
				ID: fmt.Sprintf("%s.op%d", name, j), Kind: RouteAPI, Method: m, Path: "/" + name + "/v1" + p, API: i,
				Operation: fmt.Sprintf("op%d", j), Auth: "none", Timeout: 2 * time.Second, Origin: Origin{"tenants/acme/apis/x/openapi.yaml", 10 + j},
			})
		}
	}
	a.Routes[len(a.Routes)-1].Host = "*.Example.com"
	withTable(t, a)
	return a
}

func withTable(t testing.TB, a *Artifact) {
	t.Helper()
	var ps []match.Pattern
	for i, r := range a.Routes {
		ps = append(ps, match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path, Value: uint32(i)})
	}
	table, conflicts := match.Build(ps)
	if len(conflicts) > 0 {
		t.Fatalf("conflicts: %v", conflicts)
	}
	a.Table = table
}

func encoded(t testing.TB, n int) []byte {
	t.Helper()
	b, err := Encode(sample(t, n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	want := sample(t, 2)
	b := encoded(t, 2)
	got, d, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if sum := sha256.Sum256(b[:len(b)-36]); d != sum {
		t.Errorf("the digest is %s, not the hash of header and content %x", d, sum)
	}
	if again, err := Encode(got); err != nil || !bytes.Equal(again, b) {
		t.Errorf("encoding again gives other bytes (%v)", err)
	}
}

func TestRouteFoundAfterDecoding(t *testing.T) {
	a, _, err := Decode(encoded(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	var p match.Params
	v, out := a.Table.Lookup([]byte("localhost"), []byte("GET"), []byte("/api00001/v1/items/7"), &p)
	if out != match.Found || a.Routes[v].ID != "api00001.op2" {
		t.Errorf("got %v, route %s", out, a.Routes[v].ID)
	}
}

func TestTruncatedAtEveryByte(t *testing.T) {
	b := encoded(t, 1)
	for n := range len(b) {
		if _, _, err := Decode(b[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut to %d of %d bytes: got error %v, want ErrTruncated", n, len(b), err)
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	b := encoded(t, 1)
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		_, _, err := Decode(b)
		if err == nil {
			t.Fatalf("bit %d of byte %d flipped: accepted", i%8, i/8)
		}
		if n := i / 8; n >= headerSize && n < len(b)-4 && !errors.Is(err, ErrDigest) {
			t.Fatalf("bit %d of byte %d flipped: got %v, want ErrDigest", i%8, n, err)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// framed wraps content in a right frame, so that only the content can be what is wrong.
func framed(t testing.TB, content []byte) []byte {
	t.Helper()
	b, err := frame(Format, Runtime, content)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileFiles(t *testing.T) {
	valid := encoded(t, 1)
	content := valid[headerSize : len(valid)-36]
	future := func(format, runtime uint16) []byte {
		b, _ := frame(format, runtime, content)
		return b
	}
	length := func(n uint64) []byte {
		b := bytes.Clone(valid)
		binary.BigEndian.PutUint64(b[8:], n)
		return b
	}
	signed := bytes.Clone(valid)
	signed[len(signed)-1] = 1
	enc, _ := modes()
	raw := func(v any) []byte {
		b, err := enc.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return framed(t, b)
	}
	sections := func(edit func(m map[int]any)) []byte {
		var m map[int]any
		_, dec := modes()
		if err := dec.Unmarshal(content, &m); err != nil {
			t.Fatal(err)
		}
		edit(m)
		return raw(m)
	}
	noted := func(text string) []byte {
		b := binary.BigEndian.AppendUint32(bytes.Clone(valid[:len(valid)-4]), uint32(len(text)))
		return append(b, text...)
	}
	tests := []struct {
		name string
		b    []byte
		want error
		text string
	}{
		{"an empty file", nil, ErrTruncated, "within its header"},
		{"another kind of file", []byte("#!/bin/sh\n"), ErrFormat, `does not begin with "GWCA"`},
		{"a future format", future(2, 1), ErrNewer, "it has format 2, this binary knows formats up to 1"},
		{"a future runtime", future(1, 7), ErrNewer, "it needs runtime version 7, this binary has 1"},
		{"format 0", future(0, 1), ErrFormat, "format 0"},
		{"a length beyond the limit", length(MaxSize + 1), ErrTooLarge, "its content has 67108865 bytes"},
		{"a length that overflows", length(1<<64 - 1), ErrTooLarge, ""},
		{"bytes after the end", append(bytes.Clone(valid), 0), ErrFormat, "1 bytes follow its end"},
		{"signatures that are none", append(signed, 'x'), ErrFormat, "its signatures are not about it"},
		{"signatures of another artifact", noted(SignedText(Digest{1}) + "\n— a b\n"), ErrFormat, "its signatures are not about it"},
		{"a signed text without a signature", noted(SignedText(Digest(sha256.Sum256(valid[:len(valid)-36]))) + "\n"), ErrFormat, "its signatures are not about it"},
		{"signatures that are cut off", noted(SignedText(Digest(sha256.Sum256(valid[:len(valid)-36]))) + "\n— a b\n")[:len(valid)+90], ErrTruncated, "its signatures have 90 bytes of"},
		{"bytes after signatures", append(noted(SignedText(Digest(sha256.Sum256(valid[:len(valid)-36])))+"\n— a b\n"), 'x'), ErrFormat, "1 bytes follow its end"},
		{"signatures beyond the limit", append(bytes.Clone(valid[:len(valid)-4]), 0xff, 0xff, 0xff, 0xff), ErrFormat, "its signatures have 4294967295 bytes"},
		{"no content", framed(t, nil), ErrContent, "EOF"},
		{"an array of four thousand million", framed(t, []byte{0x9a, 0xff, 0xff, 0xff, 0xff}), ErrContent, "exceeded max number of elements"},
		{"a byte string of 2^63 bytes", framed(t, []byte{0xa1, 0x01, 0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0}), ErrContent, ""},
		{"a map of two million entries", framed(t, []byte{0xba, 0, 0x20, 0, 0}), ErrContent, "exceeded max number of key-value pairs"},
		{"deep nesting", framed(t, bytes.Repeat([]byte{0x81}, 100000)), ErrContent, "exceeded max nested level"},
		{"an indefinite length", framed(t, append(append([]byte{0xbf}, content[1:]...), 0xff)), ErrContent, "indefinite-length map isn't allowed"},
		{"a tag", framed(t, append([]byte{0xc1}, content...)), ErrContent, "tag isn't allowed"},
		{"a duplicate key", framed(t, []byte{0xa2, 0x01, 0xa0, 0x01, 0xa0}), ErrContent, "duplicate map key"},
		{"a section that does not exist", sections(func(m map[int]any) { m[99] = 1 }), ErrContent, "unknown field"},
		{"a section of another type", sections(func(m map[int]any) { m[3] = "x" }), ErrContent, "cannot unmarshal"},
		{"a section that should be left out", sections(func(m map[int]any) { m[8] = []any{} }), ErrContent, "not in canonical form"},
		{"an integer in a longer form", framed(t, append(append([]byte{content[0], 0x18}, content[1]), content[2:]...)), ErrContent, "not in canonical form"},
		{"text that is not UTF-8", framed(t, bytes.Replace(content, []byte("claude-sonnet"), []byte("claude\xffsonnet"), 1)), ErrContent, "invalid UTF-8"},
		{"two values", framed(t, append(bytes.Clone(content), 0xa0)), ErrContent, "extraneous data"},
		{"not a map", framed(t, []byte{0x01}), ErrContent, "cannot unmarshal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Decode(tt.b)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestInvalidContentIsRefused(t *testing.T) {
	tests := []struct {
		name string
		edit func(a *Artifact)
		want string
	}{
		{"a provider out of range", func(a *Artifact) { a.Models[0].Targets[1].Provider = 2 }, "model 0: the provider of target 1 is 2, out of range: there are 2"},
		{"a price out of range", func(a *Artifact) { a.Models[0].Targets[1].Price = 2 }, "model 0: the price of target 1 is 2"},
		{"a negative price", func(a *Artifact) { a.Models[0].Targets[1].Price = -1 }, "model 0: the price of target 1 is -1"},
		{"a price that nobody is charged by", func(a *Artifact) { a.Models[0].Targets[0].Price = 0 }, "price 0 is no target's"},
		{"a price that was changed", func(a *Artifact) { a.Prices[0].Rates[0].Femto++ }, "price 0: its version is"},
		{"a price twice", func(a *Artifact) { a.Prices = append(a.Prices, a.Prices[0]) }, "price 1 is not greater than the one before"},
		{"a capability twice", func(a *Artifact) { a.Models[0].Capabilities = []string{"tools", "tools"} }, `model 0: the capability "tools" is not greater`},
		{"a negative index", func(a *Artifact) { a.Models[0].Targets[1].Provider = -1 }, "out of range"},
		{"an owner out of range", func(a *Artifact) { a.APIs[0].Owner = 2 }, "API 0: its owner is 2"},
		{"an upstream out of range", func(a *Artifact) { a.APIs[0].Upstream = 1 }, "API 0: its upstream is 1"},
		{"a tenant out of range", func(a *Artifact) { a.Apps[1].Tenant = 7 }, "app 1: its tenant is 7"},
		{"a model out of range", func(a *Artifact) { a.Apps[0].Models[0] = 1 }, "app 0: a model is 1"},
		{"an app out of range", func(a *Artifact) { a.Keys[0].App = 2 }, "key 0: its app is 2"},
		{"an API out of range", func(a *Artifact) { a.Routes[3].API = 1 }, "route 3: its API is 1"},
		{"an AI route with an API", func(a *Artifact) { a.Routes[0].API = 0 }, "route 0 has an API"},
		{"an unknown kind of route", func(a *Artifact) { a.Routes[0].Kind = 200 }, "kind is 200, which this binary does not know"},
		{"an unknown auth", func(a *Artifact) { a.Routes[0].Auth = "" }, `its auth is "", which this binary does not know`},
		{"an unknown kind of provider", func(a *Artifact) { a.Providers[0].Kind = "x" }, `its kind is "x"`},
		{"a negative duration", func(a *Artifact) { a.Upstreams[0].Timeouts.Idle = -1 }, "upstream 0: a timeout is negative"},
		{"a weight of 0", func(a *Artifact) { a.Upstreams[0].Endpoints[1].Weight = 0 }, "weight of endpoint 1 is less than 1"},
		{"no endpoint", func(a *Artifact) { a.Upstreams[0].Endpoints = nil }, "upstream 0 has no endpoint"},
		{"no attempt", func(a *Artifact) { a.Models[0].Retry.Attempts = 0 }, "model 0 allows no attempt"},
		{"an absolute source", func(a *Artifact) { a.Provenance.Sources[0].File = "/etc/passwd" }, "not a path relative to the repository"},
		{"an origin outside", func(a *Artifact) { a.Routes[3].Origin.File = "../x" }, "not a path relative to the repository"},
		{"a URL with a password", func(a *Artifact) { a.Providers[0].BaseURL = "https://u:p@h" }, "provider 0: its base URL is not"},
		{"a credential that is no reference", func(a *Artifact) { a.Providers[0].Credentials[0] = "sk-123" }, "provider 0: a credential is not a reference that begins with env: or file:"},
		{"a header with a line break", func(a *Artifact) { a.Providers[0].Headers[0].Value = "a\r\nb" }, "header 0 is malformed"},
		{"a header without a name", func(a *Artifact) { a.Providers[0].Headers[0].Name = "" }, "header 0 is malformed"},
		{"names out of order", func(a *Artifact) { a.Tenants[0].Name = "zoo" }, `the tenant "shop" is not greater than the one before, "zoo"`},
		{"an app twice", func(a *Artifact) { a.Apps[1].Tenant = 0 }, `its tenant has two apps "web"`},
		{"a key twice", func(a *Artifact) { a.Keys = append(a.Keys, a.Keys[0]) }, "keys are not sorted by hash, or two are the same"},
		{"a text without end", func(a *Artifact) { a.APIs[0].Title = strings.Repeat("x", MaxString+1) }, "its title is longer than 65536 bytes"},
		{"a limit of nothing", func(a *Artifact) { a.Apps[0].Limits[0].Per = 0 }, "a limit is not at least one request"},
		{"a route that the table has elsewhere", func(a *Artifact) { a.Routes[0].Path = "/v2" }, "the routing table has route 0 at POST /v1/chat/completions, not at POST /v2"},
		{"other names of parameters", func(a *Artifact) { a.Routes[2].Path = "/v1/models/{id}" }, "not at GET /v1/models/{id}"},
		{"a route that the table has not", func(a *Artifact) { a.Routes = append(a.Routes, a.Routes[0]) }, "does not lead to all routes"},
		{"a route missing", func(a *Artifact) { a.Routes = a.Routes[:5] }, "leads to route"},
		{"a table with a cycle", func(a *Artifact) { a.Table.Edges[3] = 0 }, "the routing table: node 0: a child comes before its parent"},
		{"a table with a node of two parents", func(a *Artifact) { a.Table.Edges[7] = a.Table.Edges[3] }, "the routing table: node"},
		{"a table with a child out of range", func(a *Artifact) { a.Table.Edges[3] = 1 << 31 }, "a child is out of range"},
		{"a table that points outside of its pool", func(a *Artifact) { a.Table.Edges[1] = 1 << 30 }, "outside of the pool"},
		{"a table cut within a record", func(a *Artifact) { a.Table.Nodes = a.Table.Nodes[:len(a.Table.Nodes)-1] }, "end within a record"},
	}
	enc, _ := modes()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := sample(t, 1)
			tt.edit(a)
			if _, err := Encode(a); !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Encode gives %v, want %q", err, tt.want)
			}
			content, err := enc.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Decode(framed(t, content)); !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Decode gives %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "gateway.gwca")
	b := encoded(t, 1)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(name, 0); err != nil || !bytes.Equal(got, b) {
		t.Errorf("got %d bytes of %d, error %v", len(got), len(b), err)
	}
	if _, err := ReadFile(name, int64(len(b))); err != nil {
		t.Errorf("a file of exactly the limit: %v", err)
	}
	if _, err := ReadFile(name, int64(len(b))-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file beyond the limit: got %v, want ErrTooLarge", err)
	}
	if _, err := ReadFile(dir, 0); !errors.Is(err, ErrFormat) {
		t.Errorf("a folder: got %v, want ErrFormat", err)
	}
	if _, err := ReadFile(filepath.Join(dir, "x"), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want os.ErrNotExist", err)
	}
	sparse := filepath.Join(dir, "sparse.gwca")
	if err := os.Truncate(sparse, 0); err == nil {
		t.Fatal("the file should not be there yet")
	}
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(sparse, 0); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file of a terabyte: got %v, want ErrTooLarge", err)
	}
}

func TestParseDigest(t *testing.T) {
	d := Digest{0xab, 31: 1}
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "sha256:", strings.ToUpper(d.String()), d.String() + "0", d.String()[7:], d.String()[:70], "sha256:" + strings.Repeat("g", 64)} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func BenchmarkDecode10000Routes(b *testing.B) {
	data := encoded(b, 1000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzDecode holds that what is accepted is canonical and safe to look up in. The frame is made anew around the
// mutated content, else nothing would get past the digest.
func FuzzDecode(f *testing.F) {
	b := encoded(f, 1)
	f.Add(b[headerSize:len(b)-36], "GET", "/api00000/v1/items/7:cancel")
	f.Add([]byte{0xa3, 1, 0xa2, 1, 0x80, 3, 0xa0, 10, 0xa0, 11, 0xa2, 1, 0x60, 2, 0x60}, "GET", "/")
	f.Fuzz(func(t *testing.T, content []byte, method, path string) {
		if len(content) > 1<<20 {
			return
		}
		framed := framed(t, content)
		a, _, err := Decode(framed)
		if err != nil {
			if !errors.Is(err, ErrContent) {
				t.Fatalf("the error has no class: %v", err)
			}
			return
		}
		again, err := Encode(a)
		if err != nil || !bytes.Equal(again, framed) {
			t.Fatalf("accepted, but encoding gives other bytes (%v)", err)
		}
		var p match.Params
		for _, host := range []string{"", "a.example.com:80"} {
			if v, out := a.Table.Lookup([]byte(host), []byte(method), []byte(path), &p); out == match.Found {
				_ = a.Routes[v]
				for i := range p.Len() {
					_, _ = p.Name(&a.Table, i), p.Value([]byte(path), i)
				}
			}
			a.Table.AppendAllow(nil, &p)
		}
	})
}

// FuzzFrame mutates whole files, and holds that none panics and every refusal has a class.
func FuzzFrame(f *testing.F) {
	f.Add(encoded(f, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, err := Decode(b)
		if err == nil {
			return
		}
		for _, class := range []error{ErrTruncated, ErrDigest, ErrFormat, ErrNewer, ErrTooLarge, ErrContent} {
			if errors.Is(err, class) {
				return
			}
		}
		t.Fatalf("the error has no class: %v", err)
	})
}
