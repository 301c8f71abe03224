// Exported models as a visitor's browser runs them: their results against Go's,
// the page that comes with them, and what is said when something is wrong.
// bin/exports comes from `make e2e`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { answered, dataFolder, launch, open, PATIENCE, report, root, scan, screenshot, serve, until } from './harness.js';
import { DIGITS, ready } from './scenario.js';

const folder = join(root, 'bin/exports');
const expected = (model) => JSON.parse(readFileSync(join(folder, model, 'expected.json'), 'utf8'));

/** Runs in the page: loads a model and asks it about all pictures. */
async function ask({ model, pixels }) {
  const module = await import(`/${model}/model.js`);
  const images = pixels.map((p) => Uint8Array.from(p)), phases = new Set();
  try {
    const begin = performance.now();
    const net = await module.load(`/${model}`, { progress: (p) => phases.add(p.phase) });
    const loadMs = performance.now() - begin;
    const [one, all, ...many] = await Promise.all([net(images[0]), net(images), ...images.map((x) => net(x))]);
    const times = [];
    for (let i = 0; i < 15; i++) {
      const t = performance.now();
      await net(images[0]);
      times.push(performance.now() - t);
    }
    // A canvas of any size, dark on light, as a page would have it.
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 280;
    const pen = canvas.getContext('2d');
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, 280, 280);
    pen.fillRect.call(Object.assign(pen, { fillStyle: '#123' }), 130, 40, 22, 200);
    const bitmap = await createImageBitmap(canvas);
    const blob = await new Promise((done) => canvas.toBlob(done));
    const drawn = [];
    for (const x of [canvas, bitmap, blob, pen.getImageData(0, 0, 280, 280)]) drawn.push(net.top(await net(x), 1)[0].name);
    net.close();
    times.sort((a, b) => a - b);
    return { one: [...one], all: [...all], many: many.map((y) => [...y]), phases: [...phases], drawn, loadMs, ms: times[7] };
  } catch (e) {
    return { error: e.message, type: Object.keys(module).find((name) => module[name] === e.constructor) };
  }
}

function near(got, want, tolerance, what) {
  assert.equal(got.length, want.length, what);
  got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= tolerance, `${what}: result ${i} is ${v}, want ${want[i]}`));
}

/** draws strokes with a finger. */
async function touch(page, strokes) {
  const pad = page.locator('#pad');
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox(), client = await page.context().newCDPSession(page);
  const at = ([x, y]) => [{ x: box.x + x * box.width, y: box.y + y * box.height, id: 1 }];
  const send = (type, touchPoints) => client.send('Input.dispatchTouchEvent', { type, touchPoints });
  for (const points of strokes) {
    await send('touchStart', at(points[0]));
    for (let i = 1; i < points.length; i++) {
      for (const s of [0.25, 0.5, 0.75, 1]) await send('touchMove', at([0, 1].map((d) => points[i - 1][d] + s * (points[i][d] - points[i - 1][d]))));
    }
    await send('touchEnd', []);
  }
}

const settled = (page, text) => until(`the page to read ${text}`, async () => (await page.locator('#best').textContent()) === text);

