// Colour maps as tables of 256 colours, so that a map of a hundred thousand
// values is painted with one look-up each. Weights have a sign: they get a
// diverging map whose middle is the page's own background, so that zero
// disappears. Activations have none: they get a sequential map of steadily
// rising lightness. Both keep their order for the common forms of colour
// blindness (blue against orange; lightness alone).

export type Rgb = readonly [number, number, number];
export type Theme = 'light' | 'dark';

/** A colour map: 256 packed pixels in the byte order of ImageData. */
export type Palette = Uint32Array;

const DIVERGING: Record<Theme, readonly Rgb[]> = {
  // negative … zero … positive
  light: [
    [8, 60, 112],
    [43, 122, 181],
    [147, 196, 222],
    [246, 246, 243],
    [246, 186, 122],
    [214, 110, 28],
    [125, 50, 6],
  ],
  dark: [
    [151, 212, 250],
    [63, 147, 208],
    [28, 76, 116],
    [23, 26, 31],
    [118, 62, 18],
    [214, 120, 40],
    [255, 205, 145],
  ],
};

const SEQUENTIAL: Record<Theme, readonly Rgb[]> = {
  light: [
    [247, 247, 243],
    [199, 226, 216],
    [126, 190, 184],
    [52, 140, 147],
    [19, 92, 107],
    [8, 46, 64],
  ],
  dark: [
    [20, 23, 28],
    [16, 62, 78],
    [21, 110, 117],
    [66, 161, 144],
    [158, 209, 150],
    [247, 246, 205],
  ],
};

const GREY: readonly Rgb[] = [
  [0, 0, 0],
  [255, 255, 255],
];

function table(stops: readonly Rgb[]): Palette {
  const bytes = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const left = Math.min(stops.length - 2, Math.floor(at));
    const a = stops[left] as Rgb;
    const b = stops[left + 1] as Rgb;
    for (let c = 0; c < 3; c++) {
      const from = a[c] as number;
      bytes[4 * i + c] = Math.round(from + ((b[c] as number) - from) * (at - left));
    }
    bytes[4 * i + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

const tables = new Map<string, Palette>();

export function palette(kind: 'diverging' | 'sequential' | 'grey', theme: Theme): Palette {
  const key = kind + theme;
  let found = tables.get(key);
  if (!found) {
    found = table(kind === 'grey' ? GREY : (kind === 'diverging' ? DIVERGING : SEQUENTIAL)[theme]);
    tables.set(key, found);
  }
  return found;
}

export interface Range {
  lo: number;
  hi: number;
}

/** extent is the range of the finite values; {0, 0} where there are none. */
export function extent(values: ArrayLike<number>): Range {
  let lo = Infinity;
  let hi = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number;
    if (v < lo && v > -Infinity) lo = v;
    if (v > hi && v < Infinity) hi = v;
  }
  return lo <= hi ? { lo, hi } : { lo: 0, hi: 0 };
}

/** symmetric widens a range to both sides of zero, so that zero is the middle colour. */
export function symmetric(range: Range): Range {
  const most = Math.max(Math.abs(range.lo), Math.abs(range.hi));
  return { lo: -most, hi: most };
}

/**
 * index is the place of value in a palette, 0 to 255. A range without width
 * (a constant map) puts everything in the middle if it is symmetric about zero,
 * otherwise at the start; a value that is no number is at the start too.
 */
export function index(value: number, range: Range): number {
  const width = range.hi - range.lo;
  if (!(width > 0)) return range.lo === -range.hi ? 128 : 0;
  const at = ((value - range.lo) / width) * 255;
  return at >= 255 ? 255 : at > 0 ? Math.round(at) : 0;
}

/** paint colours values into pixels, starting at its start. */
export function paint(values: ArrayLike<number>, range: Range, colours: Palette, pixels: Uint32Array): void {
  const width = range.hi - range.lo;
  if (!(width > 0)) {
    pixels.fill(colours[index(0, range)] as number, 0, values.length);
    return;
  }
  const scale = 255 / width;
  const { lo } = range;
  for (let i = 0; i < values.length; i++) {
    const at = ((values[i] as number) - lo) * scale;
    pixels[i] = colours[at >= 255 ? 255 : at > 0 ? Math.round(at) : 0] as number;
  }
}
