// Where the worker comes from. While the pages are being worked on, Vite puts
// src/mock/connect.ts in the place of this file (npm run mock).

export function makeWorker(): Worker {
  return new Worker(new URL('../worker.ts', import.meta.url), { type: 'module' });
}
