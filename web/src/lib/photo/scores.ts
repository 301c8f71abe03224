// From scores to what is shown.

export interface Ranked {
  index: number;
  name: string;
  probability: number;
}

/** probabilities is the softmax of scores, unless they are probabilities already:
 * some imported networks end with their own softmax. */
export function probabilities(scores: Float32Array): Float32Array {
  let [most, sum, negative] = [-Infinity, 0, false];
  for (const v of scores) {
    most = Math.max(most, v);
    sum += v;
    negative ||= v < 0;
  }
  if (!negative && Math.abs(sum - 1) < 1e-3) return scores;
  const out = scores.map((v) => Math.exp(v - most));
  const total = out.reduce((a, b) => a + b, 0);
  return out.map((v) => v / total);
}

/** top are the k likeliest classes. */
export function top(scores: Float32Array, classes: readonly string[], k = 5): Ranked[] {
  return Array.from(probabilities(scores), (probability, index) => ({ index, name: classes[index] ?? `class ${index}`, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, k);
}

/** difference is the largest between two sets of scores, and relative to the largest score. */
export function difference(a: Float32Array, b: Float32Array): { absolute: number; relative: number } {
  let [absolute, scale] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    absolute = Math.max(absolute, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
    scale = Math.max(scale, Math.abs(a[i] ?? 0));
  }
  return { absolute, relative: scale > 0 ? absolute / scale : 0 };
}

/** saliency is, for each pixel, the largest absolute gradient of its channels
 * (Simonyan, Vedaldi, Zisserman, 2013). */
export function saliency(gradient: Float32Array, channels: number): Float32Array {
  const area = gradient.length / channels;
  const out = new Float32Array(area);
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) out[i] = Math.max(out[i] as number, Math.abs(gradient[c * area + i] as number));
  return out;
}

/** quantile is the value that a share of the values is not above. */
export function quantile(values: Float32Array, share: number): number {
  const sorted = values.slice().sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** smooth averages a map over squares of 2*reach+1 cells, at its rims over what is
 * there: single pixels of a gradient say little, and hide where it is large. */
export function smooth(values: Float32Array, columns: number, reach: number): Float32Array {
  if (reach < 1) return values;
  const rows = values.length / columns;
  const line = (from: Float32Array, count: number, length: number, step: number, next: number) => {
    const out = new Float32Array(from.length);
    for (let k = 0; k < count; k++) {
      for (let i = 0; i < length; i++) {
        const [lo, hi] = [Math.max(0, i - reach), Math.min(length - 1, i + reach)];
        let sum = 0;
        for (let j = lo; j <= hi; j++) sum += from[k * next + j * step] as number;
        out[k * next + i * step] = sum / (hi - lo + 1);
      }
    }
    return out;
  };
  return line(line(values, rows, columns, 1, columns), columns, rows, columns, 1);
}
