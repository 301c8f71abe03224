// From whatever shows a picture to the numbers that the network was trained on.
// Pictures are resized and cut as the model says; a digit becomes what MNIST's
// pictures are: light ink on black in a box of 20x20 pixels, its centre of mass
// in the middle of 28x28 (LeCun et al., 1998, "Gradient-based learning applied
// to document recognition", III.A). The rules for digits are those of Weft's
// own data/digit.go, number by number.

import { InputError } from "./errors.js";

const SIDE = 28, BOX = 20; // of a digit
const WORK = 448; // finer detail than this is noise
const CONTRAST = 24, INK = 32; // of 255: less is blank; what counts for a box

/** The model's pixels, [height][width][channel] from 0 to 255, of a picture: a
 * canvas, ImageData, ImageBitmap, image, video or Blob; or of an array that
 * holds just these pixels, which stay as they are. */
export async function fitted(input, x) {
  const [channels, height, width] = input.shape;
  if (Array.isArray(x)) x = Float32Array.from(x);
  if (ArrayBuffer.isView(x)) {
    if (x.length !== channels * height * width) throw new InputError(`${x.length} pixels; the model takes ${width} x ${height} x ${channels}`);
    return x;
  }
  if (x instanceof Blob) {
    try {
      x = await createImageBitmap(x);
    } catch (cause) {
      throw new InputError("this file is not a picture that the browser can read", { cause });
    }
  }
  const image = pixelsOf(x, input.fit === "digit" ? WORK : 4 * Math.max(width, height));
  return input.fit === "digit" ? digit(image) : cut(image, width, height, channels, input.resize || 0);
}

/** Pixels as the network's input, [channel][height][width]. */
export function normalised({ shape: [channels, height, width], scale, mean, std }, pixels) {
  const area = height * width, out = new Float32Array(channels * area);
  for (let c = 0; c < channels; c++) {
    const mul = Math.fround(scale / std[c]), add = Math.fround(-mean[c] / std[c]);
    for (let i = 0; i < area; i++) out[c * area + i] = Math.fround(pixels[i * channels + c] * mul) + add;
  }
  return out;
}

/** RGBA of something that shows a picture, its shorter side at most about limit. */
function pixelsOf(x, limit) {
  if (x?.data?.length && x.data.length === 4 * x.width * x.height) return x;
  const width = x?.displayWidth || x?.videoWidth || x?.naturalWidth || x?.width;
  const height = x?.displayHeight || x?.videoHeight || x?.naturalHeight || x?.height;
  if (!(width > 0 && height > 0)) throw new InputError("not a picture: give ImageData, a canvas, a bitmap, an image, a Blob, an array of pixels or {tensor}");
  const ratio = Math.min(1, limit / Math.min(width, height));
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(w, h) : Object.assign(document.createElement("canvas"), { width: w, height: h });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  try {
    pen.drawImage(x, 0, 0, w, h);
    return pen.getImageData(0, 0, w, h);
  } catch (cause) {
    throw new InputError(`the picture cannot be read: ${cause.message}`, { cause });
  }
}

/** Resizes so that the shorter side becomes `resize`, or the picture just covers
 * the model's, and cuts the middle. Transparent parts become white. */
