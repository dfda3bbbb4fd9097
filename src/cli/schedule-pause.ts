import { cloudClient } from './cloud-client.ts';
import type { CommandModule } from './command.ts';

/** `schedule pause` and `schedule resume`. */
export function pausing(paused: boolean, summary: string): CommandModule {
  return {
    summary,
    group: 'Operate',
    configure(cmd, io) {
      cmd
        .argument('<name>', 'which schedule')
        .option('--context <name>', 'the cluster; default: the current one')
        .action(async (name: string, options: { context?: string }) => {
          const { API_PATHS } = await import('../cloud/api-paths.ts');
          const client = await cloudClient(io, options.context);
          await client.change('PATCH', `${API_PATHS.schedules}/${encodeURIComponent(name)}`, { paused }, io.signal);
          io.stdout.write(`schedules/${name} ${paused ? 'paused' : 'resumed'}\n`);
        });
    },
  };
}
