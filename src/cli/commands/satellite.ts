import type { CommandModule } from '../command.ts';

export const command: CommandModule = {
  summary: 'Answer queries about this machine (internal: runs in a pod on every node)',
  configure(cmd, io) {
    cmd.action(async () => {
      const { runSatellite } = await import('../../satellite/satellite.ts');
      await runSatellite({
        env: io.env,
        signal: io.signal,
        log: (line) => io.stderr.write(`${new Date().toISOString()} ${line}\n`),
      });
      // A connection that is still being tried would keep the process.
      process.exit();
    });
  },
};
