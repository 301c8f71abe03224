// A hundred thousand steps in a tab, in one sitting: what the tab holds must
// stay as it was. Every ten thousand steps the visitor looks at all the views,
// comes back, and everything is measured after a full collection. It takes five
// to ten minutes on a software adapter, so it is a command of its own:
// make e2e-memory. NET and STEPS choose another network and number of steps.

import assert from 'node:assert/strict';
import { memory, open, report, serve, trained, until, visit } from './harness.js';
import { ready, visitView } from './scenario.js';

const EVERY = 10_000;
const STEPS = Number(process.env.STEPS || 100_000);
const WARM = 20_000; // by then every view was seen often, and code is compiled
const NET = process.env.NET || '32-relu-10';
const BATCH = 16;
const HOUR = 3_600_000;
const MIB = 2 ** 20;
// How far apart two medians of three measurements may be, in bytes. The garbage
// that a heap happens to hold, and code that the browser compiles again, are of
// that size; a leak of 50 bytes a step would be 4 MiB.
const ROOM = { nodes: 0, listeners: 0, gpuBytes: 0, gpuBuffers: 0, wasmBytes: 2 * MIB, goHeap: MIB, pageHeap: 1.5 * MIB, workerHeap: 1.5 * MIB };

const server = await serve();
try {
  await visit({ webgpu: true }, async (browser, crashed) => {
    const epochs = Math.ceil((STEPS + WARM + 2 * EVERY) / (54_000 / BATCH));
    const { page, errors } = await open(browser, `${server.url}#/train?data=mnist&net=${NET}&b=${BATCH}&e=${epochs}`, { webgpu: true, crashed });
    await ready(page);
    await page.evaluate(() => (window.weftLog.short = true));
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    const step = () => trained(page, 'a step', (e) => e.state === 'running').then((e) => e.step);

    const samples = [];
    let begin;
    for (let at = EVERY; at <= STEPS + WARM; at += EVERY) {
      await until(`step ${at}`, async () => (await step()) >= at, HOUR);
      for (let round = at <= WARM ? 5 : 1; round > 0; round--) {
        for (const view of ['Look inside', 'Draw', 'Test', 'Check', 'Train']) {
          await visitView(page, view);
          await page.waitForTimeout(view === 'Look inside' ? 2000 : 300);
        }
      }
      if (at < WARM) continue;
      begin ??= Date.now();
      const sample = { step: await step(), ...(await memory(page)) };
      samples.push(sample);
      report(`memory after ${at} steps`, sample);
    }
    report('steps/s on the whole', (samples.at(-1).step - samples[0].step) / ((Date.now() - begin) / 1000));

    const middle = (list, what) => list.map((sample) => sample[what]).sort((a, b) => a - b)[Math.floor(list.length / 2)];
    for (const [what, room] of Object.entries(ROOM)) {
      const [first, last] = [middle(samples.slice(0, 3), what), middle(samples.slice(-3), what)];
      report(`${what}, first and last`, [first, last]);
      assert.ok(last <= first + room, `${what} grew from ${first} to ${last}`);
    }
    assert.deepEqual(errors, []);
  });
} finally {
  await server.stop();
}
