package openapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServersCountOnlyIfEachHasAPath(t *testing.T) {
	for _, test := range []struct {
		name, servers string
		want          []string
	}{
		{"none", "", nil},
		{"a path", "servers: [{url: 'https://a.example/v2/'}]", []string{"/v2"}},
		{"a relative one", "servers: [{url: /v2}]", []string{"/v2"}},
		{"the root", "servers: [{url: 'https://a.example/'}]", nil},
		{"one of two without", "servers: [{url: 'https://a.example/v2'}, {url: 'https://b.example'}]", nil},
		{"variables", "servers: [{url: 'https://{region}.a.example/v2'}]", nil},
		{"no text", "servers: [{url: 1}, 2]", nil},
		{"no list", "servers: x", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := "openapi: 3.0.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {operationId: a}}}\n" + test.servers + "\n"
			docs, _ := Read(Input{Files: Bytes{"a.yaml": []byte(src)}, Wanted: []Wanted{{File: "a.yaml"}}})
			if diff := cmp.Diff(test.want, docs.ByFile["a.yaml"].Servers); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
		})
	}
}
