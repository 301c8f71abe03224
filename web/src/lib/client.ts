// One promise for each request and one list of listeners for each event: the
// page never waits on the worker in any other way, so a busy worker can not
// hold up a frame.

import type { Events, Requests } from './protocol';

export class WorkerError extends Error {
  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
    this.name = 'WorkerError';
  }
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (reason: Error) => void;
}

type Listener<E extends keyof Events> = (event: Events[E]) => void;

/** What a client needs of a Worker; the tests give it a smaller one. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  addEventListener(type: 'error' | 'messageerror', listener: (event: Event) => void): void;
}

export class Client {
  #next = 1;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<Listener<never>>>();
  #dead: WorkerError | undefined;
  #alive = false;

  constructor(
    private readonly port: Port,
    private readonly failed: (error: WorkerError) => void = () => undefined,
  ) {
    port.addEventListener('message', (event) => this.#receive(event.data));
    const broken = (event: Event) => this.#fail(event);
    port.addEventListener('error', broken);
    port.addEventListener('messageerror', broken);
  }

  /** request sends one message; arrays named in transfer are handed over, not copied. */
  request<T extends keyof Requests>(type: T, body: Requests[T][0], transfer: Transferable[] = []): Promise<Requests[T][1]> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.port.postMessage({ ...body, id, type }, transfer);
    });
  }

  /** on calls listener for each such event until the returned function is called. */
  on<E extends keyof Events>(event: E, listener: Listener<E>): () => void {
    let all = this.#listeners.get(event);
    if (!all) this.#listeners.set(event, (all = new Set()));
    all.add(listener as Listener<never>);
    return () => all.delete(listener as Listener<never>);
  }

  #receive(message: unknown): void {
    if (typeof message !== 'object' || message === null) return;
    this.#alive = true;
    if ('event' in message) {
      for (const listener of this.#listeners.get(String(message.event)) ?? []) listener(message as never);
      return;
    }
    const { id, ok, result, error } = message as { id: number; ok: boolean; result: never; error?: { message: string; hint?: string } };
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (ok) waiting.resolve(result);
    else waiting.reject(new WorkerError(error?.message ?? 'The worker gave no reason.', error?.hint ?? ''));
  }

  #fail(event: Event): void {
    const message = 'message' in event && typeof event.message === 'string' && event.message ? event.message : 'The training worker stopped.';
    const error = new WorkerError(message, 'Reload the page to start it again.');
    // A worker that has spoken may survive an error; one that never has will not.
    if (!this.#alive) this.#dead = error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    this.failed(error);
  }
}
