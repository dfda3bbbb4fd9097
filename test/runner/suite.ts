import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { tapStream, type EndedFile } from './tap-stream.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** Test files that are run together. */
export interface Suite {
  title: string;
  files: string[];
  /** Files that run side by side. */
  jobs: number;
  /** Seconds for one file: a hang ends there, and the files after it are run. */
  timeout: number;
}

export interface SuiteResult {
  passed: number;
  failed: number;
  seconds: number;
  files: readonly EndedFile[];
}

/** The test files in a folder of the repository, not those in folders below it. None where there is no such folder. */
export function testFiles(folder: string): string[] {
  try {
    return readdirSync(join(ROOT, folder))
      .filter((f) => f.endsWith('.test.ts'))
      .sort()
      .map((f) => join(folder, f));
  } catch {
    return [];
  }
}

/**
 * Runs test files by tap, and prints the names of those that have ended, what failed, and one line at the end.
 * @param started is told the process, for signals.
 */
export async function runSuite(suite: Suite, started: (child: ChildProcess) => void): Promise<SuiteResult> {
  const { title, files, jobs, timeout } = suite;
  const began = performance.now();
  const stream = tapStream();
  const tap = join(ROOT, 'node_modules/.bin/tap');
  const child = spawn(tap, ['-R', 'tap', `--jobs=${jobs}`, `--timeout=${timeout}`, ...files], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  started(child);
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const shown = stream.take(line);
      if (shown !== undefined) {
        process.stdout.write(`${shown}\n`);
      }
    }
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit) => resolve(exit ?? 1));
  });
  const seconds = (performance.now() - began) / 1000;
  // A file that died without an assertion must not pass.
  const failed = code !== 0 && stream.failed() === 0 ? 1 : stream.failed();
  process.stdout.write(`${title}: ${stream.passed()} passed, ${failed} failed (${Math.round(seconds)} s)\n`);
  return { passed: stream.passed(), failed, seconds, files: stream.files() };
}
