import { describe, expect, test } from 'vitest';
import { header, PictureError } from '../src/lib/photo/picture';
import { readPlan, verify, type Plan } from '../src/lib/photo/plan';
import { difference, probabilities, quantile, saliency, smooth, top } from '../src/lib/photo/scores';

const ascii = (s: string) => [...s].map((c) => c.charCodeAt(0));
const bytes = (...parts: (number | string | readonly number[])[]) => Uint8Array.from(parts.flatMap((p) => (typeof p === 'string' ? ascii(p) : p)));
const be = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const PNG = bytes('\x89PNG\r\n\x1a\n', be(13), 'IHDR', be(640), be(480), [8, 6, 0, 0, 0], be(0), be(0), 'IEND', be(0));
const JPEG = bytes([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xff, 0xc2, 0, 11, 8, 1, 0xe0, 2, 0x80, 1, 0, 0, 0], [0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9, 7, 7]);

describe('header', () => {
  test('sizes of each kind', () => {
    expect(header(PNG)).toEqual({ kind: 'PNG', width: 640, height: 480 });
    expect(header(JPEG)).toEqual({ kind: 'JPEG', width: 640, height: 480 });
    expect(header(bytes('GIF89a', [0x80, 2, 0xe0, 1]))).toEqual({ kind: 'GIF', width: 640, height: 480 });
    expect(header(bytes('BM', [9, 0, 0, 0], be(0), be(0), be(0), [0x80, 2, 0, 0, 0x20, 0xfe, 0xff, 0xff]))).toEqual({ kind: 'BMP', width: 640, height: 480 });
    expect(header(bytes('RIFF', [22, 0, 0, 0], 'WEBPVP8X', [10, 0, 0, 0, 0, 0, 0, 0, 0x7f, 2, 0, 0xdf, 1, 0]))).toEqual({ kind: 'WebP', width: 640, height: 480 });
    expect(header(bytes(be(24), 'ftypavif', be(0), 'avif', be(0), be(20), 'ispe', be(0), be(640), be(480)))).toEqual({ kind: 'AVIF', width: 640, height: 480 });
  });

  test('whatever is cut short is found, wherever it ends', () => {
    for (let n = 1; n < PNG.length - 4; n++) expect(() => header(PNG.subarray(0, n)), `${n} bytes of a PNG`).toThrow(PictureError);
    for (let n = 1; n < JPEG.length - 2; n++) expect(() => header(JPEG.subarray(0, n)), `${n} bytes of a JPEG`).toThrow(PictureError);
    expect(() => header(bytes('RIFF', [99, 0, 0, 0], 'WEBPVP8X', be(0)))).toThrow(/cut short/);
    // A preview inside of a JPEG has an end marker of its own.
    const preview = bytes([0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 0, 0], JPEG.subarray(8, 22) as unknown as number[]);
    expect(() => header(preview)).toThrow(/cut short/);
  });

  test('what is no picture says what it is', () => {
    for (const [text, what] of [
      ['', /empty/], ['Dear diary', /text/], ['<svg xmlns="">', /SVG/], ['<?xml version="1.0"?><!-- x --><svg>', /SVG/], ['%PDF-1.7', /PDF/], ['II*\0abcd', /TIFF/], ['\0\x01\x02\xff', /no picture of a kind/],
    ] as const) expect(() => header(bytes(text)), text).toThrow(what);
  });

  test('any bytes at all give a size or a PictureError', () => {
    let seed = 1;
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    for (let i = 0; i < 3000; i++) {
      const from = (random() < 0.5 ? PNG : JPEG).slice();
      for (let k = 0; k < 4; k++) from[Math.floor(random() * from.length)] = Math.floor(random() * 256);
      try {
        expect(header(from.subarray(0, Math.floor(random() * (from.length + 1)))).kind).toMatch(/\w/);
      } catch (e) {
        expect(e).toBeInstanceOf(PictureError);
      }
    }
  });
});

describe('plan', () => {
  const plan = () => ({ format: 'weft-web', version: 1, model: 'm', classes: ['a'], input: { shape: [3, 8, 8] }, output: { shape: [1] }, weights: { file: 'weights.safetensors', bytes: 3, sha256: '' }, kernels: {} as Record<string, unknown> });

  test('refuses what the page could not use', () => {
    expect(readPlan(JSON.stringify(plan())).model).toBe('m');
    for (const change of [
      { format: 'x' }, { version: 2 }, { input: { shape: [3, 8] } }, { input: { shape: [2, 8, 8] } }, { input: { shape: [3, 8, 1e9] } }, { output: { shape: [1, 2] } },
      { weights: { file: '../secret', bytes: 3 } }, { weights: { file: 'w', bytes: -1 } }, { kernels: { onnx: { file: 'a/b', bytes: 1 } } }, { classes: 3 },
    ]) expect(() => readPlan(JSON.stringify({ ...plan(), ...change })), JSON.stringify(change)).toThrow(/plan|exported|channels/);
    expect(() => readPlan('null')).toThrow();
  });

  test('files are those of the plan, byte for byte', async () => {
    const sha256 = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81'; // of 1, 2, 3
    const p = { ...plan(), weights: { file: 'weights.safetensors', bytes: 3, sha256 } } as unknown as Plan;
    const files = (...b: number[]) => new Map([['weights.safetensors', new Blob([Uint8Array.from(b)])]]);
    await verify(p, files(1, 2, 3));
    await expect(verify(p, files(1, 2, 4))).rejects.toThrow(/damaged/);
    await expect(verify(p, files(1, 2))).rejects.toThrow(/has 2 bytes/);
    await expect(verify(p, new Map())).rejects.toThrow(/missing/);
  });
});

describe('scores', () => {
  test('softmax, once', () => {
    const p = probabilities(Float32Array.of(1000, 1001, -5));
    expect(p[1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 5);
    expect(probabilities(p)).toBe(p);
    expect(top(Float32Array.of(1, 3, 2), ['a', 'b'], 2).map((r) => r.name)).toEqual(['b', 'class 2']);
  });

  test('differences, gradients and maps', () => {
    expect(difference(Float32Array.of(1, -4), Float32Array.of(1.5, -4))).toEqual({ absolute: 0.5, relative: 0.125 });
    expect([...saliency(Float32Array.of(1, -2, 3, 0, 5, -1), 3)]).toEqual([5, 2]);
    expect([...saliency(Float32Array.of(1, -2, -3, 0), 2)]).toEqual([3, 2]);
    expect(quantile(Float32Array.of(4, 1, 3, 2), 0.5)).toBe(3);
    expect([...smooth(Float32Array.of(0, 0, 0, 0, 9, 0, 0, 0, 0), 3, 1)]).toEqual([2.25, 1.5, 2.25, 1.5, 1, 1.5, 2.25, 1.5, 2.25]);
    const same = Float32Array.of(1, 2);
    expect(smooth(same, 2, 0)).toBe(same);
  });
});
