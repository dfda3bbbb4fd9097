import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../../src/errors.ts';
import { CGROUP } from './names.ts';

export interface Hierarchy {
  mountPoint: string;
  version: 1 | 2;
  /** v1: the controllers mounted there. */
  controllers: string[];
}

/**
 * The cgroup hierarchies that /proc/self/mountinfo lists: several v1 ones and perhaps an empty v2 (hybrid), or one v2.
 */
export function parseHierarchies(mountinfo: string): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const mountPoint = before?.split(' ')[4];
    const [type, , options] = after?.split(' ') ?? [];
    // Other mounts of the same hierarchies, of containers for instance, lie elsewhere.
    if (mountPoint === undefined || !mountPoint.startsWith('/sys/fs/cgroup')) {
      continue;
    }
    if (type === 'cgroup2') {
      found.set(mountPoint, { mountPoint, version: 2, controllers: [] });
    }
    if (type === 'cgroup') {
      found.set(mountPoint, {
        mountPoint,
        version: 1,
        controllers: (options ?? '').split(',').filter((o) => o !== 'rw' && o !== 'ro'),
      });
    }
  }
  return [...found.values()];
}

function hierarchies(): Hierarchy[] {
  return parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/**
 * Makes the machine's cgroup in every hierarchy. @returns the folders, to be entered by the machine's first process.
 */
export function makeMachineCgroups(machine: string): string[] {
  return hierarchies().map((h) => {
    const top = join(h.mountPoint, CGROUP);
    const dir = join(top, machine.toLowerCase());
    mkdirSync(dir, { recursive: true });
    if (h.version === 2) {
      delegate(h.mountPoint, top);
    }
    // A new cpuset admits nobody until it is told its processors.
    if (h.controllers.includes('cpuset')) {
      for (const d of [top, dir]) {
        for (const f of ['cpuset.cpus', 'cpuset.mems']) {
          writeFileSync(join(d, f), readFileSync(join(h.mountPoint, f)));
        }
      }
    }
    return dir;
  });
}

/** Pure v2: controllers reach the machine's cgroup only if each level above hands them down. */
function delegate(root: string, top: string): void {
  for (const dir of [root, top]) {
    for (const controller of readFileSync(join(dir, 'cgroup.controllers'), 'utf8').trim().split(' ')) {
      if (controller === '') {
        continue;
      }
      try {
        writeFileSync(join(dir, 'cgroup.subtree_control'), `+${controller}`);
      } catch (error) {
        // cpu cannot be handed down while there are realtime processes, for example; nspawn goes on without it.
        if (!isErrno(error, 'EBUSY') && !isErrno(error, 'EINVAL') && !isErrno(error, 'EOPNOTSUPP')) {
          throw error;
        }
      }
    }
  }
}

/** The machine's folder where there is nothing but cgroup2; '' on a hybrid host, whose cgroup2 has no controllers. */
export function unifiedCgroup(machine: string): string {
  const all = hierarchies();
  const [only] = all;
  return only?.version === 2 && all.length === 1 ? join(only.mountPoint, CGROUP, machine.toLowerCase()) : '';
}

/** The folder that nspawn has given to the machine; undefined while there is none. */
function payload(dir: string): string | undefined {
  const boots = existsSync(dir) ? readdirSync(dir).filter((d) => d.startsWith('boot-')) : [];
  const last = boots.sort((a, b) => Number(a.slice('boot-'.length)) - Number(b.slice('boot-'.length))).at(-1);
  const given = join(dir, last ?? '.', 'payload');
  return existsSync(given) ? given : undefined;
}

/** Where `lab exec` puts a process: the machine's cgroup, below systemd's own level where that must be a leaf. */
export function execCgroups(machine: string): string[] {
  return hierarchies().map((h) => {
    const dir = join(h.mountPoint, CGROUP, machine.toLowerCase());
    const base = payload(dir) ?? dir;
    if (h.version === 1 && !h.controllers.includes('name=systemd')) {
      return base;
    }
    const leaf = join(base, 'lab-exec');
    mkdirSync(leaf, { recursive: true });
    return leaf;
  });
}

/** All folders of the lab's cgroups, or of one machine's. */
export function labCgroups(machine?: string): string[] {
  return hierarchies()
    .map((h) => join(h.mountPoint, CGROUP, machine?.toLowerCase() ?? ''))
    .filter((d) => existsSync(d));
}

function removeTree(dir: string): void {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        removeTree(join(dir, entry.name));
      }
    }
    rmdirSync(dir);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EBUSY') && !isErrno(error, 'ENODEV')) {
      throw error;
    }
  }
}

/** Removes the cgroups; their processes must be dead. @returns what is left after 5 s, busy. */
export async function removeCgroups(machine?: string): Promise<string[]> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    for (const dir of labCgroups(machine)) {
      removeTree(dir);
    }
    if (labCgroups(machine).length === 0) {
      return [];
    }
    await sleep(100);
  }
  return labCgroups(machine);
}
