// The Photo view in Chromium: each way in for pictures and models, with WebGPU on
// its software adapter and without, pictures that are none, and both ways of
// computing against what Weft's own CPU says.

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { zipSync } from 'fflate';
import { launch, open, PATIENCE, report, root, scan, screenshot, serve, until } from './harness.js';
import { blinkingGIF, hugePNG, jpeg, png, turned } from './pictures.js';

const folder = join(root, 'bin/exports/photo');
const model = ['plan.json', 'weights.safetensors', 'model.onnx'];
const read = (name) => readFileSync(join(folder, name));
const json = (name) => JSON.parse(read(name));
const zip = () => Buffer.from(zipSync(Object.fromEntries(model.map((f) => [`photo/${f}`, new Uint8Array(read(f))]))));
const zipFile = (name = 'photo.zip') => ({ name, mimeType: 'application/zip', buffer: zip() });

/** The picture whose scores are known, as lossless file. */
function known(i) {
  const pixels = json('expected.json').pixels[i];
  return png(32, 32, (x, y) => [...pixels.slice(3 * (32 * y + x), 3 * (32 * y + x) + 3), 255]);
}

/** What the page must say of it. */
function said(i) {
  const { logits } = json('expected.json'), { classes } = json('plan.json'), n = classes.length;
  const row = logits.slice(i * n, (i + 1) * n), most = Math.max(...row), sum = row.reduce((s, v) => s + Math.exp(v - most), 0);
  return classes.map((name, c) => ({ name, share: Math.exp(row[c] - most) / sum })).sort((a, b) => b.share - a.share).slice(0, 5);
}

const modelInput = (page) => page.getByLabel('Model files');
const pictureInput = (page) => page.getByLabel('Picture file');
const file = (name, buffer, mimeType = 'image/png') => ({ name, mimeType, buffer });
const part = (name, buffer = read(name)) => file(name, buffer, 'application/octet-stream');
const alertOf = (page, text) => page.getByRole('alert').getByText(text);

/** answered waits for the answer to a known picture: all five names and shares. */
async function answered(page, i) {
  const want = said(i);
  let rows;
  const right = async () => {
    rows = await page.getByTestId('top').locator('li').evaluateAll((list) => list.map((li) => [li.querySelector('.name').textContent, parseFloat(li.querySelector('.number').textContent)]));
    return rows.length === want.length && rows.every((r, k) => r[0] === want[k].name && Math.abs(r[1] - 100 * want[k].share) < 0.06);
  };
  await until('the answer', right).catch((e) => {
    throw new Error(`${e.message}: ${JSON.stringify(rows)}, want ${JSON.stringify(want)}`);
  });
  await page.getByTestId('times').waitFor();
}

/** loaded waits for a model to be the chosen one. */
const loaded = (page) => page.locator('html[data-model="photo"]').waitFor();
const device = (page, text) => page.getByTestId('times').getByText(text).waitFor();
const runOn = (page, name) => page.getByRole('radio', { name, exact: true }).check({ force: true });

/** The pixel in the middle of a part of what the model sees. */
const seen = (page, fx, fy) =>
  page.getByTestId('seen').locator('canvas').evaluate((c, [fx, fy]) => [...c.getContext('2d').getImageData(Math.floor(fx * c.width), Math.floor(fy * c.height), 1, 1).data], [fx, fy]);

async function visit(browser, server, options = {}) {
  const view = await open(browser, `${server.url}#/photo`, options);
  await view.page.getByRole('heading', { level: 1, name: 'Show it a photo' }).waitFor({ state: 'attached' });
  return view;
}

const cache = mkdtempSync(join(tmpdir(), 'weft-photo-'));
after(() => rmSync(cache, { recursive: true, force: true }));

