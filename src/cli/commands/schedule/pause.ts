import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Let a schedule rest: its runs and rows stay',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'which schedule')
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async (name: string, options: { context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        await (await cloudClient(io, options.context)).change('PATCH', `${API_PATHS.schedules}/${encodeURIComponent(name)}`, { paused: true }, io.signal);
        io.stdout.write(`schedules/${name} paused\n`);
      });
  },
};
