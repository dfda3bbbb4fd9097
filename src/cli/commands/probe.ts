import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'try the ways to other machines, driven by preflight over stdin',
  configure(cmd, io) {
    cmd.action(async () => {
      const { probeSession } = await import('../../../installer/preflight/matrix/session.ts');
      await probeSession(io.stdin, io.stdout);
      // Handles of half-closed connections must not keep the process.
      process.exit();
    });
  },
};
