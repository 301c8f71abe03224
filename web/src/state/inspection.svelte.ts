// What the views inside the network show. The worker sends its summaries only
// while somebody looks, and the large weights only for the layer looked at,
// each request after the answer to the last.

import type { LayerView, WeightsResult } from '../lib/protocol';
import { drawing } from './drawing.svelte';
import { lab } from './lab.svelte';
import { toasts } from './toasts.svelte';

const HZ = 5;
const WEIGHTS_MS = 400;

class Inspection {
  step = $state(0);
  layers = $state.raw<LayerView[]>([]);
  /** The picture that the activations are of. */
  pixels = $state.raw<Uint8Array>();
  weights = $state.raw<WeightsResult>();
  /** The class of that picture, -1 where nobody knows. */
  label = $state(-1);
  /** The layer whose weights are shown. */
  chosen = $state('');
  /** Its unit or channel that is shown by itself, -1 for none. */
  unit = $state(-1);
  show = $state<'weights' | 'gradients'>('weights');
  follow = $state<'data' | 'drawing'>('data');
  sample = $state(0);

  #looking = 0;
  #timer = 0;

  listen(): void {
    lab.client.on('inspect', (event) => {
      this.step = event.step;
      this.layers = event.layers;
      this.pixels = event.pixels;
      this.label = event.label;
    });
  }

  /** look keeps the views fed until the returned function is called. */
  look(): () => void {
    const visit = ++this.#looking;
    void this.#weights(visit);
    return () => {
      if (this.#looking === visit) this.#looking = 0;
      clearTimeout(this.#timer);
      if (lab.phase === 'ready') lab.client.request('inspect', { on: false }).catch(() => undefined);
    };
  }

  /** ask says which picture the activations are of. */
  ask(): void {
    if (lab.phase !== 'ready' || lab.origin === 'none') return;
    const pixels = this.follow === 'drawing' ? drawing.pixels : undefined;
    lab.client.request('inspect', { on: true, hz: HZ, ...(pixels ? { pixels } : { sample: this.sample }) }).catch((reason: unknown) => toasts.error(reason));
  }

  async #weights(visit: number): Promise<void> {
    const layer = this.chosen;
    if (layer !== '' && lab.phase === 'ready' && lab.origin !== 'none' && !document.hidden) {
      try {
        const weights = await lab.client.request('weights', { layer });
        if (this.chosen === layer) this.weights = weights;
      } catch {
        // The layer went away with its model; the next choice asks again.
        if (this.chosen === layer) this.weights = undefined;
      }
    }
    if (this.#looking === visit) this.#timer = window.setTimeout(() => void this.#weights(visit), WEIGHTS_MS);
  }
}

export const inspection = new Inspection();
