import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../src/errors.ts';
import { baseFolder, removeStaleWork } from './base.ts';
import { labCgroups, removeCgroups } from './cgroups.ts';
import { DEFAULT_DIR, MARKER, RUN_DIR, machineOfImage, rootDir } from './names.ts';
import { cutDisk, detachLoops, labLoops, labMounts, nspawnLock, releaseDisk, removeNspawnRemains, unmount } from './mounts.ts';
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
  files: string[];
}

const NSPAWN_RUN = '/run/systemd/nspawn/propagate';

function nspawnRemains(): string[] {
  return existsSync(NSPAWN_RUN) ? readdirSync(NSPAWN_RUN).filter((n) => n.startsWith('trm-')) : [];
}

export async function labRemains(dir: string): Promise<Remains> {
  return {
    processes: labProcesses().map((p) => `${p.pid} ${p.command.slice(0, 100)}`),
    mounts: labMounts(),
    interfaces: labInterfaces(),
    loops: (await labLoops()).map((l) => `${l.device} ${l.image}`),
    cgroups: labCgroups(),
    files: [RUN_DIR, join(dir, MARKER), ...nspawnRemains().map((n) => join(NSPAWN_RUN, n))].filter((f) => existsSync(f)),
  };
}

/**
 * Removes every trace of a lab, of half a one too: all is found by name, a state file is not needed.
 * @returns whether there was anything. @throws Failure `lab-remains` naming what could not be removed.
 */
export async function labDown(dirFlag: string | undefined, env: NodeJS.ProcessEnv): Promise<boolean> {
  requireRoot('Removing a lab');
  const dir = dirFlag ?? stateDir() ?? DEFAULT_DIR;
  const before = await labRemains(dir);
  const something = Object.values(before).some((list: string[]) => list.length > 0);
  await killProcesses(() => true);
  for (const mount of labMounts()) {
    // The disks are thrown away: writing them out first would only take time.
    const lock = isDisk(mount) ? await nspawnLock(mount) : undefined;
    if (lock !== undefined) await cutDisk(mount).catch(() => undefined);
    await unmount(mount);
    if (lock !== undefined) await rm(lock, { force: true });
  }
  await removeInterfaces();
  for (const { image } of await labLoops()) await releaseDisk(image, rootDir(machineOfImage(image))).catch(() => undefined);
  await detachLoops();
  await removeCgroups();
  for (const name of nspawnRemains()) removeNspawnRemains(name);
  if (existsSync(join(dir, MARKER))) await rm(dir, { recursive: true, force: true });
  // Last: while it exists no other lab can begin.
  await rm(RUN_DIR, { recursive: true, force: true });
  await removeStaleWork(baseFolder(env));
  const left = Object.entries(await labRemains(dir)).flatMap(([kind, list]: [string, string[]]) => list.map((item) => `${kind}: ${item}`));
  if (left.length > 0) {
    throw new Failure('lab-remains', `Something of the lab could not be removed (${left.slice(0, 5).join('; ')}).`, { remedy: 'Run `terrarium lab down` again; if it stays, restart this machine.' });
  }
  return something;
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
