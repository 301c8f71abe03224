// sum_mul_sub_128x96 reduce[128] over [96]
//   %0 = f32 b0[i0 * 96 + i1]
//   -- stage 0: sum %0
//   %1 = result 0
//   %2 = f32 0.010416666666666666
//   %3 = mul f32 %1 %2
//   %4 = sub f32 %0 %3
//   %5 = mul f32 %4 %4
//   -- stage 1: sum %5
//   %6 = result 1
//   %7 = mul f32 %6 %2
//   %8 = f32 1e-05
//   %9 = add f32 %7 %8
//   %10 = rsqrt f32 %9
//   b1[i0 * 96 + i1] = %4
//   b2[i0 * 96 + i1] = %10
//   b0: buffer 5, f16[12288]
//   b1: buffer 6, f16[12288]
//   b2: buffer 7, f32[12288]
@group(0) @binding(0) var<storage, read_write> b0: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f32>>;
fn weft_half(x: f32) -> f16 {
  return f16(select(x, x * 3.0e38, abs(x) >= 65520.0));
}
fn weft_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
fn weft_rsqrt(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var y = select(bitcast<u32>(inverseSqrt(x)), 0x7f800000u | (bits & 0x80000000u), x == 0.0);
  y = select(y, 0u, bits == 0x7f800000u);
  return bitcast<f32>(select(y, 0x7fc00000u, (bits > 0x80000000u && x != 0.0) || weft_nan(x)));
}
var<workgroup> m0: array<f32, 256>;
var<workgroup> m1: array<f32, 256>;
@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let tx = i32(lix) % 8;
  let lane = i32(lix) / 8;
  let row = group * 8 + tx;
  let i0 = row;
  var s0 = 0.0;
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let q0 = vec4<f32>(b0[(i0 * 96 + i1) / 4]);
    let v0_0 = q0.x;
    let v0_1 = q0.y;
    let v0_2 = q0.z;
    let v0_3 = q0.w;
    let p0 = v0_0 + v0_1;
    let r0 = v0_2 + v0_3;
    s0 = s0 + (p0 + r0);
  }
  m0[lix] = s0;
  workgroupBarrier();
  if (lane < 16) { m0[lix] = m0[lix] + m0[i32(lix) + 128]; }
  workgroupBarrier();
  if (lane < 8) { m0[lix] = m0[lix] + m0[i32(lix) + 64]; }
  workgroupBarrier();
  if (lane < 4) { m0[lix] = m0[lix] + m0[i32(lix) + 32]; }
  workgroupBarrier();
  if (lane < 2) { m0[lix] = m0[lix] + m0[i32(lix) + 16]; }
  workgroupBarrier();
  if (lane < 1) { m0[lix] = m0[lix] + m0[i32(lix) + 8]; }
  workgroupBarrier();
  s0 = m0[tx];
  let v1 = s0;
  let v3 = (v1 * 0.010416667f);
  var s1 = 0.0;
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let q0 = vec4<f32>(b0[(i0 * 96 + i1) / 4]);
    let v0_0 = q0.x;
    let v0_1 = q0.y;
    let v0_2 = q0.z;
    let v0_3 = q0.w;
    let v4_0 = (v0_0 - v3);
    let v4_1 = (v0_1 - v3);
    let v4_2 = (v0_2 - v3);
    let v4_3 = (v0_3 - v3);
    let v5_0 = (v4_0 * v4_0);
    let v5_1 = (v4_1 * v4_1);
    let v5_2 = (v4_2 * v4_2);
    let v5_3 = (v4_3 * v4_3);
    let p1 = v5_0 + v5_1;
    let r1 = v5_2 + v5_3;
    s1 = s1 + (p1 + r1);
  }
  m1[lix] = s1;
  workgroupBarrier();
  if (lane < 16) { m1[lix] = m1[lix] + m1[i32(lix) + 128]; }
  workgroupBarrier();
  if (lane < 8) { m1[lix] = m1[lix] + m1[i32(lix) + 64]; }
  workgroupBarrier();
  if (lane < 4) { m1[lix] = m1[lix] + m1[i32(lix) + 32]; }
  workgroupBarrier();
  if (lane < 2) { m1[lix] = m1[lix] + m1[i32(lix) + 16]; }
  workgroupBarrier();
  if (lane < 1) { m1[lix] = m1[lix] + m1[i32(lix) + 8]; }
  workgroupBarrier();
  s1 = m1[tx];
  let v6 = s1;
  let v7 = (v6 * 0.010416667f);
  let v9 = (v7 + 1e-05f);
  let v10 = weft_rsqrt(v9);
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let q0 = vec4<f32>(b0[(i0 * 96 + i1) / 4]);
    let v0_0 = q0.x;
    let v0_1 = q0.y;
    let v0_2 = q0.z;
    let v0_3 = q0.w;
    let v4_0 = (v0_0 - v3);
    let v4_1 = (v0_1 - v3);
    let v4_2 = (v0_2 - v3);
    let v4_3 = (v0_3 - v3);
    b1[(i0 * 96 + i1) / 4] = vec4<f16>(weft_half(v4_0), weft_half(v4_1), weft_half(v4_2), weft_half(v4_3));
    b2[(i0 * 96 + i1) / 4] = vec4<f32>(v10, v10, v10, v10);
  }
}

