import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile, replaceLink, syncPath } from '../../src/durable.ts';
import { isErrno } from '../../src/errors.ts';

export interface WriteOptions {
  mode?: number;
  uid?: number;
  gid?: number;
}

/**
 * Writes a file atomically and durably, in a folder that is made if need be. Mode 0644 unless given, whatever the
 * umask.
 */
export function writeFileDurably(path: string, content: string | Buffer, options: WriteOptions = {}): void {
  makeDir(dirname(path));
  replaceFile(path, content, { mode: 0o644, ...options });
}

/** True where the file had another content before. */
export function updateFile(path: string, content: string, options: WriteOptions = {}): boolean {
  if (readText(path) === content) {
    return false;
  }
  writeFileDurably(path, content, options);
  return true;
}

/** Content, or undefined where the file is missing. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}

/** Makes a folder and its parents, searchable by everybody unless a mode says otherwise (umask 077 must not matter). */
export function makeDir(dir: string, options: WriteOptions = {}): void {
  if (!existsSync(dir)) {
    const parent = dirname(dir);
    if (!existsSync(parent)) {
      makeDir(parent);
    }
    try {
      mkdirSync(dir);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) {
        throw error;
      }
    }
    chmodSync(dir, options.mode ?? 0o755);
  } else if (options.mode !== undefined) {
    chmodSync(dir, options.mode);
  }
  if (options.uid !== undefined) {
    chownSync(dir, options.uid, options.gid ?? options.uid);
  }
}

/** Points a symbolic link somewhere else in one step, durably; a file of that name is replaced. */
export function switchLink(link: string, target: string): void {
  if (replaceLink(link, target)) {
    syncPath(dirname(link));
  }
}
