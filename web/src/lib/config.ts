// The whole set-up of a run fits in the address, so that sending the address is
// sending the experiment. Only what differs from the defaults is written: most
// addresses stay short enough to read. Whatever an address holds, decode gives
// a set-up that can run: a number out of range is moved into it, and a word
// that is not known is passed over.

import { encodeLayers, parseLayers } from './layers';
import { fault, sameLayers } from './network';
import type { DataSource, LayerSpec, Optimizer, Schedule, TrainConfig } from './protocol';

export interface Setup {
  source: DataSource;
  layers: LayerSpec[];
  config: TrainConfig;
}

export const OPTIMIZERS: readonly Optimizer[] = ['sgd', 'momentum', 'nesterov', 'adam', 'adamw', 'muon'];
export const SCHEDULES: readonly Schedule[] = ['constant', 'cosine', 'linear', 'onecycle'];
export const SOURCES: readonly DataSource[] = ['auto', 'mnist', 'fashion', 'synthetic'];

export const DEFAULTS: Readonly<TrainConfig> = {
  optimizer: 'sgd',
  lr: 0.05,
  minLr: 0.001,
  schedule: 'cosine',
  batch: 32,
  epochs: 15,
  seed: 1,
  weightDecay: 0,
  momentum: 0.9,
  labelSmoothing: 0,
  valFraction: 0.1,
  warmup: 0,
  ema: 0,
  rotate: 0,
  scale: 0,
  shift: 0,
  nearest: false,
};

export const DEFAULT_LAYERS: readonly LayerSpec[] = [{ type: 'linear', units: 128 }, { type: 'relu' }, { type: 'linear', units: 10 }];

/** LIMITS are inclusive, and the same ones that the fields of the page show. */
export const LIMITS = {
  lr: [1e-6, 10],
  minLr: [0, 10],
  batch: [1, 4096],
  epochs: [1, 1000],
  seed: [0, 2 ** 31 - 1],
  weightDecay: [0, 1],
  momentum: [0, 0.999],
  labelSmoothing: [0, 0.5],
  valFraction: [0, 0.5],
  warmup: [0, 0.5],
  ema: [0, 0.9999],
  rotate: [0, 180],
  scale: [0, 0.9],
  shift: [0, 0.9],
} as const satisfies Partial<Record<keyof TrainConfig, readonly [number, number]>>;

type NumberKey = keyof typeof LIMITS;
const WHOLE: readonly NumberKey[] = ['batch', 'epochs', 'seed'];
const SHORT: Record<NumberKey, string> = {
  lr: 'lr',
  minLr: 'lr0',
  batch: 'b',
  epochs: 'e',
  seed: 's',
  weightDecay: 'wd',
  momentum: 'm',
  labelSmoothing: 'ls',
  valFraction: 'v',
  warmup: 'wu',
  ema: 'ema',
  rotate: 'rot',
  scale: 'zoom',
  shift: 'shift',
};

/** What aug=1 meant before each kind of augmentation had a number of its own. */
const AUGMENTED = { rotate: 7, scale: 0.07, shift: 0.04 } as const;

/** A good first learning rate for each optimizer, used when one is picked. */
export const USUAL_RATES: Record<Optimizer, number> = { sgd: 0.05, momentum: 0.02, nesterov: 0.02, adam: 0.001, adamw: 0.001, muon: 0.02 };

export function defaultSetup(): Setup {
  return { source: 'auto', layers: structuredClone(DEFAULT_LAYERS) as LayerSpec[], config: { ...DEFAULTS } };
}

/** clamped is value moved into its range, or the fallback where it is no number. */
export function clamped(key: NumberKey, value: number, fallback: number = DEFAULTS[key]): number {
  if (!Number.isFinite(value)) return fallback;
  const [lo, hi] = LIMITS[key];
  const inside = Math.min(hi, Math.max(lo, value));
  return WHOLE.includes(key) ? Math.round(inside) : inside;
}

/** decodeLayers reads a network; undefined when the text is none that can run. */
export function decodeLayers(text: string): LayerSpec[] | undefined {
  const layers = parseLayers(text);
  return layers && fault(layers) === '' ? layers : undefined;
}

/** encode writes a set-up as the query of an address; '' for the defaults. */
export function encode(setup: Setup): string {
  const query = new URLSearchParams();
  const { config } = setup;
  if (setup.source !== 'auto') query.set('data', setup.source);
  if (!sameLayers(setup.layers, DEFAULT_LAYERS)) query.set('net', encodeLayers(setup.layers));
  if (config.optimizer !== DEFAULTS.optimizer) query.set('opt', config.optimizer);
  if (config.schedule !== DEFAULTS.schedule) query.set('sched', config.schedule);
  for (const key of Object.keys(SHORT) as NumberKey[]) {
    if (config[key] !== DEFAULTS[key]) query.set(SHORT[key], String(config[key]));
  }
  if (config.nearest) query.set('near', '1');
  return query.toString();
}

/** decode reads a query; whatever is missing or unreadable keeps its default. */
export function decode(text: string): Setup {
  const query = new URLSearchParams(text);
  const setup = defaultSetup();
  const { config } = setup;
  const word = <T extends string>(name: string, known: readonly T[], otherwise: T): T => known.find((k) => k === query.get(name)) ?? otherwise;
  setup.source = word('data', SOURCES, setup.source);
  setup.layers = decodeLayers(query.get('net') ?? '') ?? setup.layers;
  config.optimizer = word('opt', OPTIMIZERS, config.optimizer);
  config.schedule = word('sched', SCHEDULES, config.schedule);
  if (query.get('aug') === '1') Object.assign(config, AUGMENTED);
  for (const key of Object.keys(SHORT) as NumberKey[]) {
    const value = query.get(SHORT[key]);
    if (value !== null && value.trim() !== '') config[key] = clamped(key, Number(value));
  }
  config.nearest = query.get('near') === '1';
  return setup;
}
