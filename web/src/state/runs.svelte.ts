// The runs of this visit: what was asked, and the curves that came back. Curves
// live outside the reactive state (they change a thousand times a second); a
// counter that moves at most once a frame tells the charts to look again.

import { WorkerError } from '../lib/client';
import type { Setup } from '../lib/config';
import { sameLayers, shape } from '../lib/network';
import { Series } from '../lib/series';
import type { Events, SetRequest, RunState } from '../lib/protocol';
import { lab } from './lab.svelte';
import { toasts } from './toasts.svelte';

export const RUN_COLOURS = 6;

export interface EpochPoint {
  step: number;
  epoch: number;
  trainLoss: number;
  trainAccuracy: number;
  valLoss: number;
  valAccuracy: number;
}

export class Run {
  visible = $state(true);
  state = $state<RunState>('running');
  epochs = $state.raw<EpochPoint[]>([]);
  readonly loss = new Series();
  readonly accuracy = new Series();
  step = 0;

  constructor(
    readonly id: number,
    readonly name: string,
    readonly colour: number,
    readonly setup: Setup,
    readonly steps: number,
    readonly compileMs: number,
  ) {}
}

export type Phase = 'idle' | 'compiling' | RunState;
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
      (['optimizer', 'schedule', 'batch', 'epochs', 'seed', 'labelSmoothing', 'valFraction', 'warmup', 'ema', 'rotate', 'scale', 'shift', 'nearest'] as const).some((key) => config[key] !== was.config[key])
    );
  });

  #counter = 0;
  #frame = 0;
  #sent = '';

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
      const run = this.list.find((r) => r.id === id);
      if (!run) return;
      const perEpoch = run.steps / run.setup.config.epochs;
      run.epochs = [...run.epochs, { ...point, step: Math.round(point.epoch * perEpoch) }];
      this.#changed();
    });
  }

  #train({ losses, accuracies, ...live }: Events['train']): void {
    const run = this.list.find((r) => r.id === live.run);
    if (!run) return;
    for (let i = 0; i < losses.length; i++) run.loss.add(live.first + i, losses[i] as number);
    for (let i = 0; i < accuracies.length; i++) run.accuracy.add(live.first + i, accuracies[i] as number);
    run.step = live.step;
    run.state = live.state;
    if (run === this.current) {
      this.live = live;
      this.phase = live.state;
    }
    this.#changed();
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
      await lab.loadData();
      const keep = lab.origin === 'loaded' && sameLayers(lab.model?.spec ?? [], lab.setup.layers);
      if (!keep) await lab.newModel();
      const setup = $state.snapshot(lab.setup) as Setup;
      this.phase = 'compiling';
      this.compile = { done: 0, total: 0 };
      this.#sent = knobsOf(setup.config);
      try {
        const begun = await lab.client.request('start', { config: setup.config, keep });
        const n = ++this.#counter;
        const run = new Run(begun.run, `#${n} ${shape(setup.layers)}, ${setup.config.optimizer} ${setup.config.lr}`, (n - 1) % RUN_COLOURS, setup, begun.steps, begun.compileMs);
        this.list = [...this.list.slice(1 - RUN_COLOURS), run];
        this.current = run;
        this.live = undefined;
        this.phase = 'running';
        lab.origin = lab.own = 'trained';
        lab.choice = 'own';
        if (keep) toasts.info(`Training goes on from ${lab.modelName}.`, 'Restart begins with fresh weights.');
      } catch (reason) {
        this.phase = 'idle';
        throw reason;
      } finally {
        this.compile = undefined;
      }
    });

  pause = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('pause', {})));
  resume = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('resume', {})));
  stop = (): Promise<void> => this.#do(async () => this.#state(await lab.client.request('stop', {})));

  step = async (n = 1): Promise<void> => {
    if (!this.active) {
      await this.start();
      if (this.phase !== 'running') return;
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
    if (!this.active) return;
    const { config } = lab.setup;
    const now = knobsOf(config);
    if (now === this.#sent) return;
    this.#sent = now;
    const { lr, minLr, weightDecay, momentum } = config;
    const knobs: SetRequest = { lr, minLr, weightDecay, momentum };
    lab.client.request('set', knobs).catch((reason: unknown) => toasts.error(reason));
  }

  forget(run: Run): void {
    if (run === this.current && this.active) return;
    this.list = this.list.filter((r) => r !== run);
    this.revision++;
  }

  #state({ state }: { state: RunState }): void {
    this.phase = state;
    if (this.current) this.current.state = state;
  }

  async #do(work: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await lab.ready();
      await work();
    } catch (reason) {
      toasts.error(reason);
    } finally {
      this.busy = false;
    }
  }
}

function knobsOf({ lr, minLr, weightDecay, momentum }: Setup['config']): string {
  return [lr, minLr, weightDecay, momentum].join();
}

export const runs = new Runs();
