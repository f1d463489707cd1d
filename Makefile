# Verbs of this repository; `make help` lists them. CI calls the same ones.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Tools are pinned here and installed into bin/tools: a workspace refuses -modfile, so they cannot live in go.mod.
TOOLS       := $(CURDIR)/bin/tools
BUF         := github.com/bufbuild/buf/cmd/buf@v1.75.0
GEN_GO      := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GEN_GRPC    := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
GEN_GATEWAY := github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@v2.32.0
SQLC        := github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
LINT        := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

SERVICES := extractor submitter poller reconciler retrier ops
BINARIES := $(SERVICES) orgsim bulkhead
MODULES  := proto libs services
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X bulkhead/libs/service.version=$(VERSION)

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## build every binary into bin/
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./services/,$(BINARIES))

demo: postgres build ## 20,000 generated records through everything, partial failures included
	bin/bulkhead demo

# Tests wait for ledgers, brokers and orgs more than they compute: more packages run at once than there are processors, those that take longest begin
# first, and memory is cheap. What vet says, `make verify` asks.
#
# With the race detector tests of stores stand on PostgreSQL. The second line runs them on the ledger in memory, plays seeds and days of the simulation,
# which the race detector would slow down tenfold, and the tests whose product is a process of its own, built without it. The third sweeps the named
# fault points and shows that each planted bug does what its name says and that the models find theirs; points and bugs are compiled in only with their
# tags. The fourth runs the models with their full bounds. Then 200,000 records are carried as fast as it goes, without a bound on the time. At the very
# end real processes are killed for some minutes.
GO_TEST   = GOGC=400 go test -vet=off -p 3
INTERNALS = $(foreach s,$(SERVICES),./services/$(s)/internal/...)
MODELS    = ./services/e2e/models ./services/submitter/internal/submit ./services/poller/internal/poll ./services/reconciler/internal/account
ON_LEDGER = $(patsubst %/,./%,$(sort $(dir $(shell grep -rl --include=main_test.go testkit.OnEachLedger libs services))))
LONGEST   = ./services/e2e/acceptance ./services/e2e/weather ./services/submitter/internal/submit ./services/e2e/properties
PROCESSES = ./services/e2e/journeys ./services/e2e/realdata
test: postgres compiler testdata ## all tests with the race detector, the fault points, the exhaustive models, the simulation, a load, fresh chaos
	set -o pipefail; others=$$(go list work | grep -v $(PROCESSES:./%=-e '/%$$')) || exit 1; \
	  BULKHEAD_TEST_LEDGER=postgres BULKHEAD_SIMULATION_SEEDS=10 $(GO_TEST) -race -timeout 30m $(LONGEST) $$others
	BULKHEAD_TEST_LEDGER=memory BULKHEAD_SIMULATION_SEEDS=300 $(GO_TEST) -timeout 30m ./services/e2e/simulation/... $(PROCESSES) $(ON_LEDGER)
	$(GO_TEST) -tags fault,planted -timeout 10m -run 'Fault|Planted' ./libs/fault/... ./libs/pg ./libs/bus ./libs/salesforce $(INTERNALS)
	$(GO_TEST) -v -count=1 -timeout 10m -run 'TheProtocol|EachSafeguard' $(MODELS)
	$(MAKE) --no-print-directory bench-once
	$(MAKE) --no-print-directory chaos-fresh

test-clients: npm ## other people's clients, unchanged, with the simulator: jsforce, Salesforce's sf, go-salesforce
	go test -count=1 -timeout 20m -parallel 4 -tags clients ./services/e2e/clients

chaos-fresh: postgres ## five seeds of chaos that nobody ever ran, one on a cluster, and each that once failed, as tests
	go test -v -count=1 -timeout 20m -tags chaos -run Chaos ./services/e2e/chaos

# SEEDS is how many, from FIRST on; SEED is one of them alone, with everything kept; NATS=3 runs on a cluster of brokers; PLANTED plants a bug that must be
# found; CHAOS takes other flags.
SEEDS   ?= 20
FIRST   ?= 1
SEED    ?=
PLANTED ?=
NATS    ?=
CHAOS   ?=
chaos: postgres ## seeded faults against real processes, an independent judge: SEEDS=200, SEED=17, NATS=3, PLANTED=name
	go run ./services/e2e/chaos run $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)) $(if $(NATS),--nats $(NATS)) $(if $(PLANTED),--planted $(PLANTED)) $(CHAOS)

