// Types of an exported model, written without those of WebGPU so that nothing
// else is needed. docs/export.md describes the files.

/** Something that shows a picture. Pictures are resized, cut and (for models of
 * digits) centred as the model says. */
export type Picture =
  | ImageData | ImageBitmap | HTMLCanvasElement | OffscreenCanvas | HTMLImageElement | HTMLVideoElement | VideoFrame | Blob;
/** Pixels of just the model's size, [height][width][channel], 0 to 255, taken as
 * they are. */
export type Pixels = Uint8Array | Uint8ClampedArray | Float32Array | number[];
/** What the network itself takes, [channel][height][width], normalised by the
 * caller; several one after the other are a batch. */
export interface Tensor {
  tensor: Float32Array | number[];
}
export type Input = Picture | Pixels | Tensor;

export interface Progress {
  /** Bytes of weights, or kernels compiled. */
  phase: "weights" | "kernels";
  done: number;
  total: number;
}

export interface LoadOptions {
  progress?: (p: Progress) => void;
  /** Above 1 the program for batches is compiled at once, not at its first use. */
  batch?: number;
  /** Instead of the page's own. */
  fetch?: (url: URL) => Promise<Response>;
  gpu?: object;
}

export interface ClassProbability {
  index: number;
  name: string;
  probability: number;
}

export interface Model {
  /** The network's output, a row for each input: for a classifier the logits.
   * Several calls may be under way. Where info.output.dtype is "int32" or "bool"
   * it is an Int32Array in truth. */
  (x: Input | Input[]): Promise<Float32Array>;
  /** Softmax of each row of results. */
  probabilities(y: Float32Array): Float32Array;
  /** The k (5) likeliest classes of one row (the first) of results. */
  top(y: Float32Array, k?: number, row?: number): ClassProbability[];
  /** The picture that the model makes of x. */
  view(x: Picture | Pixels): Promise<{ data: ImageData["data"]; width: number; height: number }>;
  /** What an export with --explain can say of one input. "saliency": the gradient
   * of the score (logit) of class, of the input's shape. "features": what the
   * network's convolutions find in it, those named in results or all. */
  explain(name: "saliency" | "features", x: Input, options?: { class?: number; results?: string[] }): Promise<Explanation[]>;
  /** Frees the GPU's memory. */
  close(): void;
  readonly info: {
    model: string;
    classes: string[];
    /** shape is [channels, height, width]. */
    input: { shape: number[]; scale: number; mean: number[]; std: number[]; fit: "digit" | "crop"; resize?: number };
    output: { shape: number[]; dtype?: "int32" | "bool" };
    batches: number[];
    /** The names that explain takes, and what each leaves. */
    explains: { name: string; results: { name: string; shape: number[] }[] }[];
    adapter: { vendor: string; architecture: string; description: string; software: boolean };
  };
}

/** What a program leaves of one input: the data of a tensor of that shape. */
export interface Explanation {
  name: string;
  shape: number[];
  data: Float32Array;
}

/** An input or a result of a model of several: shape is without the samples. */
export interface Port {
  name: string;
  dtype: "float32" | "int32" | "bool";
  shape: number[];
  /** There are as many of these as samples, one after the other. */
  samples: boolean;
}

/** A model of several inputs, or whose results are no rows of float32: it takes
 * and gives tensors by name. Names of inputs and results may be said:
 * load<NamedModel<"ids" | "mask", "logits">>(). */
export interface NamedModel<Inputs extends string = string, Outputs extends string = string> {
  (feeds: Record<Inputs, ArrayLike<number | bigint>>): Promise<Record<Outputs, Float32Array | Int32Array>>;
  close(): void;
  readonly info: {
    model: string;
    classes: string[];
    inputs: Port[];
    /** Results of int32 and bool are Int32Arrays. */
    outputs: Port[];
    batches: number[];
    adapter: Model["info"]["adapter"];
  };
}

/** Loads the model in the folder url, by default that of this module. Models of
 * pictures are Models, those whose plan.json has "inputs" NamedModels. */
export function load<M extends Model | NamedModel = Model>(url?: string | URL, options?: LoadOptions): Promise<M>;

/** What load and the model throw. */
export class WeftError extends Error {}
/** There is no WebGPU here. */
export class WebGPUUnavailableError extends WeftError {}
/** A file of the model could not be had. */
export class FetchError extends WeftError {}
/** A file of the model is damaged, or belongs to another one. */
export class ModelFileError extends WeftError {}
/** What was given to the model cannot be its input. */
export class InputError extends WeftError {}
/** The GPU was lost; the next call opens it again. */
export class DeviceLostError extends WeftError {}
/** The browser refuses one of the model's kernels. */
export class CompileError extends Error {}
