import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';

/** Text of a file; undefined when it is not there or may not be read, which for facts is the same. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

/** Standard output of a program, or undefined when it is missing, fails or takes longer than a second. */
export function outputOf(program: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 1000, maxBuffer: 16 << 20, encoding: 'utf8' }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}
