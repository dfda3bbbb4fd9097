import type { QueryLine } from '../api/queries.ts';
import type { ScheduleRun } from '../api/schedules.ts';
import { API_PATHS } from '../cloud/api-paths.ts';
import type { CloudClient } from '../context/client.ts';
import { EXIT } from '../errors.ts';
import type { Io } from './command.ts';
import type { QueryPrinter, Remedies } from './query-printer.ts';
import { cell } from './table.ts';

const CUT: Record<Exclude<ScheduleRun['cut'], ''>, string> = {
  rows: 'a run keeps so many at most',
  bytes: 'a run keeps 1 MiB at most',
  rate: 'the schedules together bring more than the state can take',
  dropped: 'newer runs needed the room',
};

/** A run's limits are its schedule's. */
export const MORE_OF_RUN: Remedies = {
  rows: 'Create the schedule anew with --replace and a larger --max-rows, up to 10000, for more.',
  bytes: 'A run keeps 1 MiB at most: select less.',
};

/**
 * Prints what is kept of a run, and how it ended where not well; sets the exit code: 1 where no satellite answered, 3
 * where some did not. @throws Failure
 */
export async function printRun(client: CloudClient, run: ScheduleRun, printer: QueryPrinter, io: Io): Promise<void> {
  const path = `${API_PATHS.schedules}/${encodeURIComponent(run.schedule)}/runs/${run.number}/lines`;
  for await (const line of client.lines<QueryLine>(path, undefined, io.signal)) {
    printer.print(line);
  }
  printer.finish();
  if (run.cut !== '') {
    io.stderr.write(`Of ${run.rows} rows ${run.kept} are kept: ${CUT[run.cut]}.\n`);
  }
  if (run.state === 'done') {
    return;
  }
  io.stderr.write(
    `Run ${run.number} of ${run.schedule}: ${run.state}${run.reason === '' ? '' : `: ${cell(run.reason)}`}\n`,
  );
  process.exitCode = run.state === 'partial' ? EXIT.partial : EXIT.failed;
}
