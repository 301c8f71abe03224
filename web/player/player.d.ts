// The types are written without those of WebGPU, so that a page needs no further
// package for them; player.js says what they mean.

/** A kind of binding. */
export type Kind = "read" | "read_write" | "uniform";

/** A plan as plain data; objects are named by their positions. */
export interface Plan {
  buffers: { label?: string; size: number; usage: number }[];
  shaders: string[];
  kernels: { label?: string; shader: number; entry?: string; bindings: Kind[]; scalars?: Kind }[];
  groups: { kernel: number; group: number; entries: [buffer: number, offset: number, size: number][] }[];
  steps: (
    | { kernel: number; groups: number[]; offset?: number; size: [number, number, number] }
    | { copy: [source: number, offset: number, destination: number, offset: number, bytes: number] }
  )[];
}

/** A plan on a device. */
export interface Loaded {
  buffers: object[];
  steps: object[];
}

export class CompileError extends Error {}

export function openDevice(adapter: object): Promise<object>;

export class Player {
  constructor(device: object);
  /** Why the device is gone, "" while it is there. */
  readonly lost: string;
  /** Called when an error or the loss of the device becomes known. */
  onchange: () => void;
  /** The first error since the last call, "" if there was none. */
  take(): string;
  load(plan: Plan, progress?: (done: number, total: number) => void, buffers?: object[]): Promise<Loaded>;
  write(buffer: object, offset: number, data: ArrayBuffer | ArrayBufferView): void;
  replay(steps: object[]): void;
  read(buffer: object, offset: number, size: number): Promise<Uint8Array>;
  close(): void;
}
