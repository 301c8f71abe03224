// Where a model's files come from: an address, files that were chosen or dropped,
// or a .zip of them.

import { ModelError, MOST_BYTES, needed, PLAN, readPlan, type Files } from './plan';
import type { Told, Wanted } from './download.worker';
import type { Normalize } from './onnx';

/** How far a download is; total is 0 while it is unknown. */
export type Progress = (file: string, done: number, total: number) => void;

/** get downloads one file. */
function get(url: URL, progress: (done: number, total: number) => void): Promise<ArrayBuffer> {
  const worker = new Worker(new URL('./download.worker.ts', import.meta.url), { type: 'module', name: 'download' });
  return new Promise<ArrayBuffer>((resolve, reject) => {
    worker.onerror = () => reject(new ModelError('The page could not start its download; reload it.'));
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      if ('bytes' in data) resolve(data.bytes);
      else if ('done' in data) progress(data.done, data.total);
      else reject(new ModelError(why(url, data)));
    };
    worker.postMessage({ url: url.href, most: MOST_BYTES } satisfies Wanted);
  }).finally(() => worker.terminate());
}

function why(url: URL, told: { status: number } | { large: number } | { failed: string }): string {
  if ('status' in told) return told.status === 404 ? `There is nothing at ${url.href} (404).` : `${url.host} answers ${told.status} for ${url.pathname}.`;
  if ('large' in told) return `${url.href} is larger than ${told.large >> 20} MB.`;
  if (url.origin === location.origin) return `${url.href} cannot be reached: ${told.failed}. Is the server still running?`;
  if (location.protocol === 'https:' && url.protocol === 'http:') return `${url.href} is an http: address, which an https: page may not read. Use https:, or download the files and open them here.`;
  // A browser does not tell these two apart, so that no page can spy with it.
  return `${url.host} could not be read. Either it cannot be reached, or it does not let pages of other sites read its files: for that it has to answer with "Access-Control-Allow-Origin: *" (CORS). You can always download the files and open them here.`;
}

/** address makes sense of what somebody typed. */
export function address(text: string): URL {
  let url: URL;
  try {
    url = new URL(text.trim(), location.href);
  } catch (cause) {
    throw new ModelError(`${text} is no address.`, { cause });
  }
  if (!/^https?:$/.test(url.protocol)) throw new ModelError(`An address begins with https://, not with ${url.protocol}`);
  return url;
}

/** fromURL loads the folder of an export, a .zip or an .onnx file. */
export async function fromURL(url: URL, normalize: Normalize, progress: Progress): Promise<Files> {
  const last = url.pathname.split('/').at(-1) ?? '';
  if (/\.(zip|onnx)$/i.test(last)) {
    const blob = new Blob([await get(url, (done, total) => progress(last, done, total))]);
    return fromFiles([new File([blob], decodeURIComponent(last))], normalize);
  }
  const base = new URL(last === PLAN || last === 'index.html' ? './' : url.pathname.endsWith('/') ? './' : `./${last}/`, url);
  const text = new Blob([await get(new URL(PLAN, base), (done, total) => progress(PLAN, done, total))]);
  const files: Files = new Map([[PLAN, text]]);
  for (const { file, bytes } of needed(readPlan(await text.text()))) {
    files.set(file, new Blob([await get(new URL(file, base), (done) => progress(file, done, bytes))]));
  }
  return files;
}

/** fromFiles takes a .zip, an .onnx file, perhaps with a .txt of its classes' names,
 * or the files of an export themselves. */
export async function fromFiles(list: readonly File[], normalize: Normalize): Promise<Files> {
  const onnx = list.find((f) => /\.onnx$/i.test(f.name));
  const zip = list.find((f) => /\.zip$/i.test(f.name));
  let files: Files = new Map(list.map((f) => [f.name, f]));
  if (zip) files = await unzip(zip);
  else if (onnx && !files.has(PLAN)) {
    const { converted } = await import('./onnx');
    return converted(onnx, (await list.find((f) => /\.txt$/i.test(f.name))?.text()) ?? '', normalize);
  }
  const plan = files.get(PLAN);
  if (!plan) throw new ModelError(`No ${PLAN} among ${zip ? `what is in ${zip.name}` : 'these files'}: choose all files of a folder that weft export web has written, a .zip of it, or an .onnx file.`);
  const wanted = new Set([PLAN, ...needed(readPlan(await plan.text())).map((n) => n.file)]);
  return new Map([...files].filter(([name]) => wanted.has(name)));
}

/** unzip reads the files of one folder, that of plan.json, wherever it is in the
 * archive. Nothing is unpacked that says it is larger than a model may be. */
async function unzip(zip: File): Promise<Files> {
  const { unzipSync } = await import('fflate');
  const packed = new Uint8Array(await zip.arrayBuffer());
  let total = 0;
  try {
    const found = unzipSync(packed, {
      filter: ({ name, originalSize }) => {
        if (!/(^|\/)([\w.-]+\.(safetensors|onnx|json))$/.test(name)) return false;
        total += originalSize;
        if (total > MOST_BYTES) throw new ModelError(`${zip.name} holds more than ${MOST_BYTES >> 20} MB.`);
        return true;
      },
    });
    const at = Object.keys(found).find((name) => name === PLAN || name.endsWith(`/${PLAN}`));
    const folder = at?.slice(0, -PLAN.length) ?? '';
    return new Map(Object.entries(found).filter(([name]) => name.startsWith(folder)).map(([name, bytes]) => [name.slice(folder.length), new Blob([bytes as Uint8Array<ArrayBuffer>])]));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${zip.name} is no .zip file, or a damaged one.`, { cause });
  }
}
