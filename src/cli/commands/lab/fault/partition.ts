import type { CommandModule } from '../../../command.ts';

export const command: CommandModule = {
  summary: 'cut machines off from all others, or from some',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('<names...>', 'the machines')
      .option('--from <names...>', 'from these alone')
      .option('--one-way', 'only what the named machines send is lost')
      .action(async (names: string[], flags: { from?: string[]; oneWay?: boolean }) => {
        const { partition } = await import('../../../../../installer/lab/faults/faults.ts');
        io.stdout.write(`${await partition(names, flags.from, flags.oneWay ?? false)}\n`);
      });
  },
};
