// A run of a million steps must be drawn in a thousand points and must not grow
// for as long as it runs: values go into buckets of equally many steps, and
// when the buckets are all used, neighbours merge and every bucket is twice as
// wide. Memory is bounded, and adding a value costs the same at any length.

/** A series as it is stored. */
export interface SeriesData {
  width: number;
  length: number;
  last: number;
  sum: Float64Array;
  count: Uint32Array;
}

export class Series {
  /** Steps in one bucket. */
  width = 1;
  /** Buckets in use. */
  length = 0;
  /** The last step that there is a value of, from 0. */
  #last = -1;
  readonly #sum: Float64Array;
  readonly #count: Uint32Array;

  constructor(readonly capacity = 1024) {
    this.#sum = new Float64Array(capacity);
    this.#count = new Uint32Array(capacity);
  }

  /** add puts the value of a step (from 0) into its bucket; values that are no numbers are left out. */
  add(step: number, value: number): void {
    if (!Number.isFinite(value) || step < 0) return;
    let at = Math.floor(step / this.width);
    while (at >= this.capacity) {
      this.#halve();
      at = Math.floor(step / this.width);
    }
    this.#sum[at] = (this.#sum[at] as number) + value;
    this.#count[at] = (this.#count[at] as number) + 1;
    this.length = Math.max(this.length, at + 1);
    this.#last = Math.max(this.#last, step);
  }

  /** data is a copy of all of it; restore is the reverse. */
  data(): SeriesData {
    return { width: this.width, length: this.length, last: this.#last, sum: this.#sum.slice(0, this.length), count: this.#count.slice(0, this.length) };
  }

  static restore({ width, length, last, sum, count }: SeriesData): Series {
    const series = new Series();
    [series.width, series.length, series.#last] = [width, length, last];
    series.#sum.set(sum);
    series.#count.set(count);
    return series;
  }

  #halve(): void {
    const half = this.capacity / 2;
    for (let i = 0; i < half; i++) {
      this.#sum[i] = (this.#sum[2 * i] as number) + (this.#sum[2 * i + 1] as number);
      this.#count[i] = (this.#count[2 * i] as number) + (this.#count[2 * i + 1] as number);
    }
    this.#sum.fill(0, half);
    this.#count.fill(0, half);
    this.width *= 2;
    this.length = Math.ceil(this.length / 2);
  }

  /**
   * points are the buckets' middles and mean values. smoothing in [0, 1) is the
   * share that each mean keeps of those before it (an exponential moving
   * average, corrected for its start).
   */
  points(smoothing = 0): { steps: number[]; values: number[] } {
    const steps: number[] = [];
    const values: number[] = [];
    let mean = 0;
    let weight = 0;
    for (let i = 0; i < this.length; i++) {
      const n = this.#count[i] as number;
      if (n === 0) continue;
      mean = mean * smoothing + ((this.#sum[i] as number) / n) * (1 - smoothing);
      weight = weight * smoothing + (1 - smoothing);
      // Counted from 1. The last bucket need not be full: its middle must not
      // lie beyond the last step.
      const end = Math.min((i + 1) * this.width, this.#last + 1);
      steps.push((i * this.width + 1 + end) / 2);
      values.push(mean / weight);
    }
    return { steps, values };
  }

  /** last is the mean of the newest bucket, undefined before the first value. */
  last(): number | undefined {
    for (let i = this.length - 1; i >= 0; i--) {
      const n = this.#count[i] as number;
      if (n > 0) return (this.#sum[i] as number) / n;
    }
    return undefined;
  }
}

/** merge puts several point lists on one axis: steps ascending, null where a list has no value. */
export function merge(lists: readonly { steps: readonly number[]; values: readonly number[] }[]): [number[], ...(number | null)[][]] {
  const steps = [...new Set(lists.flatMap((list) => list.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const rows = lists.map((list) => {
    const row = new Array<number | null>(steps.length).fill(null);
    list.steps.forEach((step, i) => {
      row[place.get(step) as number] = list.values[i] ?? null;
    });
    return row;
  });
  return [steps, ...rows];
}
