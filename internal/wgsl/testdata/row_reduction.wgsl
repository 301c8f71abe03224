// sum_mul_sub_50x20 reduce[50] over [20]
//   %0 = f32 b0[i0 * 20 + i1]
//   -- stage 0: sum %0
//   %1 = result 0
//   %2 = f32 0.05
//   %3 = mul f32 %1 %2
//   %4 = sub f32 %0 %3
//   %5 = mul f32 %4 %4
//   -- stage 1: sum %5
//   %6 = result 1
//   b1[i0 * 20 + i1] = %4
//   b2[i0] = %6
//   b0: buffer 0, f32[1000]
//   b1: buffer 1, f32[1000]
//   b2: buffer 2, f32[50]
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
  let group = i32(wid.x);
  let tx = i32(lix) % 64;
  let lane = i32(lix) / 64;
  let row_at = group * 64 + tx;
  let row = min(row_at, 49);
  let i0 = row;
  var s0 = 0.0;
  for (var e = 0; e < 20; e++) {
    let i1 = e;
    let v0 = b0[i0 * 20 + i1];
    s0 = s0 + v0;
  }
  let v1 = s0;
  let v3 = (v1 * 0.05f);
  var s1 = 0.0;
  for (var e = 0; e < 20; e++) {
    let i1 = e;
    let v0 = b0[i0 * 20 + i1];
    let v4 = (v0 - v3);
    let v5 = (v4 * v4);
    s1 = s1 + v5;
  }
  let v6 = s1;
  if (row_at < 50) {
    for (var e = 0; e < 20; e++) {
      let i1 = e;
      let v0 = b0[i0 * 20 + i1];
      let v4 = (v0 - v3);
      b1[i0 * 20 + i1] = v4;
    }
  }
  if (row_at < 50) {
    b2[i0] = v6;
  }
}

