// The words that the page and the worker use with each other. The worker owns
// the meaning; the page asks, and draws what comes back.

export type Activation = 'relu' | 'tanh' | 'sigmoid' | 'gelu' | 'silu';
export type LayerSpec =
  | { type: 'linear'; units: number }
  | { type: Activation }
  | { type: 'dropout'; p: number };

export type Optimizer = 'sgd' | 'momentum' | 'nesterov' | 'adam' | 'adamw' | 'muon';
export type Schedule = 'constant' | 'cosine' | 'linear' | 'onecycle';
export type DataSource = 'mnist' | 'fashion' | 'synthetic' | 'auto';

export interface TrainConfig {
  optimizer: Optimizer;
  lr: number;
  minLr: number;
  schedule: Schedule;
  batch: number;
  epochs: number;
  seed: number;
  weightDecay: number;
  momentum: number;
  labelSmoothing: number;
  valFraction: number;
  augment: boolean;
}

export interface InitResult {
  device: 'webgpu' | 'cpu';
  adapter: string;
  software: boolean;
  limits: Record<string, number>;
  features: string[];
  note: string;
}

export interface DataResult {
  source: string;
  train: number;
  test: number;
  classes: string[];
  synthetic: boolean;
  note: string;
}

export interface LayerInfo {
  name: string;
  kind: string;
  in: number;
  out: number;
  params: number;
  activation?: string;
}

export interface ModelInfo {
  layers: LayerInfo[];
  params: number;
  bytes: number;
}

export interface StartResult {
  run: number;
  compileMs: number;
  kernels: number;
  steps: number;
}

export type RunState = 'running' | 'paused' | 'done' | 'stopped' | 'lost';

export interface TrainState {
  state: RunState;
  step: number;
}

export type LiveKnobs = Partial<Pick<TrainConfig, 'lr' | 'minLr' | 'weightDecay' | 'momentum'>>;

export interface Tensor {
  shape: number[];
  values: Float32Array;
}

export interface Hist {
  lo: number;
  hi: number;
  counts: number[] | Float32Array | Uint32Array;
}

export interface LayerView {
  name: string;
  activations?: Tensor;
  bias?: Float32Array;
  grad?: { norm: number; hist?: Hist };
  update?: { ratio: number };
  weightHist?: Hist;
  activationHist?: Hist;
  gradHist?: Hist;
}

export interface WeightsResult extends Tensor {
  bias?: Float32Array;
}

export interface PredictResult {
  probabilities: Float32Array;
  ms: number;
  activations: (Tensor & { name: string })[];
}

export interface Mistake {
  index: number;
  label: number;
  predicted: number;
  probability: number;
  pixels: Uint8Array;
}

export interface TestResult {
  accuracy: number;
  loss: number;
  confusion: number[][];
  precision: number[];
  recall: number[];
  mistakes: Mistake[];
}

export interface Builtin {
  name: string;
  title: string;
  file: string;
  accuracy: number;
}

export interface CheckRow {
  op: string;
  cases: number;
  maxError: number;
  passed: boolean;
  message?: string;
}

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
  kernels: KernelInfo[];
}

export interface StatsResult {
  wasmBytes: number;
  goHeap: number;
  gpuBytes: number;
  gpuBuffers: number;
}

export interface Requests {
  init: [{ base: string; device: 'auto' | 'webgpu' | 'cpu' }, InitResult];
  data: [{ source: DataSource; train?: number; test?: number }, DataResult];
  model: [{ layers: LayerSpec[]; seed: number }, ModelInfo];
  start: [{ config: TrainConfig }, StartResult];
  pause: [object, TrainState];
  resume: [object, TrainState];
  stop: [object, TrainState];
  step: [{ n: number }, TrainState];
  set: [LiveKnobs, unknown];
  inspect: [{ on: boolean; hz?: number; sample?: number; pixels?: Uint8Array }, unknown];
  weights: [{ layer: string }, WeightsResult];
  predict: [{ pixels: Uint8Array }, PredictResult];
  test: [object, TestResult];
  save: [object, { bytes: Uint8Array }];
  load: [{ bytes: Uint8Array; name: string }, ModelInfo];
  builtin: [object, Builtin[]];
  use: [{ file: string }, ModelInfo];
  check: [object, CheckResult];
  stats: [object, StatsResult];
}

export interface Events {
  data: { loaded: number; total: number };
  compile: { done: number; total: number };
  train: {
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
  };
  epoch: { run: number; epoch: number; trainLoss: number; trainAccuracy: number; valLoss: number; valAccuracy: number };
  inspect: { step: number; layers: LayerView[] };
  test: { done: number; total: number };
  check: { row: CheckRow };
  lost: { message: string };
}
