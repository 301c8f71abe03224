// The programs of an export with --explain under Node with Dawn, against Go's
// gradients and layers.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { dawn } from "./go.mjs";

const folder = path.resolve(process.env.EXPORTS ?? "bin/exports", "photo");
const json = (name) => JSON.parse(fs.readFileSync(path.join(folder, name)));
const gpu = await dawn();
const { load } = await import(pathToFileURL(path.join(folder, "model.js")).href);
const open = (edit = (plan) => plan) => load(undefined, {
  gpu,
  fetch: async (url) => {
    const name = path.basename(url.pathname);
    return new Response(name === "plan.json" ? JSON.stringify(edit(json(name))) : fs.readFileSync(path.join(folder, name)));
  },
});

function near(got, want, what) {
  const scale = Math.max(...want.map(Math.abs));
  assert.ok(scale > 0, `${what}: nothing to compare`);
  assert.equal(got.length, want.length, what);
  got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 1e-4 * scale, `${what}: value ${i} is ${v}, want ${want[i]}`));
}

test("saliency and features are what Go computes", async () => {
  const net = await open(), { pixels, logits } = json("expected.json"), want = json("explained.json"), x = Uint8Array.from(pixels[0]);
  assert.deepEqual(net.info.explains.map((e) => e.name), ["saliency", "features"]);
  assert.deepEqual(net.info.batches, [1, 16], "explaining programs are no batches");
  const [[gradient], layers, y] = await Promise.all([net.explain("saliency", x, { class: want.class }), net.explain("features", x), net(x)]);
  near(gradient.data, want.saliency, "saliency");
  assert.deepEqual(gradient.shape, net.info.input.shape);
  assert.deepEqual(layers.map((l) => l.name), Object.keys(want.features));
  for (const l of layers) near(l.data, want.features[l.name], `layer ${l.name}`);
  near(y, logits.slice(0, y.length), "prediction beside them");
  const [one] = await net.explain("features", x, { results: ["3"] });
  near(one.data, want.features[3], "one layer alone");
  const [other] = await net.explain("saliency", x, { class: want.class + 1 });
  assert.notDeepEqual(other.data, gradient.data);
  net.close();
});

test("what cannot be explained says why", async () => {
  const net = await open(), { pixels } = json("expected.json"), x = Uint8Array.from(pixels[0]);
  await assert.rejects(net.explain("dreams", x), /without dreams.*--explain/);
  await assert.rejects(net.explain("features", x, { results: ["99"] }), /features has 0, 3, 6/);
  await assert.rejects(net.explain("saliency", x, { class: 12 }), /no class 12; the model has 12/);
  await assert.rejects(net.explain("saliency", pixels.map((p) => Uint8Array.from(p)).flatMap((p) => [...p])), /pixels|one input/);
  net.close();
  const plain = await open((plan) => {
    plan.kernels.webgpu.programs = plan.kernels.webgpu.programs.filter((p) => !p.name);
    return plan;
  });
  assert.deepEqual(plain.info.explains, []);
  await assert.rejects(plain.explain("saliency", x), /--explain/);
  plain.close();
});
