import { InvalidArgumentError } from 'commander';
import type { Overview } from '../../api/overview.ts';
import type { QueryBody, QueryLine } from '../../api/queries.ts';
import type { SavedQuery } from '../../api/saved-queries.ts';
import type { CloudClient } from '../../context/client.ts';
import { EXIT, Failure } from '../../errors.ts';
import type { CommandModule, Io } from '../command.ts';
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

type Ended = Extract<QueryLine, { done: true }>['satellites'];

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
      .action((sql: string | undefined, options: Options) => query(io, sql, options));
  },
};

async function query(io: Io, given: string | undefined, options: Options): Promise<void> {
  if ((given === undefined) === (options.saved === undefined)) {
    throw new Failure('usage', 'It takes either a statement or --saved.', {
      remedy: 'Give one of them.',
      exitCode: EXIT.usage,
    });
  }
  const { loadContext } = await import('../../context/context.ts');
  const { createCloudClient } = await import('../../context/client.ts');
  const { refreshContext } = await import('../../context/refresh.ts');
  const { answeredCode } = await import('../partial.ts');
  const { API_PATHS } = await import('../../cloud/api-paths.ts');
  const { tagOptions } = await import('../tag-options.ts');
  const context = loadContext(io.env, options.context);
  const client = createCloudClient(context);
  const saved = `${API_PATHS.savedQueries}/${encodeURIComponent(options.saved ?? '')}`;
  const ended = await print(io, client, options, {
    sql: given ?? (await client.get<SavedQuery>(saved, io.signal)).sql,
    timeoutMs: options.timeout * 1000,
    maxRows: options.maxRows,
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
    ...(options.satellite === undefined ? {} : { satellites: [...new Set(options.satellite)] }),
    ...(options.tag === undefined ? {} : { tags: tagOptions(options.tag) }),
    order: options.orderBy,
    limit: options.limit,
  });
  process.exitCode = answeredCode(ended);
  const overview = await client
    .get<Overview>(API_PATHS.overview, AbortSignal.timeout(REFRESH_MS))
    .catch(() => undefined);
  if (overview !== undefined) {
    refreshContext(io.env, context, overview);
  }
  if (Object.keys(ended).length === 0) {
    throw noSatellites(options.tag);
  }
}

/** Prints the rows as they come. Returns how each satellite's part ended. @throws Failure `broken-off` */
async function print(io: Io, client: CloudClient, options: Options, body: QueryBody): Promise<Ended> {
  const { printerFor } = await import('../query-printer.ts');
  const { API_PATHS } = await import('../../cloud/api-paths.ts');
  const printer = printerFor(io, options);
  let ended: Ended | undefined;
  try {
    for await (const line of client.lines<QueryLine>(API_PATHS.queries, body, io.signal)) {
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
  return ended;
}

function noSatellites(tags: string[] | undefined): Failure {
  if (tags === undefined) {
    return new Failure('no-satellites', 'No satellite is known to the cloud.', {
      remedy: 'Look at `terrarium status`.',
    });
  }
  return new Failure(
    'no-satellites',
    `No satellite that is heard has ${tags.length === 1 ? 'the tag' : 'all the tags'} ${tags.join(', ')}.`,
    { remedy: '`terrarium get satellites` shows the tags.' },
  );
}
