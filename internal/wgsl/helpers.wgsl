// Functions that WGSL lacks. Each is included, with those that it calls, only in
// the kernels that call it.
//
// Not a number is told from its bits throughout. WGSL lets a compiler assume that
// there are no NaNs, and compilers do: max and min drop them, x != x is false, and
// a select that compares its own operands becomes a max again. Of integer
// arithmetic nobody may assume anything.

fn weft_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// y, or not a number where x is none.
fn weft_keep(x: f32, y: f32) -> f32 {
  return bitcast<f32>(select(bitcast<u32>(y), 0x7fc00000u, weft_nan(x)));
}

// The greater; not a number where either is none.
fn weft_max(a: f32, b: f32) -> f32 {
  return bitcast<f32>(select(bitcast<u32>(max(a, b)), 0x7fc00000u, weft_nan(a) || weft_nan(b)));
}

// The lesser; not a number where either is none.
fn weft_min(a: f32, b: f32) -> f32 {
  return bitcast<f32>(select(bitcast<u32>(min(a, b)), 0x7fc00000u, weft_nan(a) || weft_nan(b)));
}

// 0 for what is negative: the bits from those of -0 to those of -infinity.
fn weft_relu(x: f32) -> f32 {
  return select(x, 0.0, (bitcast<u32>(x) - 0x80000000u) <= 0x7f800000u);
}

fn weft_sign(x: f32) -> f32 {
  return weft_keep(x, sign(x));
}

fn weft_exp(x: f32) -> f32 {
  return weft_keep(x, exp(x));
}

fn weft_sigmoid(x: f32) -> f32 {
  return weft_keep(x, 1.0 / (1.0 + exp(-x)));
}

// Some adapters give finite logarithms of 0 and of negative numbers.
fn weft_log(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var y = bitcast<u32>(log(x));
  y = select(y, 0xff800000u, x == 0.0);
  y = select(y, bits, bits == 0x7f800000u);
  return bitcast<f32>(select(y, 0x7fc00000u, (bits > 0x80000000u && x != 0.0) || weft_nan(x)));
}

fn weft_sqrt(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return bitcast<f32>(select(bitcast<u32>(sqrt(x)), 0x7fc00000u, (bits > 0x80000000u && x != 0.0) || weft_nan(x)));
}

fn weft_rsqrt(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  var y = select(bitcast<u32>(inverseSqrt(x)), 0x7f800000u | (bits & 0x80000000u), x == 0.0);
  y = select(y, 0u, bits == 0x7f800000u);
  return bitcast<f32>(select(y, 0x7fc00000u, (bits > 0x80000000u && x != 0.0) || weft_nan(x)));
}

// Cephes' polynomial (Moshier) below 5/8, where the formula above it cancels:
// WGSL's own is 14 % off at 1e-8 on some adapters.
fn weft_tanh(x: f32) -> f32 {
  let a = abs(x);
  let z = a * a;
  let near = a + a * z * ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z - 3.33332819422e-1);
  let far = 1.0 - 2.0 / (exp(2.0 * min(a, 15.0)) + 1.0);
  let bits = bitcast<u32>(select(far, near, a < 0.625)) | (bitcast<u32>(x) & 0x80000000u);
  return bitcast<f32>(select(bits, 0x7fc00000u, weft_nan(x)));
}

// To an integer, towards 0: the nearest there is, and 0 for what is not a number.
fn weft_int(x: f32) -> i32 {
  let y = select(i32(clamp(x, -2147483648.0, 2147483520.0)), 2147483647, x >= 2147483648.0);
  return select(y, 0, weft_nan(x));
}

// Error function: Abramowitz and Stegun, Handbook of Mathematical Functions,
// 7.1.26; absolute error below 1.5e-7.
fn weft_erf(x: f32) -> f32 {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  // Near 0 the difference below cancels; there the series is exact enough.
  let small = a * (1.1283791671 - a * a * (0.3761263890 - a * a * 0.1128379167));
  return weft_keep(x, sign(x) * select(1.0 - p * exp(-a * a), small, a < 0.1));
}

// Sine (turn 0) and cosine (turn 1). WGSL's own may be wrong by 2^-11, and on some
// adapters are by more than 1e-4. Range reduction and polynomials are those of Cephes
// (Moshier, Methods and Programs for Mathematical Functions, 1989): error below 4e-7 up
// to 8000. Reducing what is larger exactly takes so much integer arithmetic that
// shaders with many sines take minutes to compile.
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

