// Whole networks: the ones to begin with, what they cost, what is wrong with them.

import { encodeLayers, follow, INPUTS, layerNames, parseLayers, type LayerCost } from './layers';
import type { LayerSpec, Optimizer, TrainConfig } from './protocol';

export const CLASSES = 10;
export const MAX_LAYERS = 32;
/** More than this does not fit into a tab with gradients and the optimizer's state. */
export const MAX_PARAMS = 2 ** 25;
export const MAX_VALUES = 2 ** 20;

export interface Preset {
  id: string;
  title: string;
  about: string;
  layers: LayerSpec[];
  /** What trains it well, where that is not what trains the others. */
  recipe?: Partial<TrainConfig>;
}

const of = (text: string): LayerSpec[] => parseLayers(text) ?? [];

export const PRESETS: readonly Preset[] = [
  { id: 'mlp', title: '784‑128‑10', about: 'The classic: one hidden layer. About 98 % on MNIST.', layers: of('128-relu-10') },
  { id: 'mlp2', title: '784‑128‑64‑10', about: 'Two hidden layers: a little deeper, a little better.', layers: of('128-relu-64-relu-10') },
  { id: 'softmax', title: '784‑10', about: 'No hidden layer: each class is one template. About 92 %.', layers: of('10') },
  { id: 'wide', title: '784‑512‑10 + dropout', about: 'Wide, with dropout against memorising.', layers: of('512-gelu-drop0.2-10') },
  {
    id: 'lenet',
    title: 'LeNet',
    about: 'A small convolutional network, after LeCun’s of 1998, that is quick in a tab.',
    layers: of('c6k5-relu-max2-c16k5-relu-max2-flat-84-relu-10'),
    recipe: { optimizer: 'adamw', lr: 0.002, endFactor: 0.05, weightDecay: 0.01, batch: 64, epochs: 6, ema: 0 },
  },
  {
    id: 'cnn',
    title: 'CNN',
    about: 'Four convolutions with batch norm, the recipe mnist-cnn. Above 99 % on MNIST, and slow without a graphics card.',
    layers: of('c32k5-silu-c32k5-silu-bn-max2-c64k3-silu-c64k3-silu-bn-max2-flat-10'),
    recipe: {
      optimizer: 'muon', lr: 0.003, endFactor: 0, schedule: 'cosine', warmup: 0.02, momentum: 0.95, weightDecay: 0.02, ema: 0.998,
      batch: 64, epochs: 7, rotate: 15, scale: 0.1, shift: 0.1, nearest: false, labelSmoothing: 0,
    },
  },
];

/** costs gives what each layer costs, as far as they fit. */
export const costs = (layers: readonly LayerSpec[]): LayerCost[] => follow(layers).costs;

export interface Totals {
  params: number;
  flops: number;
  /** Values of one picture in all layers, the picture included. */
  values: number;
}

export function totals(list: readonly LayerCost[]): Totals {
  const sum = { params: 0, flops: 0, values: INPUTS };
  for (const cost of list) {
    sum.params += cost.params;
    sum.flops += cost.flops;
    sum.values += cost.out;
  }
  return sum;
}

// Muon keeps one state for each weight; what it leaves to AdamW is little.
const STATES: Record<Optimizer, number> = { sgd: 0, momentum: 1, nesterov: 1, adam: 2, adamw: 2, muon: 1 };

/** trainingBytes estimates parameters, gradients, optimizer state, averages and one batch's activations, in float32. */
export function trainingBytes(layers: readonly LayerSpec[], { optimizer, batch, ema }: Pick<TrainConfig, 'optimizer' | 'batch' | 'ema'>): number {
  const { params, values } = totals(costs(layers));
  return 4 * (params * (2 + STATES[optimizer] + (ema > 0 ? 1 : 0)) + 2 * values * batch);
}

/** fault says what is wrong with the layers, in words for the person editing them; '' when nothing is. */
export function fault(layers: readonly LayerSpec[]): string {
  const last = layers.at(-1);
  if (!last) return 'The network is empty: add a linear layer with 10 units.';
  if (layers.length > MAX_LAYERS) return `At most ${MAX_LAYERS} layers fit this lab: remove some.`;
  if (last.type !== 'linear' || last.units !== CLASSES) return `The last layer must be linear with ${CLASSES} units, one for each class.`;
  const { costs: list, fault: wrong } = follow(layers);
  if (wrong) return wrong;
  const large = list.findIndex((cost) => cost.out > MAX_VALUES);
  if (large >= 0) return `${layerNames(layers)[large]} makes more values of each picture than fit into a tab: give it fewer channels, or a larger stride.`;
  const { params } = totals(list);
  if (params > MAX_PARAMS) return `${Math.round(params / 1e6)} million parameters are more than the ${Math.round(MAX_PARAMS / 1e6)} million that fit into a tab.`;
  return '';
}

export function sameLayers(a: readonly LayerSpec[], b: readonly LayerSpec[]): boolean {
  return encodeLayers(a) === encodeLayers(b);
}

/** shape is the short name of a network: 784‑128‑64‑10, or CNN 32‑64‑10. */
export function shape(layers: readonly LayerSpec[]): string {
  const widths = layers.flatMap((layer) => (layer.type === 'linear' ? [layer.units] : layer.type === 'conv' ? [layer.channels] : []));
  return layers.some((layer) => layer.type === 'conv') ? `CNN ${widths.join('‑')}` : [INPUTS, ...widths].join('‑');
}
