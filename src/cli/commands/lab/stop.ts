import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'cut the power of machines, nothing synced',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .argument('[names...]', 'the machines')
      .option('--all', 'all of them')
      .action(async (names: string[], flags: { all?: boolean }) => {
        const all = flags.all ?? false;
        if (all === names.length > 0) {
          throw new Failure('usage', '`lab stop` takes names of machines or --all.', { remedy: '`terrarium lab status` lists them.', exitCode: EXIT.usage });
        }
        const { labStop } = await import('../../../../installer/lab/power.ts');
        const done = await labStop(names, all);
        io.stdout.write(done.length === 0 ? 'Nothing to do.\n' : `Power cut: ${done.join(', ')}\n`);
      });
  },
};
