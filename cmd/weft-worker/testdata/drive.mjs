// Runs the worker's WebAssembly in Node.js as web/src/worker.ts does in a
// browser, and trains a little through its messages. Prints one JSON line.
//   node drive.mjs weft.wasm wasm_exec.js SITE [IMAGES [EPOCHS]]
// With PLAYER, the folder of the player, it has Dawn's WebGPU.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , wasm, runtime, site, images = "2000", epochs = "1"] = process.argv;
await import(pathToFileURL(runtime).href);

const waiting = new Map();
const events = [];
const transferred = [];
globalThis.postMessage = (message, transfer) => {
  // As a real postMessage: a copy, whose arrays are moved.
  message = structuredClone(message, { transfer: [...transfer] });
  transferred.push(transfer.length);
  if (message.event) return void events.push(message);
  const { resolve, reject } = waiting.get(message.id);
  waiting.delete(message.id);
  if (message.ok) resolve(message.result);
  else reject(Object.assign(new Error(message.error.message), { hint: message.error.hint }));
};
globalThis.weftFetch = async (url, progress) => {
  const b = await readFile(url);
  progress(b.length, b.length);
  return new Uint8Array(b);
};
const ready = new Promise((resolve) => { globalThis.weftReady = resolve; });
const go = new globalThis.Go();
const begin = performance.now();
const { instance } = await WebAssembly.instantiate(await readFile(wasm), go.importObject);
if (process.env.PLAYER) {
  const player = (name) => import(pathToFileURL(path.join(process.env.PLAYER, name)).href);
  (await player("bridge.js")).install(instance, await (await player("test/go.mjs")).dawn());
}
go.run(instance);
await ready;
const startMs = performance.now() - begin;

let next = 1;
const ask = (type, body = {}) => new Promise((resolve, reject) => {
  const id = next++;
  waiting.set(id, { resolve, reject });
  globalThis.weftReceive({ id, type, ...body });
});
const until = async (f) => { while (!f()) await new Promise((r) => setTimeout(r, 5)); };
const trains = () => events.filter((e) => e.event === "train");

const out = { startMs };
out.init = await ask("init", { base: site, parts: "", device: "auto" });
const drawing = performance.now();
out.data = await ask("data", { source: "synthetic", train: Number(images), test: 200 });
out.dataMs = performance.now() - drawing;
out.model = await ask("model", { layers: [{ type: "linear", units: 32 }, { type: "relu" }, { type: "linear", units: 10 }], seed: 1 });
const config = { optimizer: "sgd", lr: 0.1, minLr: 0.001, schedule: "cosine", batch: 32, epochs: Number(epochs), seed: 1,
  weightDecay: 0, momentum: 0, labelSmoothing: 0, valFraction: 0.1 };
out.start = await ask("start", { config });
await until(() => trains().some((e) => e.step > 0));
const asked = performance.now();
out.paused = await ask("pause");
out.pauseMs = performance.now() - asked;
out.stepped = await ask("step", { n: 3 });
await ask("set", { lr: 0.05 });
await ask("inspect", { on: true, weights: true });
await ask("resume");
await until(() => trains().at(-1)?.state === "done");
await ask("inspect", { on: false });
out.last = { ...trains().at(-1), losses: undefined, accuracies: undefined };
out.losses = trains().flatMap((e) => [...e.losses]);
out.epochs = events.filter((e) => e.event === "epoch");
const view = events.findLast((e) => e.event === "inspect");
out.view = view.layers.map((l) => ({ ...l, activations: l.activations?.values.length, weights: l.weights?.values.length, bias: l.bias?.length }));
const drawn = new Uint8Array(100 * 100);
for (let y = 20; y < 80; y++) drawn.fill(255, y * 100 + 48, y * 100 + 56);
const { pixels } = await ask("prepare", { pixels: drawn, width: 100, height: 100 });
out.prediction = await ask("predict", { pixels });
out.prediction.probabilities = [...out.prediction.probabilities];
out.prediction.activations = out.prediction.activations.map((a) => [a.name, a.values.length]);
const test = await ask("test");
out.test = { accuracy: test.accuracy, mistakes: test.mistakes.length, pixels: test.mistakes[0]?.pixels.length };
const { bytes } = await ask("save");
out.loaded = await ask("load", { bytes, name: "mine" });
const failure = (p) => p.then(() => "no error", (e) => [e.message, e.hint]);
out.badFile = await failure(ask("load", { bytes: new Uint8Array(100), name: "bad" }));
out.badType = await failure(ask("dance"));
out.badField = await failure(ask("step", { n: "many" }));
out.stats = await ask("stats");
out.transferred = Math.max(...transferred);
console.log(JSON.stringify(out));
process.exit(0);
