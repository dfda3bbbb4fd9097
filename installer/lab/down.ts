import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { baseFolder, removeStaleWork } from './base.ts';
import { labCgroups, removeCgroups } from './cgroups.ts';
import { hasTable, removeTable } from './faults/network.ts';
import {
  cutDisk,
  detachLoops,
  labLoops,
  labMounts,
  nspawnLock,
  releaseDisk,
  removeNspawnRemains,
  unmount,
} from './mounts.ts';
import { DEFAULT_DIR, MARKER, PAUSE_FILE, RUN_DIR, machineOfImage, rootDir } from './names.ts';
import { labInterfaces, removeInterfaces } from './network.ts';
import { killProcesses, labProcesses } from './processes.ts';
import { requireRoot } from './requirements.ts';
import { labState } from './state.ts';

/** What of a lab is on this machine, by kind; all empty after `lab down`. */
export interface Remains {
  processes: string[];
  mounts: string[];
  interfaces: string[];
  loops: string[];
  cgroups: string[];
  firewall: string[];
  files: string[];
}

const NSPAWN_RUN = '/run/systemd/nspawn/propagate';

function nspawnRemains(): string[] {
  return existsSync(NSPAWN_RUN) ? readdirSync(NSPAWN_RUN).filter((n) => n.startsWith('trm-')) : [];
}

/** @param dir the lab's folder, where that counts too. */
export async function labRemains(dir?: string): Promise<Remains> {
  return {
    processes: labProcesses().map((p) => `${p.pid} ${p.command.slice(0, 100)}`),
    mounts: labMounts(),
    interfaces: labInterfaces(),
    loops: (await labLoops()).map((l) => `${l.device} ${l.image}`),
    cgroups: labCgroups(),
    firewall: (await hasTable()) ? ['the faults of the network'] : [],
    files: [
      RUN_DIR,
      ...(dir === undefined ? [] : [join(dir, MARKER)]),
      ...nspawnRemains().map((n) => join(NSPAWN_RUN, n)),
    ].filter((f) => existsSync(f)),
  };
}

function isEmpty(remains: Remains): boolean {
  return Object.values(remains).every((list: string[]) => list.length === 0);
}

/**
 * Removes every trace of a lab, of half a one and of a paused one too: all is found by name, a state file is not
 * needed.
 * Without `--dir`, a lab that is paused in the default folder stays.
 * @returns whether there was anything, and the folder that stays. @throws Failure `lab-remains` naming what could not
 *   be removed.
 */
export async function labDown(
  dirFlag: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<{ something: boolean; paused?: string }> {
  requireRoot('Removing a lab');
  const up = stateDir();
  const dir = dirFlag ?? up ?? DEFAULT_DIR;
  const paused = existsSync(join(dir, PAUSE_FILE));
  if (paused && up !== undefined && resolve(up) !== resolve(dir)) {
    // Another lab is up; this one has nothing but its folder.
    await removeFolder(dir);
    return { something: true };
  }
  const keepFolder = paused && dirFlag === undefined && up === undefined;
  const folder = keepFolder ? undefined : dir;
  const something = !isEmpty(await labRemains(folder));
  await tearDown('lose');
  if (folder !== undefined) {
    await removeFolder(folder);
  }
  await releasePlace(folder);
  await removeStaleWork(baseFolder(env));
  return keepFolder ? { something, paused: dir } : { something };
}

async function removeFolder(dir: string): Promise<void> {
  if (existsSync(join(dir, MARKER))) {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Ends every process of a lab and removes its mounts, interfaces, loop devices and cgroups from this machine.
 * @param disks `keep`: what the machines have written is on their disks afterwards; `lose`: that would only take time.
 */
export async function tearDown(disks: 'keep' | 'lose'): Promise<void> {
  await killProcesses(() => true);
  for (const mount of labMounts()) {
    const lock = isDisk(mount) ? await nspawnLock(mount) : undefined;
    if (lock !== undefined && disks === 'lose') {
      await cutDisk(mount).catch(() => undefined);
    }
    await unmount(mount);
    if (lock !== undefined) {
      await rm(lock, { force: true });
    }
  }
  await removeTable();
  await removeInterfaces();
  for (const { image } of await labLoops()) {
    await releaseDisk(image, rootDir(machineOfImage(image))).catch(() => undefined);
  }
  await detachLoops();
  await removeCgroups();
  for (const name of nspawnRemains()) {
    removeNspawnRemains(name);
  }
}

/**
 * The last step after `tearDown`: while RUN_DIR exists no other lab can begin.
 * @param dir the lab's folder, where it has to be gone too. @throws Failure `lab-remains`
 */
export async function releasePlace(dir?: string): Promise<void> {
  await rm(RUN_DIR, { recursive: true, force: true });
  const left = Object.entries(await labRemains(dir)).flatMap(([kind, list]: [string, string[]]) =>
    list.map((item) => `${kind}: ${item}`),
  );
  if (left.length === 0) {
    return;
  }
  throw new Failure('lab-remains', `Something of the lab could not be removed (${left.slice(0, 5).join('; ')}).`, {
    remedy: 'Run the same command again; if it stays, restart this machine.',
  });
}

function isDisk(mount: string): boolean {
  return mount.endsWith('/root');
}

function stateDir(): string | undefined {
  try {
    return labState()?.options.dir;
  } catch {
    return undefined; // written half by a killed process
  }
}