describe('photo, webgpu', { timeout: 8 * PATIENCE }, () => {
  let server, browser;
  before(async () => {
    assert.ok(existsSync(join(folder, 'plan.json')), 'make e2e writes it');
    process.env.WEFT_CACHE = cache;
    cpSync(folder, join(cache, 'models/colours'), { recursive: true });
    server = await serve();
    browser = await launch({ webgpu: true, more: ['--use-fake-device-for-media-stream'] });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    delete process.env.WEFT_CACHE;
  });

  test('files, both ways of computing, saliency and feature maps', async () => {
    const { page, context, errors } = await visit(browser, server);
    await page.getByText('Open a model first').waitFor();
    await modelInput(page).setInputFiles(model.map((f) => join(folder, f)));
    await loaded(page);
    // A software adapter is no graphics card: the runtime is used, until one chooses.
    await pictureInput(page).setInputFiles(file('known.png', known(0)));
    await answered(page, 0);
    await device(page, 'ONNX Runtime, WebAssembly');
    await runOn(page, 'WebGPU');
    await device(page, /^WebGPU/);
    await answered(page, 0);
    assert.equal(await page.getByText('ONNX Runtime, WebAssembly').count(), 0);
    // Another way of computing, chosen while a picture is being read, does not lose the picture.
    await pictureInput(page).setInputFiles(file('known.png', known(1)));
    await runOn(page, 'Both');
    await answered(page, 1);
    await pictureInput(page).setInputFiles(file('known.png', known(0)));
    await answered(page, 0);
    const text = await page.getByTestId('difference').textContent();
    const apart = Number(/\(([\d.e-]+) of/.exec(text.replace('−', '-'))[1]);
    assert.ok(apart < 1e-4, `the two are ${text} apart`);
    report('photo: both', await page.getByTestId('times').locator('dd').allTextContents());
    await answered(page, 0);

    // Saliency: the overlay shows where the gradient is large.
    const painted = () => page.getByTestId('overlay').evaluate((c) => [c.width, c.height, c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 60).length]);
    await until('the saliency', async () => (await painted())[2] > 20);
    assert.deepEqual((await painted()).slice(0, 2), [32, 32]);
    const want = json('explained.json'), area = 32 * 32;
    const largest = Array.from({ length: area }, (_, i) => Math.max(...[0, 1, 2].map((c) => Math.abs(want.saliency[c * area + i]))));
    const peak = largest.indexOf(Math.max(...largest));
    await page.getByLabel('For the class').selectOption({ label: json('plan.json').classes[want.class] });
    const saliency = page.getByRole('slider', { name: `Saliency of ${json('plan.json').classes[want.class]}` });
    await saliency.press('ArrowRight');
    for (let k = 0; k < peak % 32; k++) await saliency.press('ArrowRight');
    for (let k = 0; k < Math.floor(peak / 32); k++) await saliency.press('ArrowDown');
    await until(`the gradient ${largest[peak]}`, async () => {
      const [place, value] = (await saliency.getAttribute('aria-valuetext')).split(': ');
      return place === `row ${Math.floor(peak / 32)}, column ${peak % 32}` && Math.abs(Number(value) - largest[peak]) < 0.01 * largest[peak];
    });
    // Another picture has another map, and until then none.
    const legend = await page.getByTestId('legend').textContent();
    await pictureInput(page).setInputFiles(file('known.png', known(1)));
    await answered(page, 1);
    await until('another map', async () => (await page.getByTestId('legend').count()) === 1 && (await page.getByTestId('legend').textContent()) !== legend);
    await pictureInput(page).setInputFiles(file('known.png', known(0)));
    await answered(page, 0);
    await until('the first map again', async () => (await page.getByTestId('legend').count()) === 1 && (await page.getByTestId('legend').textContent()) === legend);
    assert.match(await page.getByTestId('legend').textContent(), /^0.*\d/);
    await page.getByTestId('overlay').hover();
    await page.locator('.tip.shown').getByText(/^row 16, column 16: /).waitFor();
    await screenshot(page, 'photo-saliency');

    await page.getByRole('radio', { name: 'Feature maps' }).check({ force: true });
    await until('eight channels', async () => (await page.getByTestId('channels').getByRole('button').count()) === 8);
    await page.getByLabel('Layer').selectOption('6');
    await until('sixteen channels', async () => (await page.getByTestId('channels').getByRole('button').count()) === 16);
    await page.getByRole('button', { name: 'Channel 5', exact: true }).click();
    await page.locator('.tip.shown').getByText(/^channel 5, row \d+, column \d+: \S+$/).waitFor();
    const layer = want.features[6].slice(4 * 256, 5 * 256);
    await page.getByRole('slider', { name: /^Channel 5 of 6/ }).press('ArrowRight');
    const value = await page.getByRole('slider', { name: /^Channel 5 of 6/ }).getAttribute('aria-valuetext');
    const got = Number(value.split(': ')[1].replace('−', '-'));
    assert.ok(Math.abs(got - layer[0]) <= 0.01 * Math.abs(layer[0]) + 1e-6, `${value}, want ${layer[0]}`);
    await screenshot(page, 'photo-features');
    assert.deepEqual(await scan(page, 'photo with everything'), []);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('paste, drop and the camera', async () => {
    const { page, context, errors } = await visit(browser, server, { permissions: ['camera', 'clipboard-read', 'clipboard-write'] });
    await modelInput(page).setInputFiles(zipFile());
    await loaded(page);
    await page.evaluate(async (text) => {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) })]);
    }, known(1).toString('base64'));
    await page.keyboard.press('Control+V');
    await answered(page, 1);

    const dropped = await page.evaluateHandle((text) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], 'dropped.png', { type: 'image/png' }));
      return data;
    }, known(2).toString('base64'));
    await page.locator('main').dispatchEvent('dragover', { dataTransfer: dropped });
    await page.locator('main').dispatchEvent('drop', { dataTransfer: dropped });
    await answered(page, 2);
    await page.getByText('dropped.png · 32 × 32').waitFor();
    const nothing = await page.evaluateHandle(() => new DataTransfer());
    await page.locator('main').dispatchEvent('drop', { dataTransfer: nothing });
    await alertOf(page, 'What was dropped is no file').waitFor();

    await page.getByRole('button', { name: 'Camera' }).click();
    await page.getByRole('button', { name: 'Take the picture' }).click();
    await page.getByText(/^From the camera · \d+ × \d+$/).waitFor();
    await until('an answer', async () => (await page.getByTestId('times').count()) > 0);
    await screenshot(page, 'photo-camera');
    assert.equal(await page.locator('video').count(), 0, 'the camera is off');
    assert.deepEqual(errors, []);
    await context.close();

    // Refused: nobody gave permission.
    const refused = await visit(browser, server);
    await refused.page.getByRole('button', { name: 'Camera' }).click();
    await alertOf(refused.page, 'The camera was not allowed').waitFor();
    await refused.context.close();
  });

  test('pictures that are none, too large, turned, transparent or moving', async () => {
    const { page, context, errors } = await visit(browser, server);
    await modelInput(page).setInputFiles(zipFile());
    await loaded(page);
    const good = await jpeg(page, 400, 200);
    const bad = [
      [file('huge.png', hugePNG(10000, 10000)), /huge\.png has 100 megapixels \(10000 × 10000\).*400 MB.*up to 50/],
      [file('cut.jpg', good.subarray(0, good.length - Math.floor(good.length / 3)), 'image/jpeg'), /cut\.jpg is a JPEG that was cut short/],
      [file('half.png', known(0).subarray(0, 900)), /half\.png is a PNG that was cut short/],
      [file('drawing.svg', Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>'), 'image/svg+xml'), /drawing\.svg is an SVG drawing/],
      [file('notes.png', Buffer.from('These are notes.\n'.repeat(40))), /notes\.png is no picture: it contains text/],
      [file('empty.png', Buffer.alloc(0)), /empty\.png is empty/],
      [file('junk.png', Buffer.concat([known(0).subarray(0, 33), Buffer.alloc(50), known(0).subarray(-12)])), /junk\.png is a PNG that/],
    ];
    for (const [i, [f, message]] of bad.entries()) {
      await pictureInput(page).setInputFiles(f);
      await alertOf(page, message).waitFor();
      if (i === 0) await screenshot(page, 'photo-error');
      // Alive, and the next good one is answered.
      await pictureInput(page).setInputFiles(file('known.png', known(i % 7)));
      await answered(page, i % 7);
      await until('the message to go', async () => (await page.locator('main [role=alert]').count()) === 0);
    }
    // Just below the bound one is read, and smaller at once.
    const begin = Date.now();
    await pictureInput(page).setInputFiles(file('large.png', hugePNG(9000, 5000)));
    await page.getByText('large.png · 2048 × 1138').waitFor();
    report('photo: a picture of 45 megapixels, ms', Date.now() - begin);

    // As the camera was held: what is stored on the left is on top.
    await pictureInput(page).setInputFiles(file('turned.jpg', turned(good, 6), 'image/jpeg'));
    await page.getByText('turned.jpg · 200 × 400').waitFor();
    await until('red on top', async () => {
      const [top, bottom] = [await seen(page, 0.5, 0.2), await seen(page, 0.5, 0.8)];
      return top[0] > 180 && top[2] < 80 && bottom[2] > 180 && bottom[0] < 80;
    });
    await pictureInput(page).setInputFiles(file('clear.png', png(64, 64, (x) => [0, 0, 0, x < 32 ? 0 : 255])));
    await until('white where it is clear', async () => (await seen(page, 0.2, 0.5))[0] === 255 && (await seen(page, 0.8, 0.5))[0] === 0);
    await pictureInput(page).setInputFiles(file('moving.gif', blinkingGIF(), 'image/gif'));
    await until('its first frame', async () => (await seen(page, 0.5, 0.5)).join() === '255,0,0,255');
    // The whole of a wide picture has white above and below.
    await pictureInput(page).setInputFiles(file('wide.jpg', good, 'image/jpeg'));
    await page.getByText('wide.jpg').waitFor();
    await page.getByRole('radio', { name: 'Whole picture' }).check({ force: true });
    await until('white above', async () => (await seen(page, 0.5, 0.05)).join() === '255,255,255,255' && (await seen(page, 0.2, 0.5))[0] > 180);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('models from addresses, the data folder and files that are none', async () => {
    const other = createServer((request, response) => {
      const [, way, name] = request.url.split('/');
      const body = name === 'photo.zip' ? zip() : model.includes(name) ? read(name) : undefined;
      response.writeHead(body ? 200 : 404, way === 'open' ? { 'Access-Control-Allow-Origin': '*' } : {});
      response.end(body);
    });
    await new Promise((ready) => other.listen(0, '127.0.0.1', ready));
    const host = `http://127.0.0.1:${other.address().port}`;
    try {
      const { page, context, errors } = await visit(browser, server);
      await page.getByRole('button', { name: 'More' }).click();
      const from = async (address) => {
        await page.getByLabel(/^Address of/).fill(address);
        await page.getByRole('button', { name: 'Load', exact: true }).click();
      };
      await from(`${host}/closed/`);
      await alertOf(page, /does not let pages of other sites read its files.*CORS/).waitFor();
      await from('ftp://example.org/model');
      await alertOf(page, 'An address begins with https://').waitFor();
      await from(`${server.url}nowhere/`);
      await alertOf(page, /nothing at .*nowhere\/plan\.json \(404\)/).waitFor();
      const ours = errors.splice(0).filter((e) => !/CORS policy|ERR_FAILED|404/.test(e));
      assert.deepEqual(ours, []);
      for (const address of [`${host}/open/`, `${host}/open/plan.json`, `${host}/open/photo.zip`]) {
        await from(address);
        await page.getByTestId('kept').getByText(`from ${host.slice(7)}`).waitFor();
        await loaded(page);
        await page.getByRole('button', { name: 'Delete photo' }).click();
        await until('nothing kept', async () => (await page.getByTestId('kept').count()) === 0);
        await page.getByText('Open a model first').waitFor();
        await page.evaluate(() => delete document.documentElement.dataset.model);
      }
      await page.getByLabel('Model', { exact: true }).selectOption('data:colours');
      await loaded(page);
      await page.getByTestId('kept').getByText('from this server').waitFor();
      await pictureInput(page).setInputFiles(file('known.png', known(3)));
      await answered(page, 3);
      // What was kept is there again, without being asked for.
      await page.reload();
      await loaded(page);

      for (const [files, message] of [
        [[part('broken.zip', zip().subarray(0, 3000))], /broken\.zip is no \.zip file, or a damaged one/],
        [[part('other.zip', Buffer.from(zipSync({ 'a.json': new Uint8Array([1]) })))], /No plan\.json among what is in other\.zip/],
        [[part('plan.json')], /weights\.safetensors is missing/],
        [[part('plan.json'), part('weights.safetensors', read('weights.safetensors').subarray(9))], /weights\.safetensors has \d+ bytes and the plan says/],
        [[part('plan.json'), part('model.onnx'), part('weights.safetensors', Buffer.from(read('weights.safetensors')).fill(7, 2000, 2004))], /weights\.safetensors is damaged/],
        [[part('plan.json', Buffer.from('{"format":"weft-web","version":9}'))], /format 9; this page reads format 1/],
        [[part('plan.json', Buffer.from('{"format":"weft-web","version":1}'))], /plan\.json is incomplete/],
        [[part('plan.json', Buffer.from('no JSON'))], /plan\.json is damaged/],
      ]) {
        await modelInput(page).setInputFiles(files);
        await alertOf(page, message).waitFor();
      }
      assert.deepEqual(errors, []);
      await context.close();
    } finally {
      await new Promise((closed) => other.close(closed));
    }
  });

  test('a built-in model is there at once', async () => {
    const { page, context, errors } = await open(browser, `${server.url}#/check`);
    await page.route('**/models/photo.json', (route) => route.fulfill({ json: [{ name: 'ours', title: 'One of ours' }] }));
    await page.route('**/models/ours/*', (route) => route.fulfill({ path: join(folder, basename(new URL(route.request().url()).pathname)) }));
    await page.getByRole('link', { name: 'Photo' }).click();
    await loaded(page);
    await pictureInput(page).setInputFiles(file('known.png', known(6)));
    await answered(page, 6);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('sample pictures are there, read right, and it is said what can be read', async () => {
    const { page, context, errors } = await visit(browser, server);
    await page.getByText(/^It knows 10 classes: airplane, automobile, bird, cat, .* truck\./).waitFor();
    for (const name of ['cat', 'horse', 'bird', 'dog']) {
      await page.getByRole('button', { name: `Sample picture: ${name}` }).click();
      await until(`the ${name} to be read`, async () => (await page.getByTestId('picture').getAttribute('aria-label'))?.startsWith(`Your picture: ${name}, `) && (await page.getByTestId('top').locator('li').first().locator('.name').textContent()) === name);
    }
    await screenshot(page, 'photo-sample');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('names that do not fit are told, and used when they are shifted', async () => {
    const { page, context, errors } = await visit(browser, server);
    const names = json('plan.json').classes.map((_, i) => `thing ${i}`);
    const text = (list) => file('labels.txt', Buffer.from(list.join('\n')), 'text/plain');
    const onnx = part('photo.onnx');
    await modelInput(page).setInputFiles([onnx, text(names.slice(0, 2))]);
    await page.getByText(`labels.txt has 2 names, but the model has ${names.length} answers: the names are not used.`).waitFor();
    await modelInput(page).setInputFiles([onnx, text(names.slice(1))]);
    await page.getByRole('button', { name: 'Use the names, shifted by one' }).click();
    await page.getByText(`It knows ${names.length} classes: background, thing 1, `).waitFor();
    // They stay with the model.
    await page.reload();
    await page.getByText(`It knows ${names.length} classes: background, thing 1, `).waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('an ONNX file', async () => {
    const { page, context, errors } = await visit(browser, server);
    await modelInput(page).setInputFiles(join(folder, 'photo.onnx'));
    await loaded(page);
    await runOn(page, 'Both');
    await pictureInput(page).setInputFiles(file('known.png', known(2)));
    await answered(page, 2);
    await page.getByTestId('difference').waitFor();
    await page.getByTestId('overlay').waitFor();
    for (const [f, message] of [
      [part('short.onnx', read('photo.onnx').subarray(0, 1000)), /short\.onnx: not a valid ONNX model/],
      [part('text.onnx', Buffer.from('This is a text.')), /text\.onnx: not a valid ONNX model/],
    ]) {
      await modelInput(page).setInputFiles(f);
      await alertOf(page, message).waitFor();
    }
    // The one before is still in use.
    await pictureInput(page).setInputFiles(file('known.png', known(3)));
    await answered(page, 3);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('accessible and legible on a desk and a phone, light and dark, by keyboard', async () => {
    const complaints = [];
    for (const [name, options] of [
      ['desk-light', { colorScheme: 'light' }],
      ['desk-dark', { colorScheme: 'dark' }],
      ['phone-light', { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true }],
      ['phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true }],
    ]) {
      const { page, context, errors } = await visit(browser, server, options);
      complaints.push(...(await scan(page, `${name}, empty`)));
      await screenshot(page, `photo-${name}-empty`);
      await page.getByRole('button', { name: 'More' }).focus();
      await page.keyboard.press('Enter');
      await page.getByLabel(/^Address of/).fill(`${server.url}data/models/colours/`);
      await page.keyboard.press('Enter');
      await loaded(page);
      await pictureInput(page).setInputFiles(file('sunset.jpg', await jpeg(page, 900, 600), 'image/jpeg'));
      await runOn(page, 'Both');
      await page.getByTestId('difference').waitFor();
      await page.getByTestId('overlay').waitFor();
      complaints.push(...(await scan(page, name)));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) complaints.push(`${name}: ${wide} pixels too wide`);
      await screenshot(page, `photo-${name}`);
      // Everything can be reached and used without a mouse.
      await page.getByRole('radio', { name: 'Saliency' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.getByRole('button', { name: 'Channel 3', exact: true }).press('Enter');
      await page.getByRole('slider', { name: /^Channel 3 of/ }).waitFor();
      if (name.startsWith('phone')) await screenshot(page, `photo-${name}-features`);
      assert.deepEqual(errors, []);
      await context.close();
    }
    assert.deepEqual(complaints, []);
  });
});

describe('photo, no webgpu', { timeout: 4 * PATIENCE }, () => {
  test('ONNX Runtime answers, and is loaded only then', async () => {
    const server = await serve(), browser = await launch({ webgpu: false });
    try {
      const { page, errors, context } = await visit(browser, server, { webgpu: false });
      const requests = [];
      page.on('request', (r) => requests.push(basename(new URL(r.url()).pathname)));
      context.on('request', (r) => requests.push(basename(new URL(r.url()).pathname)));
      await modelInput(page).setInputFiles(zipFile());
      await loaded(page);
      await page.getByText('This browser has no WebGPU: ONNX Runtime').waitFor();
      assert.equal(requests.filter((r) => /onnxruntime|ort-wasm/.test(r)).length, 0, 'nobody has asked yet');
      await pictureInput(page).setInputFiles(file('known.png', known(4)));
      await answered(page, 4);
      await device(page, 'ONNX Runtime, WebAssembly');
      assert.ok(requests.some((r) => /^ort-wasm-simd-threaded-.*\.wasm$/.test(r)), `${requests}`);
      await screenshot(page, 'photo-no-webgpu');
      assert.deepEqual(await scan(page, 'no webgpu'), []);
      await runOn(page, 'WebGPU');
      await alertOf(page, /no WebGPU/).waitFor();
      // A model without the ONNX form cannot run here, and says what to do.
      const plan = json('plan.json');
      delete plan.kernels.onnx;
      await runOn(page, 'Auto');
      await modelInput(page).setInputFiles([part('plan.json', Buffer.from(JSON.stringify(plan))), part('weights.safetensors')]);
      await alertOf(page, /exported without its ONNX form.*--onnx/).waitFor();
      // There is no camera in this browser.
      await page.getByRole('button', { name: 'Camera' }).click();
      await alertOf(page, /no camera here|not allowed/).waitFor();
      assert.deepEqual(errors, []);
    } finally {
      await browser.close();
      await server.stop();
    }
  });
});

describe('photo, offline', { timeout: 4 * PATIENCE }, () => {
  test('a kept model answers without a network', async () => {
    writeFileSync(join(root, 'bin/e2e/index.html'), '<!doctype html><title>host</title>');
    const server = await serve('--site', join(root, 'bin/e2e')), browser = await launch({ webgpu: true });
    try {
      const { page, errors } = await open(browser, `${server.url}lab/#/photo`, { serviceWorkers: 'allow' });
      await modelInput(page).setInputFiles(zipFile());
      await loaded(page);
      await runOn(page, 'WebGPU');
      await pictureInput(page).setInputFiles(file('known.png', known(5)));
      await answered(page, 5);
      await until('the service worker', () => page.evaluate(() => navigator.serviceWorker.ready.then((r) => r.active?.state === 'activated')));
      // Files are kept by their sums, which the list of the version has.
      const kept = () => page.evaluate(async () => {
        const cache = await caches.open('weft-parts-2'), urls = (await cache.keys()).map((r) => r.url);
        const { files } = await (await cache.match(urls.find((u) => u.includes('?version=')))).json();
        return files.filter(([, sum]) => urls.some((u) => u.endsWith(`?sum=${sum}`))).map(([name]) => name);
      });
      const late = async () => (await kept()).filter((k) => k.includes('assets/late/'));
      assert.ok((await kept()).some((k) => k.includes('PhotoView')));
      assert.deepEqual(await late(), [], 'the runtime is no part of the offline copy');
      await runOn(page, 'ONNX');
      await device(page, 'ONNX Runtime, WebAssembly');
      await until('the runtime to be kept once it was used', async () => (await late()).length === 2);
      assert.deepEqual(errors, []);
      await server.stop();
      await page.reload();
      await loaded(page);
      await runOn(page, 'Both');
      await pictureInput(page).setInputFiles(file('known.png', known(6)));
      await answered(page, 6);
      await page.getByTestId('difference').waitFor();
      // The browser says itself that it could not look for what is new.
      assert.deepEqual(errors.filter((e) => !/sw\.js|data\/index\.json/.test(e)), []);
    } finally {
      await browser.close();
      await server.stop();
    }
  });
});
