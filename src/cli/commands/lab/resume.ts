import { EXIT, Failure } from '../../../errors.ts';
import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'boot a paused lab from its disks',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .option('--dir <path>', "the paused lab's folder", '/var/lib/terrarium-lab')
      .action(async (flags: { dir: string }) => {
        const { labResume } = await import('../../../../installer/lab/pause.ts');
        await labResume(flags.dir, (line) => void io.stdout.write(`${line}\n`), io.signal).catch((error: unknown) => {
          if (!io.signal.aborted) {
            throw error;
          }
          throw new Failure('interrupted', 'Interrupted; the lab is half up.', {
            remedy: `Run \`terrarium lab resume --dir ${flags.dir}\` again.`,
            exitCode: EXIT.interrupted,
          });
        });
      });
  },
};
