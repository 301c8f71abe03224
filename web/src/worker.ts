// The worker that one of the lab's Go programs lives in: the one that its name
// says, or the engine. Its first message says where the site is; the program is loaded from there while later messages wait, so
// that the page need not know when it is ready. Everything the page asks is
// answered in Go; this file only starts it, and lends it the two things that
// JavaScript does better: fetching with progress and decompressing.

import { install } from '../player/bridge.js';
import type { ErrorInfo, ReplyMessage } from './lib/protocol';

interface GoRuntime {
  readonly importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
}

interface Scope {
  Go?: new () => GoRuntime;
  weftReady?: () => void;
  weftReceive?: (message: unknown) => void;
  weftFetch?: (url: string, progress: (loaded: number, total: number) => void) => Promise<Uint8Array>;
  readonly name: string;
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

const scope = globalThis as unknown as Scope;
let waiting: unknown[] = [];
let started = false;
let failed: ErrorInfo | undefined;

function refuse(message: unknown, error: ErrorInfo): void {
  const { id } = message as { id: number };
  scope.postMessage({ id, ok: false, error } satisfies ReplyMessage);
}

/** fail answers everything from now on with the reason. */
function fail(message: string, hint: string): void {
  failed = { message, hint };
  for (const m of waiting) refuse(m, failed);
  waiting = [];
}

scope.onmessage = ({ data }) => {
  if (failed) refuse(data, failed);
  else if (scope.weftReceive) scope.weftReceive(data);
  else {
    waiting.push(data);
    const { base, parts } = data as { base?: unknown; parts?: unknown };
    if (!started && typeof base === 'string' && typeof parts === 'string') {
      started = true;
      start(base + parts).catch((reason: unknown) => {
        const text = reason instanceof Error ? reason.message : String(reason);
        fail(`The lab's program could not be started: ${text}`, 'Reload the page; if that does not help, try another browser.');
      });
    }
  }
};

scope.weftReady = () => {
  const messages = waiting;
  waiting = [];
  for (const m of messages) scope.weftReceive?.(m);
};

async function start(base: string): Promise<void> {
  if (typeof WebAssembly === 'undefined') throw new Error('this browser has no WebAssembly');
  const program = scope.name || 'weft.wasm';
  const wasm = fetch(new URL(program, base)).then((response) => {
    if (!response.ok) throw new Error(`${program}: HTTP status ${response.status}`);
    return response;
  });
  // While wasm_exec.js loads, a failure of the other must not count as unhandled.
  wasm.catch(() => undefined);
  await import(/* @vite-ignore */ new URL('wasm_exec.js', base).href);
  if (!scope.Go) throw new Error('wasm_exec.js is not the one of this Go version');
  const go = new scope.Go();
  const instance = await instantiate(await wasm, go.importObject);
  install(instance);
  const ended = () => fail("The lab's program has ended.", 'Reload the page; models that were saved are still there.');
  go.run(instance).then(ended, ended);
}

/** Compiles while loading, where the server gives the right type. */
async function instantiate(response: Response, imports: WebAssembly.Imports): Promise<WebAssembly.Instance> {
  const type = response.headers.get('Content-Type') ?? '';
  if (type.startsWith('application/wasm') && 'instantiateStreaming' in WebAssembly) {
    return (await WebAssembly.instantiateStreaming(response, imports)).instance;
  }
  return (await WebAssembly.instantiate(await response.arrayBuffer(), imports)).instance;
}

// Servers may or may not have undone a file's own compression already, so the
// contents decide.
scope.weftFetch = async (url, progress) => {
  const name = url.slice(url.lastIndexOf('/') + 1);
  const response = await fetch(url).catch(() => {
    throw new Error(`${name} cannot be loaded: the site cannot be reached`);
  });
  if (!response.ok) throw new Error(`${name} cannot be loaded: HTTP status ${response.status}`);
  if ((response.headers.get('Content-Type') ?? '').startsWith('text/html')) throw new Error(`${name} is not on this site`);
  // The length is that of what is transferred, which an encoding changes.
  const total = response.headers.get('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let loaded = 0;
  if (response.body) {
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      chunks.push(part.value as Uint8Array<ArrayBuffer>);
      loaded += part.value.length;
      progress(loaded, total);
    }
  }
  const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b || typeof DecompressionStream === 'undefined') return bytes;
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(plain).arrayBuffer());
};
