import type { CommandModule } from '../../../command.ts';

export const command: CommandModule = {
  summary: 'lose frames from and to machines by chance',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('<names...>', 'the machines')
      .requiredOption('--percent <n>', 'of every hundred frames', Number)
      .action(async (names: string[], flags: { percent: number }) => {
        const { loss } = await import('../../../../../installer/lab/faults/faults.ts');
        io.stdout.write(`${await loss(names, flags.percent)}\n`);
      });
  },
};
