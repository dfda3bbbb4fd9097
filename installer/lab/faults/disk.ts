import { existsSync } from 'node:fs';
import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../../src/errors.ts';
import { labMounts } from '../mounts.ts';
import { rootDir } from '../names.ts';
import { run } from '../run.ts';

/** Takes the space; on the machine's own disk, whose size `lab up --disk` has set, and nothing of it on this machine's: its blocks are never written. */
const FILL = 'var/lib/terrarium-lab.fill';
/** ext4 wants some blocks for the file's own extents. */
const EXTENTS = 64 * 1024;

function fillFile(machine: string): string {
  return join(rootDir(machine), FILL);
}

/** Leaves so many bytes on a machine's disk, root's reserve counted in. @throws Failure `machine-off` */
export async function fillDisk(machine: string, leave: number): Promise<void> {
  const root = requireDisk(machine);
  await rm(fillFile(machine), { force: true });
  const { bfree, bsize } = await statfs(root);
  const size = bfree * bsize - leave - EXTENTS;
  if (size > 0) await run('fallocate', ['--length', String(size), fillFile(machine)]);
}

export async function freeDisk(machine: string): Promise<void> {
  if (isFilled(machine)) await rm(fillFile(machine), { force: true });
}

export function isFilled(machine: string): boolean {
  return labMounts().includes(rootDir(machine)) && existsSync(fillFile(machine));
}

function requireDisk(machine: string): string {
  const root = rootDir(machine);
  if (labMounts().includes(root)) return root;
  throw new Failure('machine-off', `${machine} is switched off.`, { remedy: `Run \`terrarium lab start ${machine}\`.` });
}
