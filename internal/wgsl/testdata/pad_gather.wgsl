// gather_where_51x3 map[51 3]
//   %0 = 0 <= i0 + -1 < 50
//   %1 = 0 <= i1 < 1
//   %2 = and bool %0 %1
//   %3 = i32 b0[i0 + i1 + -1] if %2
//   %4 = i32 0
//   %5 = maximum i32 %3 %4
//   %6 = i32 19
//   %7 = minimum i32 %5 %6
//   %8 = f32 b1[i0 * 20 + %7 + -20] if %2
//   %9 = f32 7
//   %10 = where f32 %2 %8 %9
//   b2[i0 * 3 + i1] = %10
//   b0: buffer 1, i32[50]
//   b1: buffer 0, f32[1000]
//   b2: buffer 2, f32[153]
@group(0) @binding(0) var<storage, read> b0: array<i32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let at = group * 64 + i32(lix);
  if (at >= 153) { return; }
  let i1 = i32(u32(at) % 3u);
  let i0 = i32(u32(at) / 3u);
  let v0 = (i0 + -1) >= 0 && (i0 + -1) < 50;
  let v1 = (i1) >= 0 && (i1) < 1;
  let v2 = (v0 && v1);
  var v3 = i32(0);
  if (v2) { v3 = b0[i0 + i1 + -1]; }
  let v5 = max(v3, 0);
  let v7 = min(v5, 19);
  var v8 = f32(0);
  if (v2) { v8 = b1[i0 * 20 + v7 + -20]; }
  let v10 = select(7f, v8, v2);
  b2[i0 * 3 + i1] = v10;
}

// lt_cast_1000 map[1000]
//   %0 = f32 b0[i0]
//   %1 = f32 0
//   %2 = lt bool %0 %1
//   %3 = cast i32 %2
//   b1[i0] = %3
//   b0: buffer 0, f32[1000]
//   b1: buffer 3, i32[1000]
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<i32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let at = group * 64 + i32(lix);
  if (at >= 1000) { return; }
  let i0 = at;
  let v0 = b0[i0];
  let v2 = (v0 < 0f);
  let v3 = i32(v2);
  b1[i0] = v3;
}

