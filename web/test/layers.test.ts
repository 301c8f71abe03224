import { describe, expect, it } from 'vitest';
import { encodeLayers, follow, layerName, parseLayers } from '../src/lib/layers';
import { fault, PRESETS, sameLayers, shape, totals } from '../src/lib/network';
import type { LayerSpec } from '../src/lib/protocol';

const of = (text: string): LayerSpec[] => parseLayers(text) ?? [];
const preset = (id: string): LayerSpec[] => PRESETS.find((p) => p.id === id)?.layers ?? [];

describe('a picture on its way', () => {
  it('has the shapes of the recipe mnist-cnn', () => {
    const { costs, fault: wrong } = follow(preset('cnn'));
    expect(wrong).toBe('');
    expect(costs.filter((_, i) => [0, 2, 5, 6, 8, 11, 12, 13].includes(i)).map((c) => c.shape)).toEqual([
      [32, 24, 24], [32, 20, 20], [32, 10, 10], [64, 8, 8], [64, 6, 6], [64, 3, 3], [576], [10],
    ]);
    // By hand: 2 operations for each of a filter's products, at each place.
    const products = 25 * 32 * 24 * 24 + 25 * 32 * 32 * 20 * 20 + 9 * 32 * 64 * 8 * 8 + 9 * 64 * 64 * 6 * 6 + 5760;
    expect(totals(costs)).toMatchObject({ params: 87_850, flops: 2 * products });
  });

  it('gets smaller by strides and pooling, larger by padding', () => {
    expect(follow(of('c4k3s2p1-flat-10')).costs[0]?.shape).toEqual([4, 14, 14]);
    expect(follow(of('c4k1p2-max3s2p1-avg4-flat-10')).costs.map((c) => c.shape)).toEqual([[4, 32, 32], [4, 16, 16], [4, 4, 4], [64], [10]]);
  });

  it('counts a batch norm’s scale and shift', () => {
    expect(totals(follow(of('c4k3-bn-flat-10')).costs).params).toBe(4 * 9 + 4 + 8 + 4 * 26 * 26 * 10 + 10);
    expect(follow(of('32-bn-relu-10')).costs[1]).toMatchObject({ shape: [32], params: 64 });
  });

  it.each([
    ['c8k29-flat-10', 'Conv 1: the kernel'],
    ['c8k5-max2-max2-max2-c8k4-flat-10', 'Conv 2: a kernel of 4 × 4 does not fit into a picture of 3 × 3. Make it smaller'],
    ['c8k5-10', 'Linear 1: its input is a picture of 8 × 24 × 24. Put Flatten before it.'],
    ['flat-c8k3-flat-10', 'Conv 1: it needs a picture'],
    ['flat-flat-10', 'Flatten: its input is flat already'],
    ['max2p2-flat-10', 'Max pool 1: a padding of 2'],
    ['c0k3-flat-10', 'Conv 1: channels'],
    ['max28-max2-flat-10', 'Max pool 2: a kernel of 2 × 2 does not fit into a picture of 1 × 1'],
    ['max28-max2p1-max3-flat-10', 'Max pool 3: a kernel of 3 × 3 does not fit into a picture of 1 × 1'],
  ])('stops where %s does not fit', (text, message) => {
    expect(fault(of(text))).toContain(message);
  });

  it('says what padding made of a picture that is still too small', () => {
    expect(fault(of('max28-c4k4p1-flat-10'))).toContain('a picture of 1 × 1, with padding 3 × 3');
  });

  it('refuses what does not fit into a tab', () => {
    expect(fault(of('c512k1p28-c512k1p28-c512k1p28-flat-10'))).toContain('more values');
    expect(fault(of('4096-4096-4096-4096-10'))).toContain('million parameters');
  });
});

describe('a network as a word', () => {
  it('is short and comes back', () => {
    const text = 'c32k5-silu-bn-max2-c16k3s2p1-relu-avg3s1p1-drop0.25-flat-84-10';
    expect(encodeLayers(of(text))).toBe(text);
    expect(encodeLayers(preset('cnn'))).toBe('c32k5-silu-c32k5-silu-bn-max2-c64k3-silu-c64k3-silu-bn-max2-flat-10');
    for (const p of PRESETS) expect(parseLayers(encodeLayers(p.layers))).toEqual(p.layers);
  });

  it('is the same for what is the same', () => {
    expect(sameLayers([{ type: 'conv', channels: 4, kernel: 3, stride: 1, padding: 0 }], [{ type: 'conv', channels: 4, kernel: 3 }])).toBe(true);
    expect(sameLayers([{ type: 'maxpool', kernel: 2, stride: 2 }], [{ type: 'maxpool', kernel: 2 }])).toBe(true);
    expect(sameLayers([{ type: 'maxpool', kernel: 2, stride: 1 }], [{ type: 'maxpool', kernel: 2 }])).toBe(false);
    expect(sameLayers(of('flat-128-relu-10'), of('128-relu-10'))).toBe(true);
    expect(sameLayers(of('max2-flat-10'), of('max2-10'))).toBe(false);
  });

  it.each(['', 'c8', 'c8k', 'k5', 'max', 'max2s', 'c8k5p', 'c8k5p1s2', 'bn2', 'flatten', 'c-8k5'])('does not read %s', (text) => {
    expect(parseLayers(text)).toBeUndefined();
  });
});

describe('names', () => {
  it('of layers and networks', () => {
    expect(layerName({ name: 'conv2', kind: 'conv' })).toBe('Conv 2');
    expect(layerName({ name: 'batchnorm1', kind: 'batchnorm' })).toBe('Batch norm 1');
    expect(layerName({ name: '3', kind: 'relu' })).toBe('ReLU');
    expect(shape(preset('cnn'))).toBe('CNN 32‑32‑64‑64‑10');
  });
});
