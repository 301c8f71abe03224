// What the browser tests share: the server, the browser, and a page that keeps
// an account of everything that went wrong in it.
//
// The tests wait for what the page shows or for what its worker said, never for
// a time: a listener on every Worker, put in before the page's own code runs,
// records the protocol's events with their times.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, '../..');
export const screens = join(here, '../screens/e2e');
mkdirSync(screens, { recursive: true });

/** What a busy machine may need for one thing to happen. */
export const PATIENCE = 90_000;

// The shared folder beside the checkout is where this project's own machines
// keep data; anywhere else WEFT_DATA or the user's cache has it, or nothing.
const shared = resolve(root, '../shared/data');
export const dataFolder = process.env.WEFT_DATA || (existsSync(join(shared, 'mnist')) ? shared : '');
export const haveMNIST = dataFolder !== '' && existsSync(join(dataFolder, 'mnist', 'train-images-idx3-ubyte.gz'));

/** serve starts weft serve on a free port; stop() ends it and waits. */
export async function serve(...args) {
  const child = spawn(process.env.WEFT || join(root, 'bin/weft'), ['serve', '--addr', '127.0.0.1:0', '--offline', ...args], {
    env: { ...process.env, WEFT_DATA: dataFolder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const url = await new Promise((found, failed) => {
    const listen = (chunk) => {
      said += chunk;
      const match = /at (http:\S+)/.exec(said);
      if (match) found(match[1]);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('exit', (code) => failed(new Error(`weft serve ended with ${code}: ${said}`)));
    child.on('error', failed);
  });
  return {
    url,
    stop: () =>
      new Promise((done) => {
        if (child.exitCode !== null) return done();
        child.on('exit', done);
        child.kill('SIGINT');
      }),
  };
}

const browserPath = process.env.CHROMIUM || ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((p) => existsSync(p));

/** launch starts the browser, with WebGPU on its software adapter or without
 * WebGPU, and with more flags. */
export async function launch({ webgpu, more = [] }) {
  const flags = [
    '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // A page that is not in front would be drawn seldom.
    '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding', '--disable-background-timer-throttling',
    ...more,
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ...(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-features=WebGPU,WebGPUService', '--disable-gpu']),
  ];
  const start = () => chromium.launch({ executablePath: browserPath, headless: true, args: flags, timeout: PATIENCE });
  // A browser that fails to start on a crowded machine gets one more chance.
  return start().catch(start);
}

/** visit runs a test in a browser of its own. A browser that crashes, which on
 * software adapters is the browser's fault, gets one more chance; a test that
 * fails does not. */
export async function visit(options, test) {
  for (let attempt = 1; ; attempt++) {
    const browser = await launch(options);
    let crashed = false;
    browser.on('disconnected', () => (crashed = true));
    try {
      return await test(browser, () => (crashed = true));
    } catch (e) {
      if (!crashed || attempt === 2) throw e;
      console.log(`the browser crashed, once more: ${e.message}`);
    } finally {
      await browser.close();
    }
  }
}

/** Runs in the page before its own code. */
function record() {
  const log = { events: [], requests: [], predictions: [], short: false, worker: undefined };
  window.weftLog = log;
  const Real = window.Worker;
  window.Worker = class extends Real {
    constructor(...args) {
      super(...args);
      log.worker = this;
      this.addEventListener('message', ({ data }) => {
        // The log of an hour would itself be what grows.
        if (log.short) for (const list of [log.events, log.requests, log.predictions]) list.splice(0, list.length - 50);
        if (data?.event === 'train') {
          const { run, step, steps, stepsPerSecond, state, lr, gpuBytes, first } = data;
          log.events.push({ event: 'train', at: performance.now(), run, step, steps, stepsPerSecond, state, lr, gpuBytes, first, losses: [...data.losses] });
        } else if (data?.event) {
          log.events.push({ ...data, at: performance.now() });
        } else if (data) {
          if (data.result?.probabilities) log.predictions.push([...data.result.probabilities]);
          log.requests.push({ id: data.id, ok: data.ok, at: performance.now(), type: this.types?.get(data.id), error: data.error });
        }
      });
    }
    postMessage(message, ...rest) {
      if (message?.type) {
        (this.types ??= new Map()).set(message.id, message.type);
        log.requests.push({ id: message.id, sent: true, type: message.type, at: performance.now() });
      }
      return super.postMessage(message, ...rest);
    }
  };
}

export const DESK = { width: 1280, height: 900 };

/** open makes a page of its own profile, which records what goes wrong. */
export async function open(browser, url, { webgpu = true, crashed = () => undefined, ...options } = {}) {
  // Keeping an offline copy would be work beside that of the test.
  const context = await browser.newContext({ viewport: DESK, reducedMotion: 'reduce', serviceWorkers: 'block', ...options });
  context.setDefaultTimeout(PATIENCE);
  await context.addInitScript(record);
  // Where the flags leave the interface in place, it is taken away.
  if (!webgpu) await context.addInitScript(() => delete Navigator.prototype.gpu);
  const page = await context.newPage();
  const errors = [];
  page.on('console', (m) => {
    if (m.type() === 'error') errors.push(`console: ${m.text()} (${m.location().url})`);
  });
  page.on('pageerror', (e) => errors.push(`exception: ${e.stack ?? e}`));
  page.on('crash', () => {
    errors.push('the page crashed');
    crashed();
  });
  page.on('response', (r) => {
    if (r.status() >= 400) errors.push(`${r.status()} for ${r.url()}`);
  });
  await page.goto(url);
  return { page, context, errors };
}

/** until asks again and again, here and not in the page, whose policy forbids
 * evaluating texts, until there is an answer. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${patience / 1000} s for ${what}`);
    await new Promise((next) => setTimeout(next, 100));
  }
}

const lastTrain = (page) => page.evaluate(() => window.weftLog.events.findLast((e) => e.event === 'train'));

/** trained waits for the latest event of training to pass a test. */
export function trained(page, what, passes) {
  let last;
  return until(what, async () => {
    last = await lastTrain(page);
    assert.notEqual(last?.state, 'lost', 'the device was lost');
    return last && passes(last) ? last : undefined;
  }, 3 * PATIENCE).catch((e) => {
    throw new Error(`${e.message}; last: ${JSON.stringify({ ...last, losses: last?.losses?.slice(-3) })}`);
  });
}

/** answered waits for the worker's answer to the last request of a type. */
export async function answered(page, type, patience = 2 * PATIENCE) {
  const answer = await until(`the answer to ${type}`, () =>
    page.evaluate((type) => {
      const { requests } = window.weftLog;
      const sent = requests.findLast((r) => r.sent && r.type === type);
      const got = sent && requests.find((r) => !r.sent && r.id === sent.id);
      return got && { ...got, sentAt: sent.at };
    }, type), patience);
  assert.ok(answer.ok, `${type}: ${answer.error?.message}`);
  return answer;
}

/** finished presses a button that begins a run, and returns the last event of that run. */
export async function finished(page, press) {
  const before = (await lastTrain(page))?.run ?? 0;
  await press();
  return trained(page, 'the end of the run', (e) => e.run > before && e.state === 'done');
}

/** memory is what the tab holds once all garbage is collected: the JavaScript
 * heaps of the page and of its worker, the page's nodes and listeners, the worker's WebAssembly memory and Go heap,
 * and the GPU's buffers, in bytes. */
export async function memory(page) {
  const session = await page.context().newCDPSession(page);
  try {
    const attached = new Promise((found) => session.on('Target.attachedToTarget', (e) => e.targetInfo.type === 'worker' && found(e.sessionId)));
    const answers = new Map();
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message);
      answers.get(id)?.(result);
    });
    // Only sessions of the old kind can be spoken to through that of the page.
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    const worker = await attached;
    const toPage = (method) => session.send(method);
    const toWorker = (method) =>
      new Promise((answer) => {
        const id = answers.size + 1;
        answers.set(id, answer);
        void session.send('Target.sendMessageToTarget', { sessionId: worker, message: JSON.stringify({ id, method }) });
      });
    const heap = async (send) => {
      for (let i = 0; i < 2; i++) await send('HeapProfiler.collectGarbage');
      const { usedSize, embedderHeapUsedSize } = await send('Runtime.getHeapUsage');
      return usedSize + embedderHeapUsedSize;
    };
    const sizes = { pageHeap: await heap(toPage), workerHeap: await heap(toWorker) };
    const { nodes, jsEventListeners: listeners } = await session.send('Memory.getDOMCounters');
    const stats = await page.evaluate(
      () =>
        new Promise((found) => {
          const id = -1; // no number of the page's own
          const { worker } = window.weftLog;
          const listen = ({ data }) => {
            if (data.id !== id) return;
            worker.removeEventListener('message', listen);
            found(data.result);
          };
          worker.addEventListener('message', listen);
          worker.postMessage({ id, type: 'stats', collect: true });
        }),
    );
    return { ...sizes, nodes, listeners, ...stats };
  } finally {
    await session.detach();
  }
}

/** frames counts what is drawn in so many milliseconds, and the longest gap. */
export function frames(page, ms = 3000) {
  return page.evaluate(
    (ms) =>
      new Promise((done) => {
        const times = [];
        const tick = (now) => {
          times.push(now);
          if (now - times[0] < ms) return requestAnimationFrame(tick);
          const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
          done({ fps: (1000 * gaps.length) / (now - times[0]), longest: gaps.at(-1), p95: gaps[Math.floor(0.95 * gaps.length)] });
        };
        requestAnimationFrame(tick);
      }),
    ms,
  );
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** scan returns what axe-core complains about, a text each. */
export async function scan(page, what) {
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axeSource);
  const found = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
  return found.violations.map((v) => `${what}: ${v.id}: ${v.help}\n    ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary}`).join('\n    ')}`);
}

export async function screenshot(page, name) {
  await page.screenshot({ path: join(screens, `${name}.png`), fullPage: true, animations: 'disabled' });
}

/** report keeps measurements, which are for people and decide nothing. */
const measured = {};
export function report(name, value) {
  measured[name] = value;
  console.log(`measured ${name}: ${typeof value === 'number' ? Number(value.toPrecision(4)) : JSON.stringify(value)}`);
  writeFileSync(join(screens, `measured-${process.pid}.json`), JSON.stringify(measured, null, 2) + '\n');
}

/** drag moves a pressed pointer along points given in fractions of an element. */
export async function drag(page, locator, points) {
  await locator.scrollIntoViewIfNeeded();
  const box = await locator.boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const p of points.slice(1)) await page.mouse.move(...at(p), { steps: 6 });
  await page.mouse.up();
}
