// The lab without a network, and never two versions of it in one tab.
//
// What makes up the lab is fetched when this worker is installed, compared with
// its SHA-256, and kept under that sum: an update fetches only what changed, and
// a host on which a new version is copied half installs nothing. All files that
// a page loads late have addresses of their own version (a hash in the name, or
// the folder parts/HASH), so a tab of an older version gets its own files, from
// here or from the host, or is told to reload; it cannot get newer ones by
// mistake. That is why a new version may take over at once.
//
// Data sets and models are kept once they were used, and compared with the sums
// in data/index.json, which is asked for anew as long as there is a network.

const VERSION = /* the version */ '';
const SHELL = /* the list */ []; // [address relative to this file, SHA-256]
const LATE = /* the late */ []; // the same, for what is kept only once it was used
const LOCAL = /* one's own server */ false; // which may serve something else tomorrow
const HEADERS = /* the headers */ {};
const DOWNLOAD = /* the policy of downloads */ '';

const PARTS = 'weft-parts-2';
const DATA = 'weft-data-2';
const FORMER = ['weft-parts', 'weft-data'];
const VERSIONS_KEPT = 2;
const INDEX_FOR = 5000; // ms in which the list of data is not asked for again

const root = new URL('./', self.location.href);
const absolute = (address) => new URL(address, root).href;
const stored = (sum) => absolute('?sum=' + sum);
const listed = (version) => absolute('?version=' + version);
const index = absolute('data/index.json');
const own = new Map([...SHELL, ...LATE].map(([address, sum]) => [absolute(address), sum]));
own.set(absolute('index.html'), own.get(root.href));

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || request.headers.has('Range')) return;
  const url = new URL(request.url);
  if (!url.href.startsWith(root.href)) return;
  url.search = url.hash = '';
  const address = url.href;
  if (LOCAL && request.mode === 'navigate' && address === root.href) event.respondWith(arrival(request));
  else if (own.has(address)) event.respondWith(part(event, own.get(address)));
  else if (address.startsWith(absolute('parts/')) || address.startsWith(absolute('assets/'))) event.respondWith(former(event, address));
  else if (address === index) event.respondWith(latest(request));
  else if (address.startsWith(absolute('data/'))) event.respondWith(data(event, address));
});

async function install() {
  const cache = await caches.open(PARTS);
  await Promise.all(
    [...new Map(SHELL)].map(async ([address, sum]) => {
      if (await cache.match(stored(sum))) return;
      // Past the browser's own cache, whose copy may be of another version.
      const response = await fetch(absolute(address), { cache: 'no-cache' });
      if (!response.ok || response.redirected) throw new Error(`${address}: ${response.status}`);
      const bytes = await response.arrayBuffer();
      if ((await digest(bytes)) !== sum) throw new Error(`${address || 'the page'} is not the one of this version`);
      await cache.put(stored(sum), kept(address, bytes, response));
    }),
  );
  await cache.put(listed(VERSION), new Response(JSON.stringify({ at: Date.now(), files: [...SHELL, ...LATE] })));
  // A page that was there before this worker has asked past it.
  await latest(new Request(index)).catch(() => undefined);
  await self.skipWaiting();
}

/** Forgets all versions but the last ones. */
async function activate() {
  await Promise.all(FORMER.map((name) => caches.delete(name)));
  const cache = await caches.open(PARTS);
  const lists = await versions(cache);
  lists.sort((a, b) => (a.version === VERSION ? -1 : b.version === VERSION ? 1 : b.at - a.at));
  const wanted = new Set(lists.slice(0, VERSIONS_KEPT).flatMap(({ request, files }) => [request.url, ...files.map(([, sum]) => stored(sum))]));
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
  await self.clients.claim();
}

async function versions(cache) {
  const requests = (await cache.keys()).filter((r) => r.url.startsWith(listed('')));
  return Promise.all(
    requests.map(async (request) => {
      const { at, files } = await (await cache.match(request)).json();
      return { request, version: request.url.slice(listed('').length), at, files };
    }),
  );
}

/** A file of this version; the network helps out when it is not kept. */
async function part(event, sum) {
  const cache = await caches.open(PARTS);
  const have = await cache.match(stored(sum));
  if (have) return have;
  const response = await fetch(event.request);
  if (response.status !== 200) return response;
  return checked(event.request.url, response, sum, (copy) => cache.put(stored(sum), copy));
}

