// Drawing on a phone: with a finger, with a pen, and what the tools do.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answered, drag, open, screenshot, serve, until, visit, PATIENCE } from './harness.js';
import { choose, DIGITS, ready, visitView, winner } from './scenario.js';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** pointer sends strokes as one kind of device does. A second finger may rest on
 * the pad meanwhile. */
async function pointer(page, kind, strokes, { second } = {}) {
  const pad = page.getByLabel(/^Drawing pad/);
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox();
  const at = ([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height });
  const session = await page.context().newCDPSession(page);
  const mouse = (type, p, buttons) => session.send('Input.dispatchMouseEvent', { type, ...at(p), button: 'left', buttons, clickCount: 1, pointerType: 'pen', force: 0.5 });
  const touch = (type, ...points) => session.send('Input.dispatchTouchEvent', { type, touchPoints: points.map((p, id) => ({ ...at(p), id })) });
  for (const stroke of strokes) {
    // Points between, as a hand gives them.
    const path = stroke.flatMap((p, i) => (i === 0 ? [p] : [0.25, 0.5, 0.75, 1].map((s) => p.map((v, k) => stroke[i - 1][k] + s * (v - stroke[i - 1][k])))));
    if (kind === 'pen') {
      await mouse('mousePressed', path[0], 1);
      for (const p of path.slice(1)) await mouse('mouseMoved', p, 1);
      await mouse('mouseReleased', path.at(-1), 0);
      continue;
    }
    await touch('touchStart', path[0]);
    if (second) await touch('touchStart', path[0], second);
    for (const p of path.slice(1)) await touch('touchMove', p, ...(second ? [second] : []));
    await touch('touchEnd');
  }
  await session.detach();
}

for (const webgpu of [true, false]) {
  describe(`drawing on a phone, ${webgpu ? 'webgpu' : 'cpu'}`, { timeout: 4 * PATIENCE }, () => {
    let server;
    before(async () => {
      server = await serve();
    });
    after(async () => {
      await server?.stop();
    });

    test('finger and pen', () => visit({ webgpu }, async (browser, crashed) => {
      const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic`, { webgpu, crashed, ...PHONE });
      await ready(page);
      await visitView(page, 'Draw');
      await choose(page, /128-10/);
      await page.evaluate(() => {
        window.weftPointers = [];
        document.querySelector('canvas[aria-label^="Drawing pad"]').addEventListener('pointerdown', (e) => window.weftPointers.push(e.pointerType));
      });
      const undo = page.getByRole('button', { name: 'Undo' });
      const clear = page.getByRole('button', { name: 'Clear' });
      for (const kind of ['touch', 'pen']) {
        for (const digit of [0, 1, 7]) {
          const scrolled = await page.evaluate(() => scrollY);
          // A hand resting on the pad must not end the stroke or draw one.
          await pointer(page, kind, DIGITS[digit], digit === 0 && kind === 'touch' ? { second: [0.9, 0.9] } : {});
          await until(`the page to read ${digit} drawn by ${kind}`, () => winner(page, digit), 10_000);
          const used = await page.evaluate(() => window.weftPointers.splice(0));
          assert.ok(used.length > 0 && used.every((type) => type === kind), `${kind} arrived as ${used}`);
          if (kind === 'touch' && digit !== 0) assert.equal(await page.evaluate(() => scrollY), scrolled, 'the page scrolled under the finger');
          await screenshot(page, `phone-${kind}-${digit}${webgpu ? '' : '-cpu'}`);
          await clear.tap();
          await clear.and(page.locator('[aria-disabled=true]')).waitFor();
        }
      }

      // Erase takes ink away, undo gives it back.
      await pointer(page, 'touch', DIGITS[1]);
      const ink = () => page.evaluate(() => {
        const pad = document.querySelector('canvas[aria-label^="Drawing pad"]');
        const { data } = pad.getContext('2d').getImageData(0, 0, pad.width, pad.height);
        let dark = 0;
        for (let i = 0; i < data.length; i += 4) if (data[i] < 128) dark++;
        return dark;
      });
      const drawn = await until('ink', ink, 10_000);
      await page.getByRole('button', { name: 'Erase' }).tap();
      await pointer(page, 'touch', [[[0.3, 0.5], [0.7, 0.5]]]);
      const erased = await until('less ink', async () => { const n = await ink(); return n < drawn && n; }, 10_000);
      await undo.tap();
      await until('the ink again', async () => (await ink()) === drawn, 10_000);
      assert.ok(erased > 0.5 * drawn, `${erased} of ${drawn} pixels are left`);
      await undo.tap();
      await until('an empty pad', async () => (await ink()) === 0, 10_000);
      // Clearing is undone, too: the digit before this one comes back.
      await undo.tap();
      await until('what was cleared', ink, 10_000);
      await clear.tap();
      await until('an empty pad', async () => (await ink()) === 0, 10_000);
      await page.getByRole('button', { name: 'Erase' }).tap();

      // The mouse, for good measure, and nothing wider than the phone.
      await drag(page, page.getByLabel(/^Drawing pad/), DIGITS[7][0]);
      await answered(page, 'predict');
      await until('a seven', () => winner(page, 7), 10_000);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
      assert.deepEqual(errors, []);
      await context.close();
    }));
  });
}
