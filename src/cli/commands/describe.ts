import { Option } from 'commander';
import { cloudClient } from '../cloud-client.ts';
import type { CommandModule } from '../command.ts';

interface Options {
  output: 'text' | 'json' | 'yaml' | 'name';
  context?: string;
}

export const command: CommandModule = {
  summary: 'Show all about one of them, and what was changed of it last',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument(
        '<kind>',
        'nodes, pods, clouds, satellites, applications, users, tokens, enrolment-tokens, sessions, queries, schedules',
      )
      .argument('<names...>', 'which')
      .addOption(
        new Option('-o, --output <format>', 'with json and yaml each is {item, changes}')
          .choices(['text', 'json', 'yaml', 'name'])
          .default('text'),
      )
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'Exit codes: 0 done, 1 nothing of that name, 2 bad input, 3 only some of the names were found, 5 no ' +
          'machine answers.\n',
      )
      .action(async (word: string, names: string[], options: Options) => {
        const { kindOf, readNamed } = await import('../resources.ts');
        const kind = kindOf(word);
        const { outcome } = await import('../partial.ts');
        const { lastChanges, printDescriptions } = await import('../resource-description.ts');
        const client = await cloudClient(io, options.context);
        const { items, missing } = await readNamed(client, kind, names, io.signal);
        const described = [];
        for (const item of items) {
          described.push({
            item,
            changes: options.output === 'name' ? undefined : await lastChanges(client, kind, kind.key(item), io.signal),
          });
        }
        io.stdout.write(printDescriptions(kind, described, options.output, names.length === 1));
        outcome(io, items.length, missing);
      });
  },
};
