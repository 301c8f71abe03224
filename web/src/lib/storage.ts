// The models that a visitor has saved under a name.

import { Database } from './database';

export interface SavedModel {
  name: string;
  when: number;
  params: number;
  accuracy?: number;
  bytes: Uint8Array;
}

export type SavedInfo = Omit<SavedModel, 'bytes'>;

const models = new Database('weft-lab', { models: 'name' });
const run = <T>(mode: 'readonly' | 'readwrite', use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => models.run('models', mode, use);

export async function list(): Promise<SavedInfo[]> {
  const all = await run<SavedModel[]>('readonly', (store) => store.getAll());
  return all
    .map(({ name, when, params, accuracy }) => ({ name, when, params, ...(accuracy === undefined ? {} : { accuracy }) }))
    .sort((a, b) => b.when - a.when);
}

export async function save(model: SavedModel): Promise<void> {
  await run('readwrite', (store) => store.put(model));
}

export async function load(name: string): Promise<SavedModel | undefined> {
  return run<SavedModel | undefined>('readonly', (store) => store.get(name));
}

export async function remove(name: string): Promise<void> {
  await run('readwrite', (store) => store.delete(name));
}

/** download hands bytes to the browser as a file. */
export function download(name: string, bytes: Uint8Array, type = 'application/octet-stream'): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
