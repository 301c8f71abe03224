// What is laid out otherwise, not only narrower, where there is less room.

class Screen {
  matches = $state(false);

  constructor(query: string) {
    const list = matchMedia(query);
    this.matches = list.matches;
    list.addEventListener('change', () => (this.matches = list.matches));
  }
}

/** The settings of Train stand below the charts. */
export const narrow = new Screen('(max-width: 1000px)');
/** A phone, upright. */
export const phone = new Screen('(max-width: 560px)');
