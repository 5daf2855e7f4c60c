package specimen

import (
	"crypto/sha256"
	"fmt"
)

// Company returns the files of a large company's repository, by path: a folder for each ten APIs with the tenant, its
// app, one OpenAPI document of two operations, and a file for each API that publishes that document under a path of
// its own. Tenants count from 0; the number of APIs is rounded up to whole tenants. Upstreams are at upstream,
// "http://host:port"; the listener is at 127.0.0.1:8080.
//
// It differs from [Repository] in what it measures: there documents are most of the work, here it is units.
func Company(apis int, upstream string) map[string][]byte {
	files := Repository(0, upstream)
	for tenant := range (apis + perTenant - 1) / perTenant {
		dir := fmt.Sprintf("tenants/team-%05d", tenant)
		files[dir+"/tenant.cue"] = fmt.Appendf(nil, `package gateway

tenants: "team-%05[1]d": owners: ["@team-%05[1]d/leads"]
upstreams: "team-%05[1]d": endpoints: [{url: "%[2]s"}]
`, tenant, upstream)
		files[dir+"/apps/web.cue"] = fmt.Appendf(nil, `package gateway

tenants: "team-%05[1]d": apps: web: {
	keys: [{id: "web-1", hash: "sha256:%064[2]x"}]
	models: ["fast", "smart"]
	limits: [{requests: 1000000, per: "1m"}]
}
`, tenant, sha256.Sum256([]byte(Key(tenant))))
		files[dir+"/openapi.yaml"] = document(tenant * 4)
		for i := range perTenant {
			files[fmt.Sprintf("%s/apis/api-%06d.cue", dir, tenant*perTenant+i)] = API(tenant, i)
		}
	}
	return files
}

// API returns the file of an API of a [Company]: the one that a change touches.
func API(tenant, i int) []byte {
	return fmt.Appendf(nil, `package gateway

apis: "api-%06[1]d": {
	owner: "team-%05[2]d", openapi: "../openapi.yaml", basePath: "/api-%06[1]d/v1", upstream: "team-%05[2]d"
	policies: timeout: "10s"
	operations: listThings: policies: timeout: "2s"
}
`, tenant*perTenant+i, tenant)
}