describe('exported models', { timeout: 6 * PATIENCE }, () => {
  let server, browser;
  before(async () => {
    assert.ok(existsSync(join(folder, 'mnist-mlp/index.html')), 'make e2e writes it');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>host</title>');
    server = await serve('--site', folder);
    browser = await launch({ webgpu: true });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  for (const model of ['mnist-mlp', 'mnist-mlp2', 'mnist-cnn', 'mnist-cnn-f16', 'photo']) {
    test(`${model} answers as Weft does, and asks for nothing but its files`, async () => {
      const { page, context, errors } = await open(browser, server.url);
      const requests = [];
      page.on('request', (r) => requests.push(r.url()));
      const { pixels, logits } = expected(model);
      const got = await page.evaluate(ask, { model, pixels });
      assert.equal(got.error, undefined);
      const scale = Math.max(1, ...logits.map(Math.abs)), tolerance = (model.endsWith('f16') ? 5e-3 : 1e-4) * scale;
      const count = logits.length / 7;
      near(got.one, logits.slice(0, count), tolerance, 'batch 1');
      near(got.all, logits, tolerance, 'batch 7');
      got.many.forEach((y, i) => near(y, logits.slice(count * i, count * (i + 1)), tolerance, `call ${i} of many`));
      assert.deepEqual(got.phases.sort(), ['kernels', 'weights']);
      assert.equal(new Set(got.drawn).size, 1, `a canvas, a bitmap, a file and its pixels are the same: ${got.drawn}`);
      if (model === 'mnist-mlp') assert.equal(got.drawn[0], '1');
      assert.deepEqual(requests.map((u) => u.replace(server.url, '')).sort(), ['model.js', 'plan.json', 'weights.safetensors'].map((f) => `${model}/${f}`));
      assert.deepEqual(errors, []);
      report(`${model}: exported, load ms`, got.loadMs);
      report(`${model}: exported, one prediction ms`, got.ms);
      await context.close();
    });
  }

  test('its page reads what a finger draws', async () => {
    const { page, context, errors } = await open(browser, `${server.url}mnist-mlp/index.html`, { hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    const outside = [];
    page.on('request', (r) => r.url().startsWith('blob:') || r.url().startsWith('data:') || r.url().startsWith(`${server.url}mnist-mlp/`) || outside.push(r.url()));
    await page.locator('html[data-ready]').waitFor();
    for (const digit of ['7', '1', '0']) {
      await touch(page, DIGITS[digit]);
      await settled(page, digit);
      const shares = await page.locator('#bars .share').allTextContents();
      assert.equal(shares.length, 10);
      assert.ok(Math.abs(shares.reduce((sum, s) => sum + parseFloat(s), 0) - 100) < 1, `all ten probabilities: ${shares}`);
      assert.match(await page.locator('#time').textContent(), /^\d+\.\d ms$/);
      if (digit === '7') {
        await screenshot(page, 'export-360-dark');
        assert.deepEqual(await scan(page, '360'), []);
        const [width, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(width <= view, `${width} pixels wide in ${view}`);
      }
      await page.locator('#clear').click(); // on a crowded machine a tap can become a long press
      await settled(page, '–');
    }
    await touch(page, [...DIGITS['1'], ...DIGITS['0']]);
    await page.locator('#undo').click();
    await settled(page, '1');
    assert.deepEqual(outside, []);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('its page with a mouse, files, and wrong files', async () => {
    const { page, context, errors } = await open(browser, `${server.url}mnist-mlp/index.html`, { colorScheme: 'light' });
    await page.locator('html[data-ready]').waitFor();
    const box = await page.locator('#pad').boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + 0.15 * box.height);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 0.85 * box.height, { steps: 8 });
    await page.mouse.up();
    await settled(page, '1');
    await screenshot(page, 'export-desk-light');
    assert.deepEqual(await scan(page, 'desk'), []);
    const picture = await page.evaluate(() => document.getElementById('pad').toDataURL().split(',')[1]);
    await page.locator('#clear').click();
    await settled(page, '–');
    await page.locator('#file').setInputFiles({ name: 'one.png', mimeType: 'image/png', buffer: Buffer.from(picture, 'base64') });
    await settled(page, '1');
    await page.locator('#file').setInputFiles({ name: 'notes.txt', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await page.getByText('notes.txt is not a picture').waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('its page for pictures', async () => {
    const { page, context, errors } = await open(browser, `${server.url}photo/index.html`, { viewport: { width: 360, height: 740 } });
    await page.locator('html[data-ready]').waitFor();
    assert.equal(await page.locator('#pad').isVisible(), false);
    const picture = await page.evaluate(() => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 420 }), pen = canvas.getContext('2d');
      const sky = pen.createLinearGradient(0, 0, 640, 420);
      sky.addColorStop(0, '#37a');
      sky.addColorStop(1, '#e96');
      pen.fillStyle = sky;
      pen.fillRect(0, 0, 640, 420);
      return canvas.toDataURL('image/jpeg').split(',')[1];
    });
    await page.locator('#file').setInputFiles({ name: 'sky.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(picture, 'base64') });
    await until('a result', async () => /^kind \d+ of thing$/.test(await page.locator('#best').textContent()));
    const shares = (await page.locator('#bars .share').allTextContents()).map(parseFloat);
    assert.equal(shares.length, 10);
    assert.deepEqual(shares, shares.toSorted((a, b) => b - a), 'the likeliest first');
    await screenshot(page, 'export-photo-360');
    assert.deepEqual(await scan(page, 'photo'), []);
    const [width, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(width <= view, `${width} pixels wide in ${view}`);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('damaged weights are an error of a type', async () => {
    const { page, context } = await open(browser, server.url);
    await page.route('**/weights.safetensors', async (route) => {
      const body = await (await route.fetch()).body();
      body[body.length - 7] ^= 4;
      await route.fulfill({ body });
    });
    const { pixels } = expected('mnist-mlp');
    const got = await page.evaluate(ask, { model: 'mnist-mlp', pixels });
    assert.equal(got.type, 'ModelFileError');
    assert.match(got.error, /weights are damaged/);
    await context.close();
  });
});

describe('weft export web --verify', { timeout: 2 * PATIENCE }, () => {
  test('runs what it wrote', async () => {
    const { stdout } = await promisify(execFile)(join(root, 'bin/weft'), ['export', 'web', 'mnist-mlp2', '-o', join(folder, 'verified'), '--verify', '--json'], { env: { ...process.env, WEFT_DATA: dataFolder } });
    const result = JSON.parse(stdout);
    assert.equal(result.pictures, 48);
    assert.ok(result.difference > 0 && result.difference < 1e-4 * Math.max(1, result.largest), stdout);
    report('mnist-mlp2: verified, one prediction ms', result.ms);
  });
});

describe('exported models without WebGPU', { timeout: 2 * PATIENCE }, () => {
  test('say so, in the page and by type', async () => {
    const server = await serve('--site', folder), browser = await launch({ webgpu: false });
    try {
      const { page, errors } = await open(browser, `${server.url}mnist-mlp/index.html`, { webgpu: false });
      await page.getByRole('alert').getByText(/no WebGPU.*update the browser/i).waitFor();
      await screenshot(page, 'export-no-webgpu');
      const got = await page.evaluate(ask, { model: 'mnist-mlp', pixels: [] });
      assert.equal(got.type, 'WebGPUUnavailableError');
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
      await server.stop();
    }
  });

  test('opened as a file, they say what to do', async () => {
    const browser = await launch({ webgpu: false });
    try {
      const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
      const page = await context.newPage();
      await page.goto(pathToFileURL(join(folder, 'mnist-mlp/index.html')).href);
      await page.getByRole('alert').getByText(/web server.*http.server/).waitFor();
      assert.equal(await page.getByRole('progressbar').isVisible(), false);
      await screenshot(page, 'export-as-file');
    } finally {
      await browser.close();
    }
  });
});

/** The files of an archive without compression. */
function unpacked(zip) {
  const files = {};
  for (let at = 0; zip.readUInt32LE(at) === 0x04034b50; ) {
    const [size, name] = [zip.readUInt32LE(at + 22), zip.readUInt16LE(at + 26)];
    files[zip.toString('utf8', at + 30, at + 30 + name)] = zip.subarray(at + 30 + name, at + 30 + name + size);
    at += 30 + name + size;
  }
  return files;
}

describe("the lab's Export button", { timeout: 4 * PATIENCE }, () => {
  test('makes a folder that answers as the command\'s', async () => {
    const lab = await serve(), server = await serve('--site', folder), browser = await launch({ webgpu: true });
    try {
      // The engine on the CPU exports as well as any.
      const { page, context, errors } = await open(browser, `${lab.url}#/train?data=synthetic`, { webgpu: false });
      await ready(page);
      await page.getByRole('link', { name: 'Draw', exact: true }).click();
      await page.getByLabel('Network', { exact: true }).selectOption('builtin:mnist-mlp.safetensors');
      await answered(page, 'use');
      await page.getByRole('link', { name: 'Train', exact: true }).click();
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export page' }).click()]);
      assert.equal(download.suggestedFilename(), 'weft-web.zip');
      const files = unpacked(readFileSync(await download.path()));
      mkdirSync(join(folder, 'from-lab'), { recursive: true });
      for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, 'from-lab', name), bytes);
      for (const name of ['model.js', 'model.d.ts', 'plan.json', 'weights.safetensors', 'index.html', 'page.js', 'opened.js', 'page.css']) assert.ok(files[name]?.length, name);
      assert.deepEqual(errors, []);
      await context.close();

      const visitor = await open(browser, server.url);
      const { pixels, logits } = expected('mnist-mlp');
      const got = await visitor.page.evaluate(ask, { model: 'from-lab', pixels });
      assert.equal(got.error, undefined);
      near(got.all, logits, 1e-4 * Math.max(...logits.map(Math.abs)), 'from the lab');
    } finally {
      await browser.close();
      await lab.stop();
      await server.stop();
    }
  });
});
