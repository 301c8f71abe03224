// Numbers as people read them: few digits, a unit, and never a NaN on screen.

const MISSING = '–';

/** count writes whole numbers with thin spaces between the thousands. */
export function count(n: number): string {
  if (!Number.isFinite(n)) return MISSING;
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

export function bytes(n: number): string {
  if (!Number.isFinite(n) || n < 0) return MISSING;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 999.5 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toPrecision(n >= 10 ? 3 : 2)}\u202f${units[i]}`;
}

/** scaled writes a large number with three digits and the letter of its power of a thousand, for a unit to follow: 26.5 M. */
export function scaled(n: number): string {
  if (!Number.isFinite(n)) return MISSING;
  const letters = ['', 'k', 'M', 'G', 'T'];
  let i = 0;
  while (n >= 999.5 && i < letters.length - 1) {
    n /= 1000;
    i++;
  }
  return `${Number(n.toPrecision(3))}\u202f${letters[i]}`;
}

export function percent(fraction: number, digits = 1): string {
  return Number.isFinite(fraction) ? `${(100 * fraction).toFixed(digits)}\u202f%` : MISSING;
}

/** short writes any number with three significant digits. */
export function short(n: number): string {
  if (Number.isNaN(n)) return MISSING;
  if (!Number.isFinite(n)) return n > 0 ? '∞' : '−∞';
  if (n === 0) return '0';
  const size = Math.abs(n);
  const text = size >= 1e5 || size < 1e-4 ? n.toExponential(1) : size >= 100 ? n.toFixed(0) : Number(n.toPrecision(3)).toString();
  return text.replace('-', '−').replace('e−', 'e-').replace('e+', 'e');
}

export function rate(n: number): string {
  if (!Number.isFinite(n)) return MISSING;
  return n >= 10 ? count(n) : short(n);
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return MISSING;
  if (seconds < 60) return `${Math.ceil(seconds)}\u202fs`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}\u202fmin ${Math.floor(seconds % 60)}\u202fs`;
  return `${Math.floor(minutes / 60)}\u202fh ${minutes % 60}\u202fmin`;
}

/** clock writes a time where there is little room: 1:52. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return MISSING;
  const whole = Math.ceil(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function milliseconds(ms: number): string {
  if (!Number.isFinite(ms)) return MISSING;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}\u202fms`;
}
