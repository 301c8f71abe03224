// What the worker has: its device, its data, its model. Everything else on the
// page is a view of this and of the runs.

import { Client } from '../lib/client';
import { defaultSetup, read, type Setup } from '../lib/config';
import { fault } from '../lib/network';
import { parse } from '../lib/route';
import { here } from '../lib/site';
import type { DataResult, DataSource, InitResult, ModelInfo } from '../lib/protocol';
import { toasts } from './toasts.svelte';

type MakeWorker = (program?: string) => Worker;

export type Phase = 'starting' | 'ready' | 'failed';

/** Where the model that the worker holds came from. */
export type Origin = 'none' | 'new' | 'trained' | 'loaded';

class Lab {
  phase = $state<Phase>('starting');
  failure = $state('');
  device = $state.raw<InitResult>();
  data = $state.raw<DataResult>();
  /** The site's data sets by folder; here is false where its server must download them first. Unknown until the list is here. */
  sets = $state.raw<Record<string, { here?: boolean }>>();
  dataProgress = $state.raw<{ loaded: number; total: number }>();
  model = $state.raw<ModelInfo>();
  origin = $state<Origin>('none');
  /** The name of a loaded model, '' for one's own. */
  modelName = $state('');
  /** Which model is in place: 'own', 'run:KEY', 'builtin:FILE', 'saved:NAME' or 'file:NAME'. */
  choice = $state('own');
  /** The model in place was not chosen by the visitor, and is nothing to be trained on. */
  guest = $state(false);
  /** What the worker keeps as one's own, whatever is in place. */
  own = $state<Exclude<Origin, 'loaded'>>('none');
  /** Counts changes of the weights by loading, so that views ask again. */
  modelVersion = $state(0);
  setup = $state<Setup>(defaultSetup());
  /** Parts of the address that could not be used. */
  ignored = $state.raw<string[]>([]);
  fault = $derived(fault(this.setup.layers));

  #client: Client | undefined;
  #makeWorker: MakeWorker | undefined;
  #ready: Promise<void> | undefined;
  #dataWanted: DataSource | undefined;
  #dataPending: Promise<void> | undefined;
  #dataTurn = 0;

  get client(): Client {
    if (!this.#client) throw new Error('The worker is not started yet.');
    return this.#client;
  }

  /** start makes the worker and returns at once: the page is usable while it loads. */
  start(makeWorker: MakeWorker): Promise<void> {
    this.#makeWorker = makeWorker;
    this.follow(parse(location.hash).query);
    this.#ready = this.#start(makeWorker).catch((reason: unknown) => {
      this.phase = 'failed';
      this.failure = reason instanceof Error ? reason.message : String(reason);
      toasts.error(reason);
    });
    return this.#ready;
  }

  /** follow takes the set-up of an address. */
  follow(query: string): void {
    ({ setup: this.setup, ignored: this.ignored } = read(query));
  }

  async #start(makeWorker: MakeWorker): Promise<void> {
    const client = new Client(makeWorker(), (error) => {
      if (this.phase === 'starting') {
        this.phase = 'failed';
        this.failure = error.message;
      }
      toasts.error(error);
    });
    this.#client = client;
    client.on('data', (event) => (this.dataProgress = event));
    client.on('lost', (event) => toasts.info(event.message));
    const asked = new URLSearchParams(location.search).get('device');
    const device = asked === 'cpu' || asked === 'webgpu' ? asked : 'auto';
    this.device = await client.request('init', { ...here(), device });
    this.phase = 'ready';
  }

  /** listSets asks the site what data it has. */
  async listSets(): Promise<void> {
    try {
      const response = await fetch(new URL('data/index.json', document.baseURI));
      this.sets = ((await response.json()) as { sets?: Record<string, { here?: boolean }> }).sets ?? {};
    } catch {
      // Without the list everything is offered; choosing says what is wrong.
    }
  }

  /** withProgram starts another of the site's programs on the same kind of device, and ends it when use has. */
  async withProgram<T>(program: string, use: (client: Client) => Promise<T>): Promise<T> {
    await this.ready();
    if (!this.#makeWorker || !this.device) throw new Error('The lab has not started.');
    const worker = this.#makeWorker(program);
    try {
      const client = new Client(worker);
      await client.request('init', { ...here(), device: this.device.device });
      return await use(client);
    } finally {
      worker.terminate();
    }
  }

  /** ready resolves when the worker can be asked; it rejects when it never will. */
  async ready(): Promise<void> {
    await this.#ready;
    if (this.phase === 'failed') throw new Error(this.failure);
  }

  /** loadData brings the data of the set-up into the worker, once for each source. Whoever asks while it is on its way waits for it. */
  async loadData(source: DataSource = this.setup.source): Promise<void> {
    await this.ready();
    if (this.#dataWanted !== source) {
      this.#dataWanted = source;
      this.#dataPending = this.#load(source, ++this.#dataTurn);
    }
    // Another choice meanwhile is waited for, too.
    for (let pending = this.#dataPending; pending; pending = pending === this.#dataPending ? undefined : this.#dataPending) await pending;
  }

  async #load(source: DataSource, turn: number): Promise<void> {
    this.dataProgress = { loaded: 0, total: 0 };
    const latest = () => this.#dataTurn === turn;
    try {
      const data = await this.client.request('data', { source });
      if (latest()) this.data = data;
    } catch (reason) {
      // What was overtaken by another choice needs no message.
      if (!latest()) return;
      this.#dataWanted = undefined;
      throw reason;
    } finally {
      if (latest()) this.dataProgress = undefined;
    }
  }

  /** How far the data is, in words; '' when none is on its way. */
  get loading(): string {
    if (!this.dataProgress) return '';
    const { loaded, total } = this.dataProgress;
    return total > 0 ? `${Math.round((100 * loaded) / total)} %` : 'just begun';
  }

  /** newModel makes the set-up's network with fresh weights. */
  async newModel(): Promise<void> {
    await this.ready();
    const { layers, config } = $state.snapshot(this.setup);
    this.took(await this.client.request('model', { layers, seed: config.seed }), 'new', '');
  }

  took(model: ModelInfo, origin: Origin, name: string): void {
    this.model = model;
    this.origin = origin;
    if (origin !== 'loaded') [this.own, this.choice] = [origin, 'own'];
    this.modelName = name;
    this.guest = false;
    this.modelVersion++;
  }
}

export const lab = new Lab();
