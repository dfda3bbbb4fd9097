import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel's USER_HZ, fixed at 100 in its interface to user space on every architecture that we run on. */
const TICKS_PER_SECOND = 100;

export function ticksToMs(ticks: number): number {
  return (ticks * 1000) / TICKS_PER_SECOND;
}

/**
 * Content of a file below /proc or /sys, or undefined where it has gone or may not be read (a process that just ended,
 * another user's).
 */
export function readMaybe(...path: string[]): string | undefined {
  try {
    return readFileSync(join(...path), 'utf8');
  } catch {
    return undefined;
  }
}

/** A file of one number below /sys, or null. */
export function readNumber(...path: string[]): number | null {
  const text = readMaybe(...path)?.trim();
  return text === undefined || !/^-?\d+$/.test(text) ? null : Number(text);
}

/** `Key:   123 kB` lines as a map of key to text. */
export function keyValues(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) {
      map.set(line.slice(0, colon), line.slice(colon + 1).trim());
    }
  }
  return map;
}

/** `123 kB` in bytes, or null. */
export function kilobytes(text: string | undefined): number | null {
  const match = /^(\d+) kB$/.exec(text ?? '');
  return match === null ? null : Number(match[1]) * 1024;
}

/** When the machine was booted, in Unix seconds; null where /proc/stat does not say. */
export function bootTime(proc: string): number | null {
  const match = /^btime (\d+)$/m.exec(readMaybe(proc, 'stat') ?? '');
  return match === null ? null : Number(match[1]);
}

/** `2026-11-21T13:00:00Z` */
export function isoSeconds(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}
