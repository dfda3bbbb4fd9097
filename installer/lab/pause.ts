import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EXIT, Failure } from '../../src/errors.ts';
import { diskImage } from './disk.ts';
import { labRemains, releasePlace, tearDown } from './down.ts';
import { labMounts } from './mounts.ts';
import { DEFAULT_DIR, PAUSE_FILE, rootDir } from './names.ts';
import { requirePrograms, requireRoot } from './requirements.ts';
import { run } from './run.ts';
import { claimLab, labExists, labState, pausedLab, requireLab, writePausedLab, type LabState } from './state.ts';
import { bootMachines } from './up.ts';

/**
 * Takes the lab that is up off this machine, all but its directory. The machines see a power cut at which everything
 * that they had written was on their disks. Killed anywhere, the same command completes it; that of a paused lab
 * changes nothing.
 * @param dirFlag the lab's directory; default: that of the lab that is up. @throws Failure `no-lab`, `lab-elsewhere`,
 *   `lab-remains`
 */
export async function labPause(dirFlag: string | undefined): Promise<LabState> {
  requireRoot('Pausing a lab');
  const up = labState();
  const dir = resolve(dirFlag ?? up?.options.dir ?? DEFAULT_DIR);
  const state = up ?? pausedLab(dir) ?? requireLab();
  if (resolve(state.options.dir) !== dir) {
    throw elsewhere(state.options.dir, dir);
  }
  await writePausedLab(state);
  const mounts = labMounts();
  // Most of it while they still run, so that the pause itself is short.
  for (const root of state.machines.map((m) => rootDir(m.name))) {
    if (mounts.includes(root)) {
      await run('sync', ['--file-system', root]);
    }
  }
  await tearDown('keep');
  await releasePlace();
  return state;
}

/**
 * Boots a paused lab from its disks: the same machines with the same addresses and keys. Killed anywhere, the same
 * command completes it.
 * @param dirFlag the lab's directory. @throws Failure `no-paused-lab`, `lab-exists`, `lab-disk-missing`,
 *   `lab-boot-failed`
 */
export async function labResume(
  dirFlag: string | undefined,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<LabState> {
  requireRoot('Resuming a lab');
  // As labUp: the caller's would end up in the modes of folders that machines see.
  process.umask(0o022);
  const dir = resolve(dirFlag ?? DEFAULT_DIR);
  const state = pausedLab(dir);
  if (state === undefined) {
    throw new Failure('no-paused-lab', `No lab is paused in ${dir}.`, {
      remedy: 'Name the folder of the paused lab with --dir.',
      exitCode: EXIT.usage,
    });
  }
  requirePrograms({ debootstrap: false, dns: state.options.dns });
  const missing = state.machines.map((m) => diskImage(state.options, m)).find((image) => !existsSync(image));
  if (missing !== undefined) {
    throw new Failure('lab-disk-missing', `The disk ${missing} of the paused lab is gone.`, {
      remedy: `Run \`terrarium lab down --dir ${dir}\` and make a new lab.`,
    });
  }
  if (Object.values(await labRemains()).some((list: string[]) => list.length > 0)) {
    // Of this one: a pause or a resume that was killed half-way.
    const up = labState()?.options.dir;
    if (up === undefined || resolve(up) !== dir) {
      throw labExists();
    }
    await tearDown('keep');
    await releasePlace();
  }
  const began = Date.now();
  await claimLab(state);
  await bootMachines(state, say, signal);
  await rm(join(dir, PAUSE_FILE));
  say(`Up after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  return state;
}

function elsewhere(up: string, asked: string): Failure {
  return new Failure('lab-elsewhere', `The lab that is up lies in ${up}, not in ${asked}.`, {
    remedy: `Run \`terrarium lab pause --dir ${up}\`.`,
    exitCode: EXIT.usage,
  });
}
