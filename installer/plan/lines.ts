import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { syncPath } from '../../src/durable.ts';
import { Failure, isErrno } from '../../src/errors.ts';

/** A file of JSON lines that is only ever appended to, by one process at a time. */
export interface Lines {
  /**
   * Appends one value; when it returns and `sync` is set, the line survives a power cut. @throws Failure
   * `cannot-write`.
   */
  append(value: unknown, options: { sync: boolean }): void;
  close(): void;
}

/** Makes a folder (mode 0700, missing ones above it 0755) whose being there survives a power cut. */
export function makeFolder(path: string, mode = 0o700): void {
  if (existsSync(path)) {
    return;
  }
  makeFolder(dirname(path), 0o755);
  mkdirSync(path, { recursive: true, mode });
  syncPath(dirname(path));
}

/** Opens a file (mode 0600) for appending; a line torn by a crash is cut off first. */
export function openLines(path: string): Lines {
  makeFolder(dirname(path));
  const isNew = !existsSync(path);
  const fd = openSync(path, 'a+', 0o600);
  if (isNew) {
    syncPath(dirname(path));
  }
  if (fstatSync(fd).size > 0) {
    cutTorn(fd, path);
  }
  return {
    append(value, { sync }) {
      const size = fstatSync(fd).size;
      try {
        writeWhole(fd, Buffer.from(`${JSON.stringify(value)}\n`));
        if (sync) {
          fsyncSync(fd);
        }
      } catch (cause) {
        cutTo(fd, size);
        const why = isErrno(cause, 'ENOSPC') ? 'the disk is full' : (cause as Error).message;
        throw new Failure('cannot-write', `${path} cannot be written: ${why}.`, {
          remedy: 'Make room or mend the disk, then run the same command again.',
          cause,
        });
      }
    },
    close: () => closeSync(fd),
  };
}

function cutTorn(fd: number, path: string): void {
  const content = readFileSync(path);
  if (content.at(-1) !== 10) {
    ftruncateSync(fd, content.lastIndexOf(10) + 1);
  }
}

function cutTo(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch {
    // The line stays torn; readers pass it over.
  }
}

/** A full disk takes part of a line before it refuses the rest. */
function writeWhole(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done);
  }
}

/** All values of such a file, `[]` where there is none. What a crash left of a last line is passed over. */
export function readLines<T>(path: string): T[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return [];
    }
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
