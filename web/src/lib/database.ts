// IndexedDB with promises: every browser that runs the lab has it, private
// windows included, and it stores bytes as they are.

type Mode = 'readonly' | 'readwrite';

/** Where a page's browser keeps things. Each use opens it anew, so that no tab is in the way of a later version in another. */
export class Database {
  constructor(
    private readonly name: string,
    /** The names of the stores, each with what identifies an entry. */
    private readonly stores: Readonly<Record<string, string>>,
  ) {}

  #open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => {
        for (const [store, keyPath] of Object.entries(this.stores)) request.result.createObjectStore(store, { keyPath });
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error('This browser keeps no data for this page; download the model instead.', { cause: request.error }));
    });
  }

  async run<T>(store: string, mode: Mode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const db = await this.#open();
    try {
      return await new Promise<T>((resolve, reject) => {
        const transaction = db.transaction(store, mode);
        const request = use(transaction.objectStore(store));
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
}
