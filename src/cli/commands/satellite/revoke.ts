import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Cut a satellite off at once, for good: its keys are void',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'which satellite')
      .option('--reason <text>', 'why, for its history')
      .option('--context <name>', 'the cluster; default: the current one')
      .addHelpText('after', '\nIts machine may enrol again with new keys: `terrarium satellite install … --new-key` there. A satellite of a node comes back by `terrarium delete satellites ID`.\n')
      .action(async (id: string, options: { reason?: string; context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { createCloudClient } = await import('../../../context/client.ts');
        const { loadContext } = await import('../../../context/context.ts');
        const query = options.reason === undefined ? '' : `?${new URLSearchParams({ reason: options.reason }).toString()}`;
        await createCloudClient(loadContext(io.env, options.context)).change('POST', `${API_PATHS.satellites}/${encodeURIComponent(id)}/revoke${query}`, undefined, io.signal);
        io.stdout.write(`satellites/${id} revoked\n`);
      });
  },
};
