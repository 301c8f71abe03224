// The drawing, the 28x28 picture made of it, and what the network says to it.
// While a drawing changes faster than the worker answers, only the newest
// picture is sent: answers are never about a line that was drawn long ago.

import type { PredictResult } from '../lib/protocol';
import { SIDE } from '../lib/preprocess';
import type { Stroke } from '../lib/strokes';
import { lab } from './lab.svelte';
import { toasts } from './toasts.svelte';

/** What lies on the pad. Clearing and picking are undone like a stroke. */
type Pad = Pick<Drawing, 'strokes' | 'picture' | 'pictureTitle' | 'truth'>;
const MOST_PAST = 200;

class Drawing {
  strokes = $state.raw<Stroke[]>([]);
  /** A picture put on the pad beneath the strokes: a sample or a mistake. */
  picture = $state.raw<Uint8Array>();
  pictureTitle = $state('');
  /** The class of the picture, -1 where nobody knows. */
  truth = $state(-1);
  pixels = $state.raw<Uint8Array>();
  answer = $state.raw<PredictResult>();
  /** From a pen event to its answer on the page. */
  latency = $state(NaN);
  erasing = $state(false);
  width = $state(0.08);

  /** What undo goes back to, the last one first. */
  past = $state.raw<readonly Pad[]>([]);

  #waiting: Uint8Array | undefined;
  #asking = false;

  /** show takes the prepared picture, undefined for an empty pad, and asks the network. */
  show(pixels: Uint8Array | undefined): void {
    this.pixels = pixels;
    if (!pixels) {
      this.#waiting = undefined;
      this.answer = undefined;
      return;
    }
    this.#waiting = pixels;
    void this.#ask();
  }

  /** again asks the same question: another model is in place. */
  again(): void {
    if (this.pixels) this.show(this.pixels);
  }

  async #ask(): Promise<void> {
    if (this.#asking || lab.origin === 'none') return;
    this.#asking = true;
    try {
      while (this.#waiting) {
        const pixels = this.#waiting;
        this.#waiting = undefined;
        const from = performance.now();
        const answer = await lab.client.request('predict', { pixels });
        if (this.pixels) this.answer = answer;
        this.latency = performance.now() - from;
      }
    } catch (reason) {
      toasts.error(reason);
    } finally {
      this.#asking = false;
    }
  }

  add(stroke: Stroke): void {
    this.#change({ strokes: [...this.strokes, stroke] });
  }

  undo(): void {
    const [last, ...rest] = this.past;
    if (!last) return;
    this.past = rest;
    Object.assign(this, last);
  }

  clear(): void {
    if (this.strokes.length > 0 || this.picture) this.#change({ strokes: [], picture: undefined, pictureTitle: '', truth: -1 });
  }

  /** pick puts a drawing in place of what is there. */
  pick(strokes: Stroke[]): void {
    this.#change({ strokes, picture: undefined, pictureTitle: '', truth: -1 });
  }

  /** put shows a finished 28x28 picture as it is. */
  put(pixels: Uint8Array, title: string, truth = -1): void {
    if (pixels.length === SIDE * SIDE) this.#change({ strokes: [], picture: pixels, pictureTitle: title, truth });
  }

  #change(to: Partial<Pad>): void {
    const { strokes, picture, pictureTitle, truth } = this;
    this.past = [{ strokes, picture, pictureTitle, truth }, ...this.past].slice(0, MOST_PAST);
    Object.assign(this, to);
  }
}

export const drawing = new Drawing();
