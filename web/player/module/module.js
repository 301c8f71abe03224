// An exported model in a page: this file behind the player is all the code that
// there is. load reads plan.json and the weights beside it, builds the plan on
// the visitor's GPU, and returns a function.
//
// A prediction is one write, one submit and one read-back, whatever the number
// of images: each is a round trip to the browser's GPU process, which costs more
// than a small network. The plan has programs for one image and for a batch;
// other numbers are made of these inside of the one submit. Calls need not wait
// for each other: what a call queues, it queues without a pause, and its results
// have a buffer of their own.
//
// The model knows how pictures become its input (plan.input), so nobody can give
// it pixels of the wrong scale: pixels are 0 to 255, and whoever has a finished
// tensor says so with {tensor}.

import { CompileError, Player, openDevice } from "../player.js";
import { fitted, normalised } from "./input.js";
import { InputError, WeftError } from "./errors.js";

export { CompileError, InputError, WeftError };
/** There is no WebGPU here. */
export class WebGPUUnavailableError extends WeftError {}
/** A file of the model could not be had. */
export class FetchError extends WeftError {}
/** A file of the model is damaged, or belongs to another one. */
export class ModelFileError extends WeftError {}
/** The GPU was lost; the next call opens it again. */
export class DeviceLostError extends WeftError {}

const VERSION = 1;
const SRC = 4, DST = 8, HOST = 1; // GPUBufferUsage
const GROUP_BYTES = 1 << 26; // of input, at most, in one submit
const SPARE = 4; // read-back buffers that are kept

/** Loads the model in the folder url, by default that of this file. */
export async function load(url = new URL(".", import.meta.url), options = {}) {
  const base = new URL(String(url).replace(/\/?$/, "/"), globalThis.document?.baseURI ?? import.meta.url);
  const get = (name, step) => download(new URL(name, base), options.fetch ?? globalThis.fetch, step);
  const plan = readPlan(new TextDecoder().decode(await get("plan.json")));
  const { shape } = plan.input, size = shape.reduce((a, b) => a * b), count = plan.output.shape.reduce((a, b) => a * b);
  let engine, closed = false;
  const open = () => {
    const mine = (engine ??= Engine.open(plan, get, options).then((e) => {
      if (closed) e.player.close();
      // A lost GPU is opened again when it is next needed.
      e.lost.then(() => { if (engine === mine) engine = undefined; });
      return e;
    }, (e) => { engine = undefined; throw e; }));
    return mine;
  };
  const alive = async () => {
    if (closed) throw new WeftError("the model is closed");
    return open();
  };
  const first = await alive();
  if (options.batch > 1) await first.program(first.largest);
  const close = () => {
    closed = true;
    engine?.then((e) => e.player.close(), () => {});
  };
  if (plan.inputs) return named(plan, first, alive, close);

  const net = async (x) => {
    const { data, n } = await tensorOf(plan.input, x, size);
    const out = new (arrayOf(plan.output.dtype))(n * count);
    const most = Math.max(first.largest, Math.floor(GROUP_BYTES / (4 * size)));
    const parts = [];
    for (let at = 0; at < n; at += most) {
      const e = await alive(), m = Math.min(most, n - at);
      parts.push(e.run(data.subarray(at * size, (at + m) * size), m, size, count).then((y) => out.set(y, at * count)));
      if (parts.length > 2) await parts.shift();
    }
    await Promise.all(parts);
    return out;
  };
  return Object.assign(net, {
    info: { model: plan.model, classes: plan.classes, input: plan.input, output: plan.output, batches: first.batches, adapter: first.adapter,
      explains: first.explaining.map((p) => ({ name: p.name, results: p.results.map(({ name, shape }) => ({ name, shape })) })) },
    /** Runs a program that an export with --explain has: see model.d.ts. */
    async explain(name, x, { class: index = 0, results } = {}) {
      const { data, n } = await tensorOf(plan.input, x, size);
      if (n !== 1) throw new InputError("one input at a time can be explained");
      if (!(index >= 0 && index < count)) throw new InputError(`no class ${index}; the model has ${count}`);
      return (await alive()).explain(name, data, index, count, results);
    },
    /** Softmax of each row of results. */
    probabilities: (y) => softmax(y, count),
    /** The k likeliest classes of one row of results. */
    top(y, k = 5, row = 0) {
      const p = softmax(y.subarray(row * count, (row + 1) * count), count);
      const list = Array.from(p, (probability, index) => ({ index, name: plan.classes[index] ?? String(index), probability }));
      return list.sort((a, b) => b.probability - a.probability || a.index - b.index).slice(0, k);
    },
    /** The picture that the model makes of x: {data: RGBA, width, height}. */
    async view(x) {
      const [channels, height, width] = shape;
      const pixels = await fitted(plan.input, x), data = new Uint8ClampedArray(4 * width * height);
      for (let i = 0; i < width * height; i++) {
        for (let c = 0; c < 4; c++) data[4 * i + c] = c === 3 ? 255 : pixels[i * channels + (channels > 1 ? c : 0)];
      }
      return { data, width, height };
    },
    /** Frees the GPU's memory. */
    close,
  });
}

