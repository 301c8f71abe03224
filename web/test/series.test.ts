import { describe, expect, it } from 'vitest';
import { merge, Series } from '../src/lib/series';

describe('Series', () => {
  it('keeps every step while there is room', () => {
    const s = new Series(8);
    [5, 4, 3].forEach((v, i) => s.add(i, v));
    expect(s.points()).toEqual({ steps: [1, 2, 3], values: [5, 4, 3] });
    expect(s.last()).toBe(3);
  });

  it('halves its sharpness instead of growing, and keeps the mean', () => {
    const s = new Series(64);
    for (let i = 0; i < 100_000; i++) s.add(i, i);
    const { steps, values } = s.points();
    expect(s.width).toBe(2048);
    expect(steps.length).toBeLessThanOrEqual(64);
    expect(values[0]).toBe((s.width - 1) / 2);
    for (let i = 1; i < values.length; i++) expect(values[i] as number).toBeGreaterThan(values[i - 1] as number);
  });

  it('has no point beyond its last step', () => {
    const s = new Series(8);
    for (let i = 0; i < 13; i++) s.add(i, i);
    expect(s.points()).toEqual({ steps: [1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13], values: [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12] });
  });

  it('comes back from what is stored', () => {
    const s = new Series();
    for (let i = 0; i < 3001; i++) s.add(i, Math.sin(i));
    const again = Series.restore(structuredClone(s.data()));
    expect(again.points(0.5)).toEqual(s.points(0.5));
    for (const each of [s, again]) for (let i = 3001; i < 9000; i++) each.add(i, Math.sin(i));
    expect(again.points(0)).toEqual(s.points(0));
  });

  it('passes over what is no number', () => {
    const s = new Series();
    s.add(0, NaN);
    s.add(1, Infinity);
    s.add(-1, 3);
    expect(s.points().steps).toEqual([]);
    expect(s.last()).toBeUndefined();
  });

  it('takes a step far ahead', () => {
    const s = new Series(16);
    s.add(1_000_000, 1);
    expect(s.points().values).toEqual([1]);
  });

  it('smooths without pulling the start to zero', () => {
    const s = new Series();
    for (let i = 0; i < 50; i++) s.add(i, 2);
    for (const v of s.points(0.9).values) expect(v).toBeCloseTo(2);
  });
});

describe('merge', () => {
  it('puts lists on one axis', () => {
    expect(merge([{ steps: [1, 3], values: [10, 30] }, { steps: [2, 3], values: [5, 6] }])).toEqual([[1, 2, 3], [10, null, 30], [null, 5, 6]]);
    expect(merge([])).toEqual([[]]);
  });
});
