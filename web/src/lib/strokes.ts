// A drawing is the list of its strokes, not its pixels: undo goes back to a
// shorter list, and a pad of another size or sharpness draws the same digit again.

export interface Point {
  x: number;
  y: number;
}

export interface Stroke {
  erase: boolean;
  /** Line width; like the points, a share of the pad's side. */
  width: number;
  points: Point[];
}

/** reach is how much of the pad's side the ink spans, the longer way; 0 for an empty pad. */
export function reach(strokes: readonly Stroke[]): number {
  const ink = strokes.filter((s) => !s.erase);
  const points = ink.flatMap((s) => s.points);
  if (points.length === 0) return 0;
  const span = (values: number[]) => Math.max(...values) - Math.min(...values);
  return Math.max(span(points.map((p) => p.x)), span(points.map((p) => p.y))) + Math.max(...ink.map((s) => s.width));
}

/** Anything that draws lines as a CanvasRenderingContext2D does. */
type Pen = Pick<
  CanvasRenderingContext2D,
  'lineWidth' | 'strokeStyle' | 'fillStyle' | 'lineCap' | 'lineJoin' | 'beginPath' | 'moveTo' | 'lineTo' | 'quadraticCurveTo' | 'stroke' | 'arc' | 'fill' | 'fillRect'
>;

/** wipe fills a square of the given side. */
export function wipe(pen: Pen, side: number, ground: string): void {
  pen.fillStyle = ground;
  pen.fillRect(0, 0, side, side);
}

/** draw draws the strokes in order on a square of the given side; erasing draws ground. */
export function draw(pen: Pen, side: number, strokes: readonly Stroke[], ink: string, ground: string): void {
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  for (const stroke of strokes) {
    const colour = stroke.erase ? ground : ink;
    const [first] = stroke.points;
    if (!first) continue;
    pen.beginPath();
    if (stroke.points.length === 1) {
      pen.fillStyle = colour;
      pen.arc(first.x * side, first.y * side, (stroke.width * side) / 2, 0, 2 * Math.PI);
      pen.fill();
      continue;
    }
    pen.strokeStyle = colour;
    pen.lineWidth = stroke.width * side;
    pen.moveTo(first.x * side, first.y * side);
    // Curves through the middles of the segments: a quick pen gives few points.
    for (let i = 1; i < stroke.points.length - 1; i++) {
      const a = stroke.points[i] as Point;
      const b = stroke.points[i + 1] as Point;
      pen.quadraticCurveTo(a.x * side, a.y * side, ((a.x + b.x) / 2) * side, ((a.y + b.y) / 2) * side);
    }
    const end = stroke.points[stroke.points.length - 1] as Point;
    pen.lineTo(end.x * side, end.y * side);
    pen.stroke();
  }
}

/** upscale enlarges a square picture smoothly: a sample or a mistake put on the pad. */
export function upscale(pixels: Uint8Array, from: number, to: number): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(to * to);
  const scale = from / to;
  for (let y = 0; y < to; y++) {
    const sy = Math.min(from - 1, Math.max(0, (y + 0.5) * scale - 0.5));
    const y0 = Math.floor(sy);
    const y1 = Math.min(from - 1, y0 + 1);
    for (let x = 0; x < to; x++) {
      const sx = Math.min(from - 1, Math.max(0, (x + 0.5) * scale - 0.5));
      const x0 = Math.floor(sx);
      const x1 = Math.min(from - 1, x0 + 1);
      const at = (yy: number, xx: number) => pixels[yy * from + xx] as number;
      const top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * (sx - x0);
      const bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * (sx - x0);
      out[y * to + x] = top + (bottom - top) * (sy - y0);
    }
  }
  return out;
}
