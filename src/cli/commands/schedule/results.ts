import { Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { addRowsOptions } from '../../rows-options.ts';
import { whole } from '../../whole-number.ts';

interface Options {
  run?: number;
  json?: true;
  csv?: true;
  context?: string;
}

export const command: CommandModule = {
  summary: 'Print the rows of the last run of a schedule, or of another that is kept',
  group: 'Use',
  configure(cmd, io) {
    addRowsOptions(cmd)
      .argument('<name>', 'which schedule')
      .option(
        '--run <n>',
        'which run, by its number; default: the last that is over',
        whole(1, Number.MAX_SAFE_INTEGER),
      )
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\nExit codes: 0 all satellites had answered, 1 none, 3 some; 2 bad input, 5 no machine answers.\n',
      )
      .action(async (name: string, options: Options) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { printerFor } = await import('../../query-printer.ts');
        const { MORE_OF_RUN, printRun } = await import('../../schedule-results.ts');
        type Run = import('../../../api/schedules.ts').ScheduleRun;
        type Runs = import('../../../api/page.ts').Page<Run>;
        const printer = printerFor(io, options, MORE_OF_RUN);
        const client = await cloudClient(io, options.context);
        const path = `${API_PATHS.schedules}/${encodeURIComponent(name)}/runs`;
        const run =
          options.run === undefined
            ? (await client.get<Runs>(path, io.signal)).items.find((r) => r.state !== 'running')
            : await client.get<Run>(`${path}/${options.run}`, io.signal);
        if (run === undefined) {
          throw new Failure('no-run', `The schedule ${name} has not run yet.`, {
            remedy: '`terrarium get schedules` says when it will; `terrarium schedule run` has it run now.',
          });
        }
        await printRun(client, run, printer, io);
      });
  },
};
