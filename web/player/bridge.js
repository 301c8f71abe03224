// The bridge lets Go, compiled to WebAssembly, drive the player with one call per
// submit. A call from Go to JavaScript costs a good part of what a dispatch does,
// so Go hands a recorded stream over once, and afterwards only queues commands
// (writes, submits, read-backs) in its own memory; flush carries them out.
// Results go the other way without a call: they are copied into Go's memory
// beside a word that says so, and wake lets the goroutines look.
//
// Whoever starts a Go program that is to see a GPU calls install before it runs:
//   const { instance } = await WebAssembly.instantiateStreaming(fetch(url), go.importObject);
//   install(instance);
//   go.run(instance);
// internal/gpu/js.go is the other side; the numbers below are the same there.

import { Player, openDevice } from "./player.js";

const WRITE = 1, SUBMIT = 2, MAP = 3, FREE = 4; // commands
const COMMANDS = 0, WORDS = 1, FINISHED = 2, FAILED = 3, LOST = 4; // words of the header
const READY = 1, BROKEN = 2; // states of a read-back
const OP = 18; // words of a recorded step

/** Makes navigator.gpu reachable for the Go program in instance. */
export function install(instance, gpu = globalThis.navigator?.gpu) {
  const memory = instance.exports.mem;
  const request = (powerPreference) => gpu?.requestAdapter({ powerPreference }).catch(() => null);
  globalThis.weftGPU = {
    /** What there is, as plain data, or null. */
    async adapter(power) {
      const a = await request(power);
      if (!a) return null;
      const { vendor, architecture, device, description, isFallbackAdapter } = a.info;
      return { vendor, architecture, device, description, fallback: !!(isFallbackAdapter ?? a.isFallbackAdapter) };
    },
    async open(power, header, wake) {
      const a = await request(power);
      if (!a) throw new Error("the adapter is gone");
      return new Link(memory, new Player(await openDevice(a)), a.info, header, wake);
    },
  };
}

/** One open device. Objects are numbered, because Go cannot hold them cheaply. */
class Link {
  constructor(memory, player, info, header, wake) {
    this.memory = memory;
    this.words = new Uint32Array(memory.buffer);
    this.player = player;
    this.device = player.device;
    this.header = header >>> 2;
    this.wake = wake;
    this.objects = [null];
    this.unused = [];
    this.numbers = new Map(); // of layouts, which are shared
    this.pending = new Map(); // buffers that are being mapped
    this.verdict = Promise.resolve(); // of the last stream that ran for the first time
    this.serial = 0;
    this.subgroups = [info.subgroupMinSize || 0, info.subgroupMaxSize || 0];
    player.onchange = () => {
      this.set(FAILED, player.failure ? 1 : 0);
      this.set(LOST, player.lost ? 1 : 0);
      this.wake();
    };
  }

  /** Go's memory as words; growing it makes a new buffer. */
  view() {
    if (this.words.buffer !== this.memory.buffer) this.words = new Uint32Array(this.memory.buffer);
    return this.words;
  }
  set(word, value) {
    this.view()[this.header + word] = value;
  }

  keep(object) {
    const n = this.unused.pop() ?? this.objects.length;
    this.objects[n] = object;
    return n;
  }
  number(object) {
    let n = this.numbers.get(object);
    if (!n) this.numbers.set(object, (n = this.keep(object)));
    return n;
  }
  free(n) {
    const o = this.objects[n];
    if (o instanceof GPUBuffer) {
      this.pending.delete(o); // Go's side of the mapping may be collected now
      o.destroy();
    }
    this.objects[n] = null;
    this.unused.push(n);
  }

  take() {
    this.set(FAILED, 0);
    return this.player.take();
  }
  lost() {
    return this.player.lost;
  }

  buffer(label, size, usage) {
    return this.keep(this.player.buffer(size, usage, label));
  }
  /** buffer for a large one: resolves to 0 when there is no memory for it. */
  async largeBuffer(label, size, usage) {
    const { made, error } = this.player.watch("out-of-memory", () => this.player.buffer(size, usage, label));
    return (await error) ? 0 : this.keep(made);
  }
  layout(bindings, scalars) {
    const l = this.player.layout(bindings ? bindings.split(",") : [], scalars);
    return [this.number(l), ...l.groups.map((g) => this.number(g))];
  }
  async compile(label, code, entry, layout) {
    return this.keep(await this.player.kernel(label, code, entry, this.objects[layout]));
  }
  group(layout, numbers) {
    const entries = [];
    for (let i = 0; i < numbers.length; i += 3) entries.push([this.objects[numbers[i]], numbers[i + 1], numbers[i + 2]]);
    return this.keep(this.player.group(this.objects[layout], entries));
  }

