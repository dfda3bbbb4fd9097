import { lstatSync, readdirSync, readFileSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../src/errors.ts';

/** Mount points of this machine, as the kernel lists them (octal escapes of proc(5) decoded). */
export function mountPoints(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path !== '')
    .map((path) => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
}

/**
 * Removes a folder and what is in it, but never anything on another file system: a mount point below it is left alone
 * with everything in it. Symbolic links are removed, not followed. Returns what was left: mount points, and paths in
 * `keep`.
 */
export function removeTree(
  root: string,
  keep: readonly string[] = [],
  mounts: ReadonlySet<string> = new Set(mountPoints()),
): string[] {
  const left: string[] = [];
  const remove = (path: string): boolean => {
    if (keep.includes(path) || mounts.has(path)) {
      left.push(path);
      return false;
    }
    let stat;
    try {
      stat = lstatSync(path);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        return true;
      }
      throw error;
    }
    if (!stat.isDirectory()) {
      unlinkSync(path);
      return true;
    }
    let empty = true;
    for (const name of readdirSync(path)) {
      empty = remove(join(path, name)) && empty;
    }
    if (empty) {
      rmdirSync(path);
    }
    return empty;
  };
  remove(root);
  return left;
}

/**
 * Removes a folder if nothing but empty folders of the same file system is in it, and those of them that are empty
 * where not; true where it is gone.
 */
export function removeEmptyFolders(root: string, mounts: ReadonlySet<string> = new Set(mountPoints())): boolean {
  if (mounts.has(root)) {
    return false;
  }
  let stat;
  try {
    stat = lstatSync(root);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return true;
    }
    throw error;
  }
  if (!stat.isDirectory()) {
    return false;
  }
  let empty = true;
  for (const name of readdirSync(root)) {
    empty = removeEmptyFolders(join(root, name), mounts) && empty;
  }
  if (empty) {
    rmdirSync(root);
  }
  return empty;
}

/** The same for several folders, saying what was left; one that is not there is fine. */
export function removeTrees(roots: readonly string[], log: (line: string) => void): void {
  for (const root of roots) {
    for (const path of removeTree(root)) {
      log(`left alone: ${path}`);
    }
  }
}
