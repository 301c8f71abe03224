// Where the site's files are. What a version of the lab loads late and under a
// fixed name (programs, networks, fixtures) lies in a folder that is named after
// the content, and the page says which: a tab of an older version then asks for
// files of its own version, and gets these or none, never those of another.
// While the pages are worked on there is no such folder.

export interface Place {
  /** The address of the site, ending in a slash. */
  base: string;
  /** The folder of this version's parts, relative to base: empty, or ending in a slash. */
  parts: string;
}

export function here(): Place {
  const parts = document.querySelector<HTMLMetaElement>('meta[name="weft-parts"]')?.content ?? '';
  return { base: new URL('.', document.baseURI).href, parts };
}

/** part is the address of a file of this version. */
export function part(name: string): URL {
  const { base, parts } = here();
  return new URL(parts + name, base);
}
