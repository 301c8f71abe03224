// Models are kept in IndexedDB: every browser that runs the lab has it, private
// windows included, and it stores bytes as they are.

export interface SavedModel {
  name: string;
  when: number;
  params: number;
  accuracy?: number;
  bytes: Uint8Array;
}

export type SavedInfo = Omit<SavedModel, 'bytes'>;

const STORE = 'models';

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('weft-lab', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'name' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new Error('This browser keeps no data for this page; download the model instead.', { cause: request.error }));
  });
}

async function run<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await database();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = db.transaction(STORE, mode);
      const request = use(transaction.objectStore(STORE));
      // A write counts when its transaction is complete, not when it was accepted.
      transaction.oncomplete = () => resolve(request.result);
      const failed = () => reject(new Error('The browser could not store this (is the disk full?); download the model instead.', { cause: transaction.error }));
      transaction.onerror = failed;
      transaction.onabort = failed;
    });
  } finally {
    db.close();
  }
}

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
