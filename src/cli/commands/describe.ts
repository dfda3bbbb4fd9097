import { cloudClient } from '../cloud-client.ts';
import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Show all about one of them, and what was changed of it last',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument('<kind>', 'nodes, pods, clouds, satellites, applications, users, tokens, sessions, queries, schedules')
      .argument('<names...>', 'which')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText('after', '\nExit codes: 0 done, 1 nothing of that name, 2 bad input, 3 only some of the names were found, 5 no machine answers.\n')
      .action(async (word: string, names: string[], options: { context?: string }) => {
        const { kindOf, readNamed } = await import('../resources.ts');
        const kind = kindOf(word);
        const { outcome } = await import('../partial.ts');
        const { describe, lastChanges } = await import('../resource-description.ts');
        const client = await cloudClient(io, options.context);
        const { items, missing } = await readNamed(client, kind, names, io.signal);
        for (const [n, item] of items.entries()) {
          if (n > 0) io.stdout.write('\n');
          io.stdout.write(describe(kind, item, await lastChanges(client, kind, kind.key(item), io.signal)));
        }
        outcome(io, items.length, missing);
      });
  },
};
