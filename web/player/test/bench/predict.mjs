// Times the warm prediction of exported models, under Node with Dawn:
//
//   node web/player/test/bench/predict.mjs FOLDER... [--batch N] [--seconds S] [--kernels hardware|software]
//
// --kernels takes the programs for another kind of adapter than the one there is.
// Models are measured in turns, so that a busy machine is unfair to none. In a
// browser, weft export web MODEL --verify says the same.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { dawn } from "../go.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: "string", default: "1" }, seconds: { type: "string", default: "4" }, kernels: { type: "string" } },
});
const gpu = await dawn(), batch = Number(values.batch);

async function open(folder) {
  const dir = path.resolve(folder);
  const { load } = await import(pathToFileURL(path.join(dir, "model.js")).href);
  const fetch = async (url) => {
    let bytes = fs.readFileSync(path.join(dir, path.basename(url.pathname)));
    if (values.kernels && url.pathname.endsWith("plan.json")) {
      const plan = JSON.parse(bytes), { webgpu } = plan.kernels;
      webgpu.programs = webgpu.programs.filter((p) => (p.adapter ?? values.kernels) === values.kernels);
      for (const p of webgpu.programs) delete p.adapter;
      bytes = JSON.stringify(plan);
    }
    return new Response(bytes);
  };
  const begin = performance.now(), net = await load(dir, { gpu, fetch, batch });
  const size = net.info.input.shape.reduce((a, b) => a * b);
  return { folder, net, load: performance.now() - begin, times: [], x: Uint8Array.from({ length: batch * size }, (_, i) => (i * 97) % 256) };
}

const models = [];
for (const folder of positionals) models.push(await open(folder));
for (const m of models) for (let i = 0; i < 5; i++) await m.net(m.x);
for (const end = performance.now() + 1000 * Number(values.seconds); performance.now() < end; ) {
  for (const m of models) {
    const begin = performance.now();
    await m.net(m.x);
    m.times.push(performance.now() - begin);
  }
}
for (const { folder, net, load, times } of models) {
  times.sort((a, b) => a - b);
  const at = (share) => Number(times[Math.floor(share * (times.length - 1))].toFixed(3));
  const { adapter } = net.info;
  console.log(JSON.stringify({ folder, adapter: `${adapter.vendor} ${adapter.architecture}`.trim(), software: adapter.software, batch, load_ms: Math.round(load), median_ms: at(0.5), p10_ms: at(0.1), p90_ms: at(0.9), runs: times.length }));
  net.close();
}
process.exit(0); // Dawn keeps Node alive
