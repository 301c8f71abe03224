#!/usr/bin/env bash
# Guess: Pad with axes (opset 18) pads those dimensions, also between two Transposes,
# and an optimizer that moves a Transpose past it keeps the meaning.
#
# What happens: with its default optimization ONNX Runtime permutes the pads as if they
# were those of all dimensions, by a Gather that it adds. Of one padded dimension there
# are two numbers, so that the valid model loads, and every run of it ends with
# "indices element out of data bounds" in a node that it does not have. With the
# optimization off, or with pads of all dimensions and no axes, it runs.
#
# Why it matters: exporters write axes to be short, and networks with channels last or
# time before channels have such Transposes (video, speech). Write pads of all
# dimensions.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent onnxruntime-node@1.30.0
cat >run.mjs <<'JS'
import * as ort from 'onnxruntime-node';
// x [1, 2, 3, 4] -> Transpose -> Pad of dimension 2 -> Transpose -> y [1, 4, 3, 4], as
// the protocol buffer that it is.
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
const longs = (name, l) => part(5, [...num(1, l.length), ...num(2, 7), ...part(7, l.flatMap(varint)), ...text(8, name)]);
const perm = part(5, [...text(1, 'perm'), ...[0, 2, 1, 3].flatMap((v) => num(8, v)), ...num(20, 7)]);
const node = (op, inputs, output, attr = []) => part(1, [...inputs.flatMap((n) => text(1, n)), ...text(2, output), ...text(4, op), ...attr]);
const value = (f, name, dims) => part(f, [...text(1, name), ...part(2, part(1, [...num(1, 1), ...(dims ? part(2, dims.flatMap((d) => part(1, num(1, d)))) : [])]))]);
async function run(level, axes) {
	const graph = [
		...node('Transpose', ['x'], 'a', perm),
		...node('Pad', axes ? ['a', 'pads', '', 'axes'] : ['a', 'pads'], 'b'),
		...node('Transpose', ['b'], 'y', perm),
		...text(2, 'g'),
		...longs('pads', axes ? [1, 1] : [0, 0, 1, 0, 0, 0, 1, 0]),
		...(axes ? longs('axes', [2]) : []),
		...value(11, 'x', [1, 2, 3, 4]),
		...value(12, 'y'),
	];
	const model = Uint8Array.from([...num(1, 8), ...part(7, graph), ...part(8, num(2, 18))]);
	const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4, graphOptimizationLevel: level });
	const x = new ort.Tensor('float32', Float32Array.from({ length: 24 }, (_, i) => i + 1), [1, 2, 3, 4]);
	return session.run({ x }).then(
		({ y }) => `${y.dims}: ${y.data[11]} ${y.data[12]}`,
		(e) => /running Gather node.*out of data bounds/.exec(e.message)?.[0] ?? e.message,
	);
}
const [off, on, full] = [await run('disabled', true), await run('all', true), await run('all', false)];
console.log(`onnxruntime-node 1.30.0\naxes, optimization off: ${off}\naxes, optimization on:  ${on}\npads of all dimensions: ${full}`);
process.exit(off === '1,4,3,4: 0 1' && full === off && on.startsWith('running Gather node') ? 0 : 1);
JS
node run.mjs
