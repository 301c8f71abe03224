// The player without Go: a plan given as plain data, as an exported model gives
// it, and what the player says when something is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Player, CompileError, openDevice } from "../player.js";
import { dawn } from "./go.mjs";

const STORAGE = 0x80, UNIFORM = 0x40, SRC = 4, DST = 8;

async function open() {
  const gpu = await dawn();
  const adapter = await gpu?.requestAdapter();
  assert.ok(adapter, "no WebGPU adapter: see run.sh");
  return new Player(await openDevice(adapter));
}

const scale = `
struct Step { factor: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> step: Step;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  y[id.x] = y[id.x] * 10.0 + x[id.x] * step.factor;
}`;

const plan = {
  buffers: [
    { label: "x", size: 16, usage: STORAGE | DST },
    { label: "y", size: 16, usage: STORAGE | SRC | DST },
    { label: "steps", size: 512, usage: UNIFORM | DST },
    { label: "copy", size: 32, usage: STORAGE | SRC | DST },
  ],
  shaders: [scale],
  kernels: [
    { label: "one", shader: 0, bindings: ["read", "read_write"], scalars: "uniform" },
    { label: "same", shader: 0, bindings: ["read", "read_write"], scalars: "uniform" },
  ],
  groups: [
    { kernel: 0, group: 0, entries: [[0, 0, 16], [1, 0, 16]] },
    { kernel: 0, group: 1, entries: [[2, 0, 16]] },
  ],
  steps: [
    { kernel: 0, groups: [0, 1], offset: 0, size: [1, 1, 1] },
    { copy: [1, 0, 3, 0, 16] },
    { kernel: 1, groups: [0, 1], offset: 256, size: [1, 1, 1] },
    { copy: [1, 0, 3, 16, 16] },
  ],
};

test("a plan of plain data runs", async () => {
  const p = await open();
  const progress = [];
  // Through JSON: nothing but data is needed.
  const net = await p.load(JSON.parse(JSON.stringify(plan)), (done, total) => progress.push([done, total]));
  assert.deepEqual(progress, [[1, 2], [2, 2]]);
  assert.equal(p.kernels.size, 1, "equal kernels are compiled once");
  p.write(net.buffers[0], 0, new Float32Array([1, 2, 3, 4]));
  p.write(net.buffers[2], 0, new Float32Array([1]));
  p.write(net.buffers[2], 256, new Float32Array([2]));
  p.replay(net.steps);
  const out = new Float32Array((await p.read(net.buffers[3], 0, 32)).buffer);
  assert.deepEqual([...out], [1, 2, 3, 4, 12, 24, 36, 48]);
  p.replay(net.steps);
  const y = new Float32Array((await p.read(net.buffers[1], 4, 4)).buffer);
  assert.deepEqual([...y], [2424]);
  assert.equal(p.take(), "");
  p.close();
});

test("a kernel that does not compile names its line", async () => {
  const p = await open();
  const bad = { ...plan, shaders: [scale.replace("step.factor", "step.speed")] };
  await assert.rejects(p.load(bad), (e) => e instanceof CompileError && /:7:\d+ error: .*speed/.test(e.message));
  assert.equal(p.take(), "");
  p.close();
});

test("a mistake that WebGPU reports late is kept", async () => {
  const p = await open();
  let told = 0;
  p.onchange = () => told++;
  const net = await p.load(plan);
  p.replay([{ ...net.steps[0], g0: undefined }]);
  await p.read(net.buffers[1], 0, 4);
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(told, 1);
  assert.match(p.take(), /bind group/i);
  assert.equal(p.take(), "");
  p.close();
});

test("a lost device is noticed, a closed one is not lost", async () => {
  const p = await open();
  const lost = new Promise((done) => (p.onchange = done));
  p.device.destroy();
  await lost;
  assert.notEqual(p.lost, "");
  const q = await open();
  q.onchange = () => assert.fail("closing is no loss");
  q.close();
  await q.device.lost;
  assert.equal(q.lost, "");
});
