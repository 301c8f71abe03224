import { describe, expect, it } from 'vitest';
import { misfit, parseNames } from '../src/lib/photo/names';

describe('names of classes', () => {
  it('are the lines of a text', () => {
    expect(parseNames('tench\r\ngoldfish \n\n')).toEqual(['tench', 'goldfish']);
    expect(parseNames('')).toEqual([]);
  });

  it('fit, or it is said why not', () => {
    expect(misfit('labels.txt', ['a', 'b'], 2)).toBeUndefined();
    expect(misfit('labels.txt', ['a', 'b'], 5)).toEqual({ text: 'labels.txt has 2 names, but the model has 5 answers: the names are not used.' });
  });

  it('are offered shifted by one where that is known', () => {
    expect(misfit('labels.txt', ['a', 'b'], 3)?.shifted).toEqual(['background', 'a', 'b']);
    expect(misfit('labels.txt', ['background', 'a', 'b'], 2)?.shifted).toEqual(['a', 'b']);
    expect(misfit('labels.txt', ['a', 'b', 'c'], 2)?.shifted).toBeUndefined();
  });
});
