import { createHash } from 'node:crypto';
import { chmodSync, closeSync, copyFileSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { syncPath } from '../../durable.ts';

/** Bytes hashed at a time, between which other work gets its turn. */
const HASH_CHUNK = 4 * 1024 * 1024;

/** Hexadecimal sha256 of a file; other work gets its turn meanwhile. */
export async function sha256Of(path: string): Promise<string> {
  const sum = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(HASH_CHUNK);
    for (;;) {
      const n = readSync(fd, buffer, 0, buffer.length, null);
      if (n === 0) {
        return sum.digest('hex');
      }
      sum.update(buffer.subarray(0, n));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    closeSync(fd);
  }
}

/** Removes a database with all that SQLite has put beside it. */
export function forget(file: string): void {
  for (const suffix of ['-wal', '-shm', '-journal', '']) {
    rmSync(file + suffix, { force: true });
  }
}

/**
 * Whether there is something in a file.
 * @throws Error where the disk does not tell: what is not known to be missing is not replaced.
 */
export function holds(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** Makes a copy that is on disk for good, or none. */
export function copyWhole(from: string, to: string): void {
  try {
    copyFileSync(from, to);
    chmodSync(to, 0o600);
    syncPath(to);
  } catch (error) {
    forget(to);
    throw error;
  }
}
