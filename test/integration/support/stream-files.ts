import { closeSync, openSync, readSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Member } from '../../support/store-cluster.ts';

/** Flips a bit in the middle of the newest block of a member's stream. @returns the block's file */
export function flipInBlock(m: Member, epoch: number): string {
  const folder = join(m.streams, `LOG_${epoch}`, 'msgs');
  const name = readdirSync(folder)
    .filter((f) => f.endsWith('.blk'))
    .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0] as string;
  const file = join(folder, name);
  const offset = Math.floor(statSync(file).size / 2);
  const fd = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0] = (byte[0] as number) ^ 4;
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
  return file;
}
