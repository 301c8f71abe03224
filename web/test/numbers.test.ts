import { describe, expect, it } from 'vitest';
import { parseNumber, typable } from '../src/lib/numbers';

describe('typed numbers', () => {
  it.each([['0.1', 0.1], ['0,1', 0.1], [' 5 ', 5], ['1e-3', 0.001], [',5', 0.5], ['−2', -2]])('reads %s', (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  it.each(['', ' ', 'x', '1,2,3', '1.000,5', '1 000'])('refuses %s', (text) => {
    expect(parseNumber(text)).toBeNaN();
  });

  it('takes no comma for a whole number', () => {
    expect(parseNumber('1,000', true)).toBeNaN();
    expect(parseNumber('1000', true)).toBe(1000);
  });

  it('writes no digits that arithmetic left behind', () => {
    expect(typable(0.1 + 0.2)).toBe('0.3');
    expect(typable(0.05 * 0.02)).toBe('0.001');
  });
});
