// Pictures for tests, good and bad, made here: no photograph is part of the
// repository.

import { crc32, deflateSync } from 'node:zlib';

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};

function header(width, height, depth, colour) {
  const b = Buffer.alloc(13);
  b.writeUInt32BE(width, 0);
  b.writeUInt32BE(height, 4);
  [b[8], b[9]] = [depth, colour];
  return chunk('IHDR', b);
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

/** png writes a picture whose pixel (x, y) is at(x, y): [r, g, b, a]. */
export function png(width, height, at) {
  const raw = Buffer.alloc(height * (1 + 4 * width));
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) raw.set(at(x, y), y * (1 + 4 * width) + 1 + 4 * x);
  return Buffer.concat([SIGNATURE, header(width, height, 8, 6), chunk('IDAT', deflateSync(raw)), chunk('IEND', Buffer.alloc(0))]);
}

/** hugePNG has so many pixels and few bytes: one bit each, all the same. */
export function hugePNG(width, height) {
  return Buffer.concat([SIGNATURE, header(width, height, 1, 0), chunk('IDAT', deflateSync(Buffer.alloc(height * (1 + Math.ceil(width / 8))))), chunk('IEND', Buffer.alloc(0))]);
}

/** blinkingGIF has two frames of one pixel each, red and then blue. */
export function blinkingGIF() {
  const frame = (code) => [0x21, 0xf9, 4, 0, 50, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, code, 1, 0];
  return Buffer.from([...Buffer.from('GIF89a'), 1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255, ...frame(0x44), ...frame(0x4c), 0x3b]);
}

/** turned puts an EXIF orientation into a JPEG. */
export function turned(jpeg, orientation) {
  const exif = Buffer.from([0xff, 0xe1, 0, 34, ...Buffer.from('Exif\0\0'), ...Buffer.from('MM'), 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}

/** jpeg asks the page to draw one: the left half red, the right half blue. */
export async function jpeg(page, width, height) {
  const text = await page.evaluate(
    ([w, h]) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: w, height: h });
      const pen = canvas.getContext('2d');
      pen.fillStyle = '#e01010';
      pen.fillRect(0, 0, w / 2, h);
      pen.fillStyle = '#1010e0';
      pen.fillRect(w / 2, 0, w / 2, h);
      return canvas.toDataURL('image/jpeg', 0.95).split(',')[1];
    },
    [width, height],
  );
  return Buffer.from(text, 'base64');
}
