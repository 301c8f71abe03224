// The protocol between the page and the worker. The same interfaces are structs
// in internal/lab/protocol.go, where their comments say more; a Go test compares
// the two, field by field, so that neither changes alone. What may be missing
// has a question mark; typed arrays are handed over, not copied.

export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'gelu' | 'silu';

/** The same for height and width. A stride that is not given is 1 in a convolution and the kernel in pooling. */
type Window = { kernel: number; stride?: number; padding?: number };

export type LayerSpec =
  | { type: 'linear'; units: number }
  | ({ type: 'conv'; channels: number } & Window)
  | ({ type: 'maxpool' | 'avgpool' } & Window)
  | { type: 'batchnorm' | 'flatten' }
  | { type: Activation }
  | { type: 'dropout'; p: number };

export type Optimizer = 'sgd' | 'momentum' | 'nesterov' | 'adam' | 'adamw' | 'muon';

export type Schedule = 'constant' | 'cosine' | 'linear' | 'onecycle';

export type DataSource = 'mnist' | 'fashion' | 'synthetic' | 'auto';

export type DeviceChoice = 'auto' | 'webgpu' | 'cpu';

export type RunState = 'running' | 'paused' | 'done' | 'stopped' | 'lost';

/** A request or a result without contents. */
export type Empty = Record<never, never>;

/** base is the address of the site, ending in a slash, and parts the folder in it of this version's files (lib/site.ts).
 * It must be the first message. */
export interface InitRequest {
  base: string;
  parts: string;
  device: DeviceChoice;
}

/** note is one friendly line, or empty. */
export interface InitResult {
  device: 'webgpu' | 'cpu';
  adapter: string;
  software: boolean;
  limits: Record<string, number>;
  features: string[];
  note: string;
}

/** train and test bound the numbers of images. */
export interface DataRequest {
  source: DataSource;
  train?: number;
  test?: number;
}

/** source is what was loaded, never auto. */
export interface DataResult {
  source: DataSource;
  train: number;
  test: number;
  classes: string[];
  synthetic: boolean;
  note: string;
}

/** In bytes of files or in drawn images. */
export interface DataEvent {
  loaded: number;
  total: number;
}

export interface ModelRequest {
  layers: LayerSpec[];
  seed: number;
}

/** activation is the function that follows a layer with weights, if one does; in and out count values, flops the products for one picture. */
export interface LayerInfo {
  name: string;
  kind: string;
  in: number;
  out: number;
  shape: number[];
  params: number;
  flops: number;
  activation?: string;
}

/** spec makes such a network anew; steps is how many updates its weights have seen. */
export interface ModelInfo {
  layers: LayerInfo[];
  params: number;
  bytes: number;
  flops: number;
  spec: LayerSpec[];
  steps: number;
  classes: string[];
}

/** endFactor is the share of lr that a falling schedule ends at; warmup is a share of the updates; ema the decay of averaged weights, 0 for none; rotate is in degrees, scale and shift are shares, 0 for not at all. */
export interface TrainConfig {
  optimizer: Optimizer;
  lr: number;
  endFactor: number;
  schedule: Schedule;
  batch: number;
  epochs: number;
  seed: number;
  weightDecay: number;
  momentum: number;
  labelSmoothing: number;
  valFraction: number;
  warmup: number;
  ema: number;
  rotate: number;
  scale: number;
  shift: number;
  nearest: boolean;
}

/** keep trains the present weights on, instead of beginning with those of the seed; epoch is how many epochs those have had. */
export interface StartRequest {
  config: TrainConfig;
  keep?: boolean;
  epoch?: number;
}

/** resumed tells that the optimizer goes on with the state that it had. */
export interface StartResult {
  run: number;
  compileMs: number;
  kernels: number;
  steps: number;
  resumed: boolean;
}

export interface CompileEvent {
  done: number;
  total: number;
}

export interface TrainState {
  state: RunState;
  step: number;
}

/** Asks how training pictures are changed, rows times each, by the random numbers of update draw. */
export interface AugmentRequest {
  rotate: number;
  scale: number;
  shift: number;
  nearest: boolean;
  seed: number;
  draw: number;
  rows: number;
}

/** One picture of each class, and rows times as many made of them, 784 bytes each. */
export interface AugmentResult {
  originals: Uint8Array;
  labels: Uint8Array;
  pixels: Uint8Array;
}

/** Answered when the updates are done, or the run was paused or stopped. */
export interface StepRequest {
  n: number;
}

/** What is not given stays as it is. */
export interface SetRequest {
  lr?: number;
  endFactor?: number;
  weightDecay?: number;
  momentum?: number;
}

/** losses and accuracies are of the updates first, first + 1, .. that are new; step is how many there were in all. */
export interface TrainEvent {
  run: number;
  step: number;
  steps: number;
  epoch: number;
  losses: Float32Array;
  accuracies: Float32Array;
  first: number;
  lr: number;
  stepsPerSecond: number;
  imagesPerSecond: number;
  secondsLeft: number;
  gpuBytes: number;
  state: RunState;
}

/** epoch counts from 1; the validation's figures are NaN when there are no validation images. */
export interface EpochEvent {
  run: number;
  epoch: number;
  trainLoss: number;
  trainAccuracy: number;
  valLoss: number;
  valAccuracy: number;
}

/** The device was lost; the worker has already gone on, from first of the next train event. */
export interface LostEvent {
  message: string;
}

/** The run ended by itself, for instance because the loss is no number any more. */
export interface FailedEvent {
  run: number;
  message: string;
  hint: string;
}

/** The activations are those of pixels (784 bytes) or of test image sample; weights adds the weights. */
export interface InspectRequest {
  on: boolean;
  hz?: number;
  sample?: number;
  pixels?: Uint8Array;
  weights?: boolean;
}

