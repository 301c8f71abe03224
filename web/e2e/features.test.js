// What a visitor can do beside the main road: shape the network, compare runs,
// read values off curves and maps, share an address, carry files in and out, and
// lose the graphics device.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { answered, finished, open, screenshot, serve, trained, until, visit, PATIENCE } from './harness.js';
import { ready, visitView } from './scenario.js';

const network = (page) => page.getByRole('region', { name: 'Network' });
const start = (page) => page.getByRole('button', { name: 'Start', exact: true });

describe('features', { timeout: 8 * PATIENCE }, () => {
  let server;
  before(async () => {
    server = await serve();
  });
  after(async () => {
    await server?.stop();
  });

  test('edit, share, compare, carry', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&b=128&e=1`, { crashed });
    await ready(page);
    const card = network(page);
    const says = (text) => card.getByText(text, { exact: false }).first().waitFor();

    // Presets with their parameters, then a layer more, smaller, and gone again.
    await card.getByRole('button', { name: '784‑128‑64‑10' }).click();
    await says(/109.386 parameters/);
    await card.getByRole('button', { name: '784‑128‑10' }).click();
    await says(/101.770 parameters/);
    await card.getByRole('button', { name: 'Hidden layer' }).click();
    await card.getByRole('textbox', { name: 'Units of Linear 2' }).fill('16');
    await card.getByRole('textbox', { name: 'Units of Linear 2' }).press('Enter');
    await says(/784 × 128 weights/);
    await says(`${(784 * 128 + 128 + 128 * 16 + 16 + 16 * 10 + 10).toString().slice(0, 3)}`);
    await card.getByRole('button', { name: 'Remove Linear 2' }).click();
    await says(/101.770 parameters/);
    const units = card.getByRole('textbox', { name: 'Units of Linear 1' });
    await units.fill('0');
    await units.press('Enter');
    await start(page).and(page.locator('[aria-disabled=true]')).waitFor();
    await units.fill('24');
    await units.press('Enter');
    await start(page).and(page.locator('[aria-disabled=false]')).waitFor();

    // The address holds all of it, also when it is pasted into an open lab.
    await until('the address', () => page.evaluate(() => location.hash.includes('net=24-relu-10')));
    const shared = page.url();
    await page.evaluate(() => (location.hash = '#/train?data=synthetic&net=48-tanh-10&b=128&e=1'));
    await until('the pasted network', async () => (await units.inputValue()) === '48');
    await page.goto('about:blank');
    await page.goto(shared);
    await ready(page);
    assert.equal(await units.inputValue(), '24');

    // Two runs in one chart, each under the pointer.
    await finished(page, () => start(page).click());
    await page.getByRole('textbox', { name: /^Learning rate/ }).fill('0.5');
    await page.getByRole('textbox', { name: /^Learning rate/ }).blur();
    await finished(page, () => start(page).click());
    const legend = page.getByRole('region', { name: 'Curves' });
    for (const label of ['#1 train', '#2 train', '#1 val', '#2 val']) await legend.getByText(label, { exact: false }).first().waitFor({ state: 'attached' });
    const chart = page.getByRole('img', { name: /^Loss/ });
    const box = await chart.boundingBox();
    const step = () => legend.locator('.step').first().innerText();
    const last = await step();
    await page.mouse.move(box.x + 0.5 * box.width, box.y + 0.5 * box.height);
    const under = await until('a step under the pointer', async () => { const s = await step(); return s !== last && s; });
    await page.mouse.move(box.x + 0.7 * box.width, box.y + 0.5 * box.height);
    await until('another step', async () => (await step()) !== under);
    await page.getByRole('checkbox', { name: /^#1/ }).uncheck();
    await legend.getByText('#1 train').first().waitFor({ state: 'detached' });
    await screenshot(page, 'two-runs');

    // Out as a file, and in again.
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    const file = await (await download).path();
    const bytes = readFileSync(file);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    assert.deepEqual(header['1.weight']?.shape ?? Object.keys(header), [24, 784]);
    await page.getByLabel(/Model file/).setInputFiles({ name: 'mine.safetensors', mimeType: 'application/octet-stream', buffer: bytes });
    await page.getByText('mine.safetensors is loaded.').waitFor();
    assert.equal(await page.getByRole('combobox', { name: 'Network' }).inputValue(), 'file:mine.safetensors');

    // Values of the maps under the pointer and by keyboard, of fresh weights too.
    await page.goto('about:blank');
    await page.goto(`${server.url}#/train?data=synthetic&net=40-relu-10`);
    await ready(page);
    await visitView(page, 'Look inside');
    const bias = page.getByRole('slider', { name: /^Biases/ });
    await bias.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await until('the value of a bias', async () => /^bias of unit 1: \S+$/.test((await bias.getAttribute('aria-valuetext')) ?? ''));
    const weights = page.getByRole('slider', { name: /^Weights of the units: 40 pictures/ });
    await weights.hover({ position: { x: 20, y: 20 } });
    await page.getByText(/^unit 0, row \d+, column \d+: /).waitFor();
    assert.doesNotMatch(await page.locator('main').innerText(), /NaN|Infinity/);
    assert.doesNotMatch((await page.locator('main [aria-label]').evaluateAll((all) => all.map((e) => e.ariaLabel + (e.ariaValueText ?? '')))).join(), /NaN|Infinity/);
    await screenshot(page, 'fresh-weights');
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('a lost device is made again', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, 'about:blank', { crashed });
    // Every device is remembered in the worker, so that it can be destroyed: by a
    // patch before the worker's own code, which may ask for a device at once.
    const patch = () => {
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (...args) {
        const device = await requestDevice.apply(this, args);
        (self.weftDevices ??= []).push(device);
        return device;
      };
    };
    await page.route(/\/assets\/worker-[^/]*\.js$/, async (route) => {
      const response = await route.fetch();
      const headers = Object.fromEntries(Object.entries(response.headers()).filter(([name]) => !/^content-(encoding|length)$/.test(name)));
      await route.fulfill({ status: response.status(), headers, body: `(${patch})();\n${await response.text()}` });
    });
    await page.goto(`${server.url}#/train?data=synthetic&net=32-relu-10&e=500`);
    await ready(page);
    await start(page).click();
    const { step } = await trained(page, 'some steps', (e) => e.step > 100);
    // From a snapshot of the last seconds, whenever it was.
    await page.workers()[0].evaluate(() => {
      if (!self.weftDevices?.length) throw new Error('no device was seen');
      self.weftDevices.at(-1).destroy();
    });
    await page.getByText(/The graphics device was lost; it was opened again/).waitFor();
    await until('steps after the loss', () => page.evaluate((step) => {
      const { events } = window.weftLog;
      const lost = events.findLastIndex((e) => e.event === 'lost');
      return lost >= 0 && events.slice(lost).some((e) => e.event === 'train' && e.state === 'running' && e.step > step);
    }, step), 2 * PATIENCE);
    assert.equal(await page.workers()[0].evaluate(() => self.weftDevices.length), 2);
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await trained(page, 'the end', (e) => e.state === 'stopped');
    assert.deepEqual(errors, []);
    await context.close();
  }));
});
