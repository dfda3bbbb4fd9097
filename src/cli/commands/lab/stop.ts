import type { CommandModule } from '../../command.ts';
import { onMachines } from '../../lab-machines.ts';

export const command: CommandModule = {
  summary: 'cut the power of machines, nothing synced',
  group: 'Lab',
  configure(cmd, io) {
    onMachines(cmd, async (names, all) => {
      const { labStop } = await import('../../../../installer/lab/power.ts');
      const done = await labStop(names, all);
      io.stdout.write(done.length === 0 ? 'Nothing to do.\n' : `Power cut: ${done.join(', ')}\n`);
    });
  },
};