function cut({ data, width, height }, w, h, channels, resize) {
  const ratio = Math.max(...(resize ? [resize / Math.min(width, height)] : []), w / width, h / height);
  const xs = taps(width, Math.max(w, Math.round(width * ratio)), w);
  const ys = taps(height, Math.max(h, Math.round(height * ratio)), h);
  const planes = Math.max(3, channels), narrow = new Float32Array(height * w * 3);
  for (let y = ys[0].from; y < ys[h - 1].from + ys[h - 1].share.length; y++) {
    for (let x = 0; x < w; x++) {
      const { from, share } = xs[x], to = (y * w + x) * 3;
      for (let i = 0; i < share.length; i++) {
        const at = 4 * (y * width + from + i), a = data[at + 3] / 255;
        for (let c = 0; c < 3; c++) narrow[to + c] += share[i] * (255 + a * (data[at + c] - 255));
      }
    }
  }
  const out = new Float32Array(h * w * planes);
  for (let y = 0; y < h; y++) {
    ys[y].share.forEach((s, i) => {
      const row = (ys[y].from + i) * w * 3;
      for (let x = 0; x < w * 3; x++) out[y * w * 3 + x] += s * narrow[row + x];
    });
  }
  if (channels === 3) return out;
  return Float32Array.from({ length: h * w }, (_, i) => 0.299 * out[3 * i] + 0.587 * out[3 * i + 1] + 0.114 * out[3 * i + 2]);
}

/** For each of the middle `count` of `full` pixels, made of n: the first pixel that
 * counts and the shares of it and the next ones (a triangle as wide as two
 * pixels of the coarser side: bilinear, and smooth where the picture shrinks). */
function taps(n, full, count) {
  const step = n / full, reach = Math.max(1, step), start = Math.floor((full - count) / 2);
  return Array.from({ length: count }, (_, i) => {
    const centre = (start + i + 0.5) * step;
    const from = Math.max(0, Math.floor(centre - reach + 0.5)), to = Math.min(n, Math.floor(centre + reach + 0.5));
    const share = [];
    for (let j = from; j < to; j++) share.push(Math.max(0, 1 - Math.abs(j + 0.5 - centre) / reach));
    const sum = share.reduce((a, b) => a + b);
    return { from, share: share.map((s) => s / sum) };
  });
}

/** A picture of one digit as MNIST would have it; of any size and colour. */
export function digit(image) {
  const grey = greyOf(image);
  return asMNIST(grey) ?? centred(shrunk(inked(grey)));
}

/** Blocks of pixels as their luminance (ITU-R BT.601). What is transparent becomes
 * black under light ink and white under dark ink. */
function greyOf({ data, width, height }) {
  const step = Math.ceil(Math.max(width, height) / WORK), w = Math.ceil(width / step), h = Math.ceil(height / step);
  const pix = new Float64Array(w * h), alpha = new Float64Array(w * h);
  let light = 0, opaque = 0;
  for (let i = 0; i < w * h; i++) {
    const x0 = (i % w) * step, y0 = Math.floor(i / w) * step;
    let sum = 0, cover = 0, count = 0;
    for (let y = y0; y < Math.min(y0 + step, height); y++) {
      for (let x = x0; x < Math.min(x0 + step, width); x++, count++) {
        const at = 4 * (y * width + x), a = data[at + 3];
        const part = (c) => (a === 255 ? 257 * data[at + c] : Math.floor((257 * data[at + c] * a) / 255));
        const r = part(0), g = part(1), b = part(2);
        sum += Math.floor((299 * r + 587 * g + 114 * b) / 1000);
        cover += a * 257;
      }
    }
    light += pix[i] = sum / count / 257;
    opaque += alpha[i] = cover / count / 65535;
  }
  if (opaque < w * h && light < 0.5 * 255 * opaque) pix.forEach((_, i) => (pix[i] += (1 - alpha[i]) * 255));
  return { pix, w, h };
}

/** The median of the outermost pixels, and how far nine in ten are from it. */
function border({ pix, w, h }) {
  const ring = [];
  for (let x = 0; x < w; x++) ring.push(pix[x], pix[(h - 1) * w + x]);
  for (let y = 0; y < h; y++) ring.push(pix[y * w], pix[y * w + w - 1]);
  const sorted = Float64Array.from(ring).sort(), median = sorted[sorted.length >> 1];
  const away = sorted.map((v) => Math.abs(v - median)).sort();
  return [median, away[Math.floor(((away.length - 1) * 9) / 10)]];
}

