// A stand-in for the real worker: it answers every message with plausible
// numbers, so that the pages can be built and looked at without Go, a GPU or
// data. It is not part of the site.

import type { LayerSpec, RunState, TrainConfig } from '../lib/protocol';
import { activationsOf, confusion, digit, kernels, layerView, modelInfo, weightsOf } from './fake';

interface Message {
  id: number;
  type: string;
  [key: string]: unknown;
}

const post = (message: unknown) => self.postMessage(message);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let layers: LayerSpec[] = [{ type: 'linear', units: 128 }, { type: 'relu' }, { type: 'linear', units: 10 }];
let config: TrainConfig;
let state: RunState = 'stopped';
let run = 0;
let step = 0;
let steps = 0;
let inspecting = false;
const RATE = 640;

const train = 54000;
const noise = () => (Math.random() + Math.random() - 1) * 0.5;
const lossAt = (s: number) => 0.04 + 2.26 * Math.exp(-s / 90) * 0.6 + 0.9 / (1 + s / 60);
const accuracyAt = (s: number) => Math.max(0.1, 0.985 - 0.9 / (1 + s / 30));

function lrAt(s: number): number {
  const t = s / steps;
  if (config.schedule === 'cosine') return config.lr * (config.endFactor + (1 - config.endFactor) * 0.5 * (1 + Math.cos(Math.PI * t)));
  if (config.schedule === 'linear') return config.lr * (1 + (config.endFactor - 1) * t);
  return config.lr;
}

function advance(n: number): void {
  const to = Math.min(steps, step + n);
  const losses = new Float32Array(to - step);
  const accuracies = new Float32Array(to - step);
  const first = step;
  for (let i = 0; i < losses.length; i++) {
    losses[i] = Math.max(0.004, lossAt(step + i) * (1 + noise()));
    accuracies[i] = Math.min(1, Math.round((accuracyAt(step + i) + noise() * 0.08) * config.batch) / config.batch);
  }
  const perEpoch = steps / config.epochs;
  for (let e = Math.floor(step / perEpoch) + 1; e * perEpoch <= to; e++) {
    const at = e * perEpoch;
    post({ event: 'epoch', run, epoch: e, trainLoss: lossAt(at), trainAccuracy: accuracyAt(at), valLoss: lossAt(at) * 1.1 + 0.03, valAccuracy: accuracyAt(at) - 0.006 });
  }
  step = to;
  if (step >= steps) state = 'done';
  const event = {
    event: 'train',
    run,
    step,
    steps,
    epoch: Math.min(config.epochs, Math.floor(step / perEpoch) + 1),
    losses,
    accuracies,
    first,
    lr: lrAt(step),
    stepsPerSecond: RATE,
    imagesPerSecond: RATE * config.batch,
    secondsLeft: (steps - step) / RATE,
    gpuBytes: 58_400_000,
    state,
  };
  self.postMessage(event, { transfer: [losses.buffer, accuracies.buffer] });
}

setInterval(() => {
  if (state === 'running') advance(RATE / 10);
  if (inspecting) post({ event: 'inspect', step, pixels: digit(3), label: 3, layers: layerView(layers, step) });
}, 100);

