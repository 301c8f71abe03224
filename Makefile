# What people and CI call. `make test` is all that CI does.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Packages that must also compile for the browser; the command need not.
LIBRARIES = $(shell go list ./... | grep -v -e /cmd/ -e /internal/gpu/gpubench)
FUZZTIME ?= 20s

# Where scripts/node puts a Node.js if the machine's own is too old.
export PATH := $(CURDIR)/bin/node/node_modules/.bin:$(PATH)

.PHONY: build train test lint portable bench fuzz deps docs-check clean lab lab-files site pages web onnx player e2e e2e-long e2e-memory e2e-input FORCE

# With a C compiler if one can be had: without, there is no WebGPU in the
# command, which scripts/deps says.
build: deps
	go build -trimpath -o bin/weft ./cmd/weft

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
	@scripts/licences --check

# The same code without cgo, for the browser, and for the other processor whose
# assembly vet can check from here.
portable:
	CGO_ENABLED=0 go build ./...
	GOOS=js GOARCH=wasm go build $(LIBRARIES)
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go vet ./...

test: deps lint portable
	go test -timeout 15m ./...
	@if [ "$(CI)" = true ] || { command -v node && command -v chromium; } >/dev/null; then $(MAKE) web onnx player e2e; \
	else echo "SKIPPED: the pages' tests, ONNX Runtime's and those in a browser: make web onnx player e2e" >&2; fi

# The pages' own checks: style, types, tests that need no browser.
web: web/node_modules/.package-lock.json
	cd web && npm run --silent lint && npm run --silent check && npm run --silent test

# What we export, run by ONNX Runtime Web under Node.
onnx: web/node_modules/.package-lock.json
	WEFT_ONNXRUNTIME=1 go test -timeout 15m -run Runtime ./format/onnx

bench: build
	go test -run '^$$' -bench . -benchmem ./tensor ./train ./internal/cpu/...
	bin/weft bench

# The browser's path with Dawn under Node: the player, exported models, and Go's
# own tests as WebAssembly, whose kernels Tint compiles.
player:
	@scripts/node browser
	web/player/test/run.sh

# What README.md and docs/ say of commands, defaults and figures is what the
# program does. Part of the tests as well.
docs-check:
	go test -count=1 -run 'TestDocs' ./cmd/weft

# Each fuzz target for FUZZTIME, one after the other.
fuzz:
	@set -e; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -h '^func Fuzz' $$dir/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
			echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; done

# The lab: pages by Vite, the worker by Go, both packed into internal/site/dist,
# which the command embeds. What has not changed is not built again. ADDR is
# where it is served, OPEN=--open opens the browser.
ADDR ?= 127.0.0.1:8080
# The programs of the pages' workers, and Go's own loader, which must be of the
# same version.
PROGRAMS = bin/weft.wasm bin/weft-check.wasm bin/weft-import.wasm
# The network of the Photo view as a web export.
PHOTO = $(foreach f,plan.json weights.safetensors model.onnx,-add models/cifar-small/$f=bin/cifar-small/$f)
WORKER = $(foreach p,$(PROGRAMS),-add $(notdir $p)=$p) $(PHOTO) -add LICENCES.txt=licences/LICENCES.txt -add wasm_exec.js=$(shell go env GOROOT)/lib/wasm/wasm_exec.js
PAGES = $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -path 'web/e2e/*' -not -path 'web/test/*' -not -path 'web/screens/*')

lab: lab-files build
	bin/weft serve --addr $(ADDR) $(OPEN)

lab-files: pages $(PROGRAMS) bin/cifar-small/plan.json
	@go run ./internal/site/pack -out internal/site/dist $(WORKER)

pages: web/dist/index.html
web/dist/index.html: web/node_modules/.package-lock.json $(PAGES)
	cd web && npm run --silent build

web/node_modules/.package-lock.json: web/package-lock.json
	@scripts/node
	cd web && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

# Go knows itself what has changed. What is not computed with, such as printing
# shaders and reading JSON, is compiled without inlining: that takes 7 % off what a
# visitor loads, where optimizing the WebAssembly afterwards takes half a percent.
SMALL = encoding/json fmt time reflect github.com/weft-ml/weft/...
FAST = github.com/weft-ml/weft/internal/cpu github.com/weft-ml/weft/internal/cpu/... github.com/weft-ml/weft/data/...
WASM = GOOS=js GOARCH=wasm go build -trimpath -ldflags='-s -w' $(SMALL:%=-gcflags='%=-l') $(FAST:%=-gcflags='%=')

bin/weft.wasm: FORCE
	@$(WASM) -o $@ ./cmd/weft-worker
bin/weft-check.wasm: FORCE
	@$(WASM) -tags checker -o $@ ./cmd/weft-worker
bin/weft-import.wasm: FORCE
	@$(WASM) -o $@ ./cmd/weft-import
# The exporter needs no page, so the command can write what the pages bring.
bin/cifar-small/plan.json: FORCE
	@go run ./cmd/weft export web web/weights/cifar-small.safetensors --title 'CIFAR-10, small' \
		--f16 --explain --onnx --batch 1 --no-page -o $(@D) >/dev/null
FORCE:

# A site for any web server, in SITE. DATA, if given, is a folder with mnist/,
# fashion-mnist/ or models/, which become part of it. See docs/deploy.md.
SITE ?= site
site: pages $(PROGRAMS) bin/cifar-small/plan.json
	go run ./internal/site/pack -static -out $(SITE) $(WORKER) $(if $(DATA),-data $(DATA))

# The lab in a real browser, with and without WebGPU; also the site, in two
# versions, of which it does not matter in what they differ.
e2e: lab-files build
	@scripts/node browser
	go run ./internal/site/pack -static -out bin/e2e/lab $(WORKER) -max-wasm 1500000 -max-code 150000
	go run ./internal/site/pack -static -out bin/e2e/next $(WORKER) -add models/README.md=LICENSE
	go run ./format/web/testexport -out bin/exports
	cd web && node --test --test-concurrency=1 --test-reporter=spec e2e/*.test.js

# What takes minutes in a tab, or is decided by how busy the machine is: the
# seed's recipe to its end with its accuracy, the memory of 100,000 steps, and
# how soon the page hears of a pointer while it trains.
e2e-long e2e-memory e2e-input: lab-files build
	@scripts/node browser
	cd web && node e2e/$(@:e2e-%=%).mjs

clean:
	rm -rf bin web/dist