/** Makes the background 0 and the ink, whatever differs from it most, bright. */
function inked({ pix, w, h }) {
  const [ground, noise] = border({ pix, w, h });
  let up = 0, down = 0, most = 0;
  for (const v of pix) {
    if (v > ground) up += (v - ground) ** 2;
    else down += (v - ground) ** 2;
  }
  const away = pix.map((v) => (down > up ? ground - v : v - ground));
  for (const d of away) most = Math.max(most, d);
  if (most < CONTRAST) throw new InputError("the picture is blank: draw one digit, dark on light or light on dark");
  const low = Math.min(Math.max(0.04 * most, 2 * noise), 0.5 * most), high = 0.95 * most;
  return { pix: away.map((d) => Math.min(Math.max((d - low) / (high - low), 0), 1) * 255), w, h };
}

/** The bounding box of the pixels of at least the given value. */
function boxOf({ pix, w, h }, least) {
  let [x0, y0, x1, y1] = [w, h, -1, -1];
  for (let i = 0; i < pix.length; i++) {
    if (pix[i] < least) continue;
    const x = i % w, y = Math.floor(i / w);
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    y1 = y;
  }
  return [x0, x1, y0, y1];
}

/** Cuts the ink, makes its longer side 20 pixels, and its brightest pixel white. */
function shrunk(grey) {
  const [x0, x1, y0, y1] = boxOf(grey, INK), cw = x1 - x0 + 1, ch = y1 - y0 + 1, long = Math.max(cw, ch), half = Math.floor(long / 2);
  const w = Math.max(1, Math.floor((cw * BOX + half) / long)), h = Math.max(1, Math.floor((ch * BOX + half) / long));
  const narrow = new Float64Array(w * ch), pix = new Float64Array(w * h);
  for (let y = 0; y < ch; y++) average(narrow, y * w, 1, w, grey.pix, (y0 + y) * grey.w + x0, 1, cw);
  for (let x = 0; x < w; x++) average(pix, x, w, h, narrow, x, w, ch);
  let most = 1;
  for (const v of pix) most = Math.max(most, v);
  return { pix: pix.map((v) => v * (255 / most)), w, h };
}

/** Resizes one line of n values to m by area. */
function average(to, toStart, toStep, m, from, start, step, n) {
  const ratio = n / m;
  for (let i = 0; i < m; i++) {
    const lo = i * ratio, hi = Math.min((i + 1) * ratio, n);
    let sum = 0;
    for (let j = Math.floor(lo); j < n && j < hi; j++) sum += from[start + j * step] * (Math.min(hi, j + 1) - Math.max(lo, j));
    to[toStart + i * toStep] = sum / ratio;
  }
}

function massCentre({ pix, w }) {
  let sum = 0, x = 0, y = 0;
  pix.forEach((v, i) => {
    sum += v;
    x += v * (i % w);
    y += v * Math.floor(i / w);
  });
  return [x / sum, y / sum];
}

/** Puts the centre of mass, to whole pixels, at pixel 14. */
function centred(small) {
  const [cx, cy] = massCentre(small), left = Math.floor(14.5 - cx), top = Math.floor(14.5 - cy);
  const out = new Uint8Array(SIDE * SIDE);
  small.pix.forEach((v, i) => {
    const x = (i % small.w) + left, y = Math.floor(i / small.w) + top;
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) out[y * SIDE + x] = v + 0.5;
  });
  return out;
}

/** The picture, if it is in MNIST's form already. */
function asMNIST(grey) {
  if (grey.w !== SIDE || grey.h !== SIDE || border(grey)[0] !== 0) return undefined;
  const [x0, x1, y0, y1] = boxOf(grey, 1), [cx, cy] = massCentre(grey), long = Math.max(x1 - x0, y1 - y0) + 1;
  if (x1 < x0 || long > BOX || long < BOX - 2 || Math.abs(cx - 14) > 0.6 || Math.abs(cy - 14) > 0.6) return undefined;
  return Uint8Array.from(grey.pix, (v) => v + 0.5);
}
