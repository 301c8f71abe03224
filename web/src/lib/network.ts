// What a network of these layers costs, without asking the worker: the editor
// shows it while a number is being typed, long before anything is compiled.

import type { Activation, LayerSpec, Optimizer } from './protocol';

export const INPUTS = 784;
export const CLASSES = 10;
export const MAX_UNITS = 4096;
export const MAX_LAYERS = 16;
export const ACTIVATIONS: readonly Activation[] = ['relu', 'tanh', 'sigmoid', 'gelu', 'silu'];

export const LAYER_TITLES: Record<LayerSpec['type'], string> = {
  linear: 'Linear',
  relu: 'ReLU',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  gelu: 'GELU',
  silu: 'SiLU',
  dropout: 'Dropout',
};

export interface Preset {
  id: string;
  title: string;
  about: string;
  layers: LayerSpec[];
}

const linear = (units: number): LayerSpec => ({ type: 'linear', units });

export const PRESETS: readonly Preset[] = [
  { id: 'mlp', title: '784‑128‑10', about: 'The classic: one hidden layer. About 98 % on MNIST.', layers: [linear(128), { type: 'relu' }, linear(10)] },
  {
    id: 'mlp2',
    title: '784‑128‑64‑10',
    about: 'Two hidden layers: a little deeper, a little better.',
    layers: [linear(128), { type: 'relu' }, linear(64), { type: 'relu' }, linear(10)],
  },
  { id: 'softmax', title: '784‑10', about: 'No hidden layer: each class is one template. About 92 %.', layers: [linear(10)] },
  {
    id: 'wide',
    title: '784‑512‑10 + dropout',
    about: 'Wide, with dropout against memorising.',
    layers: [linear(512), { type: 'gelu' }, { type: 'dropout', p: 0.2 }, linear(10)],
  },
];

export interface LayerCost {
  in: number;
  out: number;
  params: number;
  /** Bytes of the parameters in float32. */
  bytes: number;
}

/** costs gives each layer's input and output width, parameter count and memory. */
export function costs(layers: readonly LayerSpec[]): LayerCost[] {
  let width = INPUTS;
  return layers.map((layer) => {
    const from = width;
    if (layer.type === 'linear') width = layer.units;
    const params = layer.type === 'linear' ? from * layer.units + layer.units : 0;
    return { in: from, out: width, params, bytes: params * 4 };
  });
}

export function parameterCount(layers: readonly LayerSpec[]): number {
  return costs(layers).reduce((sum, cost) => sum + cost.params, 0);
}

const STATES: Record<Optimizer, number> = { sgd: 0, momentum: 1, nesterov: 1, adam: 2, adamw: 2, muon: 1 };

/** trainingBytes estimates parameters, gradients, optimizer state and one batch's activations, in float32. */
export function trainingBytes(layers: readonly LayerSpec[], optimizer: Optimizer, batch: number): number {
  const all = costs(layers);
  const params = all.reduce((sum, cost) => sum + cost.params, 0);
  const activations = all.reduce((sum, cost) => sum + cost.out, INPUTS);
  return 4 * (params * (2 + STATES[optimizer]) + 2 * activations * batch);
}

/** fault says what is wrong with the layers, in words for the person editing them; '' when nothing is. */
export function fault(layers: readonly LayerSpec[]): string {
  const last = layers.at(-1);
  if (!last) return 'The network is empty: add a linear layer with 10 units.';
  if (layers.length > MAX_LAYERS) return `At most ${MAX_LAYERS} layers fit this lab: remove some.`;
  if (last.type !== 'linear' || last.units !== CLASSES) {
    return `The last layer must be linear with ${CLASSES} units, one for each class.`;
  }
  for (const [i, layer] of layers.entries()) {
    const at = `Layer ${i + 1}`;
    if (layer.type === 'linear' && !(Number.isInteger(layer.units) && layer.units >= 1 && layer.units <= MAX_UNITS)) {
      return `${at}: units must be a whole number from 1 to ${MAX_UNITS}.`;
    }
    if (layer.type === 'dropout' && !(layer.p >= 0 && layer.p < 0.95)) {
      return `${at}: dropout must be at least 0 and below 0.95.`;
    }
  }
  return '';
}

export function sameLayers(a: readonly LayerSpec[], b: readonly LayerSpec[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** shape is the short name of a network: 784‑128‑64‑10. */
export function shape(layers: readonly LayerSpec[]): string {
  const widths = layers.flatMap((layer) => (layer.type === 'linear' ? [layer.units] : []));
  return [INPUTS, ...widths].join('‑');
}
