// The Photo view's state: which model, which picture, and what was said of it.
// Only the latest wish counts: a model that comes while another is still loading
// takes its place, and so does a picture; but they do not disturb each other.

import { adapter, openONNX, openWebGPU, type Explained, type Get, type Kind, type Runner } from '../lib/photo/runner';
import { ModelError, readPlan, type Files, type Plan } from '../lib/photo/plan';
import { address, fromFiles, fromURL, type Progress } from '../lib/photo/sources';
import type { Normalize } from '../lib/photo/onnx';
import { decode } from '../lib/photo/picture';
import { part } from '../lib/site';
import { misfit, parseNames, type Misfit } from '../lib/photo/names';
import { file, keep, list, planOf, remove, rename, type Kept } from '../lib/photo/shelf';
import { saliency } from '../lib/photo/scores';
import { fitted, normalised } from '../../player/module/input.js';

export type On = 'auto' | Kind | 'both';
export type Fit = 'crop' | 'whole';

export interface Answer {
  kind: Kind;
  device: string;
  ms: number;
  scores: Float32Array;
}

export interface Offered {
  name: string;
  title: string;
  bytes?: number;
}

export interface Sample {
  name: string;
  file: string;
  credit: string;
}

export interface Shown {
  pixels: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
}

class PhotoState {
  builtins = $state.raw<Offered[]>([]);
  served = $state.raw<Offered[]>([]);
  kept = $state.raw<Kept[]>([]);
  /** "builtin:NAME", "kept:ID", "" for none. */
  choice = $state('');
  plan = $state.raw<Plan | undefined>();
  gpu = $state<'none' | 'software' | 'hardware' | undefined>();
  on = $state<On>('auto');
  /** What an ONNX file that does not say it itself wants of pixels. */
  normalize = $state<Normalize>('');
  /** What is being waited for, and how far it is; total is 0 while unknown. */
  work = $state.raw<{ text: string; done: number; total: number } | undefined>();
  /** A file of names that does not fit the model in use. */
  misfit = $state.raw<Misfit | undefined>();
  /** Pictures that come with the page. */
  samples = $state.raw<Sample[]>([]);
  /** What could not be done, until something else is. */
  fault = $state('');

  picture = $state.raw<ImageBitmap | undefined>();
  pictureName = $state('');
  fit = $state<Fit>('crop');
  shown = $state.raw<Shown | undefined>();
  answers = $state.raw<Answer[]>([]);

  /** The runners in use are those of this plan. */
  explaining = $state.raw<Runner | undefined>();

  #tensor: Float32Array<ArrayBuffer> | undefined;
  #get: Get | undefined;
  #runners = new Map<Kind, Promise<Runner>>();
  /** Counts wishes of each kind; models in use and predictions count, too. */
  #turn = { model: 0, picture: 0, again: 0, used: 0, asked: 0 };
  #running = 0;
  #started = false;

  /** Which ways are used, given what the browser and the model have. */
  kinds = $derived.by<Kind[]>(() => {
    const onnx = this.plan?.kernels.onnx !== undefined;
    if (this.on === 'both') return ['webgpu', 'onnx'];
    if (this.on !== 'auto') return [this.on];
    if (this.gpu === 'hardware') return ['webgpu'];
    return onnx || this.gpu === 'none' ? ['onnx'] : ['webgpu'];
  });

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const offered = async <T = Offered>(url: URL, pick: (v: unknown) => unknown): Promise<T[]> => {
      try {
        const response = await fetch(url);
        const found = pick(await response.json());
        return Array.isArray(found) ? (found as T[]) : [];
      } catch {
        return []; // A site without models, or no network: the others are there.
      }
    };
    [this.gpu, this.samples, this.builtins, this.served] = await Promise.all([
      adapter(),
      offered<Sample>(part('samples/samples.json'), (v) => v),
      offered(part('models/photo.json'), (v) => v),
      offered(new URL('data/index.json', document.baseURI), (v) => (v as { models?: unknown }).models),
    ]);
    this.kept = await list();
    if (this.choice || this.#turn.model > 0) return; // Somebody was quicker.
    // What somebody has brought before is more to them than what comes along.
    if (this.kept[0]) await this.choose(`kept:${this.kept[0].id}`);
    else if (this.builtins[0]) await this.choose(`builtin:${this.builtins[0].name}`);
  }

