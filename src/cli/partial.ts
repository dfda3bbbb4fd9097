import type { QueryState } from '../api/queries.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import type { Io } from './command.ts';

/** Says what went wrong, a line each, and sets the exit code: 0, 1 where nothing went well, 3 for a part. */
export function outcome(io: Io, done: number, failed: Map<string, string>): void {
  for (const message of failed.values()) {
    io.stderr.write(`Error: ${message}\n`);
  }
  if (failed.size > 0) {
    process.exitCode = done > 0 ? EXIT.partial : EXIT.failed;
  }
}

/** The exit code of a query by how each satellite's part ended: 0, 1 where none answered, 3 for a part of them. */
export function answeredCode(satellites: Record<string, QueryState>): ExitCode {
  const states = Object.values(satellites);
  const answered = states.filter((state) => state === 'rows' || state === 'empty').length;
  if (answered === states.length) {
    return EXIT.ok;
  }
  return answered === 0 ? EXIT.failed : EXIT.partial;
}
