import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { EXIT, Failure, isErrno } from '../../src/errors.ts';
import { PAUSE_FILE, RUN_DIR, STATE_FILE } from './names.ts';
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
    if (!isErrno(error, 'EEXIST')) {
      throw error;
    }
    throw labExists();
  }
  await writeState(STATE_FILE, state);
}

async function writeState(file: string, state: LabState): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(state), { flush: true });
  await rename(`${file}.new`, file);
}

export function labExists(): Failure {
  return new Failure('lab-exists', 'A lab, or what is left of one, is already on this machine.', {
    remedy: '`terrarium lab status` shows it; `terrarium lab down` removes it.',
  });
}

export function labState(): LabState | undefined {
  if (!existsSync(STATE_FILE)) {
    return undefined;
  }
  return JSON.parse(readFileSync(STATE_FILE, 'utf8')) as LabState;
}

const pausedSchema = z.object({
  options: z.object({
    nodes: z.number(),
    dir: z.string(),
    diskGiB: z.number(),
    mtu: z.number().optional(),
    blackHole: z.number().optional(),
    route: z.boolean(),
    dns: z.boolean(),
    ipv6Only: z.boolean(),
    umask: z.string().optional(),
    hostnameCase: z.boolean(),
  }),
  machines: z
    .array(
      z.object({
        name: z.string().regex(/^[A-Za-z0-9-]+$/),
        index: z.number().int().min(1).max(5),
        mac: z.string(),
        ipv4: z.string().optional(),
        ipv6: z.string(),
        address: z.string(),
        hostInterface: z.string(),
      }),
    )
    .min(1)
    .max(5),
});

/**
 * What a lab's directory says about the lab that is paused there; `undefined` where none is.
 * @throws Failure `lab-pause-unreadable`, `lab-moved`
 */
export function pausedLab(dir: string): LabState | undefined {
  const file = join(dir, PAUSE_FILE);
  if (!existsSync(file)) {
    return undefined;
  }
  let state: LabState;
  try {
    const { options, machines } = pausedSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    state = {
      options: { ...options, mtu: options.mtu, blackHole: options.blackHole, umask: options.umask },
      machines: machines.map((m) => ({ ...m, ipv4: m.ipv4 })),
    };
  } catch (error) {
    throw new Failure('lab-pause-unreadable', `${file} does not describe a paused lab.`, {
      remedy: `Run \`terrarium lab down --dir ${dir}\`; it removes the lab.`,
      cause: error,
    });
  }
  if (resolve(state.options.dir) === resolve(dir)) {
    return state;
  }
  throw new Failure(
    'lab-moved',
    `The lab in ${dir} was paused in ${state.options.dir}, and its files name that folder.`,
    { remedy: `Move it back to ${state.options.dir}.`, exitCode: EXIT.usage },
  );
}

/** Keeps a lab's state in its own directory, so that it outlives this machine's /run. */
export async function writePausedLab(state: LabState): Promise<void> {
  await writeState(join(state.options.dir, PAUSE_FILE), state);
}

/** @throws Failure `no-lab` */
export function requireLab(): LabState {
  const state = labState();
  if (state !== undefined) {
    return state;
  }
  throw new Failure('no-lab', 'No lab is up on this machine.', {
    remedy: 'Run `terrarium lab up --nodes 3`.',
    exitCode: EXIT.usage,
  });
}
