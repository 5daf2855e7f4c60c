// Package specimen makes repositories of any size, for tests and for measuring: the same number gives the same files.
//
// They look as a grown repository does: a platform folder with providers, models and plans of listeners; a tenant for
// each ten APIs, with an app, its key and its limits; and for each API a folder with its definition and an OpenAPI
// document of two to five operations, with parameters, schemas and references.
package specimen

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// perTenant is the number of APIs of a tenant.
const perTenant = 10

// Key returns the key of a tenant's app, of which the repository holds the hash. Tenants count from 0.
func Key(tenant int) string { return fmt.Sprintf("gwc_specimen-%04d", tenant) }

// Repository returns the files of a repository with a number of APIs, by path. Its upstreams are at
// upstream, "http://host:port"; the listener is at 127.0.0.1:8080.
func Repository(apis int, upstream string) map[string][]byte {
	files := map[string][]byte{
		"gateway.cue": []byte(`package gateway

gateway: {
	listeners: main: {address: "127.0.0.1:8080"}
	admin: address: "127.0.0.1:9090"
	calls: dir: "calls"
}
`),
		"platform/models.cue": []byte(`package gateway

providers: {
	openai: {kind: "openai", credentials: [{ref: "env:OPENAI_API_KEY"}]}
	claude: {kind: "anthropic", credentials: [{ref: "file:secrets/anthropic"}]}
}
models: {
	fast: targets: [{provider: "openai", model: "gpt-5-mini"}]
	smart: {
		targets: [{provider: "claude", model: "claude-sonnet-4-5"}, {provider: "openai", model: "gpt-5"}]
		retry: {attempts: 2, on: ["429", "5xx", "timeout"]}
	}
}
`),
	}
	for i := range apis {
		tenant := i / perTenant
		dir := fmt.Sprintf("tenants/team-%04d", tenant)
		if i%perTenant == 0 {
			files[dir+"/tenant.cue"] = fmt.Appendf(nil, `package gateway

tenants: "team-%04[1]d": {
	owners: ["@team-%04[1]d/leads"]
	apps: web: {
		keys: [{id: "web-1", hash: "sha256:%064[2]x"}]
		models: ["fast", "smart"]
		limits: [{requests: 1000000, per: "1m"}]
	}
}
upstreams: "team-%04[1]d": endpoints: [{url: "%[3]s"}]
`, tenant, sha256.Sum256([]byte(Key(tenant))), upstream)
		}
		api := fmt.Sprintf("%s/apis/api-%05d", dir, i)
		files[api+"/api.cue"] = fmt.Appendf(nil, `package gateway

apis: "api-%05[1]d": {
	owner: "team-%04[2]d", openapi: "openapi.yaml", basePath: "/api-%05[1]d/v1", upstream: "team-%04[2]d"
	policies: timeout: "10s"
	operations: listThings: policies: timeout: "2s"
}
`, i, tenant)
		files[api+"/openapi.yaml"] = document(i)
	}
	return files
}

// document is the OpenAPI document of an API.
func document(i int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `openapi: 3.0.3
info:
  title: Things of API %05d
  version: 1.0.0
paths:
  /things:
    get:
      operationId: listThings
      summary: All things
      parameters:
        - {name: limit, in: query, schema: {type: integer, format: int32}}
      responses:
        "200":
          description: A list of things.
          content:
            application/json:
              schema:
                type: array
                items:
                  $ref: "#/components/schemas/Thing"
    post:
      operationId: addThing
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Thing"}
      responses:
        "201": {description: Added.}
`, i)
	if i%4 > 0 {
		b.WriteString(`  /things/{thingId}:
    parameters:
      - {name: thingId, in: path, required: true, schema: {type: string}}
    get:
      operationId: getThing
      responses:
        "200": {description: A thing., content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
`)
	}
	if i%4 > 1 {
		b.WriteString(`    delete:
      operationId: removeThing
      responses:
        "204": {description: Removed.}
`)
	}
	if i%4 > 2 {
		b.WriteString(`  /things/{thingId}/parts/{partId}.json:
    get:
      operationId: getPart
      parameters:
        - {name: thingId, in: path, required: true, schema: {type: string}}
        - {name: partId, in: path, required: true, schema: {type: string}}
      responses:
        "200": {description: A part.}
`)
	}
	b.WriteString(`components:
  schemas:
    Thing:
      type: object
      required: [id, name]
      properties:
        id: {type: string}
        name: {type: string}
        tags: {type: array, items: {type: string}}
`)
	return []byte(b.String())
}
