# The only entry: every task of this repository is a target here, with its help beside it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

export GOTOOLCHAIN := local
export GOFLAGS := -mod=readonly
# Recorded provider traffic and documents. Tests that need them skip with one line where they are missing.
export GWC_CORPORA ?= $(shell test -d ../shared/corpora && cd ../shared/corpora && pwd)

# The same sources give the same binaries on any machine.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -buildid="
FUZZTIME ?= 60s

.PHONY: help
help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/gwc and bin/gwcd, statically
	@$(BUILD) -o bin/ ./cmd/gwc ./cmd/gwcd

.PHONY: run
run: build ## build, serve examples/quickstart with a mock provider, watch its files, print curl lines that work
	@bin/gwc mock --listen 127.0.0.1:4010 & mock=$$!; trap 'kill $$mock 2>/dev/null' EXIT; bin/gwc run -C examples/quickstart

.PHONY: test
test: build tools ## all tests: unit with the race detector, then conformance with real clients
	go test -race -timeout 15m ./...
	cd conformance && go test -timeout 15m ./...

.PHONY: tools
tools: # what the tests drive and Debian has; skipped where we are not root
	@bash .ci/tools nginx haproxy

.PHONY: check
check: ## format, vet, staticcheck, import direction, bans, generated files
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	cd conformance && go vet ./...
	go tool -modfile=tools.mod staticcheck ./...
	go test -count=1 -run 'TestImports|TestArchitecture' .
	go mod tidy -diff
	$(MAKE) --no-print-directory bans
	@out=$$(GWC_UPDATE=1 go test -count=1 ./compiler/... ./cmd/... ./examples/... ./runtime/dialect 2>&1) || { echo "$$out"; exit 1; }
	git diff --exit-code --stat -- '*.txtar' '*.golden' '*.cue' '**/testdata/**' 'docs/*.md'

.PHONY: bans
bans: # what must not come back, with the reason
	@! git grep -nE 'encoding/json"' -- 'runtime/pipeline/*.go' 'runtime/engine/*.go' 'runtime/upstream/*.go' ':!*_test.go' || { echo "encoding/json on the request path costs 50 times a scan"; exit 1; }
	@! git grep -nE '^func init\(\)' -- '*.go' || { echo "registration in init hides what a program is made of"; exit 1; }
	@! git grep -nwE 'package (util|utils|common|helpers?|manager|misc|base|core)' -- '*.go' || { echo "a package is named after what it holds"; exit 1; }

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s) each
	@bash .ci/fuzz $(FUZZTIME)

.PHONY: conformance
conformance: build ## real SDKs, raw HTTP and recorded providers against the built binaries
	cd conformance && go test -count=1 -timeout 20m ./...

.PHONY: bench
bench: build ## gwc beside nginx and haproxy: CPU per request, added latency, memory; the compiler on up to 100,000 APIs (about 13 minutes)
	@bash .ci/tools nginx haproxy wrk
	go test ./runtime/dialect -run '^$$' -bench StreamedEvent
	cd conformance && go run ./bench -bin ../bin

.PHONY: soak
soak: build ## 100 reloads under load, then look for leaks (about 3 minutes)
	cd conformance && GWC_SOAK=1 go test -count=1 -timeout 20m -run 'Reload|Drain|Soak' ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
