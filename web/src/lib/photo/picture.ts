// From a file that somebody gave to a picture, without trusting the file. What
// it is and how large is read from its own first bytes before anything decodes
// it: a browser asked to decode a hundred megapixels takes 400 MB and may end the
// page. Browsers also show what they can of a file that was cut short, grey where
// it ends; a network would answer to the grey, so that is found here.

/** The file cannot be used; the message is for people. */
export class PictureError extends Error {}

export interface Header {
  kind: string;
  width: number;
  height: number;
}

/** What is decoded at most: four bytes each, for a moment. */
export const MOST_PIXELS = 50_000_000;
const MOST_BYTES = 100 << 20;
/** The longer side of what is kept: any model's input, several times over. */
const LONGEST = 2048;

const ascii = (b: Uint8Array, at: number, n: number): string => String.fromCharCode(...b.subarray(at, at + n));

/** header says what a file is; it throws where it is no picture, or not all of one. */
export function header(bytes: Uint8Array): Header {
  if (bytes.length === 0) throw new PictureError('is empty (0 bytes)');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cut = (kind: string) => new PictureError(`is a ${kind} that was cut short; copy or download it again`);
  try {
    if (ascii(bytes, 0, 8) === '\x89PNG\r\n\x1a\n') return png(bytes, view, cut);
    if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return jpeg(bytes, view, cut);
    if (/^GIF8[79]a/.test(ascii(bytes, 0, 6))) return { kind: 'GIF', width: view.getUint16(6, true), height: view.getUint16(8, true) };
    if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 4) === 'WEBP') return webp(bytes, view, cut);
    if (ascii(bytes, 0, 2) === 'BM' && view.getUint32(2, true) <= 1 << 30) return { kind: 'BMP', width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
    if (ascii(bytes, 4, 4) === 'ftyp') return heif(bytes, view);
  } catch (e) {
    if (e instanceof PictureError) throw e;
    throw cut('picture'); // The header itself is not all there.
  }
  throw new PictureError(other(bytes));
}

function png(bytes: Uint8Array, view: DataView, cut: (kind: string) => Error): Header {
  let at = 8;
  while (ascii(bytes, at + 4, 4) !== 'IEND') {
    at += 12 + view.getUint32(at);
    if (at + 8 > bytes.length) throw cut('PNG');
  }
  return { kind: 'PNG', width: view.getUint32(16), height: view.getUint32(20) };
}

function jpeg(bytes: Uint8Array, view: DataView, cut: (kind: string) => Error): Header {
  let found: Header | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) throw new PictureError('is a damaged JPEG');
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) {
      at++; // Padding.
      continue;
    }
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) found = { kind: 'JPEG', height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker === 0xda) {
      // In the coded picture 0xff is followed by 0 or a restart marker, so an
      // end marker is one, wherever it is found behind the start.
      for (let end = bytes.length - 2; end > at; end--) if (bytes[end] === 0xff && bytes[end + 1] === 0xd9 && found) return found;
      break;
    }
    at += 2 + view.getUint16(at + 2);
  }
  throw cut('JPEG');
}

function webp(bytes: Uint8Array, view: DataView, cut: (kind: string) => Error): Header {
  if (8 + view.getUint32(4, true) > bytes.length) throw cut('WebP');
  const three = (at: number) => view.getUint16(at, true) + ((bytes[at + 2] as number) << 16);
  switch (ascii(bytes, 12, 4)) {
    case 'VP8X':
      return { kind: 'WebP', width: three(24) + 1, height: three(27) + 1 };
    case 'VP8L': {
      const bits = view.getUint32(21, true);
      return { kind: 'WebP', width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
    }
    default:
      return { kind: 'WebP', width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
}

/** AVIF and HEIC: the largest size that a property box gives. */
function heif(bytes: Uint8Array, view: DataView): Header {
  const brand = ascii(bytes, 8, 4);
  if (!/^(avif|avis|heic|heix|mif1|hevc)$/.test(brand)) throw new PictureError('is a film or a sound; only pictures are read');
  const size: Header = { kind: brand.startsWith('avi') ? 'AVIF' : 'HEIC', width: 0, height: 0 };
  for (let at = 16; at + 16 <= Math.min(bytes.length, 1 << 16); at++) {
    if (bytes[at] !== 0x69 || ascii(bytes, at, 4) !== 'ispe') continue;
    const [w, h] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (w * h > size.width * size.height) Object.assign(size, { width: w, height: h });
  }
  return size;
}

/** What a file is that is no picture of a kind that is read. */
function other(bytes: Uint8Array): string {
  const start = new TextDecoder('utf-8').decode(bytes.subarray(0, 4096));
  if (/^\s*(<\?xml[^]*?)?(<!--[^]*?-->\s*)*(<!DOCTYPE svg[^]*?)?<svg[\s>]/i.test(start) || /<svg[\s>]/i.test(start.slice(0, 1024)))
    return 'is an SVG drawing, which is no photograph and may contain programs; save it as PNG first';
  if (start.startsWith('%PDF')) return 'is a PDF document; save the picture in it as PNG or JPEG';
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'is a TIFF or a raw photograph, which browsers cannot show; save it as JPEG';
  const odd = [...start.slice(0, 1024)].filter((c) => c === '\ufffd' || (c < ' ' && !'\t\r\n\f'.includes(c))).length;
  return odd === 0 ? 'is no picture: it contains text' : 'is no picture of a kind that browsers show (JPEG, PNG, WebP, GIF, AVIF, BMP)';
}

/** decode makes a picture of a file: turned as its camera says, its longer side at
 * most LONGEST; of an animation the first frame. */
export async function decode(file: Blob, name = 'The file'): Promise<ImageBitmap> {
  const failed = (e: unknown): never => {
    throw new PictureError(`${name} ${e instanceof Error ? e.message : String(e)}.`, { cause: e });
  };
  if (file.size > MOST_BYTES) failed(new Error(`has ${Math.round(file.size / (1 << 20))} MB; pictures of up to ${MOST_BYTES >> 20} MB are read`));
  const bytes = new Uint8Array(await file.arrayBuffer());
  let head: Header = { kind: '', width: 0, height: 0 };
  try {
    head = header(bytes);
  } catch (e) {
    failed(e);
  }
  const { kind, width, height } = head;
  if (!(width > 0 && height > 0)) failed(new Error(`is a ${kind} without a size; it is damaged`));
  if (width * height > MOST_PIXELS) {
    const mega = (n: number) => Math.round(n / 1e6);
    failed(new Error(`has ${mega(width * height)} megapixels (${width} × ${height}), which would take ${mega(4 * width * height)} MB to open; up to ${mega(MOST_PIXELS)} megapixels are read. Make a smaller copy first`));
  }
  // One side alone: the browser keeps the ratio, also where it turns the picture.
  const ratio = LONGEST / Math.max(width, height);
  const resize: ImageBitmapOptions = ratio < 1 ? { resizeWidth: Math.max(1, Math.round(width * ratio)), resizeQuality: 'high' } : {};
  try {
    return await createImageBitmap(new Blob([bytes]), { imageOrientation: 'from-image', ...resize });
  } catch (e) {
    const known = kind === 'HEIC' ? 'is a HEIC photograph, which this browser cannot open; save it as JPEG' : `is a ${kind} that this browser cannot open; it may be damaged`;
    throw new PictureError(`${name} ${known}.`, { cause: e });
  }
}
