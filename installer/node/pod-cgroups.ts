import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../src/errors.ts';

/** What the kubelet names the cgroup of all pods, by cgroupfs and by systemd. */
const POD_CGROUPS = ['kubepods', 'kubepods.slice'];

/** Removes the (empty) cgroups of pods in every hierarchy: the kubelet makes them and nobody takes them away. */
export function removePodCgroups(root = '/sys/fs/cgroup'): void {
  if (!existsSync(root)) {
    return;
  }
  const hierarchies = [
    root,
    ...readdirSync(root, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => join(root, e.name)),
  ];
  for (const hierarchy of hierarchies) {
    for (const name of POD_CGROUPS) {
      removeCgroup(join(hierarchy, name));
    }
  }
}

/** Children first; one that still has processes stays, with its parents. */
function removeCgroup(path: string): void {
  if (!existsSync(path)) {
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      removeCgroup(join(path, entry.name));
    }
  }
  try {
    rmdirSync(path);
  } catch (error) {
    if (!isErrno(error, 'EBUSY') && !isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'ENOENT')) {
      throw error;
    }
  }
}