/** A network that takes and gives tensors by name. What has rows for samples is
 * cut into the programs' batches; the rest goes to each of them. */
function named(plan, first, alive, close) {
  const length = (p) => p.shape.reduce((a, b) => a * b, 1), names = plan.inputs.map((p) => p.name).join(", ");
  const net = async (feeds) => {
    for (const name of Object.keys(feeds ?? {})) if (!plan.inputs.some((p) => p.name === name)) throw new InputError(`no input ${name}; the model takes ${names}`);
    let n;
    const data = plan.inputs.map((p) => {
      const x = feeds?.[p.name], size = length(p), want = `${p.samples ? "rows of " : ""}${size} numbers [${p.shape.join(", ")}]`;
      if (x?.length === undefined) throw new InputError(`input ${p.name} is missing: give ${want}`);
      const rows = x.length / size;
      if (!(p.samples ? rows >= 1 && rows % 1 === 0 : rows === 1)) throw new InputError(`input ${p.name} has ${x.length} numbers; the model takes ${want}`);
      if (p.samples && rows !== (n ??= rows)) throw new InputError(`input ${p.name} has ${rows} samples, others have ${n}`);
      return (p.dtype === "float32" ? Float32Array : Int32Array).from(x, Number);
    });
    return (await alive()).runNamed(plan, data, n ?? 1, length);
  };
  const { model, classes, inputs, outputs } = plan;
  return Object.assign(net, { info: { model, classes, inputs, outputs, batches: first.batches, adapter: first.adapter, explains: [] }, close });
}

/** The array of a result's type. */
const arrayOf = (dtype) => (dtype === "int32" || dtype === "bool" ? Int32Array : Float32Array);

/** Tensors and lists of them, or pictures and lists of them, as {data, n}. */
async function tensorOf(input, x, size) {
  const raw = (t) => {
    const data = t instanceof Float32Array ? t : Float32Array.from(t);
    if (!data.length || data.length % size) throw new InputError(`a tensor of ${data.length} numbers; the model takes ${input.shape.join(" x ")}, or several of these`);
    return data;
  };
  if (x?.tensor) {
    const data = raw(x.tensor);
    return { data, n: data.length / size };
  }
  if (ArrayBuffer.isView(x) && x.length > size && x.length % size === 0) {
    x = Array.from({ length: x.length / size }, (_, i) => x.subarray(i * size, (i + 1) * size));
  }
  const list = Array.isArray(x) && typeof x[0] !== "number" ? x : [x];
  if (!list.length) throw new InputError("no input");
  const data = new Float32Array(list.length * size);
  for (let i = 0; i < list.length; i++) {
    const one = list[i]?.tensor ? raw(list[i].tensor) : normalised(input, await fitted(input, list[i]));
    if (one.length !== size) throw new InputError("a batch in a batch");
    data.set(one, i * size);
  }
  return { data, n: list.length };
}

/** Softmax of each row, unless it holds probabilities already: some imported
 * networks end with a softmax of their own. */
