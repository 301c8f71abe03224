// How fast the recipe's CNN is in a tab, on the software adapter: training at
// batch 64 and reading one picture, feature maps included. It measures and
// decides nothing. Run by hand, after make e2e or make lab-files build:
//   node e2e/cnn.mjs [STEPS [cpu]]

import { answered, open, report, serve, trained, until, visit } from './harness.js';
import { ready } from './scenario.js';

const [steps = '12', device] = process.argv.slice(2);
const webgpu = device !== 'cpu';
const NET = 'c32k5-silu-c32k5-silu-bn-max2-c64k3-silu-c64k3-silu-bn-max2-flat-10';
const PREDICTIONS = 30;
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

const server = await serve();
try {
  await visit({ webgpu }, async (browser, crashed) => {
    const { page, errors } = await open(browser, `${server.url}#/train?data=synthetic&b=64&e=7&opt=muon&lr=0.003&lr0=0&m=0.95&wd=0.02&wu=0.02&ema=0.998&rot=15&zoom=0.1&shift=0.1&net=${NET}`, { webgpu, crashed });
    await ready(page);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await answered(page, 'start');
    await trained(page, `${steps} steps`, (e) => e.step >= Number(steps));
    // The first updates also warm up.
    const [, from, ...rest] = await page.evaluate(() => window.weftLog.events.filter((e) => e.event === 'train' && e.losses.length > 0).map(({ step, at }) => ({ step, at })));
    const to = rest.at(-1);
    if (to) report('CNN, batch 64: training steps/s', (1000 * (to.step - from.step)) / (to.at - from.at));
    else console.error(`${steps} steps are too few to tell a rate`);
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await trained(page, 'the end', (e) => e.state === 'stopped');
    await page.getByRole('link', { name: 'Draw', exact: true }).click();
    const ms = [];
    for (let i = 0; i < PREDICTIONS; i++) {
      const before = await page.evaluate(() => window.weftLog.predictions.length);
      await page.getByRole('button', { name: `Sample digit ${i % 10}` }).click();
      await until('an answer', () => page.evaluate((n) => window.weftLog.predictions.length > n, before));
      await page.waitForTimeout(50);
      const found = /network ([\d.]+)/.exec(await page.locator('.time').textContent());
      if (found && i > 2) ms.push(Number(found[1]));
    }
    report('CNN: inference at batch 1 with all feature maps, ms, median', median(ms));
    for (const e of errors) console.error(e);
  });
} finally {
  await server.stop();
}
