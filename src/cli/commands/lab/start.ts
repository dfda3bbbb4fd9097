import type { CommandModule } from '../../command.ts';
import { onMachines } from '../../lab-machines.ts';

export const command: CommandModule = {
  summary: 'boot machines from their disks as they are',
  group: 'Lab',
  configure(cmd, io) {
    onMachines(cmd, async (names, all) => {
      const { labStart } = await import('../../../../installer/lab/power.ts');
      const done = await labStart(names, all, io.signal);
      io.stdout.write(done.length === 0 ? 'Nothing to do.\n' : `Running: ${done.join(', ')}\n`);
    });
  },
};
