import type { CommandModule } from '../../../command.ts';
import { onMachines } from '../../../lab-machines.ts';

export const command: CommandModule = {
  summary: 'end the faults of machines',
  group: 'Lab',
  configure(cmd, io) {
    onMachines(cmd, async (names, all) => {
      const { clearFaults } = await import('../../../../../installer/lab/faults/faults.ts');
      io.stdout.write(`${await clearFaults(names, all)}\n`);
    });
  },
};
