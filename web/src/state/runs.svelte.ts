// The runs: what was asked, and the curves that came back. Curves live outside
// the reactive state (they change a thousand times a second); a counter that
// moves at most once a frame tells the charts to look again.
//
// A run outlives its page: every few seconds its curves and its network go to
// the browser's storage, so that neither a reload nor another Start loses it.

import { WorkerError } from '../lib/client';
import type { Setup } from '../lib/config';
import { short } from '../lib/format';
import { Health, type Verdict } from '../lib/health';
import * as history from '../lib/history';
import type { EpochPoint, KeptRun, Mark } from '../lib/history';
import { layerName } from '../lib/layers';
import { sameLayers, shape } from '../lib/network';
import { Series } from '../lib/series';
import type { Events, SetRequest, RunState } from '../lib/protocol';
import { lab } from './lab.svelte';
import { toasts } from './toasts.svelte';

export type { EpochPoint, Mark };
export const RUN_COLOURS = history.MOST_RUNS;
/** How often a run in progress is stored. */
const KEEP_MS = 5000;
/** Changes of the rate so close together are one: a slider is dragged. */
const ONE_CHANGE_MS = 1500;

export class Run {
  visible = $state(true);
  state = $state<RunState>('running');
  epochs = $state.raw<EpochPoint[]>([]);
  marks = $state.raw<Mark[]>([]);
  /** What is wrong with it, while it is in progress. */
  verdict = $state<Verdict>('fine');
  /** Its network is in the browser's storage. */
  kept = $state(false);
  setup = $state.raw<Setup>() as Setup;
  /** Steps to its end, of all parts that it was trained in. */
  steps = $state(0);
  loss = new Series();
  accuracy = new Series();
  health = new Health(10);
  step = 0;
  /** The worker's number for it, 0 when the worker knows it no more. */
  id = 0;
  /** What it had before the worker's run began: it was trained on. */
  before = { steps: 0, epochs: 0 };
  compileMs = NaN;

  constructor(
    readonly key: string,
    readonly number: number,
    readonly name: string,
    readonly colour: number,
    setup: Setup,
  ) {
    this.setup = setup;
  }

  /** Steps of an epoch in the part that is in progress. */
  get perEpoch(): number {
    return (this.steps - this.before.steps) / (this.setup.config.epochs - this.before.epochs);
  }

  /** Epochs that were begun. */
  get begun(): number {
    return this.before.epochs + Math.ceil((this.step - this.before.steps) / this.perEpoch);
  }

  get over(): boolean {
    return this.state === 'done' || this.state === 'stopped';
  }
}

export type Phase = 'idle' | 'loading' | 'compiling' | RunState;
type Live = Omit<Events['train'], 'losses' | 'accuracies'>;

class Runs {
  list = $state.raw<Run[]>([]);
  current = $state.raw<Run>();
  live = $state.raw<Live>();
  phase = $state<Phase>('idle');
  busy = $state(false);
  compile = $state.raw<{ done: number; total: number }>();
  /** Moves when any curve has changed. */
  revision = $state(0);
  smoothing = $state(0.5);
  logLoss = $state(true);
  /** Units that answer nothing to any picture, in words, when the run is ill. */
  dead = $state('');

  active = $derived(this.phase === 'running' || this.phase === 'paused');
  /** The set-up differs from the run's in something that can not change while it runs. */
  stale = $derived.by(() => {
    const run = this.current;
    if (!run || !this.active) return false;
    const { config, layers, source } = lab.setup;
    const was = run.setup;
    return (
      source !== was.source ||
      !sameLayers(layers, was.layers) ||
      (['optimizer', 'schedule', 'batch', 'seed', 'labelSmoothing', 'valFraction', 'warmup', 'ema', 'rotate', 'scale', 'shift', 'nearest'] as const).some((key) => config[key] !== was.config[key]) ||
      config.epochs !== was.config.epochs - run.before.epochs
    );
  });

  #frame = 0;
  #sent = '';
  #changedAt = 0;
  #keeping: Promise<void> = Promise.resolve();
  #keptAt = 0;
  #keptStep = new Map<Run, number>();
  /** Networks that the browser would not store. */
  #memory = new Map<string, Uint8Array>();
  #told = false;