function softmax(y, count) {
  const out = new Float32Array(y);
  for (let at = 0; at < y.length; at += count) {
    const row = y.subarray(at, at + count), most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = row.reduce((a, b) => a + b, 0);
    if (row.every((v) => v >= 0) && Math.abs(sum - 1) < 1e-3) continue;
    sum = 0;
    for (let i = 0; i < count; i++) sum += out[at + i] = Math.exp(row[i] - most);
    for (let i = 0; i < count; i++) out[at + i] /= sum;
  }
  return out;
}

/** What an adapter is, as far as the browser says. */
export function describe(adapter) {
  const { vendor = "", architecture = "", description = "", isFallbackAdapter } = adapter.info ?? {};
  const software = !!(isFallbackAdapter ?? adapter.isFallbackAdapter) || /swiftshader|llvmpipe|lavapipe|software|basic render|warp/i.test(architecture + description);
  return { vendor, architecture, description, software };
}

/** A plan and its weights on an open GPU. */
class Engine {
  static async open(plan, get, { progress = () => {}, gpu = globalThis.navigator?.gpu }) {
    if (!gpu) {
      const why = globalThis.isSecureContext === false ? "browsers offer it to https and localhost pages only" : "this browser does not have it";
      throw new WebGPUUnavailableError(`no WebGPU: ${why}`);
    }
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
    if (!adapter) throw new WebGPUUnavailableError("no WebGPU: the browser finds no graphics hardware that it may use");
    const e = new Engine(plan, adapter, new Player(await openDevice(adapter)));
    try {
      const weights = get(plan.weights.file, (done) => progress({ phase: "weights", done, total: plan.weights.bytes }));
      const [bytes] = await Promise.all([weights, e.program(1, (done, total) => progress({ phase: "kernels", done, total }))]);
      await e.upload(plan.weights, bytes);
      // A first run shows what WebGPU reports late, and spares the caller its cost.
      const length = ({ shape }) => shape.reduce((a, b) => a * b, 1);
      if (plan.inputs) await e.runNamed(plan, plan.inputs.map((p) => new Float32Array(length(p))), 1, length);
      else await e.run(new Float32Array(length(plan.input)), 1, length(plan.input), length(plan.output));
      return e;
    } catch (error) {
      const lost = e.player.lost;
      e.player.close();
      throw lost ? new DeviceLostError(`the GPU was lost: ${lost}`) : error;
    }
  }

  constructor(plan, adapter, player) {
    this.plan = plan.kernels.webgpu;
    this.dtype = plan.output.dtype;
    const { software } = (this.adapter = describe(adapter));
    // Programs for this kind of adapter, the largest batch first.
    const kind = software ? "software" : "hardware";
    const mine = this.plan.programs.filter((p) => (p.adapter ?? kind) === kind);
    this.programs = mine.filter((p) => !p.name).sort((a, b) => b.batch - a.batch);
    this.explaining = mine.filter((p) => p.name);
    this.batches = this.programs.map((p) => p.batch).reverse();
    this.largest = this.programs[0].batch;
    this.player = player;
    this.lost = player.device.lost;
    this.ready = new Map();
    this.spare = [];
    // What only some programs need is made with them; weights come once.
    this.buffers = this.plan.buffers.map((b, i) => (b.tensor ? this.buffer(i) : undefined));
  }

  buffer(i) {
    const { size, usage, label } = this.plan.buffers[i];
    return this.player.buffer(size, usage, label);
  }

  /** The program of a batch size, compiled when it is first asked for. */
  program(batch, progress) {
    return this.compiled(this.programs.find((q) => q.batch === batch), progress);
  }

  compiled(program, progress) {
    let p = this.ready.get(program);
    if (!p) {
      const { input, output, inputs = [input], outputs = [output], results = [], class: kind = output } = program, used = program.groups.flatMap((g) => g.entries.map((e) => e[0]));
      for (const i of [...inputs, ...outputs, kind, ...results.map((r) => r.buffer), ...used]) if (i >= 0) this.buffers[i] ??= this.buffer(i);
      const at = (list) => list.map((i) => this.buffers[i]);
      p = this.player.load({ ...program, shaders: this.plan.shaders }, progress, this.buffers).then(({ steps }) => ({ steps, input: this.buffers[input], output: this.buffers[output], inputs: at(inputs), outputs: at(outputs) }));
      this.ready.set(program, p);
    }
    return p;
  }

