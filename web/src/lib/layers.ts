// What each kind of layer does to a picture's shape, and what it costs, without
// asking the worker: the editor shows it while a number is being typed, long
// before anything is compiled. The engine follows the same rules (train.Layer)
// and has the last word.

import type { Activation, LayerInfo, LayerSpec } from './protocol';

export const SIDE = 28;
export const INPUTS = SIDE * SIDE;
export const MAX_UNITS = 4096;
export const MAX_CHANNELS = 512;
export const MAX_KERNEL = 28;
export const ACTIVATIONS: readonly Activation[] = ['relu', 'tanh', 'sigmoid', 'gelu', 'silu'];

export const LAYER_TITLES: Record<LayerSpec['type'], string> = {
  linear: 'Linear',
  conv: 'Conv',
  maxpool: 'Max pool',
  avgpool: 'Average pool',
  batchnorm: 'Batch norm',
  flatten: 'Flatten',
  relu: 'ReLU',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  gelu: 'GELU',
  silu: 'SiLU',
  dropout: 'Dropout',
};

export type Windowed = Extract<LayerSpec, { kernel: number }>;

/** windowed are the layers that look at a picture through a window. */
export const windowed = (layer: LayerSpec): layer is Windowed => layer.type === 'conv' || layer.type === 'maxpool' || layer.type === 'avgpool';
export const isActivation = (layer: LayerSpec | undefined): layer is { type: Activation } => ACTIVATIONS.some((a) => a === layer?.type);
export const usualStride = (layer: Windowed): number => (layer.type === 'conv' ? 1 : layer.kernel);
export const strideOf = (layer: Windowed): number => layer.stride ?? usualStride(layer);

export interface LayerCost {
  /** Numbers of values that one picture has before and after the layer. */
  in: number;
  out: number;
  /** [channels, height, width], or [units] once it is flat. */
  shape: number[];
  params: number;
  /** Bytes of the parameters in float32. */
  bytes: number;
  /** Operations of the products for one picture, an addition and a multiplication each. */
  flops: number;
}

export const values = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const sizes = (shape: readonly number[]): string => shape.join(' × ');

/** needsImage tells whether the layers say themselves where a picture becomes a vector; otherwise it does so at once. */
const needsImage = (layers: readonly LayerSpec[]) => layers.some((layer) => windowed(layer) || layer.type === 'flatten');

const whole = (n: number, lo: number, hi: number) => Number.isInteger(n) && n >= lo && n <= hi;

/** through is the shape behind a layer, or what is wrong with it. */
function through(layer: LayerSpec, shape: readonly number[]): number[] | string {
  const flat = shape.length === 1;
  const [c = 0, h = 0, w = 0] = shape;
  if (layer.type === 'linear') {
    if (!whole(layer.units, 1, MAX_UNITS)) return `units must be a whole number from 1 to ${MAX_UNITS}.`;
    return flat ? [layer.units] : `its input is a picture of ${sizes(shape)}. Put Flatten before it.`;
  }
  if (layer.type === 'dropout') return layer.p >= 0 && layer.p < 0.95 ? [...shape] : 'dropout must be at least 0 and below 0.95.';
  if (layer.type === 'flatten') return flat ? 'its input is flat already. Remove it.' : [values(shape)];
  if (!windowed(layer)) return [...shape];
  const { kernel, padding = 0 } = layer;
  const stride = strideOf(layer);
  if (flat) return 'it needs a picture, but its input is flat. Move it before Flatten and the linear layers.';
  if (layer.type === 'conv' && !whole(layer.channels, 1, MAX_CHANNELS)) return `channels must be a whole number from 1 to ${MAX_CHANNELS}.`;
  if (!whole(kernel, 1, MAX_KERNEL)) return `the kernel must be a whole number from 1 to ${MAX_KERNEL}.`;
  if (!whole(stride, 1, MAX_KERNEL)) return `the stride must be a whole number from 1 to ${MAX_KERNEL}.`;
  if (!whole(padding, 0, MAX_KERNEL)) return `the padding must be a whole number from 0 to ${MAX_KERNEL}.`;
  if (layer.type !== 'conv' && 2 * padding > kernel) return `a padding of ${padding} is more than half of the kernel.`;
  const [high, wide] = [h + 2 * padding, w + 2 * padding];
  if (kernel > high || kernel > wide) {
    return `a kernel of ${kernel} × ${kernel} does not fit into a picture of ${h} × ${w}${padding > 0 ? `, with padding ${high} × ${wide}` : ''}. Make it smaller, add padding, or remove a layer that shrinks the picture.`;
  }
  const side = (n: number) => Math.floor((n - kernel) / stride) + 1;
  return [layer.type === 'conv' ? layer.channels : c, side(high), side(wide)];
}

