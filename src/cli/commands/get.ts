import { InvalidArgumentError } from 'commander';
import type { SatelliteInfo } from '../../api/satellites.ts';
import { EXIT, Failure } from '../../errors.ts';
import { cloudClient } from '../cloud-client.ts';
import type { CommandModule, Io } from '../command.ts';
import { repeatable } from '../repeatable.ts';
import type { Format } from '../resource-printer.ts';

interface Options {
  output: Format;
  watch?: boolean;
  limit?: number;
  tag?: string[];
  context?: string;
}

const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'];

export const command: CommandModule = {
  summary: 'List what the cloud knows: users, tokens, satellites, nodes, …',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument(
        '<kind>',
        'nodes, pods, clouds, satellites, applications, users, tokens, enrolment-tokens, sessions, queries, ' +
          'schedules, audit',
      )
      .argument('[names...]', 'only these')
      .option(
        '-o, --output <format>',
        FORMATS.join(', '),
        (text: string): Format => {
          if (!FORMATS.includes(text)) {
            throw new InvalidArgumentError(`It must be one of ${FORMATS.join(', ')}.`);
          }
          return text as Format;
        },
        'table',
      )
      .option('-w, --watch', 'go on, and print what changes')
      .option('--limit <n>', 'at most so many', (text) => {
        if (!/^[1-9]\d{0,6}$/.test(text)) {
          throw new InvalidArgumentError('It must be a whole number.');
        }
        return Number(text);
      })
      .option('--tag <name=value>', 'only satellites that have this tag; may be given several times', repeatable)
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'Exit codes: 0 done, 1 nothing of that name, 2 bad input, 3 only some of the names were found, 5 no ' +
          'machine answers.\n',
      )
      .action((word: string, names: string[], options: Options) => get(io, word, names, options));
  },
};

async function get(io: Io, word: string, names: string[], options: Options): Promise<void> {
  const { kindOf, readAll, readNamed } = await import('../resources.ts');
  const kind = kindOf(word);
  const { tagOptions } = await import('../tag-options.ts');
  const wanted = Object.entries(tagOptions(options.tag));
  if (wanted.length > 0 && (kind.name !== 'satellites' || options.watch === true)) {
    throw new Failure('usage', '--tag is for a list of satellites.', { exitCode: EXIT.usage });
  }
  const hasTags = (item: unknown): boolean =>
    wanted.every(([name, value]) => (item as SatelliteInfo).tags[name] === value);
  const { printItems, watchPrinter } = await import('../resource-printer.ts');
  const { outcome } = await import('../partial.ts');
  const client = await cloudClient(io, options.context);
  const most = options.limit ?? (kind.name === 'audit' ? 100 : undefined);
  const query = kind.fleet === true ? fleetQuery(wanted, options.output) : {};
  const read =
    names.length === 0
      ? { ...(await readAll(client, kind, most, io.signal, query)), missing: new Map<string, string>() }
      : await readNamed(client, kind, names, io.signal);
  if (options.watch !== true) {
    const items = read.items.filter(hasTags);
    io.stdout.write(printItems(kind, items, options.output, names.length === 1 && wanted.length === 0, Date.now()));
    outcome(io, items.length, read.missing);
    return;
  }
  const { watchKind } = await import('../resource-watch.ts');
  const printer = watchPrinter(kind, options.output, Date.now);
  io.stdout.write(printer.first(read.items));
  const shown = new Map(read.items.map((i) => [kind.key(i), i]));
  for await (const { change, key, item } of watchKind(client, kind, read.seq, shown, io.signal)) {
    if (names.length === 0 || names.includes(key)) {
      io.stdout.write(printer.changed(change, key, item));
    }
  }
}

/** The list's parameters for satellites that have these tags. */
function fleetQuery(wanted: [string, string][], output: Format): Record<string, string> {
  // The list knows tags without a comma; the others are looked for here.
  const tags = wanted.every(([, value]) => !value.includes(','))
    ? wanted.map(([name, value]) => `${name}=${value}`).join(',')
    : '';
  return {
    ...(tags === '' ? {} : { tags }),
    ...(['table', 'name'].includes(output) ? { tables: 'none' } : {}),
  };
}
