import type { CommandModule } from '../../../command.ts';

export const command: CommandModule = {
  summary: 'make machines stand still: alive for the network, but nobody answers',
  group: 'Lab',
  configure(cmd, io) {
    cmd.argument('<names...>', 'the machines').action(async (names: string[]) => {
      const { stop } = await import('../../../../../installer/lab/faults/faults.ts');
      io.stdout.write(`${await stop(names)}\n`);
    });
  },
};