const answers: Record<string, (message: Message) => unknown> = {
  init: async () => {
    await wait(300);
    const cpu = location.search.includes('cpu');
    return {
      device: cpu ? 'cpu' : 'webgpu',
      adapter: cpu ? 'WebAssembly' : 'SwiftShader (mock)',
      software: true,
      limits: { maxBufferSize: 268435456, maxStorageBufferBindingSize: 134217728, maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256 },
      features: ['timestamp-query', 'shader-f16'],
      note: cpu ? 'There is no WebGPU in this browser, so everything runs on the processor: slower, but the same numbers.' : '',
    };
  },
  data: async () => {
    for (let i = 1; i <= 5; i++) {
      post({ event: 'data', loaded: i * 2_300_000, total: 11_500_000 });
      await wait(60);
    }
    return { source: 'synthetic', train: 60000, test: 10000, classes: [...'0123456789'], synthetic: true, note: 'MNIST is not on this server, so these are drawn digits.' };
  },
  model: (m) => {
    layers = m.layers as LayerSpec[];
    step = 0;
    return modelInfo(layers);
  },
  start: async (m) => {
    config = m.config as TrainConfig;
    for (let i = 1; i <= 12; i++) {
      post({ event: 'compile', done: i, total: 12 });
      await wait(30);
    }
    step = 0;
    steps = Math.max(1, Math.round((train / config.batch) * config.epochs));
    state = 'running';
    return { run: ++run, compileMs: 412, kernels: 12, steps, resumed: false };
  },
  pause: () => ({ state: (state = 'paused'), step }),
  resume: () => ({ state: (state = 'running'), step }),
  stop: () => ({ state: (state = 'stopped'), step }),
  step: (m) => {
    advance(m.n as number);
    return { state, step };
  },
  set: (m) => Object.assign(config, { lr: m.lr, endFactor: m.endFactor }) && {},
  inspect: (m) => {
    inspecting = m.on as boolean;
    return {};
  },
  augment: (m) => {
    const all = (rows: number) => {
      const bytes = new Uint8Array(rows * 10 * 784);
      for (let i = 0; i < rows * 10; i++) bytes.set(digit(i % 10), i * 784);
      return bytes;
    };
    return { originals: all(1), labels: Uint8Array.from([...Array(10).keys()]), pixels: all(m.rows as number) };
  },
  weights: (m) => weightsOf(layers, m.layer as string, step),
  predict: (m) => {
    const { probabilities, activations } = activationsOf(layers, m.pixels as Uint8Array);
    return { probabilities, activations, ms: 0.8 + Math.random() };
  },
  test: async () => {
    for (let i = 1; i <= 20; i++) {
      post({ event: 'test', done: i * 500, total: 10000 });
      await wait(40);
    }
    const matrix = confusion();
    const share = (i: number, row: boolean) => (matrix[i]?.[i] ?? 0) / matrix.reduce((sum, r, j) => sum + ((row ? matrix[i]?.[j] : r[i]) ?? 0), 0);
    const classes = [...Array(10).keys()];
    return {
      accuracy: 0.9787,
      loss: 0.0712,
      confusion: matrix,
      precision: classes.map((i) => share(i, false)),
      recall: classes.map((i) => share(i, true)),
      mistakes: [...Array(48).keys()].map((i) => ({ index: i * 37, label: i % 10, predicted: (i + 3) % 10, probability: 0.5 + Math.random() / 2, pixels: digit(i % 10) })),
    };
  },
  save: () => ({ bytes: new Uint8Array(64) }),
  export: () => ({ name: 'weft-web.zip', bytes: new Uint8Array(64) }),
  load: (m) => {
    if ((m.bytes as Uint8Array).length !== 64) {
      throw Object.assign(new Error(`${String(m.name)} is not a safetensors file: its header is cut off.`), { hint: 'Choose a file that Download made, or one that weft train wrote.' });
    }
    return modelInfo(layers);
  },
  own: () => modelInfo(layers),
  builtin: () => [
    { name: 'mlp', title: 'MLP 784-128-10', file: 'mlp.safetensors', accuracy: 0.9836 },
    { name: 'mlp2', title: 'MLP 784-128-64-10', file: 'mlp2.safetensors', accuracy: 0.9842 },
  ],
  use: () => {
    layers = [{ type: 'linear', units: 128 }, { type: 'relu' }, { type: 'linear', units: 10 }];
    return modelInfo(layers);
  },
  check: async () => {
    const rows = ['add', 'matmul', 'relu', 'softmax', 'gather', 'sum', 'cross_entropy', 'sgd', 'adamw', 'dropout', 'layer_norm'].map((op, i) => ({
      op,
      cases: 4 + ((i * 7) % 11),
      maxError: op === 'dropout' ? 0.2 : 1e-7 * (i + 1),
      passed: op !== 'dropout',
      ...(op === 'dropout' ? { message: 'mask differs at element 17' } : {}),
    }));
    for (const row of rows) {
      post({ event: 'check', row });
      await wait(80);
    }
    return { adapter: 'SwiftShader (mock)', limits: { maxBufferSize: 268435456 }, features: ['timestamp-query'], rows };
  },
  kernels: () => ({ kernels: kernels() }),
  stats: () => ({ wasmBytes: 34e6, goHeap: 12e6, gpuBytes: 58e6, gpuBuffers: 41 }),
};

self.addEventListener('message', (event: MessageEvent<Message>) => {
  const message = event.data;
  void (async () => {
    try {
      const answer = answers[message.type];
      if (!answer) throw new Error(`The mock knows no ${message.type}.`);
      post({ id: message.id, ok: true, result: await answer(message) });
    } catch (error) {
      const { message: text, hint = '' } = error as Error & { hint?: string };
      post({ id: message.id, ok: false, error: { message: text, hint } });
    }
  })();
});
