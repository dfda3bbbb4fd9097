import type { PlanEvent } from '../../../installer/plan/types.ts';
import type { Io } from '../command.ts';

/** Shows what a coordinator tells. */
export interface Reporter {
  event(event: PlanEvent): void;
  /** After the last event, or when watching ends before: leaves the terminal as it was found. */
  finish(): Promise<void>;
}

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
