import type { CommandModule } from '../../command.ts';

export const command: CommandModule = {
  summary: 'take the lab off this machine but keep its disks, for resume',
  group: 'Lab',
  configure(cmd, io) {
    cmd
      .option('--dir <path>', "the lab's folder; default: that of the lab that is up")
      .action(async (flags: { dir?: string }) => {
        const { labPause } = await import('../../../../installer/lab/pause.ts');
        const { options } = await labPause(flags.dir);
        io.stdout.write(`The lab is paused. To go on: terrarium lab resume --dir ${options.dir}\n`);
      });
  },
};
