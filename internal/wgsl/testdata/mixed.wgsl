// matmul_sin_cos_96x128x64 matmul[96 128] k=64 %0 x %1
//   %0 = f32 b0[i0 * 64 + i2]
//   %1 = f32 b1[i1 + i2 * 128]
//   %2 = acc
//   %3 = sin f32 %2
//   %4 = cos f32 %2
//   b2[i0 * 128 + i1] = %3
//   b3[i0 * 128 + i1] = %4
//   b0: buffer 0, f32[6144]
//   b1: buffer 1, f32[8192]
//   b2: buffer 5, f16[12288]
//   b3: buffer 6, f16[12288]
@group(0) @binding(0) var<storage, read> b0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4<f16>>;
fn weft_half(x: f32) -> f16 {
  return f16(select(x, x * 3.0e38, abs(x) >= 65520.0));
}
fn weft_turn(x: f32, turn: i32) -> f32 {
  // In quarter turns, whose length is subtracted in three parts.
  let q = round(x * 0.63661977);
  let r = ((x - q * 1.5703125) - q * 4.8375130e-4) - q * 7.5497899e-8;
  let z = r * r;
  let s = r + r * z * (-1.6666655e-1 + z * (8.3321609e-3 - z * 1.9515296e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.1666646e-2 + z * (-1.3887316e-3 + z * 2.4433157e-5));
  let n = i32(q) + turn;
  let y = select(1.0, -1.0, (n & 2) != 0) * select(s, c, (n & 1) != 0);
  return bitcast<f32>(select(bitcast<u32>(clamp(y, -1.0, 1.0)), 0x7fc00000u, (bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u));
}
var<workgroup> mm_sh: array<vec4<f32>, 144>;
@compute @workgroup_size(32, 1, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lix: u32) {
	let mm_b = 0u;
	let mm_m0 = wid.y * 8u;
	let mm_n0 = wid.x * 8u;
	let mm_tx = lix % 2u;
	let mm_ty = lix / 2u % 2u;
	let mm_ks = lix / 4u;
	let mm_row = mm_m0 + mm_ty * 4u;
	let mm_col = mm_n0 + mm_tx * 4u;
	let mm_ai0 = 0u + (mm_row + 0u) * 64;
	let mm_ai1 = mm_ai0 + 64u;
	let mm_ai2 = mm_ai0 + 128u;
	let mm_ai3 = mm_ai0 + 192u;
	let mm_bq0 = 0u + (mm_col + 0u);
	var mm_c0_0 = vec4<f32>();
	var mm_c1_0 = vec4<f32>();
	var mm_c2_0 = vec4<f32>();
	var mm_c3_0 = vec4<f32>();
	for (var mm_t = 0u; mm_t < 2u; mm_t += 2u) {
		let mm_k4_0 = (mm_t + 0u) * 8u + mm_ks;
		let mm_ka0_0 = (mm_k4_0 * 4u);
		let mm_a0_0 = b0[(mm_ai0 + mm_ka0_0) >> 2u];
		let mm_a0_1 = b0[(mm_ai1 + mm_ka0_0) >> 2u];
		let mm_a0_2 = b0[(mm_ai2 + mm_ka0_0) >> 2u];
		let mm_a0_3 = b0[(mm_ai3 + mm_ka0_0) >> 2u];
		let mm_kb0_0 = (mm_k4_0 * 4u + 0u) * 128;
		let mm_kb0_1 = mm_kb0_0 + 128u;
		let mm_kb0_2 = mm_kb0_0 + 256u;
		let mm_kb0_3 = mm_kb0_0 + 384u;
		let mm_b0_0_0 = b1[(mm_bq0 + mm_kb0_0) >> 2u];
		let mm_b0_1_0 = b1[(mm_bq0 + mm_kb0_1) >> 2u];
		let mm_b0_2_0 = b1[(mm_bq0 + mm_kb0_2) >> 2u];
		let mm_b0_3_0 = b1[(mm_bq0 + mm_kb0_3) >> 2u];
		let mm_k4_1 = (mm_t + 1u) * 8u + mm_ks;
		let mm_ka1_0 = (mm_k4_1 * 4u);
		let mm_a1_0 = b0[(mm_ai0 + mm_ka1_0) >> 2u];
		let mm_a1_1 = b0[(mm_ai1 + mm_ka1_0) >> 2u];
		let mm_a1_2 = b0[(mm_ai2 + mm_ka1_0) >> 2u];
		let mm_a1_3 = b0[(mm_ai3 + mm_ka1_0) >> 2u];
		let mm_kb1_0 = (mm_k4_1 * 4u + 0u) * 128;
		let mm_kb1_1 = mm_kb1_0 + 128u;
		let mm_kb1_2 = mm_kb1_0 + 256u;
		let mm_kb1_3 = mm_kb1_0 + 384u;
		let mm_b1_0_0 = b1[(mm_bq0 + mm_kb1_0) >> 2u];
		let mm_b1_1_0 = b1[(mm_bq0 + mm_kb1_1) >> 2u];
		let mm_b1_2_0 = b1[(mm_bq0 + mm_kb1_2) >> 2u];
		let mm_b1_3_0 = b1[(mm_bq0 + mm_kb1_3) >> 2u];
		mm_c0_0 = fma(vec4<f32>(mm_a0_0.x), mm_b0_0_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a0_1.x), mm_b0_0_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a0_2.x), mm_b0_0_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a0_3.x), mm_b0_0_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a0_0.y), mm_b0_1_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a0_1.y), mm_b0_1_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a0_2.y), mm_b0_1_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a0_3.y), mm_b0_1_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a0_0.z), mm_b0_2_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a0_1.z), mm_b0_2_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a0_2.z), mm_b0_2_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a0_3.z), mm_b0_2_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a0_0.w), mm_b0_3_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a0_1.w), mm_b0_3_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a0_2.w), mm_b0_3_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a0_3.w), mm_b0_3_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a1_0.x), mm_b1_0_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a1_1.x), mm_b1_0_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a1_2.x), mm_b1_0_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a1_3.x), mm_b1_0_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a1_0.y), mm_b1_1_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a1_1.y), mm_b1_1_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a1_2.y), mm_b1_1_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a1_3.y), mm_b1_1_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a1_0.z), mm_b1_2_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a1_1.z), mm_b1_2_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a1_2.z), mm_b1_2_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a1_3.z), mm_b1_2_0, mm_c3_0);
		mm_c0_0 = fma(vec4<f32>(mm_a1_0.w), mm_b1_3_0, mm_c0_0);
		mm_c1_0 = fma(vec4<f32>(mm_a1_1.w), mm_b1_3_0, mm_c1_0);
		mm_c2_0 = fma(vec4<f32>(mm_a1_2.w), mm_b1_3_0, mm_c2_0);
		mm_c3_0 = fma(vec4<f32>(mm_a1_3.w), mm_b1_3_0, mm_c3_0);
	}
	mm_sh[((mm_ty * 4u + 0u) * 2u + mm_tx * 1u + 0u) * 9u + mm_ks] = mm_c0_0;
	mm_sh[((mm_ty * 4u + 1u) * 2u + mm_tx * 1u + 0u) * 9u + mm_ks] = mm_c1_0;
	mm_sh[((mm_ty * 4u + 2u) * 2u + mm_tx * 1u + 0u) * 9u + mm_ks] = mm_c2_0;
	mm_sh[((mm_ty * 4u + 3u) * 2u + mm_tx * 1u + 0u) * 9u + mm_ks] = mm_c3_0;
	workgroupBarrier();
	if (lix < 16u) {
		let mm_out = lix + 0u;
		let mm_part = mm_out * 9u;
		var mm_sum = mm_sh[mm_part];
		mm_sum += mm_sh[mm_part + 1u];
		mm_sum += mm_sh[mm_part + 2u];
		mm_sum += mm_sh[mm_part + 3u];
		mm_sum += mm_sh[mm_part + 4u];
		mm_sum += mm_sh[mm_part + 5u];
		mm_sum += mm_sh[mm_part + 6u];
		mm_sum += mm_sh[mm_part + 7u];
		{
			let mm_m = mm_m0 + mm_out / 2u;
			let mm_n = mm_n0 + mm_out % 2u * 4u;
			let mm_v = mm_sum;
			let i0 = i32(mm_m);
			let i1 = i32(mm_n);
			let v2_0 = mm_v.x;
			let v2_1 = mm_v.y;
			let v2_2 = mm_v.z;
			let v2_3 = mm_v.w;
			let v3_0 = weft_turn(v2_0, 0);
			let v3_1 = weft_turn(v2_1, 0);
			let v3_2 = weft_turn(v2_2, 0);
			let v3_3 = weft_turn(v2_3, 0);
			let v4_0 = weft_turn(v2_0, 1);
			let v4_1 = weft_turn(v2_1, 1);
			let v4_2 = weft_turn(v2_2, 1);
			let v4_3 = weft_turn(v2_3, 1);
			b2[(i0 * 128 + i1) / 4] = vec4<f16>(weft_half(v3_0), weft_half(v3_1), weft_half(v3_2), weft_half(v3_3));
			b3[(i0 * 128 + i1) / 4] = vec4<f16>(weft_half(v4_0), weft_half(v4_1), weft_half(v4_2), weft_half(v4_3));
		}
	}
}

