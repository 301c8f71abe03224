// Runs a Go js/wasm program under Node with Dawn as navigator.gpu, the way a page
// runs it in a browser, but without a page. Used by `go run` and `go test` as
//   GOOS=js GOARCH=wasm go test -exec "node web/player/test/go.mjs" ./tensor
// It does what Go's own wasm_exec_node.js does, and installs the bridge.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import crypto from "node:crypto";
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { install } from "../bridge.js";

let gpu; // kept: when it is collected, Dawn's devices crash

/** Dawn as navigator.gpu, or undefined where WEFT_NO_GPU is set. */
export async function dawn() {
  if (process.env.WEFT_NO_GPU) return undefined;
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  return (gpu ??= create((process.env.DAWN_FLAGS ?? "").split(" ").filter(Boolean)));
}

/** Counts Go's calls into JavaScript, for the test that there are few. */
function count(imports) {
  const calls = (globalThis.weftCalls = { count: 0 });
  for (const [name, f] of Object.entries(imports)) {
    if (!name.startsWith("syscall/js.") || name.endsWith("finalizeRef")) continue;
    imports[name] = (sp) => {
      calls.count++;
      return f(sp);
    };
  }
}

async function main([program, ...args]) {
  const require = createRequire(import.meta.url);
  Object.assign(globalThis, { require, fs, path });
  globalThis.crypto ??= crypto.webcrypto;
  const exec = process.env.WASM_EXEC ?? path.join(execFileSync("go", ["env", "GOROOT"]).toString().trim(), "lib/wasm/wasm_exec.js");
  require(exec);
  const go = new globalThis.Go();
  go.argv = [program, ...args];
  go.env = { TMPDIR: os.tmpdir(), ...process.env };
  delete go.env.GOMAXPROCS; // meant for the machine: WebAssembly has one thread, and Go ends at once if told more
  go.exit = process.exit;
  count(go.importObject.gojs);
  const { instance } = await WebAssembly.instantiate(fs.readFileSync(program), go.importObject);
  install(instance, await dawn());
  process.on("exit", (code) => {
    // Node leaves when nothing is pending: Go then reports its deadlock.
    if (code === 0 && !go.exited) {
      go._pendingEvent = { id: 0 };
      go._resume();
    }
  });
  await go.run(instance);
}

if (process.argv[1] === import.meta.filename) {
  main(process.argv.slice(2)).catch((e) => {
    console.error(e);
    process.exit(1);
  });
}
