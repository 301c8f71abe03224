// Where the worker comes from: the real one, or, while the pages are being
// worked on, a stand-in that needs neither Go nor a GPU.

const real = import.meta.glob<new () => Worker>('../worker.ts', { query: '?worker', import: 'default' });

export function makeWorker(): Worker {
  void real;
  return new Worker(new URL('../mock/worker.ts', import.meta.url), { type: 'module', name: 'mock' });
}
