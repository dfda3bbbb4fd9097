import { InvalidArgumentError } from 'commander';
import { EXIT, Failure } from '../../errors.ts';
import type { CommandModule } from '../command.ts';
import { repeatable } from '../repeatable.ts';
import { addRowsOptions } from '../rows-options.ts';
import { size } from '../size.ts';
import { whole } from '../whole-number.ts';

interface Order {
  column: string;
  descending: boolean;
}

interface Options {
  satellite?: string[];
  tag?: string[];
  json?: boolean;
  timeout: number;
  maxRows: number;
  maxBytes?: number;
  saved?: string;
  csv?: boolean;
  orderBy?: Order[];
  limit?: number;
  context?: string;
}

/** `QUERY_LIMITS.maxBytes`; that module is not loaded for a command's options. */
const MOST_BYTES = 1024 ** 3;

/** What looking for new control planes may take at the end of a command. */
const REFRESH_MS = 1_000;

/** `name`, `name desc`, and several of them between commas. */
function orders(text: string): Order[] {
  return text.split(',').map((term) => {
    const [, column, direction] = /^\s*(.+?)(?:\s+(asc|desc))?\s*$/i.exec(term) ?? [];
    if (column === undefined) {
      throw new InvalidArgumentError('It must be columns between commas, each perhaps followed by desc.');
    }
    return { column, descending: direction?.toLowerCase() === 'desc' };
  });
}

export const command: CommandModule = {
  summary: 'Ask the satellites a question in SQL',
  group: 'Use',
  configure(cmd, io) {
    addRowsOptions(cmd)
      .argument('[sql]', 'one SELECT over the tables of the satellites; or give --saved')
      .option('--saved <id>', 'run a saved query; `terrarium get queries` lists them')
      .option('--satellite <id>', 'ask only this one; may be given several times; default: all', repeatable)
      .option(
        '--tag <name=value>',
        'ask only those that have this tag; may be given several times, then those that have all',
        repeatable,
      )
      .option(
        '--order-by <columns>',
        'merge the rows of all satellites in this order, such as "rss_bytes desc, name"',
        orders,
      )
      .option('--limit <n>', 'so many rows of all satellites together', whole(1, 1_000_000))
      .option('--timeout <seconds>', 'let the statement run so long on each satellite', whole(1, 60), 10)
      .option('--max-rows <n>', 'take at most so many rows from each satellite', whole(1, 1_000_000), 10_000)
      .option(
        '--max-bytes <size>',
        'take at most so many bytes of rows (as JSON) from each satellite, such as 500000, 64MiB, 1GiB; beyond ' +
          '64MiB for operators (default: 64MiB)',
        size(MOST_BYTES),
      )
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        `
Its tables are listed by \`select * from tables\`, their columns by \`select * from columns\`.

Examples:
  terrarium query "select * from tables"
  terrarium query "select name, type, description from columns where table_name = 'processes'"
  terrarium query "select name, rss_bytes from processes order by rss_bytes desc limit 5"
  terrarium query --satellite n1 --json "select * from memory"
  terrarium query --order-by "rss_bytes desc" --limit 10 "select name, rss_bytes from processes"

\`terrarium schedule create\` has one run again and again.

Exit codes: 0 all satellites answered, 1 none, 3 some; 2 bad input, 5 no machine answers.
`,
      )
      .action(async (given: string | undefined, options: Options) => {
        if ((given === undefined) === (options.saved === undefined)) {
          throw new Failure('usage', 'It takes either a statement or --saved.', {
            remedy: 'Give one of them.',
            exitCode: EXIT.usage,
          });
        }
        const { loadContext } = await import('../../context/context.ts');
        const { createCloudClient } = await import('../../context/client.ts');
        const { refreshContext } = await import('../../context/refresh.ts');
        const { printerFor } = await import('../query-printer.ts');
        const { answeredCode } = await import('../partial.ts');
        const { API_PATHS } = await import('../../cloud/api-paths.ts');
        const { tagOptions } = await import('../tag-options.ts');
        type Line = import('../../api/queries.ts').QueryLine;
        type Body = import('../../api/queries.ts').QueryBody;
        const context = loadContext(io.env, options.context);
        const client = createCloudClient(context);
        const sql =
          given ??
          (
            await client.get<import('../../api/saved-queries.ts').SavedQuery>(
              `${API_PATHS.savedQueries}/${encodeURIComponent(options.saved ?? '')}`,
              io.signal,
            )
          ).sql;
        const body: Body = {
          sql,
          timeoutMs: options.timeout * 1000,
          maxRows: options.maxRows,
          ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
          ...(options.satellite === undefined ? {} : { satellites: [...new Set(options.satellite)] }),
          ...(options.tag === undefined ? {} : { tags: tagOptions(options.tag) }),
          order: options.orderBy,
          limit: options.limit,
        };
        const printer = printerFor(io, options);
        let ended: Extract<Line, { done: true }>['satellites'] | undefined;
        try {
          for await (const line of client.lines<Line>(API_PATHS.queries, body, io.signal)) {
            printer.print(line);
            if ('done' in line) {
              ended = line.satellites;
            }
          }
        } finally {
          printer.finish();
        }
        if (ended === undefined) {
          throw new Failure('broken-off', 'The cloud ended its answer before all satellites had answered.', {
            remedy: 'Run the command again: another control plane will answer.',
          });
        }
        process.exitCode = answeredCode(ended);
        const overview = await client
          .get<import('../../api/overview.ts').Overview>(API_PATHS.overview, AbortSignal.timeout(REFRESH_MS))
          .catch(() => undefined);
        if (overview !== undefined) {
          refreshContext(io.env, context, overview);
        }
        const asked = Object.keys(ended).length;
        if (asked === 0 && options.tag !== undefined) {
          throw new Failure(
            'no-satellites',
            `No satellite that is heard has ${options.tag.length === 1 ? 'the tag' : 'all the tags'} ` +
              `${options.tag.join(', ')}.`,
            { remedy: '`terrarium get satellites` shows the tags.' },
          );
        }
        if (asked === 0) {
          throw new Failure('no-satellites', 'No satellite is known to the cloud.', {
            remedy: 'Look at `terrarium status`.',
          });
        }
      });
  },
};