/** A file of another version than this worker's: a tab is older, or newer, than it. */
async function former(event, address) {
  const cache = await caches.open(PARTS);
  for (const { files } of await versions(cache)) {
    const found = files.find(([name]) => absolute(name) === address);
    const have = found && (await cache.match(stored(found[1])));
    if (have) return have;
  }
  const response = await fetch(event.request);
  if (response.status === 404 || response.status === 410) {
    for (const client of await self.clients.matchAll({ type: 'window' })) client.postMessage({ weft: 'another version', version: VERSION });
  }
  return dressed(address, response);
}

/** The page itself from one's own server: what it serves now, if that is the lab. */
async function arrival(request) {
  let response;
  try {
    response = await fetch(request);
  } catch {
    const have = await (await caches.open(PARTS)).match(stored(own.get(root.href)));
    return have ?? Response.error();
  }
  const text = await response.clone().text();
  if (response.ok && !text.includes('name="weft-parts"')) await self.registration.unregister();
  return response;
}

let sums; // of data files, by address
let sumsAt = -Infinity;

/** data/index.json, as new as the network allows. */
async function latest(request) {
  const cache = await caches.open(DATA);
  try {
    const response = await fetch(request, { cache: 'no-cache' });
    if (response.status !== 200) return response;
    const text = await response.clone().text();
    await cache.put(index, response.clone()).catch(() => undefined);
    sums = new Map(Object.entries(JSON.parse(text).sums ?? {}).map(([name, sum]) => [absolute('data/' + encodeURI(name)), sum]));
    sumsAt = Date.now();
    const wanted = new Set([index, ...[...sums.values()].map(stored)]);
    for (const old of await cache.keys()) if (!wanted.has(old.url)) await cache.delete(old);
    return response;
  } catch (error) {
    const have = await cache.match(index);
    if (!have) throw error;
    sums ??= new Map(Object.entries((await have.clone().json()).sums ?? {}).map(([name, sum]) => [absolute('data/' + encodeURI(name)), sum]));
    return have;
  }
}

/** A data set's or a model's file, if the list has its sum: only then is it kept. */
async function data(event, address) {
  if (Date.now() - sumsAt > INDEX_FOR) await latest(new Request(index)).catch(() => undefined);
  const sum = sums?.get(address);
  if (!sum) return fetch(event.request);
  const cache = await caches.open(DATA);
  const have = await cache.match(stored(sum));
  if (have) return have;
  const response = await fetch(event.request, { cache: 'no-cache' });
  if (response.status !== 200) return response;
  return checked(address, response, sum, (copy) => cache.put(stored(sum), copy));
}

/** The response as it arrives, so that pages can show how far it is. If it turns
 * out to be another file than the list says, it ends in an error. */
function checked(address, response, sum, keep) {
  const chunks = [];
  const check = new TransformStream({
    transform(chunk, to) {
      chunks.push(chunk.slice());
      to.enqueue(chunk);
    },
    async flush(to) {
      const bytes = await new Blob(chunks).arrayBuffer();
      if ((await digest(bytes)) === sum) await keep(kept(address, bytes, response)).catch(() => undefined);
      else to.error(new Error(`${address} is not the file that this site lists: it is damaged, or the site is being changed`));
    },
  });
  return dressed(address, new Response(response.body.pipeThrough(check), { status: response.status, headers: response.headers }));
}

/** What is stored of a file. */
function kept(address, bytes, response) {
  const headers = new Headers({ 'Content-Type': response.headers.get('Content-Type') ?? '', 'Content-Length': String(bytes.byteLength) });
  return dressed(address, new Response(bytes, { headers }));
}

/** dressed adds the headers that weft serve sends and many hosts cannot: pages so
 * have fine timers and may share memory between threads. */
function dressed(address, response) {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  if (/\/assets\/download-[^/]*\.js$/.test(new URL(address, root).pathname)) headers.set('Content-Security-Policy', DOWNLOAD);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

async function digest(bytes) {
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(sum, (b) => b.toString(16).padStart(2, '0')).join('');
}
