// The models that can be put before the visitor: those that came with the page,
// those saved in this browser, files opened on this visit, and one's own, which
// the worker keeps, and goes on training, while another is looked at.

import * as storage from '../lib/storage';
import type { Builtin, ModelInfo } from '../lib/protocol';
import { shape } from '../lib/network';
import { lab } from './lab.svelte';
import { runs } from './runs.svelte';
import { toasts } from './toasts.svelte';

/** Opened files stay in memory, so there are few of them. */
const MOST_FILES = 4;

class Library {
  builtins = $state.raw<Builtin[]>([]);
  saved = $state.raw<storage.SavedInfo[]>([]);
  files = $state.raw<{ name: string; bytes: Uint8Array }[]>([]);
  busy = $state(false);

  async refresh(): Promise<void> {
    this.saved = await storage.list().catch(() => []);
  }

  async begin(): Promise<void> {
    await lab.ready();
    await this.refresh();
    this.builtins = await lab.client.request('builtin', {});
  }

  /** choose puts a model in place at once; a run in progress goes on. */
  choose = (choice: string): Promise<void> =>
    this.#do(async () => {
      if (choice === lab.choice) return;
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
      } else {
        await this.#own();
      }
    });

  async #own(): Promise<void> {
    if (lab.own === 'none') return lab.newModel();
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

  download = (): Promise<void> =>
    this.#do(async () => {
      const { bytes } = await lab.client.request('save', {});
      storage.download('weft-model.safetensors', bytes);
    });

  /** The network as a page that runs without Weft. */
  exportPage = (): Promise<void> =>
    this.#do(async () => {
      const title = this.builtins.find((b) => lab.choice === `builtin:${b.file}`)?.title ?? shape(lab.model?.spec ?? lab.setup.layers);
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

export const library = new Library();
