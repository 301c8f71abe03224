// What a visitor does, step by step, with WebGPU and without: train, pause,
// change the rate, go on, save, come back, load, draw, and make a mistake.

import assert from 'node:assert/strict';
import { answered, DESK, drag, frames, report, scan, screenshot, trained, until } from './harness.js';

// Digits as strokes in the unit square. A one and a seven of few pixels are
// easily confused, even by people: these are drawn as children are taught.
const circle = Array.from({ length: 17 }, (_, i) => [0.5 - 0.2 * Math.sin((2 * Math.PI * i) / 16), 0.5 - 0.3 * Math.cos((2 * Math.PI * i) / 16)]);
export const DIGITS = {
  0: [circle],
  1: [[[0.5, 0.15], [0.5, 0.85]]],
  7: [[[0.25, 0.2], [0.75, 0.2], [0.42, 0.85]]],
};

/** ready waits for the engine, the data and the network. */
export async function ready(page) {
  await answered(page, 'init');
  await answered(page, 'data');
  await page.getByRole('button', { name: 'Start', exact: true }).and(page.locator('[aria-disabled=false]')).waitFor();
}

/** visitView goes to a view and waits until it is the one that is shown. */
export async function visitView(page, view) {
  await page.getByRole('link', { name: view, exact: true }).click();
  await page.getByRole('link', { name: view, exact: true }).and(page.locator('[aria-current=page]')).waitFor();
}

/** choose picks a network by a part of its name. */
export async function choose(page, name) {
  const list = page.getByRole('combobox', { name: 'Network' });
  const option = list.locator('option', { hasText: name }).first();
  await option.waitFor({ state: 'attached' });
  await list.selectOption(await option.getAttribute('value'));
}

/** rate is the field of the learning rate. */
const rate = (page) => page.getByRole('textbox', { name: /^Learning rate/ });

/** draws a digit and returns what the page reads. */
export async function read(page, digit) {
  const pad = page.getByTestId('pad').or(page.getByRole('img', { name: /draw/i })).or(page.locator('canvas[aria-label*="raw"]')).first();
  const clear = page.getByRole('button', { name: /^Clear/ });
  if (await clear.isEnabled()) await clear.click();
  for (const stroke of DIGITS[digit]) await drag(page, pad, stroke);
  await answered(page, 'predict');
  return pad;
}

/** train starts a run and follows it to an accuracy. */
export async function train(page, { name, accuracy, within, measure }) {
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const started = await answered(page, 'start');
  const first = await trained(page, 'the first step', (e) => e.step >= 1);
  if (measure) report(`${name}: first step after Start, ms`, first.at - started.sentAt);
  await trained(page, 'some steps', (e) => e.step >= 50);
  if (measure) {
    report(`${name}: frames while training`, await frames(page));
    const { stepsPerSecond } = await trained(page, 'a steady rate', (e) => e.step >= 150);
    report(`${name}: steps/s`, stepsPerSecond);
  }

  // Pause: no step is made until Resume.
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  const paused = await trained(page, 'the pause', (e) => e.state === 'paused');
  await page.getByRole('button', { name: 'Resume', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Single step' }).click();
  await trained(page, 'a single step', (e) => e.step === paused.step + 1 && e.state === 'paused');

  // Another rate, which the run must follow.
  await rate(page).fill('0.1');
  await rate(page).blur();
  await answered(page, 'set');
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  const after = await trained(page, 'steps at the new rate', (e) => e.state === 'running' && e.step > paused.step + 10);
  assert.ok(after.lr > paused.lr, `the rate was ${paused.lr} and is ${after.lr}`);

  await until(`a validation accuracy of ${accuracy}`, async () => {
    const epochs = await page.evaluate(() => window.weftLog.events.filter((e) => e.event === 'epoch'));
    return epochs.some((e) => e.valAccuracy >= accuracy);
  }, within);
}

/** save, reload, load, draw, spoil. */
export async function keep(page, { name, digits }) {
  if (await page.getByRole('button', { name: 'Stop', exact: true }).isEnabled()) await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('textbox', { name: /Name to save/ }).fill('mine');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved as mine.').waitFor();
  await screenshot(page, `${name}-trained`);

  await page.reload();
  await ready(page);
  await page.getByRole('button', { name: 'Load mine' }).click();
  await answered(page, 'load');
  await page.getByRole('link', { name: 'Draw' }).click();
  for (const digit of digits) {
    await read(page, digit);
    await until(`the page to read ${digit}`, () => winner(page, digit), 10_000);
    await screenshot(page, `${name}-draw-${digit}`);
  }

  // A file that is no model.
  await page.getByRole('link', { name: 'Train' }).click();
  await page.getByLabel(/Model file/).setInputFiles({ name: 'holiday.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from('this is no model') });
  const alert = page.getByRole('alert').getByText(/holiday\.safetensors/);
  await alert.waitFor();
  await screenshot(page, `${name}-bad-file`);
  // And the lab is still alive.
  await page.getByRole('button', { name: 'Start', exact: true }).and(page.locator('[aria-disabled=false]')).waitFor();
}

/** winner tells whether a digit has the largest probability on the page. */
export function winner(page, digit) {
  return page.evaluate((digit) => {
    const r = window.weftLog.predictions?.at(-1);
    return r !== undefined && r.indexOf(Math.max(...r)) === digit;
  }, digit);
}

/** everywhere looks at every view in both themes. */
export async function everywhere(page, name) {
  const complaints = [];
  for (const theme of ['light', 'dark']) {
    for (const view of ['Train', 'Look inside', 'Draw', 'Test', 'Check']) {
      await visitView(page, view);
      complaints.push(...(await scan(page, `${view}, ${theme}`)));
      const file = `${name}-${view.toLowerCase().replace(' ', '-')}-${theme}`;
      await screenshot(page, file);
      if (theme === 'dark') continue;
      // The same on a small phone: nothing is cut off to the right.
      await page.setViewportSize({ width: 360, height: 740 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) complaints.push(`${view}: ${wide} pixels too wide for a phone`);
      await screenshot(page, `${file}-phone`);
      await page.setViewportSize(DESK);
    }
    await page.getByRole('button', { name: /theme$/ }).click();
  }
  assert.deepEqual(complaints, []);
}
