// What the worker has: its device, its data, its model. Everything else on the
// page is a view of this and of the runs.

import { Client } from '../lib/client';
import { decode, defaultSetup, type Setup } from '../lib/config';
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
  dataProgress = $state.raw<{ loaded: number; total: number }>();
  model = $state.raw<ModelInfo>();
  origin = $state<Origin>('none');
  /** The name of a loaded model, '' for one's own. */
  modelName = $state('');
  /** Which model is in place: 'own', 'builtin:FILE', 'saved:NAME' or 'file:NAME'. */
  choice = $state('own');
  /** What the worker keeps as one's own, whatever is in place. */
  own = $state<Exclude<Origin, 'loaded'>>('none');
  /** Counts changes of the weights by loading, so that views ask again. */
  modelVersion = $state(0);
  setup = $state<Setup>(defaultSetup());
  fault = $derived(fault(this.setup.layers));

  #client: Client | undefined;
  #makeWorker: MakeWorker | undefined;
  #ready: Promise<void> | undefined;
  #dataWanted = '';

  get client(): Client {
    if (!this.#client) throw new Error('The worker is not started yet.');
    return this.#client;
  }

  /** start makes the worker and returns at once: the page is usable while it loads. */
  start(makeWorker: MakeWorker): Promise<void> {
    this.#makeWorker = makeWorker;
    this.setup = decode(parse(location.hash).query);
    this.#ready = this.#start(makeWorker).catch((reason: unknown) => {
      this.phase = 'failed';
      this.failure = reason instanceof Error ? reason.message : String(reason);
      toasts.error(reason);
    });
    return this.#ready;
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

  /** loadData brings the data of the set-up into the worker, once for each source. */
  async loadData(source: DataSource = this.setup.source): Promise<void> {
    await this.ready();
    if (this.#dataWanted === source) return;
    this.#dataWanted = source;
    this.dataProgress = { loaded: 0, total: 0 };
    try {
      const data = await this.client.request('data', { source });
      if (this.#dataWanted === source) this.data = data;
    } catch (reason) {
      if (this.#dataWanted === source) this.#dataWanted = '';
      throw reason;
    } finally {
      this.dataProgress = undefined;
    }
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
    this.modelVersion++;
  }
}

export const lab = new Lab();