// mul_where_134x98 map[134 98]
//   %0 = 0 <= i0 + -3 < 128
//   %1 = 0 <= i1 + -1 < 96
//   %2 = and bool %0 %1
//   %3 = f32 b0[i0 * 96 + i1 + -289] if %2
//   %4 = f32 b1[i0 * 96 + i1 + -289] if %2
//   %5 = mul f32 %3 %4
//   %6 = f32 0
//   %7 = where f32 %2 %5 %6
//   b2[i0 * 98 + i1] = %7
//   b0: buffer 6, f16[12288]
//   b1: buffer 7, f32[12288]
//   b2: buffer 8, f16[13132]
@group(0) @binding(0) var<storage, read_write> b0: array<f16>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f16>>;
fn weft_half(x: f32) -> f16 {
  return f16(select(x, x * 3.0e38, abs(x) >= 65520.0));
}
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let at = (group * 64 + i32(lix)) * 4;
  if (at >= 13132) { return; }
  let at0 = at + 0;
  let i1_0 = i32(u32(at0) % 98u);
  let i0_0 = i32(u32(at0) / 98u);
  let at1 = at + 1;
  let i1_1 = i32(u32(at1) % 98u);
  let i0_1 = i32(u32(at1) / 98u);
  let at2 = at + 2;
  let i1_2 = i32(u32(at2) % 98u);
  let i0_2 = i32(u32(at2) / 98u);
  let at3 = at + 3;
  let i1_3 = i32(u32(at3) % 98u);
  let i0_3 = i32(u32(at3) / 98u);
  let v0_0 = (i0_0 + -3) >= 0 && (i0_0 + -3) < 128;
  let v0_1 = (i0_1 + -3) >= 0 && (i0_1 + -3) < 128;
  let v0_2 = (i0_2 + -3) >= 0 && (i0_2 + -3) < 128;
  let v0_3 = (i0_3 + -3) >= 0 && (i0_3 + -3) < 128;
  let v1_0 = (i1_0 + -1) >= 0 && (i1_0 + -1) < 96;
  let v1_1 = (i1_1 + -1) >= 0 && (i1_1 + -1) < 96;
  let v1_2 = (i1_2 + -1) >= 0 && (i1_2 + -1) < 96;
  let v1_3 = (i1_3 + -1) >= 0 && (i1_3 + -1) < 96;
  let v2_0 = (v0_0 && v1_0);
  let v2_1 = (v0_1 && v1_1);
  let v2_2 = (v0_2 && v1_2);
  let v2_3 = (v0_3 && v1_3);
  var v3_0 = f32(0);
  if (v2_0) { v3_0 = f32(b0[i0_0 * 96 + i1_0 + -289]); }
  var v3_1 = f32(0);
  if (v2_1) { v3_1 = f32(b0[i0_1 * 96 + i1_1 + -289]); }
  var v3_2 = f32(0);
  if (v2_2) { v3_2 = f32(b0[i0_2 * 96 + i1_2 + -289]); }
  var v3_3 = f32(0);
  if (v2_3) { v3_3 = f32(b0[i0_3 * 96 + i1_3 + -289]); }
  var v4_0 = f32(0);
  if (v2_0) { v4_0 = b1[i0_0 * 96 + i1_0 + -289]; }
  var v4_1 = f32(0);
  if (v2_1) { v4_1 = b1[i0_1 * 96 + i1_1 + -289]; }
  var v4_2 = f32(0);
  if (v2_2) { v4_2 = b1[i0_2 * 96 + i1_2 + -289]; }
  var v4_3 = f32(0);
  if (v2_3) { v4_3 = b1[i0_3 * 96 + i1_3 + -289]; }
  let v5_0 = (v3_0 * v4_0);
  let v5_1 = (v3_1 * v4_1);
  let v5_2 = (v3_2 * v4_2);
  let v5_3 = (v3_3 * v4_3);
  let v7_0 = select(0f, v5_0, v2_0);
  let v7_1 = select(0f, v5_1, v2_1);
  let v7_2 = select(0f, v5_2, v2_2);
  let v7_3 = select(0f, v5_3, v2_3);
  b2[at / 4] = vec4<f16>(weft_half(v7_0), weft_half(v7_1), weft_half(v7_2), weft_half(v7_3));
}

