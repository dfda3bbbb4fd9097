import type { CommandModule } from '../command.ts';
import { addTargetOptions, type TargetOptions } from '../targets.ts';

export const command: CommandModule = {
  summary: 'Remove every trace of a cluster from its machines',
  group: 'Set up',
  configure(cmd, io) {
    addTargetOptions(cmd)
      .option('-y, --yes', 'do not ask')
      .option('--data', 'also remove the data of persistent volume claims')
      .action(async (options: TargetOptions & { yes?: true; data?: true }) => {
        const { runUninstallCommand } = await import('../uninstall.ts');
        await runUninstallCommand(options, io);
      });
  },
};
