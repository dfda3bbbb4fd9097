import { EXIT, Failure } from '../../../errors.ts';
import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

const WAYS = ['cloud', 'direct', 'both'];

export const command: CommandModule = {
  summary: 'Choose how a satellite is asked: through the cloud, directly by browsers, or both',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'the satellite')
      .argument('<way>', `${WAYS.join(', ')}; with cloud its own endpoint is closed`)
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async (id: string, way: string, options: { context?: string }) => {
        if (!WAYS.includes(way)) {
          throw new Failure('usage', `There is no way ${way}.`, {
            remedy: `Give one of ${WAYS.join(', ')}.`,
            exitCode: EXIT.usage,
          });
        }
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const client = await cloudClient(io, options.context);
        await client.change('PATCH', `${API_PATHS.satellites}/${encodeURIComponent(id)}`, { access: way }, io.signal);
        io.stdout.write(`${id}: ${way}\n`);
      });
  },
};
