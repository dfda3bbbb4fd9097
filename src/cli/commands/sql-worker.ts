import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Run one query of a satellite (internal)',
  configure(cmd, io) {
    cmd.action(async () => {
      const { work } = await import('../../satellite/sql/worker.ts');
      await work(io.env);
      // Nothing is left to wait for, and signal handlers would keep the process.
      process.exit();
    });
  },
};
