// How long the page takes to hear of a pointer or a key while it trains. The
// browser stamps an event when it arrives; what passes until a listener sees it
// is the input delay. Pointers hover over the curves, drag a knob and draw; keys
// walk over the controls. A command of its own, because a busy machine decides
// the figures: make e2e-input.

import assert from 'node:assert/strict';
import { frames, open, report, serve, trained, visit } from './harness.js';
import { ready } from './scenario.js';

const DELAY = 50; // ms, of the 95th percentile
const FPS = 50;

/** Runs in the page. */
function watch() {
  const delays = { list: [], long: [] };
  window.weftDelays = delays;
  for (const type of ['pointermove', 'pointerdown', 'pointerup', 'click', 'keydown', 'input']) {
    addEventListener(type, (e) => e.isTrusted && delays.list.push([type, performance.now() - e.timeStamp]), { capture: true, passive: true });
  }
  new PerformanceObserver((all) => delays.long.push(...all.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
}

async function measure(page, name, act) {
  await page.evaluate(() => ((window.weftDelays.list.length = 0), (window.weftDelays.long.length = 0)));
  const counted = frames(page, 5000);
  const end = Date.now() + 5000;
  while (Date.now() < end) await act();
  const { fps, longest, p95: gap } = await counted;
  const found = await page.evaluate(() => ({ list: window.weftDelays.list, long: window.weftDelays.long }));
  const delays = found.list.map(([, ms]) => ms).sort((a, b) => a - b);
  const at = (share) => Math.round(10 * (delays[Math.min(delays.length - 1, Math.floor(share * delays.length))] ?? 0)) / 10;
  const worst = [...found.list].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([t, ms]) => `${t} ${ms.toFixed(0)}`);
  const result = { events: delays.length, median: at(0.5), p95: at(0.95), worst, fps: Math.round(fps), gap95: Math.round(gap), longest: Math.round(longest), longTasks: found.long.map(Math.round) };
  report(name, result);
  return result;
}

const server = await serve();
try {
  await visit({ webgpu: !process.env.CPU }, async (browser, crashed) => {
    const { page, errors } = await open(browser, `${server.url}#/train?data=${process.env.CPU ? 'synthetic' : 'mnist'}&b=64&e=100`, { webgpu: !process.env.CPU, crashed });
    await page.evaluate(watch);
    await ready(page);
    const results = [await measure(page, 'at rest: hover', hover(page))];
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await trained(page, 'some steps', (e) => e.step >= 100);
    results.push(await measure(page, 'training: hover over the curves', hover(page)));
    const slider = await page.getByRole('slider', { name: /^Learning rate/ }).first().boundingBox();
    results.push(await measure(page, 'training: drag a knob', async () => {
      await page.mouse.move(slider.x + 0.4 * slider.width, slider.y + slider.height / 2);
      await page.mouse.down();
      await page.mouse.move(slider.x + 0.5 * slider.width, slider.y + slider.height / 2, { steps: 10 });
      await page.mouse.up();
    }));
    results.push(await measure(page, 'training: keys', async () => {
      await page.keyboard.press('Tab');
      await page.waitForTimeout(30);
    }));
    await page.getByRole('link', { name: 'Draw', exact: true }).click();
    const pad = await page.getByLabel(/^Drawing pad/).boundingBox();
    results.push(await measure(page, 'training: draw', async () => {
      const at = (x, y) => [pad.x + x * pad.width, pad.y + y * pad.height];
      await page.mouse.move(...at(0.3, 0.2));
      await page.mouse.down();
      await page.mouse.move(...at(0.7, 0.2), { steps: 8 });
      await page.mouse.move(...at(0.4, 0.8), { steps: 8 });
      await page.mouse.up();
      await page.getByRole('button', { name: 'Clear' }).click();
    }));
    await page.getByRole('link', { name: 'Look inside', exact: true }).click();
    await page.getByRole('slider', { name: /^Weights of/ }).waitFor();
    const map = await page.getByRole('slider', { name: /^Weights of/ }).boundingBox();
    results.push(await measure(page, 'training: look inside, hover over the weights', async () => {
      await page.mouse.move(map.x + 20, map.y + 10);
      await page.mouse.move(map.x + 200, map.y + 60, { steps: 10 });
    }));
    const { stepsPerSecond } = await trained(page, 'a rate', (e) => e.state === 'running');
    report('steps/s meanwhile', stepsPerSecond);
    assert.deepEqual(errors, []);
    const slow = results.filter((r) => r.p95 >= DELAY || r.fps < FPS);
    assert.deepEqual(slow, [], 'slower than wanted');
  });
} finally {
  await server.stop();
}

function hover(page) {
  return async () => {
    const chart = await page.getByRole('img', { name: /^Loss/ }).boundingBox();
    await page.mouse.move(chart.x + 80, chart.y + 100);
    await page.mouse.move(chart.x + chart.width - 20, chart.y + 150, { steps: 15 });
  };
}