// exp(x) - 1 without cancellation near 0.
fn weft_expm1(x: f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.008333334))));
  return select(weft_exp(x) - 1.0, series, abs(x) < 0.1);
}

// log(1 + x) without cancellation near 0.
fn weft_log1p(x: f32) -> f32 {
  let series = x * (1.0 - x * (0.5 - x * (0.33333334 - x * (0.25 - x * (0.2 - x * 0.16666667)))));
  return select(weft_log(1.0 + x), series, abs(x) < 0.05);
}

// x to the power y, with C's special cases, which are Go's and PyTorch's; WGSL's
// pow leaves negative x undefined.
fn weft_pow(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) {
    return 1.0;
  }
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let tall = abs(y) >= 16777216.0; // an even number, or infinite
  let whole = tall || floor(y) == y;
  let odd = whole && !tall && (floor(y * 0.5) * 2.0 != y);
  let a = abs(x);
  var p = bitcast<u32>(exp2(y * log2(a)));
  if (size == 0x7f800000u || a == 0.0) {
    p = select(0u, 0x7f800000u, (y > 0.0) == (size == 0x7f800000u));
  } else if (a == 1.0) {
    p = 0x3f800000u;
  } else if (abs(y) > 3.0e38) {
    p = select(0u, 0x7f800000u, (y > 0.0) == (a > 1.0));
  }
  if (odd) {
    p |= bits & 0x80000000u;
  }
  let wrong = bits > 0x80000000u && size < 0x7f800000u && a != 0.0 && !whole;
  return bitcast<f32>(select(p, 0x7fc00000u, wrong || weft_nan(x) || weft_nan(y)));
}

// Integer division that gives 0 for a divisor of 0.
fn weft_divi(a: i32, b: i32) -> i32 {
  if (b == 0) {
    return 0;
  }
  return a / b;
}

// Remainder with the divisor's sign; 0 for a divisor of 0. Not by %, which
// drivers get wrong for negative numbers: Vulkan leaves OpSRem undefined there.
fn weft_modi(a: i32, b: i32) -> i32 {
  if (b == 0) {
    return 0;
  }
  let r = a - a / b * b;
  return select(r, r + b, (r ^ b) < 0 && r != 0);
}

// Uniform in [0, 1): 24 bits of Philox2x32-10 (Salmon et al., SC 2011) of the
// counter (a, b) under the key c. The 64-bit product is made of 16-bit parts.
fn weft_rand(a: i32, b: i32, c: i32) -> f32 {
  var l = bitcast<u32>(a);
  var r = bitcast<u32>(b);
  var key = bitcast<u32>(c);
  for (var i = 0; i < 10; i++) {
    let l0 = l & 0xffffu;
    let l1 = l >> 16u;
    let p00 = l0 * 0xd193u;
    let p01 = l0 * 0xd256u;
    let p10 = l1 * 0xd193u;
    let mid = (p00 >> 16u) + (p01 & 0xffffu) + (p10 & 0xffffu);
    let hi = l1 * 0xd256u + (p01 >> 16u) + (p10 >> 16u) + (mid >> 16u);
    let lo = l * 0xd256d193u;
    l = hi ^ key ^ r;
    r = lo;
    key += 0x9e3779b9u;
  }
  return f32(l >> 8u) * (1.0 / 16777216.0);
}

// To f16, infinite beyond its largest number: WGSL leaves open what a conversion
// makes of that, and loss scaling looks for it. 65520 is the first to be rounded up.
fn weft_half(x: f32) -> f16 {
  return f16(select(x, x * 3.0e38, abs(x) >= 65520.0));
}

