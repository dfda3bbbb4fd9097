import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'boot machines from their disks as they are',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('[names...]', 'the machines')
      .option('--all', 'all of them')
      .action(async (names: string[], flags: { all?: boolean }) => {
        const all = flags.all ?? false;
        if (all === names.length > 0) {
          throw new Failure('usage', '`lab start` takes names of machines or --all.', { remedy: '`terrarium lab status` lists them.', exitCode: EXIT.usage });
        }
        const { labStart } = await import('../../../../installer/lab/power.ts');
        const done = await labStart(names, all, io.signal);
        io.stdout.write(done.length === 0 ? 'Nothing to do.\n' : `Running: ${done.join(', ')}\n`);
      });
  },
};
