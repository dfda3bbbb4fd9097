import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { EXIT, Failure, isErrno } from '../../src/errors.ts';
import { RUN_DIR, STATE_FILE } from './names.ts';
import type { LabOptions, MachinePlan } from './plan.ts';

/** What the lab that is up was made from; all else is seen on the machine itself. */
export interface LabState {
  options: LabOptions;
  machines: MachinePlan[];
}

/** Takes the one place for a lab. @throws Failure `lab-exists` */
export async function claimLab(state: LabState): Promise<void> {
  try {
    await mkdir(RUN_DIR, { mode: 0o755 });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    throw labExists();
  }
  await writeFile(`${STATE_FILE}.new`, JSON.stringify(state));
  await rename(`${STATE_FILE}.new`, STATE_FILE);
}

export function labExists(): Failure {
  return new Failure('lab-exists', 'A lab, or what is left of one, is already on this machine.', {
    remedy: '`terrarium lab status` shows it; `terrarium lab down` removes it.',
  });
}

export function labState(): LabState | undefined {
  if (!existsSync(STATE_FILE)) return undefined;
  return JSON.parse(readFileSync(STATE_FILE, 'utf8')) as LabState;
}

/** @throws Failure `no-lab` */
export function requireLab(): LabState {
  const state = labState();
  if (state !== undefined) return state;
  throw new Failure('no-lab', 'No lab is up on this machine.', { remedy: 'Run `terrarium lab up --nodes 3`.', exitCode: EXIT.usage });
}