  /** The named results of an explaining program. */
  async explain(name, data, index, count, wanted) {
    const program = this.explaining.find((p) => p.name === name);
    if (!program) throw new WeftError(`the model was exported without ${name}: weft export web --explain adds it`);
    const results = program.results.filter((r) => !wanted || wanted.includes(r.name)).map((r) => ({ ...r, length: r.shape.reduce((a, b) => a * b) }));
    if (!results.length) throw new InputError(`no such results; ${name} has ${program.results.map((r) => r.name).join(", ")}`);
    const p = await this.compiled(program), bytes = results.reduce((sum, r) => sum + 4 * r.length, 0), back = this.readback(bytes);
    this.player.write(p.input, 0, data);
    if (program.class !== undefined) this.player.write(this.buffers[program.class], 0, Float32Array.from({ length: count }, (_, i) => +(i === index)));
    let at = 0;
    const copies = results.map(({ buffer, length }) => ({ copy: [this.buffers[buffer], 0, back, 4 * (at += length) - 4 * length, 4 * length] }));
    const all = await this.finish([...p.steps, ...copies], back, bytes, [p]);
    at = 0;
    return results.map(({ name, shape, length }) => ({ name, shape, data: all.subarray(at, (at += length)) }));
  }

  async upload({ bytes: length, sha256 }, bytes) {
    if (bytes.length !== length) throw new ModelFileError(`the weights have ${bytes.length} bytes, the plan says ${length}: the file is cut short, or of another model`);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    if (Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join("") !== sha256) throw new ModelFileError("the weights are damaged, or of another model: their SHA-256 is not the plan's");
    const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    this.plan.buffers.forEach(({ tensor }, i) => {
      if (!tensor) return;
      const { dtype, data_offsets: [from, to] } = header[tensor];
      const part = bytes.slice(start + from, start + to);
      this.player.write(this.buffers[i], 0, dtype === "F16" ? widened(new Uint16Array(part.buffer)) : part);
    });
  }

  /** The sizes of the programs that make n images: padded where that costs less
   * than one by one. */
  split(n) {
    const list = [], B = this.largest;
    const worth = B * (this.adapter.software ? 0.75 : 0.25);
    while (n > 0) {
      const batch = n > 1 && n >= Math.min(worth, B) ? B : 1;
      list.push([batch, Math.min(n, batch)]);
      n -= batch;
    }
    return list;
  }

  async run(data, n, size, count) {
    const { player } = this;
    const parts = await Promise.all(this.split(n).map(async ([batch, m]) => [await this.program(batch), m]));
    // From here to the submit nothing waits, so that no other call comes between.
    const bytes = 4 * n * count, back = this.readback(bytes), steps = [];
    if (parts.length === 1) {
      player.write(parts[0][0].input, 0, data);
    } else {
      player.write(this.inbox(4 * n * size), 0, data);
    }
    let at = 0;
    for (const [p, m] of parts) {
      if (parts.length > 1) steps.push({ copy: [this.box, 4 * at * size, p.input, 0, 4 * m * size] });
      steps.push(...p.steps, { copy: [p.output, 0, back, 4 * at * count, 4 * m * count] });
      at += m;
    }
    const y = await this.finish(steps, back, bytes, parts.map(([p]) => p));
    return this.dtype ? new (arrayOf(this.dtype))(y.buffer) : y;
  }

