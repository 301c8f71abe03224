// The models that can be put before the visitor: those that came with the page,
// those saved in this browser, files opened on this visit, and one's own, which
// the worker keeps, and goes on training, while another is looked at.

import * as storage from '../lib/storage';
import type { Builtin, ModelInfo } from '../lib/protocol';
import { sameLayers, shape } from '../lib/network';
import { lab } from './lab.svelte';
import { runs, type Run } from './runs.svelte';
import { toasts } from './toasts.svelte';

/** Opened files stay in memory, so there are few of them. */
const MOST_FILES = 4;

class Library {
  builtins = $state.raw<Builtin[]>([]);
  saved = $state.raw<storage.SavedInfo[]>([]);
  files = $state.raw<{ name: string; bytes: Uint8Array }[]>([]);
  busy = $state(false);
  /** The visitor has said which network to use. */
  chosen = $state(false);
  #last: Promise<void> = Promise.resolve();

  async refresh(): Promise<void> {
    this.saved = await storage.list().catch(() => []);
  }

  async begin(): Promise<void> {
    await lab.ready();
    await this.refresh();
    this.builtins = await lab.client.request('builtin', {});
    // What was learned on an earlier visit is what a visitor comes back to, unless
    // the address asks for another network.
    const last = runs.list.findLast((run) => run.kept && sameLayers(run.setup.layers, lab.setup.layers));
    if (last && lab.own !== 'trained' && lab.choice === 'own') await this.#do(() => this.#run(last));
  }

  /** lend puts a trained network in place while there is none of the visitor's own; it stays out of the editor. Away from graphics cards a small one answers as fast as a pen moves. */
  lend(): Promise<void> {
    return this.#do(async () => {
      if (lab.own === 'trained' || lab.choice !== 'own' || this.chosen) return;
      const quick = lab.device?.device === 'webgpu' && !lab.device.software;
      const fit = this.builtins.filter((b) => quick || b.title.startsWith('MLP'));
      const best = (fit.length > 0 ? fit : this.builtins).reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
      this.chosen = true;
      lab.took(await lab.client.request('use', { file: best.file }), 'loaded', best.title);
      [lab.choice, lab.guest] = [`builtin:${best.file}`, true];
    });
  }

  /** takeBack ends that, where the network in place is the one to be trained. */
  takeBack(): Promise<void> {
    return this.#do(async () => {
      if (!lab.guest) return;
      await this.#own();
      this.chosen = false;
    });
  }

  /** choose puts a model in place at once; a run in progress goes on. */
  choose = (choice: string): Promise<void> =>
    this.#do(async () => {
      this.chosen = true;
      if (choice === lab.choice) {
        lab.guest = false;
        return;
      }
      const [kind, name = ''] = choice.split(/:(.*)/s);
      if (kind === 'builtin') {
        const model = this.builtins.find((b) => b.file === name);
        this.#took(await lab.client.request('use', { file: name }), model?.title ?? name, choice);
      } else if (kind === 'saved') {
        const found = await storage.load(name);
        if (!found) throw new Error(`${name} is no longer stored in this browser.`);
        this.#took(await lab.client.request('load', { bytes: found.bytes, name }), name, choice);
      } else if (kind === 'file') {
        const found = this.files.find((f) => f.name === name);
        if (!found) throw new Error(`Open ${name} again; only the last ${MOST_FILES} files are kept.`);
        this.#took(await lab.client.request('load', { bytes: found.bytes, name }), name, choice);
      } else if (kind === 'run') {
        const run = runs.list.find((r) => r.key === name);
        if (!run) throw new Error('This run is no longer in the list.');
        await this.#run(run);
        this.#edit();
      } else {
        await this.#own();
      }
    });

  /** #run puts what a run has learned in place. */
  async #run(run: Run): Promise<void> {
    lab.took(await lab.client.request('load', { bytes: await runs.network(run), name: run.name }), 'loaded', run.name);
    lab.choice = `run:${run.key}`;
  }

  async #own(): Promise<void> {
    // While it has learned nothing it is whatever the editor says.
    if (lab.own !== 'trained' && !lab.fault && !runs.active) return lab.newModel();
    lab.took(await lab.client.request('own', {}), lab.own, '');
    this.#edit();
  }

  #took(model: ModelInfo, name: string, choice: string): void {
    lab.took(model, 'loaded', name);
    lab.choice = choice;
    this.#edit();
  }

  /** The editor shows the network that there is, so that it can be trained on;
   * but not in the middle of a run, whose network it shows. */
  #edit(): void {
    if (lab.model && !runs.active) lab.setup.layers = lab.model.spec;
  }

  save = (name: string): Promise<void> =>
    this.#do(async () => {
      const { bytes } = await lab.client.request('save', {});
      const accuracy = lab.choice === 'own' ? runs.current?.epochs.at(-1)?.valAccuracy : undefined;
      await storage.save({ name, when: Date.now(), params: lab.model?.params ?? 0, bytes, ...(accuracy === undefined ? {} : { accuracy }) });
      await this.refresh();
      toasts.info(`Saved as ${name}.`, 'It stays in this browser; Download makes a file of it.');
    });

  /** name is what the network in place is called, for a file or a title. */
  get name(): string {
    const builtin = this.builtins.find((b) => lab.choice === `builtin:${b.file}`);
    if (builtin) return builtin.title;
    if (lab.choice === 'own') return runs.current && lab.own === 'trained' ? runs.current.name : shape(lab.model?.spec ?? lab.setup.layers);
    return lab.modelName.replace(/\.safetensors$/, '');
  }

  download = (name: string): Promise<void> =>
    this.#do(async () => {
      const { bytes } = await lab.client.request('save', {});
      storage.download(`${fileName(name || this.name)}.safetensors`, bytes);
    });

  /** The network as a page that runs without Weft. */
  exportPage = (): Promise<void> =>
    this.#do(async () => {
      const title = `${lab.data?.source === 'fashion' ? 'Clothes' : 'Handwritten digits'}: ${this.name.replace(/^#\d+ /, '')}`;
      const { name, bytes } = await lab.client.request('export', { title });
      storage.download(name, bytes);
      toasts.info('The page is made.', 'Unpack it into any folder of a web site: model.js is the module, index.html shows it.');
    });

  upload = (file: File): Promise<void> =>
    this.#do(async () => {
      const { name } = file;
      const bytes = new Uint8Array(await file.arrayBuffer());
      this.#took(await lab.client.request('load', { bytes, name }), name, `file:${name}`);
      this.files = [{ name, bytes }, ...this.files.filter((f) => f.name !== name)].slice(0, MOST_FILES);
      toasts.info(`${name} is loaded.`, 'Draw a digit, or train it further.');
    });

  remove = (name: string): Promise<void> =>
    this.#do(async () => {
      await storage.remove(name);
      await this.refresh();
      if (lab.choice === `saved:${name}`) await this.#own();
    });

  /** One after the other: what is wanted last is what is there in the end. */
  #do(work: () => Promise<void>): Promise<void> {
    return (this.#last = this.#last.then(async () => {
      this.busy = true;
      try {
        await lab.ready();
        await work();
      } catch (reason) {
        toasts.error(reason);
      } finally {
        this.busy = false;
      }
    }));
  }
}

/** fileName is a name that every file system takes: the hyphens of 784‑128‑10 are not those of a keyboard. */
function fileName(name: string): string {
  return name.replace(/\u2011/g, '-').replace(/^#/, 'run-').replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|-+$/g, '') || 'weft-model';
}

export const library = new Library();
