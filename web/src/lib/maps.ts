// Where a value of a tensor is in its picture, and back: the tiles of a first
// layer, a matrix drawn cell by cell, a vector folded into a rectangle.

export interface Grid {
  rows: number;
  columns: number;
}

/** fold lays n values out in a rectangle that is at most about ratio times as wide as high. */
export function fold(n: number, ratio = 2): Grid {
  if (n <= 0) return { rows: 0, columns: 0 };
  if (n <= 16) return { rows: 1, columns: n };
  const goal = Math.sqrt(n * ratio);
  // A divisor near the goal leaves no empty cells.
  for (let columns = Math.ceil(goal); columns <= 2 * goal; columns++) {
    if (n % columns === 0) return { rows: n / columns, columns };
  }
  const columns = Math.ceil(goal);
  return { rows: Math.ceil(n / columns), columns };
}

export interface Tiles extends Grid {
  side: number;
  gap: number;
  width: number;
  height: number;
}

/** tiles arranges n square pictures in rows of the given number of columns. */
export function tiles(n: number, side: number, columns: number, gap = 2): Tiles {
  const used = Math.max(1, Math.min(n, columns));
  const rows = Math.max(1, Math.ceil(n / used));
  return { rows, columns: used, side, gap, width: used * (side + gap) - gap, height: rows * (side + gap) - gap };
}

/** tileAt is the picture and the pixel in it at a place of the canvas; undefined in the gaps. */
export function tileAt(t: Tiles, n: number, x: number, y: number): { tile: number; x: number; y: number } | undefined {
  const step = t.side + t.gap;
  const column = Math.floor(x / step);
  const row = Math.floor(y / step);
  const [inX, inY] = [Math.floor(x - column * step), Math.floor(y - row * step)];
  const tile = row * t.columns + column;
  if (column < 0 || column >= t.columns || row < 0 || tile >= n || inX >= t.side || inY >= t.side) return undefined;
  return { tile, x: inX, y: inY };
}
