// The same numbers: a seeded run in the tab against the same run of the
// command on the CPU, loss by loss.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { dataFolder, haveMNIST, open, report, root, serve, trained, until, visit } from './harness.js';
import { ready } from './scenario.js';

const LOSSES = 200;

/** native trains the seed's recipe until there are losses enough. */
async function native(folder) {
  const child = spawn(join(root, 'bin/weft'), ['train', 'mnist-mlp', '--preset', 'seed', '--device', 'cpu', '--data', 'mnist', '--no-test', '--save-every', String(LOSSES + 50), '--out', folder], {
    env: { ...process.env, WEFT_DATA: dataFolder },
    stdio: 'ignore',
  });
  const ended = new Promise((done) => child.on('exit', done));
  try {
    return await until('the losses of weft train', () => {
      const [run] = readdirSync(folder);
      if (!run || !readdirSync(join(folder, run)).includes('steps.csv')) return undefined;
      const rows = readFileSync(join(folder, run, 'steps.csv'), 'utf8').trim().split('\n').slice(1, -1);
      return rows.length >= LOSSES && rows.slice(0, LOSSES).map((row) => Number(row.split(',')[1]));
    });
  } finally {
    child.kill('SIGINT');
    await ended;
  }
}

// CI tests this with the real images; elsewhere they may be missing.
describe('the same numbers as weft train', { timeout: 240_000, skip: !haveMNIST && 'there is no MNIST on this machine; set WEFT_DATA' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-e2e-'));
  let server, want;
  before(async () => {
    server = await serve();
    want = await native(folder);
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const webgpu of [true, false]) {
    test(webgpu ? 'WebGPU' : 'CPU', { timeout: 120_000 }, () => visit({ webgpu }, async (browser, crashed) => {
      const { page, errors } = await open(browser, `${server.url}#/train?data=mnist&b=32&e=15&s=2&v=0`, { webgpu, crashed });
      await ready(page);
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await trained(page, `${LOSSES} steps`, (e) => e.step >= LOSSES);
      const have = await page.evaluate(() => {
        const losses = [];
        for (const e of window.weftLog.events) if (e.event === 'train') e.losses.forEach((loss, i) => (losses[e.first + i] = loss));
        return losses;
      });
      const off = want.map((loss, i) => Math.abs(loss - have[i]));
      report(`${webgpu ? 'webgpu' : 'cpu'}: largest difference of ${LOSSES} losses`, Math.max(...off));
      assert.ok(Math.max(...off) <= 1e-3, `losses differ: ${want.slice(0, 3)} and ${have.slice(0, 3)}, by ${Math.max(...off)} at worst`);
      assert.deepEqual(errors, []);
    }));
  }
});