chaos-points: postgres ## runs in which the services die at one crash point after the other, until they died at each
	go run ./services/e2e/chaos run --points --first $(FIRST) $(CHAOS)

chaos-outage: postgres ## how soon full speed is back after two minutes without the org, in real time
	go run ./services/e2e/chaos outage $(CHAOS)

# ROUNDS is how many cuts there are; UNSAFE gives nats or postgres settings that lose, which must be found. It takes root and loop devices.
ROUNDS ?= 50
UNSAFE ?=
chaos-power: postgres ## power cuts of NATS, of PostgreSQL and of the whole machine: ROUNDS=50 lose nothing that was acknowledged
	go run ./services/e2e/chaos power --rounds $(ROUNDS) --first $(FIRST) $(if $(UNSAFE),--unsafe $(UNSAFE)) $(CHAOS)

# RECORDS, FAILING (of a hundred, at first), KILL_EVERY; CHAOS takes other flags, such as --brief or --markdown docs/reliability.md.
RECORDS    ?= 10000000
FAILING    ?= 2
KILL_EVERY ?= 20s
soak: postgres ## ten million records, 2 % fail at first, a kill every 20 s: nothing is lost, nothing lands twice, nothing grows
	go run ./services/e2e/chaos soak --records $(RECORDS) --failing $(FAILING) --kill-every $(KILL_EVERY) $(CHAOS)

# FROM is the revision that is upgraded from: the newest tag unless it is named, and what services/e2e/upgrade/from.txt names while there is none.
FROM ?=
upgrade: postgres ## services of the release before beside today's, on a ledger that they filled: FROM=v0.1.0
	BULKHEAD_UPGRADE_FROM=$(FROM) go test -v -count=1 -timeout 30m -tags upgrade -run HalfOfTheServices ./services/e2e/upgrade

# CASES is how many are drawn from the seed FIRST; the whole test takes some 8 s for each on two cores.
CASES ?= 100
properties: postgres ## sequences of versions, failures, replays, re-loads and re-reads against the model: CASES=100 from the seed FIRST
	BULKHEAD_PROPERTY_SEED=$(FIRST) BULKHEAD_PROPERTY_CASES=$(CASES) go test -count=1 -timeout 60m -run EverySequence ./services/e2e/properties

# FUZZTIME is how long each target runs.
FUZZTIME ?= 60s
fuzz: ## every parser of what comes from outside, one fuzz target after the other: FUZZTIME=60s
	services/e2e/badrecords/fuzz.sh $(FUZZTIME)

simulate: ## the product in virtual time: SEEDS worlds from FIRST, every crash point in every operation, days of outages and retention
	BULKHEAD_SIMULATION_SEED=$(FIRST) BULKHEAD_SIMULATION_SEEDS=$(SEEDS) go test -tags fault -count=1 -timeout 60m ./services/e2e/simulation

# BENCH takes flags: make bench BENCH=--growth, or BENCH='--records 2000000 --runs 1 --alone'.
BENCH ?=
bench: postgres ## what a record costs: speed, CPU and memory by process, beside other clients and the bounds; medians of three runs
	go run ./services/e2e/bench run $(BENCH)

bench-once: postgres ## 200,000 records once: all must land, whatever it takes
	go run ./services/e2e/bench run --records 200000 --runs 1 --alone $(BENCH)

bench-memory: postgres ## a million records must take no more memory than 200,000, nor the command that loads them from a file more than for 10,000
	go test -v -count=1 -timeout 20m -tags bench -run NoMoreMemory ./services/e2e/bench

bench-trickle: postgres ## how soon records land that come one by one, 100 a second
	go run ./services/e2e/bench trickle $(BENCH)

# PACKAGES are those whose benchmarks run; all that have some unless they are named.
PACKAGES ?=
bench-compare: postgres $(TOOLS)/benchstat ## Go benchmarks of the hot paths against another revision: BASE=main~1
	services/e2e/bench/compare.sh $(or $(BASE),$(error BASE names the revision to compare with)) $(PACKAGES)

race: test ## the same as test: the race detector is always on

