import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { addRowsOptions } from '../../rows-options.ts';

/** Between two looks whether it is over. */
const LOOK_MS = 500;

interface Options {
  wait: boolean;
  json?: true;
  csv?: true;
  context?: string;
}

export const command: CommandModule = {
  summary: 'Have a schedule run now, and print its rows',
  group: 'Operate',
  configure(cmd, io) {
    addRowsOptions(cmd)
      .argument('<name>', 'which schedule')
      .option('--no-wait', 'only begin it')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'Its regular runs stay where they are. Exit codes: 0 all satellites have answered, 1 none, 3 some; 2 bad ' +
          'input, 5 no machine answers.\n',
      )
      .action(async (name: string, options: Options) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { printerFor } = await import('../../query-printer.ts');
        const { MORE_OF_RUN, printRun } = await import('../../schedule-results.ts');
        type Run = import('../../../api/schedules.ts').ScheduleRun;
        const printer = printerFor(io, options, MORE_OF_RUN);
        const client = await cloudClient(io, options.context);
        const path = `${API_PATHS.schedules}/${encodeURIComponent(name)}/runs`;
        let run = await client.change<Run>('POST', path, undefined, io.signal);
        if (run === undefined) {
          throw new Failure('broken-off', 'The cloud has answered nothing.', {
            remedy: `Look at \`terrarium schedule runs ${name}\`.`,
          });
        }
        io.stderr.write(`Run ${run.number} of ${name} has begun on ${run.runner}.\n`);
        if (!options.wait) {
          return;
        }
        // Each of the control planes knows how it ends, whichever runs it.
        while (run.state === 'running') {
          await sleep(LOOK_MS, undefined, { signal: io.signal }).catch((error: unknown) => {
            throw io.signal.aborted ? io.signal.reason : error;
          });
          run = await client.get<Run>(`${path}/${run.number}`, io.signal);
        }
        await printRun(client, run, printer, io);
      });
  },
};
