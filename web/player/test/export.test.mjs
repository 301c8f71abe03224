// Exported models under Node with Dawn: their results against Go's, many calls
// at once, and every way in which a page can go wrong. EXPORTS is what
// format/web/testexport has written.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { dawn } from "./go.mjs";
import { digit, fitted } from "../module/input.js";

const folder = path.resolve(process.env.EXPORTS ?? "bin/exports");
const read = (...name) => fs.readFileSync(path.join(folder, ...name));
const json = (...name) => JSON.parse(read(...name));

/** fetch for files, in pieces as a network gives them; edit may change one. */
function files(model, edit = {}) {
  return async (url) => {
    const name = path.basename(url.pathname);
    const bytes = edit[name] ? edit[name](read(model, name)) : read(model, name);
    if (bytes === null) return new Response("", { status: 404 });
    const body = new ReadableStream({
      start(c) {
        for (let at = 0; at < bytes.length; at += 50_000) c.enqueue(new Uint8Array(bytes.subarray(at, at + 50_000)));
        c.close();
      },
    });
    return new Response(body);
  };
}

const gpu = await dawn();
async function open(model, { edit, ...options } = {}) {
  const module = await import(pathToFileURL(path.join(folder, model, "model.js")).href);
  return { ...module, net: await module.load(undefined, { gpu, fetch: files(model, edit), ...options }) };
}
const module = await import(pathToFileURL(path.join(folder, "mnist-mlp", "model.js")).href);

function near(got, want, tolerance) {
  assert.equal(got.length, want.length);
  got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= tolerance, `result ${i}: ${v}, want ${want[i]}`));
}

for (const model of ["mnist-mlp", "mnist-mlp2", "mnist-cnn", "photo", "masks"]) {
  test(`${model} answers as Weft does, alone, as a batch, and many at once`, async () => {
    const { pixels, logits } = json(model, "expected.json");
    const images = pixels.map((p) => Uint8Array.from(p)), scale = Math.max(1, ...logits.map(Math.abs));
    const progress = [];
    const { net } = await open(model, { progress: (p) => progress.push(p) });
    for (const phase of ["weights", "kernels"]) {
      const last = progress.filter((p) => p.phase === phase).at(-1);
      assert.ok(last.done > 0 && last.done === last.total, JSON.stringify(last));
    }
    const count = logits.length / 7, size = images[0].length, row = (i) => logits.slice(count * i, count * (i + 1));
    near(await net(images[0]), row(0), 1e-4 * scale);
    near(await net(images), logits, 1e-4 * scale);
    const whole = new Uint8Array(images.length * size);
    images.forEach((x, i) => whole.set(x, size * i));
    near(await net(whole), logits, 1e-4 * scale);
    // 39 is two batches of 16 and some; 1000 fills several.
    const many = Array.from({ length: 39 }, (_, i) => images[i % 7]);
    near(await net(many), many.flatMap((_, i) => row(i % 7)), 1e-4 * scale);
    const all = await Promise.all(Array.from({ length: 24 }, (_, i) => (i % 5 === 4 ? net(images) : net(images[i % 7]))));
    all.forEach((y, i) => near(y, i % 5 === 4 ? logits : row(i % 7), 1e-4 * scale));
    // What the caller normalises is the same.
    const { scale: s, mean, std, shape: [channels, h, w] } = net.info.input;
    const tensor = Float32Array.from({ length: size }, (_, i) => {
      const c = Math.floor(i / (h * w));
      return (images[1][(i % (h * w)) * channels + c] * s - mean[c]) / std[c];
    });
    near(await net({ tensor }), row(1), 1e-4 * scale);
    net.close();
  });

  test(`${model} stored as float16`, async () => {
    const { pixels, logits } = json(model, "expected.json");
    const { net } = await open(`${model}-f16`);
    near(await net(pixels.map((p) => Uint8Array.from(p))), logits, 5e-3 * Math.max(1, ...logits.map(Math.abs)));
    net.close();
    if (model === "photo") return; // mostly vectors
    const [half, full] = [`${model}-f16`, model].map((m) => read(m, "weights.safetensors").length);
    assert.ok(half < 0.52 * full, `${half} of ${full} bytes`);
  });
}

