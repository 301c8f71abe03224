// The static site in a folder of a host that sets no headers: it works there,
// once visited without a network, and across a change of versions.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, open, root, screens, serve, until } from './harness.js';
import { ready } from './scenario.js';

const site = (version) => join(root, 'bin/e2e', version);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.json': 'application/json', '.svg': 'image/svg+xml' };

/** host serves the versions in turn under /lab/: the first that has a file. What
 * is in extra, by address, is served before that. */
async function host() {
  const state = { versions: ['lab'], extra: new Map() };
  const server = createServer((request, response) => {
    const address = normalize(decodeURIComponent(new URL(request.url, 'http://host').pathname));
    const name = address.replace(/^\/lab\//, '').replace(/^$/, 'index.html');
    const file = state.versions.map((v) => join(site(v), name)).find((f) => existsSync(f) && statSync(f).isFile());
    const body = state.extra.get(name) ?? (file && address.startsWith('/lab/') ? readFileSync(file) : undefined);
    if (body === undefined || body === null) return response.writeHead(404).end('no such file');
    response.writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Cache-Control': 'max-age=60' });
    response.end(body);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.address().port}/lab/`,
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  });
}

/** version is the folder of the page's parts. */
const version = (page) => page.evaluate(() => document.querySelector('meta[name="weft-parts"]').content);
const versionOf = (v) => /name="weft-parts" content="([^"]+)"/.exec(readFileSync(join(site(v), 'index.html'), 'utf8'))[1];
const installed = (page) => until('the service worker', () => page.evaluate(() => navigator.serviceWorker.ready.then((r) => r.active?.state === 'activated' && !!navigator.serviceWorker.controller)));
/** update looks for a new version and tells whether it was installed. */
const update = (page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const { active } = registration;
    await registration.update();
    const next = registration.installing;
    if (!next) return registration.active !== active;
    return new Promise((done) => next.addEventListener('statechange', () => (next.state === 'activated' || next.state === 'redundant') && done(next.state === 'activated')));
  });
/** text is what a page gets of a file, or 'failed'. */
const text = (page, address) => page.evaluate((a) => fetch(a).then((r) => (r.ok ? r.text() : `status ${r.status}`)).catch(() => 'failed'), address);

describe('site in a sub-path', { timeout: 240_000 }, () => {
  let browser;
  before(async () => {
    for (const v of ['lab', 'next']) assert.ok(existsSync(join(site(v), 'index.html')), 'make e2e builds it');
    browser = await launch({ webgpu: false });
  });
  after(() => browser?.close());

  test('works offline once visited', async () => {
    const server = await host();
    // The site has no data of its own, and nobody asked for any: no error.
    const { page, context, errors } = await open(browser, server.url, { webgpu: false, serviceWorkers: 'allow' });
    await ready(page);
    await installed(page);
    assert.deepEqual(errors, []);
    await server.stop();
    await page.reload();
    await ready(page);
    assert.match(await page.title(), /Weft Lab/);
    assert.equal(await page.evaluate(() => globalThis.crossOriginIsolated), true, 'the worker gives the headers that the host lacks');
    // The browser may say that it could not look for a newer service worker.
    assert.deepEqual(errors.filter((e) => !e.includes('sw.js')), []);
    await context.close();
  });

  test('two versions never mix', async () => {
    const server = await host();
    const [old, next] = [versionOf('lab'), versionOf('next')];
    assert.notEqual(old, next);
    const { page, context } = await open(browser, server.url, { webgpu: false, serviceWorkers: 'allow' });
    await ready(page);
    await installed(page);
    assert.equal(await version(page), old);

    // A host on which the new version is copied half: a file is damaged.
    server.versions = ['next', 'lab'];
    server.extra.set(`${next}models/README.md`, 'cut short');
    assert.equal(await update(page), false, 'a half version is installed');
    await page.reload();
    await ready(page);
    assert.equal(await version(page), old);

    // Whole. The tab that is open stays what it was, with all that it has.
    server.extra.clear();
    assert.equal(await update(page), true);
    assert.equal(await version(page), old);
    assert.match(await text(page, `${old}models/models.json`), /mnist-mlp/);
    // What it did not have is still on the host.
    assert.match(await text(page, `${old}fixtures/losses.json`), /cross_entropy/);
    // Once that is gone, it says so.
    server.versions = ['next'];
    assert.equal(await page.getByRole('alert').filter({ hasText: 'older version' }).count(), 0);
    assert.equal(await text(page, `${old}weft-check.wasm`), 'status 404');
    await page.getByRole('alert').filter({ hasText: 'older version' }).waitFor();
    await page.screenshot({ path: join(screens, 'site-older-version.png') });
    await page.getByRole('button', { name: 'Reload' }).click();
    await until('the new version', async () => (await version(page).catch(() => '')) === next);
    await ready(page);
    // And nothing is left of the versions before the last two.
    const kept = await page.evaluate(async () => (await (await caches.open('weft-parts-2')).keys()).map((r) => r.url).filter((u) => u.includes('?version=')));
    assert.equal(kept.length, 2);
    await context.close();
    await server.stop();
  });

  test('data is what the list says', async () => {
    const server = await host();
    const list = (s) => server.extra.set('data/index.json', JSON.stringify({ sets: {}, sums: { 'some/file.txt': createHash('sha256').update(s).digest('hex') } }));
    const put = (s) => server.extra.set('data/some/file.txt', s);
    list('one');
    put('one');
    const { page, context } = await open(browser, server.url, { webgpu: false, serviceWorkers: 'allow' });
    await ready(page);
    await installed(page);
    const get = async () => {
      await text(page, 'data/index.json'); // what a page does first
      return text(page, 'data/some/file.txt');
    };
    assert.equal(await get(), 'one');
    put('damaged');
    assert.equal(await get(), 'one', 'it is kept');
    list('two');
    assert.equal(await get(), 'failed', 'a file that is not the listed one');
    put('two');
    assert.equal(await get(), 'two');
    await server.stop();
    assert.equal(await get(), 'two', 'without a network');
    await context.close();
  });

  test('the server has the same worker', async () => {
    const server = await serve();
    const { page, context, errors } = await open(browser, server.url, { webgpu: false, serviceWorkers: 'allow' });
    await ready(page);
    await installed(page);
    assert.deepEqual(errors, []);
    await server.stop();
    await page.reload();
    await ready(page);
    assert.deepEqual(errors.filter((e) => !e.includes('sw.js') && !e.includes('data/')), []);
    await context.close();
  });

  test('a wrong address says so', async () => {
    const server = await serve('--site', site('lab'));
    const context = await browser.newContext();
    const page = await context.newPage();
    const response = await page.goto(`${server.url}no/such/page`);
    assert.equal(response.status(), 404);
    await page.getByRole('heading', { name: 'There is nothing at this address' }).waitFor();
    await context.close();
    await server.stop();
  });
});
