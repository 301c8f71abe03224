// The lab in Chromium with WebGPU on its software adapter, and without WebGPU.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { haveMNIST, open, report, serve, visit, PATIENCE } from './harness.js';
import { everywhere, keep, ready, train } from './scenario.js';

const MINUTE = 60_000;

for (const webgpu of [true, false]) {
  const name = webgpu ? 'webgpu' : 'cpu';
  describe(`lab, ${name}`, { timeout: 5 * MINUTE }, () => {
    let server;
    before(async () => {
      server = await serve();
    });
    after(async () => {
      await server?.stop();
    });

    test('train, save, reload, load, draw, spoil', { timeout: 5 * MINUTE }, () => visit({ webgpu }, async (browser, crashed) => {
      // Without WebGPU, fewer pictures have to do.
      const data = webgpu && haveMNIST ? 'mnist' : 'synthetic';
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=${data}&b=64&e=${webgpu ? 8 : 12}`, { webgpu, crashed });
      await ready(page);
      report(`${name}: engine, data and network after opening, ms`, await page.evaluate(() => window.weftLog.requests.findLast((r) => !r.sent).at));
      const device = await page.locator('header .device').textContent();
      assert.match(device, webgpu ? /WebGPU/ : /CPU/);
      await train(page, { name, accuracy: webgpu ? 0.9 : 0.8, within: 2 * PATIENCE, measure: true });
      await keep(page, { name, digits: webgpu ? [1, 0, 7] : [1] });
      assert.deepEqual(errors, []);
      await context.close();
    }));

    test('a second visit is ready soon', { timeout: 2 * MINUTE }, () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic`, { webgpu, crashed });
      await ready(page);
      await page.reload();
      await page.getByRole('button', { name: 'Start', exact: true }).waitFor();
      const [nav] = await page.evaluate(() => performance.getEntriesByType('navigation').map((n) => n.domInteractive));
      report(`${name}: page interactive, ms`, nav);
      await ready(page);
      report(`${name}: engine ready, ms`, await page.evaluate(() => {
        const { requests } = window.weftLog;
        const init = requests.find((r) => r.sent && r.type === 'init');
        return requests.find((r) => !r.sent && r.id === init.id).at;
      }));
      assert.deepEqual(errors, []);
      await context.close();
    }));

    test('every view is accessible, light and dark', { timeout: 3 * MINUTE }, () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic`, { webgpu, crashed });
      await ready(page);
      await everywhere(page, name);
      assert.deepEqual(errors, []);
      await context.close();
    }));
  });
}
