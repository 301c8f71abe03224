// The player walks a plan that is plain data: buffers, kernels, bind groups and
// a list of steps. It is the whole runtime of the browser, in the lab (where Go
// drives it through bridge.js) and in an exported model (where Player.load
// builds everything from a JSON object), so it knows neither Go nor tensors and
// has no dependency.
//
// A plan is
//   { buffers: [{label?, size, usage}],                bytes, GPUBufferUsage bits
//     shaders: [WGSL],
//     kernels: [{label?, shader, entry?, bindings, scalars?}],   kinds, see layout
//     groups:  [{kernel, group, entries: [[buffer, offset, size]]}],
//     steps:   [{kernel, groups: [number], offset?, size: [x, y, z]} |
//               {copy: [source, offset, destination, offset, bytes]}] }
// where buffers, shaders, kernels and groups are named by their positions.
//
// Nothing is made or freed while steps run. Kernels are compiled asynchronously
// and in parallel, equal ones once. WebGPU reports most mistakes late or not at
// all, so whatever is made is watched by an error scope, the first error is kept
// in `failure`, and `take` hands it out.

const COMPUTE = 4; // GPUShaderStage.COMPUTE
const MAP_READ = 1, COPY_DST = 8; // GPUBufferUsage, of read-back buffers
const TYPES = { read: "read-only-storage", read_write: "storage", uniform: "uniform" };

// What Weft can use of an adapter. Only these are asked for, and never more than
// the adapter has: a device with the default limits is enough.
const LIMITS = [
  "maxBufferSize", "maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize", "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX", "maxComputeWorkgroupSizeY", "maxComputeWorkgroupSizeZ",
];
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"];

/** Opens an adapter's device with what it has of LIMITS and FEATURES. */
export async function openDevice(adapter) {
  const requiredLimits = {};
  for (const name of LIMITS) {
    if (adapter.limits[name] !== undefined) requiredLimits[name] = adapter.limits[name];
  }
  const requiredFeatures = FEATURES.filter((f) => adapter.features.has(f));
  return adapter.requestDevice({ requiredLimits, requiredFeatures });
}

/** A kernel that does not compile; message holds ":LINE:COLUMN error: ..." lines. */
export class CompileError extends Error {}

export class Player {
  constructor(device) {
    this.device = device;
    this.queue = device.queue;
    this.failure = "";
    this.lost = "";
    this.closed = false;
    this.onchange = () => {}; // called when failure or lost is set
    this.layouts = new Map();
    this.kernels = new Map(); // promises, by layout and source; see kernel
    device.addEventListener("uncapturederror", (e) => this.fail(e.error.message));
    device.lost.then((info) => {
      if (this.closed) return;
      this.lost = info.message || info.reason || "no reason given";
      this.onchange();
    });
  }

  /** Keeps the first error until somebody takes it. */
  fail(message) {
    if (this.closed || this.failure) return;
    this.failure = message;
    this.onchange();
  }

  /** The first error since the last call, "" if there was none. */
  take() {
    const f = this.failure;
    this.failure = "";
    return f;
  }

  /** Resolves when it is known whether the device is lost: what waits for a lost
   * one fails before the device says so. */
  reason() {
    return Promise.race([this.device.lost, new Promise((later) => setTimeout(later, 1000))]);
  }

  /** Runs make() and resolves to the message of the error that it caused, or "". */
  watch(filter, make) {
    this.device.pushErrorScope(filter);
    const made = make();
    const error = this.device.popErrorScope().then((e) => (e ? e.message : ""), () => "");
    return { made, error };
  }

  checked(what, make) {
    const { made, error } = this.watch("validation", make);
    error.then((m) => m && this.fail(`${what}: ${m}`));
    return made;
  }

  buffer(size, usage, label = "") {
    return this.checked(`buffer ${label}`, () => this.device.createBuffer({ label, size, usage }));
  }

  /** Layout of a pipeline: kinds "read", "read_write", "uniform" of group 0, and
   * of the one binding of group 1, whose offset comes with each step. */
  layout(bindings, scalars = "") {
    const key = bindings.join() + ";" + scalars;
    let l = this.layouts.get(key);
    if (l) return l;
    const kinds = scalars ? [bindings, [scalars]] : [bindings];
    const groups = kinds.map((list, group) => {
      const part = group + ":" + list.join();
      let g = this.layouts.get(part);
      if (!g) {
        const entries = list.map((kind, binding) => ({
          binding, visibility: COMPUTE,
          buffer: { type: TYPES[kind], hasDynamicOffset: group === 1 },
        }));
        g = this.checked("layout", () => this.device.createBindGroupLayout({ entries }));
        this.layouts.set(part, g);
      }
      return g;
    });
    const pipeline = this.checked("layout", () => this.device.createPipelineLayout({ bindGroupLayouts: groups }));
    l = { id: this.layouts.size, pipeline, groups };
    this.layouts.set(key, l);
    return l;
  }

