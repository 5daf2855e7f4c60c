//go:build linux

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// company writes a large company's repository into a folder: a tenant for each ten APIs, with a file for the tenant,
// one for its app, one for each API, and one OpenAPI document of two operations that all ten publish under paths of
// their own.
func company(dir string, apis int) error {
	if err := (rig.Repo{
		"cue.mod/module.cue":  "module: \"example.com/company\"\nlanguage: version: \"v0.15.0\"\n",
		"gateway.cue":         "package gateway\n\ngateway: {\n\tlisteners: main: address: \"127.0.0.1:8080\"\n\tadmin: address: \"127.0.0.1:9090\"\n}\n",
		"platform/models.cue": "package gateway\n\nproviders: openai: {kind: \"openai\", credentials: [{ref: \"env:OPENAI_API_KEY\"}]}\nmodels: fast: targets: [{provider: \"openai\", model: \"gpt-5-mini\"}]\n",
	}).Write(dir); err != nil {
		return err
	}
	for t := range (apis + 9) / 10 {
		if err := companyTenant(t).Write(dir); err != nil {
			return err
		}
	}
	return nil
}

func companyTenant(t int) rig.Repo {
	name := fmt.Sprintf("team-%05d", t)
	folder := "tenants/" + name + "/"
	r := rig.Repo{
		folder + "tenant.cue":   fmt.Sprintf("package gateway\n\ntenants: %[1]q: owners: [\"@%[1]s/leads\"]\nupstreams: %[1]q: endpoints: [{url: \"http://127.0.0.1:9\"}]\n", name),
		folder + "apps/web.cue": fmt.Sprintf("package gateway\n\ntenants: %[1]q: apps: web: {\n\tkeys: [{id: \"web-1\", hash: \"sha256:%[2]x\"}]\n\tmodels: [\"fast\"]\n\tlimits: [{requests: 600, per: \"1m\"}]\n}\n", name, sha256.Sum256([]byte(name))),
		folder + "openapi.yaml": companyDocument(t),
	}
	for i := range 10 {
		r[companyAPI(t, i)] = companyAPIText(t, i, "10s")
	}
	return r
}

func companyAPI(t, i int) string {
	return fmt.Sprintf("tenants/team-%05d/apis/api-%06d.cue", t, 10*t+i)
}

func companyAPIText(t, i int, timeout string) string {
	return fmt.Sprintf("package gateway\n\napis: \"api-%06[1]d\": {\n\towner: \"team-%05[2]d\", openapi: \"../openapi.yaml\", basePath: \"/api-%06[1]d/v1\", upstream: \"team-%05[2]d\"\n\tpolicies: timeout: %[3]q\n\toperations: listThings: policies: timeout: \"2s\"\n}\n", 10*t+i, t, timeout)
}

func companyDocument(t int) string {
	return fmt.Sprintf(`openapi: 3.0.3
info:
  title: Things of team %05d
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
              schema: {type: array, items: {$ref: "#/components/schemas/Thing"}}
    post:
      operationId: addThing
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Thing"}
      responses:
        "201": {description: Added.}
components:
  schemas:
    Thing:
      type: object
      required: [id, name]
      properties:
        id: {type: string}
        name: {type: string}
        tags: {type: array, items: {type: string}}
`, t)
}

