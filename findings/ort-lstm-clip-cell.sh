#!/usr/bin/env bash
# Guess: LSTM's attribute clip limits the argument of every activation, as the ONNX
# standard says ("applied to the input of activations"): of the gates, of the candidate
# and of the cell before the last one.
#
# What happens: ONNX Runtime 1.30 limits the gates and the candidate, but not the cell
# before its activation h. With clip 0.5 and a cell of 3.4 the state is o tanh(3.4).
#
# Why it matters: a runtime that follows the text gives other states as soon as a cell
# exceeds the clip, by a factor of two here, and no test of the standard has a clip.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent onnxruntime-node@1.30.0
cat >run.mjs <<'JS'
import * as ort from 'onnxruntime-node';
// A model of one node, as the protocol buffer that it is.
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)]);
const part = (field, bytes) => [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
const text = (field, s) => part(field, [...Buffer.from(s)]);
const number = (field, v) => [...varint(field << 3), ...varint(v)];
const shape = (dims) => part(2, dims.flatMap((d) => part(1, number(1, d))));
const value = (field, name, dims) => part(field, [...text(1, name), ...part(2, part(1, [...number(1, 1), ...(dims ? shape(dims) : [])]))]);
const inputs = { x: [[1, 1, 1], [10]], w: [[1, 4, 1], [1, 1, 1, 1]], r: [[1, 4, 1], [0, 0, 0, 0]], c0: [[1, 1, 1], [5]] };
const clip = part(5, [...text(1, 'clip'), (2 << 3) | 5, ...new Uint8Array(Float32Array.of(0.5).buffer), ...number(20, 1)]);
const size = part(5, [...text(1, 'hidden_size'), ...number(3, 1), ...number(20, 2)]);
const node = [...['x', 'w', 'r', '', '', '', 'c0'].flatMap((n) => text(1, n)), ...['', 'h', 'c'].flatMap((n) => text(2, n)), ...text(4, 'LSTM'), ...clip, ...size];
const graph = [...part(1, node), ...text(2, 'g'), ...Object.entries(inputs).flatMap(([n, [dims]]) => value(11, n, dims)), ...value(12, 'h'), ...value(12, 'c')];
const session = await ort.InferenceSession.create(Uint8Array.from([...number(1, 8), ...part(7, graph), ...part(8, number(2, 14))]), { logSeverityLevel: 4 });
const feeds = Object.fromEntries(Object.entries(inputs).map(([n, [dims, data]]) => [n, new ort.Tensor('float32', Float32Array.from(data), dims)]));
const out = await session.run(feeds);
const gate = 1 / (1 + Math.exp(-0.5));
const cell = gate * 5 + gate * Math.tanh(0.5);
const h = out.h.data[0];
console.log(`onnxruntime-node 1.30.0\ncell ${out.c.data[0]} (${cell}), state ${h}\no tanh(0.5), the cell limited too: ${gate * Math.tanh(0.5)}\no tanh(cell): ${gate * Math.tanh(cell)}`);
process.exit(Math.abs(out.c.data[0] - cell) < 1e-5 && Math.abs(h - gate * Math.tanh(cell)) < 1e-5 ? 0 : 1);
JS
node run.mjs
