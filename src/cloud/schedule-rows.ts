import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Store } from '../store/database.ts';
import { PIECE_BYTES } from '../store/schedule-limits.ts';
import { many } from './state/read.ts';

/**
 * A run's lines as they are kept: what the query gave, JSON lines, compressed as a whole and cut into pieces that a
 * command can carry.
 */
export async function packLines(lines: readonly string[]): Promise<Buffer[]> {
  const packed = await promisify(gzip)(lines.map((line) => `${line}\n`).join(''));
  return Array.from({ length: Math.ceil(packed.length / PIECE_BYTES) }, (_, n) =>
    packed.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES),
  );
}

/** The lines of a run, each with its line end; empty where none are kept. */
export async function keptLines(db: Store, schedule: string, number: number): Promise<Buffer> {
  const pieces = many<{ data: Buffer }>(
    db,
    'SELECT data FROM schedule_rows WHERE schedule = ? AND number = ? ORDER BY piece',
    schedule,
    number,
  ).map((row) => row.data);
  return pieces.length === 0 ? Buffer.alloc(0) : promisify(gunzip)(Buffer.concat(pieces));
}
