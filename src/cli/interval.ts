import { InvalidArgumentError } from 'commander';
import { UNITS } from '../interval-text.ts';

/** Reads `30s`, `5m`, `12h`, `7d`, or those together (`1h30m`), as seconds. */
export function interval(text: string): number {
  const parts = [...text.matchAll(/(\d{1,7})([smhd])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new InvalidArgumentError('It must be a time such as 30s, 5m, 12h or 7d.');
  }
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * (UNITS[unit ?? ''] ?? 0), 0);
}
