// Views live behind the # of the address: a static host needs no rewriting
// rules, and the back button works.

export const VIEWS = ['train', 'inside', 'draw', 'photo', 'test', 'check'] as const;
export type View = (typeof VIEWS)[number];

export const TITLES: Record<View, string> = {
  train: 'Train',
  inside: 'Look inside',
  draw: 'Draw',
  photo: 'Photo',
  test: 'Test',
  check: 'Check',
};

export interface Route {
  view: View;
  query: string;
}

export function parse(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { view: VIEWS.find((view) => view === path) ?? 'train', query };
}

export function href(view: View, query: string): string {
  return `#/${view}${query === '' ? '' : `?${query}`}`;
}
