// The last test of the model and the last check of the device: both outlive
// the views that show them.

import type { CheckResult, CheckRow, TestResult } from '../lib/protocol';
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
  result = $state.raw<CheckResult>();
  running = $state(false);

  run = async (): Promise<void> => {
    if (this.running) return;
    this.running = true;
    this.rows = [];
    this.result = undefined;
    let off: () => void = () => undefined;
    try {
      await lab.ready();
      off = lab.client.on('check', ({ row }) => (this.rows = [...this.rows, row]));
      this.result = await lab.client.request('check', {});
      this.rows = this.result.rows;
    } catch (reason) {
      toasts.error(reason);
    } finally {
      off();
      this.running = false;
    }
  };
}

export const test = new Test();
export const check = new Check();
