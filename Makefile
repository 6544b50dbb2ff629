# Each target runs a command of tools/ or of the Go toolchain. Logic belongs there.
.DEFAULT_GOAL := help

# Messages in the demo's burst; fewer than about a hundred need no scaling.
BURST ?= 1500
# Events in each of a soak's two runs.
EVENTS ?= 1000000
# The time limit for one package's tests; go test's own limit, 10m, is too short on a busy
# machine.
TESTTIME ?= 20m
# make lint runs vet, and go test would vet every dependency, too. Without debugging
# information the test binaries link in three quarters of the time.
TESTFLAGS := -vet=off -ldflags=-w -timeout $(TESTTIME)
# The first seed of faultsim. The default is the time, so that each run has new seeds.
FROM ?= $(shell date +%s)
# How long each fuzz target runs.
FUZZTIME ?= 30s
# Fuzz targets that run at the same time.
FUZZJOBS ?= 2
# What guides fuzzing: all packages, or with own only those of this module, see tools/fuzz.sh.
INSTRUMENT ?= all
# Flags for the command behind up or demo: make up FLAGS=--worktree
FLAGS ?=
# no: list missing packages instead of installing them.
INSTALL ?= yes
export INSTALL
# The folders with the upstream images of the clusters on AWS.
PINNED := infrastructure/crossplane/core/hub infrastructure/crossplane/packages/hub infrastructure/keda/aws
# The race detector needs a C compiler.
RACE ?= $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# The same flags as in tools/internal/build/toolchain, which builds the cluster's programs, so
# that a package that both need compiles once.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false -trimpath -gcflags=all=-dwarf=false)
# The folder into which Go's tarball is usually unpacked.
GOROOT_INSTALLED := /usr/local/go
ifeq ($(shell command -v go 2>/dev/null),)
export PATH := $(PATH)$(shell tools/find-go.sh $(GOROOT_INSTALLED))
endif

LOCAL := go run ./tools/local
SIMULATE := go run -C tools/simulate .
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.PHONY: help simulate slo preflight demo soak record up down status reconcile validate promote pin hook test fuzz faultsim e2e e2e-aws record-aws e2e-vm bench lint go

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

simulate slo preflight demo soak record up down status reconcile validate promote pin test fuzz faultsim e2e e2e-aws record-aws e2e-vm bench lint: | go

# go reports the error but not the fix. Often sudo hides go.
go:
	@go list -m >/dev/null || { echo 'error: this needs Go 1.26 in PATH: see https://go.dev/doc/install; under sudo, pass yours on: sudo env PATH="$$PATH" make' >&2; exit 2; }

simulate: ## predict the demo's burst of BURST messages with the real HPA and KEDA on a fake clock; needs only Go, no root
	$(SIMULATE) --burst=$(BURST) --report="$(CURDIR)/report/simulated" $(FLAGS)

slo: ## check that every ScaledObject with an objective meets it in 95 of 100 simulated bursts
	$(SIMULATE) --check

preflight: ## prepare this machine for the cluster: install packages, and report what else is missing (root)
	@[ "$$(uname -s)" = Linux ] || { echo 'error: the local cluster needs Linux; `make simulate` shows a simulated burst scale, with the same kind of report' >&2; exit 2; }
	@go list -deps ./tools/local/preflight >/dev/null || \
		{ echo 'error: modules are not in the cache of Go, and cannot be had: check the network, a proxy in HTTPS_PROXY, and `go env GOPROXY`' >&2; exit 2; }
	@go run ./tools/local/preflight

demo: preflight validate ## run the whole system on this machine, with a burst of BURST messages and a verdict (root)
	$(LOCAL) demo --burst=$(BURST) $(FLAGS)

soak: preflight ## send EVENTS events twice: without faults, and while consumers are killed and AWS fails (root)
	$(LOCAL) soak --events=$(EVENTS) $(FLAGS)

