// The runs of earlier visits: their curves, and the networks that they left, in
// the browser. Networks are apart from the rest, because the list is read at
// every visit and a network only when somebody wants it. There are few, the last
// ones: a browser that is asked for too much room may give all of it back.

import type { Setup } from './config';
import { Database } from './database';
import type { RunState } from './protocol';
import type { SeriesData } from './series';

export interface EpochPoint {
  step: number;
  epoch: number;
  trainLoss: number;
  trainAccuracy: number;
  valLoss: number;
  valAccuracy: number;
}

/** Something that was done to a run, at a step. */
export interface Mark {
  step: number;
  text: string;
  /** The learning rate before and after, where that is what was changed. */
  rate?: { from: number; to: number };
}

export interface KeptRun {
  key: string;
  when: number;
  number: number;
  name: string;
  colour: number;
  setup: Setup;
  state: RunState;
  step: number;
  steps: number;
  epochs: EpochPoint[];
  marks: Mark[];
  loss: SeriesData;
  accuracy: SeriesData;
  /** Its network is kept as well. */
  network: boolean;
}

/** As many runs are kept. */
export const MOST_RUNS = 6;

const database = new Database('weft-lab-runs', { runs: 'key', networks: 'key' });

/** list gives the runs, the oldest first. */
export async function list(): Promise<KeptRun[]> {
  const all = await database.run<KeptRun[]>('runs', 'readonly', (store) => store.getAll());
  return all.sort((a, b) => a.when - b.when);
}

/** keep puts a run, and its network if there is one, in place of what was known of it. */
export async function keep(run: KeptRun, network: Uint8Array | undefined): Promise<void> {
  if (network) await database.run('networks', 'readwrite', (store) => store.put({ key: run.key, bytes: network }));
  await database.run('runs', 'readwrite', (store) => store.put(run));
  const old = (await list()).slice(0, -MOST_RUNS);
  for (const { key } of old) await remove(key);
}

/** network is what a run has left, undefined when nothing is. */
export async function network(key: string): Promise<Uint8Array | undefined> {
  return (await database.run<{ bytes: Uint8Array } | undefined>('networks', 'readonly', (store) => store.get(key)))?.bytes;
}

export async function remove(key: string): Promise<void> {
  await database.run('runs', 'readwrite', (store) => store.delete(key));
  await database.run('networks', 'readwrite', (store) => store.delete(key));
}
