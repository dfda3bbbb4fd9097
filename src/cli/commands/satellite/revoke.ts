import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Cut a satellite off at once, for good: its keys are void',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'which satellite')
      .option('--reason <text>', 'why, for its history')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText(
        'after',
        '\n' +
          'Its machine may enrol again with new keys: `terrarium satellite install … --new-key` there. A satellite ' +
          'of a node comes back by `terrarium delete satellites ID`.\n',
      )
      .action(async (id: string, options: { reason?: string; context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const query =
          options.reason === undefined ? '' : `?${new URLSearchParams({ reason: options.reason }).toString()}`;
        const client = await cloudClient(io, options.context);
        await client.change(
          'POST',
          `${API_PATHS.satellites}/${encodeURIComponent(id)}/revoke${query}`,
          undefined,
          io.signal,
        );
        io.stdout.write(`satellites/${id} revoked\n`);
      });
  },
};
