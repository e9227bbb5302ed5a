# The few things one does here. Everything else is `go build` and `go test`.
GO ?= go
VERSION ?= $(shell git describe --tags --always 2>/dev/null)
LDFLAGS = -s -w -X github.com/brio-net/brio/cmd.version=$(VERSION)

.PHONY: build test race lint generate bench fuzz soak cover dist clean

build: ## the static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' -o brio .

test: ## what the README says
	$(GO) test -timeout=60m ./...

race:
	$(GO) test -timeout=60m -race ./...

lint:
	gofmt -l $$(git ls-files '*.go')
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

bench: ## beside the rivals that are installed: make bench ONLY=stream,unix BENCH='-rounds 5 -markdown'
	$(GO) run ./tests/bench -only '$(ONLY)' $(BENCH)

fuzz: ## every fuzz target, one after the other: make fuzz FUZZTIME=20s ONLY=dnsq (or FUZZTIME=1000000x)
	$(GO) run ./tests/fuzz -time '$(or $(FUZZTIME),20s)' -only '$(ONLY)'

soak: ## the long ones: load, storms, a million datagrams and names; SOAK_MINUTES=10
	$(GO) test -tags soak -count=1 -timeout 90m -v ./tests/soak

cover: ## of each package by its own tests: tests/COVERAGE.md
	$(GO) test -cover ./pkg/...

generate: ## man pages and completion scripts, after a change of the commands
	$(GO) run ./internal/docs/gen

dist: ## archives, packages, checksums and bill of materials for every platform
	$(GO) run ./internal/dist -version $(VERSION) -o dist

clean:
	rm -rf brio dist
