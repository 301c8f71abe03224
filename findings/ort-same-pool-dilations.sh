#!/usr/bin/env bash
# Guess: a pooling with auto_pad SAME_UPPER has ceil(size / stride) results, as the
# ONNX standard says, whatever its dilations are.
#
# What happens: ONNX Runtime pads as if there were no dilations. MaxPool of 7 elements
# with kernel 3, dilation 2, stride 1 has 5 results instead of 7, and no warning says
# so; Conv with the same attributes is refused at run time.
#
# Why it matters: a dilated pooling (DeepLab, WaveNet) that is exported with SAME
# computes another shape there than the model's shape inference promises. Write the
# padding as numbers.
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
const y = await run('MaxPool', { x: [1, 1, 7] }, ints('kernel_shape', [3]), ints('dilations', [2]), string('auto_pad', 'SAME_UPPER'));
const conv = await run('Conv', { x: [1, 1, 7], w: [1, 1, 3] }, ints('dilations', [2]), string('auto_pad', 'SAME_UPPER')).then(
	(y) => `${y.dims}`,
	(e) => (/[Dd]ilation not supported/.test(e.message) ? 'refused' : e.message),
);
console.log(`onnxruntime-node 1.30.0\nMaxPool, 7 elements, kernel 3, dilation 2, SAME_UPPER: ${y.data.length} results (the standard: 7), ${y.data}\nConv with the same attributes: ${conv}`);
process.exit(y.data.length === 5 && conv === 'refused' ? 0 : 1);
JS
node run.mjs