test("a network of several inputs takes and gives tensors by name", async () => {
  const { net, InputError } = await open("named"), calls = json("named", "calls.json");
  assert.deepEqual(net.info.inputs.map(({ name, dtype, shape, samples }) => [name, dtype, shape, samples]),
    [["ids", "int32", [5], true], ["mask", "int32", [5], true], ["scale", "float32", [1, 4], false], ["unused", "float32", [2], true]]);
  assert.deepEqual(net.info.outputs.map(({ name, dtype, shape }) => [name, dtype, shape]), [["mean", "float32", [4]], ["best", "int32", []], ["long", "bool", []]]);
  // All at once: one sample, a whole batch, a batch and some.
  const answers = await Promise.all([...calls, ...calls].map(({ feeds }) => net(feeds)));
  answers.forEach((y, i) => {
    const { results } = calls[i % calls.length];
    near(y.mean, results.mean, 1e-4);
    for (const name of ["best", "long"]) {
      assert.ok(y[name] instanceof Int32Array, name);
      assert.deepEqual(Array.from(y[name]), results[name], name);
    }
  });
  const { feeds } = calls[1], wide = { ...feeds, ids: BigInt64Array.from(feeds.ids, BigInt) };
  near((await net(wide)).mean, calls[1].results.mean, 1e-4);
  for (const [wrong, message] of [
    [undefined, /input ids is missing/], [{ ...feeds, mask: undefined }, /input mask is missing/], [{ ...feeds, other: [1] }, /no input other; the model takes ids, mask/],
    [{ ...feeds, ids: [1, 2] }, /ids has 2 numbers; the model takes rows of 5/], [{ ...feeds, mask: [0, 0, 0, 0, 0] }, /mask has 1 samples, others have 16/], [{ ...feeds, scale: [1] }, /scale has 1 numbers/],
  ]) {
    await assert.rejects(net(wrong), (e) => e instanceof InputError && message.test(e.message), String(message));
  }
  net.close();
  await assert.rejects(net(feeds), /closed/);
});

test("classes and probabilities", async () => {
  const { pixels, logits } = json("mnist-mlp", "expected.json");
  const { net } = await open("mnist-mlp", { batch: 8 });
  const y = await net(pixels);
  const p = net.probabilities(y);
  pixels.forEach((_, i) => {
    const row = logits.slice(10 * i, 10 * i + 10), label = row.indexOf(Math.max(...row));
    const sum = p.subarray(10 * i, 10 * i + 10).reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - 1) < 1e-5);
    const [best, second] = net.top(y, 2, i);
    assert.equal(best.index, label);
    assert.equal(best.name, String(label));
    assert.ok(best.probability >= second.probability);
    assert.ok(Math.abs(best.probability - p[10 * i + label]) < 1e-6);
  });
  assert.equal(net.top(y, 10).length, 10);
  // A network that ends with a softmax of its own is not given a second one.
  assert.deepEqual(net.probabilities(p), p);
  net.close();
});

test("pictures become digits as in Go", async () => {
  for (const { name, width, height, rgba, want } of json("digits.json")) {
    const image = { data: new Uint8ClampedArray(Buffer.from(rgba, "base64")), width, height };
    if (!want) {
      assert.throws(() => digit(image), /blank/, name);
      continue;
    }
    assert.deepEqual([...digit(image)], [...Buffer.from(want, "base64")], name);
  }
});

const cut = (image, w, h, channels, resize) => fitted({ shape: [channels, h, w], fit: "crop", resize }, image);

