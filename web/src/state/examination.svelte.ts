// The last test of the model and the last check of the device: both outlive
// the views that show them.

import type { CheckRow, KernelInfo, TestResult } from '../lib/protocol';
import { lab } from './lab.svelte';
import { runs } from './runs.svelte';
import { toasts } from './toasts.svelte';

class Test {
  result = $state.raw<TestResult>();
  progress = $state.raw<{ done: number; total: number }>();
  /** The model has changed since. */
  stale = $derived.by(() => this.#version !== lab.modelVersion || (lab.choice === 'own' && this.#step !== (runs.live?.step ?? 0)));

  #version = $state(-1);
  #step = $state(0);

  run = async (): Promise<void> => {
    if (this.progress) return;
    this.progress = { done: 0, total: 0 };
    let off: () => void = () => undefined;
    try {
      await lab.loadData();
      off = lab.client.on('test', (event) => (this.progress = event));
      this.result = await lab.client.request('test', {});
      [this.#version, this.#step] = [lab.modelVersion, runs.live?.step ?? 0];
    } catch (reason) {
      toasts.error(reason);
    } finally {
      off();
      this.progress = undefined;
    }
  };
}

class Check {
  rows = $state.raw<CheckRow[]>([]);
  kernels = $state.raw<readonly KernelInfo[]>([]);
  running = $state(false);
  /** All rows are there. */
  done = $state(false);

  run = async (): Promise<void> => {
    if (this.running) return;
    this.running = true;
    this.done = false;
    this.rows = [];
    this.kernels = [];
    try {
      // The reference values come with a program of their own, which is gone
      // afterwards; the kernels are those of the network here.
      await lab.withProgram('weft-check.wasm', async (client) => {
        client.on('check', ({ row }) => (this.rows = [...this.rows, row]));
        this.rows = (await client.request('check', {})).rows;
      });
      this.kernels = (await lab.client.request('kernels', {})).kernels;
      this.done = true;
    } catch (reason) {
      toasts.error(reason);
    } finally {
      this.running = false;
    }
  };
}

export const test = new Test();
export const check = new Check();
