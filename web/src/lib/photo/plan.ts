// What the page needs to know of an exported model: its plan.json, and the files
// that belong to it. docs/export.md describes them.

export interface Plan {
  format: string;
  version: number;
  model: string;
  classes: string[];
  input: { shape: [number, number, number]; scale: number; mean: number[]; std: number[]; fit: 'digit' | 'crop'; resize?: number };
  output: { shape: number[] };
  weights: { file: string; bytes: number; sha256: string };
  kernels: { webgpu?: { programs: unknown[] }; onnx?: { file: string; bytes: number; sha256: string; input: string; output: string } };
}

export class ModelError extends Error {}

/** Files of a model by their names. */
export type Files = Map<string, Blob>;

export const PLAN = 'plan.json';
/** The most that a model's file may have: WebGPU's buffers end there too. */
export const MOST_BYTES = 512 << 20;

/** readPlan checks what everything else relies on. */
export function readPlan(text: string): Plan {
  let plan: Plan | null;
  try {
    plan = JSON.parse(text) as Plan | null;
  } catch (cause) {
    throw new ModelError('plan.json is damaged: it is no JSON.', { cause });
  }
  if (plan?.format !== 'weft-web') throw new ModelError('This plan.json is not that of a model exported by weft export web.');
  if (plan.version !== 1) throw new ModelError(`The model was exported in format ${plan.version}; this page reads format 1. Export it again, or use a newer page.`);
  const { input, output, weights, kernels } = plan;
  const whole = (n: unknown, most: number) => Number.isInteger(n) && (n as number) > 0 && (n as number) <= most;
  const plain = (name: unknown) => typeof name === 'string' && /^[\w][\w.-]*$/.test(name);
  const shaped = Array.isArray(input?.shape) && input.shape.length === 3 && input.shape.every((n) => whole(n, 4096)) && Array.isArray(output?.shape) && output.shape.length === 1 && whole(output.shape[0], 1e6);
  if (!shaped || !whole(weights?.bytes, MOST_BYTES) || !plain(weights.file) || !Array.isArray(plan.classes) || !kernels) throw new ModelError('plan.json is incomplete, or of a model that does not look at pictures.');
  if (kernels.onnx && !(plain(kernels.onnx.file) && whole(kernels.onnx.bytes, MOST_BYTES))) throw new ModelError('plan.json is damaged: it names no ONNX file.');
  if (input.shape[0] !== 3 && input.shape[0] !== 1) throw new ModelError(`The model takes ${input.shape[0]} channels; pictures have one or three.`);
  return plan;
}

/** needed are the files of a plan, with their sizes and sums. */
export function needed(plan: Plan): { file: string; bytes: number; sha256: string }[] {
  return [plan.weights, ...(plan.kernels.onnx ? [plan.kernels.onnx] : [])];
}

/** verify compares files with what the plan says of them. */
export async function verify(plan: Plan, files: Files): Promise<void> {
  for (const { file, bytes, sha256 } of needed(plan)) {
    const blob = files.get(file);
    if (!blob) throw new ModelError(`${file} is missing: a model is plan.json and ${needed(plan).map((n) => n.file).join(', ')} together.`);
    if (blob.size !== bytes) throw new ModelError(`${file} has ${blob.size} bytes and the plan says ${bytes}: it is cut short, or of another model.`);
    const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
    if (Array.from(sum, (b) => b.toString(16).padStart(2, '0')).join('') !== sha256) throw new ModelError(`${file} is damaged, or of another model: its SHA-256 is not the plan's.`);
  }
}
