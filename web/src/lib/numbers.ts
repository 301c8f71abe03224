// Numbers as people type them.

/** parseNumber reads a number with a point or a comma for its decimals; NaN when the text is none. A comma in a whole number is no decimal, and could be a thousand's. */
export function parseNumber(text: string, whole = false): number {
  const plain = text.trim().replace('−', '-');
  if (plain === '' || (whole && plain.includes(','))) return NaN;
  return Number(plain.includes('.') ? plain : plain.replace(',', '.'));
}

/** typable writes a number as it would be typed: no more digits than float64 has to spare. */
export const typable = (value: number): string => String(Number(value.toPrecision(12)));
