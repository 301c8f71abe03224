// Runs ONNX models in ONNX Runtime Web's WebAssembly, for Go's tests: an
// independent opinion of what our exports compute.
//
//   node onnxruntime.mjs JOBS.json
//
// The file lists jobs {model, inputs: [{name, type, shape, file}], outputs:
// [{name, file}]}; tensors are raw little-endian files. What fails is written to
// standard error, and the exit code is then 1.

import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { basename } from 'node:path';
import * as ort from 'onnxruntime-web';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const arrays = {
	float32: Float32Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array, int8: Int8Array, int16: Int16Array, uint16: Uint16Array, bool: Uint8Array,
};

function read(path, type) {
	const b = readFileSync(path);
	return new arrays[type](b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength));
}

let failed = false;
for (const job of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
	try {
		const data = job.model + '.data';
		const externalData = existsSync(data) ? [{ path: basename(data), data: new Uint8Array(readFileSync(data)) }] : undefined;
		const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(job.model)), { externalData });
		const feeds = {};
		for (const i of job.inputs) feeds[i.name] = new ort.Tensor(i.type, read(i.file, i.type), i.shape);
		const results = await session.run(feeds);
		for (const o of job.outputs) {
			const r = results[o.name];
			if (!r) throw new Error(`no output ${o.name}; there are ${Object.keys(results)}`);
			writeFileSync(o.file, new Uint8Array(r.data.buffer, r.data.byteOffset, r.data.byteLength));
		}
		await session.release();
	} catch (e) {
		failed = true;
		console.error(`${job.model}: ${e.message ?? e}`);
	}
}
process.exit(failed ? 1 : 0);
