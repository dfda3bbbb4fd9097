import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from './errors.ts';

/** Flushes a file, or a folder's entries, so that a new name in it survives a power cut. */
export function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export interface ReplaceOptions {
  mode: number;
  uid?: number | undefined;
  gid?: number | undefined;
  /**
   * Name under which it is written first, in the same folder; default `PATH.tmp`. Two processes at once need different
   * ones.
   */
  temporary?: string;
}

/**
 * Writes a file whole or not at all, and so that it survives a power cut. Nobody but its owner can read it before it
 * has its mode, whatever the umask.
 */
export function replaceFile(
  path: string,
  content: string | Buffer,
  { mode, uid, gid, temporary = `${path}.tmp` }: ReplaceOptions,
): void {
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let written = 0; written < bytes.length;) {
      written += writeSync(fd, bytes, written);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (uid !== undefined) {
    chownSync(temporary, uid, gid ?? uid);
  }
  chmodSync(temporary, mode);
  renameSync(temporary, path);
  syncPath(dirname(path));
}

/**
 * Makes a symbolic link in one step; a link or a file of that name is replaced. False where it was there. The folder is
 * not flushed.
 */
export function replaceLink(link: string, target: string): boolean {
  try {
    if (readlinkSync(link) === target) {
      return false;
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EINVAL')) {
      throw error;
    }
  }
  const temporary = `${link}.tmp`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
  return true;
}