  /** Compiles a kernel; rejects with a CompileError. */
  async compile(label, code, entry, layout) {
    const { made: module } = this.watch("validation", () => this.device.createShaderModule({ label, code }));
    try {
      return await this.device.createComputePipelineAsync({ label, layout: layout.pipeline, compute: { module, entryPoint: entry || "main" } });
    } catch (e) {
      const info = await module.getCompilationInfo();
      const found = info.messages.filter((m) => m.type === "error");
      const lines = found.map((m) => `:${m.lineNum}:${m.linePos} error: ${m.message.split("\n\n")[0]}`);
      throw new CompileError(lines.join("\n") || e.message);
    }
  }

  /** compile, but once for equal kernels: training the same network again starts
   * at once. The oldest are forgotten. */
  kernel(label, code, entry, layout) {
    const key = [layout.id, entry, code].join("\n");
    let k = this.kernels.get(key);
    if (!k) {
      k = this.compile(label, code, entry, layout);
      this.kernels.set(key, k);
      if (this.kernels.size > 500) this.kernels.delete(this.kernels.keys().next().value);
    }
    return k;
  }

  /** A bind group of [buffer, offset, size] in the order of the bindings. */
  group(layout, entries) {
    const list = entries.map(([buffer, offset, size], binding) => ({ binding, resource: { buffer, offset, size } }));
    return this.checked("bind group", () => this.device.createBindGroup({ layout, entries: list }));
  }

  /** Encodes and submits steps: {pipeline, g0, g1, offset: [bytes], x, y, z} or
   * {copy: [buffer, offset, buffer, offset, bytes]}. timed gives the
   * timestampWrites of a step that is to have a pass of its own. */
  replay(steps, timed) {
    const encoder = this.device.createCommandEncoder();
    let pass = null, pipeline, g0, g1, offset;
    const end = () => { pass?.end(); pass = null; };
    for (let i = 0; i < steps.length; i++) {
      const s = steps[i];
      if (s.copy) {
        end();
        encoder.copyBufferToBuffer(...s.copy);
        continue;
      }
      if (timed) end();
      if (!pass) {
        pass = encoder.beginComputePass(timed && { timestampWrites: timed(i) });
        pipeline = g0 = g1 = offset = undefined;
      }
      if (s.pipeline !== pipeline) pass.setPipeline((pipeline = s.pipeline));
      if (s.g0 && s.g0 !== g0) pass.setBindGroup(0, (g0 = s.g0));
      if (s.g1 && (s.g1 !== g1 || s.offset[0] !== offset)) {
        pass.setBindGroup(1, (g1 = s.g1), s.offset);
        offset = s.offset[0];
      }
      pass.dispatchWorkgroups(s.x, s.y, s.z);
    }
    end();
    this.queue.submit([encoder.finish()]);
  }

  /** Resolves to a copy of a buffer's bytes, after all that was submitted. */
  async read(buffer, offset, size) {
    const staging = this.buffer(size, MAP_READ | COPY_DST, "read-back");
    try {
      this.replay([{ copy: [buffer, offset, staging, 0, size] }]);
      await staging.mapAsync(1);
      return new Uint8Array(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }

  /** Builds a plan; progress(done, total) counts kernels. Plans that share buffers
   * are given them. Resolves to {buffers, steps} for write, replay and read. */
  async load(plan, progress = () => {}, buffers = plan.buffers.map((b) => this.buffer(b.size, b.usage, b.label))) {
    const layouts = plan.kernels.map((k) => this.layout(k.bindings, k.scalars));
    let done = 0;
    const kernels = await Promise.all(plan.kernels.map((k, i) =>
      this.kernel(k.label, plan.shaders[k.shader], k.entry, layouts[i]).then((p) => {
        progress(++done, plan.kernels.length);
        return p;
      })));
    const groups = plan.groups.map((g) =>
      this.group(layouts[g.kernel].groups[g.group], g.entries.map(([b, offset, size]) => [buffers[b], offset, size])));
    const steps = plan.steps.map((s) => {
      if (s.copy) return { copy: [buffers[s.copy[0]], s.copy[1], buffers[s.copy[2]], s.copy[3], s.copy[4]] };
      const [x, y, z] = s.size;
      return { pipeline: kernels[s.kernel], g0: groups[s.groups[0]], g1: groups[s.groups[1]], offset: [s.offset || 0], x, y, z };
    });
    return { buffers, steps };
  }

  write(buffer, offset, data) {
    this.queue.writeBuffer(buffer, offset, data);
  }

  /** Frees everything; errors that come later are dropped. */
  close() {
    this.closed = true;
    this.device.destroy();
  }
}