// sum_mul_128x96 reduce[128] over [96]
//   %0 = f32 b0[i0 * 98 + i1 + 295]
//   %1 = f32 b1[i0 * 96 + i1]
//   %2 = mul f32 %0 %1
//   %3 = f32 -0.5
//   %4 = mul f32 %2 %3
//   %5 = f32 b2[i0 * 96 + i1]
//   %6 = mul f32 %5 %5
//   %7 = mul f32 %5 %6
//   %8 = mul f32 %4 %7
//   -- stage 0: sum %8
//   %9 = result 0
//   %10 = f32 0.010416666666666666
//   %11 = mul f32 %9 %10
//   %12 = mul f32 %11 %1
//   %13 = mul f32 %0 %5
//   %14 = add f32 %13 %12
//   %15 = add f32 %14 %12
//   %16 = neg f32 %15
//   -- stage 1: sum %16
//   %17 = result 1
//   %18 = mul f32 %17 %10
//   %19 = add f32 %15 %18
//   b3[i0 * 96 + i1] = %19
//   b0: buffer 10, f16[13132]
//   b1: buffer 6, f16[12288]
//   b2: buffer 7, f32[12288]
//   b3: buffer 11, f16[12288]
@group(0) @binding(0) var<storage, read_write> b0: array<f16>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4<f16>>;
fn weft_half(x: f32) -> f16 {
  return f16(select(x, x * 3.0e38, abs(x) >= 65520.0));
}
var<workgroup> m0: array<f32, 256>;
var<workgroup> m1: array<f32, 256>;
@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let tx = i32(lix) % 8;
  let lane = i32(lix) / 8;
  let row = group * 8 + tx;
  let i0 = row;
  var s0 = 0.0;
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let x0 = i0 * 98 + i1 + 295;
    let v0_0 = f32(b0[x0 + 0]);
    let v0_1 = f32(b0[x0 + 1]);
    let v0_2 = f32(b0[x0 + 2]);
    let v0_3 = f32(b0[x0 + 3]);
    let q1 = vec4<f32>(b1[(i0 * 96 + i1) / 4]);
    let v1_0 = q1.x;
    let v1_1 = q1.y;
    let v1_2 = q1.z;
    let v1_3 = q1.w;
    let v2_0 = (v0_0 * v1_0);
    let v2_1 = (v0_1 * v1_1);
    let v2_2 = (v0_2 * v1_2);
    let v2_3 = (v0_3 * v1_3);
    let v4_0 = (v2_0 * (-0.5f));
    let v4_1 = (v2_1 * (-0.5f));
    let v4_2 = (v2_2 * (-0.5f));
    let v4_3 = (v2_3 * (-0.5f));
    let q5 = b2[(i0 * 96 + i1) / 4];
    let v5_0 = q5.x;
    let v5_1 = q5.y;
    let v5_2 = q5.z;
    let v5_3 = q5.w;
    let v6_0 = (v5_0 * v5_0);
    let v6_1 = (v5_1 * v5_1);
    let v6_2 = (v5_2 * v5_2);
    let v6_3 = (v5_3 * v5_3);
    let v7_0 = (v5_0 * v6_0);
    let v7_1 = (v5_1 * v6_1);
    let v7_2 = (v5_2 * v6_2);
    let v7_3 = (v5_3 * v6_3);
    let v8_0 = (v4_0 * v7_0);
    let v8_1 = (v4_1 * v7_1);
    let v8_2 = (v4_2 * v7_2);
    let v8_3 = (v4_3 * v7_3);
    let p0 = v8_0 + v8_1;
    let r0 = v8_2 + v8_3;
    s0 = s0 + (p0 + r0);
  }
  m0[lix] = s0;
  workgroupBarrier();
  if (lane < 16) { m0[lix] = m0[lix] + m0[i32(lix) + 128]; }
  workgroupBarrier();
  if (lane < 8) { m0[lix] = m0[lix] + m0[i32(lix) + 64]; }
  workgroupBarrier();
  if (lane < 4) { m0[lix] = m0[lix] + m0[i32(lix) + 32]; }
  workgroupBarrier();
  if (lane < 2) { m0[lix] = m0[lix] + m0[i32(lix) + 16]; }
  workgroupBarrier();
  if (lane < 1) { m0[lix] = m0[lix] + m0[i32(lix) + 8]; }
  workgroupBarrier();
  s0 = m0[tx];
  let v9 = s0;
  let v11 = (v9 * 0.010416667f);
  var s1 = 0.0;
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let x0 = i0 * 98 + i1 + 295;
    let v0_0 = f32(b0[x0 + 0]);
    let v0_1 = f32(b0[x0 + 1]);
    let v0_2 = f32(b0[x0 + 2]);
    let v0_3 = f32(b0[x0 + 3]);
    let q1 = vec4<f32>(b1[(i0 * 96 + i1) / 4]);
    let v1_0 = q1.x;
    let v1_1 = q1.y;
    let v1_2 = q1.z;
    let v1_3 = q1.w;
    let q5 = b2[(i0 * 96 + i1) / 4];
    let v5_0 = q5.x;
    let v5_1 = q5.y;
    let v5_2 = q5.z;
    let v5_3 = q5.w;
    let v12_0 = (v11 * v1_0);
    let v12_1 = (v11 * v1_1);
    let v12_2 = (v11 * v1_2);
    let v12_3 = (v11 * v1_3);
    let v13_0 = (v0_0 * v5_0);
    let v13_1 = (v0_1 * v5_1);
    let v13_2 = (v0_2 * v5_2);
    let v13_3 = (v0_3 * v5_3);
    let v14_0 = (v13_0 + v12_0);
    let v14_1 = (v13_1 + v12_1);
    let v14_2 = (v13_2 + v12_2);
    let v14_3 = (v13_3 + v12_3);
    let v15_0 = (v14_0 + v12_0);
    let v15_1 = (v14_1 + v12_1);
    let v15_2 = (v14_2 + v12_2);
    let v15_3 = (v14_3 + v12_3);
    let v16_0 = (-v15_0);
    let v16_1 = (-v15_1);
    let v16_2 = (-v15_2);
    let v16_3 = (-v15_3);
    let p1 = v16_0 + v16_1;
    let r1 = v16_2 + v16_3;
    s1 = s1 + (p1 + r1);
  }
  m1[lix] = s1;
  workgroupBarrier();
  if (lane < 16) { m1[lix] = m1[lix] + m1[i32(lix) + 128]; }
  workgroupBarrier();
  if (lane < 8) { m1[lix] = m1[lix] + m1[i32(lix) + 64]; }
  workgroupBarrier();
  if (lane < 4) { m1[lix] = m1[lix] + m1[i32(lix) + 32]; }
  workgroupBarrier();
  if (lane < 2) { m1[lix] = m1[lix] + m1[i32(lix) + 16]; }
  workgroupBarrier();
  if (lane < 1) { m1[lix] = m1[lix] + m1[i32(lix) + 8]; }
  workgroupBarrier();
  s1 = m1[tx];
  let v17 = s1;
  let v18 = (v17 * 0.010416667f);
  for (var e = lane * 4; e < 96; e += 128) {
    let i1 = e;
    let x0 = i0 * 98 + i1 + 295;
    let v0_0 = f32(b0[x0 + 0]);
    let v0_1 = f32(b0[x0 + 1]);
    let v0_2 = f32(b0[x0 + 2]);
    let v0_3 = f32(b0[x0 + 3]);
    let q1 = vec4<f32>(b1[(i0 * 96 + i1) / 4]);
    let v1_0 = q1.x;
    let v1_1 = q1.y;
    let v1_2 = q1.z;
    let v1_3 = q1.w;
    let q5 = b2[(i0 * 96 + i1) / 4];
    let v5_0 = q5.x;
    let v5_1 = q5.y;
    let v5_2 = q5.z;
    let v5_3 = q5.w;
    let v12_0 = (v11 * v1_0);
    let v12_1 = (v11 * v1_1);
    let v12_2 = (v11 * v1_2);
    let v12_3 = (v11 * v1_3);
    let v13_0 = (v0_0 * v5_0);
    let v13_1 = (v0_1 * v5_1);
    let v13_2 = (v0_2 * v5_2);
    let v13_3 = (v0_3 * v5_3);
    let v14_0 = (v13_0 + v12_0);
    let v14_1 = (v13_1 + v12_1);
    let v14_2 = (v13_2 + v12_2);
    let v14_3 = (v13_3 + v12_3);
    let v15_0 = (v14_0 + v12_0);
    let v15_1 = (v14_1 + v12_1);
    let v15_2 = (v14_2 + v12_2);
    let v15_3 = (v14_3 + v12_3);
    let v19_0 = (v15_0 + v18);
    let v19_1 = (v15_1 + v18);
    let v19_2 = (v15_2 + v18);
    let v19_3 = (v15_3 + v18);
    b3[(i0 * 96 + i1) / 4] = vec4<f16>(weft_half(v19_0), weft_half(v19_1), weft_half(v19_2), weft_half(v19_3));
  }
}

