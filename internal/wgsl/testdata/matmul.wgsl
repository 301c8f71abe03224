// matmul_add_relu_96x128x64 matmul[96 128] k=64 %0 x %1
//   %0 = f32 b0[i0 * 64 + i2]
//   %1 = f32 b1[i1 + i2 * 128]
//   %2 = acc
//   %3 = f32 b2[i1]
//   %4 = add f32 %2 %3
//   %5 = relu f32 %4
//   b3[i0 * 128 + i1] = %5
//   b0: buffer 0, f32[6144]
//   b1: buffer 1, f32[8192]
//   b2: buffer 2, f32[128]
//   b3: buffer 3, f32[12288]
@group(0) @binding(0) var<storage, read> b0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b2: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> b3: array<vec4<f32>>;
fn weft_relu(x: f32) -> f32 {
  return select(x, 0.0, (bitcast<u32>(x) - 0x80000000u) <= 0x7f800000u);
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
			let q3 = b2[(i1) / 4];
			let v3_0 = q3.x;
			let v3_1 = q3.y;
			let v3_2 = q3.z;
			let v3_3 = q3.w;
			let v4_0 = (v2_0 + v3_0);
			let v4_1 = (v2_1 + v3_1);
			let v4_2 = (v2_2 + v3_2);
			let v4_3 = (v2_3 + v3_3);
			let v5_0 = weft_relu(v4_0);
			let v5_1 = weft_relu(v4_1);
			let v5_2 = weft_relu(v4_2);
			let v5_3 = weft_relu(v4_3);
			b3[(i0 * 128 + i1) / 4] = vec4<f32>(v5_0, v5_1, v5_2, v5_3);
		}
	}
}