  /** choose opens a model that is at hand. */
  async choose(choice: string): Promise<void> {
    const [kind, name] = [choice.slice(0, choice.indexOf(':')), choice.slice(choice.indexOf(':') + 1)];
    if (kind === 'data') return this.fromAddress(`data/models/${encodeURIComponent(name)}/`);
    await this.#attempt('model', 'Opening the model', async (current) => {
      const base = part(`models/${name}/`);
      const get: Get = kind === 'kept' ? (f) => file(name, f) : (f) => fetch(new URL(f, base));
      const response = kind === 'kept' ? undefined : await get('plan.json');
      if (response && !response.ok) throw new ModelError(`The model ${name} cannot be loaded: the site answers ${response.status}.`);
      const plan = response ? readPlan(await response.text()) : await planOf(name);
      if (!current()) return;
      this.#use(choice, plan, get);
      await this.predict();
    });
  }

  fromAddress(text: string): Promise<void> {
    return this.#load(async (progress) => [await fromURL(address(text), this.normalize, progress), address(text).host === location.host ? 'this server' : address(text).host]);
  }

  async fromFiles(files: readonly File[]): Promise<void> {
    const names = files.find((f) => /\.txt$/i.test(f.name));
    await this.#load(async () => [await fromFiles(files, this.normalize), 'files']);
    if (names && this.plan && !this.fault) this.misfit = misfit(names.name, parseNames(await names.text()), this.plan.output.shape[0] ?? 0);
  }

  /** shift uses the names that were offered in place of those that do not fit. */
  shift(): Promise<void> {
    const [names, choice] = [this.misfit?.shifted, this.choice];
    return this.#attempt('again', 'Keeping the names', async () => {
      if (!names || !this.plan || !choice.startsWith('kept:')) return;
      await rename(choice.slice('kept:'.length), names);
      [this.plan, this.misfit] = [{ ...this.plan, classes: names }, undefined];
    });
  }

  /** sample shows one of the pictures that come with the page. */
  sample({ name, file, credit }: Sample): Promise<void> {
    return this.#attempt('picture', 'Loading the picture', async () => {
      const response = await fetch(part(`samples/${file}`));
      if (!response.ok) throw new Error(`The sample cannot be loaded: the site answers ${response.status}.`);
      await this.show(await response.blob(), `${name}, ${credit}`);
    });
  }

  async forget(id: string): Promise<void> {
    await remove(id);
    this.kept = await list();
    if (this.choice !== `kept:${id}`) return;
    this.#close();
    [this.choice, this.plan, this.answers, this.shown] = ['', undefined, [], undefined];
  }

  /** show takes a new picture, from a file or as it is. */
  async show(source: Blob | ImageBitmap, name: string): Promise<void> {
    await this.#attempt('picture', 'Reading the picture', async (current) => {
      const bitmap = source instanceof Blob ? await decode(source, name) : source;
      if (!current()) return bitmap.close();
      this.picture?.close();
      [this.picture, this.pictureName] = [bitmap, name];
      await this.predict();
    });
  }

  /** again predicts the same picture, after something about it was changed. A picture that is still being read is not given up for that. */
  again(): Promise<void> {
    return this.#attempt('again', 'Computing', () => this.predict());
  }

  async predict(): Promise<void> {
    const [plan, bitmap] = [this.plan, this.picture];
    if (!plan || !bitmap) return;
    this.#turn.asked++;
    const { picture, used, asked } = this.#turn;
    const stale = () => picture !== this.#turn.picture || used !== this.#turn.used || asked !== this.#turn.asked;
    try {
      const pixels = await fitted(plan.input, this.fit === 'whole' ? padded(bitmap, plan) : bitmap);
      if (stale()) return;
      this.#tensor = normalised(plan.input, pixels);
      this.shown = shownAs(pixels, plan);
      const tensor = this.#tensor;
      const answers: Answer[] = [];
      for (const kind of this.kinds) {
        const runner = await this.#runner(kind, plan);
        if (stale()) return;
        this.work = { text: 'Computing', done: 0, total: 0 };
        const begin = performance.now();
        const scores = await runner.run(tensor);
        answers.push({ kind, device: runner.device, ms: performance.now() - begin, scores });
        if (stale()) return;
        if (runner.model) this.explaining = runner;
      }
      this.answers = answers;
    } catch (e) {
      // What nobody waits for any more cannot fail.
      if (!stale()) throw e;
    }
  }

  /** explain asks the model on WebGPU, which is opened if it must be. */
  async explain(what: 'saliency' | 'features', options: { class?: number; results?: string[] }): Promise<Explained[]> {
    const plan = this.plan;
    if (!plan || !this.#tensor) return [];
    const runner = await this.#runner('webgpu', plan);
    const found = (await runner.model?.explain(what, { tensor: this.#tensor }, options)) ?? [];
    if (what === 'features') return found;
    return found.map((e) => ({ ...e, shape: e.shape.slice(1), data: saliency(e.data, e.shape[0] ?? 1) }));
  }

  async #load(read: (progress: Progress) => Promise<[Files, string]>): Promise<void> {
    let loaded = '';
    await this.#attempt('model', 'Loading the model', async (current) => {
      const [files, from] = await read((name, done, total) => {
        if (current()) this.work = { text: `Downloading ${name}`, done, total };
      });
      if (current()) this.work = { text: 'Checking and keeping the model', done: 0, total: 0 };
      const info = await keep(files, from);
      this.kept = await list();
      if (current()) loaded = info.id;
    });
    if (loaded) await this.choose(`kept:${loaded}`);
  }

  /** #attempt is for whatever may fail and may be overtaken. */
  async #attempt(kind: 'model' | 'picture' | 'again', text: string, act: (current: () => boolean) => Promise<void>): Promise<void> {
    const turn = ++this.#turn[kind];
    const current = () => turn === this.#turn[kind];
    [this.fault, this.work] = ['', { text, done: 0, total: 0 }];
    this.#running++;
    try {
      await act(current);
    } catch (e) {
      if (current()) this.fault = e instanceof Error ? e.message : String(e);
    } finally {
      if (--this.#running === 0) this.work = undefined;
    }
  }

  #use(choice: string, plan: Plan, get: Get): void {
    this.#close();
    [this.choice, this.plan, this.#get, this.answers, this.shown, this.misfit] = [choice, plan, get, [], undefined, undefined];
    document.documentElement.dataset.model = plan.model;
  }

  #close(): void {
    this.#turn.used++;
    for (const runner of this.#runners.values()) void runner.then((r) => r.close(), () => undefined);
    this.#runners.clear();
    this.explaining = undefined;
  }

  #runner(kind: Kind, plan: Plan): Promise<Runner> {
    let runner = this.#runners.get(kind);
    if (!runner) {
      const texts = { weights: 'Loading the weights', kernels: 'Preparing the GPU', runtime: 'Loading ONNX Runtime' };
      const step = (phase: keyof typeof texts, done: number, total: number) => {
        if (this.plan === plan) this.work = { text: texts[phase], done, total };
      };
      const get = this.#get;
      if (!get) throw new ModelError('No model is open.');
      runner = kind === 'webgpu' ? openWebGPU(get, step) : openONNX(get, plan, step);
      this.#runners.set(kind, runner);
      // What could not be opened is tried anew next time.
      runner.catch(() => this.#runners.delete(kind));
    }
    return runner;
  }
}

/** padded is the whole picture with white beside or above and below it. */
function padded(bitmap: ImageBitmap, { input: { shape } }: Plan): OffscreenCanvas {
  const [, h, w] = shape;
  const ratio = Math.min((4 * w) / bitmap.width, (4 * h) / bitmap.height);
  const canvas = new OffscreenCanvas(4 * w, 4 * h);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  if (!pen) throw new Error('The browser has no canvas left for this page.');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = 'high';
  const [dw, dh] = [bitmap.width * ratio, bitmap.height * ratio];
  pen.drawImage(bitmap, (canvas.width - dw) / 2, (canvas.height - dh) / 2, dw, dh);
  return canvas;
}

/** shownAs are pixels as a canvas wants them. */
function shownAs(from: Uint8Array | Float32Array, { input: { shape } }: Plan): Shown {
  const [channels, height, width] = shape;
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 4; c++) pixels[4 * i + c] = c === 3 ? 255 : (from[i * channels + (channels > 1 ? c : 0)] as number);
  return { pixels, width, height };
}

export const photo = new PhotoState();