// command runs gwc on two cores and returns its wall time in milliseconds and the most memory that it held, in MB.
func (b *bench) command(cache string, args ...string) (ms, mb float64, err error) {
	name := b.bin.GWC
	if both, _ := cores(2); both != "" {
		args = append([]string{"-c", both, name}, args...)
		name = "taskset"
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GWC_CACHE="+cache)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err = cmd.Run()
	ms = float64(time.Since(start).Microseconds()) / 1e3
	if err != nil {
		text := out.String()
		return 0, 0, fmt.Errorf("gwc %s: %w\n%s", strings.Join(args, " "), err, text[:min(len(text), 2000)])
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("the system does not tell how much memory a process took")
	}
	return ms, float64(usage.Maxrss) / 1024, nil
}

// settled is longer than a file must have been left alone for the cache to take it by its times.
const settled = 2500 * time.Millisecond

// compile measures the compiler itself: cold builds of growing repositories, a build after a change, a plan of two
// large gateways, what somebody who edits waits for, and the smallest of commands.
func (b *bench) compile(scenario string) error {
	var first, last struct{ apis, ms float64 }
	for _, n := range b.companies {
		dir := b.fresh("company")
		repo, file := filepath.Join(dir, "repo"), filepath.Join(dir, "gateway.gwca")
		if err := company(repo, n); err != nil {
			return err
		}
		rounds := b.rounds
		if n > 10_000 {
			rounds = 1
		}
		var took []float64
		cache := ""
		for round := range rounds {
			// Cold: nothing is kept from before, and what is worked out is kept for the next build.
			cache = filepath.Join(dir, fmt.Sprintf("cache-%d", round))
			ms, mb, err := b.command(cache, "build", "-C", repo, "-o", file)
			if err != nil {
				return err
			}
			took = append(took, ms)
			b.add(scenario, "gwc", fmt.Sprintf("cold build, %d APIs", n), "ms", round, ms)
			b.add(scenario, "gwc", fmt.Sprintf("cold build, %d APIs: peak RSS", n), "MB", round, mb)
		}
		last.apis, last.ms = float64(n), median(took)
		if first.apis == 0 {
			first = last
		}
		if n == b.companies[min(1, len(b.companies)-1)] {
			if err := b.warmCompany(scenario, dir, repo, file, cache, n); err != nil {
				return err
			}
		}
		if n == b.companies[0] {
			if err := b.feedback(scenario, repo, n); err != nil {
				return err
			}
		}
		os.RemoveAll(dir)
	}
	if last.apis > first.apis {
		b.add(scenario, "gwc", "growth exponent of cold builds", "", 0, math.Log(last.ms/first.ms)/math.Log(last.apis/first.apis))
	}
	return b.vet(scenario)
}

// warmCompany measures what follows a first build: another after a change, one after none, and a plan of the two.
func (b *bench) warmCompany(scenario, dir, repo, file, cache string, n int) error {
	base := filepath.Join(dir, "base.gwca")
	time.Sleep(settled)
	if _, _, err := b.command(cache, "build", "-C", repo, "-o", base); err != nil {
		return err
	}
	tenant := n / 20
	for round := range b.rounds {
		text := companyAPIText(tenant, 3, fmt.Sprintf("%dms", 5000+round))
		if err := os.WriteFile(filepath.Join(repo, companyAPI(tenant, 3)), []byte(text), 0o644); err != nil {
			return err
		}
		ms, mb, err := b.command(cache, "build", "-C", repo, "-o", file)
		if err != nil {
			return err
		}
		b.add(scenario, "gwc", fmt.Sprintf("build after one file changed, %d APIs", n), "ms", round, ms)
		b.add(scenario, "gwc", fmt.Sprintf("build after one file changed, %d APIs: peak RSS", n), "MB", round, mb)
		if ms, _, err = b.command(cache, "vet", "-C", repo); err != nil {
			return err
		}
		b.add(scenario, "gwc", fmt.Sprintf("vet when nothing changed, %d APIs", n), "ms", round, ms)
		if ms, _, err = b.command(cache, "plan", "-C", repo, "--against", base); err != nil {
			return err
		}
		b.add(scenario, "gwc", fmt.Sprintf("plan of two artifacts, %d APIs", n), "ms", round, ms)
	}
	return nil
}

// vet measures `gwc vet` of a repository as `gwc init` makes it, as an editor or a hook runs it, and without the cache.
func (b *bench) vet(scenario string) error {
	dir := b.fresh("small")
	repo := filepath.Join(dir, "repo")
	if _, _, err := b.command("off", "init", repo); err != nil {
		return err
	}
	time.Sleep(settled)
	cache := filepath.Join(dir, "cache")
	for round := -1; round < 5*b.rounds; round++ {
		kept, _, err := b.command(cache, "vet", "-C", repo)
		if err != nil {
			return err
		}
		anew, mb, err := b.command("off", "vet", "-C", repo)
		if err != nil {
			return err
		}
		if round < 0 {
			continue // It fills the cache.
		}
		b.add(scenario, "gwc", "vet of a small repository", "ms", round, kept)
		b.add(scenario, "gwc", "vet of a small repository, no cache", "ms", round, anew)
		b.add(scenario, "gwc", "vet of a small repository, no cache: peak RSS", "MB", round, mb)
	}
	return nil
}
