import { EXIT } from '../errors.ts';
import type { Io } from './command.ts';

/** Some of what was named was found, or deleted, and some was not. */
export const PARTIAL = 3;

/** Says what went wrong, a line each, and sets the exit code: 0, 1 where nothing went well, 3 for a part. */
export function outcome(io: Io, done: number, failed: Map<string, string>): void {
  for (const message of failed.values()) io.stderr.write(`Error: ${message}\n`);
  if (failed.size > 0) process.exitCode = done > 0 ? PARTIAL : EXIT.failed;
}
