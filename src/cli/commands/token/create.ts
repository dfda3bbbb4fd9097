import { Option } from 'commander';
import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'Print the command by which one machine joins (run as root on a control plane)',
  group: 'Set up',
  configure(cmd, io) {
    cmd
      .addOption(
        new Option('--role <role>', 'what the machine becomes')
          .choices(['control-plane', 'worker'])
          .default('control-plane'),
      )
      .option('--ttl <minutes>', 'how long the token is good for', '120')
      .option('--data <dir>', 'where the cluster keeps its state (default: /var/lib/terrarium)')
      .action(async (options: { role: 'control-plane' | 'worker'; ttl: string; data?: string }) => {
        const minutes = Number(options.ttl);
        if (!(minutes > 0 && minutes <= 10_080)) {
          throw new Failure('usage', `--ttl ${options.ttl} is no number of minutes up to a week.`, {
            exitCode: EXIT.usage,
          });
        }
        const { joinCommand } = await import('../../../../installer/operations/join-command.ts');
        const { DEFAULT_DATA } = await import('../../../../installer/cluster/spec.ts');
        io.stdout.write(
          `${await joinCommand(options.data ?? DEFAULT_DATA, options.role, new Date(Date.now() + minutes * 60_000))}\n`,
        );
      });
  },
};
