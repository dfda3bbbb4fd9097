import type { Io } from '../command.ts';
import type { Reporter } from './reporter.ts';

/** One event a line, as the coordinator tells it. */
export function jsonReporter(stdout: Io['stdout']): Reporter {
  return {
    event: (event) => void stdout.write(`${JSON.stringify(event)}\n`),
    finish: async () => undefined,
  };
}