  /** Results by name, of inputs in the plan's order. */
  async runNamed({ inputs, outputs }, data, n, length) {
    const { player } = this;
    const parts = await Promise.all(this.split(n).map(async ([batch, m]) => [await this.program(batch), m]));
    const sizes = outputs.map((p) => n * length(p)), bytes = 4 * sizes.reduce((a, b) => a + b), back = this.readback(bytes);
    let at = 0, steps = [];
    for (const [p, m] of parts) {
      if (steps.length) player.replay(steps);
      inputs.forEach(({ samples, ...port }, i) => {
        if (!p.inputs[i]) return; // nothing reads it
        const size = length(port);
        player.write(p.inputs[i], 0, samples ? data[i].subarray(at * size, (at + m) * size) : data[i]);
      });
      let from = 0;
      steps = [...p.steps, ...outputs.map((port, i) => {
        const size = length(port), to = from + at * size;
        from += sizes[i];
        return { copy: [p.outputs[i], 0, back, 4 * to, 4 * m * size] };
      })];
      at += m;
    }
    const all = (await this.finish(steps, back, bytes, parts.map(([p]) => p))).buffer;
    let from = 0;
    return Object.fromEntries(outputs.map(({ name, dtype }, i) => [name, new (arrayOf(dtype))(all, 4 * from, sizes[i], (from += sizes[i]))]));
  }

  /** Runs steps of these programs that end in a buffer for results, and reads it. */
  async finish(steps, back, bytes, programs) {
    const { player } = this, fresh = programs.filter((p) => !p.checked);
    const { error } = fresh.length ? player.watch("validation", () => player.replay(steps)) : player.replay(steps) ?? {};
    try {
      await back.mapAsync(1, 0, bytes);
    } catch (cause) {
      // Either the device is gone, which says so itself, or the buffer is no good.
      await Promise.race([this.lost, new Promise((done) => setTimeout(done, 500))]);
      if (player.closed) throw new WeftError("the model is closed");
      throw player.lost ? new DeviceLostError(`the GPU was lost: ${player.lost}`, { cause }) : new WeftError(player.take() || cause.message, { cause });
    }
    const out = new Float32Array(back.getMappedRange(0, bytes).slice(0));
    back.unmap();
    if (this.spare.push(back) > SPARE) this.spare.shift().destroy();
    const message = (await error) || player.take();
    if (message) throw new WeftError(message);
    for (const p of fresh) p.checked = true;
    return out;
  }

  /** A buffer for results that no other call uses. */
  readback(bytes) {
    const i = this.spare.findIndex((b) => b.size >= bytes);
    return i < 0 ? this.player.buffer(bytes, HOST | DST, "results") : this.spare.splice(i, 1)[0];
  }

  /** A buffer for the input of a call that takes several programs. */
  inbox(bytes) {
    if (!this.box || this.box.size < bytes) {
      this.box?.destroy();
      this.box = this.player.buffer(bytes, SRC | DST, "input of several programs");
    }
    return this.box;
  }
}

/** Halves as floats. */
function widened(halves) {
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const h = halves[i], e = (h >> 10) & 31, m = h & 1023;
    const v = e === 0 ? m * 2 ** -24 : e === 31 ? (m ? NaN : Infinity) : (1 + m / 1024) * 2 ** (e - 15);
    out[i] = h >> 15 ? -v : v;
  }
  return out;
}

/** A file's bytes; step(bytes) as they come. */
async function download(url, fetch, step) {
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new FetchError(`${url} cannot be loaded: ${cause.message}`, { cause });
  }
  if (!response.ok) throw new FetchError(`${url} cannot be loaded: the server answers ${response.status}`);
  const parts = [];
  let total = 0;
  try {
    const reader = response.body.getReader();
    for (let r; !(r = await reader.read()).done; ) {
      parts.push(r.value);
      total += r.value.length;
      step?.(total);
    }
  } catch (cause) {
    throw new FetchError(`${url} came only in part: ${cause.message}`, { cause });
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const p of parts) {
    bytes.set(p, at);
    at += p.length;
  }
  return bytes;
}

function readPlan(text) {
  let plan;
  try {
    plan = JSON.parse(text);
  } catch (cause) {
    throw new ModelFileError(`plan.json is damaged: ${cause.message}`, { cause });
  }
  if (plan?.format !== "weft-web") throw new ModelFileError("plan.json is not the plan of an exported model");
  if (plan.version !== VERSION) throw new ModelFileError(`plan.json has version ${plan.version}, this module reads ${VERSION}: use the module that was exported with it`);
  if (!plan.kernels?.webgpu?.programs?.length || !plan.weights?.bytes || !plan.input?.shape) throw new ModelFileError("plan.json is incomplete");
  return plan;
}
