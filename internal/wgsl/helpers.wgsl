// Functions that WGSL lacks. Each is included only in the kernels that call it.

// Error function: Abramowitz and Stegun, Handbook of Mathematical Functions,
// 7.1.26; absolute error below 1.5e-7.
fn weft_erf(x: f32) -> f32 {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  // Near 0 the difference below cancels; there the series is exact enough.
  let small = a * (1.1283791671 - a * a * (0.3761263890 - a * a * 0.1128379167));
  return sign(x) * select(1.0 - p * exp(-a * a), small, a < 0.1);
}

// Sine and cosine. WGSL's own may be wrong by 2^-11, and on some adapters are by
// more than 1e-4. Range reduction and polynomials are those of Cephes (Moshier,
// Methods and Programs for Mathematical Functions, 1989): error below 2e-7 up to
// about 8000.
fn weft_sin(x: f32) -> f32 {
  // In quarter turns, whose length is subtracted in three parts.
  let q = round(x * 0.63661977);
  let r = ((x - q * 1.5703125) - q * 4.8375130e-4) - q * 7.5497899e-8;
  let z = r * r;
  let s = r + r * z * (-1.6666655e-1 + z * (8.3321609e-3 - z * 1.9515296e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.1666646e-2 + z * (-1.3887316e-3 + z * 2.4433157e-5));
  let n = i32(q);
  return select(1.0, -1.0, (n & 2) != 0) * select(s, c, (n & 1) != 0);
}

fn weft_cos(x: f32) -> f32 {
  let q = round(x * 0.63661977);
  let r = ((x - q * 1.5703125) - q * 4.8375130e-4) - q * 7.5497899e-8;
  let z = r * r;
  let s = r + r * z * (-1.6666655e-1 + z * (8.3321609e-3 - z * 1.9515296e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.1666646e-2 + z * (-1.3887316e-3 + z * 2.4433157e-5));
  let n = i32(q) + 1;
  return select(1.0, -1.0, (n & 2) != 0) * select(s, c, (n & 1) != 0);
}

// exp(x) - 1 without cancellation near 0.
fn weft_expm1(x: f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.008333334))));
  return select(exp(x) - 1.0, series, abs(x) < 0.1);
}

// log(1 + x) without cancellation near 0.
fn weft_log1p(x: f32) -> f32 {
  let series = x * (1.0 - x * (0.5 - x * (0.33333334 - x * (0.25 - x * (0.2 - x * 0.16666667)))));
  return select(log(1.0 + x), series, abs(x) < 0.05);
}

// x to the power y, also for negative x where y is an integer; WGSL's pow
// leaves that undefined.
fn weft_pow(x: f32, y: f32) -> f32 {
  if (y == 0.0) {
    return 1.0;
  }
  if (x == 0.0) {
    return select(0.0, 1.0 / abs(x), y < 0.0);
  }
  let p = exp2(y * log2(abs(x)));
  let whole = floor(y) == y;
  let odd = whole && (floor(y * 0.5) * 2.0 != y);
  if (x < 0.0 && !whole) {
    return sqrt(x); // not a number
  }
  return select(p, -p, x < 0.0 && odd);
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
