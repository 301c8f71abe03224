// The sample digits as a network gets them, 28 by 28: pictures that are there
// before any data is.

import { prepare, SIDE } from './preprocess';
import { SAMPLES } from './samples';
import { draw, wipe } from './strokes';

const RASTER = 140;

export function sampleDigits(): Uint8Array[] {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = RASTER;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  if (!pen) return [];
  return SAMPLES.map((strokes) => {
    wipe(pen, RASTER, '#000');
    draw(pen, RASTER, strokes, '#fff', '#000');
    const { data } = pen.getImageData(0, 0, RASTER, RASTER);
    return prepare({ width: RASTER, height: RASTER, values: Uint8Array.from({ length: RASTER * RASTER }, (_, i) => data[4 * i] ?? 0) }) ?? new Uint8Array(SIDE * SIDE);
  });
}
