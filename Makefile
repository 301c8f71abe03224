# What people and CI call. `make test` is all that CI does.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages that must also compile for the browser; the command need not.
LIBRARIES = $(shell go list ./... | grep -v -e /cmd/ -e /internal/gpu/gpubench)
FUZZTIME ?= 20s

.PHONY: build train test lint portable bench fuzz deps clean

build:
	go build -o bin/weft ./cmd/weft

# RECIPE and ARGS choose what: make train ARGS='--preset seed --device webgpu'
RECIPE ?= mnist-mlp
train: build
	bin/weft train $(RECIPE) $(ARGS)

deps:
	@scripts/deps

lint:
	@bad=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$bad" ]; then echo "not formatted, run gofmt -w:"; echo "$$bad"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

# The same code without cgo, for the browser, and for the other processor whose
# assembly vet can check from here.
portable:
	CGO_ENABLED=0 go build ./...
	GOOS=js GOARCH=wasm go build $(LIBRARIES)
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go vet ./...

test: deps lint portable
	go test -timeout 15m ./...

bench: build
	go test -run '^$$' -bench . -benchmem ./tensor ./train ./internal/cpu/...
	bin/weft bench

# Each fuzz target for FUZZTIME, one after the other.
fuzz:
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -h '^func Fuzz' $$dir/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
			echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; done

clean:
	rm -rf bin
