// ONNX files become exports by Weft's own importer, a second WebAssembly that is
// loaded when somebody opens such a file.

import { part } from '../site';
import { ModelError, type Files } from './plan';

export type Normalize = '' | 'imagenet' | 'signed' | 'unit';

export interface ToConvert {
  base: string;
  bytes: ArrayBuffer;
  title: string;
  names: string;
  normalize: Normalize;
}
export type Converted = { files: Record<string, Uint8Array<ArrayBuffer>> } | { error: string };

/** converted makes an export of an ONNX file; names is a text with a class in each line. */
export async function converted(file: File, names: string, normalize: Normalize): Promise<Files> {
  const worker = new Worker(new URL('./onnx.worker.ts', import.meta.url), { type: 'module', name: 'onnx' });
  try {
    const bytes = await file.arrayBuffer();
    const answer = await new Promise<Converted>((resolve) => {
      worker.onmessage = ({ data }: MessageEvent<Converted>) => resolve(data);
      worker.onerror = (e) => resolve({ error: e.message || 'the importer could not start' });
      const title = file.name.replace(/\.onnx$/i, '');
      worker.postMessage({ base: part('').href, bytes, title, names, normalize } satisfies ToConvert, [bytes]);
    });
    if ('error' in answer) throw new ModelError(`${file.name}: ${answer.error}`);
    return new Map(Object.entries(answer.files).map(([name, b]) => [name, new Blob([b])]));
  } finally {
    worker.terminate();
  }
}