test("pictures are resized and cut", async () => {
  const ramp = (w, h) => ({ width: w, height: h, data: Uint8ClampedArray.from({ length: 4 * w * h }, (_, i) => [(i >> 2) % w, Math.floor((i >> 2) / w), 7, 255][i & 3]) });
  // Half the size: pixel x is the mean about 2x+0.5; of the width the middle is left.
  const half = await cut(ramp(80, 40), 20, 20, 3, 0);
  assert.equal(half.length, 1200);
  near([half[3 * (20 * 10 + 10)], half[3 * (20 * 10 + 10) + 1], half[2]], [2 * 20 + 0.5, 20.5, 7], 1e-3);
  near([...await cut(ramp(32, 32), 32, 32, 3, 0)].filter((_, i) => i % 3 === 0), Array.from({ length: 1024 }, (_, i) => i % 32), 1e-4);
  // Shorter side to 16, the middle 8.
  near([(await cut(ramp(64, 32), 8, 8, 3, 16))[0]], [2 * 12 + 0.5], 1e-3);
  // Larger, grey, and what is transparent is white.
  near([...await cut({ width: 1, height: 1, data: [0, 0, 0, 0] }, 2, 2, 1, 0)], [255, 255, 255, 255], 1e-3);
});

test("without WebGPU load says so", async () => {
  for (const none of [null, { requestAdapter: async () => null }]) {
    await assert.rejects(module.load(undefined, { gpu: none, fetch: files("mnist-mlp") }), (e) => e instanceof module.WebGPUUnavailableError && e instanceof module.WeftError && /no WebGPU/.test(e.message) && e.name === "WebGPUUnavailableError");
  }
});

test("broken and mismatched files are told apart", async () => {
  const cases = [
    ["plan.json", (b) => b.subarray(0, 900), "ModelFileError", /damaged/],
    ["plan.json", () => Buffer.from("{}"), "ModelFileError", /not the plan/],
    ["plan.json", (b) => Buffer.from(b.toString().replace('"version":1', '"version":9')), "ModelFileError", /version 9/],
    ["plan.json", () => null, "FetchError", /404/],
    ["plan.json", (b) => Buffer.from(b.toString().replaceAll("fn main(", "fn main!(")), "CompileError", /error/],
    ["weights.safetensors", (b) => b.subarray(0, 5000), "ModelFileError", /cut short/],
    ["weights.safetensors", (b) => { b[b.length - 9] ^= 1; return b; }, "ModelFileError", /damaged/],
    ["weights.safetensors", () => read("mnist-mlp2", "weights.safetensors"), "ModelFileError", /another model/],
    ["weights.safetensors", () => null, "FetchError", /404/],
  ];
  for (const [name, change, type, text] of cases) {
    await assert.rejects(open("mnist-mlp", { edit: { [name]: change } }), (e) => e instanceof module[type] && text.test(e.message), `${type} ${text}`);
  }
  await assert.rejects(module.load(undefined, { gpu, fetch: async () => { throw new TypeError("offline"); } }), module.FetchError);
});

test("input that is none", async () => {
  const { net, InputError } = await open("mnist-mlp");
  const blank = { width: 30, height: 30, data: new Uint8ClampedArray(3600) };
  for (const x of [undefined, null, 5, "digit", {}, [], new Uint8Array(100), { tensor: new Float32Array(3) }, { tensor: [] }, [new Uint8Array(784), new Uint8Array(3)], new Blob(["text"]), blank]) {
    await assert.rejects(net(x), InputError, String(x));
  }
  assert.equal((await net(new Uint8Array(784))).length, 10, "and it goes on");
  net.close();
});

test("a lost GPU is an error once, and opened again", async () => {
  let devices = [];
  const watched = {
    requestAdapter: async (o) => {
      const adapter = await gpu.requestAdapter(o), request = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (d) => {
        const device = await request(d);
        devices.push(device);
        return device;
      };
      return adapter;
    },
  };
  const { pixels, logits } = json("mnist-mlp", "expected.json");
  const { net, DeviceLostError, WeftError } = await open("mnist-mlp", { gpu: watched });
  const { queue } = devices[0], submit = queue.submit.bind(queue);
  queue.submit = (list) => {
    submit(list);
    devices[0].destroy();
  };
  await assert.rejects(net(pixels[0]), DeviceLostError);
  near(await net(pixels[0]), logits.slice(0, 10), 1e-3);
  assert.equal(devices.length, 2);
  net.close();
  await assert.rejects(net(pixels[0]), (e) => e instanceof WeftError && /closed/.test(e.message));
  devices = [];
});