  /** listen takes the worker's events; called once, when there is a client. */
  listen(): void {
    const { client } = lab;
    client.on('compile', (event) => (this.compile = event));
    client.on('train', (event) => this.#train(event));
    client.on('failed', ({ run, message, hint }) => {
      toasts.error(new WorkerError(message, hint));
      if (run === this.current?.id) this.#state({ state: 'stopped' });
    });
    client.on('epoch', ({ run: id, ...point }) => {
      const run = this.#known(id);
      if (!run) return;
      run.epochs = [...run.epochs, { ...point, epoch: run.before.epochs + point.epoch, step: run.before.steps + Math.round(point.epoch * run.perEpoch) }];
      this.#changed();
      if (run.state !== 'running') void this.keep(run);
    });
  }

  #known(id: number): Run | undefined {
    return this.list.find((r) => r.id === id);
  }

  /** restore brings back the runs of earlier visits. */
  async restore(): Promise<void> {
    const kept = await history.list().catch((): KeptRun[] => []);
    this.list = kept.map((k) => {
      const run = new Run(k.key, k.number, k.name, k.colour, k.setup);
      // What was in progress when its page went is over now.
      run.state = k.state === 'done' ? 'done' : 'stopped';
      [run.step, run.steps, run.epochs, run.marks, run.kept] = [k.step, k.steps, k.epochs, k.marks, k.network];
      [run.loss, run.accuracy] = [Series.restore(k.loss), Series.restore(k.accuracy)];
      return run;
    });
    this.current = this.list.at(-1);
    if (this.current) this.phase = this.current.state;
    this.revision++;
  }

  #train({ losses, accuracies, ...live }: Events['train']): void {
    const run = this.#known(live.run);
    if (!run) return;
    const first = run.before.steps + live.first;
    for (let i = 0; i < losses.length; i++) {
      const [loss, accuracy] = [losses[i] as number, accuracies[i] as number];
      run.loss.add(first + i, loss);
      run.accuracy.add(first + i, accuracy);
      run.health.add(loss, accuracy);
    }
    run.step = run.before.steps + live.step;
    run.state = live.state;
    const verdict = run.health.verdict;
    if (verdict !== run.verdict) {
      run.verdict = verdict;
      this.dead = '';
      if (verdict === 'chance' || verdict === 'collapsed') void this.#probe(run);
    }
    if (run === this.current) {
      this.live = { ...live, step: run.step, steps: run.steps, epoch: run.before.epochs + live.epoch };
      this.phase = live.state;
    }
    this.#changed();
    if (live.state === 'running' && performance.now() - this.#keptAt > KEEP_MS) void this.keep(run);
  }

