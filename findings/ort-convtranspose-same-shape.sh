#!/usr/bin/env bash
# Guess: ConvTranspose with auto_pad SAME_UPPER makes size * stride elements, as the
# ONNX standard says; and with output_shape it makes that many.
#
# What happens: where the kernel is smaller than the stride, ONNX Runtime 1.30 returns
# fewer elements than size * stride, the last ones being left out; and an output_shape
# that is larger than strides and kernel reach by a stride or more is refused, not filled.
#
# Why it matters: decoders that upsample by a stride larger than their kernel, as
# TensorFlow's padding="same" gives them, come out smaller than the skip connection
# that they are added to. Weft makes what the standard says, with zeros there.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent onnxruntime-node@1.30.0
cat >run.mjs <<'JS'
import * as ort from 'onnxruntime-node';
// A model of one node, as the protocol buffer that it is.
const varint = (n) => {
	const b = [];
	for (n = BigInt(n); ; n >>= 7n) {
		if (n < 128n) return [...b, Number(n)];
		b.push(Number(n & 127n) | 128);
	}
};
const num = (f, v) => [...varint(f << 3), ...varint(v)];
const part = (f, b) => [...varint((f << 3) | 2), ...varint(b.length), ...b];
const text = (f, s) => part(f, [...Buffer.from(s)]);
const ints = (name, l) => part(5, [...text(1, name), ...l.flatMap((v) => num(8, v)), ...num(20, 7)]);
const string = (name, s) => part(5, [...text(1, name), ...text(4, s), ...num(20, 3)]);
const shape = (dims) => part(2, dims.flatMap((d) => part(1, num(1, d))));
const value = (f, name, dims) => part(f, [...text(1, name), ...part(2, part(1, [...num(1, 1), ...(dims ? shape(dims) : [])]))]);
async function run(op, inputs, ...attrs) {
	const names = Object.keys(inputs);
	const node = [...names.flatMap((n) => text(1, n)), ...text(2, 'y'), ...text(4, op), ...attrs.flat()];
	const graph = [...part(1, node), ...text(2, 'g'), ...names.flatMap((n) => value(11, n, inputs[n])), ...value(12, 'y')];
	const model = Uint8Array.from([...num(1, 8), ...part(7, graph), ...part(8, num(2, 13))]);
	const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 });
	const feeds = {};
	for (const n of names) {
		const count = inputs[n].reduce((a, b) => a * b);
		feeds[n] = new ort.Tensor('float32', Float32Array.from({ length: count }, (_, i) => (n === 'w' ? 1 : i)), inputs[n]);
	}
	return (await session.run(feeds)).y;
}
const y = await run('ConvTranspose', { x: [1, 1, 3], w: [1, 1, 1] }, ints('strides', [2]), string('auto_pad', 'SAME_UPPER'));
const large = await run('ConvTranspose', { x: [1, 1, 3], w: [1, 1, 3] }, ints('strides', [2]), ints('output_shape', [10])).then(
	(y) => `${y.dims}`,
	() => 'refused',
);
console.log(`onnxruntime-node 1.30.0\n3 elements, kernel 1, stride 2, SAME_UPPER: ${y.data.length} elements (the standard: 6), ${y.data}\noutput_shape 10 for 3 elements, kernel 3, stride 2: ${large}`);
process.exit(y.data.length === 5 && large === 'refused' ? 0 : 1);
JS
node run.mjs
