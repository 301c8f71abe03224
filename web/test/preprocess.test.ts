import { describe, expect, it } from 'vitest';
import { prepare, type Grey } from '../src/lib/preprocess';
import { upscale } from '../src/lib/strokes';

function picture(side: number, ink: (x: number, y: number) => number): Grey {
  const values = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) values[y * side + x] = ink(x, y);
  return { width: side, height: side, values };
}

function measure(pixels: Uint8Array) {
  let [sum, sumX, sumY, x0, y0, x1, y1] = [0, 0, 0, 28, 28, -1, -1];
  pixels.forEach((v, i) => {
    if (v === 0) return;
    const [x, y] = [i % 28, Math.floor(i / 28)];
    [sum, sumX, sumY] = [sum + v, sumX + v * x, sumY + v * y];
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  });
  return { x: sumX / sum, y: sumY / sum, width: x1 - x0 + 1, height: y1 - y0 + 1 };
}

describe('prepare', () => {
  it('has nothing to say about an empty pad', () => {
    expect(prepare(picture(100, () => 0))).toBeUndefined();
    expect(prepare(picture(100, () => 20))).toBeUndefined();
  });

  it('fits the longer side into 20 pixels and keeps the proportions', () => {
    const tall = measure(prepare(picture(280, (x, y) => (x >= 10 && x < 60 && y >= 150 && y < 250 ? 255 : 0))) ?? new Uint8Array());
    expect([tall.width, tall.height]).toEqual([10, 20]);
    const wide = measure(prepare(picture(280, (x, y) => (x >= 100 && x < 260 && y >= 5 && y < 45 ? 255 : 0))) ?? new Uint8Array());
    expect([wide.width, wide.height]).toEqual([20, 5]);
  });

  it('puts the centre of mass at pixel 14, wherever and however lopsided the drawing', () => {
    for (const at of [5, 60, 150]) {
      const got = prepare(picture(280, (x, y) => (x >= at && x < at + 100 && y >= at && y < at + 100 && x - at + (y - at) < 100 ? 255 : 0)));
      const { x, y } = measure(got ?? new Uint8Array());
      expect(Math.abs(x - 14)).toBeLessThanOrEqual(0.5);
      expect(Math.abs(y - 14)).toBeLessThanOrEqual(0.5);
    }
  });

  it('does not depend on where or how large the drawing is', () => {
    const small = prepare(picture(280, (x, y) => (x >= 20 && x < 60 && y >= 30 && y < 110 ? 255 : 0)));
    const large = prepare(picture(280, (x, y) => (x >= 100 && x < 200 && y >= 50 && y < 250 ? 255 : 0)));
    expect(small).toEqual(large);
  });

  it('makes a hairline white again', () => {
    const got = prepare(picture(280, (x, y) => (x === 140 && y > 20 && y < 260 ? 255 : 0)));
    expect(Math.max(...(got ?? []))).toBe(255);
  });

  it('takes a single dot', () => {
    const got = prepare(picture(280, (x, y) => (x === 3 && y === 3 ? 255 : 0)));
    expect(got?.filter((v) => v > 0).length).toBe(400);
  });
});

describe('upscale', () => {
  it('keeps a constant and the extremes', () => {
    expect(new Set(upscale(new Uint8Array(784).fill(77), 28, 140))).toEqual(new Set([77]));
    const one = new Uint8Array(784);
    one[14 * 28 + 14] = 255;
    expect(Math.max(...upscale(one, 28, 280))).toBeGreaterThan(220);
  });
});
