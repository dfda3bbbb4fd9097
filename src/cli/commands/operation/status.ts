import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Show the last operation on this node and how far its steps are',
  group: 'Operate',
  configure(cmd, io) {
    cmd
      .option('--operation <id>', 'another operation than the last one')
      .option('--data <dir>', 'where the cluster keeps its state (default: /var/lib/terrarium)')
      .option('--json', 'for programs', false)
      .action(async (options: { operation?: string; data?: string; json: boolean }) => {
        const { operationStatus } = await import('../../../../installer/plan/status.ts');
        const { DEFAULT_DATA } = await import('../../../../installer/cluster/spec.ts');
        const { explain } = await import('../../../errors.ts');
        const status = operationStatus(options.data ?? DEFAULT_DATA, options.operation);
        if (options.json) {
          io.stdout.write(`${JSON.stringify(status)}\n`);
          return;
        }
        io.stdout.write(
          `Operation ${status.id}: ` +
            `${status.state}${
              status.role === 'executor' ? ' (this node carries out steps of it; another ' + 'node coordinates)' : ''
            }\n`,
        );
        const width = Math.max(0, ...status.leaves.map((leaf) => leaf.id.length));
        for (const leaf of status.leaves) {
          const took = leaf.ms === undefined ? '' : `  ${(leaf.ms / 1000).toFixed(1)} s`;
          io.stdout.write(
            `  ${leaf.id.padEnd(width)}  ` +
              `${leaf.state}${took}${leaf.error === undefined ? '' : `  ${explain(leaf.error)}`}\n`,
          );
        }
      });
  },
};