// Arc tangent: a third of the range each around 0, 1 and infinity, then Cephes'
// polynomial (Moshier). WGSL's own may be wrong by 4096 units in the last place.
fn weft_atan(x: f32) -> f32 {
  let a = abs(x);
  let far = a > 2.4142136;
  let near = a <= 0.41421356;
  var r = (a - 1.0) / (a + 1.0);
  r = select(r, a, near);
  r = select(r, -1.0 / a, far);
  let z = r * r;
  let p = (((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * r;
  let y = select(select(0.78539816, 0.0, near), 1.5707964, far) + (r + p);
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return x;
  }
  return bitcast<f32>(bitcast<u32>(y) | (bits & 0x80000000u));
}

// Arc sine (kind 0) and cosine (kind 1), by Cephes' polynomial up to 1/2 and from
// there by asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)).
fn weft_arc(x: f32, kind: i32) -> f32 {
  let bits = bitcast<u32>(x);
  let a = abs(x);
  let upper = a > 0.5;
  let z = select(a * a, 0.5 * (1.0 - a), upper);
  let w = select(a, sqrt(max(z, 0.0)), upper);
  let p = ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z + 1.6666752422e-1) * z * w + w;
  let negative = (bits & 0x80000000u) != 0u;
  var y = bitcast<f32>(bitcast<u32>(select(p, 1.5707964 - 2.0 * p, upper)) | (bits & 0x80000000u));
  if (kind == 1) {
    y = select(1.5707964 - y, select(2.0 * p, 3.1415927 - 2.0 * p, negative), upper);
  }
  // Not a number beyond 1, which the bits say also where comparisons of such are left open.
  return bitcast<f32>(select(bitcast<u32>(y), 0x7fc00000u, (bits & 0x7fffffffu) > 0x3f800000u));
}

// Area hyperbolic sine (kind 0), cosine (1) and tangent (2), all as log(1 + u) of
// a u without cancellation: that is a series of u/(2+u) near 0, and from there the
// logarithm by exponent and mantissa, since WGSL's own is only as good as 2^-21.
fn weft_area(x: f32, kind: i32) -> f32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let a = abs(x);
  let far = kind != 2 && a > 1.0e9; // log(2 a), whose square may be too large
  var u = a + a * a / (1.0 + sqrt(1.0 + a * a));
  if (kind == 1) {
    let t = x - 1.0;
    u = t + sqrt(max(t * (t + 2.0), 0.0));
  } else if (kind == 2) {
    u = 2.0 * a / max(1.0 - a, 1.0e-9);
  }
  let s = select(1.0 + u, a, far);
  let b = bitcast<u32>(s);
  var e = f32(i32(b >> 23u) - 127);
  var m = bitcast<f32>((b & 0x007fffffu) | 0x3f800000u);
  if (m > 1.4142135) {
    m *= 0.5;
    e += 1.0;
  }
  let small = !far && u < 0.41;
  let r = select((m - 1.0) / (m + 1.0), u / (2.0 + u), small);
  e = select(e, 0.0, small) + select(0.0, 1.0, far);
  let z = r * r;
  let p = 2.0 * r * (1.0 + z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * 0.11111111))));
  var y = e * 0.693359375 + (p - e * 2.1219444e-4);
  if (kind == 2) {
    y *= 0.5;
  }
  var out = bitcast<u32>(y);
  var wrong = size > 0x7f800000u;
  if (size == 0x7f800000u) {
    out = size;
  }
  if (kind == 1) {
    wrong = wrong || size < 0x3f800000u || bits > 0x7f800000u;
  } else {
    out |= bits & 0x80000000u;
  }
  if (kind == 2) {
    wrong = wrong || size > 0x3f800000u;
    out = select(out, 0x7f800000u | (bits & 0x80000000u), size == 0x3f800000u);
  }
  return bitcast<f32>(select(out, 0x7fc00000u, wrong));
}

// Hyperbolic sine (kind 0) and cosine (kind 1): a series near 0, and from there
// by h = e^|x| / 2, which has no overflow where the results have none.
fn weft_hyperbolic(x: f32, kind: i32) -> f32 {
  let bits = bitcast<u32>(x);
  let a = min(abs(x), 100.0);
  let n = round(a * 1.442695);
  let r = (a - n * 0.693359375) + n * 2.1219444e-4;
  let p = 1.0 + (r + r * r * (0.5 + r * (1.6666665e-1 + r * (4.1665795e-2 + r * (8.3334519e-3 + r * (1.3981999e-3 + r * 1.9875691e-4))))));
  let k = i32(n) - 1;
  let h = p * bitcast<f32>(u32(k / 2 + 127) << 23u) * bitcast<f32>(u32(k - k / 2 + 127) << 23u);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return x;
  }
  if (kind == 1) {
    return h + 0.25 / h;
  }
  let z = a * a;
  let series = a + a * z * (1.6666667e-1 + z * (8.3333309e-3 + z * (1.9841341e-4 + z * 2.7557319e-6)));
  let y = select(h - 0.25 / h, series, a < 1.0);
  return bitcast<f32>(bitcast<u32>(y) | (bits & 0x80000000u));
}
