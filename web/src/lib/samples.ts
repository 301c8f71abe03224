// Ten digits drawn with a pen, for those who do not draw: with the keyboard or
// a screen reader they are picked from a list, and they need no data set.

import type { Stroke } from './strokes';

// Points as "x,y x,y", in hundredths of the pad's side; '|' lifts the pen.
const PATHS: readonly string[] = [
  '52,18 40,22 32,34 30,50 33,66 42,78 52,81 62,76 69,64 71,48 67,32 60,22 52,18',
  '40,30 47,25 53,18 53,34 52,50 52,66 51,82',
  '32,32 36,22 47,17 59,20 65,29 63,40 54,52 42,66 31,79 31,81 46,79 58,79 71,80',
  '33,24 44,18 57,20 62,29 58,40 46,47 58,50 67,58 67,70 58,79 45,82 32,77',
  '40,18 36,32 31,50 45,51 58,50 70,48|62,22 60,40 58,60 56,83',
  '67,19 52,19 38,20 36,34 35,46 47,42 59,45 67,55 66,68 57,78 45,82 33,77',
  '60,17 48,28 39,42 34,58 37,72 47,81 58,79 66,70 64,58 54,52 43,56 36,66',
  '30,23 44,22 58,21 70,20 62,36 54,52 48,66 44,83',
  '63,26 53,18 41,21 37,31 44,42 56,50 65,60 65,72 55,81 43,80 35,71 38,58 50,47 61,37 63,26',
  '65,33 58,22 46,19 37,27 36,39 45,47 57,45 64,36 65,30 65,48 62,66 58,83',
];

export const SAMPLES: readonly Stroke[][] = PATHS.map((path) =>
  path.split('|').map((line) => ({
    erase: false,
    width: 0.085,
    points: line.split(' ').map((pair) => {
      const [x = 0, y = 0] = pair.split(',').map(Number);
      return { x: x / 100, y: y / 100 };
    }),
  })),
);
