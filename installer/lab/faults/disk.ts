import { existsSync } from 'node:fs';
import { rm, statfs, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { labMounts } from '../mounts.ts';
import { rootDir } from '../names.ts';
import { succeeds } from '../run.ts';

/**
 * Takes the space; on the machine's own disk, whose size `lab up --disk` has set, and nothing of it on this machine's:
 * its blocks are never written.
 */
const FILL = 'var/lib/terrarium-lab.fill';
/**
 * ext4 keeps some blocks for itself, how many it does not say: what is left is asked for in ever smaller pieces, down
 * to this, bytes.
 */
const LEAST = 64 * 1024;

function fillFile(machine: string): string {
  return join(rootDir(machine), FILL);
}

/** Leaves so many bytes of a machine's disk to be written by root, and none to others. It must be running. */
export async function fillDisk(machine: string, leave: number): Promise<void> {
  const root = rootDir(machine);
  await rm(fillFile(machine), { force: true });
  let size = 0;
  for (let piece = await freeBytes(root); piece >= LEAST;) {
    if (await succeeds('fallocate', ['--offset', String(size), '--length', String(piece), fillFile(machine)])) {
      size += piece;
    } else {
      piece = Math.floor(piece / 2);
    }
    // A piece that failed may have taken what there was.
    piece = Math.min(piece, await freeBytes(root));
  }
  await truncate(fillFile(machine), Math.max(0, size - leave));
}

async function freeBytes(root: string): Promise<number> {
  const { bfree, bsize } = await statfs(root);
  return bfree * bsize;
}

export async function freeDisk(machine: string): Promise<void> {
  if (isFilled(machine)) {
    await rm(fillFile(machine), { force: true });
  }
}

export function isFilled(machine: string): boolean {
  return labMounts().includes(rootDir(machine)) && existsSync(fillFile(machine));
}
