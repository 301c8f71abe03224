// Light, dark, or as the system says. Canvases can not read CSS variables while
// they draw, so they ask here which theme is shown.

import type { Theme } from '../lib/colour';

export type Choice = Theme | 'system';
const KEY = 'weft-theme';

class ThemeState {
  choice = $state<Choice>('system');
  #system = $state<Theme>('light');
  shown = $derived<Theme>(this.choice === 'system' ? this.#system : this.choice);

  /** start follows the system's setting and restores an earlier choice. */
  start(): void {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.#system = dark.matches ? 'dark' : 'light';
    dark.addEventListener('change', () => (this.#system = dark.matches ? 'dark' : 'light'));
    const set = document.documentElement.dataset.theme;
    if (set === 'light' || set === 'dark') this.choice = set;
  }

  toggle(): void {
    this.choice = this.shown === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = this.choice;
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
}

export const theme = new ThemeState();
