# Two commands matter to a newcomer: make demo and make test.
# Who changes something also runs make check.

GO       ?= go
VERSION  ?= $(shell ./deploy/version)
LDFLAGS  := -s -w -X main.version=$(VERSION)
BIN       := bin/estimatord
MESOS_RUN := bin/mesos-run
PREFIX   ?= /usr/local
# Counted, not timed: go test may call a fuzz target that is ended by its time
# a failure (context deadline exceeded). FUZZTIME=5m fuzzes for longer by hand.
FUZZTIME ?= 20000x
TOOLBIN  := $(CURDIR)/build/tools

.PHONY: all build demo test check build-bench dashboards monitoring-check fuzz race lint vulncheck proto proto-check module glue-check test-cgroup2 replay-report plots bench bench-contention install uninstall packages image packages-check chaos licenses clean help

all: build

help: ## What can be made.
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "%-14s %s\n", $$1, $$2}'

build: ## The daemon, as bin/estimatord, and bin/mesos-run (no cgo, no run-time dependency).
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/estimatord ./cmd/mesos-run
	@rm -rf bin/completions && mkdir -p bin/completions
	@for shell in bash fish zsh; do ./$(BIN) completion $$shell >bin/completions/$$shell || exit 1; done

man: ## A man page for each command, in bin/man.
	@rm -rf bin/man
	CGO_ENABLED=0 $(GO) run -tags man -ldflags '$(LDFLAGS)' ./cmd/estimatord man bin/man

# Built as who calls, run with rights. Under sudo, whose path may lack Go, what was
# built before is run. Exit code 2 of the demo: it may not make cgroups here.
demo: $(if $(shell command -v $(GO)),build) ## The main job on real containers, in under a minute; asks sudo where it needs rights.
	@test -x $(BIN) || { echo 'nothing is built, and this user has no Go in the path: make demo, without sudo' >&2; exit 1; }
	@./$(BIN) demo && exit 0; code=$$?; test $$code = 2 -a "$$(id -u)" != 0 || exit $$code; \
	echo 'With the rights it needs: sudo ./$(BIN) demo' >&2; \
	test -t 0 && command -v sudo >/dev/null || exit 2; \
	sudo ./$(BIN) demo

# The demo measures CPU shares, so that it does not run beside other tests.
test: ## Every test, in a few minutes. What this user may not try is named at the end.
	$(GO) vet ./...
	$(GO) test $$($(GO) list ./... | grep -v /internal/demo$$)
	$(GO) test -count=1 ./internal/demo
	@test "$$(id -u)" = 0 || printf '%s\n' \
		'' \
		'Not root: the tests that make cgroups of their own, and the demo story, were' \
		'skipped where this user may not do so (go test -v ./... names each). To run' \
		'them all: sudo make test. For the demo and its tests alone, where systemd runs' \
		'cgroup v2: systemd-run --user --scope -p Delegate=yes make test'

check: lint vulncheck licenses proto-check build-bench monitoring-check glue-check packages-check fuzz race test-cgroup2 ## What CI runs besides make test: lint, fuzzing, races, a cgroup v2 guest.

# A module of its own: only this comparison needs cadvisor.
build-bench: ## The measuring programs compile, the comparison with cadvisor too.
	$(GO) build -o /dev/null ./internal/bench/cost
	$(GO) build -o /dev/null ./internal/bench/contention
	cd internal/bench/cadvisor && $(GO) build -o /dev/null .

# A module of its own: only these need Grafana's SDK and the parser of PromQL.
dashboards: ## The Grafana dashboards, as deploy/monitoring/dashboards/*.json.
	cd internal/tools/monitoring && $(GO) run . ../../../deploy/monitoring/dashboards

# The tests build and run the real daemon, which Go's cache does not know.
monitoring-check: ## Dashboards, rules and alerts are valid, ask for what there is, and work with Debian's prometheus.
	cd internal/tools/monitoring && $(GO) mod tidy -diff && $(GO) vet . && $(GO) test -count=1 .

