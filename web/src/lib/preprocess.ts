// A drawing must become what a network trained on MNIST has seen, or it will be
// misread however good the network is: light ink on black, fitted with its
// proportions into 20x20 pixels, its centre of mass at pixel 14 of 28x28
// (LeCun et al., 1998, "Gradient-based learning applied to document
// recognition", III.A). It is done here, not in the worker, because it must
// keep up with the pen; the rules are those of the worker's own reader.

export const SIDE = 28;
const BOX = 20;
/** Of 255: what counts as ink when the digit's box is measured. */
const INK = 32;

export interface Grey {
  width: number;
  height: number;
  /** Row by row, 0 is ground, 255 is full ink. */
  values: ArrayLike<number>;
}

/** prepare turns a drawing into 28x28 pixels; undefined if nothing is drawn. */
export function prepare(drawing: Grey): Uint8Array | undefined {
  const box = inkBox(drawing);
  if (!box) return undefined;
  const cut = crop(drawing, box);
  const long = Math.max(cut.width, cut.height);
  const width = Math.max(1, Math.floor((cut.width * BOX + Math.floor(long / 2)) / long));
  const height = Math.max(1, Math.floor((cut.height * BOX + Math.floor(long / 2)) / long));
  return centre(brighten(resize(cut, width, height)), width, height);
}

interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

function inkBox({ width, height, values }: Grey): Box | undefined {
  let x0 = width;
  let y0 = height;
  let x1 = -1;
  let y1 = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((values[y * width + x] as number) < INK) continue;
      if (x < x0) x0 = x;
      if (x > x1) x1 = x;
      if (y < y0) y0 = y;
      if (y > y1) y1 = y;
    }
  }
  return x1 < 0 ? undefined : { x0, y0, x1, y1 };
}

function crop(grey: Grey, { x0, y0, x1, y1 }: Box): Grey & { values: Float32Array } {
  const width = x1 - x0 + 1;
  const height = y1 - y0 + 1;
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) values[y * width + x] = grey.values[(y0 + y) * grey.width + x0 + x] as number;
  }
  return { width, height, values };
}

/** resize averages areas, first along the rows, then along the columns. */
function resize({ width, height, values }: Grey, toWidth: number, toHeight: number): Float32Array {
  const narrow = new Float32Array(toWidth * height);
  for (let y = 0; y < height; y++) average(narrow, y * toWidth, 1, toWidth, values, y * width, 1, width);
  const out = new Float32Array(toWidth * toHeight);
  for (let x = 0; x < toWidth; x++) average(out, x, toWidth, toHeight, narrow, x, toWidth, height);
  return out;
}

function average(to: Float32Array, toStart: number, toStep: number, m: number, from: ArrayLike<number>, start: number, step: number, n: number): void {
  const ratio = n / m;
  for (let i = 0; i < m; i++) {
    const lo = i * ratio;
    const hi = Math.min((i + 1) * ratio, n);
    let sum = 0;
    for (let j = Math.floor(lo); j < n && j < hi; j++) {
      sum += (from[start + j * step] as number) * (Math.min(hi, j + 1) - Math.max(lo, j));
    }
    to[toStart + i * toStep] = sum / ratio;
  }
}

/** brighten makes a thin line, spread over a whole pixel, white again. */
function brighten(values: Float32Array): Float32Array {
  let most = 1;
  for (const v of values) most = Math.max(most, v);
  return values.map((v) => (v * 255) / most);
}

function centre(values: Float32Array, width: number, height: number): Uint8Array {
  let sum = 0;
  let sumX = 0;
  let sumY = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const v = values[y * width + x] as number;
      sum += v;
      sumX += v * x;
      sumY += v * y;
    }
  }
  const left = Math.floor(SIDE / 2 + 0.5 - sumX / sum);
  const up = Math.floor(SIDE / 2 + 0.5 - sumY / sum);
  const out = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [toX, toY] = [x + left, y + up];
      if (toX >= 0 && toX < SIDE && toY >= 0 && toY < SIDE) out[toY * SIDE + toX] = Math.round(values[y * width + x] as number);
    }
  }
  return out;
}
