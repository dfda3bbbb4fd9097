import type { Io } from '../command.ts';
import type { Reporter } from './reporter.ts';

export interface ReporterChoice {
  json: boolean;
  isTTY: boolean;
  stdout: Io['stdout'];
}

/** JSON lines for programs, a live task list on a terminal, plain lines otherwise. */
export async function chooseReporter({ json, isTTY, stdout }: ReporterChoice): Promise<Reporter> {
  if (json) {
    return (await import('./json.ts')).jsonReporter(stdout);
  }
  if (isTTY) {
    return (await import('./tty.ts')).ttyReporter(stdout);
  }
  return (await import('./plain.ts')).plainReporter(stdout);
}
