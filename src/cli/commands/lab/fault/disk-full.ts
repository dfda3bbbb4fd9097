import type { CommandModule } from '../../../command.ts';

export const command: CommandModule = {
  summary: 'fill the disks of machines',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('<names...>', 'the machines')
      .option('--leave <MiB>', 'what stays free', Number, 0)
      .action(async (names: string[], flags: { leave: number }) => {
        const { diskFull } = await import('../../../../../installer/lab/faults/faults.ts');
        io.stdout.write(`${await diskFull(names, flags.leave)}\n`);
      });
  },
};
