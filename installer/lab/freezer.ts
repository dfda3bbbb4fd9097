import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../src/errors.ts';
import { labCgroups } from './cgroups.ts';

/** The file that freezes a cgroup, what to write there, and how to see that all of it stands still. */
interface Freezer {
  file: string;
  freeze: string;
  thaw: string;
  frozen(): boolean;
}

/** A cgroup's freezer in whichever hierarchy has one: v1's freezer, or v2 where there is no v1. */
function freezerOf(dirs: string[]): Freezer | undefined {
  for (const dir of dirs) {
    const file = join(dir, 'freezer.state');
    if (existsSync(file)) {
      return { file, freeze: 'FROZEN', thaw: 'THAWED', frozen: () => readFileSync(file, 'utf8').trim() === 'FROZEN' };
    }
  }
  for (const dir of dirs) {
    const file = join(dir, 'cgroup.freeze');
    if (existsSync(file)) {
      return {
        file,
        freeze: '1',
        thaw: '0',
        frozen: () => /^frozen 1$/m.test(readFileSync(join(dir, 'cgroup.events'), 'utf8')),
      };
    }
  }
  return undefined;
}

/**
 * Makes every process of a machine stand still at once, so that none sees its disk go; waits for it at most a second.
 */
export async function freeze(machine: string): Promise<void> {
  const freezer = freezerOf(labCgroups(machine));
  if (freezer === undefined) {
    return;
  }
  writeFileSync(freezer.file, freezer.freeze);
  for (let attempt = 0; attempt < 50 && !freezer.frozen(); attempt += 1) {
    await sleep(20);
  }
}

/** Whether a machine stands still. */
export function isFrozen(machine: string): boolean {
  return freezerOf(labCgroups(machine))?.frozen() ?? false;
}

/** Lets a machine's processes go on, which those that were killed meanwhile need in order to die. */
export function thaw(machine: string): void {
  const freezer = freezerOf(labCgroups(machine));
  try {
    if (freezer !== undefined) {
      writeFileSync(freezer.file, freezer.thaw);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENODEV')) {
      throw error;
    }
  }
}