record: ## measure the runs of docs/simulate.md that are not recorded yet, in the local cluster (root; an hour)
	$(LOCAL) record $(FLAGS)

up: preflight ## start the local cluster if it is down, and let Flux apply this repository's HEAD (root)
	$(LOCAL) up $(FLAGS)

down: ## end the local cluster; only the cache stays, with built engines and layers (root)
	$(LOCAL) down

status: ## show every Flux object of the local cluster: ready, or why not
	$(LOCAL) status

reconcile: ## make Flux pull and apply now, and wait until everything is ready
	$(LOCAL) reconcile

validate: ## find what Flux, the API server or KEDA would refuse, in every cluster
	go run ./tools/validate

promote: ## copy staging's image pins to production, stage them for a commit, and show the difference
	go run ./tools/promote
	go run ./tools/render --diff HEAD

pin: ## write the digests of the upstream images on AWS beside their tags; needs access to their registries
	go run ./tools/image pin $(FLAGS) $(PINNED)

hook: ## make Git validate before each commit
	ln -sf "$$(pwd)/tools/validate/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"

test: ## run every test that needs no cluster and no root; apps/ with the race detector, if there is a C compiler
	@[ -n '$(RACE)' ] || echo 'skipped: the race detector, which needs a C compiler'
	go test $(TESTFLAGS) $(RACE) ./apps/...
	go test $(TESTFLAGS) ./apps/faultsim
	go test $(TESTFLAGS) $$(go list ./... | grep -v /apps/)
	go test -C tools/simulate $(TESTFLAGS) ./...

fuzz: ## run every fuzz target for FUZZTIME, FUZZJOBS at a time: no input may crash or hang the code
	@grep -rHoE '^func Fuzz\w+' --include='*_test.go' apps crossplane internal tools | sed -E 's|/[^/]*:func | |' | sort | \
	xargs -P $(FUZZJOBS) -L 1 sh -c 'tools/fuzz.sh "$$@" $(FUZZTIME) $(INSTRUMENT)' sh

faultsim: ## run the workloads with the faults of a seed, seed after seed from FROM, until one fails
	go test -C apps/faultsim -run TestSeeds -forever -from=$(FROM) -timeout=0

e2e: ## run the tests that start a real local cluster or compile Crossplane (root)
	go test -tags=e2e -skip=TestAWS -count=1 -timeout=60m ./tools/local/... ./tools/image

e2e-aws: ## create staging and production in the local AWS with the real provider, with faults, and remove them (root; SPOKES=staging)
	go test -tags=e2e -run='^TestAWS$$' -v -count=1 -timeout=4h ./tools/local

record-aws: ## record the calls with which the real provider creates and removes staging; make test replays them (root)
	go test -tags=e2e -run='^TestAWSRecording$$' -v -count=1 -timeout=2h ./tools/local

e2e-vm: ## run what a new user runs, in a virtual machine with a fresh Debian 12 (root, qemu; ENGINES=yes saves hours)
	go test -tags=e2evm -v -count=1 -timeout=0 ./tools/local/vm

bench: ## measure validate, also against `kustomize build | kubeconform`, the workloads, the local AWS and simulate
	go run ./tools/bench
	go run ./tools/bench/growth
	go run ./tools/bench/consumer
	go test -run '^$$' -bench Producer -benchtime 1x ./apps/producer
	go test -run '^$$' -bench 'Call|Server' ./apps/localaws/sqs
	go test -C tools/simulate -run '^$$' -bench . -benchtime 1x ./internal/bubble ./internal/command

# golangci-lint caches absolute positions for each package, so each checkout has its own
# cache.
lint: export GOLANGCI_LINT_CACHE ?= $(shell git rev-parse --absolute-git-dir)/golangci-lint
lint: ## run golangci-lint with .golangci.yml, go vet included, and actionlint
	$(LINT) run
	cd tools/simulate && $(LINT) run -c ../../.golangci.yml
	$(ACTIONLINT)
