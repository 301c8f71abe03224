import { describe, expect, it } from 'vitest';
import { Health, type Verdict } from '../src/lib/health';

/** verdicts feeds steps and lists what was said, in order. */
function verdicts(steps: number, at: (step: number) => [loss: number, accuracy: number], health = new Health(10)): Verdict[] {
  const said: Verdict[] = [];
  for (let i = 0; i < steps; i++) {
    health.add(...at(i));
    if (said.at(-1) !== health.verdict) said.push(health.verdict);
  }
  return said;
}

// Noise without randomness.
const noise = (i: number, size: number) => size * Math.sin(12.9898 * i);

describe('a run that', () => {
  it('learns is fine, also slowly, with single images or rough', () => {
    expect(verdicts(5000, (i) => [2.3 * Math.exp(-i / 900) + noise(i, 0.2), 1 - 0.9 * Math.exp(-i / 900)])).toEqual(['fine']);
    expect(verdicts(5000, (i) => [2.3 * Math.exp(-i / 900) + 0.1, (i * 7919) % 100 < 100 * (1 - 0.9 * Math.exp(-i / 300)) ? 1 : 0])).toEqual(['fine']);
    // A first step that overshoots and comes back.
    expect(verdicts(3000, (i) => [i < 20 ? 30 : 1 / (1 + i / 100), i < 20 ? 0.1 : 0.9])).toEqual(['fine']);
  });

  it('never leaves chance is told, after a while', () => {
    const health = new Health(10);
    expect(verdicts(500, (i) => [2.303, 0.1 + noise(i, 0.1)], health)).toEqual(['fine']);
    expect(verdicts(600, (i) => [2.303, 0.1 + noise(i, 0.1)], health).at(-1)).toBe('chance');
    // And taken back when it learns after all.
    expect(verdicts(400, () => [0.5, 0.9], health).at(-1)).toBe('fine');
  });

  it('knew something and fell to chance is told sooner', () => {
    const health = new Health(10);
    verdicts(800, () => [0.3, 0.92], health);
    const said = verdicts(800, () => [2.31, 0.098], health);
    expect(said).toEqual(['fine', 'collapsed']);
  });

  it('has a loss far above where it began is told', () => {
    const health = new Health(10);
    verdicts(300, () => [0.4, 0.9], health);
    expect(verdicts(150, () => [600, 0.5], health)).toEqual(['fine', 'high']);
  });

  it('has lost its numbers is told at once', () => {
    const health = new Health(10);
    health.add(NaN, 0.1);
    expect(health.verdict).toBe('nan');
  });
});
