import { describe, expect, it } from 'vitest';
import { extent, index, paint, palette, symmetric } from '../src/lib/colour';
import { bytes, clock, count, duration, percent, short } from '../src/lib/format';
import { bin, edges, heights } from '../src/lib/histogram';
import { fold, tileAt, tiles } from '../src/lib/maps';

const luminance = (pixel: number) => 0.2126 * (pixel & 255) + 0.7152 * ((pixel >> 8) & 255) + 0.0722 * ((pixel >> 16) & 255);

describe('colour maps', () => {
  it('paint a constant map in one colour, never NaN', () => {
    for (const value of [0, 3.5, -2, NaN, Infinity]) {
      const values = new Float32Array(9).fill(value);
      const pixels = new Uint32Array(9);
      paint(values, extent(values), palette('sequential', 'light'), pixels);
      expect(new Set(pixels).size).toBe(1);
      expect((pixels[0] as number) >>> 24).toBe(255);
      const range = symmetric(extent(values));
      expect(Number.isFinite(range.lo)).toBe(true);
      expect(index(value, range)).toBeGreaterThanOrEqual(0);
    }
    expect(index(0, { lo: 0, hi: 0 })).toBe(128);
  });

  it('look past values that are no numbers', () => {
    expect(extent([NaN, 2, -Infinity, -1, Infinity])).toEqual({ lo: -1, hi: 2 });
    expect(extent([])).toEqual({ lo: 0, hi: 0 });
    const pixels = new Uint32Array(2);
    paint([NaN, 1], { lo: 0, hi: 1 }, palette('sequential', 'dark'), pixels);
    expect(pixels[0]).toBe(palette('sequential', 'dark')[0]);
  });

  it('paint as index says, the ends included', () => {
    const values = [-5, -1, -0.5, 0, 0.5, 1, 5];
    const pixels = new Uint32Array(values.length);
    const colours = palette('diverging', 'light');
    paint(values, { lo: -1, hi: 1 }, colours, pixels);
    expect([...pixels]).toEqual(values.map((v) => colours[index(v, { lo: -1, hi: 1 })]));
    expect(pixels[0]).toBe(colours[0]);
    expect(pixels[6]).toBe(colours[255]);
  });

  it('keep the order of values in lightness alone', () => {
    for (const theme of ['light', 'dark'] as const) {
      const steps = [...palette('sequential', theme)].map(luminance);
      const rising = theme === 'dark' ? steps : steps.reverse();
      for (let i = 8; i < 256; i += 8) expect(rising[i] as number).toBeGreaterThan(rising[i - 8] as number);
    }
  });

  it('put zero in the middle of a diverging map, near the ground', () => {
    expect(luminance(palette('diverging', 'light')[128] as number)).toBeGreaterThan(235);
    expect(luminance(palette('diverging', 'dark')[128] as number)).toBeLessThan(35);
  });
});

describe('histograms', () => {
  it('count every value once', () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const bars = bin(values, 32);
    expect([...(bars.counts as Uint32Array)].reduce((a, b) => a + b)).toBe(1000);
    expect(edges(bars, 31).hi).toBeCloseTo(bars.hi);
  });

  it('give constants and emptiness a width', () => {
    for (const values of [[], [0, 0], [7, 7, 7], [-3]]) {
      const bars = bin(values, 8);
      expect(bars.hi).toBeGreaterThan(bars.lo);
      expect([...(bars.counts as Uint32Array)].reduce((a, b) => a + b)).toBe(values.length);
    }
    expect(bin([NaN, 1, 2], 4).counts).toHaveLength(4);
  });

  it('scale heights by the root, so that tails are seen', () => {
    expect([...heights([100, 1, 0, NaN])]).toEqual([1, Math.fround(0.1), 0, 0]);
    expect([...heights([0, 0])]).toEqual([0, 0]);
  });
});

describe('layouts', () => {
  it('fold vectors without empty cells where there is a divisor', () => {
    expect(fold(128)).toEqual({ rows: 8, columns: 16 });
    expect(fold(10)).toEqual({ rows: 1, columns: 10 });
    for (const n of [0, 1, 17, 64, 97, 300, 1021]) {
      const { rows, columns } = fold(n);
      expect(rows * columns).toBeGreaterThanOrEqual(n);
      expect(rows * columns - n).toBeLessThan(Math.max(1, columns));
    }
  });

  it('find the tile and the pixel in it', () => {
    const t = tiles(10, 28, 4, 2);
    expect([t.rows, t.columns, t.width, t.height]).toEqual([3, 4, 118, 88]);
    expect(tileAt(t, 10, 30, 0)).toEqual({ tile: 1, x: 0, y: 0 });
    expect(tileAt(t, 10, 28.5, 0)).toBeUndefined();
    expect(tileAt(t, 10, 61, 61)).toBeUndefined();
    expect(tileAt(t, 10, 57.9, 87.9)).toEqual({ tile: 9, x: 27, y: 27 });
  });
});

describe('numbers', () => {
  it('are short and never NaN', () => {
    expect(short(NaN)).toBe('–');
    expect(short(-0.012345)).toBe('−0.0123');
    expect(short(0)).toBe('0');
    expect(short(1e-9)).toBe('1.0e-9');
    expect(count(1234567)).toBe('1\u202f234\u202f567');
    expect(bytes(393 * 1024)).toBe('393\u202fKB');
    expect(bytes(1023.9 * 1024)).toBe('1.0\u202fMB');
    expect(percent(0.9787, 2)).toBe('97.87\u202f%');
    expect(duration(59.2)).toBe('60\u202fs');
    expect(duration(3725)).toBe('1\u202fh 2\u202fmin');
    expect([clock(112), clock(3725), clock(NaN)]).toEqual(['1:52', '1:02:05', '–']);
  });
});
