// The whole set-up of a run fits in the address, so that sending the address is
// sending the experiment. Only what differs from the defaults is written: most
// addresses stay short enough to read. Whatever an address holds, read gives a
// set-up that can run, and a list of what it could not use: a rate of -4 or an
// unknown word has the default in its place, and the page says so.

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
  endFactor: 0.02,
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
  endFactor: [0, 1],
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
  endFactor: 'end',
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

/** within is value, rounded where only whole numbers make sense, if it is in its range. */
function within(key: NumberKey, value: number): number | undefined {
  const [lo, hi] = LIMITS[key];
  if (!(value >= lo && value <= hi)) return undefined;
  return WHOLE.includes(key) ? Math.round(value) : value;
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

/** read reads a query. What is missing keeps its default, and so does what cannot be used, which ignored lists as it stands there. */
export function read(text: string): { setup: Setup; ignored: string[] } {
  const query = new URLSearchParams(text);
  const setup = defaultSetup();
  const { config } = setup;
  const ignored: string[] = [];
  /** take uses a part of the query, or puts it on the list. */
  const take = <T>(name: string, parse: (value: string) => T | undefined, use: (value: T) => void): void => {
    const value = query.get(name);
    if (value === null) return;
    const found = parse(value);
    if (found === undefined) ignored.push(`${name}=${value}`);
    else use(found);
  };
  const among = <T extends string>(known: readonly T[]) => (value: string) => known.find((k) => k === value);
  const number = (key: NumberKey) => (value: string) => (value.trim() === '' ? undefined : within(key, Number(value)));
  take('data', among(SOURCES), (source) => (setup.source = source));
  take('net', decodeLayers, (layers) => (setup.layers = layers));
  take('opt', among(OPTIMIZERS), (optimizer) => (config.optimizer = optimizer));
  take('sched', among(SCHEDULES), (schedule) => (config.schedule = schedule));
  if (query.get('aug') === '1') Object.assign(config, AUGMENTED);
  for (const key of Object.keys(SHORT) as NumberKey[]) take(SHORT[key], number(key), (value) => (config[key] = value));
  // Before the end was a share of the rate it was a rate itself.
  take('lr0', (value) => within('endFactor', Number(value) / config.lr), (share) => (config.endFactor = Number(share.toPrecision(6))));
  config.nearest = query.get('near') === '1';
  return { setup, ignored };
}

/** decode is the set-up of a query. */
export const decode = (text: string): Setup => read(text).setup;
