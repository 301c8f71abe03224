// Where the worker comes from. While the pages are being worked on, Vite puts
// src/mock/connect.ts in the place of this file (npm run mock).

/** program is one of the site's, other than the engine. */
export function makeWorker(program = ''): Worker {
  return new Worker(new URL('../worker.ts', import.meta.url), { type: 'module', name: program });
}
