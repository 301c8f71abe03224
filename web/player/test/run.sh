#!/usr/bin/env bash
# Tests the browser's path without a browser: the player alone, then Go's tests
# compiled to WebAssembly, with Dawn under Node as navigator.gpu. Kernels are so
# compiled by Tint as well, which refuses some that naga takes.
#
#   web/player/test/run.sh            everything
#   web/player/test/run.sh ./tensor   one package, with go test's own flags after it
#
# Dawn needs a Vulkan driver that it accepts: a GPU's own, Mesa 23 or newer, or
# SwiftShader, which comes with Chromium and is used if nothing else is chosen.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -d node_modules/webgpu ]; then npm ci --no-audit --no-fund --ignore-scripts >&2; fi
cd ../..
if [ -z "${VK_ICD_FILENAMES:-}${VK_DRIVER_FILES:-}" ]; then
    for f in /usr/lib/chromium /usr/lib/chromium-browser /opt/google/chrome; do
        if [ -e "$f/vk_swiftshader_icd.json" ]; then export VK_ICD_FILENAMES="$f/vk_swiftshader_icd.json"; break; fi
    done
fi
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}" # Dawn complains without one
WASM_EXEC="$(go env GOROOT)/lib/wasm/wasm_exec.js"
export WASM_EXEC WEFT_REQUIRE_GPU=1
wasm() { GOOS=js GOARCH=wasm go test -timeout 15m -exec "node $PWD/web/player/test/go.mjs" "$@"; }
if [ $# -gt 0 ]; then
    wasm "$@"
    exit
fi
node --test web/player/test/plan.test.mjs
EXPORTS="$(mktemp -d)"
export EXPORTS
trap 'rm -rf "$EXPORTS"' EXIT
go run ./format/web/testexport -out "$EXPORTS"
node --test web/player/test/export.test.mjs web/player/test/explain.test.mjs
wasm ./internal/gpu ./internal/cpu/pool ./tensor
wasm -run 'Strip|Quad' ./internal/wgsl
wasm ./optim ./nn
wasm -run 'Devices|MoveDevice|Overflow|Precision|Crop|Flip|Cutout|Augment|Averaged|TwoOptimizers|Accumul' ./train
wasm -run 'Fixture|Table|Casts' ./conformance