  /** #probe asks whether units are dead: whether a layer of ReLUs answers 0 to pictures of several classes. */
  async #probe(run: Run): Promise<void> {
    try {
      if (lab.choice !== 'own') return;
      const layers = lab.model?.layers ?? [];
      const { rotate, scale, shift, nearest, seed } = { ...run.setup.config, rotate: 0, scale: 0, shift: 0 };
      const { originals } = await lab.client.request('augment', { rotate, scale, shift, nearest, seed, draw: 0, rows: 1 });
      const alive = new Map<string, Uint8Array>();
      for (let i = 0; i < 4; i++) {
        const { activations } = await lab.client.request('predict', { pixels: originals.slice(i * 784, (i + 1) * 784) });
        for (const { name, values } of activations) {
          const units = alive.get(name) ?? new Uint8Array(values.length);
          values.forEach((v, k) => (units[k] = Number(units[k]) | Number(v > 0)));
          alive.set(name, units);
        }
      }
      for (const layer of layers) {
        const units = alive.get(layer.name);
        if (layer.kind !== 'relu' || !units) continue;
        const dead = units.filter((u) => u === 0).length;
        if (dead < 0.95 * units.length || run.verdict === 'fine') continue;
        this.dead = `${dead === units.length ? `All ${dead}` : `${dead} of ${units.length}`} units of ${layerName(layer)} answer 0 to every picture: nothing can be learned through them.`;
        return;
      }
    } catch {
      // Nothing more can be said, which needs no message.
    }
  }

  #changed(): void {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.revision++;
    });
  }

  /** start begins a run with the set-up; a model that was loaded is trained on, anything else begins anew. */
  start = (): Promise<void> =>
    this.#do(async () => {
      if (lab.fault) throw new Error(lab.fault);
      await this.#data();
      if (this.current) await this.keep(this.current);
      const keep = lab.origin === 'loaded' && !lab.guest && !lab.choice.startsWith('run:') && sameLayers(lab.model?.spec ?? [], lab.setup.layers);
      const from = lab.modelName;
      if (!keep) await lab.newModel();
      const setup = $state.snapshot(lab.setup) as Setup;
      const begun = await this.#begin(setup, keep, 0);
      const number = Math.max(0, ...this.list.map((r) => r.number)) + 1;
      const run = new Run(crypto.randomUUID(), number, `#${number} ${shape(setup.layers)}, ${setup.config.optimizer} ${setup.config.lr}`, (number - 1) % RUN_COLOURS, setup);
      [run.id, run.steps, run.compileMs] = [begun.run, begun.steps, begun.compileMs];
      this.list = [...this.list.slice(1 - RUN_COLOURS), run];
      this.#runs(run);
      if (keep) toasts.info(`Training goes on from ${from}.`, 'Restart begins with fresh weights.');
    });

  /** trainOn gives a run that is over as many epochs more as the recipe says, by the recipe as it is now. */
  trainOn = (run: Run): Promise<void> =>
    this.#do(async () => {
      if (this.active) return;
      if (!sameLayers(lab.setup.layers, run.setup.layers) || lab.setup.source !== run.setup.source) {
        lab.setup.layers = structuredClone(run.setup.layers);
        lab.setup.source = run.setup.source;
      }
      const more = $state.snapshot(lab.setup) as Setup;
      await this.#data();
      if (this.current && this.current !== run) await this.keep(this.current);
      // What the worker trained last is there with its optimizer.
      if (run.id !== 0 && run === this.current && lab.own === 'trained') lab.took(await lab.client.request('own', {}), 'trained', '');
      else lab.took(await lab.client.request('load', { bytes: await this.network(run), name: run.name }), 'loaded', run.name);
      const epochs = run.begun;
      const begun = await this.#begin(more, true, epochs);
      run.before = { steps: run.step, epochs };
      run.setup = { ...more, config: { ...more.config, epochs: epochs + more.config.epochs } };
      [run.id, run.steps, run.compileMs] = [begun.run, run.step + begun.steps, begun.compileMs];
      [run.health, run.verdict, run.visible] = [new Health(10), 'fine', true];
      run.marks = [...run.marks, { step: run.step, text: `trained on for ${more.config.epochs} ${more.config.epochs === 1 ? 'epoch' : 'epochs'}` }];
      this.#runs(run);
      if (!begun.resumed && more.config.optimizer !== 'sgd') toasts.info(`${run.name.split(' ')[0]} goes on from its weights.`, 'Its optimizer begins anew: the state that it had is not kept with a network.');
    });

  async #data(): Promise<void> {
    if (lab.loading) this.phase = 'loading';
    await lab.loadData();
  }

  async #begin(setup: Setup, keep: boolean, epoch: number) {
    this.phase = 'compiling';
    this.compile = { done: 0, total: 0 };
    this.#sent = knobsOf(setup.config);
    try {
      return await lab.client.request('start', { config: setup.config, keep, epoch });
    } finally {
      this.compile = undefined;
    }
  }

  #runs(run: Run): void {
    for (const other of this.list) if (other !== run) other.id = 0;
    this.current = run;
    this.live = undefined;
    this.dead = '';
    run.state = 'running';
    this.phase = 'running';
    lab.origin = lab.own = 'trained';
    lab.choice = 'own';
    this.#keptAt = performance.now();
    this.#changed();
  }

  pause = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('pause', {})));
  resume = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('resume', {})));
  stop = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('stop', {})));

  step = async (n = 1): Promise<void> => {
    if (!this.active) {
      await this.start();
      // A short run may be over before it can be paused.
      if (!this.active) return;
      await this.pause();
    }
    await this.#do(async () => this.#state(await lab.client.request('step', { n })));
  };

  restart = async (): Promise<void> => {
    if (this.active) await this.stop();
    if (lab.origin === 'loaded') lab.origin = 'new';
    await this.start();
  };

  /** knobs sends what may change while it runs, if it has. */
  knobs(): void {
    const run = this.current;
    if (!run || !this.active) return;
    const { config } = lab.setup;
    const now = knobsOf(config);
    if (now === this.#sent) return;
    const from = Number(this.#sent.split(',')[0]);
    this.#sent = now;
    const { lr, endFactor, weightDecay, momentum } = config;
    if (lr !== from) this.#mark(run, from, lr);
    const knobs: SetRequest = { lr, endFactor, weightDecay, momentum };
    lab.client.request('set', knobs).catch((reason: unknown) => toasts.error(reason));
  }

  #mark(run: Run, from: number, to: number): void {
    const last = run.marks.at(-1);
    const same = last?.rate && performance.now() - this.#changedAt < ONE_CHANGE_MS ? last : undefined;
    const rate = { from: same?.rate?.from ?? from, to };
    const mark = { step: same?.step ?? run.step, text: `learning rate ${short(rate.from)} → ${short(to)}`, rate };
    run.marks = [...run.marks.filter((m) => m !== same), mark];
    this.#changedAt = performance.now();
    this.#changed();
  }

  /** keep stores a run and its network, one after the other if there are several. */
  keep(run: Run): Promise<void> {
    this.#keptAt = performance.now();
    return (this.#keeping = this.#keeping.then(() => this.#keep(run)));
  }

  async #keep(run: Run): Promise<void> {
    const { key, number, name, colour, state, step, steps, epochs, marks } = run;
    if (!this.list.includes(run) || this.#keptStep.get(run) === step + 0.5 * Number(run.over)) return;
    let bytes: Uint8Array | undefined;
    if (run.id !== 0 && run === this.current && lab.own === 'trained' && step > 0) {
      // Of a run that has diverged the curves remain.
      bytes = (await lab.client.request('save', { own: true }).catch(() => undefined))?.bytes;
    }
    const entry: KeptRun = { key, when: Date.now(), number, name, colour, setup: $state.snapshot(run.setup) as Setup, state, step, steps, epochs, marks, loss: run.loss.data(), accuracy: run.accuracy.data(), network: run.kept || bytes !== undefined };
    try {
      await history.keep(entry, bytes);
      this.#memory.delete(key);
    } catch {
      if (bytes) this.#memory.set(key, bytes);
      if (!this.#told) toasts.info('This browser does not keep the runs.', 'They last as long as this page: download the network if it matters.');
      this.#told = true;
    }
    if (bytes) run.kept = true;
    this.#keptStep.set(run, step + 0.5 * Number(run.over));
  }

  /** network is the file of a run's network. */
  async network(run: Run): Promise<Uint8Array> {
    await this.#keeping;
    const bytes = this.#memory.get(run.key) ?? (await history.network(run.key));
    if (!bytes) throw new Error(`The network of ${run.name} was not kept.`);
    return bytes;
  }

  /** Something would be lost if the page went now. */
  get unsaved(): boolean {
    return this.#memory.size > 0 || (this.phase === 'running' && performance.now() - this.#keptAt > 4 * KEEP_MS);
  }

  /** hide stores what is in progress, because a page that is not seen may go at any time. */
  hide(): void {
    if (this.current && this.active) void this.keep(this.current);
  }

  forget(run: Run): void {
    if (run === this.current && this.active) return;
    this.list = this.list.filter((r) => r !== run);
    this.#memory.delete(run.key);
    void history.remove(run.key).catch(() => undefined);
    if (run === this.current) {
      this.current = undefined;
      this.live = undefined;
      this.phase = 'idle';
    }
    this.revision++;
  }

  #state({ state }: { state: RunState }): void {
    this.phase = state;
    const run = this.current;
    if (!run) return;
    run.state = state;
    if (state !== 'running') void this.keep(run);
  }

  async #do(work: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const before = this.phase;
    try {
      await lab.ready();
      await work();
    } catch (reason) {
      // A start that failed leaves things as they were.
      if (this.phase === 'loading' || this.phase === 'compiling') this.phase = before === 'loading' || before === 'compiling' ? 'idle' : before;
      toasts.error(reason);
    } finally {
      this.busy = false;
    }
  }
}

function knobsOf({ lr, endFactor, weightDecay, momentum }: Setup['config']): string {
  return [lr, endFactor, weightDecay, momentum].join();
}

export const runs = new Runs();
