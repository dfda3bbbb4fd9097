import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'remove the lab and every trace of it',
  group: 'Lab',
  configure(cmd, io) {
    cmd.option('--dir <path>', 'the lab\'s folder, where another one than the default was given').action(async (flags: { dir?: string }) => {
      const { labDown } = await import('../../../../installer/lab/down.ts');
      io.stdout.write((await labDown(flags.dir, io.env)) ? 'The lab is down.\n' : 'There was no lab.\n');
    });
  },
};