lint: $(TOOLS)/golangci-lint ## static checks
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(TOOLS)/golangci-lint run --timeout 15m ./...) || exit 1; done

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc $(TOOLS)/protoc-gen-grpc-gateway $(TOOLS)/sqlc ## make generated code again
	cd proto && PATH=$(TOOLS):$$PATH buf generate
	@for s in $(SERVICES); do $(TOOLS)/sqlc generate -f services/$$s/internal/store/sqlc.yaml || exit 1; done
	rm -rf services/bulkhead/internal/shipped/config
	mkdir -p services/bulkhead/internal/shipped/config
	cp -R deploy/config/pipelines deploy/config/orgs services/bulkhead/internal/shipped/config/

verify: generate $(TOOLS)/gofumpt ## generated code is current, import arrows hold, code is formatted, protos lint
	@git diff --exit-code -- proto/gen services/*/internal/store/db services/bulkhead/internal/shipped || { echo "generated code differs from what is committed: run 'make generate' and commit"; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- proto/gen 'services/*/internal/store/db' services/bulkhead/internal/shipped)" || { echo "generated files are not committed"; exit 1; }
	cd proto && PATH=$(TOOLS):$$PATH buf lint && PATH=$(TOOLS):$$PATH buf breaking --against '../.git#subdir=proto'
	@for m in $(MODULES); do echo "arrows: $$m builds alone"; (cd $$m && GOWORK=off go build ./...) || exit 1; done
	@out=$$(git ls-files '*.go' | grep -v -e '^proto/gen/' -e '/store/db/' | xargs $(TOOLS)/gofumpt -l); test -z "$$out" || { echo "not formatted (gofumpt):"; echo "$$out"; exit 1; }
	go vet work
	go vet -tags fault,planted ./libs/... ./services/...
	go vet -tags clients ./services/e2e/clients
	go vet -tags upgrade ./services/e2e/upgrade

up: ## start PostgreSQL, NATS, the simulator and every service with Docker Compose
	docker compose up -d --build --wait

down: ## stop them and remove their volumes
	docker compose down -v

# $(call debian,PACKAGE,WHAT FOR) installs a Debian package as root, and says what to type otherwise.
define debian
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "installing $(1) (Debian package): $(2)"; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(1); \
	else \
	  echo "$(2): sudo apt-get install -y $(1)"; exit 1; \
	fi
endef

# PostgreSQL's own binaries are enough: servers are started from them on free ports, in directories of their own. The cluster that
# Debian's package may start by itself is not used.
postgres:
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && ! command -v initdb >/dev/null 2>&1; then \
	$(call debian,postgresql,PostgreSQL's server binaries are needed); fi

# The race detector is linked by a C compiler.
compiler:
	@if ! command -v $${CC:-gcc} >/dev/null 2>&1; then \
	$(call debian,gcc libc6-dev,a C compiler is needed by the race detector); fi

# Other people's clients come from npm, and so does the Node that they run on, which is newer than Debian's.
npm:
	@if ! command -v npm >/dev/null 2>&1; then \
	$(call debian,npm,npm is needed to install other people's clients); fi

# go test keeps quiet about what a passing package prints.
testdata:
	@test -e "$${BULKHEAD_TESTDATA:-../shared/data}/ourairports/airports.csv.gz" || \
	  echo "left out: services/e2e/realdata; BULKHEAD_TESTDATA names the directory that holds ourairports"

define tool
$(TOOLS)/$(1):
	@mkdir -p $(TOOLS)
	cd / && GOFLAGS= GOBIN=$(TOOLS) go install $(2)
endef
$(eval $(call tool,buf,$(BUF)))
$(eval $(call tool,protoc-gen-go,$(GEN_GO)))
$(eval $(call tool,protoc-gen-go-grpc,$(GEN_GRPC)))
$(eval $(call tool,protoc-gen-grpc-gateway,$(GEN_GATEWAY)))
$(eval $(call tool,sqlc,$(SQLC)))
$(eval $(call tool,gofumpt,$(GOFUMPT)))
$(eval $(call tool,golangci-lint,$(LINT)))
$(eval $(call tool,benchstat,$(BENCHSTAT)))

.PHONY: help build demo test test-clients chaos chaos-fresh chaos-points chaos-outage chaos-power soak upgrade properties fuzz simulate bench bench-once bench-memory bench-trickle bench-compare race lint generate verify up down postgres compiler npm testdata
