// Runs cmd/weft-import once.

import type { Converted, ToConvert } from './onnx';

interface GoRuntime {
  readonly importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
}

const scope = globalThis as unknown as {
  Go?: new () => GoRuntime;
  weftReady?: () => void;
  weftConvert?: (bytes: Uint8Array, title: string, names: string, normalize: string) => Converted;
};

async function convert({ base, bytes, title, names, normalize }: ToConvert): Promise<Converted> {
  const response = await fetch(new URL('weft-import.wasm', base)).catch(() => undefined);
  if (!response?.ok) throw new Error('the importer of ONNX files could not be loaded. Without a network it is there only after it was used once.');
  await import(/* @vite-ignore */ new URL('wasm_exec.js', base).href);
  if (!scope.Go) throw new Error('wasm_exec.js is not the one of this Go version');
  const go = new scope.Go();
  const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), go.importObject);
  const ready = new Promise<void>((done) => (scope.weftReady = done));
  void go.run(instance);
  await ready;
  return scope.weftConvert?.(new Uint8Array(bytes), title, names, normalize) ?? { error: 'the importer has ended' };
}

self.onmessage = ({ data }: MessageEvent<ToConvert>) => {
  convert(data)
    .catch((e: unknown): Converted => ({ error: e instanceof Error ? e.message : String(e) }))
    .then((answer) => self.postMessage(answer));
};
