import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';
import { interval } from '../../interval.ts';
import { repeatable } from '../../repeatable.ts';
import { whole } from '../../whole-number.ts';

interface Options {
  every: number;
  query?: string;
  title?: string;
  satellite?: string[];
  tag?: string[];
  timeout: number;
  maxRows: number;
  paused?: true;
  replace?: true;
  context?: string;
}

export const command: CommandModule = {
  summary: 'Have a query run again and again, and keep what it answers',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'its id: letters, digits, - and _')
      .argument('[sql]', 'one SELECT over the tables of the satellites; or give --query')
      .requiredOption('--every <time>', 'from 30s to 7d, such as 5m, 12h', interval)
      .option('--query <id>', 'a saved query, as it is when it runs')
      .option('--title <text>', 'a longer name for people')
      .option(
        '--satellite <id>',
        'ask only this one; may be given several times; default: all that are heard',
        repeatable,
      )
      .option(
        '--tag <name=value>',
        'ask only those that have this tag; may be given several times, then those that have all',
        repeatable,
      )
      .option('--timeout <seconds>', 'let the statement run so long on each satellite', whole(1, 60), 10)
      .option('--max-rows <n>', 'take at most so many rows from each satellite', whole(1, 10_000), 1_000)
      .option('--paused', 'do not run it yet')
      .option('--replace', 'change one that is there')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'It runs with the rights that its owner, who creates it, has each time. The last 10 runs are kept, of each ' +
          'the first 10,000 rows or 1 MiB.\n' +
          '\n' +
          'Examples:\n' +
          '  terrarium schedule create disks --every 1h "select mount_point, used_bytes from disks"\n' +
          '  terrarium schedule results disks --csv\n' +
          '  terrarium get schedules --watch\n',
      )
      .action(async (name: string, sql: string | undefined, options: Options) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { tagOptions } = await import('../../tag-options.ts');
        type Body = import('../../../api/schedules.ts').ScheduleBody;
        if ((sql === undefined) === (options.query === undefined)) {
          throw new Failure('usage', 'It takes either a statement or --query.', {
            remedy: 'Give one of them.',
            exitCode: EXIT.usage,
          });
        }
        const body: Body = {
          name: options.title ?? name,
          everySeconds: options.every,
          timeoutMs: options.timeout * 1000,
          maxRows: options.maxRows,
          paused: options.paused === true,
          ...(sql === undefined ? {} : { sql }),
          ...(options.query === undefined ? {} : { query: options.query }),
          ...(options.satellite === undefined ? {} : { satellites: [...new Set(options.satellite)] }),
          ...(options.tag === undefined ? {} : { tags: tagOptions(options.tag) }),
          ...(options.replace === true ? {} : { expect: 0 }),
        };
        const client = await cloudClient(io, options.context);
        await client
          .change('PUT', `${API_PATHS.schedules}/${encodeURIComponent(name)}`, body, io.signal)
          .catch((error: unknown) => {
            if (!(error instanceof Failure) || error.code !== 'version-conflict' || options.replace === true) {
              throw error;
            }
            throw new Failure('exists', `There is a schedule ${name} already.`, {
              remedy: 'Use --replace to change it.',
            });
          });
        io.stdout.write(`schedules/${name} ${options.replace === true ? 'put' : 'created'}\n`);
      });
  },
};
