// The static site in a folder of a host that sets no headers of its own that
// matter: it works there, and once visited without a network.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, open, root, serve, until } from './harness.js';
import { ready } from './scenario.js';

describe('site in a sub-path', { timeout: 120_000 }, () => {
  let server, browser;
  before(async () => {
    const folder = join(root, 'bin/e2e');
    assert.ok(existsSync(join(folder, 'lab/index.html')), 'make e2e builds it');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>host</title>');
    server = await serve('--site', folder);
    browser = await launch({ webgpu: false });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test('works offline once visited', async () => {
    // The site has no data of its own, and nobody asked for any: no error.
    const { page, context, errors } = await open(browser, `${server.url}lab/`, { webgpu: false });
    await ready(page);
    // Installed means that all parts are stored.
    await until('the service worker', () => page.evaluate(() => navigator.serviceWorker.ready.then((r) => r.active?.state === 'activated')));
    assert.deepEqual(errors, []);
    await server.stop();
    await page.reload();
    await ready(page);
    assert.match(await page.title(), /Weft Lab/);
    // The browser may say that it could not look for a newer service worker.
    assert.deepEqual(errors.filter((e) => !e.includes('sw.js')), []);
    await context.close();
  });

  test('a wrong address says so', async () => {
    server = await serve('--site', join(root, 'bin/e2e/lab'));
    const context = await browser.newContext();
    const page = await context.newPage();
    const response = await page.goto(`${server.url}no/such/page`);
    assert.equal(response.status(), 404);
    await page.getByRole('heading', { name: 'There is nothing at this address' }).waitFor();
    await context.close();
  });
});
