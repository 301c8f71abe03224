// Where the worker comes from: the real one, or, while the pages are being
// worked on, a stand-in that needs neither Go nor a GPU. The condition is known
// when the site is built, so that the other one is left out of it.

export function makeWorker(): Worker {
  if (import.meta.env.VITE_MOCK) return new Worker(new URL('../mock/worker.ts', import.meta.url), { type: 'module' });
  return new Worker(new URL('../worker.ts', import.meta.url), { type: 'module' });
}