/** pixels is the picture whose activations are shown; label is its class, -1 for a drawing. */
export interface InspectEvent {
  step: number;
  pixels: Uint8Array;
  label: number;
  layers: LayerView[];
}

export interface Tensor {
  shape: number[];
  values: Float32Array;
}

/** Equal bins from lo to hi. */
export interface Hist {
  lo: number;
  hi: number;
  counts: Uint32Array;
}

export interface Grad {
  norm: number;
}

export interface Update {
  ratio: number;
}

/** Layers without parameters have only activations; without a run there are no gradients. */
export interface LayerView {
  name: string;
  activations?: Tensor;
  weights?: Tensor;
  bias?: Float32Array;
  grad?: Grad;
  update?: Update;
  weightHist?: Hist;
  activationHist?: Hist;
  gradHist?: Hist;
}

export interface WeightsRequest {
  layer: string;
}

/** values has the shape [out, in], [out, in, side, side] or [channels]; a batch norm also has running statistics. Gradients are those last seen of a network in training. */
export interface WeightsResult {
  shape: number[];
  values: Float32Array;
  bias: Float32Array;
  mean?: Float32Array;
  variance?: Float32Array;
  grad?: Float32Array;
  biasGrad?: Float32Array;
}

/** 784 bytes. */
export interface PredictRequest {
  pixels: Uint8Array;
}

export interface ActivationValues {
  name: string;
  shape: number[];
  values: Float32Array;
}

export interface PredictResult {
  probabilities: Float32Array;
  ms: number;
  activations: ActivationValues[];
}

/** A drawing in grey, light on black or dark on white. */
export interface PrepareRequest {
  pixels: Uint8Array;
  width: number;
  height: number;
}

/** The drawing as MNIST would have it, 784 bytes; a blank one is black. */
export interface PrepareResult {
  pixels: Uint8Array;
}

export interface TestEvent {
  done: number;
  total: number;
}

/** confusion[i][j] counts images of class i taken for j; mistakes are the surest ones first. */
export interface TestResult {
  accuracy: number;
  loss: number;
  confusion: number[][];
  precision: number[];
  recall: number[];
  mistakes: Mistake[];
}

export interface Mistake {
  index: number;
  label: number;
  predicted: number;
  probability: number;
  pixels: Uint8Array;
}

/** own asks for the visitor's own network, whichever is in place. */
export interface SaveRequest {
  own?: boolean;
}

export interface SaveResult {
  bytes: Uint8Array;
}

/** Asks for a page module of the model; f16 stores weights as float16. */
export interface ExportRequest {
  title: string;
  f16?: boolean;
}

/** The module's folder as a ZIP archive. */
export interface ExportResult {
  name: string;
  bytes: Uint8Array;
}

export interface LoadRequest {
  bytes: Uint8Array;
  name: string;
}

export interface Builtin {
  name: string;
  title: string;
  file: string;
  accuracy: number;
}

export interface UseRequest {
  file: string;
}

/** maxError is in units of the tolerance: up to 1 passes. */
export interface CheckRow {
  op: string;
  cases: number;
  maxError: number;
  cpuError?: number;
  passed: boolean;
  message?: string;
}

export interface CheckEvent {
  row: CheckRow;
}

/** us and gflops are there where the device can measure time. */
export interface KernelInfo {
  name: string;
  wgsl: string;
  us?: number;
  gflops?: number;
}

export interface CheckResult {
  adapter: string;
  limits: Record<string, number>;
  features: string[];
  rows: CheckRow[];
}

/** The kernels of the present network's training step. */
export interface KernelsResult {
  kernels: KernelInfo[];
}

export interface StatsRequest {
  collect?: boolean;
}

export interface StatsResult {
  wasmBytes: number;
  goHeap: number;
  gpuBytes: number;
  gpuBuffers: number;
}

/** What went wrong, and what to do about it. */
export interface ErrorInfo {
  message: string;
  hint: string;
}

/** Each request with its result. */
export interface Requests {
  init: [InitRequest, InitResult];
  data: [DataRequest, DataResult];
  model: [ModelRequest, ModelInfo];
  start: [StartRequest, StartResult];
  pause: [Empty, TrainState];
  resume: [Empty, TrainState];
  stop: [Empty, TrainState];
  step: [StepRequest, TrainState];
  set: [SetRequest, TrainState];
  inspect: [InspectRequest, Empty];
  weights: [WeightsRequest, WeightsResult];
  augment: [AugmentRequest, AugmentResult];
  predict: [PredictRequest, PredictResult];
  prepare: [PrepareRequest, PrepareResult];
  test: [Empty, TestResult];
  save: [SaveRequest, SaveResult];
  export: [ExportRequest, ExportResult];
  load: [LoadRequest, ModelInfo];
  own: [Empty, ModelInfo];
  builtin: [Empty, Builtin[]];
  use: [UseRequest, ModelInfo];
  check: [Empty, CheckResult];
  kernels: [Empty, KernelsResult];
  stats: [StatsRequest, StatsResult];
}

/** Each event. */
export interface Events {
  data: DataEvent;
  compile: CompileEvent;
  train: TrainEvent;
  epoch: EpochEvent;
  inspect: InspectEvent;
  test: TestEvent;
  check: CheckEvent;
  lost: LostEvent;
  failed: FailedEvent;
}

/** What the page posts. */
export type RequestMessage = { [T in keyof Requests]: { id: number; type: T } & Requests[T][0] }[keyof Requests];

/** What the worker posts. */
export type ReplyMessage = { id: number; ok: true; result: Requests[keyof Requests][1] } | { id: number; ok: false; error: ErrorInfo };
export type EventMessage = { [E in keyof Events]: { event: E } & Events[E] }[keyof Events];
