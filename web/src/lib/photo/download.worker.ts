// Downloads the files of a model. The page may connect to its own site only;
// this worker is served with a policy that lets it, and nothing else, read from
// other sites (internal/site/csp).

export interface Wanted {
  url: string;
  most: number;
}
export type Told = { done: number; total: number } | { bytes: ArrayBuffer } | { status: number } | { large: number } | { failed: string };

self.onmessage = async ({ data: { url, most } }: MessageEvent<Wanted>) => {
  const tell = (t: Told, move: Transferable[] = []) => self.postMessage(t, { transfer: move });
  try {
    const response = await fetch(url, { credentials: 'omit' });
    if (!response.ok || !response.body) return tell({ status: response.status });
    // Of a compressed answer the length says little.
    const total = response.headers.get('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
    const parts: Uint8Array[] = [];
    let done = 0;
    const reader = response.body.getReader();
    for (let r; !(r = await reader.read()).done; ) {
      parts.push(r.value);
      done += r.value.length;
      if (done > most) {
        await reader.cancel();
        return tell({ large: most });
      }
      tell({ done, total });
    }
    const bytes = new Uint8Array(done);
    let at = 0;
    for (const p of parts) {
      bytes.set(p, at);
      at += p.length;
    }
    tell({ bytes: bytes.buffer }, [bytes.buffer]);
  } catch (e) {
    tell({ failed: e instanceof Error ? e.message : String(e) });
  }
};
