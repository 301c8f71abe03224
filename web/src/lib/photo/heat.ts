// Colours that lie over a picture: nothing where a value is low, then from amber
// to red to nearly black, so that a high value hides what is below it and both
// light and dark pictures keep a contrast to it.

import { index, type Range } from '../colour';

const STOPS: readonly [number, number, number, number][] = [
  [255, 214, 90, 0],
  [255, 196, 60, 110],
  [244, 109, 40, 195],
  [190, 20, 60, 230],
  [60, 0, 50, 245],
];

const bytes = new Uint8ClampedArray(1024);
for (let i = 0; i < 256; i++) {
  const at = (i / 255) * (STOPS.length - 1);
  const left = Math.min(STOPS.length - 2, Math.floor(at));
  const [a, b] = [STOPS[left], STOPS[left + 1]] as [(typeof STOPS)[0], (typeof STOPS)[0]];
  for (let c = 0; c < 4; c++) bytes[4 * i + c] = Math.round((a[c] as number) + ((b[c] as number) - (a[c] as number)) * (at - left));
}

/** heat paints values, low ones transparent. */
export function heat(values: ArrayLike<number>, range: Range): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const at = 4 * index(values[i] as number, range);
    out.set(bytes.subarray(at, at + 4), 4 * i);
  }
  return out;
}

/** gradient is the same for a legend. */
export function gradient(): string {
  const colour = (i: number) => `rgb(${bytes[4 * i]} ${bytes[4 * i + 1]} ${bytes[4 * i + 2]} / ${(bytes[4 * i + 3] as number) / 255})`;
  return `linear-gradient(90deg, ${[0, 64, 128, 191, 255].map(colour).join(', ')})`;
}
