// Two ways to run the same exported model: its plan on WebGPU, and its ONNX form
// in ONNX Runtime Web. Both take the same finished tensor, so that what differs
// between their answers is arithmetic and not the picture.

import { ModelError, type Plan } from './plan';
import { describe, load, type Explanation, type Model } from '../../../player/module/module.js';

export type Kind = 'webgpu' | 'onnx';
export type Phase = 'weights' | 'kernels' | 'runtime';
export type Step = (phase: Phase, done: number, total: number) => void;
/** Gives a file of the model. */
export type Get = (name: string) => Promise<Response>;

export interface Runner {
  kind: Kind;
  /** What it runs on, for people. */
  device: string;
  run(tensor: Float32Array): Promise<Float32Array>;
  /** What the WebGPU plan can explain. */
  model?: Model;
  close(): void;
}

export type Explained = Explanation;

/** adapter says what WebGPU there is: none, one in software, or hardware. */
export async function adapter(): Promise<'none' | 'software' | 'hardware'> {
  const gpu = (navigator as { gpu?: { requestAdapter(o: object): Promise<object | null> } }).gpu;
  const found = await gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!found) return 'none';
  return describe(found).software ? 'software' : 'hardware';
}

export async function openWebGPU(get: Get, step: Step): Promise<Runner> {
  const model = await load(new URL('./model/', location.href), {
    fetch: (url) => get(url.pathname.split('/').at(-1) ?? ''),
    progress: ({ phase, done, total }) => step(phase, done, total),
  });
  const { vendor, architecture, software } = model.info.adapter;
  return {
    kind: 'webgpu',
    device: `WebGPU, ${software ? 'in software' : [vendor, architecture].filter(Boolean).join(' ') || 'graphics card'}`,
    run: (tensor) => model({ tensor }),
    model,
    close: () => model.close(),
  };
}

export type ToRuntime =
  | { type: 'open'; id: number; model: ArrayBuffer; weights: ArrayBuffer; weightsFile: string; input: string; output: string; shape: number[] }
  | { type: 'run'; id: number; tensor: Float32Array };
export type FromRuntime = { id: number; done: number; total: number } | { id: number; logits: Float32Array } | { id: number; error: string };

export async function openONNX(get: Get, plan: Plan, step: Step): Promise<Runner> {
  const { onnx } = plan.kernels;
  if (!onnx) throw new ModelError(`${plan.model} was exported without its ONNX form, which runs where there is no WebGPU: weft export web --onnx adds it.`);
  const [model, weights] = await Promise.all([onnx.file, plan.weights.file].map(async (name) => (await get(name)).arrayBuffer()));
  if (!model || !weights) throw new ModelError('The model has no files.');
  const worker = new Worker(new URL('./onnxruntime.worker.ts', import.meta.url), { type: 'module', name: 'onnxruntime' });
  const waiting = new Map<number, { resolve: (logits: Float32Array) => void; reject: (e: Error) => void }>();
  const fail = (message: string) => {
    for (const { reject } of waiting.values()) reject(new ModelError(message));
    waiting.clear();
  };
  worker.onerror = (e) => fail(`ONNX Runtime could not start${e.message ? `: ${e.message}` : ''}. Without a network it is there only after it was used once.`);
  worker.onmessage = ({ data }: MessageEvent<FromRuntime>) => {
    if ('done' in data) return step('runtime', data.done, data.total);
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ('error' in data) call?.reject(new ModelError(data.error));
    else call?.resolve(data.logits);
  };
  let last = 0;
  const call = (message: ToRuntime, move: Transferable[] = []) =>
    new Promise<Float32Array>((resolve, reject) => {
      waiting.set(message.id, { resolve, reject });
      worker.postMessage(message, move);
    });
  try {
    await call({ type: 'open', id: ++last, model, weights, weightsFile: plan.weights.file, input: onnx.input, output: onnx.output, shape: [1, ...plan.input.shape] }, [model, weights]);
  } catch (e) {
    worker.terminate();
    throw e;
  }
  return {
    kind: 'onnx',
    device: 'ONNX Runtime, WebAssembly',
    run: (tensor) => call({ type: 'run', id: ++last, tensor }),
    close: () => {
      fail('The model is closed.');
      worker.terminate();
    },
  };
}
