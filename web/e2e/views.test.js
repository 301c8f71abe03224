// The views that look at a network from outside: Test and Check, going between
// networks while one of them is trained, and the addresses that share a set-up.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answered, open, screenshot, serve, trained, until, visit, PATIENCE } from './harness.js';
import { choose, ready, visitView } from './scenario.js';

/** figure is a number of the page's list of results, as it is written there. */
const figure = (page, name) => page.locator('dt', { hasText: new RegExp(`^${name}$`) }).locator('xpath=following-sibling::dd').innerText();

for (const webgpu of [true, false]) {
  const name = webgpu ? 'webgpu' : 'cpu';
  describe(`views, ${name}`, { timeout: 8 * PATIENCE }, () => {
    let server;
    before(async () => {
      server = await serve();
    });
    after(async () => {
      await server?.stop();
    });

    test('test: figures, matrix, mistakes', () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/test?data=synthetic`, { webgpu, crashed });
      await answered(page, 'data');
      await visitView(page, 'Test');
      await choose(page, /128-10/);
      await answered(page, 'use');
      await page.evaluate(() => {
        const bar = document.querySelector('progress[aria-label="Progress of the test"]');
        window.weftProgress = new Set();
        new MutationObserver(() => window.weftProgress.add(bar.value)).observe(bar, { attributes: true });
      });
      await page.getByRole('button', { name: 'Test', exact: true }).click();
      await answered(page, 'test');
      const events = await page.evaluate(() => window.weftLog.events.filter((e) => e.event === 'test').map(({ done, total }) => [done, total]));
      assert.ok(events.length > 2 && events.every(([done, total], i) => total === 2000 && done > (events[i - 1]?.[0] ?? 0)), `progress ${JSON.stringify(events)}`);
      assert.ok((await page.evaluate(() => window.weftProgress.size)) > 1, 'the progress bar stood still');

      // The matrix counts every picture once, and all figures follow from it.
      const table = page.getByRole('table', { name: /^Confusion matrix/ });
      const matrix = await table.locator('tbody tr').evaluateAll((rows) => rows.map((r) => [...r.querySelectorAll('td')].map((c) => Number(c.textContent))));
      const sum = (list) => list.reduce((a, b) => a + b, 0);
      assert.deepEqual([matrix.length, ...matrix.map((r) => r.length)], Array(11).fill(10));
      assert.equal(sum(matrix.flat()), 2000);
      const right = sum(matrix.map((r, i) => r[i]));
      assert.equal((await figure(page, 'Accuracy')).replace(/\s/, ' '), `${((100 * right) / 2000).toFixed(2)} %`);
      assert.equal(await figure(page, 'Mistakes'), String(2000 - right));
      const classes = await page.getByRole('region', { name: 'By class' }).locator('tbody tr').evaluateAll((rows) => rows.map((r) => [...r.children].map((c) => c.textContent).join(' ')));
      assert.equal(classes.length, 10);
      matrix.forEach((row, i) => {
        const found = [...classes[i].matchAll(/(\d+\.\d+)\s*%/g)].map((m) => Number(m[1]));
        const want = [row[i] / sum(matrix.map((r) => r[i])), row[i] / sum(row)].map((share) => 100 * share);
        want.forEach((share) => assert.ok(found.some((f) => Math.abs(f - share) < 0.06), `class ${i}: ${classes[i]} lacks ${share}`));
      });
      await table.locator('tbody tr').nth(3).locator('td').nth(3).hover();
      await page.getByText(/^3: \d+ of \d+ read right$/).waitFor();
      await screenshot(page, `${name}-tested`);

      // A mistake goes to Draw, where the network makes it again.
      const mistakes = page.getByRole('region', { name: 'Mistakes' }).getByRole('listitem');
      assert.ok((await mistakes.count()) > 0 && (await mistakes.count()) <= Math.min(48, 2000 - right));
      const [, is, read] = /(\d) read (\d)/.exec(await mistakes.first().innerText());
      assert.notEqual(is, read);
      await mistakes.first().getByRole('button').click();
      await page.getByText(new RegExp(`^Test picture \\d+: a ${is}$`)).waitFor();
      await until(`the mistake to be read as ${read} again`, () => page.evaluate((read) => {
        const r = window.weftLog.predictions.at(-1);
        return r && r.indexOf(Math.max(...r)) === read;
      }, Number(read)));
      await screenshot(page, `${name}-mistake-in-draw`);
      assert.deepEqual(errors, []);
      await context.close();
    }));

    test('check: the table, the kernels, the device', () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/check?data=synthetic`, { webgpu, crashed });
      await answered(page, 'init');
      await page.getByRole('button', { name: 'Check', exact: true }).click();
      await page.getByText(/^All \d+ operations agree, in \d+ cases\.$/).waitFor({ timeout: 4 * PATIENCE });
      const rows = await page.getByRole('region', { name: 'Conformance table' }).locator('tbody tr').evaluateAll((list) => list.map((r) => [...r.children].map((c) => c.textContent)));
      assert.ok(rows.length >= 50, `${rows.length} operations`);
      for (const op of ['add', 'matmul', 'softmax', 'cross_entropy']) assert.ok(rows.some(([what]) => what === op), `no ${op} among ${rows.map(([what]) => what)}`);
      assert.ok(rows.some(([what]) => what === 'network mlp_784_128_10'), 'no network');
      for (const [op, cases, error, ...rest] of rows) {
        const verdict = rest.pop();
        assert.ok(Number(cases) > 0 && Number(error) <= 1 && verdict === 'agrees', `${op}: ${cases} cases, error ${error}, ${verdict}`);
        // The CPU stands beside another device.
        assert.equal(rest.length, webgpu ? 1 : 0);
        if (webgpu) assert.ok(Number(rest[0]) <= 1, `${op}: the CPU's error ${rest[0]}`);
      }
      if (webgpu) assert.ok(rows.some(([, , , cpu]) => Number(cpu) > 0), 'was the CPU asked?');
      assert.ok(rows.some(([, , error]) => Number(error) > 0), 'nothing was rounded: was anything compared?');
      const device = page.getByRole('region', { name: 'This device' });
      await device.getByText(webgpu ? /^WebGPU \(software adapter\)$/ : /^CPU, in WebAssembly$/).waitFor();
      await device.getByText(/ in \d+ buffers$/).waitFor();
      if (webgpu) {
        await device.getByText(/^Limits \(\d+\)$/).click();
        await device.getByText('maxStorageBuffersPerShaderStage').waitFor();
        const kernels = page.getByRole('region', { name: /[Kk]ernels/ });
        const first = kernels.locator('details').first();
        await first.locator('summary').click();
        assert.match(await first.innerText(), /@compute/);
        // SwiftShader has timestamps, so there are times.
        assert.match(await kernels.innerText(), /[\d.]+ (µs|ms)/);
        assert.match(await kernels.innerText(), /GFLOP\/s/);
      }
      await screenshot(page, `${name}-checked`);
      assert.deepEqual(errors, []);
      await context.close();
    }));

    test('another network while one is trained', () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&net=32-relu-10&e=500`, { webgpu, crashed });
      await ready(page);
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await trained(page, 'a step', (e) => e.step > 0);
      await visitView(page, 'Draw');
      await page.getByRole('button', { name: 'Sample digit 3' }).click();
      await page.getByRole('img', { name: /^The drawing as the network gets it/ }).hover();
      await page.locator('.tip.shown').getByText(/^row 14, column 14: \d+$/).waitFor();
      await choose(page, /128-10/);
      await answered(page, 'use');
      const { step } = await trained(page, 'more steps', (e) => e.state === 'running');
      await until('the built-in network to read a 3', () => page.evaluate(() => window.weftLog.predictions.at(-1)?.indexOf(Math.max(...window.weftLog.predictions.at(-1))) === 3));
      await visitView(page, 'Look inside');
      await page.getByText(/MLP.*at rest/).waitFor();
      await page.getByRole('slider', { name: /^Input picture/ }).waitFor();
      await page.getByRole('slider', { name: /^Weights of the units: 128 pictures/ }).waitFor();
      await trained(page, 'steps meanwhile', (e) => e.state === 'running' && e.step > step);
      await visitView(page, 'Draw');
      await choose(page, 'Your network (in training)');
      await answered(page, 'own');
      await visitView(page, 'Look inside');
      await page.getByText(/^Live, step/).waitFor();
      await page.getByRole('slider', { name: /^Weights of the units: 32 pictures/ }).waitFor();
      // Its gradients, as maps of the same form.
      await page.getByRole('radio', { name: 'Gradients' }).check({ force: true });
      const gradients = page.getByRole('slider', { name: /^Gradients of the units: 32 pictures/ });
      await gradients.hover({ position: { x: 20, y: 20 } });
      await page.getByText(/^unit 0, row \d+, column \d+: /).waitFor();
      await page.getByRole('slider', { name: /^Gradients of the biases/ }).waitFor();
      await screenshot(page, `${name}-gradients`);
      await visitView(page, 'Train');
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await trained(page, 'the end', (e) => e.state === 'stopped');
      assert.deepEqual(errors, []);
      await context.close();
    }));
  });
}
