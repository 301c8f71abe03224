// ONNX Runtime Web in a worker of its own, so that the page stays alive while it
// computes. One thread: more would need shared memory, which sites without
// special headers do not get, and workers made of blobs, which the site's policy
// forbids. Its WebAssembly is part of the site and loaded by nothing but this.

import * as ort from 'onnxruntime-web/wasm';
import wasmURL from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import type { FromRuntime, ToRuntime } from './runner';

let session: ort.InferenceSession | undefined;
let names = { input: '', output: '', shape: [] as number[] };
const tell = (message: FromRuntime, move: Transferable[] = []) => self.postMessage(message, { transfer: move });

/** The program, with its progress. */
async function program(id: number): Promise<ArrayBuffer> {
  const response = await fetch(new URL(wasmURL, import.meta.url)).catch(() => undefined);
  if (!response?.ok || !response.body) throw new Error('ONNX Runtime could not be loaded. Without a network it is there only after it was used once.');
  const parts: BlobPart[] = [];
  const total = response.headers.get('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
  let done = 0;
  const reader = response.body.getReader();
  for (let r; !(r = await reader.read()).done; ) {
    parts.push(r.value);
    tell({ id, done: (done += r.value.length), total });
  }
  return new Blob(parts).arrayBuffer();
}

async function run(tensor: Float32Array): Promise<Float32Array> {
  const results = await session?.run({ [names.input]: new ort.Tensor('float32', tensor, names.shape) });
  const logits = results?.[names.output]?.data;
  if (!(logits instanceof Float32Array)) throw new Error('The ONNX model gives no scores.');
  return logits.slice();
}

async function answer(message: ToRuntime): Promise<Float32Array> {
  if (message.type === 'run') return run(message.tensor);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = await program(message.id);
  ort.env.logLevel = 'error';
  names = message;
  session = await ort.InferenceSession.create(new Uint8Array(message.model), {
    executionProviders: ['wasm'],
    externalData: [{ path: message.weightsFile, data: new Uint8Array(message.weights) }],
  });
  // A first run makes room for everything.
  return run(new Float32Array(message.shape.reduce((a, b) => a * b)));
}

// One after the other: a session runs one input at a time.
let queue = Promise.resolve();
self.onmessage = ({ data }: MessageEvent<ToRuntime>) => {
  queue = queue.then(async () => {
    try {
      const logits = await answer(data);
      tell({ id: data.id, logits }, [logits.buffer]);
    } catch (e) {
      tell({ id: data.id, error: e instanceof Error ? e.message : String(e) });
    }
  });
};
