// The seed's recipe to its end in a browser tab, then the test set, once; with
// the memory before and after. It takes minutes on a software adapter, so it
// is a command of its own: make e2e-long.

import assert from 'node:assert/strict';
import { answered, open, report, serve, until, visit } from './harness.js';
import { ready } from './scenario.js';

const HOUR = 3_600_000;
const server = await serve();
try {
  await visit({ webgpu: true }, async (browser, crashed) => {
    const { page, errors } = await open(browser, `${server.url}#/train?data=mnist&b=32&e=15&s=2&v=0`, { webgpu: true, crashed });
    await ready(page);
    // Losses are not needed here, and the log of an hour would be the leak.
    const latest = () => page.evaluate(() => {
      const { events } = window.weftLog;
      const last = events.findLast((e) => e.event === 'train');
      events.splice(0, events.length, ...(last ? [last] : []));
      return last && { step: last.step, steps: last.steps, state: last.state, gpuBytes: last.gpuBytes };
    });
    const heap = () => page.evaluate(() => performance.memory?.usedJSHeapSize);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    const early = await until('2,000 steps', async () => { const e = await latest(); return e?.step >= 2000 && e; }, HOUR);
    report('JS heap of the page and GPU bytes at step 2,000', [await heap(), early.gpuBytes]);
    const begin = Date.now();
    const done = await until('the last step', async () => { const e = await latest(); return e?.state === 'done' && e; }, HOUR);
    report('JS heap of the page and GPU bytes at the end', [await heap(), done.gpuBytes]);
    report('steps/s', Math.round((done.step - early.step) / ((Date.now() - begin) / 1000)));
    assert.equal(done.gpuBytes, early.gpuBytes, 'GPU memory changed while training');
    await page.evaluate(() => (location.hash = '#/test'));
    await page.getByRole('button', { name: 'Test', exact: true }).click();
    await answered(page, 'test');
    // The figure in the page's own list of results, not that of a built-in model.
    const figure = page.locator('dt', { hasText: /^Accuracy$/ }).locator('xpath=following-sibling::dd');
    const text = await until('the accuracy', async () => (await figure.innerText()).match(/^(\d+\.\d+)\s*%$/)?.[1], HOUR);
    report('test accuracy after the seed\'s recipe, %', Number(text));
    assert.ok(Number(text) >= 97.5, `${text} % of the test images are read right, 97.5 are wanted`);
    assert.deepEqual(errors, []);
  });
} finally {
  await server.stop();
}