# go test -fuzz takes one target of one package at a time.
fuzz: ## Each fuzz target for FUZZTIME.
	@set -e; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | sed 's/^func //' | sort -u); do \
			echo "fuzz $$pkg $$target"; \
			$(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x || exit 1; \
		done; \
	done

race: ## Every test under the race detector.
	CGO_ENABLED=1 $(GO) test -race $$($(GO) list ./... | grep -v -e /internal/demo$$ -e /estimatord/module)

$(TOOLBIN)/%: $(wildcard internal/tools/*.mod)
	@mkdir -p $(TOOLBIN)
	GOBIN=$(TOOLBIN) $(GO) install -modfile=internal/tools/$(TOOLMOD_$*).mod $(TOOLPKG_$*)

TOOLMOD_golangci-lint      := lint
TOOLPKG_golangci-lint      := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
TOOLMOD_protoc-gen-go      := proto
TOOLPKG_protoc-gen-go      := google.golang.org/protobuf/cmd/protoc-gen-go
TOOLMOD_protoc-gen-go-grpc := proto
TOOLPKG_protoc-gen-go-grpc := google.golang.org/grpc/cmd/protoc-gen-go-grpc
TOOLMOD_go-licenses        := license
TOOLPKG_go-licenses        := github.com/google/go-licenses
TOOLMOD_nfpm               := nfpm
TOOLPKG_nfpm               := github.com/goreleaser/nfpm/v2/cmd/nfpm
TOOLMOD_cyclonedx-gomod    := sbom
TOOLPKG_cyclonedx-gomod    := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
TOOLMOD_govulncheck        := vuln
TOOLPKG_govulncheck        := golang.org/x/vuln/cmd/govulncheck
.SECONDARY: $(addprefix $(TOOLBIN)/,cyclonedx-gomod go-licenses golangci-lint govulncheck nfpm protoc-gen-go protoc-gen-go-grpc)

lint: $(TOOLBIN)/golangci-lint ## golangci-lint with gofumpt, pinned in internal/tools/lint.mod; nothing unused in go.mod.
	$(GO) mod tidy -diff
	$(TOOLBIN)/golangci-lint run ./...

# Known vulnerabilities need the public database; where it cannot be reached
# this says so instead of passing for a check.
vulncheck: $(TOOLBIN)/govulncheck ## Known vulnerabilities in what the daemon calls.
	@./internal/tools/vulncheck.sh $(TOOLBIN)/govulncheck ./...

# What is compiled into the binary; its own packages have no license of their own.
licenses: $(TOOLBIN)/go-licenses ## The licenses of what is compiled into the binary are those that CONTRIBUTING.md allows.
	$(TOOLBIN)/go-licenses check --ignore github.com/estimatord/estimatord --allowed_licenses=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT ./cmd/... 2>build/licenses.log || { cat build/licenses.log; exit 1; }

RECORDINGPB := internal/recording/recordingpb
PROTOS := $(shell cd proto && find estimatord -name '*.proto')
proto: $(TOOLBIN)/protoc-gen-go $(TOOLBIN)/protoc-gen-go-grpc ## Regenerate what the .proto files say (needs protoc).
	@command -v protoc >/dev/null || { echo "protoc not found: install Debian's protobuf-compiler" >&2; exit 1; }
	PATH=$(TOOLBIN):$$PATH protoc -I proto \
		--go_out=proto --go_opt=module=github.com/estimatord/estimatord/proto \
		--go-grpc_out=proto --go-grpc_opt=module=github.com/estimatord/estimatord/proto $(PROTOS)
	PATH=$(TOOLBIN):$$PATH protoc -I $(RECORDINGPB) --go_out=$(RECORDINGPB) --go_opt=paths=source_relative recording.proto

proto-check: proto ## Fails when the generated code is not what the .proto files say.
	git diff --exit-code -- proto $(RECORDINGPB)

test-cgroup2: ## The tests that touch the kernel, on a cgroup v2 kernel under qemu.
	GO=$(GO) internal/cgroup2vm/run ./internal/throttle ./monitor/... ./internal/fakeagent/... ./internal/bench/contention ./internal/demo

module: ## The C++ module for a mesos-agent: make module MESOS_PREFIX=/usr.
	$(MAKE) -C module VERSION='$(VERSION)' MESOS_PREFIX='$(MESOS_PREFIX)'

glue-check: ## The C++ glue compiles against Mesos's headers: make glue-check MESOS_SOURCE=dir (says so when skipped).
	sh module/glue-check.sh '$(MESOS_SOURCE)'

plots: ## The simulated stories of docs/evidence/ladder.md, as docs/evidence/plots/*.svg.
	UPDATE_DOCS=1 $(GO) test -count=1 -run TestPlots ./internal/replay/simnode

replay-report: build ## The comparison in docs/evidence/estimators.md from traces: make replay-report TRACES=dir.
	@test -n '$(TRACES)' || { echo "say where the traces are: make replay-report TRACES=dir" >&2; exit 1; }
	./internal/replay/report.sh $(BIN) '$(TRACES)'

bench: ## Benchmarks of a tick, with allocations.
	$(GO) test -run '^$$' -bench . -benchmem ./monitor/... ./estimator/... ./qos/... ./internal/tick/... ./agentapi/...

bench-contention: build ## What the ladder does for a regular service beside hogs (root, cgroup v1, two CPUs, 20 minutes): docs/evidence/contention.md.
	taskset -c 0 $(GO) run ./internal/bench/contention -daemon $(BIN)

# systemd looks into these folders of /usr and /usr/local, and of no other prefix.
UNITDIR  ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,/etc)/systemd/system
SHARE    := $(DESTDIR)$(PREFIX)/share
ETC      := $(DESTDIR)/etc/estimatord
MONITORING := $(wildcard deploy/monitoring)

# What is installed is laid out by install below, whoever installs it.
packages: build man $(addprefix $(TOOLBIN)/,cyclonedx-gomod go-licenses nfpm) ## .deb, .rpm and OCI image for amd64 and arm64, with SBOM and checksums, in build/packages.
	GO=$(GO) deploy/packages/build '$(VERSION)'

image: packages ## The same as packages: build/packages/estimatord_VERSION.oci.tar, from scratch.

packages-check: packages ## The packages come out the same in another folder; the image runs under runc, the .deb lives and dies under a real systemd.
	GO=$(GO) deploy/packages/check-reproducible '$(VERSION)'
	$(GO) test -count=1 ./deploy
	GO=$(GO) internal/systemdvm/run

chaos: ## What can happen to a daemon, and a thousand kill -9, on this machine (root, half an hour); docs/evidence/chaos.md.
	CHAOS=long $(GO) test -count=1 -timeout 60m -v -run 'TestChaos' ./deploy

# What a package holds is what this installs: deploy/packages.
install: ## What was built (and the man pages, if made), its unit, and the configuration that is not there yet, under PREFIX and /etc. Builds nothing.
	@test -x $(BIN) || { echo 'nothing is built: make build, then install' >&2; exit 1; }
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/estimatord
	install -D -m 0755 $(MESOS_RUN) $(DESTDIR)$(PREFIX)/bin/mesos-run
	install -d $(DESTDIR)$(UNITDIR)
	sed 's#/usr/local/bin/#$(PREFIX)/bin/#' deploy/systemd/estimatord.service >$(DESTDIR)$(UNITDIR)/estimatord.service
	install -D -m 0644 -t $(SHARE)/estimatord configs/settings.schema.json configs/policy.schema.json
	install -D -m 0644 bin/completions/bash $(SHARE)/bash-completion/completions/estimatord
	install -D -m 0644 bin/completions/fish $(SHARE)/fish/vendor_completions.d/estimatord.fish
	install -D -m 0644 bin/completions/zsh $(SHARE)/zsh/site-functions/_estimatord
	$(if $(wildcard bin/man/*.8),install -D -m 0644 -t $(SHARE)/man/man8 bin/man/*.8)
	install -D -m 0644 -t $(SHARE)/doc/estimatord LICENSE NOTICE CHANGELOG.md SECURITY.md configs/mesos-modules.json
	$(if $(MONITORING),cp -r $(MONITORING) $(SHARE)/doc/estimatord/)
	install -d $(ETC)
	@for name in estimatord policy; do \
		test -e $(ETC)/$$name.yaml || $(call config,$$name) >$(ETC)/$$name.yaml || exit 1; \
	done

# The example configuration as it is installed.
config = sed 's|schema=\./|schema=$(PREFIX)/share/estimatord/|' configs/$(1).yaml

uninstall: ## Stops the daemon and removes what install and the daemon wrote; configuration that was changed stays.
	@if test -z '$(DESTDIR)' && systemctl cat estimatord.service >/dev/null 2>&1; then systemctl disable --now estimatord.service; fi
	rm -f $(DESTDIR)$(PREFIX)/bin/estimatord $(DESTDIR)$(PREFIX)/bin/mesos-run $(DESTDIR)$(UNITDIR)/estimatord.service
	rm -f $(SHARE)/bash-completion/completions/estimatord $(SHARE)/fish/vendor_completions.d/estimatord.fish $(SHARE)/zsh/site-functions/_estimatord
	rm -f $(SHARE)/man/man8/estimatord.8 $(SHARE)/man/man8/estimatord-*.8
	rm -rf $(SHARE)/estimatord $(SHARE)/doc/estimatord $(DESTDIR)/var/lib/estimatord $(DESTDIR)/run/estimatord
	@for name in estimatord policy; do \
		$(call config,$$name) | cmp -s - $(ETC)/$$name.yaml && rm $(ETC)/$$name.yaml; \
	done; rmdir $(ETC) 2>/dev/null || ! test -e $(ETC) || echo 'kept: $(ETC), which holds your configuration'
	@if test -z '$(DESTDIR)' && test -d /run/systemd/system; then systemctl daemon-reload; fi

clean:
	rm -rf bin build
	$(MAKE) -C module clean
