// The first visit, and the second: Start pressed before the data is there, what
// a reload leaves, training on, a rate that ends a run, and the keyboard.

import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { createServer, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { answered, drag, finished, open, scan, screenshot, serve, trained, until, visit, PATIENCE } from './harness.js';
import { choose, ready, visitView } from './scenario.js';

const button = (page, name) => page.getByRole('button', { name, exact: true });
const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.tagName);
const runBar = (page) => page.getByRole('region', { name: 'Run', exact: true });
const rate = (page) => page.getByRole('textbox', { name: /^Learning rate/ });
const epochs = (page) => page.evaluate(() => window.weftLog.events.filter((e) => e.event === 'epoch'));

/** slow passes requests on to a server, and the training images only when it is let go: a line on which they take long. One file, because a browser has few connections to a host. */
async function slow(target) {
  let go;
  const gate = new Promise((done) => (go = done));
  const proxy = createServer((from, to) => {
    const ask = request(new URL(from.url, target), { headers: { ...from.headers, host: new URL(target).host } }, async (answer) => {
      to.writeHead(answer.statusCode, answer.headers);
      if (!/data\/mnist\/train-images/.test(from.url)) return answer.pipe(to);
      // Half of it comes at once, so that there is progress to be seen.
      let first = true;
      for await (const part of answer) {
        to.write(part);
        if (first) await gate;
        first = false;
      }
      to.end();
    });
    ask.end();
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${proxy.address().port}/`, go, stop: () => new Promise((done) => (proxy.closeAllConnections(), proxy.close(done))) };
}

describe('visits', { timeout: 8 * PATIENCE }, () => {
  let server;
  before(async () => {
    server = await serve();
  });
  after(async () => {
    await server?.stop();
  });

  for (const webgpu of [true, false]) {
    test(`Start and Test wait for the data, ${webgpu ? 'webgpu' : 'cpu'}`, () => visit({ webgpu }, async (browser, crashed) => {
      const line = await slow(server.url);
      const { page, context, errors } = await open(browser, `${line.url}#/train`, { webgpu, crashed });
      await answered(page, 'init');
      await page.getByRole('img', { name: /^Ten pictures such as it learns from/ }).waitFor();
      await page.getByText('Teach a neural network to read handwritten digits.').waitFor();
      await runBar(page).getByText(/^Loading the data, .*Press Start at any time\.$/).waitFor();
      await button(page, 'Start').focus();
      await page.keyboard.press('Enter');
      await runBar(page).getByText(/^Training begins when the data is here: (\d+ %|just begun)\.$/).waitFor();
      assert.equal(await focused(page), 'Start');
      assert.equal(await page.evaluate(() => window.weftLog.requests.filter((r) => r.type === 'start').length), 0);
      await screenshot(page, `visit-waiting-${webgpu ? 'webgpu' : 'cpu'}`);

      // Another tab, with a network that needs no training, in a view with nothing to choose.
      const other = await open(browser, `${line.url}#/test`, { webgpu, crashed });
      await answered(other.page, 'init');
      await choose(other.page, /128-10/);
      await button(other.page, 'Test').click();
      await other.page.getByText(/^The test begins when the data is here: /).waitFor();

      line.go();
      await answered(page, 'start');
      await trained(page, 'a step', (e) => e.step > 0);
      await button(page, 'Pause').waitFor();
      // Start became Pause and Resume under the same finger.
      assert.equal(await focused(page), 'Pause');
      await page.keyboard.press('Enter');
      await trained(page, 'the pause', (e) => e.state === 'paused');
      await button(page, 'Resume').waitFor();
      assert.equal(await focused(page), 'Resume');
      await page.keyboard.press('Enter');
      await trained(page, 'the resumption', (e) => e.state === 'running');
      await button(page, 'Stop').focus();
      await page.keyboard.press('Enter');
      await trained(page, 'the end', (e) => e.state === 'stopped');
      assert.equal(await focused(page), 'Stop');
      await answered(other.page, 'test');
      assert.deepEqual([...errors, ...other.errors], []);
      await context.close();
      await other.context.close();
      await line.stop();
    }));
  }

  test('runs and their networks outlive a second Start and a reload, and are trained on', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&net=24-relu-10&opt=adam&lr=0.002&b=128&e=1`, { crashed });
    page.on('dialog', (dialog) => errors.push(`the page asks: ${dialog.message()}`));
    await ready(page);
    await finished(page, () => button(page, 'Start').click());
    await rate(page).fill('0,004');
    await rate(page).press('Enter');
    const { step } = await finished(page, () => button(page, 'Start').click());
    const rows = page.getByRole('region', { name: 'Table of runs' }).locator('tbody tr');
    assert.equal(await rows.count(), 2);
    assert.match(await rows.nth(1).innerText(), /#2 784‑24‑10, adam 0\.004/);
    await until('the network of #2 to be kept', async () => (await button(page, 'Train on').getAttribute('aria-disabled')) === 'false');

    // What the first run learned can still be drawn on.
    await visitView(page, 'Draw');
    await choose(page, /^#1/);
    await answered(page, 'load');
    await button(page, 'Sample digit 1').click();
    await answered(page, 'predict');
    await page.getByText(/^Read by #1 /).waitFor({ state: 'attached' });

    await page.reload();
    await answered(page, 'data');
    await page.getByText(/^Read by #2 /).waitFor({ state: 'attached' });
    await visitView(page, 'Train');
    await runBar(page).getByText('Finished').waitFor();
    await screenshot(page, 'visit-second');
    assert.equal(await rows.count(), 2);
    assert.match(await page.getByRole('img', { name: /^Loss/ }).getAttribute('aria-label'), /after epoch 1/);

    // From the file of #2, without Adam's state; then from where that ended, with it.
    for (const again of [1, 2]) {
      const end = await finished(page, () => button(page, 'Train on').click());
      assert.equal(end.step, step);
      const starts = await page.evaluate(() => window.weftLog.requests.filter((r) => r.sent && r.type === 'start').length);
      assert.equal(starts, again);
      await rows.nth(1).getByText(`${again + 1} of ${again + 1}`).waitFor();
    }
    assert.equal((await epochs(page)).length, 2);
    const notes = page.getByText('Its optimizer begins anew: the state that it had is not kept with a network.');
    await notes.first().waitFor();
    assert.equal(await notes.count(), 1);
    await until('the whole curve', async () => /after epoch 3/.test(await page.getByRole('img', { name: /^Loss/ }).getAttribute('aria-label')));
    assert.match(await page.getByRole('img', { name: /^Loss/ }).getAttribute('aria-label'), new RegExp(`trained on for 1 epoch at step ${step};.* at step ${2 * step}`));
    await screenshot(page, 'visit-trained-on');

    // Removing a run leaves the focus in its table.
    await page.getByRole('button', { name: /^Remove #1/ }).focus();
    await page.keyboard.press('Enter');
    await until('one row', async () => (await rows.count()) === 1);
    assert.notEqual(await focused(page), 'BODY');
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('a reload in the middle of a run loses little of it', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&net=24-relu-10&b=128&e=500`, { crashed });
    page.on('dialog', (dialog) => errors.push(`the page asks: ${dialog.message()}`));
    await ready(page);
    await button(page, 'Start').click();
    await answered(page, 'save');
    await page.reload();
    await ready(page);
    await runBar(page).getByText('Stopped').waitFor();
    await button(page, 'Train on').click();
    await answered(page, 'start');
    await trained(page, 'steps', (e) => e.state === 'running' && e.step > 0);
    await button(page, 'Stop').click();
    await trained(page, 'the end', (e) => e.state === 'stopped');
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('numbers count on Enter; a run that has died is told, and why', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&e=500`, { crashed });
    await ready(page);
    await button(page, 'Start').click();
    await trained(page, 'some accuracy', (e) => e.step > 400);
    const sets = () => page.evaluate(() => window.weftLog.requests.filter((r) => r.sent && r.type === 'set').length);
    await rate(page).fill('50');
    await page.getByText('A number from 0.000001 to 10; 0.05 stays').waitFor();
    await rate(page).blur();
    assert.equal(await rate(page).inputValue(), '0.05');
    await rate(page).fill('');
    await rate(page).pressSequentially('6.0');
    await page.getByText('Enter to apply').waitFor();
    await rate(page).press('Escape');
    assert.equal(await rate(page).inputValue(), '0.05');
    assert.equal(await sets(), 0);
    await rate(page).fill('6,0');
    await rate(page).press('Enter');
    await answered(page, 'set');
    assert.equal(await rate(page).inputValue(), '6');
    assert.equal(await sets(), 1);
    const told = page.getByTestId('diagnosis');
    await told.waitFor();
    assert.match(await told.innerText(), /^This run (has|is) .*The learning rate went from 0\.05 to 6 at step [\d\u202f]+\..*Lower the learning rate/s);
    await page.getByText('learning rate 0.05 → 6').first().waitFor();
    assert.deepEqual(await scan(page, 'a dead run'), []);
    await screenshot(page, 'visit-dead-run');
    await page.setViewportSize({ width: 390, height: 844 });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0);
    await screenshot(page, 'visit-dead-run-phone');
    await page.getByRole('button', { name: 'Restart with 0.05' }).click();
    await told.waitFor({ state: 'detached' });
    await answered(page, 'start');
    await trained(page, 'steps at the old rate', (e) => e.state === 'running' && e.step > 0 && e.lr <= 0.05);
    await button(page, 'Stop').click();
    // A file with numbers that are none is nothing to keep; what was there before is.
    await trained(page, 'the end', (e) => e.state === 'stopped');
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('an address that holds nonsense says so; Adam falls to a share of its rate', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/train?data=synthetic&net=99999999&opt=zzz&lr=-4&e=1e9`, { crashed });
    await page.getByText(/^This address holds what this lab cannot use: net=99999999, opt=zzz, lr=-4, e=1e9\./).waitFor();
    assert.equal(await rate(page).inputValue(), '0.05');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    await page.getByRole('combobox', { name: 'Optimizer' }).selectOption('adam');
    await page.getByText('The rate falls from 0.001 to 2.0e-5.').waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('inside, the answer has a name, and a unit leads to its weights', () => visit({ webgpu: true }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/draw?data=synthetic`, { crashed });
    await answered(page, 'data');
    await choose(page, /128-10/);
    await answered(page, 'use');
    await visitView(page, 'Look inside');
    await page.getByTestId('verdict').getByText(/^It says \d, (and it is|but it is \d)\.$/).waitFor();
    // By pointer, and by keyboard.
    await page.getByRole('slider', { name: /^Activations of ReLU 1/ }).click({ position: { x: 24, y: 8 } });
    const unit = page.getByTestId('unit');
    await unit.getByRole('heading', { name: 'Unit 1', exact: true }).waitFor();
    await unit.getByRole('slider', { name: /^Weights of unit 1, 28 by 28/ }).waitFor();
    await page.getByRole('slider', { name: /^Activations of Linear 2/ }).focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'Enter']) await page.keyboard.press(key);
    await unit.getByRole('heading', { name: 'Unit 2', exact: true }).waitFor();
    await page.getByRole('radio', { name: 'Linear 2: 128 → 10' }).and(page.locator(':checked')).waitFor({ state: 'attached' });
    assert.deepEqual(await scan(page, 'one unit'), []);
    await screenshot(page, 'visit-unit');
    await unit.getByRole('button', { name: 'Close' }).click();
    await unit.waitFor({ state: 'detached' });
    assert.deepEqual(errors, []);
    await context.close();
  }));

  test('a drawing on a phone is read by a trained network until there is one of one’s own', () => visit({ webgpu: false }, async (browser, crashed) => {
    const { page, context, errors } = await open(browser, `${server.url}#/draw?data=synthetic`, { webgpu: false, crashed, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await answered(page, 'use');
    await page.getByText(/^Read by MLP 784-128-64-10, which came with the page/).first().waitFor();
    await page.getByRole('button', { name: 'Sample digit 3' }).click();
    await until('a three', () => page.evaluate(() => window.weftLog.predictions.at(-1)?.indexOf(Math.max(...window.weftLog.predictions.at(-1))) === 3));
    await screenshot(page, 'visit-draw-phone');
    // The untrained one is there to be chosen, and says what it is beside its answer.
    await choose(page, 'Your network (untrained)');
    const note = page.getByText(/^Read by your network, which has learned nothing yet/).first();
    await note.waitFor();
    const [pad, said] = [await page.getByLabel(/^Drawing pad/).boundingBox(), await note.boundingBox()];
    assert.ok(said.y - (pad.y + pad.height) < 120, `${said.y - pad.y - pad.height} pixels below the pad`);
    await screenshot(page, 'visit-draw-untrained-phone');
    // A speck would be misread: it is said why.
    await page.getByRole('button', { name: 'Clear' }).click();
    await drag(page, page.getByLabel(/^Drawing pad/), [[0.48, 0.45], [0.52, 0.55]]);
    await page.getByText(/^Draw larger: /).waitFor();
    // Nothing of this has changed what would be trained.
    await visitView(page, 'Train');
    const network = page.getByRole('region', { name: 'Network' });
    await network.getByText(/101.770 parameters/).waitFor();
    // The rate stands beside the curves, once; what would take hours here says so before Start.
    assert.equal(await rate(page).count(), 1);
    await page.getByRole('region', { name: 'Curves' }).getByRole('textbox', { name: /^Learning rate/ }).waitFor();
    await network.getByRole('button', { name: 'CNN', exact: true }).click();
    await page.getByText(/^This takes long here: without WebGPU on a graphics card, about \d+.h/).waitFor();
    await page.getByRole('button', { name: 'Use LeNet, 2 epochs' }).click();
    await page.getByText('This takes long here:').waitFor({ state: 'detached' });
    await network.getByText('Layers: CNN 6‑16‑84‑10').waitFor();
    assert.deepEqual(await scan(page, 'Train on a phone'), []);
    assert.deepEqual(errors, []);
    await context.close();
  }));
});
