// Histograms of weights and gradients have one tall bar near zero and long low
// tails; on a plain scale the tails vanish. Heights are therefore the square
// root of the share, which still shows a bar that holds a hundredth of the
// highest one as a tenth of its height.

import { extent } from './colour';

export interface Bars {
  lo: number;
  hi: number;
  counts: ArrayLike<number>;
}

/** heights are in [0, 1], the fullest bar 1; all 0 for an empty histogram. */
export function heights(counts: ArrayLike<number>): Float32Array {
  let most = 0;
  for (let i = 0; i < counts.length; i++) most = Math.max(most, finite(counts[i] as number));
  const out = new Float32Array(counts.length);
  if (most > 0) {
    for (let i = 0; i < counts.length; i++) out[i] = Math.sqrt(finite(counts[i] as number) / most);
  }
  return out;
}

const finite = (n: number) => (n > 0 && n < Infinity ? n : 0);

/** bin counts the finite values in equal bins over their range; a constant gets a range about itself. */
export function bin(values: ArrayLike<number>, bins: number): Bars {
  let { lo, hi } = extent(values);
  if (hi - lo <= Math.abs(hi) * 1e-6) {
    const half = Math.max(Math.abs(hi) * 0.5, 0.5);
    lo -= half;
    hi += half;
  }
  const counts = new Uint32Array(bins);
  const scale = bins / (hi - lo);
  for (let i = 0; i < values.length; i++) {
    const at = Math.floor(((values[i] as number) - lo) * scale);
    if (at >= 0 && at <= bins) {
      const place = Math.min(bins - 1, at);
      counts[place] = (counts[place] as number) + 1;
    }
  }
  return { lo, hi, counts };
}

/** edges are the bounds of bar i. */
export function edges(bars: Bars, i: number): { lo: number; hi: number } {
  const width = (bars.hi - bars.lo) / bars.counts.length;
  return { lo: bars.lo + i * width, hi: bars.lo + (i + 1) * width };
}
