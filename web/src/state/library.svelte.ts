// The models that can be put in the worker's hands: those that came with the
// page, those saved in this browser, and one's own last one, which is kept in
// memory when another takes its place, so that switching loses nothing.

import * as storage from '../lib/storage';
import type { Builtin, LayerSpec } from '../lib/protocol';
import { shape } from '../lib/network';
import { lab } from './lab.svelte';
import { runs } from './runs.svelte';
import { toasts } from './toasts.svelte';

class Library {
  builtins = $state.raw<Builtin[]>([]);
  saved = $state.raw<storage.SavedInfo[]>([]);
  busy = $state(false);
  #own: Uint8Array | undefined;
  #ownLayers: LayerSpec[] | undefined;

  async refresh(): Promise<void> {
    this.saved = await storage.list().catch(() => []);
  }

  async begin(): Promise<void> {
    await lab.ready();
    await this.refresh();
    this.builtins = await lab.client.request('builtin', {});
  }

  /** choose puts a model in place at once; a run in progress is stopped, its weights kept. */
  choose = (choice: string): Promise<void> =>
    this.#do(async () => {
      if (choice === lab.choice) return;
      await this.#keepOwn();
      const [kind, name = ''] = choice.split(/:(.*)/s);
      if (kind === 'builtin') {
        const model = this.builtins.find((b) => b.file === name);
        lab.took(await lab.client.request('use', { file: name }), 'loaded', model?.title ?? name);
      } else if (kind === 'saved') {
        const found = await storage.load(name);
        if (!found) throw new Error(`${name} is no longer stored in this browser.`);
        lab.took(await lab.client.request('load', { bytes: found.bytes, name }), 'loaded', name);
      } else if (this.#own) {
        lab.took(await lab.client.request('load', { bytes: this.#own.slice(), name: 'your network' }), 'loaded', 'your network');
      } else {
        if (this.#ownLayers) lab.setup.layers = this.#ownLayers;
        await lab.newModel();
      }
      lab.choice = choice;
    });

  async #keepOwn(): Promise<void> {
    if (runs.active) await runs.stop();
    // Fresh weights are made again from their seed.
    if (lab.choice !== 'own') return;
    this.#ownLayers = $state.snapshot(lab.setup.layers) as LayerSpec[];
    if (lab.origin === 'new') this.#own = undefined;
    else if (lab.origin !== 'none') this.#own = (await lab.client.request('save', {})).bytes;
  }

  save = (name: string): Promise<void> =>
    this.#do(async () => {
      const { bytes } = await lab.client.request('save', {});
      const accuracy = runs.current?.epochs.at(-1)?.valAccuracy;
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
      const title = this.builtins.find((b) => lab.choice === `builtin:${b.file}`)?.title ?? shape(lab.setup.layers);
      const { name, bytes } = await lab.client.request('export', { title });
      storage.download(name, bytes);
      toasts.info('The page is made.', 'Unpack it into any folder of a web site: model.js is the module, index.html shows it.');
    });

  upload = (file: File): Promise<void> =>
    this.#do(async () => {
      await this.#keepOwn();
      const bytes = new Uint8Array(await file.arrayBuffer());
      lab.took(await lab.client.request('load', { bytes, name: file.name }), 'loaded', file.name);
      lab.choice = 'own';
      toasts.info(`${file.name} is loaded.`, 'Draw a digit, or train it further.');
    });

  remove = (name: string): Promise<void> =>
    this.#do(async () => {
      await storage.remove(name);
      if (lab.choice === `saved:${name}`) lab.choice = 'own';
      await this.refresh();
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
