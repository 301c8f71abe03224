// The lab without a network. What makes up the lab is fetched when this worker is
// installed and kept under its content's hash, so that an update fetches only
// what changed and a page never sees a mixture of two versions. Data sets are
// kept once they have been used. A new version waits until the old one's last tab
// is closed: pages load parts of themselves late.

const SHELL = /* the list */ []; // [address relative to this file, hash]
const LATE = /* the late */ []; // the same, for what is kept only once it was used

const PARTS = 'weft-parts';
const DATA = 'weft-data';
const root = new URL('./', self.location.href);
const key = (address, hash) => new URL(address + '?hash=' + hash, root).href;
const parts = new Map([...SHELL, ...LATE].map(([address, hash]) => [new URL(address, root).href, key(address, hash)]));
parts.set(new URL('index.html', root).href, parts.get(root.href));
const late = new Set(LATE.map(([address, hash]) => key(address, hash)));

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(activate()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || request.headers.has('Range')) return;
  const url = new URL(request.url);
  if (!url.href.startsWith(root.href)) return;
  url.search = url.hash = '';
  const stored = parts.get(url.href);
  if (stored) event.respondWith(part(stored, request));
  else if (url.href === new URL('data/index.json', root).href) event.respondWith(latest(request));
  else if (url.href.startsWith(new URL('data/', root).href)) event.respondWith(once(request));
});

async function install() {
  const cache = await caches.open(PARTS);
  await Promise.all(
    [...new Map(SHELL)].map(async ([address, hash]) => {
      const name = key(address, hash);
      if (await cache.match(name)) return;
      // Past the browser's own cache, whose copy may be of another version.
      const response = await fetch(new URL(address, root), { cache: 'no-cache' });
      if (!response.ok || response.redirected) throw new Error(`${address}: ${response.status}`);
      await cache.put(name, response);
    }),
  );
}

async function activate() {
  const cache = await caches.open(PARTS);
  const wanted = new Set(parts.values());
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
  // The page that installed this worker gets its data kept as well.
  await self.clients.claim();
}

/** A part of the lab; the network helps out when the browser has dropped it. */
async function part(stored, request) {
  const cache = await caches.open(PARTS);
  const have = await cache.match(stored);
  if (have) return have;
  const response = await fetch(request);
  if (late.has(stored) && response.status === 200) await cache.put(stored, response.clone()).catch(() => undefined);
  return response;
}

/** Kept after the first use. */
async function once(request) {
  const cache = await caches.open(DATA);
  const have = await cache.match(request);
  if (have) return have;
  const response = await fetch(request);
  if (response.status === 200) await cache.put(request, response.clone()).catch(() => undefined);
  return response;
}

/** As new as the network allows. */
async function latest(request) {
  const cache = await caches.open(DATA);
  try {
    const response = await fetch(request);
    if (response.status === 200) await cache.put(request, response.clone()).catch(() => undefined);
    return response;
  } catch (error) {
    const have = await cache.match(request);
    if (have) return have;
    throw error;
  }
}
