import { cloudClient } from '../../cloud-client.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Show the last runs of a schedule, and how each ended',
  group: 'Use',
  configure(cmd, io) {
    cmd
      .argument('<name>', 'which schedule')
      .option('--json', 'one JSON object a line instead of a table')
      .option('--context <name>', 'the cluster; default: the current one')
      .action(async (name: string, options: { json?: true; context?: string }) => {
        const { API_PATHS } = await import('../../../cloud/api-paths.ts');
        const { cell, table } = await import('../../table.ts');
        type Runs = import('../../../api/page.ts').Page<import('../../../api/schedules.ts').ScheduleRun>;
        const client = await cloudClient(io, options.context);
        const { items } = await client.get<Runs>(`${API_PATHS.schedules}/${encodeURIComponent(name)}/runs`, io.signal);
        if (options.json === true) {
          return void io.stdout.write(items.map((run) => `${JSON.stringify(run)}\n`).join(''));
        }
        const rows = items.map((run) =>
          [
            run.number,
            run.begunAt,
            run.endedAt,
            run.state,
            run.cause,
            run.runner,
            Object.entries(run.counts)
              .map(([state, n]) => `${n} ${state}`)
              .join(', '),
            run.rows,
            run.kept,
            run.reason,
          ].map(cell),
        );
        io.stdout.write(
          table(['RUN', 'BEGAN', 'ENDED', 'STATE', 'WHY', 'BY', 'SATELLITES', 'ROWS', 'KEPT', 'REASON'], rows, ''),
        );
      });
  },
};