  /** Takes a stream over from Go's memory: count steps as package gpu lays them out. */
  record(pointer, count) {
    const w = this.view(), objects = this.objects;
    const long = (at) => w[at] + w[at + 1] * 2 ** 32;
    const steps = [];
    for (let i = 0, at = pointer >>> 2; i < count; i++, at += OP) {
      const a = objects[w[at + 6]], b = objects[w[at + 8]], c = objects[w[at + 10]];
      if (w[at] === 1) steps.push({ copy: [a, long(at + 12), b, long(at + 14), long(at + 16)] });
      else steps.push({ pipeline: a, g0: b, g1: c, offset: [w[at + 1]], x: w[at + 2], y: w[at + 3], z: w[at + 4] });
    }
    return this.keep({ steps, checked: false, targets: [...new Set(steps.map((s) => s.copy?.[2]))].filter(Boolean) });
  }

  /** Carries out what Go has queued. */
  flush() {
    const w = this.view(), queue = this.player.queue;
    try {
      for (let p = w[this.header + COMMANDS] >>> 2, end = p + w[this.header + WORDS]; p < end; p += 6) {
        const object = this.objects[w[p + 1]];
        switch (w[p]) {
          case WRITE: // buffer, offset (two words), pointer, bytes
            queue.writeBuffer(object, w[p + 2] + w[p + 3] * 2 ** 32, this.memory.buffer, w[p + 4], w[p + 5]);
            break;
          case SUBMIT: // stream or 0, serial
            this.serial = w[p + 2];
            if (object) this.submit(object);
            break;
          case MAP: // buffer, pointer, bytes, pointer to the state
            this.map(object, w[p + 2], w[p + 3], w[p + 4] >>> 2);
            break;
          case FREE: // object
            this.free(w[p + 1]);
        }
      }
    } catch (e) {
      this.player.fail(e.message);
    }
  }

  submit(stream) {
    for (const b of stream.targets) if (this.pending.delete(b)) b.unmap();
    if (stream.checked) {
      this.player.replay(stream.steps);
      return;
    }
    // What a stream does never changes, so once is enough to find a mistake.
    stream.checked = true;
    const { error } = this.player.watch("validation", () => this.player.replay(stream.steps));
    this.verdict = error.then((m) => m && this.player.fail(m));
  }

  /** Copies a buffer to Go's memory when the work so far is done. */
  map(buffer, pointer, size, state) {
    const serial = this.serial, verdict = this.verdict, mine = {};
    this.pending.set(buffer, mine);
    const settle = async (value) => {
      await verdict;
      if (this.pending.get(buffer) !== mine) return; // freed, or written again
      this.pending.delete(buffer);
      if (value === READY) {
        new Uint8Array(this.memory.buffer, pointer, size).set(new Uint8Array(buffer.getMappedRange(0, size)));
        buffer.unmap();
        this.done(serial);
      }
      this.view()[state] = value;
      this.wake();
    };
    buffer.mapAsync(1, 0, size).then(() => settle(READY), () => this.player.reason().then(() => settle(BROKEN)));
  }

  done(serial) {
    if (serial > this.view()[this.header + FINISHED]) this.set(FINISHED, serial);
  }
  /** Sets FINISHED once all that was submitted is complete. */
  async probe() {
    const serial = this.serial;
    await this.player.queue.onSubmittedWorkDone().catch(() => {});
    await this.verdict;
    this.done(serial);
    this.wake();
  }

  /** Resolves to a view of the staging buffer that readDone takes back. */
  async read(buffer, staging, offset, size) {
    const target = this.objects[staging];
    const copy = [{ copy: [this.objects[buffer], offset, target, 0, size] }];
    const { error } = this.player.watch("validation", () => this.player.replay(copy));
    const message = await error;
    if (message) throw new Error(message);
    await this.verdict;
    await target.mapAsync(1, 0, size).catch((e) => this.player.reason().then(() => Promise.reject(e)));
    return new Uint8Array(target.getMappedRange(0, size));
  }
  readDone(staging) {
    this.objects[staging].unmap();
  }

  /** Resolves to the nanoseconds of each step, each in a pass of its own. */
  async profile(stream) {
    const { steps } = this.objects[stream], ns = [];
    const count = Math.min(steps.length, 2048); // a query set holds 4096
    const set = this.device.createQuerySet({ type: "timestamp", count: 2 * count });
    const times = this.device.createBuffer({ size: 16 * count, usage: 0x204 }); // QUERY_RESOLVE | COPY_SRC
    for (let at = 0; at < steps.length; at += count) {
      const part = steps.slice(at, at + count);
      this.player.replay(part, (i) => ({ querySet: set, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 }));
      const encoder = this.device.createCommandEncoder();
      encoder.resolveQuerySet(set, 0, 2 * part.length, times, 0);
      this.player.queue.submit([encoder.finish()]);
      const t = new BigUint64Array((await this.player.read(times, 0, 16 * part.length)).buffer);
      part.forEach((s, i) => ns.push(s.copy ? 0 : Number(t[2 * i + 1] - t[2 * i])));
    }
    set.destroy();
    times.destroy();
    return Float64Array.from(ns);
  }

  async close() {
    await this.player.queue.onSubmittedWorkDone().catch(() => {});
    this.wake = () => {};
    this.pending.clear();
    this.player.close();
    this.objects.length = 0;
  }
}
