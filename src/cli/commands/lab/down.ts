import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'remove the lab and every trace of it',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .option('--dir <path>', "the lab's folder, where another one than the default was given")
      .action(async (flags: { dir?: string }) => {
        const { labDown } = await import('../../../../installer/lab/down.ts');
        const { something, paused } = await labDown(flags.dir, io.env);
        io.stdout.write(something ? 'The lab is down.\n' : 'There was no lab.\n');
        if (paused !== undefined) {
          io.stdout.write(
            `The lab paused in ${paused} stays; \`terrarium lab down --dir ${paused}\` removes it too.\n`,
          );
        }
      });
  },
};
