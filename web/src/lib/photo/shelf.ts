// Models that were loaded are kept in the browser, in its Cache storage: that
// holds files as they are, streams them, and counts towards the site's quota only.
// Where there is none (private windows of some browsers), they last as long as
// the page.

import { ModelError, PLAN, readPlan, verify, type Files, type Plan } from './plan';

export interface Kept {
  id: string;
  title: string;
  from: string;
  bytes: number;
}

const CACHE = 'weft-models';
const key = (id: string, file: string) => new URL(`./kept-models/${encodeURIComponent(id)}/${file}`, location.origin + location.pathname).href;
const memory = new Map<string, Files>();
const INFO = 'kept.json';

const open = (): Promise<Cache> | undefined => ('caches' in globalThis ? caches.open(CACHE) : undefined);

/** keep stores the files of a model and returns what the list says of it. */
export async function keep(files: Files, from: string): Promise<Kept> {
  const text = await files.get(PLAN)?.text();
  if (text === undefined) throw new ModelError('plan.json is missing.');
  const plan = readPlan(text);
  await verify(plan, files);
  const info: Kept = { id: `${plan.model} ${plan.weights.sha256.slice(0, 12)}`, title: plan.model, from, bytes: [...files.values()].reduce((sum, b) => sum + b.size, 0) };
  const all: Files = new Map([...files, [INFO, new Blob([JSON.stringify(info)])]]);
  try {
    const cache = await open();
    if (!cache) throw new Error('no cache');
    for (const [name, blob] of all) await cache.put(key(info.id, name), new Response(blob, { headers: { 'Content-Length': String(blob.size) } }));
  } catch {
    await remove(info.id);
    memory.set(info.id, all);
  }
  return info;
}

/** list are the models that are kept, by title. */
export async function list(): Promise<Kept[]> {
  const all: Kept[] = [];
  const add = async (response: Response | undefined) => {
    const info = (await response?.json().catch(() => undefined)) as Kept | undefined;
    if (info?.id) all.push(info);
  };
  for (const files of memory.values()) await add(new Response(files.get(INFO)));
  try {
    const cache = await open();
    for (const request of (await cache?.keys()) ?? []) if (request.url.endsWith(`/${INFO}`)) await add(await cache?.match(request));
  } catch {
    // Without storage there is nothing kept.
  }
  return all.sort((a, b) => a.title.localeCompare(b.title));
}

/** file is one file of a kept model. */
export async function file(id: string, name: string): Promise<Response> {
  const blob = memory.get(id)?.get(name);
  const response = blob ? new Response(blob) : await (await open())?.match(key(id, name));
  return response ?? new Response(null, { status: 404 });
}

export async function remove(id: string): Promise<void> {
  memory.delete(id);
  const cache = await open();
  const start = key(id, '');
  for (const request of (await cache?.keys()) ?? []) if (request.url.startsWith(start)) await cache?.delete(request);
}

/** rename gives the classes of a kept model other names. */
export async function rename(id: string, classes: readonly string[]): Promise<void> {
  const plan = JSON.parse(await (await file(id, PLAN)).text()) as Plan;
  const blob = new Blob([JSON.stringify({ ...plan, classes })]);
  const kept = memory.get(id);
  if (kept) kept.set(PLAN, blob);
  else await (await open())?.put(key(id, PLAN), new Response(blob, { headers: { 'Content-Length': String(blob.size) } }));
}

/** planOf is the plan of a kept model. */
export async function planOf(id: string): Promise<Plan> {
  const response = await file(id, PLAN);
  if (!response.ok) throw new ModelError('The model is no longer kept in this browser; load it again.');
  return readPlan(await response.text());
}
