// max_add_where_20x150 reduce[20] over [150]
//   %0 = 0 <= i1 + -100 < 50
//   %1 = f32 b0[i0 + i1 * 20 + -2000] if %0
//   %2 = f32 b1[i0]
//   %3 = add f32 %1 %2
//   %4 = f32 0
//   %5 = where f32 %0 %3 %4
//   -- stage 0: max %5
//   %6 = result 0
//   b2[i0] = %6
//   b0: buffer 0, f32[1000]
//   b1: buffer 1, f32[20]
//   b2: buffer 2, f32[20]
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
var<private> inf_bits: u32 = 0x7f800000u;
fn weft_max(a: f32, b: f32) -> f32 {
  return bitcast<f32>(select(bitcast<u32>(max(a, b)), 0x7fc00000u, weft_nan(a) || weft_nan(b)));
}
fn weft_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
var<workgroup> m0: array<f32, 256>;
@compute @workgroup_size(256, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let tx = i32(lix) % 4;
  let lane = i32(lix) / 4;
  let row = group * 4 + tx;
  let i0 = row;
  let v2 = b1[i0];
  var s0 = -bitcast<f32>(inf_bits);
  for (var e = lane; e < 150; e += 64) {
    let i1 = e;
    let v0 = (i1 + -100) >= 0 && (i1 + -100) < 50;
    var v1 = f32(0);
    if (v0) { v1 = b0[i0 + i1 * 20 + -2000]; }
    let v3 = (v1 + v2);
    let v5 = select(0f, v3, v0);
    s0 = weft_max(s0, v5);
  }
  m0[lix] = s0;
  workgroupBarrier();
  if (lane < 32) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 128]); }
  workgroupBarrier();
  if (lane < 16) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 64]); }
  workgroupBarrier();
  if (lane < 8) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 32]); }
  workgroupBarrier();
  if (lane < 4) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 16]); }
  workgroupBarrier();
  if (lane < 2) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 8]); }
  workgroupBarrier();
  if (lane < 1) { m0[lix] = weft_max(m0[lix], m0[i32(lix) + 4]); }
  workgroupBarrier();
  s0 = m0[tx];
  let v6 = s0;
  if (lane == 0) {
    b2[i0] = v6;
  }
}

