import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: "Show the changes of a satellite's state: when, by whom, and why",
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument('<id>', 'which satellite')
      .option('--json', 'one JSON object a line instead of a table')
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async (id: string, options: { json?: true; context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { cell, table } = await import('../../table.ts');
        type Changes = import('../../../api/page.ts').Page<import('../../../api/satellites.ts').SatelliteChange>;
        const client = await cloudClient(io, options.context);
        const { items } = await client.get<Changes>(
          `${API_PATHS.satellites}/${encodeURIComponent(id)}/states?limit=500`,
          io.signal,
        );
        io.stdout.write(
          options.json === true
            ? items.map((i) => `${JSON.stringify(i)}\n`).join('')
            : table(
                ['TIME', 'STATE', 'BY', 'WHY'],
                items.map((i) => [i.at, i.state, i.actor, i.reason].map(cell)),
                '',
              ),
        );
      });
  },
};
