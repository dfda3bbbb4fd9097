/** Seconds of the units in which intervals are written, the largest first. */
export const UNITS: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60, s: 1 };

/** An interval as people write it: `30s`, `5m`, `1h30m`. @param seconds whole */
export function intervalText(seconds: number): string {
  let left = seconds;
  let text = '';
  for (const [unit, size] of Object.entries(UNITS)) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) {
      text += `${n}${unit}`;
    }
  }
  return text === '' ? '0s' : text;
}
