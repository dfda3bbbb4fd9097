import { chmodSync, chownSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, readlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../../src/errors.ts';

export interface WriteOptions {
  mode?: number;
  uid?: number;
  gid?: number;
}

/** Flushes a folder's entries, so that a rename in it survives a power cut. */
export function syncDir(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file atomically and durably (temporary file, fsync, rename, fsync of the folder). Mode 0644 unless given, whatever the umask. */
export function writeFileDurably(path: string, content: string | Buffer, options: WriteOptions = {}): void {
  makeDir(dirname(path));
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    writeSync(fd, typeof content === 'string' ? Buffer.from(content) : content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (options.uid !== undefined) chownSync(temporary, options.uid, options.gid ?? options.uid);
  chmodSync(temporary, options.mode ?? 0o644);
  renameSync(temporary, path);
  syncDir(dirname(path));
}

/** True where the file had another content before. */
export function updateFile(path: string, content: string, options: WriteOptions = {}): boolean {
  if (readText(path) === content) return false;
  writeFileDurably(path, content, options);
  return true;
}

/** Content, or undefined where the file is missing. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Makes a folder and its parents, searchable by everybody unless a mode says otherwise (umask 077 must not matter). */
export function makeDir(dir: string, options: WriteOptions = {}): void {
  if (!existsSync(dir)) {
    const parent = dirname(dir);
    if (!existsSync(parent)) makeDir(parent);
    try {
      mkdirSync(dir);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    chmodSync(dir, options.mode ?? 0o755);
  } else if (options.mode !== undefined) {
    chmodSync(dir, options.mode);
  }
  if (options.uid !== undefined) chownSync(dir, options.uid, options.gid ?? options.uid);
}

/** Points a symbolic link somewhere else in one step; a file of that name is replaced. */
export function switchLink(link: string, target: string): void {
  try {
    if (readlinkSync(link) === target) return;
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EINVAL')) throw error;
  }
  const temporary = `${link}.tmp`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
  syncDir(dirname(link));
}
