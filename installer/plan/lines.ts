import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '../../src/errors.ts';

/** A file of JSON lines that is only ever appended to, by one process at a time. */
export interface Lines {
  /** Appends one value; when it returns and `sync` is set, the line survives a power cut. */
  append(value: unknown, options: { sync: boolean }): void;
  close(): void;
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder (mode 0700, missing ones above it 0755) whose being there survives a power cut. */
export function makeFolder(path: string, mode = 0o700): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), 0o755);
  mkdirSync(path, { recursive: true, mode });
  syncFolder(dirname(path));
}

/** Opens a file (mode 0600) for appending; a line torn by a crash is cut off first. */
export function openLines(path: string): Lines {
  makeFolder(dirname(path));
  const isNew = !existsSync(path);
  const fd = openSync(path, 'a+', 0o600);
  if (isNew) syncFolder(dirname(path));
  const content = readFileSync(path);
  if (content.length > 0 && content.at(-1) !== 10) ftruncateSync(fd, content.lastIndexOf(10) + 1);
  return {
    append(value, { sync }) {
      writeSync(fd, `${JSON.stringify(value)}\n`);
      if (sync) fsyncSync(fd);
    },
    close: () => closeSync(fd),
  };
}

/** All values of such a file, `[]` where there is none. What a crash left of a last line is passed over. */
export function readLines<T>(path: string): T[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  return text.split('\n').flatMap((line): T[] => {
    try {
      return [JSON.parse(line) as T];
    } catch {
      return [];
    }
  });
}
