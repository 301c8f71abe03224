// The mock's made-up weights, pictures and tables.

import { isActivation } from '../lib/layers';
import { costs } from '../lib/network';
import type { Hist, LayerSpec, LayerView, ModelInfo, WeightsResult } from '../lib/protocol';

export function modelInfo(layers: readonly LayerSpec[]): ModelInfo {
  const all = costs(layers);
  const params = all.reduce((sum, c) => sum + c.params, 0);
  return {
    layers: layers.map((layer, i) => ({ name: String(i), kind: layer.type, in: all[i]?.in ?? 0, out: all[i]?.out ?? 0, shape: all[i]?.shape ?? [], params: all[i]?.params ?? 0, flops: all[i]?.flops ?? 0 })),
    params,
    flops: all.reduce((sum, c) => sum + c.flops, 0),
    bytes: params * 4,
    spec: [...layers],
    steps: 0,
    classes: [...'0123456789'],
  };
}

function hash(n: number): number {
  const x = Math.sin(n * 127.1 + 311.7) * 43758.5453;
  return x - Math.floor(x);
}

const normal = (n: number) => hash(n) + hash(n + 0.5) + hash(n + 0.25) - 1.5;

export function weightsOf(layers: readonly LayerSpec[], name: string, step: number): WeightsResult {
  const i = Number(name);
  const cost = costs(layers)[i];
  if (!cost || cost.params === 0) throw new Error(`Layer ${name} has no weights.`);
  const layer = layers[i];
  const bias = Float32Array.from({ length: cost.shape[0] ?? 0 }, (_, o) => 0.1 * normal(o + 7));
  if (layer?.type === 'conv') {
    const from = costs(layers).slice(0, i).findLast((c) => c.shape.length === 3)?.shape[0] ?? 1;
    const shape = [layer.channels, from, layer.kernel, layer.kernel];
    return { shape, values: Float32Array.from({ length: cost.params - layer.channels }, (_, k) => 0.3 * normal(k)), bias };
  }
  if (layer?.type === 'batchnorm') {
    const one = Float32Array.from(bias, (b) => 1 + b);
    return { shape: [one.length], values: one, bias, mean: bias.slice(), variance: one.slice() };
  }
  const values = new Float32Array(cost.in * cost.out);
  const learned = Math.min(1, step / 2000);
  for (let o = 0; o < cost.out; o++) {
    const [cx, cy, ex, ey] = [6 + 16 * hash(o), 6 + 16 * hash(o + 50), 6 + 16 * hash(o + 99), 6 + 16 * hash(o + 150)];
    for (let k = 0; k < cost.in; k++) {
      let v = 0.05 * normal(o * 1000 + k);
      if (cost.in === 784) {
        const [x, y] = [k % 28, Math.floor(k / 28)];
        v += learned * 0.25 * (Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) - Math.exp(-((x - ex) ** 2 + (y - ey) ** 2) / 14));
      } else v *= 4;
      values[o * cost.in + k] = v;
    }
  }
  return { shape: [cost.out, cost.in], values, bias };
}

function hist(scale: number): Hist {
  return { lo: -scale, hi: scale, counts: Uint32Array.from({ length: 48 }, (_, i) => Math.round(4000 * Math.exp(-(((i - 24) / 6) ** 2)) + 20 * hash(i))) };
}

export function layerView(layers: readonly LayerSpec[], step: number): LayerView[] {
  return layers.map((layer, i) => {
    const cost = costs(layers)[i] as { out: number; shape: number[]; params: number };
    const values = Float32Array.from({ length: cost.out }, (_, k) => {
      const v = normal(k + 31 * i) + 0.3 * Math.sin(step / 400 + k);
      return isActivation(layer) ? Math.max(0, v) : v;
    });
    const linear = cost.params > 0;
    return {
      name: String(i),
      activations: { shape: cost.shape, values },
      activationHist: hist(2),
      ...(linear
        ? {
            bias: Float32Array.from({ length: cost.out }, (_, o) => 0.1 * normal(o + 7)),
            grad: { norm: 0.4 / (1 + i + step / 3000) },
            update: { ratio: (1e-3 * (1 + i)) / (1 + step / 8000) },
            weightHist: hist(0.3),
            gradHist: hist(0.01),
          }
        : {}),
    };
  });
}

export function activationsOf(layers: readonly LayerSpec[], pixels: Uint8Array) {
  let [mass, top] = [0, 0];
  pixels.forEach((v, i) => {
    mass += v;
    if (i < 392) top += v;
  });
  const guess = Math.floor(hash(Math.round(mass / 900)) * 10);
  const scores = Array.from({ length: 10 }, (_, i) => Math.exp((i === guess ? 4 : 0) + 2 * hash(i + top / 5000)));
  const sum = scores.reduce((a, b) => a + b, 0);
  return {
    probabilities: Float32Array.from(scores, (s) => s / sum),
    activations: layerView(layers, mass / 10).map(({ name, activations }) => ({ name, ...(activations ?? { shape: [0], values: new Float32Array() }) })),
  };
}

export function confusion(): number[][] {
  return Array.from({ length: 10 }, (_, i) => Array.from({ length: 10 }, (_, j) => (i === j ? 960 + Math.floor(40 * hash(i)) : Math.floor(8 * hash(i * 10 + j) ** 4))));
}

export function digit(n: number): Uint8Array {
  const out = new Uint8Array(784);
  for (let i = 0; i < 784; i++) {
    const [x, y] = [(i % 28) - 14, Math.floor(i / 28) - 14];
    const r = Math.hypot(x / (0.7 + n / 20), y);
    out[i] = 255 * Math.exp(-((r - 7) ** 2) / 3) * (Math.atan2(y, x) > n / 3 - 2.5 ? 1 : 0.1);
  }
  return out;
}

export function kernels() {
  return ['gather_normalise_linear0', 'relu_linear1', 'softmax_loss', 'grad_linear1', 'sgd'].map((name, i) => ({
    name,
    wgsl: `@group(0) @binding(0) var<storage, read> a: array<f32>;\n@group(0) @binding(1) var<storage, read_write> o: array<f32>;\n\n@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>) {\n  // ${name}\n  o[id.x] = max(a[id.x], 0.0);\n}\n`,
    us: 12.4 * (i + 1),
    gflops: 48 / (i + 1),
  }));
}
