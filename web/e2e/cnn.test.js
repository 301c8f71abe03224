// Convolutional networks in Chromium, with WebGPU on its software adapter and
// without WebGPU: put together, trained, looked into, kept, and drawn for.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answered, DESK, open, report, scan, screenshot, serve, trained, until, visit, PATIENCE } from './harness.js';
import { keep, ready } from './scenario.js';

const MINUTE = 60_000;

// Batch norm, strides and pooling, and quick enough for one core.
const SMALL = 'c8k5s2-silu-bn-max2-flat-10';

/** colours counts the colours of a canvas: a map that shows something has some. */
const colours = (canvas) => canvas.evaluate((c) => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size);
const picture = (canvas) => canvas.evaluate((c) => c.toDataURL());
const maps = (page, layer) => page.getByRole('slider', { name: new RegExp(`^Feature maps of ${layer}:`) });

/** both looks at a view in both themes and on a phone, and returns complaints. */
async function both(page, name) {
  const complaints = [];
  for (const theme of ['light', 'dark']) {
    complaints.push(...(await scan(page, `${name}, ${theme}`)));
    await screenshot(page, `${name}-${theme}`);
    await page.setViewportSize({ width: 360, height: 740 });
    let wide = 1;
    for (let i = 0; wide > 0 && i < 40; i++) {
      await page.waitForTimeout(50);
      wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    }
    if (wide > 0) complaints.push(`${name}: ${wide} pixels too wide for a phone`);
    await screenshot(page, `${name}-${theme}-phone`);
    await page.setViewportSize(DESK);
    await page.getByRole('button', { name: /theme$/ }).click();
  }
  return complaints;
}

for (const webgpu of [true, false]) {
  const name = webgpu ? 'webgpu' : 'cpu';
  describe(`convolutional networks, ${name}`, { timeout: 6 * MINUTE }, () => {
    let server;
    before(async () => {
      server = await serve();
    });
    after(async () => {
      await server?.stop();
    });

    test('the preset, a layer that does not fit, augmentation, a few steps, feature maps', { timeout: 5 * MINUTE }, () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic`, { webgpu, crashed });
      await ready(page);
      const complaints = [];
      await page.getByRole('button', { name: 'CNN', exact: true }).click();
      await page.getByText(/^87.850 parameters, 26\.4.MFLOPs per picture/).waitFor();
      await page.getByRole('button', { name: 'Use the recipe that suits it' }).click();
      await page.getByRole('button', { name: 'Its recipe is in use' }).waitFor();

      // A kernel larger than what is left of the picture.
      const kernel = page.getByRole('textbox', { name: 'Kernel of Conv 4' });
      await kernel.fill('20');
      await kernel.press('Enter');
      await page.getByText('Conv 4: a kernel of 20 × 20 does not fit into a picture of 8 × 8').waitFor();
      const start = page.getByRole('button', { name: 'Start', exact: true });
      assert.ok(await start.isDisabled());
      await kernel.fill('3');
      await kernel.press('Enter');
      await start.and(page.locator('[aria-disabled=false]')).waitFor();

      // The recipe turns, scales and shifts, so that there is a preview.
      const preview = page.getByTestId('augmented').locator('canvas');
      await until('the preview', async () => (await answered(page, 'augment')) && (await colours(preview)) > 16);
      const first = await picture(preview);
      await page.getByRole('button', { name: 'Another draw' }).click();
      await until('another draw', async () => (await picture(preview)) !== first);
      await page.getByRole('switch', { name: 'Shift' }).uncheck();
      await page.getByRole('radio', { name: 'Nearest' }).check({ force: true });
      await until('the address', () => page.evaluate(() => /near=1/.test(location.hash) && /rot=15/.test(location.hash) && !/shift/.test(location.hash) && /net=c32k5-silu/.test(location.hash)));
      complaints.push(...(await both(page, `cnn-${name}-train`)));

      await page.getByRole('textbox', { name: 'Batch size' }).fill('8');
      await start.click();
      await answered(page, 'start');
      await trained(page, 'a few steps of the CNN', (e) => e.step >= 3);
      await page.getByRole('link', { name: 'Look inside', exact: true }).click();
      await until('feature maps', async () => (await maps(page, 'Conv 4').count()) > 0 && (await colours(maps(page, 'Conv 4'))) > 16);
      for (const layer of ['Conv 1', 'Conv 2', 'Conv 3', 'Batch norm 1', 'Max pool 2']) assert.ok((await colours(maps(page, layer))) > 8, layer);
      assert.match(await page.locator('ol li').first().textContent(), /Input/);
      // Values under the pointer.
      await maps(page, 'Conv 1').hover({ position: { x: 12, y: 12 } });
      await page.getByText(/^channel 0, row \d+, column \d+: /).waitFor();
      // They follow training.
      const seen = await picture(maps(page, 'Conv 2'));
      await until('maps that change', async () => (await picture(maps(page, 'Conv 2'))) !== seen);
      await page.getByRole('link', { name: 'Train', exact: true }).click();
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await trained(page, 'the end', (e) => e.state === 'stopped');
      await page.getByRole('link', { name: 'Look inside', exact: true }).click();
      const layer = page.getByRole('combobox', { name: 'Layer' });
      for (const [choice, what] of [['Conv 1', /^Filters: 32/], ['Conv 2', /^Filters, a row for each channel/], ['Batch norm 1', /^Running variance/], ['Linear 1', /^Weight matrix/]]) {
        await layer.selectOption(choice);
        await until(choice, async () => (await page.getByRole('slider', { name: what }).count()) > 0 && (await colours(page.getByRole('slider', { name: what }))) > 1);
        if (choice === 'Conv 2') complaints.push(...(await both(page, `cnn-${name}-inside`)));
      }
      assert.deepEqual(complaints, []);
      assert.deepEqual(errors, []);
      await context.close();
    }));

    test('train, save, reload, load, draw', { timeout: 5 * MINUTE }, () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&b=128&e=4&opt=adamw&lr=0.005&ema=0.98&net=${SMALL}`, { webgpu, crashed });
      await ready(page);
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await trained(page, 'steps', (e) => e.step >= 20);
      // Feature maps while drawing, also while training.
      await page.getByRole('link', { name: 'Draw', exact: true }).click();
      await page.getByRole('button', { name: 'Sample digit 3' }).click();
      await until('feature maps of the drawing', async () => (await maps(page, 'Conv 1').count()) > 0 && (await colours(maps(page, 'Conv 1'))) > 16);
      assert.deepEqual(await both(page, `cnn-${name}-draw`), []);
      await page.getByRole('link', { name: 'Train', exact: true }).click();
      await until('a validation accuracy of 0.85', () => page.evaluate(() => window.weftLog.events.some((e) => e.event === 'epoch' && e.valAccuracy >= 0.85)), 3 * PATIENCE);
      report(`${name}: small CNN, steps/s`, (await trained(page, 'a rate', () => true)).stepsPerSecond);
      await keep(page, { name: `cnn-${name}`, digits: [1, 0] });
      assert.deepEqual(errors, []);
      await context.close();
    }));
  });
}
