// Whether a run still learns. A network that has diverged, or whose units are
// all dead, goes on for hours at the accuracy of a guess unless somebody tells.
// What is judged are means over some hundred steps: single batches jump about.

/** fine: it learns, or it is too early to say; nan: the loss is no number; high: the loss is far above where it began; collapsed: it knew more once; chance: it never knew anything. */
export type Verdict = 'fine' | 'nan' | 'high' | 'collapsed' | 'chance';

/** Steps that the means are over, about. */
const WINDOW = 100;
/** Steps without a sign of learning before anything is said. */
const PATIENCE = { high: 100, collapsed: 200, chance: 600 };
/** An accuracy so many times that of a guess is no guess. */
const BETTER = 1.6;
/** From here on a network is said to have known something. */
const KNEW = 3;

export class Health {
  #steps = 0;
  #loss = 0;
  #accuracy = 0;
  #weight = 0;
  #start = 0;
  #best = 0;
  /** The last steps at which it was well. */
  #low = 0;
  #better = 0;
  #nan = false;

  constructor(private readonly classes: number) {}

  /** add takes the loss and the accuracy of the next step. */
  add(loss: number, accuracy: number): void {
    this.#steps++;
    if (!Number.isFinite(loss)) {
      this.#nan = true;
      return;
    }
    const share = 1 / WINDOW;
    this.#loss += share * (loss - this.#loss);
    this.#accuracy += share * (accuracy - this.#accuracy);
    this.#weight += share * (1 - this.#weight);
    // A network that knows nothing has the loss of a guess.
    if (this.#steps === 1) this.#start = Math.max(loss, Math.log(this.classes));
    if (this.loss < 2 * this.#start) this.#low = this.#steps;
    // While the mean is over few steps, a lucky batch would count.
    if (this.#steps < WINDOW / 2) return;
    this.#best = Math.max(this.#best, this.accuracy);
    if (this.accuracy * this.classes > BETTER) this.#better = this.#steps;
  }

  get loss(): number {
    return this.#loss / this.#weight;
  }

  get accuracy(): number {
    return this.#accuracy / this.#weight;
  }

  get verdict(): Verdict {
    if (this.#nan) return 'nan';
    const ill = this.#steps - this.#better;
    const knew = this.#best * this.classes > KNEW;
    if (knew && ill >= PATIENCE.collapsed) return 'collapsed';
    if (this.#steps - this.#low >= PATIENCE.high) return 'high';
    if (!knew && ill >= PATIENCE.chance) return 'chance';
    return 'fine';
  }
}
