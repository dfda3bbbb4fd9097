import { InvalidArgumentError } from 'commander';

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `30s`, `5m`, `12h`, `7d`, or those together (`1h30m`), in seconds. */
export function interval(text: string): number {
  const parts = [...text.matchAll(/(\d{1,7})([smhd])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) throw new InvalidArgumentError('It must be a time such as 30s, 5m, 12h or 7d.');
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * (SECONDS[unit ?? ''] ?? 0), 0);
}

/** The same way around: `5m`, `1h30m`. @param seconds whole */
export function intervalText(seconds: number): string {
  let left = seconds;
  let text = '';
  for (const [unit, size] of Object.entries(SECONDS).reverse()) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0) text += `${n}${unit}`;
  }
  return text === '' ? '0s' : text;
}
