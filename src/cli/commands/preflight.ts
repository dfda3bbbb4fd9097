import type { CommandModule } from '../command.ts';
import { addTargetOptions, type TargetOptions } from '../targets.ts';

export const command: CommandModule = {
  summary: 'Check machines and the network between them before an install',
  group: 'Set up',
  configure(cmd, io) {
    addTargetOptions(cmd)
      .option('--json', 'print the report as JSON')
      .option('--fix', 'also repair what can be repaired (swap, kernel limits); uninstall puts it back')
      .addHelpText(
        'after',
        `
Changes nothing without --fix. Exit code: 0 passed, 3 failed, 4 warnings only, 5 a machine unreachable.
Examples:
  terrarium preflight -f cluster.yaml
  terrarium preflight --hosts 10.0.0.11,10.0.0.12,10.0.0.13 --ignore "memory=test machines"`,
      )
      .action(async (options: TargetOptions & { json?: true; fix?: true }) => {
        const { runPreflightCommand } = await import('../preflight.ts');
        await runPreflightCommand(options, io);
      });
  },
};
