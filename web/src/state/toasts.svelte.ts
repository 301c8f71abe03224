// Messages that interrupt nobody: what went wrong, and what to do about it.

import { WorkerError } from '../lib/client';

export interface Toast {
  id: number;
  kind: 'error' | 'info';
  message: string;
  hint: string;
}

const MOST = 4;
const INFO_MS = 6000;

class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;

  info(message: string, hint = ''): void {
    const id = this.#add('info', message, hint);
    setTimeout(() => this.dismiss(id), INFO_MS);
  }

  /** error stays until it is dismissed: nobody should miss why something did not happen. */
  error(reason: unknown): void {
    const message = reason instanceof Error ? reason.message : String(reason);
    const hint = reason instanceof WorkerError ? reason.hint : '';
    if (this.list.some((toast) => toast.kind === 'error' && toast.message === message)) return;
    this.#add('error', message, hint);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #add(kind: Toast['kind'], message: string, hint: string): number {
    const id = this.#next++;
    this.list = [...this.list.slice(1 - MOST), { id, kind, message, hint }];
    return id;
  }
}

export const toasts = new Toasts();
