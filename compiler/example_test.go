package compiler_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/gwc-dev/gwc/compiler"
)

// A repository with one mistake: the finding names the place, and there is no artifact.
func ExampleBuild() {
	repository := fstest.MapFS{
		"gateway.cue": {Data: []byte(`package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
upstreams: petstore: endpoints: [{url: "http://10.0.0.7:8080"}]
apis: petstore: {openapi: "openapi.yaml", basePath: "/petstore", upstream: "petstor"}
`)},
		"openapi.yaml": {Data: []byte(`openapi: 3.1.0
info: {title: Pets, version: "1"}
paths: {/pets: {get: {operationId: listPets}}}
`)},
	}
	r, err := compiler.Build(context.Background(), compiler.Options{FS: repository, Tool: "gwc 0.1.0"})
	if err != nil {
		log.Fatal(err) // the machine's mistake, not the repository's
	}
	for _, d := range r.Report.All() {
		at := d.Primary.Span
		fmt.Printf("%s[%s]: %s\n", d.Severity, d.Code, d.Summary)
		fmt.Printf("%s:%d:%d: %s\n", at.File, at.Start.Line, at.Start.Col, d.Primary.Text)
	}
	fmt.Println(r.Artifact == nil, r.Bytes == nil)
	// Output:
	// error[GWC2003]: API "petstore" names unknown upstream "petstor"
	// gateway.cue:5:76: did you mean "petstore"?
	// true true
}
