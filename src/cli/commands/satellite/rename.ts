import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Give a satellite another name; its id stays',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'which satellite')
      .argument('<name>', 'its new name')
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async (id: string, name: string, options: { context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const client = await cloudClient(io, options.context);
        await client.change('PATCH', `${API_PATHS.satellites}/${encodeURIComponent(id)}`, { name }, io.signal);
        io.stdout.write(`satellites/${id} renamed\n`);
      });
  },
};