function cost(layer: LayerSpec, from: readonly number[], shape: number[]): LayerCost {
  let [weights, params] = [0, 0];
  if (layer.type === 'linear') {
    weights = values(from) * layer.units;
    params = weights + layer.units;
  } else if (layer.type === 'conv') {
    weights = (from[0] ?? 0) * layer.kernel * layer.kernel * layer.channels;
    params = weights + layer.channels;
  } else if (layer.type === 'batchnorm') params = 2 * (from[0] ?? 0);
  const places = shape.length === 3 ? values(shape.slice(1)) : 1;
  return { in: values(from), out: values(shape), shape, params, bytes: 4 * params, flops: 2 * weights * places };
}

/** follow leads a picture through the layers, as far as they fit; fault says why the next one does not. */
export function follow(layers: readonly LayerSpec[]): { costs: LayerCost[]; fault: string } {
  let shape: number[] = needsImage(layers) ? [1, SIDE, SIDE] : [INPUTS];
  const costs: LayerCost[] = [];
  for (const [i, layer] of layers.entries()) {
    const next = through(layer, shape);
    if (typeof next === 'string') return { costs, fault: `${layerNames(layers)[i]}: ${next}` };
    costs.push(cost(layer, shape, next));
    shape = next;
  }
  return { costs, fault: '' };
}

// A network as a word of an address: 128-relu-10, or c32k5-silu-bn-max2-flat-10.
// c is a convolution's channels, k its kernel, s a stride and p a padding that
// are not the usual ones.

const window = (layer: Windowed) => (strideOf(layer) === usualStride(layer) ? '' : `s${layer.stride}`) + (layer.padding ? `p${layer.padding}` : '');

function word(layer: LayerSpec): string {
  switch (layer.type) {
    case 'linear':
      return String(layer.units);
    case 'dropout':
      return `drop${layer.p}`;
    case 'conv':
      return `c${layer.channels}k${layer.kernel}${window(layer)}`;
    case 'maxpool':
    case 'avgpool':
      return `${layer.type.slice(0, 3)}${layer.kernel}${window(layer)}`;
    case 'batchnorm':
      return 'bn';
    case 'flatten':
      return 'flat';
    default:
      return layer.type;
  }
}

export function encodeLayers(layers: readonly LayerSpec[]): string {
  // That a perceptron begins by flattening goes without saying.
  const list = layers[0]?.type === 'flatten' && !needsImage(layers.slice(1)) ? layers.slice(1) : layers;
  return list.map(word).join('-');
}

const WINDOWED = /^(?:c(\d+)k|(max|avg))(\d+)(?:s(\d+))?(?:p(\d+))?$/;

/** parse is the reverse of word; undefined when it is none. */
function parse(text: string): LayerSpec | undefined {
  if (/^\d+$/.test(text)) return { type: 'linear', units: Math.min(MAX_UNITS, Number(text)) };
  const drop = /^drop(\d*\.?\d+)$/.exec(text);
  if (drop) return { type: 'dropout', p: Math.min(0.9, Number(drop[1])) };
  if (text === 'bn') return { type: 'batchnorm' };
  if (text === 'flat') return { type: 'flatten' };
  const found = WINDOWED.exec(text);
  if (found) {
    const [, channels, pool, kernel, stride, padding] = found;
    const rest = { kernel: Number(kernel), ...(stride ? { stride: Number(stride) } : {}), ...(padding ? { padding: Number(padding) } : {}) };
    if (pool) return { type: pool === 'max' ? 'maxpool' : 'avgpool', ...rest };
    return { type: 'conv', channels: Math.min(MAX_CHANNELS, Number(channels)), ...rest };
  }
  return ACTIVATIONS.some((a) => a === text) ? { type: text as Activation } : undefined;
}

/** parseLayers is the reverse of encodeLayers; undefined when the text is no list of layers. */
export function parseLayers(text: string): LayerSpec[] | undefined {
  const list = text.split('-').map(parse);
  return list.includes(undefined) ? undefined : (list as LayerSpec[]);
}

/** layerNames are what the layers of an editor are called: by kind and number, as the worker and layerName do. */
export function layerNames(layers: readonly LayerSpec[]): string[] {
  const seen: Partial<Record<LayerSpec['type'], number>> = {};
  return layers.map(({ type }) => {
    const n = (seen[type] = (seen[type] ?? 0) + 1);
    return type === 'flatten' ? LAYER_TITLES[type] : `${LAYER_TITLES[type]} ${n}`;
  });
}

/** layerName is how people call a layer of the worker's: Conv 2 for conv2. */
export function layerName({ name, kind }: Pick<LayerInfo, 'name' | 'kind'>): string {
  const title = LAYER_TITLES[kind as LayerSpec['type']] ?? kind;
  return name.startsWith(kind) ? `${title} ${name.slice(kind.length)}` : title;
}
